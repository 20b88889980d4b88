//! Events one after another, into rows.

use super::lanes;
use super::layout::{Layout, Learner};
use super::reader::Reader;
use super::vector::{LANES, Vector, Work};
use crate::event::batch::Batch;
use crate::event::validate::{Event, Fields, Rows};
use crate::key::{EventKey, UserKey};

/// Where events come from and where they go; where `IS_LINE`, each is all of a line.
pub(super) struct Events<'a, 't, 's, const IS_LINE: bool> {
    text: &'t [u8],
    /// Of the last event that was read token by token, if it had one.
    layout: &'a mut Option<Layout>,
    rows: &'a mut Rows<'s>,
    batch: &'a mut Batch,
    /// Valid events that have no rows yet, so that their ids are hashed together.
    pending: [Event<'t>; LANES],
    pending_len: usize,
}

impl<'a, 't, 's, const IS_LINE: bool> Events<'a, 't, 's, IS_LINE> {
    pub(super) fn new(
        text: &'t [u8],
        layout: &'a mut Option<Layout>,
        rows: &'a mut Rows<'s>,
        batch: &'a mut Batch,
    ) -> Self {
        Self { text, layout, rows, batch, pending: Default::default(), pending_len: 0 }
    }

    #[inline(always)]
    pub(super) fn reader<V: Vector>(&self, vector: V, at: usize) -> Reader<'t, V, IS_LINE> {
        Reader { vector, text: self.text, at }
    }

    /// Adds the event at the reader, and leaves it at the next thing that is no white space.
    #[inline(always)]
    pub(super) fn push<V: Vector>(&mut self, reader: &mut Reader<'t, V, IS_LINE>) -> Option<()> {
        let vector = reader.vector;
        if self.batch.len() + self.pending_len == self.rows.schema.batch_events_max {
            return None;
        }
        let mut values = [&[][..]; 4];
        if let Some(layout) = &*self.layout
            && let Some(end) = layout.read(vector, self.text, reader.at, &mut values)
        {
            reader.at = end;
            self.end(reader)?;
            if !self.push_values(vector, &values) {
                self.push_fields(vector, &Fields::of_texts(values));
            }
            return Some(());
        }
        let at = reader.at;
        reader.at = vector.run(Unexpected { events: self, at })?;
        Some(())
    }

    /// Goes on to what comes after an event, which on a line is nothing.
    #[inline(always)]
    fn end<V: Vector>(&self, reader: &mut Reader<'t, V, IS_LINE>) -> Option<()> {
        reader.skip_space();
        (!IS_LINE || matches!(reader.peek(), None | Some(b'\n'))).then_some(())
    }

    /// Adds an event that has each field once, as a string, if it is valid in itself.
    #[inline(always)]
    fn push_values<V: Vector>(&mut self, vector: V, values: &[&'t [u8]; 4]) -> bool {
        let Some(event) = self.rows.valid_event(values) else { return false };
        self.pending[self.pending_len % LANES] = event;
        self.pending_len += 1;
        if self.pending_len == LANES {
            self.flush(vector);
        }
        true
    }

    #[inline(always)]
    fn push_fields<V: Vector>(&mut self, vector: V, fields: &Fields<'t>) {
        self.flush(vector);
        self.rows.push(fields, self.batch);
    }

    /// Gives the pending events their rows.
    #[inline(always)]
    pub(super) fn flush<V: Vector>(&mut self, vector: V) {
        if self.pending_len == 0 {
            return;
        }
        let (keys, [a, b, c, d]) = (self.rows.keys, &self.pending);
        let [event_low, event_high] =
            lanes::hashes(vector, keys.event_key(), [a.event_id, b.event_id, c.event_id, d.event_id]);
        let [user_low, user_high] =
            lanes::hashes(vector, keys.user_key(), [a.user_id, b.user_id, c.user_id, d.user_id]);
        for (lane, event) in self.pending.iter().enumerate().take(self.pending_len) {
            let event_key = EventKey([event_low[lane], event_high[lane]]);
            let user_key = UserKey::of_hash([user_low[lane], user_high[lane]]);
            let id = self.rows.span(event.event_id);
            self.batch.push_event(id, event_key, user_key, event.kind, event.ts_ms);
        }
        self.pending_len = 0;
    }
}

/// Adds the event at `at`, which does not have the layout of the one before; returns where the next thing is.
struct Unexpected<'e, 'a, 't, 's, const IS_LINE: bool> {
    events: &'e mut Events<'a, 't, 's, IS_LINE>,
    at: usize,
}

impl<const IS_LINE: bool> Work for Unexpected<'_, '_, '_, '_, IS_LINE> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<V: Vector>(self, vector: V) -> Option<usize> {
        let Self { events, at } = self;
        let mut reader = events.reader(vector, at);
        let (mut fields, mut learner) = (Fields::default(), Learner::new(at));
        reader.event(&mut fields, &mut learner)?;
        let values = fields.texts();
        let layout = if values.is_some() { learner.layout(reader.at) } else { None };
        if events.batch.is_empty() && events.pending_len == 0 {
            let alike = (events.text.len() - at) / (reader.at - at) + 1;
            events.batch.reserve(alike.min(events.rows.schema.batch_events_max));
        }
        events.end(&mut reader)?;
        *events.layout = layout;
        if !values.is_some_and(|values| events.push_values(vector, &values)) {
            events.push_fields(vector, &fields);
        }
        Some(reader.at)
    }
}
