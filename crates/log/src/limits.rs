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

/// Generations that are prepared and not in force. A node of a cluster reads no further change before.
pub const PREPARED_GENERATIONS_MAX: usize = 8;

/// Generations that the preconditions of one change may name.
pub const PRECONDITION_GENERATIONS_MAX: usize = 1_024;

/// How long the owner of the threads waits for the last outcomes to be recorded when it stops, in milliseconds.
pub const STOP_MS_MAX: u64 = 2_000;

// The journal.

/// The cache of the journal's database, in bytes. Entries are appended once and read once, so a larger cache gains
/// little.
pub const JOURNAL_CACHE_BYTES: usize = 64 << 20;

/// The range of the journal's `max_bytes`. Below the lower end, a single reference table may not fit.
pub const JOURNAL_BYTES: std::ops::RangeInclusive<u64> = 64 << 20..=1 << 44;

/// The share of `max_bytes` that ordinary entries may fill, in percent. The rest is for necessary entries.
pub const JOURNAL_ORDINARY_PERCENT: u64 = 90;

/// The size limit of an entry in bytes. The database itself takes values of up to 3 GiB.
pub const JOURNAL_ENTRY_BYTES_MAX: usize = 2 << 30;

/// What an entry costs beside its bytes: its key and its header.
pub const JOURNAL_ENTRY_OVERHEAD_BYTES: u64 = 28;

/// The most entries that one commit removes. A long trim is spread over many commits, so that each commit stays short.
pub const JOURNAL_TRIMMED_PER_COMMIT_MAX: usize = 64;

/// Free bytes of the disk that ordinary entries leave. Trimming and necessary entries need disk space, too, and so do
/// the copies of pages that a commit writes.
pub const JOURNAL_FREE_BYTES_MIN: u64 = 256 << 20;

/// Free bytes of the disk that necessary entries leave.
pub const JOURNAL_FREE_BYTES_NECESSARY_MIN: u64 = 64 << 20;

/// What a commit writes beside twice the bytes of its entry, at most: changed pages of the trees.
pub const JOURNAL_COMMIT_OVERHEAD_BYTES: u64 = 64 << 10;

/// Bytes of the newest entries of a topic that stay in memory for its readers. Older and larger entries are
/// read from the disk.
pub const JOURNAL_TAIL_BYTES: usize = 4 << 20;

/// Bytes of entries that a reader takes from the disk at once. A larger entry comes alone.
pub const JOURNAL_READ_BYTES: usize = 1 << 20;

/// Entries that a reader takes from the disk at once.
pub const JOURNAL_READ_ENTRIES: usize = 1024;

/// Bytes of changed pages that the read-only access to a journal keeps in memory. The repair of a journal whose process
/// was killed changes a few pages for each GiB.
pub const JOURNAL_OVERLAY_BYTES_MAX: usize = 256 << 20;

/// Bytes of entries that a migration writes in one commit, about. They are in memory until then.
pub const JOURNAL_MIGRATED_PER_COMMIT_BYTES: usize = 64 << 20;

/// The most names of a fingerprint.
pub const JOURNAL_FINGERPRINT_NAMES_MAX: usize = 64;

// The cluster.

/// The oldest version of a NATS server that is used: major, minor, patch. Older ones lose messages in more ways.
pub const NATS_VERSION_MIN: (i64, i64, i64) = (2, 12, 3);

/// The servers that the URL of a cluster may name.
pub const CLUSTER_SERVERS_MAX: usize = 64;

/// The bytes of the name of a cluster's streams.
pub const CLUSTER_NAME_BYTES_MAX: usize = 32;

/// How long a request to the servers waits for its answer, in milliseconds.
pub const NATS_REQUEST_MS_MAX: u64 = 2_000;

/// The time between two pings of a server, in milliseconds. A server that misses three is left.
pub const NATS_PING_MS: u64 = 1_000;

/// The time between two attempts to connect, in milliseconds.
pub const RECONNECT_MS: u64 = 100;

/// The format of the streams that this version writes, and the newest that it reads.
pub const CLUSTER_FORMAT: u32 = 1;

/// The copies of each stream that a cluster needs to survive the loss of a server.
pub const REPLICAS_MIN: usize = 3;

/// The range of the size limit of the stream of frames, in bytes.
pub const CLUSTER_BYTES: std::ops::RangeInclusive<u64> = 64 << 20..=1 << 44;

/// The size limit of the stream of reference changes, in bytes. Larger bodies are elsewhere.
pub const REFERENCE_STREAM_BYTES_MAX: u64 = 256 << 20;

/// The size limit of the store of large bodies, in bytes. It holds two copies of the largest table and all changes
/// between them.
pub const BODY_STORE_BYTES_MAX: u64 = 1 << 30;

/// The bytes of an entry that is in its stream as a whole. A larger one is in the store of bodies. The default of the
/// servers' `max_payload` is 1 MiB.
pub const INLINE_BYTES_MAX: usize = 512 << 10;

/// The bytes of a message beside those of its entry.
pub const MESSAGE_OVERHEAD_BYTES: usize = 1 << 10;

/// The size limit of an entry of a cluster in bytes.
pub const CLUSTER_ENTRY_BYTES_MAX: usize = 256 << 20;

/// Frames that may wait for their places at once. The servers append them in parallel.
pub const UNPLACED_FRAMES_MAX: usize = 4;

/// Entries that wait for their first attempt.
pub const UNSENT_ENTRIES_MAX: usize = 64;

/// An entry without an answer is sent again after this time, in milliseconds. The time doubles with each attempt.
pub const RESEND_MS: u64 = 500;

/// The most time between two attempts, in milliseconds.
pub const RESEND_MS_MAX: u64 = 2_000;

/// After this time without a sure answer it is unknown whether an entry has a place, in milliseconds.
pub const PLACED_MS_MAX: u64 = 15_000;

/// An entry that was not sent in this time is not sent at all, in milliseconds.
pub const UNSENT_ENTRY_MS_MAX: u64 = 2_000;

/// The share of a stream's size limit that ordinary entries may fill, in percent. The rest is for necessary ones.
pub const CLUSTER_ORDINARY_PERCENT: u64 = 90;

/// What the servers count for a stored entry beside its bytes and its subject, about.
pub const STORED_ENTRY_OVERHEAD_BYTES: u64 = 30;

/// A reader that gets nothing for this time makes a new consumer, in milliseconds. Each node writes a frame more often.
pub const SILENCE_MS_MAX: u64 = 1_500;

/// The time before a reader makes the next consumer, in milliseconds.
pub const CONSUMER_RETRY_MS: u64 = 200;

/// How often in succession a reader finds the same fault in the log before it believes it. A server that has just
/// become the leader may be behind for a moment.
pub const FAULTS_BELIEVED: u32 = 10;

/// How often an entry that weir has not written is read again before it is believed.
pub const FOREIGN_READS: u32 = 10;

/// The time between two of these reads, in milliseconds.
pub const FOREIGN_READ_MS: u64 = 200;

/// How often such a read may fail.
pub const FOREIGN_READ_FAILURES_MAX: u32 = 100;

/// Bytes that a reader asks the servers for at once.
pub const PULL_BYTES: usize = 16 << 20;

/// Entries that a reader asks the servers for at once.
pub const PULL_ENTRIES: usize = 10_000;

/// Bytes of entries that a reader has fetched and that no one has taken yet.
pub const FETCHED_BYTES_MAX: usize = 16 << 20;

/// What a fetched entry costs beside its bytes.
pub const FETCHED_ENTRY_OVERHEAD_BYTES: usize = 128;

/// The servers forget a consumer that is not used for this time, in milliseconds.
pub const CONSUMER_IDLE_MS_MAX: u64 = 10_000;

/// The least time between two purges of a stream by a node, in milliseconds.
pub const PURGE_EVERY_MS: u64 = 10_000;

/// How long the store of bodies may take for one body, in milliseconds.
pub const BODY_MS_MAX: u64 = 60_000;

/// The time before a missing body is looked for again, in milliseconds. A copy of the store may be behind.
pub const BODY_RETRY_MS: u64 = 1_000;

/// A body that no entry names is removed after this time, in milliseconds. Its entry may be on its way.
pub const UNNAMED_BODY_MS: u64 = 600_000;

/// The time between two looks for bodies that no entry names, in milliseconds.
pub const BODY_SWEEP_MS: u64 = 60_000;

/// The time between two frames of a node in a cluster, in milliseconds: its heartbeat.
pub const HEARTBEAT_MS: i64 = 500;

/// The time between two frames for barriers alone, in milliseconds.
pub const BARRIER_EVERY_MS: i64 = 5;

/// A barrier that has waited longer than this is refused, in milliseconds.
pub const BARRIER_MS_MAX: i64 = 2_000;

/// Barriers that have no answer yet.
pub const WAITING_BARRIERS_MAX: usize = 1 << 16;

/// A node whose clock is further from the clock of the log than this takes no batches, in milliseconds.
pub const CLOCK_OFFSET_MS_MAX: i64 = 2_000;

/// The own frames by which a node judges its clock.
pub const CLOCK_OFFSETS_KEPT: usize = 10;

/// For this time only the author of a frame records its judgement, in milliseconds of log time.
pub const AUTHOR_RECORDS_MS: i64 = 2_000;

/// A node that says that it has no room is believed for this time, in milliseconds of log time.
pub const PEER_ROOM_MS: i64 = 2_000;

/// A node that is not heard for this time is gone, in milliseconds of log time.
pub const PEER_HEARD_MS: i64 = 10_000;

/// Places that the log has recorded differently than this node has judged them, and that wait for a second node.
pub const DISPUTES_MAX: usize = 1_024;

/// Entries that a node reads again when an author has read another log. A log that has lost its end differs at once.
pub const SUSPECT_PLACES_MAX: usize = 256;

/// The log is not read again because of the same author for this time, in milliseconds of log time.
pub const SUSPECT_AGAIN_MS: i64 = 60_000;

/// Authors that were found wrong.
pub const SUSPECTS_MAX: usize = 64;

/// The monitoring addresses of servers that are asked.
pub const MONITORS_MAX: usize = 64;

/// The bytes of the answer of a monitoring port.
pub const MONITOR_BYTES_MAX: u64 = 1 << 20;
