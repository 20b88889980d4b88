//! The layout of the event before, and events that have the same one.

use super::end::End;
use super::vector::{BLOCK_BYTES, Block, Vector};
use crate::event::batch::Field;

/// The order of an event's members, and the text around their values.
///
/// Between the quotes of two values may stand anything: white space, and other members as long as they are the same in
/// every event. All of it was once read as part of a valid event, so wherever it stands again it is the same part of one.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    members: [Member; 4],
    /// From the closing quote of the last value on.
    end: Stretch,
}

/// A member whose value is a string.
#[derive(Clone, Copy)]
struct Member {
    field: Field,
    /// From the closing quote of the value before, or the start of the event, to the opening quote of the value.
    before: Stretch,
    /// Where the value ended.
    end: End,
}

/// A place in the text.
#[derive(Clone, Copy)]
struct Stretch {
    start: usize,
    len: usize,
}

impl Layout {
    /// Reads an event of this layout, which begins at `at`, and returns where it ends. Its values are then in `values`,
    /// each at the index of its [`Field`].
    ///
    /// They are not returned, because to move them as a whole would wait for the stores of the single ones.
    #[inline(always)]
    pub(super) fn read<'t, V: Vector>(
        &self,
        vector: V,
        text: &'t [u8],
        at: usize,
        values: &mut [&'t [u8]; 4],
    ) -> Option<usize> {
        let mut rest = text.get(at..)?;
        for Member { field, before, end } in &self.members {
            let value = before.strip(vector, text, rest)?;
            // Where the value ends in another way than by a quote, what comes next does not match, since it begins with one.
            (values[*field as usize], rest) = value.split_at_checked(end.find(vector, value)?)?;
        }
        Some(text.len() - self.end.strip(vector, text, rest)?.len())
    }
}

impl Stretch {
    /// What comes after this stretch of `text` in another text that begins with the same bytes.
    #[inline(always)]
    fn strip<'t, V: Vector>(self, vector: V, text: &[u8], other: &'t [u8]) -> Option<&'t [u8]> {
        let block: &Block = text.get(self.start..)?.first_chunk()?;
        let alike = vector.matches(block, other.first_chunk()?).trailing_ones() as usize;
        if alike >= self.len { other.get(self.len..) } else { None }
    }
}

/// Learns the layout of an event while it is read.
pub(super) struct Learner {
    members: [Member; 4],
    len: usize,
    /// Where the last value ended.
    at: usize,
}

impl Learner {
    /// An event begins at `at`.
    #[inline(always)]
    pub(super) fn new(at: usize) -> Self {
        let none = Member { field: Field::EventId, before: Stretch { start: 0, len: 0 }, end: End::ANYWHERE };
        Self { members: [none; 4], len: 0, at }
    }

    /// The value of a known member is the string that stands from `start` to `end`.
    #[inline(always)]
    pub(super) fn note(&mut self, field: Field, start: usize, end: usize) {
        // Types are of a few lengths in any order, for which prediction would cost more than it saves.
        let expected = if field == Field::Type { End::ANYWHERE } else { End::after(end - start) };
        if let Some(member) = self.members.get_mut(self.len) {
            let before = Stretch { start: self.at, len: start - self.at };
            *member = Member { field, before, end: expected };
        }
        (self.len, self.at) = (self.len + 1, end);
    }

    /// The layout of the event that has now ended and had each field once, as a string; none where more than a block is
    /// between two values.
    #[inline(always)]
    pub(super) fn layout(self, end: usize) -> Option<Layout> {
        let end = Stretch { start: self.at, len: end - self.at };
        let len_max = self.members.iter().map(|member| member.before.len).fold(end.len, usize::max);
        (len_max <= BLOCK_BYTES).then_some(Layout { members: self.members, end })
    }
}
