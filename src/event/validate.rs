//! From the known members of one event to a row of the batch.

use super::batch::{Batch, Fault, Field, Span, Verdict};
use super::schema::Schema;
use super::timestamp::Timestamps;
use super::unescaped_ids::UnescapedIds;
use crate::key::HashKeys;
use crate::limits::ID_BYTES;

/// The value of a known member.
#[derive(Clone, Copy, Default)]
pub(super) enum Value<'t> {
    /// The event does not have the member.
    #[default]
    Missing,
    /// Any JSON value except a string.
    NotAString,
    /// An unescaped string, which is well-formed UTF-8.
    String(&'t [u8]),
}

/// The known members of one event, each at the index of its [`Field`].
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'t> {
    values: [Value<'t>; 4],
    is_repeated: [bool; 4],
}

impl<'t> Fields<'t> {
    /// The strings of the fields, if the event has each field once and as a string.
    #[inline(always)]
    pub(super) fn strings(&self) -> Option<[&'t [u8]; 4]> {
        match self.values {
            [Value::String(event_id), Value::String(user_id), Value::String(kind), Value::String(ts)]
                if self.is_repeated == [false; 4] =>
            {
                Some([event_id, user_id, kind, ts])
            }
            _ => None,
        }
    }

    /// The fields of an event that has each field once, with these strings.
    pub(super) fn from_strings(strings: [&'t [u8]; 4]) -> Self {
        Self { values: strings.map(Value::String), is_repeated: [false; 4] }
    }

    /// Sets the value of a field, and records whether the field had one before.
    #[inline(always)]
    pub(super) fn set(&mut self, field: Field, value: Value<'t>) {
        let earlier = std::mem::replace(&mut self.values[field as usize], value);
        self.is_repeated[field as usize] |= !matches!(earlier, Value::Missing);
    }

    #[inline(always)]
    fn check_unrepeated(&self) -> Result<(), Fault> {
        let repeated = Field::ALL.into_iter().find(|field| self.is_repeated[*field as usize]);
        repeated.map_or(Ok(()), |field| Err(Fault::Repeated(field)))
    }

    /// The string of a field, if the field's last value is one.
    pub(super) fn last_string(&mut self, field: Field) -> Option<&mut &'t [u8]> {
        match &mut self.values[field as usize] {
            Value::String(string) => Some(string),
            _ => None,
        }
    }

    #[inline(always)]
    pub(super) fn event_id(&self) -> Result<&'t [u8], Fault> {
        if self.is_repeated[Field::EventId as usize] {
            Err(Fault::Repeated(Field::EventId))
        } else {
            self.id(Field::EventId)
        }
    }

    #[inline(always)]
    fn id(&self, field: Field) -> Result<&'t [u8], Fault> {
        let id = self.string(field)?;
        if id.len() > *ID_BYTES.end() { Err(Fault::TooLong(field)) } else { Ok(id) }
    }

    #[inline(always)]
    fn string(&self, field: Field) -> Result<&'t [u8], Fault> {
        match self.values[field as usize] {
            Value::String([]) => Err(Fault::Empty(field)),
            Value::String(string) => Ok(string),
            Value::NotAString => Err(Fault::NotAString(field)),
            Value::Missing => Err(Fault::Missing(field)),
        }
    }
}

/// Validates events and adds a row for each of them to a batch.
pub(super) struct RowBuilder<'s> {
    pub(super) schema: &'s Schema,
    pub(super) keys: &'s HashKeys,
    pub(super) timestamps: Timestamps,
    /// The address of the batch's text. Every id is a part of that text.
    text_address: usize,
    /// Ids that are to be written to the text.
    pub(super) unescaped_ids: UnescapedIds,
}

impl<'s> RowBuilder<'s> {
    pub(super) fn new(schema: &'s Schema, keys: &'s HashKeys, text_address: usize) -> Self {
        Self { schema, keys, timestamps: Timestamps::default(), text_address, unescaped_ids: UnescapedIds::default() }
    }

    /// Adds the row of the event that has these members.
    ///
    /// The first fault found is the verdict. The checks go in this order: a repeated known field; then, field by field
    /// in the order of [`Field`], a value that is missing, not a string, empty, too long or unknown; last, a `ts` that
    /// is not a date-time.
    pub(super) fn push(&mut self, fields: &Fields<'_>, batch: &mut Batch) {
        let id = fields.event_id().map_or(Span::default(), |id| self.span(id));
        self.push_with_id(fields, id, batch);
    }

    /// [`push`](Self::push) for an event whose valid, unrepeated id is at `id`. If it has none, `id` is empty.
    pub(super) fn push_with_id(&mut self, fields: &Fields<'_>, id: Span, batch: &mut Batch) {
        match self.validate(fields) {
            Ok(event) => {
                let (event_key, user_key) =
                    (self.keys.event_of_bytes(event.event_id), self.keys.user_of_bytes(event.user_id));
                batch.push_event(id, event_key, user_key, event.kind, event.ts_ms);
            }
            Err(verdict) => batch.push_failed(id, verdict),
        }
    }

    fn validate<'t>(&mut self, fields: &Fields<'t>) -> Result<ParsedEvent<'t>, Verdict> {
        fields.check_unrepeated()?;
        let event_id = fields.event_id()?;
        let user_id = fields.id(Field::UserId)?;
        let kind = self.schema.kinds.find(fields.string(Field::Type)?).ok_or(Fault::UnknownType)?;
        let ts_ms = self.timestamps.parse_ms(fields.string(Field::Ts)?).ok_or(Verdict::InvalidTimestamp)?;
        Ok(ParsedEvent { event_id, user_id, kind, ts_ms })
    }

    /// The position of `id` in the text. A span reaches 4 GiB, far above any body limit; an id beyond that gets an
    /// empty span, so that no verdict quotes it.
    #[inline(always)]
    pub(super) fn span(&self, id: &[u8]) -> Span {
        let start = id.as_ptr().addr() - self.text_address;
        u32::try_from(start).map_or(Span::default(), |start| Span { start, len: id.len() as u32 })
    }
}

/// An event that is valid so far: it is not checked against the clock and the accepted ids yet.
struct ParsedEvent<'t> {
    event_id: &'t [u8],
    user_id: &'t [u8],
    kind: u8,
    ts_ms: i64,
}

impl From<Fault> for Verdict {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault)
    }
}
