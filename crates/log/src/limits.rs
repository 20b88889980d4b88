//! Every bound of the log, in one place.

/// Bytes of a frame. With the overhead of a store, a frame stays below a power of two.
pub const FRAME_BYTES_MAX: usize = 126 << 10;

/// Bytes of the outcomes in a frame. The rest is for rows.
pub const FRAME_OUTCOME_BYTES_MAX: usize = 32 << 10;

/// Rows of batches that have no answer yet. A larger batch is taken if no other one waits.
pub const WAITING_ROWS_MAX: usize = 1 << 20;

/// Bytes of batches that have no answer yet. A row takes 40 bytes until its batch is answered.
pub const WAITING_BYTES_MAX: usize = 64 << 20;

/// Batches that have no answer yet.
pub const WAITING_BATCHES_MAX: usize = 1 << 16;

/// Frames that this process has made and not applied yet, placed or not.
pub const UNAPPLIED_FRAMES_MAX: usize = 8;

/// While a frame waits longer than this for its place, no batch is taken, in milliseconds.
pub const UNPLACED_MS_MAX: i64 = 2_000;

/// A batch that has waited longer than this for its first frame is refused, in milliseconds.
pub const UNSENT_MS_MAX: i64 = 2_000;

/// How far the clock reading of a batch may be ahead of its frame's, in milliseconds.
pub const AHEAD_OF_FRAME_MS_MAX: i64 = 5_000;

/// How far the clock reading of a batch may be behind its frame's, in milliseconds.
pub const BEHIND_FRAME_MS_MAX: i64 = 30_000;

/// How far a clock reading may be behind log time, in milliseconds. The engine keeps each id for that much longer.
pub const BEHIND_LOG_TIME_MS_MAX: i64 = weir::limits::STALL_SLACK_SECS as i64 * 1_000;

/// A frame lands twice at most this number of frames after later ones of its node, or it is void.
pub const LANDINGS_KEPT: u64 = 64;

/// Nodes whose landings are remembered.
pub const NODES_MAX: usize = 1_024;

/// How long the landings of a node are remembered after its last one, in milliseconds of log time. A copy that lands
/// later is behind log time, and so it is void.
pub const NODE_KEPT_MS: i64 = 2 * BEHIND_LOG_TIME_MS_MAX;

/// Places whose chain values are kept. A frame that names an earlier place is not checked.
pub const CHAIN_PLACES_KEPT: usize = 65_536;

/// Outcomes are recorded at the latest this time after the last batch, in milliseconds.
pub const RECORD_AFTER_MS: i64 = 1_000;

/// The time between two frames of an idle log, in milliseconds. They move log time until all rows are trimmed.
pub const IDLE_FRAME_MS: i64 = 60_000;

/// Nothing is trimmed in this time after a start, in milliseconds. So an operator can stop a process that has started
/// with a wrong clock before it forgets anything.
pub const TRIM_AFTER_MS: i64 = 600_000;

/// Places whose log time is kept, to find the place to trim up to.
pub const TRIM_MARKS_MAX: usize = 4_096;

/// Bytes of frames that a replay holds while it looks for their outcomes.
pub const REPLAY_HELD_BYTES_MAX: usize = 256 << 20;

/// Reference changes that have no answer yet.
pub const WAITING_CHANGES_MAX: usize = 64;

/// Bytes of reference changes that have no answer yet. A larger change is taken if no other one waits.
pub const WAITING_CHANGE_BYTES_MAX: usize = 256 << 20;

/// A copy of the whole reference table is written after this number of patches.
pub const PATCHES_PER_BASE_MAX: usize = 1_000;

/// A copy of the whole reference table is written after this number of bytes of changes.
pub const CHANGE_BYTES_PER_BASE_MAX: usize = 64 << 20;

/// Bytes of changes that a reader holds while it looks for a base.
pub const HELD_CHANGE_BYTES_MAX: usize = 256 << 20;

/// Generations that the preconditions of one change may name.
pub const PRECONDITION_GENERATIONS_MAX: usize = 1_024;

/// How long the owner of the threads waits for the last outcomes to be recorded when it stops, in milliseconds.
pub const STOP_MS_MAX: u64 = 2_000;
