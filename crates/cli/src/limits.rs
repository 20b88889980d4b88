//! Every limit of the commands.
//!
//! The limits of the server are in [`weir_server::limits`]. The limits of the engine are in [`weir::limits`].

use std::ops::RangeInclusive;
use std::time::Duration;

/// How long the allocator keeps freed memory, if the server has no memory limit. If the memory went back at once, a
/// load that comes and goes would need new memory each time, and the system would have to clear it.
pub(crate) const FREED_MEMORY_KEPT: Duration = Duration::from_secs(10);

/// How long the exit waits for unfinished work on the runtime.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections of the load generator. Each has a thread of its own.
pub(crate) const LOAD_CONNECTIONS: RangeInclusive<usize> = 1..=10_000;

/// Events in a request of the load generator.
pub(crate) const LOAD_BATCH_EVENTS: RangeInclusive<usize> = 1..=100_000;

/// The maximum number of events in memory, over all connections of the load generator. An event has about 150 bytes.
pub(crate) const LOAD_EVENTS_HELD_MAX: usize = 10_000_000;

/// Events per second of the load generator.
pub(crate) const LOAD_EVENTS_PER_SEC: RangeInclusive<u64> = 1..=1_000_000_000;

/// The length of a run of the load generator.
pub(crate) const LOAD_DURATION: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// The number of users of the load generator.
pub(crate) const LOAD_USERS: RangeInclusive<u32> = 1..=1_000_000_000;

/// The exponent of the load generator's Zipf distribution.
pub(crate) const LOAD_ZIPF_EXPONENT: RangeInclusive<f64> = 0.0..=10.0;

/// The number of Zipf-distributed users that the load generator draws in advance.
pub(crate) const LOAD_ZIPF_DRAWS: usize = 1 << 20;

/// The connect timeout of the load generator.
pub(crate) const LOAD_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The timeout of a single read or write of the load generator.
pub(crate) const LOAD_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause of a worker of the load generator after a failed connect.
pub(crate) const LOAD_RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// The maximum number of bytes in the head of a response to the load generator.
pub(crate) const LOAD_RESPONSE_HEAD_BYTES_MAX: u64 = 64 << 10;

/// The maximum number of bytes in the body of a response to the load generator. With 200 bytes per verdict, the
/// response to the largest batch is a third of this.
pub(crate) const LOAD_RESPONSE_BODY_BYTES_MAX: u64 = 64 << 20;

/// The connect timeout of a client command.
pub(crate) const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The timeout of a request of a client command, from the start to the end of the response.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The same for a health check. Container engines end a check after 30 s or less.
pub(crate) const CLIENT_HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of bytes in the body of a response to a client command: see [`LOAD_RESPONSE_BODY_BYTES_MAX`].
pub(crate) const CLIENT_RESPONSE_BYTES_MAX: u64 = LOAD_RESPONSE_BODY_BYTES_MAX;

/// The logarithm of the largest window of a zstd file: 128 MiB of memory, the default of the program zstd.
pub(crate) const CLIENT_ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Events in a request of `weir send`.
pub(crate) const SEND_BATCH_EVENTS: RangeInclusive<usize> = 1..=100_000;

/// The maximum size of a request of `weir send`, and so of a line.
pub(crate) const SEND_BATCH_BYTES: RangeInclusive<usize> = 1 << 10..=weir_server::limits::BODY_BYTES_DEFAULT;

/// The linger time of `weir send`.
pub(crate) const SEND_LINGER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

/// How long `weir send` retries a batch.
pub(crate) const SEND_RETRY_FOR: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

/// The first and the longest pause of `weir send` between retries. The pauses double.
pub(crate) const SEND_PAUSE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// How often a command checks for a signal or a key press.
pub(crate) const SIGNAL_POLL_PERIOD: Duration = Duration::from_millis(50);

/// The number of rejected events that `weir send` lists.
pub(crate) const SEND_REJECTED_LISTED: usize = 10;

/// How often `weir top` polls the server.
pub(crate) const TOP_PERIOD: Duration = Duration::from_secs(1);

/// The length of the sparkline of `weir top`, in seconds.
pub(crate) const TOP_SPARKLINE_SECS: u32 = 60;

/// Events per second of `weir demo`, on average.
pub(crate) const DEMO_EVENTS_PER_SEC: RangeInclusive<u32> = 1..=100_000;

/// Users in the reference table of `weir demo`.
pub(crate) const DEMO_USERS: RangeInclusive<u32> = 1..=100_000;

/// How often `weir demo` sends events.
pub(crate) const DEMO_TICK: Duration = Duration::from_millis(100);

/// Events in a request of `weir demo`.
pub(crate) const DEMO_BATCH_EVENTS: usize = 25;

/// How often `weir demo` replaces the reference table.
pub(crate) const DEMO_TABLE_PERIOD: Duration = Duration::from_secs(30);

/// The pause of `weir demo` after a temporary failure, before it uploads the reference table again.
pub(crate) const DEMO_RETRY_PAUSE: Duration = Duration::from_secs(1);
