//! Every bound of the engine, in one place.
//!
//! A limit that a user may want to change is a setting of [`EngineConfig`](crate::EngineConfig); its default or its
//! range is here. The others are fixed: no legitimate use comes near them.

use std::ops::RangeInclusive;

/// Bytes of an `event_id` or a `user_id`, without escapes.
pub const ID_BYTES: RangeInclusive<usize> = 1..=256;

/// Levels of nesting in JSON.
pub const JSON_DEPTH_MAX: usize = 128;

/// Events in one request, unless configured.
pub const BATCH_EVENTS_DEFAULT: usize = 100_000;

/// The range of `max_batch_events`.
pub const BATCH_EVENTS: RangeInclusive<usize> = 1..=10_000_000;

/// The range of the retention, in seconds. It is at most a day, because each second needs a slot in every partition.
pub const RETENTION_SECS: RangeInclusive<u32> = 1..=86_400;

/// The range of the skew, in seconds.
pub const SKEW_SECS: RangeInclusive<u32> = 0..=86_400;

/// Slots of the ring in addition to the live seconds, in seconds. They are for a writer that stalls between its clock
/// reading and its append.
pub const STALL_SLACK_SECS: u32 = 60;

/// Partitions of the users.
pub const PARTITIONS: RangeInclusive<usize> = 1..=256;

/// The most partitions, and the most threads that fold, unless configured. A batch is split over all partitions, and
/// with many of them little of it is left for each.
pub const PARTITIONS_DEFAULT_MAX: usize = 16;

/// Threads that fold.
pub const FOLD_THREADS: RangeInclusive<usize> = 1..=256;

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

/// The range of the dedup capacity, in ids of a horizon; about 40 bytes for each id.
pub const DEDUP_CAPACITY: RangeInclusive<usize> = 1..=1 << 32;

/// The ids of a generation for which 16 lines of a dedup table are made; a line has 64 bytes. With more ids, more of
/// them find no cell in their line.
pub const DEDUP_IDS_PER_16_LINES: usize = 29;

/// The smallest dedup table that grows and shrinks, in bytes. In a smaller one, the first ids of a fast producer would
/// find no cell before the next table is ready.
pub const DEDUP_TABLE_BYTES_MIN: usize = 8 << 20;

/// A dedup table that is smaller than this is followed by one of four times its size, in bytes. A larger one is
/// followed by one of twice its size.
pub const DEDUP_SMALL_TABLE_BYTES_MAX: usize = 64 << 20;

/// If claims look at this number of dedup tables, the next one has four times the size of the last one.
pub const DEDUP_DOUBLED_TABLES_MAX: usize = 6;

/// The dedup tables that a claim looks at. With all of them, the last one has 16 GiB.
pub const DEDUP_TABLES_MAX: usize = 8;

/// A larger dedup table is made when the current one will be full in this time at the present rate, in milliseconds. To
/// this time come [`DEDUP_LEAD_MS_PER_MIB`] for each MiB of the larger table.
pub const DEDUP_LEAD_MS: i64 = 200;

/// The time in which the memory of a larger dedup table is made resident even on a busy machine, in milliseconds for
/// each MiB.
pub const DEDUP_LEAD_MS_PER_MIB: i64 = 4;

/// The ids of that time are at most this number of times the ids since the last sweep.
pub const DEDUP_LEAD_TIMES_MAX: usize = 20;

/// The lines of a dedup table that a sweep wipes under one hold of the lock; 64 bytes each.
pub const DEDUP_WIPE_LINES: usize = 1 << 12;

/// The lines of a table for each line of the first segment for its ids that find no cell.
pub const DEDUP_OVERFLOW_PART: usize = 512;

/// The memory that is counted for an id in a segment that a claimant has opened, in bytes. The segment is still sparse
/// then.
pub const DEDUP_OVERFLOW_ID_BYTES: usize = 128;

/// The fewest lines of the first segment.
pub const DEDUP_OVERFLOW_LINES_MIN: usize = 64;

/// The lines of a segment that a sweep looks at to see whether the segment is filling up.
pub const DEDUP_OVERFLOW_LINES_FILLED: usize = 256;

/// Stripes in which claimants are counted while they claim, 128 bytes each. Up to this number of threads, no two of
/// them write to the same count.
pub const DEDUP_PIN_STRIPES: usize = 64;

/// Phases of the dedup that wait for a sweep to be freed. Beyond it, a claimant frees them.
pub const DEDUP_RETIRED_PHASES_MAX: usize = 16;

/// Nodes that a thread's JSON tape may keep room for from one body to the next, 24 bytes each.
pub const TAPE_NODES_KEPT_MAX: usize = 1 << 18;

/// Bytes of a body whose parse buffers a thread keeps for the next one.
pub const TEXT_BYTES_KEPT_MAX: usize = 4 << 20;

/// Rows for which a thread keeps room from one batch to the next, 90 bytes each. It is more than twice the default of
/// the largest batch, because room doubles.
pub const BATCH_ROWS_KEPT_MAX: usize = 1 << 18;

/// The default of the most records that are published and not folded yet; 16 bytes each. A batch beyond it is refused.
pub const BACKLOG_EVENTS_DEFAULT: usize = 1 << 23;

/// The most memory of a record that is not freed yet: 16 bytes, and a chunk of 40 bytes if it is the only record of its
/// append.
pub const RECORD_BYTES_MAX: usize = 64;

/// The most memory of a list that is unlinked and not freed yet, in addition to its records: 40 bytes of the empty
/// chunk that an earlier fold has left, and 32 of the deferred call that frees the list.
pub const RETIRED_LIST_BYTES_MAX: usize = 72;

/// The memory of a bag of deferred calls, of which a fold makes one. It has room for 64 calls.
pub const RETIRED_BAG_BYTES: usize = 2_304;

/// The most memory of a counter in a hash map: 17 bytes for each bucket. A map that is doubling has up to 4 buckets for
/// each counter; the smallest map has 4 buckets.
pub const SPARSE_COUNTER_BYTES_MAX: usize = 96;

/// The worst case of an unfolded event: the most memory that it can need beyond what is counted already. It is the sum
/// of:
///
/// - its record, [`RECORD_BYTES_MAX`], in a list of its own, [`RETIRED_LIST_BYTES_MAX`];
/// - its id in segments of lines, [`DEDUP_OVERFLOW_ID_BYTES`] in each of two generations, or in a map that is doubling,
///   104: the slots of three tables, 26 bytes each, of which the smallest is 13/16 full, and some bytes for buckets
///   that overflow;
/// - a new user, 112: a cell of 32 bytes in a table whose size counts twice at a load of 5/8, and 9 bytes;
/// - an entry of a list that is doubling or moves into a grid, 32;
/// - a new counter in the totals of the second and one in its last-seen users, [`SPARSE_COUNTER_BYTES_MAX`] each.
pub const UNFOLDED_EVENT_BYTES_MAX: usize =
    RECORD_BYTES_MAX + RETIRED_LIST_BYTES_MAX + 2 * DEDUP_OVERFLOW_ID_BYTES + 112 + 32 + 2 * SPARSE_COUNTER_BYTES_MAX;

/// The bytes of unescaped event ids that the fast path of the decoder holds for a batch. A batch with more takes the
/// general path.
pub const UNESCAPED_ID_BYTES_MAX: usize = 1 << 20;

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

/// Records that a tick or a writer folds under one hold of the timeline's lock, so that queries can run in between. The
/// hold ends with the second in which this number is reached, because a second's list is read as a whole.
pub const FOLD_SLICE: usize = 1 << 17;

/// Bytes of a name in a JSON Pointer. For an error inside a member with a longer name, the pointer ends at the
/// enclosing object.
pub const POINTER_NAME_BYTES_MAX: usize = 1_024;
