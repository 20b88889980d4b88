//! Every bound of the server, in one place.
//!
//! A limit that a user may want to change is a setting; its default or its range is here. The others are fixed: no
//! legitimate use comes near them. The bounds of the engine are in [`weir::limits`].

use std::ops::RangeInclusive;
use std::time::Duration;

/// Bytes of a body, as sent and after decompression, unless configured.
pub const BODY_BYTES_DEFAULT: usize = 16 << 20;

/// What the body limit may be set to. Offsets into a body are 32 bits wide.
pub const BODY_BYTES: RangeInclusive<usize> = 1..=1 << 30;

/// Worker threads of the server, unless one per core.
pub const WORKERS: RangeInclusive<usize> = 1..=512;

/// How long a request's head may take to arrive.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a request's head, from its first line to the empty one.
pub const HEAD_BYTES_MAX: usize = 32 << 10;

/// Bytes that a connection reads at once; more than a head.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 64 << 10;

/// Fields of a request's head.
pub const HEADERS_MAX: usize = 100;

/// How long a connection may rest between two requests, unless configured.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// What the idle timeout may be set to, in seconds.
pub const IDLE_TIMEOUT_SECS: RangeInclusive<u64> = 1..=86_400;

/// How long a body or an answer may stall before its connection is given up, and the head start that its least rate has.
pub const TRANSFER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes a second that a body or an answer must keep up.
pub const TRANSFER_BYTES_PER_SEC_MIN: usize = 1 << 10;

/// How long a connection that was closed before the peer had sent all is read on, so that the peer sees its answer.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections at once, unless configured. Each takes some 21 KiB, and up to 150 while a head arrives and once it has read
/// [`CONNECTION_BUFFER_BYTES_MAX`] at once.
pub const CONNECTIONS_DEFAULT: usize = 10_000;

/// What the number of connections may be set to.
pub const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;

/// File descriptors that are no connections: the runtime's, the log, the listener, token and certificate files.
pub const FILES_BESIDE_CONNECTIONS: usize = 64;

/// How long the server goes on reading a body that it has refused, so that the client sees why.
pub const UNREAD_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The least part of `--max-memory` that is left to what can grow between two looks at the process.
pub const MEMORY_SLACK_BYTES_MIN: usize = 128 << 20;

/// How often a server with a limit on memory looks at what its process takes.
pub const RSS_POLL_PERIOD: Duration = Duration::from_millis(50);

/// Bytes of memory for the bodies in flight, for what is made of them while they are read, and for the answers to batches
/// until they are taken, unless configured. The worst that the largest body of the default size can take is three quarters
/// of it.
pub const BODIES_BYTES_DEFAULT: usize = 512 << 20;

/// Room that is made for an announced body is at most so many times what has come of it.
pub const BODY_RESERVED_TIMES: usize = 4;

/// Bytes of an uncompressed body that a runtime worker takes in by itself whatever they are: in a tenth of a millisecond as
/// a rule, or, of bytes chosen to be slow, in a few milliseconds.
pub const INLINE_BODY_BYTES: usize = 16 << 10;

/// The same for a body of events of the usual shape only: to hand it to another thread would cost more than it saves.
pub const INLINE_USUAL_BODY_BYTES: usize = 256 << 10;

/// Events of such a body, each of which takes at most about a microsecond, the answer included.
pub const INLINE_EVENTS: usize = 4_096;

/// Members of a gzip body. Each costs microseconds, however little it holds; the 64 KiB members of BGZF in the largest
/// body allowed are a quarter of this.
pub const GZIP_MEMBERS_MAX: usize = 1 << 16;

/// The largest zstd window, as a power of two: the 8 MiB that RFC 9659 sets for the content coding.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Routes that requests are counted by; the router has fewer.
pub const ROUTES_MAX: usize = 64;

/// Values of an attribute that the exposition shows by themselves, those with the most events; the others are summed up.
pub const VALUES_EXPOSED_MAX: usize = 20;

/// Queries of the read side that run at once.
pub const CONCURRENT_QUERIES: usize = 2;

/// Queries at once that look at every run of their window: each holds a copy of the users' groups meanwhile, and the runs
/// that would be gone or changed otherwise, at most as much as the timeline again.
pub const CONCURRENT_SCANS: usize = 1;

/// Counters that the points of a series may come to: points x groups x types.
pub const SERIES_COUNTERS_MAX: usize = 1 << 27;

/// Bytes of a series as JSON.
pub const SERIES_BYTES_MAX: usize = 64 << 20;

/// Bytes of an answer to a question that are not charged to the memory for answers: less than a connection takes anyway.
pub const ANSWER_BYTES_FREE: usize = 64 << 10;

/// Live streams of figures at once, unless configured.
pub const STREAMS_DEFAULT: usize = 1_000;

/// What the number of live streams may be set to.
pub const STREAMS: RangeInclusive<usize> = 0..=100_000;

/// Distinct questions that live streams may ask; each is answered once a second.
pub const STREAM_QUERIES_MAX: usize = 64;

/// How often a live stream is told the figures.
pub const STREAM_PERIOD: Duration = Duration::from_secs(1);

/// Refused events that are kept to be shown, some 400 bytes each at the most.
pub const REJECTS_KEPT: usize = 1_000;

/// Refused events of one batch that are kept.
pub const REJECTS_OF_BATCH_MAX: usize = 100;

/// Refused events that are shown, unless asked otherwise.
pub const REJECTS_SHOWN_DEFAULT: usize = 100;

/// Changes of the reference table that are prepared at once; they are judged one after the other anyway.
pub const CONCURRENT_REFERENCE_CHANGES: usize = 2;

/// Requests that may wait for a turn off the runtime's workers, for each that has one; others are refused at once.
pub const QUEUED_PER_PERMIT: usize = 16;

/// The same for queries, which take microseconds.
pub const QUERIES_QUEUED_PER_PERMIT: usize = 1_024;

/// How long a request waits for its turn off the runtime's workers before it is refused.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a task that is ready may wait for a worker of the runtime before fewer batches are let in, unless configured.
pub const QUEUE_DELAY_MAX: Duration = Duration::from_millis(20);

/// How often that wait is measured.
pub const QUEUE_PROBE_PERIOD: Duration = Duration::from_millis(5);

/// How many waits in a row have to be too long for a queue: a system that gives the time to others makes single ones.
pub const LATE_PROBES: usize = 3;

/// Batches that are let in at once however long the queue is.
pub const ADAPTIVE_LIMIT_MIN: usize = 4;

/// Characters of a token.
pub const TOKEN_BYTES: RangeInclusive<usize> = 1..=1_024;

/// Tokens of a role: two while one replaces the other, and some for clients that are told apart.
pub const TOKENS_MAX: usize = 64;

/// Bytes of a file of tokens.
pub const TOKEN_FILE_BYTES_MAX: u64 = 128 << 10;

/// How long requests in flight are given to finish after a signal to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// The pause after the first failed accept in a row, and the longest that it doubles to.
pub const ACCEPT_PAUSE: RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_secs(1);

/// How often the log says, at the most, that connections are refused.
pub const ACCEPT_WARNING_PERIOD: Duration = Duration::from_secs(1);

/// The window that is meant where none is named, if the retention allows it, in seconds.
pub const WINDOW_SECS_DEFAULT: u32 = 300;
