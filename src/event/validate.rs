//! One event's known members into a row of the batch.

use super::batch::{Batch, Fault, Field, Span, Verdict};
use super::schema::Schema;
use super::timestamp::Timestamps;
use crate::key::HashKeys;
use crate::limits::ID_BYTES;

/// What a member of an event holds.
#[derive(Clone, Copy, Default)]
pub(super) enum Value<'t> {
    /// There is no such member.
    #[default]
    Missing,
    /// Any JSON but a string.
    NotText,
    /// A string, unescaped: well-formed UTF-8.
    Text(&'t [u8]),
}

/// The known members of one event, each at the index of its [`Field`].
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'t> {
    values: [Value<'t>; 4],
    is_repeated: [bool; 4],
}

impl<'t> Fields<'t> {
    /// The fields' strings, if each field is there once, as a string.
    #[inline(always)]
    pub(super) fn texts(&self) -> Option<[&'t [u8]; 4]> {
        match self.values {
            [Value::Text(event_id), Value::Text(user_id), Value::Text(kind), Value::Text(ts)]
                if self.is_repeated == [false; 4] =>
            {
                Some([event_id, user_id, kind, ts])
            }
            _ => None,
        }
    }

    /// Each field once, with these strings.
    pub(super) fn of_texts(texts: [&'t [u8]; 4]) -> Self {
        Self { values: texts.map(Value::Text), is_repeated: [false; 4] }
    }

    /// Adds a member.
    #[inline(always)]
    pub(super) fn note(&mut self, field: Field, value: Value<'t>) {
        let earlier = std::mem::replace(&mut self.values[field as usize], value);
        self.is_repeated[field as usize] |= !matches!(earlier, Value::Missing);
    }

    #[inline(always)]
    fn unrepeated(&self) -> Result<(), Fault> {
        let repeated = Field::ALL.into_iter().find(|field| self.is_repeated[*field as usize]);
        repeated.map_or(Ok(()), |field| Err(Fault::Repeated(field)))
    }

    #[inline(always)]
    fn event_id(&self) -> Result<&'t [u8], Fault> {
        if self.is_repeated[Field::EventId as usize] {
            Err(Fault::Repeated(Field::EventId))
        } else {
            self.id(Field::EventId)
        }
    }

    #[inline(always)]
    fn id(&self, field: Field) -> Result<&'t [u8], Fault> {
        let id = self.text(field)?;
        if id.len() > *ID_BYTES.end() { Err(Fault::TooLong(field)) } else { Ok(id) }
    }

    #[inline(always)]
    fn text(&self, field: Field) -> Result<&'t [u8], Fault> {
        match self.values[field as usize] {
            Value::Text([]) => Err(Fault::Empty(field)),
            Value::Text(text) => Ok(text),
            Value::NotText => Err(Fault::NotAString(field)),
            Value::Missing => Err(Fault::Missing(field)),
        }
    }
}

/// Where the rows of a batch come from.
pub(super) struct Rows<'s> {
    pub(super) schema: &'s Schema,
    pub(super) keys: &'s HashKeys,
    timestamps: Timestamps,
    /// The address of the batch's text, in which every id lies.
    text_address: usize,
}

impl<'s> Rows<'s> {
    pub(super) fn new(schema: &'s Schema, keys: &'s HashKeys, text_address: usize) -> Self {
        Self { schema, keys, timestamps: Timestamps::default(), text_address }
    }

    /// Adds the event that has these members.
    ///
    /// The first fault found is the verdict: a repeated known field; then, field by field in the order of
    /// [`Field`], that it is missing, not a string, empty, too long or unknown; last, that `ts` is no date-time.
    pub(super) fn push(&mut self, fields: &Fields<'_>, batch: &mut Batch) {
        match self.event(fields) {
            Ok(event) => {
                let (event_key, user_key) =
                    (self.keys.event_of_bytes(event.event_id), self.keys.user_of_bytes(event.user_id));
                batch.push_event(self.span(event.event_id), event_key, user_key, event.kind, event.ts_ms);
            }
            Err(verdict) => {
                let id = fields.event_id().map_or(Span::default(), |id| self.span(id));
                batch.push_failed(id, verdict);
            }
        }
    }

    fn event<'t>(&mut self, fields: &Fields<'t>) -> Result<Event<'t>, Verdict> {
        fields.unrepeated()?;
        let event_id = fields.event_id()?;
        let user_id = fields.id(Field::UserId)?;
        let kind = self.schema.kinds.find(fields.text(Field::Type)?).ok_or(Fault::UnknownType)?;
        let ts_ms = self.timestamps.parse_ms(fields.text(Field::Ts)?).ok_or(Verdict::InvalidTimestamp)?;
        Ok(Event { event_id, user_id, kind, ts_ms })
    }

    /// The event that has each field once, with these strings, if it is valid in itself.
    #[inline(always)]
    pub(super) fn valid_event<'t>(&mut self, [event_id, user_id, kind, ts]: &[&'t [u8]; 4]) -> Option<Event<'t>> {
        if !ID_BYTES.contains(&event_id.len()) || !ID_BYTES.contains(&user_id.len()) {
            return None;
        }
        let (kind, ts_ms) = (self.schema.kinds.find(kind)?, self.timestamps.parse_ms(ts)?);
        Some(Event { event_id, user_id, kind, ts_ms })
    }

    /// Where `id` stands in the text. Beyond the 4 GiB that a span can reach, far above any body limit, it is not quoted.
    #[inline(always)]
    pub(super) fn span(&self, id: &[u8]) -> Span {
        let start = id.as_ptr().addr() - self.text_address;
        u32::try_from(start).map_or(Span::default(), |start| Span { start, len: id.len() as u32 })
    }
}

/// An event that is valid in itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Event<'t> {
    pub(super) event_id: &'t [u8],
    pub(super) user_id: &'t [u8],
    pub(super) kind: u8,
    pub(super) ts_ms: i64,
}

impl From<Fault> for Verdict {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault)
    }
}
