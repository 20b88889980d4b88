//! Every bound on what can grow, in one place.
//!
//! A limit that users may need to change is a setting ([`EngineConfig`](crate::EngineConfig) or the server's flags); its
//! default or its allowed range is defined here. The other limits are fixed, because no legitimate use comes near them.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Bytes of an `event_id` or a `user_id`, without escapes.
pub const ID_BYTES: RangeInclusive<usize> = 1..=256;

/// Levels of nesting in JSON.
pub const JSON_DEPTH_MAX: usize = 128;

/// Events in one request, unless configured.
pub const BATCH_EVENTS_DEFAULT: usize = 100_000;

/// The range of `max_batch_events`.
pub const BATCH_EVENTS: RangeInclusive<usize> = 1..=10_000_000;

/// Bytes of a body, as sent and after decompression, unless configured.
pub const BODY_BYTES_DEFAULT: usize = 16 << 20;

/// What the body limit may be set to. Offsets into a body are 32 bits wide.
pub const BODY_BYTES: RangeInclusive<usize> = 1..=1 << 30;

/// The range of the retention, in seconds. It is at most a day, because each second needs a slot in every shard.
pub const RETENTION_SECS: RangeInclusive<u32> = 1..=86_400;

/// The range of the skew, in seconds.
pub const SKEW_SECS: RangeInclusive<u32> = 0..=86_400;

/// Slots of the ring in addition to the live seconds, in seconds. They are for a writer that stalls between its clock
/// reading and its append.
pub const STALL_SLACK_SECS: u32 = 60;

/// Shards of the window.
pub const SHARDS: RangeInclusive<usize> = 1..=256;

/// Configured event types. A kind is one byte of a record.
pub const EVENT_TYPES: RangeInclusive<usize> = 1..=64;

/// Configured attributes.
pub const ATTRIBUTES: RangeInclusive<usize> = 1..=8;

/// Bytes of the name of an attribute or of an event type.
pub const NAME_BYTES: RangeInclusive<usize> = 1..=64;

/// Bytes of an attribute value, without escapes.
pub const ATTRIBUTE_VALUE_BYTES: RangeInclusive<usize> = 1..=128;

/// Distinct values of one attribute in a reference table.
pub const ATTRIBUTE_VALUES_MAX: usize = 4_096;

/// Distinct combinations of attribute values in a reference table.
pub const GROUPS_MAX: usize = 16_384;

/// Users in a reference table. With merge patches a table can be larger than one body.
pub const REFERENCE_USERS_MAX: usize = 10_000_000;

/// Live ids in the elastic dedup table; about 12 GB.
pub const DEDUP_IDS_MAX: usize = 1 << 27;

/// The range of the capacity of preallocated dedup tables, in ids of a horizon; about 32 bytes for each id.
pub const DEDUP_CAPACITY: RangeInclusive<usize> = 1..=1 << 32;

/// Nodes that a thread's JSON tape may keep room for from one body to the next, 24 bytes each.
pub const TAPE_NODES_KEPT_MAX: usize = 1 << 18;

/// Bytes of a body whose parse buffers a thread keeps for the next one.
pub const TEXT_BYTES_KEPT_MAX: usize = 4 << 20;

/// The default of the most records that are published and not folded yet; 16 bytes each. A batch beyond it is refused.
pub const BACKLOG_EVENTS_DEFAULT: usize = 1 << 23;

/// The most memory of a record that is not freed yet: 16 bytes, and a chunk of 40 bytes if it is the only record of its
/// append.
pub const RECORD_BYTES_MAX: usize = 64;

/// The most memory of a counter in a hash map: 17 bytes for each bucket. A map that is doubling has up to 4 buckets for
/// each counter; the smallest map has 4 buckets.
pub const SPARSE_COUNTER_BYTES_MAX: usize = 96;

/// The worst case of an unfolded event: the most memory that it can need beyond what is counted already. It is the sum
/// of:
///
/// - its record, [`RECORD_BYTES_MAX`];
/// - its id in a map that is doubling, 104: the slots of three tables, 26 bytes each, of which the smallest is 13/16
///   full, and some bytes for buckets that overflow;
/// - a new user, 64: 36 bytes, and a cell of 8 bytes in an index whose size counts twice at a load of 3/4;
/// - an entry of a list that is doubling, or the cells of a grid that replaces the list, 64;
/// - a new counter in the totals of the second and one in its last-seen users, [`SPARSE_COUNTER_BYTES_MAX`] each.
pub const UNFOLDED_EVENT_BYTES_MAX: usize = 512;

/// Peak memory for each byte of the body while a reference table is parsed. A node of the tape has 24 bytes, may
/// represent two bytes of the body, and is in a list that doubles. Measured were 36 with short numbers, and 20 to 30
/// with short users.
pub const REFERENCE_BYTES_PER_BODY_BYTE: usize = 48;

/// Peak memory of a patch, in multiples of the table that it is applied to: a copy, the table of twice its size that
/// the copy grows into, and the table of exact size that is made at the end.
pub const REFERENCE_COPIES_MAX: usize = 4;

/// Peak memory of a user's group that is prepared for a new reference table: 32 bytes, in a list that doubles.
pub const PREPARED_USER_BYTES_MAX: usize = 96;

/// A writer folds a slice before it continues when the backlog exceeds its maximum divided by this.
pub const WRITER_FOLD_PART: usize = 8;

/// Records that a tick or a writer folds under one hold of the timeline's lock, so that queries can run in between.
pub const FOLD_SLICE: usize = 1 << 17;

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

/// How long the allocator of a server without a limit on memory keeps what was freed: what a load that comes and goes uses
/// again and again would be cleared by the system each time.
pub const FREED_MEMORY_KEPT: Duration = Duration::from_secs(10);

/// How often a server with a limit on memory looks at what its process takes.
pub const PROCESS_LOOK_PERIOD: Duration = Duration::from_millis(50);

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
pub const READS_AT_ONCE: usize = 2;

/// Queries at once that look at every run of their window: each holds a copy of the users' groups meanwhile, and the runs
/// that would be gone or changed otherwise, at most as much as the timeline again.
pub const SCANS_AT_ONCE: usize = 1;

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
pub const REFERENCE_CHANGES_AT_ONCE: usize = 2;

/// Requests that may wait for a turn off the runtime's workers, for each that has one; others are refused at once.
pub const WAITING_PER_TURN: usize = 16;

/// The same for queries, which take microseconds.
pub const READS_WAITING_PER_TURN: usize = 1_024;

/// How long a request waits for its turn off the runtime's workers before it is refused.
pub const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a task that is ready may wait for a worker of the runtime before fewer batches are let in, unless configured.
pub const QUEUE_WAIT_MAX: Duration = Duration::from_millis(20);

/// How often that wait is measured.
pub const QUEUE_PROBE_PERIOD: Duration = Duration::from_millis(5);

/// How many waits in a row have to be too long for a queue: a system that gives the time to others makes single ones.
pub const LATE_PROBES: usize = 3;

/// Batches that are let in at once however long the queue is.
pub const ADMITTED_MIN: usize = 4;

/// Characters of a token.
pub const TOKEN_BYTES: RangeInclusive<usize> = 1..=1_024;

/// Tokens of a role: two while one replaces the other, and some for clients that are told apart.
pub const TOKENS_MAX: usize = 64;

/// Bytes of a file of tokens.
pub const TOKEN_FILE_BYTES_MAX: u64 = 128 << 10;

/// How long requests in flight are given to finish after a signal to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// How long work that nobody waits for any more may hold up the exit.
pub const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause after the first failed accept in a row, and the longest that it doubles to.
pub const ACCEPT_PAUSE: RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_secs(1);

/// How often the log says, at the most, that connections are refused.
pub const ACCEPT_WARNING_PERIOD: Duration = Duration::from_secs(1);

/// The window that is meant where none is named, if the retention allows it, in seconds.
pub const WINDOW_SECS_DEFAULT: u32 = 300;

/// Bytes of a name in a JSON Pointer. For an error inside a member with a longer name, the pointer ends at the enclosing
/// object.
pub const POINTER_NAME_BYTES_MAX: usize = 1_024;

/// Connections of the load generator, each with a thread of its own.
pub const LOAD_CONNECTIONS: RangeInclusive<usize> = 1..=10_000;

/// Events in a request of the load generator.
pub const LOAD_BATCH_EVENTS: RangeInclusive<usize> = 1..=100_000;

/// Events that the load generator keeps ready to send, over all connections; about 150 bytes each.
pub const LOAD_EVENTS_HELD_MAX: usize = 10_000_000;

/// Events a second that the load generator may be asked for.
pub const LOAD_EVENTS_PER_SEC: RangeInclusive<u64> = 1..=1_000_000_000;

/// How long the load generator may be asked to send.
pub const LOAD_DURATION: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// Users that the load generator may be asked to pretend.
pub const LOAD_USERS: RangeInclusive<u32> = 1..=1_000_000_000;

/// The exponent of the load generator's Zipf distribution.
pub const LOAD_ZIPF_EXPONENT: RangeInclusive<f64> = 0.0..=10.0;

/// Draws of Zipf-distributed users that the load generator makes in advance.
pub const LOAD_ZIPF_DRAWS: usize = 1 << 20;

/// How long the load generator waits for a connection.
pub const LOAD_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the load generator waits for the server to take or give the next piece of an exchange.
pub const LOAD_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection of the load generator rests after it could not be opened.
pub const LOAD_RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a reply's head that the load generator reads.
pub const LOAD_REPLY_HEAD_BYTES_MAX: u64 = 64 << 10;

/// Bytes of a reply's body that the load generator reads: a verdict of 200 bytes for each event of the largest batch is a
/// third of this.
pub const LOAD_REPLY_BODY_BYTES_MAX: u64 = 64 << 20;

/// How long a client command waits for a connection.
pub const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client command gives a request and its answer together.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of an answer that a client command reads: see [`LOAD_REPLY_BODY_BYTES_MAX`].
pub const CLIENT_REPLY_BYTES_MAX: u64 = LOAD_REPLY_BODY_BYTES_MAX;

/// Events in a request of `weir send`.
pub const SEND_BATCH_EVENTS: RangeInclusive<usize> = 1..=100_000;

/// What the bytes of a request of `weir send` may be bounded to; a line is never longer than a request.
pub const SEND_BATCH_BYTES: RangeInclusive<usize> = 1 << 10..=BODY_BYTES_DEFAULT;

/// How long a line may be asked to wait for others.
pub const SEND_LINGER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

/// How long `weir send` may be asked to try a batch again.
pub const SEND_RETRY_FOR: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

/// The first pause of `weir send` before it tries again, and the longest that it doubles to.
pub const SEND_PAUSE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// How often a command looks whether it is to end, or a key was pressed.
pub const SIGNAL_LOOK_PERIOD: Duration = Duration::from_millis(50);

/// Refused events that `weir send` lists one by one.
pub const SEND_REFUSED_LISTED: usize = 10;

/// How often a live picture is asked for and drawn.
pub const TOP_PERIOD: Duration = Duration::from_secs(1);

/// The part of the past that `weir top` draws as a line, in seconds.
pub const TOP_SPARKLINE_SECS: u32 = 60;

/// Events a second that `weir demo` may be asked for, on average.
pub const DEMO_EVENTS_PER_SEC: RangeInclusive<u32> = 1..=100_000;

/// Users in the reference table of `weir demo`.
pub const DEMO_USERS: RangeInclusive<u32> = 1..=100_000;

/// How often `weir demo` sends events.
pub const DEMO_TICK: Duration = Duration::from_millis(100);

/// Events in a request of `weir demo`.
pub const DEMO_BATCH_EVENTS: usize = 25;

/// How often `weir demo` replaces the reference table.
pub const DEMO_TABLE_PERIOD: Duration = Duration::from_secs(30);
