//! Every bound of the server, in one place.
//!
//! A limit that a user may want to change is a setting. Its default or its range is here. The other limits are fixed:
//! no legitimate use comes near them. The bounds of the engine are in [`weir::limits`].

use std::ops::RangeInclusive;
use std::time::Duration;

/// The default size limit of a request body in bytes, as sent and after decompression.
pub const BODY_BYTES_DEFAULT: usize = 16 << 20;

/// The range of the body size limit. Offsets into a body have 32 bits.
pub const BODY_BYTES: RangeInclusive<usize> = 1..=1 << 30;

/// The range of the number of worker threads. The default is one per core.
pub const WORKERS: RangeInclusive<usize> = 1..=512;

/// How long a request head may take to arrive.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The size limit of a request head in bytes, from the request line to the empty line.
pub const HEAD_BYTES_MAX: usize = 32 << 10;

/// The most bytes that one read of a connection returns. It is larger than a head.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 64 << 10;

/// The size limit of a request target in bytes: the path and the query.
pub const TARGET_BYTES_MAX: usize = 16 << 10;

/// The size limit of a request line in bytes. A longer request line is cut, and then the request is rejected.
pub const REQUEST_LINE_BYTES_MAX: usize = 24 << 10;

/// The most header fields of a request.
pub const HEADERS_MAX: usize = 100;

/// The default idle timeout of a keep-alive connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// The range of the idle timeout in seconds.
pub const IDLE_TIMEOUT_SECS: RangeInclusive<u64> = 1..=86_400;

/// How long a request body or a response may stall before the server closes the connection. It is also the grace period
/// of [`TRANSFER_BYTES_PER_SEC_MIN`].
pub const TRANSFER_TIMEOUT: Duration = Duration::from_secs(30);

/// The minimum transfer rate of request bodies and responses, in bytes per second.
pub const TRANSFER_BYTES_PER_SEC_MIN: usize = 1 << 10;

/// How long the server drains a connection that it closed while the peer was sending, so that the peer sees the
/// response.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The default limit of open connections. A connection takes about 21 KiB. It takes up to 150 KiB while a head arrives,
/// and after a read of [`CONNECTION_BUFFER_BYTES_MAX`].
pub const CONNECTIONS_DEFAULT: usize = 10_000;

/// The range of the limit of open connections.
pub const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;

/// File descriptors for other things than connections: the runtime, the log, the listener, token and certificate files.
pub const FILES_BESIDE_CONNECTIONS: usize = 64;

/// How long the server keeps reading a rejected body, so that the client sees the response.
pub const UNREAD_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The minimum part of `--max-memory` that is reserved for growth between two readings of the resident memory, in
/// bytes.
pub const MEMORY_SLACK_BYTES_MIN: usize = 128 << 20;

/// How often a server with a memory limit reads its resident memory.
pub const RSS_POLL_PERIOD: Duration = Duration::from_millis(50);

/// The default memory budget for request bodies in flight, in bytes. It also covers their decoding, and the responses
/// to batches until they are sent. The largest body of the default size takes at most three quarters of it.
pub const BODIES_BYTES_DEFAULT: usize = 512 << 20;

/// The buffer of an announced body is at most this many times as large as the part that has arrived.
pub const BODY_RESERVED_TIMES: usize = 4;

/// The largest uncompressed body, in bytes, that a runtime worker ingests itself, whatever it contains. It usually
/// takes a tenth of a millisecond, and a few milliseconds if its bytes are chosen to be slow.
pub const INLINE_BODY_BYTES: usize = 16 << 10;

/// The largest body of events of the usual shape, in bytes, that a runtime worker ingests itself. A move to another
/// thread would cost more than it saves.
pub const INLINE_USUAL_BODY_BYTES: usize = 256 << 10;

/// The largest body, in bytes, that does not wait for other batches. It takes about as long as any small request.
pub const UNPACED_BODY_BYTES: usize = 4 << 10;

/// The most events of a body that a runtime worker ingests itself. An event takes at most about a microsecond, its part
/// of the response included.
pub const INLINE_EVENTS: usize = 4_096;

/// The most members of a gzip body. A member costs microseconds, however small it is. BGZF has members of 64 KiB: the
/// largest allowed body needs a quarter of this limit.
pub const GZIP_MEMBERS_MAX: usize = 1 << 16;

/// The largest zstd window, as a power of two: the 8 MiB that RFC 9659 sets for the content coding.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The most routes that the request metrics distinguish. The router has fewer.
pub const ROUTES_MAX: usize = 64;

/// The most values of an attribute that the exposition lists, those with the most events. The others are summed up.
pub const VALUES_EXPOSED_MAX: usize = 20;

/// Queries that run concurrently.
pub const CONCURRENT_QUERIES: usize = 2;

/// Queries that run concurrently and scan every run of their window. Each holds a copy of the users' groups, and the
/// runs that would otherwise be freed or changed: at most as much memory again as the timeline takes.
pub const CONCURRENT_SCANS: usize = 1;

/// The most counters of a series: points x groups x types.
pub const SERIES_COUNTERS_MAX: usize = 1 << 27;

/// The size limit of a series as JSON, in bytes.
pub const SERIES_BYTES_MAX: usize = 64 << 20;

/// The largest query response, in bytes, that is not charged to the response memory budget. A connection takes more.
pub const RESPONSE_BYTES_FREE: usize = 64 << 10;

/// The largest response, in bytes, that is never compressed.
pub const UNCOMPRESSED_BYTES_MAX: u64 = 4 << 10;

/// The memory of an encoder of a response, in bytes. It is charged to the response memory budget.
pub const ENCODER_BYTES: usize = 2 << 20;

/// The bytes of a response that are compressed at once. They take a fraction of a millisecond.
pub const COMPRESSED_PIECE_BYTES: usize = 64 << 10;

/// The default limit of concurrent live streams.
pub const STREAMS_DEFAULT: usize = 1_000;

/// The range of the limit of live streams.
pub const STREAMS: RangeInclusive<usize> = 0..=100_000;

/// The most distinct queries of all live streams. Each is computed once per second.
pub const STREAM_QUERIES_MAX: usize = 64;

/// How often a live stream sends a result.
pub const STREAM_PERIOD: Duration = Duration::from_secs(1);

/// The most rejected events that the server keeps, of at most about 400 bytes each.
pub const REJECTS_KEPT: usize = 1_000;

/// The most rejected events of one batch that the server keeps.
pub const REJECTS_OF_BATCH_MAX: usize = 100;

/// The default number of rejected events in a response.
pub const REJECTS_SHOWN_DEFAULT: usize = 100;

/// Changes of the reference table that are prepared concurrently. They are applied one after the other.
pub const CONCURRENT_REFERENCE_CHANGES: usize = 2;

/// Requests that may wait in the queue of a concurrency limiter, for each of its permits. Further requests are
/// rejected at once.
pub const QUEUED_PER_PERMIT: usize = 16;

/// The same for batches that a runtime worker does not ingest itself. Their bodies, and the batches that are decoded
/// already, are charged to the memory budget for bodies.
pub const BATCHES_QUEUED_PER_PERMIT: usize = 128;

/// The same for queries that scan. All clients behind one proxy share one part of the queue.
pub const SCANS_QUEUED_PER_PERMIT: usize = 128;

/// The same for other queries, which take microseconds.
pub const QUERIES_QUEUED_PER_PERMIT: usize = 1_024;

/// One client holds at most one of this many parts of a queue of queries, and of the distinct queries of live streams.
pub const PEER_PARTS: usize = 2;

/// How often the server checks whether a client has gone that has sent bytes of a further request.
pub const PEER_POLL_PERIOD: Duration = Duration::from_millis(250);

/// How long a request may wait for a permit before it is rejected.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// The default queueing delay above which the adaptive limit admits fewer batches. The delay is how long a ready task
/// waits for a worker of the runtime, and then for a pass as a batch does. Producers accept such a delay. A closed loop
/// of 64 connections with batches of 10,000 events stays below it.
pub const QUEUE_DELAY_MAX: Duration = Duration::from_millis(250);

/// How often the queueing delay is measured.
pub const QUEUE_PROBE_PERIOD: Duration = Duration::from_millis(5);

/// How many consecutive delays must be too long before the limit is lowered. The scheduling of other processes causes
/// single long delays.
pub const LATE_PROBES: usize = 3;

/// The smallest adaptive limit: this many batches are always admitted.
pub const ADAPTIVE_LIMIT_MIN: usize = 4;

/// The most hosts that `--allowed-hosts` can list, and the most origins that `--cors-origins` can list.
pub const ALLOWED_MAX: usize = 64;

/// How long a browser may keep the response to a preflight. Browsers have limits of their own.
pub const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(7_200);

/// The most characters of a rejected host that a response repeats.
pub const HOST_CHARS_SHOWN: usize = 255;

/// The range of the length of a token in bytes.
pub const TOKEN_BYTES: RangeInclusive<usize> = 1..=1_024;

/// The most tokens of a role: two during a rotation, and more for clients with tokens of their own.
pub const TOKENS_MAX: usize = 64;

/// The size limit of a token file in bytes.
pub const TOKEN_FILE_BYTES_MAX: u64 = 128 << 10;

/// How long requests in flight may take to complete after a shutdown signal.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a batch may wait for the answer of the log. The body is complete then. Clients are promised 2.5 seconds.
pub const LOG_ANSWER_TIMEOUT: Duration = Duration::from_millis(2_400);

/// A change of the reference table may wait longer by its size: it is written and parsed at this rate at least, in
/// bytes per second.
pub const LOG_CHANGE_BYTES_PER_SEC: usize = 4 << 20;

/// How long the opening of a journal may take before the server answers that it is not ready. A start that is refused
/// is usually refused sooner.
pub const QUIET_OPENING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the log may take to record the last outcomes at the end of the process.
pub const LOG_STOP_TIMEOUT: Duration = Duration::from_millis(2_500);

/// How often the server looks at the state of the log.
pub const LOG_POLL_PERIOD: Duration = Duration::from_millis(100);

/// How often the server logs the progress of a replay.
pub const REPLAY_REPORT_PERIOD: Duration = Duration::from_secs(5);

/// How far the wall clock may move against a clock that cannot be set, between two readings, in milliseconds. It is
/// also how far the clock may be behind the newest entry of the journal at a start.
pub const CLOCK_JUMP_MS_MAX: i64 = 60_000;

/// The range of the size limit of the journal, in bytes.
pub const JOURNAL_BYTES: RangeInclusive<u64> = weir_log::limits::JOURNAL_BYTES;

/// The default size limit of the journal, in bytes. It is enough for about 100,000 events per second with the default
/// retention.
pub const JOURNAL_BYTES_DEFAULT: u64 = 16 << 30;

/// How old log time may be before a node of a cluster is not ready, and before its streams only say that they are busy.
/// Each node moves it twice a second.
pub const LOG_TIME_AGE_MAX: Duration = Duration::from_secs(2);

/// How long a node tries to reach its cluster at its start before it ends.
pub const CLUSTER_OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// The time between two attempts to reach the cluster at a start.
pub const CLUSTER_OPEN_PERIOD: Duration = Duration::from_secs(1);

/// The range of the size limit of the stream of frames, in bytes.
#[cfg(feature = "cluster")]
pub const CLUSTER_BYTES: RangeInclusive<u64> = weir_log::limits::CLUSTER_BYTES;

/// The default size limit of the stream of frames, in bytes.
pub const CLUSTER_BYTES_DEFAULT: u64 = JOURNAL_BYTES_DEFAULT;

/// The size limit of a file with a secret of the cluster, in bytes.
pub const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;

/// The pause after the first of several failed accepts. It doubles up to the end of the range.
pub const ACCEPT_PAUSE: RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_secs(1);

/// The minimum time between two warnings about rejected connections.
pub const ACCEPT_WARNING_PERIOD: Duration = Duration::from_secs(1);

/// The default length of a window in seconds. With a shorter retention, the default is the retention.
pub const WINDOW_SECS_DEFAULT: u32 = 300;
