//! Events of a known shape whose members come in another order.

use super::leaf::string_end;
use super::separator::Separator;
use super::simd::{BLOCK_BYTES, Block, Simd};
use super::strings::Strings;
use super::text::Text;
use crate::event::batch::Field;

/// The text of events that have the four fields and nothing else, for any order of the fields.
///
/// The text before a value is cut at the name: `","` and `user_id":"`. Each part was once read as part of a valid
/// event. Any name may follow a text between two members, and any such text or the end may follow a value.
pub(super) struct AnyOrder {
    /// From the start of the event to the first name.
    first: Separator,
    /// From the end of the first value to the next name.
    between: Separator,
    /// From the start of the name of each field to its value.
    names: [Separator; 4],
    /// The order of the event from which all this is known, as of [`next_order`].
    order: u32,
}

impl AnyOrder {
    /// From the fields of an event in their order, each with the text before its value. `None` if a part is too long,
    /// or too near the end of the text.
    pub(super) fn of(text: Text<'_>, members: [(Field, &Separator); 4]) -> Option<Self> {
        // The separator of the first member has three quotes: two of the name, and one of the value. The others begin
        // with the quote of the value before.
        let cut = |separator: &Separator, quotes_before_name: usize| {
            let mut quotes = memchr::memchr_iter(b'"', text.bytes.get(separator.range())?);
            let name_start = separator.range().start + quotes.nth(quotes_before_name)? + 1;
            let prefix = Separator::of(text, separator.range().start, name_start)?;
            let name = Separator::of(text, name_start, separator.range().end)?;
            // A search for a name compares one block.
            (name.len() <= BLOCK_BYTES).then_some((prefix, name))
        };
        let (first, first_name) = cut(members[0].1, 0)?;
        let (between, second_name) = cut(members[1].1, 1)?;
        let (third_name, fourth_name) = (cut(members[2].1, 1)?.1, cut(members[3].1, 1)?.1);
        let order = members.iter().fold(0, |order, (field, _)| next_order(order, *field));
        let mut names = [Separator::EMPTY; 4];
        for (name, (field, _)) in [first_name, second_name, third_name, fourth_name].into_iter().zip(members) {
            names[field as usize] = name;
        }
        Some(Self { first, between, names, order })
    }

    /// The field whose name is at the start of `block`.
    #[inline(always)]
    fn field<S: Simd>(&self, simd: S, block: &Block) -> Option<Field> {
        // All four comparisons and one branch: the processor cannot predict which of them is true.
        let is_name = |field: Field| u32::from(self.names[field as usize].is_start_of(simd, block)) << field as u32;
        let names = Field::ALL.into_iter().fold(0, |names, field| names | is_name(field));
        Field::ALL.get(names.trailing_zeros() as usize).copied()
    }
}

/// Adds a field to the order of an event's fields: two bits for each field, the last one in the lowest bits.
#[inline(always)]
fn next_order(order: u32, field: Field) -> u32 {
    order << 2 | field as u32
}

/// An event that was read.
pub(super) struct AnyOrderEvent {
    pub(super) end: usize,
    /// Whether the order of its members is not the known one.
    pub(super) is_shuffled: bool,
}

impl AnyOrder {
    /// Reads the event at `at`, whose last string is followed by `tail`. `None` if it is another event. The strings are
    /// meaningful only if there is a result.
    #[inline(always)]
    pub(super) fn read<S: Simd>(
        &self,
        simd: S,
        text: Text<'_>,
        at: usize,
        tail: &Separator,
        strings: &mut Strings,
    ) -> Option<AnyOrderEvent> {
        let mut at = self.first.skip(simd, text, at)?;
        let (mut seen, mut order) = (0, 0);
        for is_last in [false, false, false, true] {
            let field = self.field(simd, text.block(at)?)?;
            let start = at + self.names[field as usize].len();
            let (end, has_escapes) = string_end(simd, text, start)?;
            strings.set(field, start, end);
            if has_escapes {
                strings.extend(field, end);
            }
            (seen, order) = (seen | 1 << field as u8, next_order(order, field));
            at = if is_last { tail } else { &self.between }.skip(simd, text, end)?;
        }
        (seen == 0b1111).then_some(AnyOrderEvent { end: at, is_shuffled: order != self.order })
    }
}
