//! One event's nodes into a row of the batch.

use super::batch::{Batch, Fault, Field, Span, Verdict};
use super::decode::Schema;
use super::timestamp::parse_ms;
use crate::json::{self, Node};
use crate::key::HashKeys;
use crate::limits::ID_BYTES;

/// Where the rows of a batch come from.
#[derive(Clone, Copy)]
pub(super) struct Rows<'s> {
    pub(super) schema: &'s Schema,
    pub(super) keys: &'s HashKeys,
    /// The address of the batch's text, in which every id lies.
    pub(super) text_address: usize,
}

impl Rows<'_> {
    /// Adds the event that `nodes` (one value, whole) describe.
    ///
    /// The first fault found is the verdict: a repeated known field; then, field by field in the order of
    /// [`Field`], that it is missing, not a string, empty, too long or unknown; last, that `ts` is no date-time.
    #[inline]
    pub(super) fn push(self, nodes: &[Node<'_>], batch: &mut Batch) {
        let Some((Node::Object { .. }, members)) = nodes.split_first() else {
            return batch.push_failed(Span::default(), Verdict::Invalid(Fault::NotAnObject));
        };
        let fields = Fields::of(members);
        let id = fields.event_id().map_or(Span::default(), |id| self.span(id));
        match self.event(&fields) {
            Ok(event) => {
                let (event_key, user_key) = (self.keys.event(event.event_id), self.keys.user(event.user_id));
                batch.push_event(id, event_key, user_key, event.kind, event.ts_ms);
            }
            Err(verdict) => batch.push_failed(id, verdict),
        }
    }

    #[inline]
    fn event<'t>(self, fields: &Fields<'_, 't>) -> Result<Event<'t>, Verdict> {
        fields.unrepeated()?;
        let event_id = fields.event_id()?;
        let user_id = fields.id(Field::UserId)?;
        let kind = self.kind(fields.text(Field::Type)?)?;
        let ts = fields.text(Field::Ts)?;
        let ts_ms = parse_ms(ts.as_bytes()).ok_or(Verdict::InvalidTimestamp)?;
        Ok(Event { event_id, user_id, kind, ts_ms })
    }

    fn kind(self, name: &str) -> Result<u8, Fault> {
        let kind = self.schema.event_types.iter().position(|event_type| **event_type == *name);
        kind.map(|kind| kind as u8).ok_or(Fault::UnknownType)
    }

    /// Where `id` stands in the text. Beyond the 4 GiB that a span can reach, far above any body limit, it is not quoted.
    fn span(self, id: &str) -> Span {
        let start = id.as_ptr().addr() - self.text_address;
        u32::try_from(start).map_or(Span::default(), |start| Span { start, len: id.len() as u32 })
    }
}

/// An event that is valid in itself.
struct Event<'t> {
    event_id: &'t str,
    user_id: &'t str,
    kind: u8,
    ts_ms: i64,
}

/// The known fields of one event, each at the index of its [`Field`].
#[derive(Default)]
struct Fields<'n, 't> {
    values: [Option<&'n Node<'t>>; 4],
    is_repeated: [bool; 4],
}

impl<'n, 't> Fields<'n, 't> {
    /// Gathers them from an object's members, and skips all others.
    #[inline]
    fn of(mut members: &'n [Node<'t>]) -> Self {
        let mut fields = Self::default();
        while let [Node::String(key), values @ ..] = members {
            let value = &values[0];
            match *key {
                "event_id" => fields.note(Field::EventId, value),
                "user_id" => fields.note(Field::UserId, value),
                "type" => fields.note(Field::Type, value),
                "ts" => fields.note(Field::Ts, value),
                _ => {}
            }
            members = &values[json::extent(value)..];
        }
        fields
    }

    #[inline]
    fn note(&mut self, field: Field, value: &'n Node<'t>) {
        let earlier = self.values[field as usize].replace(value);
        self.is_repeated[field as usize] |= earlier.is_some();
    }

    #[inline]
    fn unrepeated(&self) -> Result<(), Fault> {
        let repeated = [Field::EventId, Field::UserId, Field::Type, Field::Ts]
            .into_iter()
            .find(|field| self.is_repeated[*field as usize]);
        repeated.map_or(Ok(()), |field| Err(Fault::Repeated(field)))
    }

    #[inline]
    fn event_id(&self) -> Result<&'t str, Fault> {
        if self.is_repeated[Field::EventId as usize] {
            Err(Fault::Repeated(Field::EventId))
        } else {
            self.id(Field::EventId)
        }
    }

    #[inline]
    fn id(&self, field: Field) -> Result<&'t str, Fault> {
        let id = self.text(field)?;
        if id.len() > *ID_BYTES.end() { Err(Fault::TooLong(field)) } else { Ok(id) }
    }

    #[inline]
    fn text(&self, field: Field) -> Result<&'t str, Fault> {
        match self.values[field as usize] {
            Some(Node::String("")) => Err(Fault::Empty(field)),
            Some(Node::String(text)) => Ok(text),
            Some(_) => Err(Fault::NotAString(field)),
            None => Err(Fault::Missing(field)),
        }
    }
}

impl From<Fault> for Verdict {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault)
    }
}
