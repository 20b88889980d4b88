//! Authors that have read another log than this node.
//!
//! Each frame names a place and the chain value there. If this node has another value, either the log is no longer what
//! this node has read, or the author is wrong. The log itself decides: this node reads it again.

use crate::applied::Suspect;
use crate::chain::frame_link;
use crate::limits::{SUSPECT_AGAIN_MS, SUSPECT_PLACES_MAX, SUSPECTS_MAX};
use crate::reader::Reader;
use crate::topic::{Entry, Follow, Lost, Place};
use crate::walk::decode;
use std::collections::BTreeMap;

/// The authors that were found wrong, and when.
#[derive(Default)]
pub(crate) struct Suspects(BTreeMap<u64, i64>);

impl Suspects {
    /// Reads the log again up to what the suspect names, unless the author was found wrong just before.
    ///
    /// # Errors
    /// The log is another one than this node has read.
    pub(crate) fn check(&mut self, suspect: Suspect, reader: &Reader, follow: &mut dyn Follow) -> Result<(), Lost> {
        let Suspect { author, place, named, log_ms } = suspect;
        if named >= place {
            let text = format!("the frame at place {} follows place {}, which the log has lost", place.0, named.0);
            return Err(went_back(follow, text));
        }
        self.0.retain(|_, found_ms| *found_ms >= log_ms.saturating_sub(SUSPECT_AGAIN_MS));
        if self.0.contains_key(&author) || self.0.len() >= SUSPECTS_MAX {
            return Ok(());
        }
        if let Some(changed) = first_change(named, reader, follow) {
            let text = format!(
                "the entry at place {} of the log has changed: the frame at place {} follows another log",
                changed.0, place.0
            );
            return Err(went_back(follow, text));
        }
        self.0.insert(author, log_ms);
        Ok(())
    }
}

fn went_back(follow: &mut dyn Follow, text: String) -> Lost {
    follow.log_went_back(&text);
    Lost::log(text)
}

/// The newest place up to `named` that is another entry in the log than this node has read. A log that has lost its end
/// differs at all later places, so the search goes backwards, and not far.
fn first_change(named: Place, reader: &Reader, follow: &mut dyn Follow) -> Option<Place> {
    for place in (1..=named.0).rev().take(SUSPECT_PLACES_MAX).map(Place) {
        let known = reader.link_at(place)?;
        // What cannot be read now shows nothing.
        let bytes = follow.read_again(place).ok()?;
        // Only its presence matters: other programs may have written entries of a log that has a time.
        let entry = Entry { place, bytes, logged_at_ms: Some(0) };
        let link = decode(&entry, reader.rules()).map(|frame| frame_link(&frame, entry.bytes.len()));
        if link.ok() != Some(known) {
            return Some(place);
        }
    }
    None
}
