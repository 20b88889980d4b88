//! What a journal says of itself.

use std::collections::BTreeMap;
use std::fmt;

use super::error::Difference;

/// The setting that may get longer. Entries name an event type by its index, so an appended type changes no entry.
const EVENT_TYPES: &str = "event_types";

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// What a journal says of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Meta {
    /// The version of the format.
    pub format: u32,
    /// The settings that the entries depend on, by name.
    pub fingerprint: BTreeMap<String, String>,
    /// The secret of the hash keys. Made at random when the journal was created.
    pub secret: [u8; 32],
    /// When the journal was created, in milliseconds since the epoch.
    pub created_ms: i64,
    /// Whether the process that had the journal open before stopped it.
    pub stopped: bool,
}

impl Meta {
    /// The meta data of a new journal, with a secret of its own.
    ///
    /// # Errors
    /// If the operating system has no random bytes.
    pub(super) fn new(fingerprint: BTreeMap<String, String>, created_ms: i64) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self { format: FORMAT, fingerprint, secret, created_ms, stopped: true })
    }

    /// Where the configuration differs from the one of the journal, by name. Event types may be appended.
    pub(super) fn differences(&self, configured: &BTreeMap<String, String>) -> Vec<Difference> {
        self.changes(configured).into_iter().filter(|found| !is_appended(found)).collect()
    }

    /// Where the configuration is not exactly the one of the journal, by name.
    pub(super) fn changes(&self, configured: &BTreeMap<String, String>) -> Vec<Difference> {
        let names: std::collections::BTreeSet<_> = self.fingerprint.keys().chain(configured.keys()).collect();
        let difference = |name: &String| Difference {
            name: name.clone(),
            journal: self.fingerprint.get(name).cloned(),
            configured: configured.get(name).cloned(),
        };
        names.into_iter().map(difference).filter(|found| found.journal != found.configured).collect()
    }
}

/// Whether the setting has further event types at its end.
fn is_appended(Difference { name, journal, configured }: &Difference) -> bool {
    let is_longer =
        |(old, new): (&String, &String)| new.strip_prefix(old.as_str()).is_some_and(|added| added.starts_with(','));
    name == EVENT_TYPES && journal.as_ref().zip(configured.as_ref()).is_some_and(is_longer)
}

/// Without the secret.
impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meta")
            .field("format", &self.format)
            .field("fingerprint", &self.fingerprint)
            .field("created_ms", &self.created_ms)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}
