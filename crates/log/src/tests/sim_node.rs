//! A process over a simulated log: the shipped order, reader and engine, one step at a time on one thread.

use super::model::Told;
use super::sim_log::SimLog;
use crate::desk::{Desk, Progress};
use crate::limits::TRIM_AFTER_MS;
use crate::order::Submission;
use crate::reader::Reader;
use crate::topic::{Follow, Log, Lost, Place};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use weir::{Clock, Engine, EngineConfig, Format, ManualClock, Secret, format_ms};

/// An event: its id, its user, and its distance from the clock in milliseconds.
pub(crate) type Event = (u8, u8, i64);

pub(crate) struct SimNode {
    pub(crate) engine: Arc<Engine>,
    pub(crate) desk: Arc<Desk>,
    reader: Reader,
    log: SimLog,
    follow: Box<dyn Follow>,
    pub(crate) clock: Arc<ManualClock>,
    told: Arc<Mutex<Vec<Told>>>,
    pub(crate) submitted: u64,
    /// The barriers that were asked for, and those that were answered.
    pub(crate) barriers: Arc<Mutex<(u64, u64)>>,
}

/// A clock that has passed the time in which nothing is trimmed, except at its first reading.
struct LongUp(Mutex<i64>);

impl Clock for LongUp {
    fn now_ms(&self) -> i64 {
        std::mem::replace(&mut self.0.lock().unwrap(), TRIM_AFTER_MS)
    }
}

impl SimNode {
    /// A process that starts now. `node` is different for each start.
    pub(crate) fn start(
        node: u64,
        config: EngineConfig,
        log: &SimLog,
        clock: Arc<ManualClock>,
        told: &Arc<Mutex<Vec<Told>>>,
    ) -> Self {
        let secret = Secret::from_bytes([7; 32]);
        let engine = Arc::new(Engine::with_secret(config, Arc::clone(&clock), &secret).unwrap());
        let mut log = log.clone();
        let desk = Arc::new(Desk::new(node, log.depth(), log.is_shared(), 1, Box::new(Arc::clone(&clock))));
        let reader = Reader::new(Arc::clone(&desk), Arc::clone(&engine), Box::new(LongUp(Mutex::new(0))));
        let follow = log.follow(Place(0));
        Self {
            engine,
            desk,
            reader,
            log,
            follow,
            clock,
            told: Arc::clone(told),
            submitted: 0,
            barriers: Arc::default(),
        }
    }

    /// Decodes, prepares and submits events. Returns the ticket, unless the engine has refused the batch.
    pub(crate) fn post(&mut self, events: &[Event]) -> Option<u64> {
        let received_at_ms = self.clock.now_ms();
        let line = |(id, user, offset_ms): &Event| {
            let ts = format_ms(received_at_ms + offset_ms);
            format!("{{\"event_id\":\"e{id}\",\"user_id\":\"u{user}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n")
        };
        let body: String = events.iter().map(line).collect();
        let mut batch = self.engine.decode(body.into(), Format::Ndjson).unwrap();
        let (rows, reservation) = self.engine.prepare(&mut batch, received_at_ms).ok()?;
        let (told, desk) = (Arc::clone(&self.told), Arc::clone(&self.desk));
        self.submitted += 1;
        let (node, ticket, rows_len) = (self.desk.node, self.submitted, rows.len());
        let asker = Box::new(move |answer| {
            // The lock of the desk is free: an asker may submit again at once.
            let _ = desk.progress();
            told.lock().unwrap().push(Told { node, ticket, rows: rows_len, answer });
        });
        assert_eq!(self.desk.submit(Submission { rows, reservation, received_at_ms, asker }), ticket);
        Some(ticket)
    }

    /// Asks for a barrier. When it is released, all that is in the log now is applied.
    pub(crate) fn ask(&mut self) {
        let (desk, barriers, in_log) = (Arc::clone(&self.desk), Arc::clone(&self.barriers), self.log.len() as u64);
        barriers.lock().unwrap().0 += 1;
        self.desk.barrier(Box::new(move |released| {
            let applied = desk.figures().applied.0;
            assert!(released.is_err() || applied >= in_log, "a barrier at {in_log} is released at {applied}");
            barriers.lock().unwrap().1 += 1;
        }));
    }

    /// Makes all frames that are due.
    pub(crate) fn order(&mut self) {
        while let Some(work) = self.desk.next_frame() {
            self.log.trim(work.trim_before);
            let (desk, number) = (Arc::clone(&self.desk), work.frame.number);
            self.log.append(work.frame.bytes, Box::new(move |result| desk.placed(number, result)));
        }
    }

    /// Reads up to `entries` entries; notes the end of the log if there are fewer.
    pub(crate) fn read(&mut self, entries: usize) -> Result<(), Lost> {
        for _ in 0..entries {
            match self.follow.next(Duration::ZERO)? {
                Some(entry) => self.reader.read(entry)?,
                None => return self.reader.end_of_log(),
            }
        }
        Ok(())
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.desk.progress() == Progress::Ready
    }
}
