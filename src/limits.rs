//! Every bound of the engine, in one place.
//!
//! A limit that a user may want to change is a setting of [`EngineConfig`](crate::EngineConfig); its default or its range is
//! here. The others are fixed: no legitimate use comes near them.

use std::ops::RangeInclusive;

/// Bytes of an `event_id` or a `user_id`, after unescaping.
pub const ID_BYTES: RangeInclusive<usize> = 1..=256;

/// Levels that JSON may nest.
pub const JSON_DEPTH_MAX: usize = 128;

/// Events in one request, unless configured.
pub const BATCH_EVENTS_DEFAULT: usize = 100_000;

/// What `max_batch_events` may be set to.
pub const BATCH_EVENTS: RangeInclusive<usize> = 1..=10_000_000;

/// What the retention may be set to, in seconds: a day at the most, since each second costs a slot in every shard.
pub const RETENTION_SECS: RangeInclusive<u32> = 1..=86_400;

/// What the skew may be set to, in seconds.
pub const SKEW_SECS: RangeInclusive<u32> = 0..=86_400;

/// Ring slots beyond the live seconds, for a writer that stalls between its clock reading and its append, in seconds.
pub const STALL_SLACK_SECS: u32 = 60;

/// Shards of the window.
pub const SHARDS: RangeInclusive<usize> = 1..=256;

/// Event types in the configured set; a kind is one byte of a record.
pub const EVENT_TYPES: RangeInclusive<usize> = 1..=64;

/// Attributes in the configured list.
pub const ATTRIBUTES: RangeInclusive<usize> = 1..=8;

/// Bytes of an attribute's or an event type's name.
pub const NAME_BYTES: RangeInclusive<usize> = 1..=64;

/// Bytes of an attribute's value, after unescaping.
pub const ATTRIBUTE_VALUE_BYTES: RangeInclusive<usize> = 1..=128;

/// Distinct values of one attribute in a reference table.
pub const ATTRIBUTE_VALUES_MAX: usize = 4_096;

/// Distinct combinations of attribute values in a reference table.
pub const GROUPS_MAX: usize = 16_384;

/// Users in a reference table (merge patches can make it larger than one body).
pub const REFERENCE_USERS_MAX: usize = 10_000_000;

/// Live ids of the elastic dedup table; about 12 GB.
pub const DEDUP_IDS_MAX: usize = 1 << 27;

/// What the capacity of the preallocated dedup tables may be set to, in ids a horizon; some 32 bytes each.
pub const DEDUP_CAPACITY: RangeInclusive<usize> = 1..=1 << 32;

/// Nodes that a thread's JSON tape may keep room for from one body to the next, 24 bytes each.
pub const TAPE_NODES_KEPT_MAX: usize = 1 << 18;

/// Bytes of a body whose parse buffers a thread keeps for the next one.
pub const TEXT_BYTES_KEPT_MAX: usize = 4 << 20;

/// Records published but not folded yet, above which a batch is refused, unless configured; 16 bytes each.
pub const BACKLOG_EVENTS_DEFAULT: usize = 1 << 23;

/// What a record that is not freed yet takes at the most: 16 bytes, and a chunk of 40 where it came alone.
pub const RECORD_BYTES_MAX: usize = 64;

/// What a counter of a sparse table takes at the most: 17 bytes a bucket, for the buckets of a table that is doubling
/// (up to 4 of them a counter) or of the smallest one, which has four.
pub const SPARSE_CELL_BYTES_MAX: usize = 96;

/// What an event that is admitted and not folded can come to at the most, beyond what is counted already. The sum of:
///
/// - its record, [`RECORD_BYTES_MAX`];
/// - its id in a map that is doubling: the slots of three tables of which the smallest is 13/16 full, 26 bytes each, and
///   some for buckets that overflow: 104;
/// - a new user: 36 bytes, and a cell of 8 in an index that counts at twice what its 3/4 of taken cells need: 64;
/// - an entry of a list that is doubling, or the cells of a grid that takes the list's place: 64;
/// - a new counter in the second's totals and in its last seen users, [`SPARSE_CELL_BYTES_MAX`] each.
pub const UNFOLDED_EVENT_BYTES_MAX: usize = 512;

/// What the making of a reference table takes for each byte of its body at the most. A node of the tape is 24 bytes and may
/// stand for two of the body, in a list that doubles; 36 were measured of short numbers, 20 to 30 of short users.
pub const REFERENCE_BYTES_PER_BODY_BYTE: usize = 48;

/// How many times a reference table what its patch takes in the making is: a copy, the table of twice its size that the
/// copy grows into, and the one that is made to measure afterwards.
pub const REFERENCE_COPIES_MAX: usize = 4;

/// What a user's group takes while it is prepared for a new reference table: 32 bytes, in a list that doubles.
pub const PREPARED_USER_BYTES_MAX: usize = 96;

/// The part of the backlog above which a writer folds a slice before it goes on.
pub const BACKLOG_RELIEF_PART: usize = 8;

/// Records that are folded under one hold of the timeline's lock when nobody waits for an answer.
pub const FOLD_SLICE: usize = 1 << 17;

/// Bytes of a name in a JSON Pointer; a fault within a longer one is said to be in the object that has it.
pub const POINTER_NAME_BYTES_MAX: usize = 1_024;
