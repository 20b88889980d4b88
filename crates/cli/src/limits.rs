//! Every bound of the commands, in one place.
//!
//! The bounds of the server are in [`weir_server::limits`], those of the engine in [`weir::limits`].

use std::ops::RangeInclusive;
use std::time::Duration;

/// How long the allocator of a server without a limit on memory keeps what was freed: what a load that comes and goes uses
/// again and again would be cleared by the system each time.
pub(crate) const FREED_MEMORY_KEPT: Duration = Duration::from_secs(10);

/// How long work that nobody waits for any more may hold up the exit.
pub(crate) const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections of the load generator, each with a thread of its own.
pub(crate) const LOAD_CONNECTIONS: RangeInclusive<usize> = 1..=10_000;

/// Events in a request of the load generator.
pub(crate) const LOAD_BATCH_EVENTS: RangeInclusive<usize> = 1..=100_000;

/// Events that the load generator keeps ready to send, over all connections; about 150 bytes each.
pub(crate) const LOAD_EVENTS_HELD_MAX: usize = 10_000_000;

/// Events a second that the load generator may be asked for.
pub(crate) const LOAD_EVENTS_PER_SEC: RangeInclusive<u64> = 1..=1_000_000_000;

/// How long the load generator may be asked to send.
pub(crate) const LOAD_DURATION: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// Users that the load generator may be asked to pretend.
pub(crate) const LOAD_USERS: RangeInclusive<u32> = 1..=1_000_000_000;

/// The exponent of the load generator's Zipf distribution.
pub(crate) const LOAD_ZIPF_EXPONENT: RangeInclusive<f64> = 0.0..=10.0;

/// Draws of Zipf-distributed users that the load generator makes in advance.
pub(crate) const LOAD_ZIPF_DRAWS: usize = 1 << 20;

/// How long the load generator waits for a connection.
pub(crate) const LOAD_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the load generator waits for the server to take or give the next piece of an exchange.
pub(crate) const LOAD_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection of the load generator rests after it could not be opened.
pub(crate) const LOAD_RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a reply's head that the load generator reads.
pub(crate) const LOAD_REPLY_HEAD_BYTES_MAX: u64 = 64 << 10;

/// Bytes of a reply's body that the load generator reads: a verdict of 200 bytes for each event of the largest batch is a
/// third of this.
pub(crate) const LOAD_REPLY_BODY_BYTES_MAX: u64 = 64 << 20;

/// How long a client command waits for a connection.
pub(crate) const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client command gives a request and its answer together.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of an answer that a client command reads: see [`LOAD_REPLY_BODY_BYTES_MAX`].
pub(crate) const CLIENT_REPLY_BYTES_MAX: u64 = LOAD_REPLY_BODY_BYTES_MAX;

/// Events in a request of `weir send`.
pub(crate) const SEND_BATCH_EVENTS: RangeInclusive<usize> = 1..=100_000;

/// What the bytes of a request of `weir send` may be bounded to; a line is never longer than a request.
pub(crate) const SEND_BATCH_BYTES: RangeInclusive<usize> = 1 << 10..=weir_server::limits::BODY_BYTES_DEFAULT;

/// How long a line may be asked to wait for others.
pub(crate) const SEND_LINGER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

/// How long `weir send` may be asked to try a batch again.
pub(crate) const SEND_RETRY_FOR: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

/// The first pause of `weir send` before it tries again, and the longest that it doubles to.
pub(crate) const SEND_PAUSE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// How often a command looks whether it is to end, or a key was pressed.
pub(crate) const SIGNAL_LOOK_PERIOD: Duration = Duration::from_millis(50);

/// Refused events that `weir send` lists one by one.
pub(crate) const SEND_REFUSED_LISTED: usize = 10;

/// How often a live picture is asked for and drawn.
pub(crate) const TOP_PERIOD: Duration = Duration::from_secs(1);

/// The part of the past that `weir top` draws as a line, in seconds.
pub(crate) const TOP_SPARKLINE_SECS: u32 = 60;

/// Events a second that `weir demo` may be asked for, on average.
pub(crate) const DEMO_EVENTS_PER_SEC: RangeInclusive<u32> = 1..=100_000;

/// Users in the reference table of `weir demo`.
pub(crate) const DEMO_USERS: RangeInclusive<u32> = 1..=100_000;

/// How often `weir demo` sends events.
pub(crate) const DEMO_TICK: Duration = Duration::from_millis(100);

/// Events in a request of `weir demo`.
pub(crate) const DEMO_BATCH_EVENTS: usize = 25;

/// How often `weir demo` replaces the reference table.
pub(crate) const DEMO_TABLE_PERIOD: Duration = Duration::from_secs(30);
