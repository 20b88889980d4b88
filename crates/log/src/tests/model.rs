//! What a log means, computed in the simplest way from its very first entry on.

use crate::answers::Answer;
use crate::frame::{Frame, Judgement, Part, RowRules};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use weir::{DedupBackend, EngineConfig, Outcome, Refusal, Rows, limits, second_of};

const STALL_MS: i64 = limits::STALL_SLACK_SECS as i64 * 1_000;

/// An answer to a batch.
pub(crate) struct Told {
    pub(crate) node: u64,
    pub(crate) ticket: u64,
    pub(crate) rows: usize,
    pub(crate) answer: Answer,
}

/// All readers of the log agree with this one.
pub(crate) struct Model {
    config: EngineConfig,
    log_ms: i64,
    landed: HashSet<(u64, u64)>,
    /// The greatest number of each node.
    greatest: HashMap<u64, u64>,
    /// For each id the time of its acceptance, and its generation.
    accepted: HashMap<[u8; 16], (i64, i64)>,
    /// The accepted ids of each generation.
    generations: BTreeMap<i64, usize>,
    /// The user and the second of every accepted event.
    events: Vec<([u8; 16], i64)>,
    /// What became of the rows of each ticket that are in the log.
    outcomes: HashMap<(u64, u64), Outcome>,
    /// The last frame of each ticket.
    last_places: HashMap<(u64, u64), u64>,
    /// The newest generation that a frame which counts has named.
    table: u64,
    judgements: Vec<Judgement>,
    /// The rows of each frame, until a later frame records its judgement.
    unrecorded: BTreeMap<u64, usize>,
}

impl Model {
    /// Reads a whole log. `capacity` is the number of ids of a generation.
    pub(crate) fn of(entries: &[Arc<[u8]>], config: &EngineConfig) -> Self {
        let mut model = Self {
            config: config.clone(),
            log_ms: i64::MIN,
            landed: HashSet::new(),
            greatest: HashMap::new(),
            accepted: HashMap::new(),
            generations: BTreeMap::new(),
            events: vec![],
            outcomes: HashMap::new(),
            last_places: HashMap::new(),
            table: 0,
            judgements: vec![],
            unrecorded: BTreeMap::new(),
        };
        entries.iter().for_each(|entry| model.entry(entry, None));
        model
    }

    /// Reads the next entry. A log of several nodes has a clock, and messages of other programs.
    pub(crate) fn entry(&mut self, entry: &[u8], logged_at_ms: Option<i64>) {
        if logged_at_ms.is_some() && !entry.starts_with(b"WRF1") {
            self.unrecorded.insert(self.judgements.len() as u64 + 1, 0);
            return self.judgements.push(Judgement::Void);
        }
        self.frame(&Frame::decode(entry, RowRules::new(&self.config)).unwrap(), logged_at_ms);
    }

    fn frame(&mut self, frame: &Frame<'_>, logged_at_ms: Option<i64>) {
        for (place, judgement) in frame.judgements() {
            assert_eq!(*judgement, self.judgements[place.0 as usize - 1], "recorded of place {}", place.0);
            self.unrecorded.remove(&place.0);
        }
        let rows = frame.parts.iter().map(Part::len).sum();
        self.unrecorded.insert(self.judgements.len() as u64 + 1, rows);
        let reading_ms = frame.head.reading_ms;
        let greatest = self.greatest.entry(frame.head.node).or_default();
        *greatest = frame.head.number.max(*greatest);
        let is_in_reach = *greatest - frame.head.number < 64;
        let is_first = self.landed.insert((frame.head.node, frame.head.number)) && is_in_reach;
        let readings = || frame.parts.iter().map(|part| part.received_at_ms).chain([reading_ms]);
        let logged_at_ms = logged_at_ms.unwrap_or(reading_ms);
        let is_valid = |ms: i64| {
            ms <= logged_at_ms + 5_000 && ms >= logged_at_ms - 30_000 && ms >= self.log_ms.saturating_sub(STALL_MS)
        };
        let place = self.judgements.len() as u64 + 1;
        if is_first {
            frame.parts.iter().for_each(|part| _ = self.last_places.insert((frame.head.node, part.ticket), place));
        }
        if !is_first || frame.head.log_ms > logged_at_ms + STALL_MS || !readings().all(is_valid) {
            self.judgements.push(Judgement::Void);
            if is_first {
                for part in &frame.parts {
                    let outcome = Outcome::refused_all(part.len(), Refusal::Overloaded);
                    self.outcomes.entry((frame.head.node, part.ticket)).or_default().append(&outcome);
                }
            }
            return;
        }
        self.log_ms = self.log_ms.max(readings().max().unwrap());
        self.table = self.table.max(frame.head.table);
        let (mut rows, mut refused, mut before) = (Rows::default(), vec![], 0);
        for part in &frame.parts {
            part.read_rows(&mut rows);
            let mut outcome = Outcome::accepted(rows.len());
            for row in 0..rows.len() {
                if let Some(refusal) = self.judge(&rows, row, part.received_at_ms) {
                    outcome.refuse(row as u32, refusal);
                    refused.push((before + row as u32, refusal));
                }
            }
            before += rows.len() as u32;
            self.outcomes.entry((frame.head.node, part.ticket)).or_default().append(&outcome);
        }
        self.judgements.push(Judgement::Refused(refused));
    }

    fn horizon_ms(&self) -> i64 {
        self.config.horizon_secs().unwrap() as i64 * 1_000
    }

    fn judge(&mut self, rows: &Rows, row: usize, now_ms: i64) -> Option<Refusal> {
        let (id, user, second) = rows.row(row);
        let generation = self.log_ms.div_euclid(self.horizon_ms() + STALL_MS);
        let is_lines = self.config.dedup == DedupBackend::Lines;
        let is_remembered = |(accepted_ms, of_generation): &(i64, i64)| {
            if is_lines { generation - of_generation <= 1 } else { now_ms - accepted_ms <= self.horizon_ms() }
        };
        if self.accepted.get(&id).is_some_and(is_remembered) {
            return Some(Refusal::Duplicate);
        }
        let ids_max = self.config.dedup_capacity.map_or(usize::MAX, |capacity| {
            let [generation_ms, horizon_ms] = [self.horizon_ms() + STALL_MS, self.horizon_ms()];
            (capacity * generation_ms as usize).div_ceil(horizon_ms as usize)
        });
        let ids = self.generations.entry(generation).or_default();
        if *ids >= ids_max {
            return Some(Refusal::Overloaded);
        }
        *ids += 1;
        self.accepted.insert(id, (now_ms, generation));
        self.events.push((user, second));
        None
    }

    /// The outcome of the rows of a batch that are in the log; none if no row is.
    pub(crate) fn outcome(&self, node: u64, ticket: u64) -> Option<&Outcome> {
        self.outcomes.get(&(node, ticket))
    }

    /// The events and the users of the whole retention at this time.
    pub(crate) fn events_and_users(&self, now_ms: i64) -> (u64, u64) {
        self.events_and_users_of(self.events.len(), now_ms)
    }

    /// The same of the first `events` events that were accepted.
    pub(crate) fn events_and_users_of(&self, events: usize, now_ms: i64) -> (u64, u64) {
        let now = second_of(now_ms);
        let window = now - i64::from(self.config.retention_secs) + 1..=now;
        let users = self.events[..events].iter().filter(|(_, second)| window.contains(second)).map(|(user, _)| user);
        (users.clone().count() as u64, users.collect::<BTreeSet<_>>().len() as u64)
    }

    pub(crate) fn log_ms(&self) -> i64 {
        self.log_ms
    }

    pub(crate) fn table(&self) -> u64 {
        self.table
    }

    /// The place of the last frame with rows of this batch; 0 if there is none.
    pub(crate) fn last_place(&self, node: u64, ticket: u64) -> u64 {
        self.last_places.get(&(node, ticket)).copied().unwrap_or(0)
    }

    pub(crate) fn accepted_events(&self) -> usize {
        self.events.len()
    }

    /// Rows of frames whose judgement no frame has recorded.
    pub(crate) fn unrecorded_rows(&self) -> usize {
        self.unrecorded.values().sum()
    }

    pub(crate) fn refused_rows(&self) -> usize {
        self.outcomes.values().map(|outcome| outcome.refused().len()).sum()
    }
}
