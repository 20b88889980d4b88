//! Events of a known shape whose members come in another order.

use super::leaf::{closing_quote, string_end};
use super::separator::Separator;
use super::simd::{BLOCK_BYTES, Block, Simd};
use super::string_end::is_special;
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
    /// Whether the only special bytes of each name are the quotes at its end and before the value. A tab is a special
    /// byte, too.
    has_two_specials: bool,
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
        let (mut names, mut has_two_specials) = ([Separator::EMPTY; 4], true);
        for (name, (field, _)) in [first_name, second_name, third_name, fourth_name].into_iter().zip(members) {
            has_two_specials &= text.bytes.get(name.range())?.iter().filter(|byte| is_special(**byte)).count() == 2;
            names[field as usize] = name;
        }
        Some(Self { first, between, names, has_two_specials, order })
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

/// The position of the third special byte from `at` on, if that is in the next two blocks. A string cannot contain a
/// special byte unescaped.
///
/// If the name at `at` has two special bytes, the third one is the first special byte of the value: its closing quote,
/// or its first escape. That position does not depend on the length of the name. So the processor looks for the name
/// and for the special byte at the same time.
#[inline(always)]
fn third_special<S: Simd>(simd: S, text: Text<'_>, at: usize) -> Option<usize> {
    let [first, second] = [text.block(at)?, text.block(at + BLOCK_BYTES)?].map(|block| simd.special_bytes(block));
    let specials = u64::from(first) | u64::from(second) << BLOCK_BYTES;
    let without_lowest = |bits: u64| bits & bits.wrapping_sub(1);
    let from_third = without_lowest(without_lowest(specials));
    (from_third != 0).then(|| at + from_third.trailing_zeros() as usize)
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
            let special = if self.has_two_specials { third_special(simd, text, at) } else { None };
            let (end, has_escapes) = match special {
                Some(special) => closing_quote(simd, text, special)?,
                None => string_end(simd, text, start)?,
            };
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
