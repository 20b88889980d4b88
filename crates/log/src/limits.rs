//! Every bound of the log, in one place.

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
pub const JOURNAL_ENTRY_OVERHEAD_BYTES: u64 = 16;

/// The most entries that one commit removes. A long trim is spread over many commits, so that each commit stays short.
pub const JOURNAL_TRIMMED_PER_COMMIT_MAX: usize = 64;

/// Free bytes of the disk that ordinary entries leave. Trimming and necessary entries need disk space, too, and so do
/// the copies of pages that a commit writes.
pub const JOURNAL_FREE_BYTES_MIN: u64 = 256 << 20;

/// Free bytes of the disk that necessary entries leave.
pub const JOURNAL_FREE_BYTES_NECESSARY_MIN: u64 = 64 << 20;

/// The most bytes that the journal writes before it asks for the free space of the disk again.
pub const JOURNAL_FREE_CHECK_BYTES: u64 = 32 << 20;

/// The most commits before the journal asks for the free space of the disk again. Other programs fill the disk, too.
pub const JOURNAL_FREE_CHECK_COMMITS: u32 = 16;

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

/// The most names of a fingerprint.
pub const JOURNAL_FINGERPRINT_NAMES_MAX: usize = 64;
