//! The shape of an event, and the events that have the same shape.

use super::any_order::{AnyOrder, AnyOrderEvent};
use super::escape::EscapedEnd;
use super::leaf::leaf_end;
use super::separator::Separator;
use super::simd::Simd;
use super::string_end::StringEnd;
use super::strings::Strings;
use super::text::Text;
use crate::event::batch::Field;
use std::cell::OnceCell;

/// The most values of a shape: those of the four fields, and those of other members, nested ones included.
const VALUES_MAX: usize = 16;

/// The order of an event's values, and the text around them: names, brackets, commas, white space.
///
/// A value is a string, a number or a literal, at any depth. Any such value may stand where another one was, if it is
/// not the value of a known field, which is a string. The text around the values was once read as part of a valid
/// event. So wherever the same text appears again, it is the same part of a valid event.
///
/// A shape is learned in place. While an event is read token by token, its values are added.
pub(super) struct EventShape {
    values: Vec<ShapeValue>,
    /// Whether the event that is being learned has too many values, or too long a text between two of them.
    is_too_large: bool,
    /// From the end of the last value to the end of the event.
    tail: Separator,
    /// While the shape is learned: the start of the text that comes next.
    next_start: usize,
    /// Whether events can be compared with the shape.
    is_known: bool,
    /// The text of events with the same members in any order, if that is possible. Most bodies never ask for it.
    any_order: OnceCell<Option<Box<AnyOrder>>>,
}

/// A value in a shape.
#[derive(Clone, Copy)]
struct ShapeValue {
    /// The field; none for the value of another member.
    field: Option<Field>,
    /// From the end of the value before, or the start of the event, to the value. The quotes of a field's value belong
    /// to the text around it, those of another string to the value.
    before: Separator,
    /// The expected end of a field's value.
    end: StringEnd,
}

impl EventShape {
    /// Reads an event of this shape that begins at `at`, and returns its end. The values are written to `strings`.
    ///
    /// The values are not returned, because a copy of the whole array would wait for the stores of the single values.
    #[inline(always)]
    pub(super) fn read<S: Simd>(&self, simd: S, text: Text<'_>, at: usize, strings: &mut Strings) -> Option<usize> {
        if !self.is_known {
            return None;
        }
        let mut reader = ShapeReader { simd, text, at, last_field: None, strings };
        if let [a, b, c, d] = &self.values[..] {
            // Written out, so that the compiler does not make a loop of it.
            reader.value(a)?;
            reader.value(b)?;
            reader.value(c)?;
            reader.value(d)?;
        } else {
            for value in &self.values {
                reader.value(value)?;
            }
        }
        reader.skip(&self.tail)?;
        Some(reader.at)
    }

    /// Reads an event that has the members of this shape in any order. `None` if it is another event, or if the shape
    /// has more members than the fields.
    #[inline(always)]
    pub(super) fn read_any_order<S: Simd>(
        &self,
        simd: S,
        text: Text<'_>,
        at: usize,
        strings: &mut Strings,
    ) -> Option<AnyOrderEvent> {
        if !self.is_known {
            return None;
        }
        let any_order = self.any_order.get_or_init(|| self.any_order(text).map(Box::new)).as_deref()?;
        any_order.read(simd, text, at, &self.tail, strings)
    }

    fn any_order(&self, text: Text<'_>) -> Option<AnyOrder> {
        let [a, b, c, d] = &self.values[..] else { return None };
        AnyOrder::of(text, [a.member()?, b.member()?, c.member()?, d.member()?])
    }

    /// Whether events can be compared with this shape.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }
}

impl ShapeValue {
    /// The field and the text before it.
    fn member(&self) -> Option<(Field, &Separator)> {
        Some((self.field?, &self.before))
    }
}

/// Reads one event of a known shape.
struct ShapeReader<'t, 's, S> {
    simd: S,
    text: Text<'t>,
    at: usize,
    /// The field of the value that was read last.
    last_field: Option<Field>,
    strings: &'s mut Strings,
}

impl<S: Simd> ShapeReader<'_, '_, S> {
    #[inline(always)]
    fn value(&mut self, ShapeValue { field, before, end }: &ShapeValue) -> Option<()> {
        self.skip(before)?;
        self.last_field = *field;
        let Some(field) = *field else {
            self.at = leaf_end(self.simd, self.text, self.at)?;
            return Some(());
        };
        let start = self.at;
        // A value that does not end with a quote fails at the next separator, which begins with a quote.
        self.at = end.find(self.simd, self.text, start)?;
        self.strings.set(field, start, self.at);
        Some(())
    }

    /// Moves to the position after a separator.
    #[inline(always)]
    fn skip(&mut self, separator: &Separator) -> Option<()> {
        if let Some(end) = separator.skip(self.simd, self.text, self.at) {
            self.at = end;
            return Some(());
        }
        let field = self.last_field?;
        let end = self.simd.run(EscapedEnd { text: self.text, at: self.at })?;
        self.strings.extend(field, end);
        self.at = separator.skip(self.simd, self.text, end)?;
        Some(())
    }
}

impl Default for EventShape {
    fn default() -> Self {
        Self {
            values: Vec::with_capacity(Field::ALL.len()),
            is_too_large: false,
            tail: Separator::EMPTY,
            next_start: 0,
            is_known: false,
            any_order: OnceCell::new(),
        }
    }
}

/// Learning.
impl EventShape {
    /// Begins to learn the shape of the event that begins at `at`.
    #[inline(always)]
    pub(super) fn begin(&mut self, at: usize) {
        self.values.clear();
        (self.is_too_large, self.next_start, self.is_known) = (false, at, false);
        self.any_order = OnceCell::new();
    }

    /// Adds the string of a field, from `start` to `end` within its quotes.
    #[inline(always)]
    pub(super) fn add_field(&mut self, text: Text<'_>, field: Field, start: usize, end: usize) {
        // Types have a few different lengths in random order. A prediction would be wrong too often to save time.
        let expected = if field == Field::Type { StringEnd::UNKNOWN } else { StringEnd::after(end - start) };
        self.add(text, Some(field), start, end, expected);
    }

    /// Adds another value, from `start` to `end`, its quotes included.
    #[inline(always)]
    pub(super) fn add_other(&mut self, text: Text<'_>, start: usize, end: usize) {
        self.add(text, None, start, end, StringEnd::UNKNOWN);
    }

    #[inline(always)]
    fn add(&mut self, text: Text<'_>, field: Option<Field>, start: usize, end: usize, expected: StringEnd) {
        match Separator::of(text, self.next_start, start) {
            Some(before) if self.values.len() < VALUES_MAX => {
                self.values.push(ShapeValue { field, before, end: expected });
            }
            _ => self.is_too_large = true,
        }
        self.next_start = end;
    }

    /// Ends with the event that ends at `end`. The shape is known if the event has each field once, as a string, and if
    /// the shape has neither too many values nor too long a text between two values.
    #[inline(always)]
    pub(super) fn end(&mut self, text: Text<'_>, end: usize, has_all_fields: bool) {
        let tail = Separator::of(text, self.next_start, end);
        self.is_known = has_all_fields && !self.is_too_large && tail.is_some();
        self.tail = tail.unwrap_or(Separator::EMPTY);
    }
}
