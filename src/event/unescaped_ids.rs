//! Event ids whose escapes were replaced.

use super::batch::Span;
use crate::limits::UNESCAPED_ID_BYTES_MAX;

/// Event ids without their escapes, until the text can be changed. An unescaped id is not longer than the escaped one,
/// so it takes its place in the text.
#[derive(Default)]
pub(super) struct UnescapedIds {
    /// Where each id goes. Its length is that of the unescaped id.
    spans: Vec<Span>,
    /// The ids, one after the other.
    bytes: Vec<u8>,
}

impl UnescapedIds {
    /// Whether there are too many bytes to add any more.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > UNESCAPED_ID_BYTES_MAX
    }

    pub(super) fn push(&mut self, span: Span, id: &[u8]) {
        self.spans.push(span);
        self.bytes.extend_from_slice(&id[..span.len as usize]);
    }

    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.bytes.clear();
    }

    /// Writes the ids to their places in `text`.
    pub(super) fn write(&self, text: &mut [u8]) {
        let mut bytes = &self.bytes[..];
        for Span { start, len } in &self.spans {
            let (id, rest) = bytes.split_at(*len as usize);
            text[*start as usize..][..id.len()].copy_from_slice(id);
            bytes = rest;
        }
    }
}
