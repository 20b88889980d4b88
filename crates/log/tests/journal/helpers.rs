//! What most tests of the journal need.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use weir_log::journal::{Journal, JournalError, Settings};
use weir_log::limits::JOURNAL_BYTES;
use weir_log::{Entry, Follow, Log, NotPlaced, Place};

/// Settings of a small journal.
pub(crate) fn settings() -> Settings {
    let fingerprint = [("retention_secs", "1800"), ("types", "click,view")];
    Settings {
        max_bytes: *JOURNAL_BYTES.start(),
        must_exist: false,
        fingerprint: fingerprint.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        now_ms: 1_700_000_000_000,
        on_commit: None,
    }
}

/// Opens the journal in `dir` with [`settings`].
pub(crate) fn open(dir: &Path) -> Journal {
    Journal::open(dir, settings()).unwrap()
}

/// The one-line error of opening `dir`.
pub(crate) fn refusal(dir: &Path, settings: Settings) -> String {
    one_line(&Journal::open(dir, settings).err().expect("it must be refused"))
}

pub(crate) fn one_line(error: &JournalError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.is_empty(), "one line: {text:?}");
    text
}

/// Appends an entry and waits for its place.
pub(crate) fn append(log: &mut dyn Log, bytes: &[u8]) -> Result<Place, NotPlaced> {
    answer(|placed| log.append(bytes.into(), placed))
}

/// Appends a necessary entry and waits for its place.
pub(crate) fn append_necessary(log: &mut dyn Log, bytes: &[u8]) -> Result<Place, NotPlaced> {
    answer(|placed| log.append_necessary(bytes.into(), placed))
}

fn answer(append: impl FnOnce(weir_log::Placed)) -> Result<Place, NotPlaced> {
    let (sender, receiver) = mpsc::channel();
    append(Box::new(move |result| sender.send(result).unwrap()));
    let result = receiver.try_recv().expect("the journal answers before append returns");
    assert!(receiver.recv().is_err(), "the journal answers once");
    result
}

/// All entries after `after` that are there.
pub(crate) fn entries(log: &mut dyn Log, after: Place) -> Vec<Entry> {
    rest(&mut *log.follow(after))
}

/// All entries that a reader still gets.
pub(crate) fn rest(reader: &mut dyn Follow) -> Vec<Entry> {
    std::iter::from_fn(|| reader.next(Duration::ZERO).unwrap()).collect()
}

/// An entry.
pub(crate) fn entry(place: u64, bytes: &[u8]) -> Entry {
    Entry { place: Place(place), bytes: Arc::from(bytes), logged_at_ms: None }
}

/// A small deterministic generator (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()).flatten().take(len).collect()
    }
}
