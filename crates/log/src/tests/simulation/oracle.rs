//! What clients may rely on, checked at every answer: what the log means is computed by the model, entry by entry.

use super::super::model::Model;
use super::stream::Stream;
use crate::answers::{Answer, NotLogged};
use std::collections::BTreeMap;
use weir::{Engine, EngineConfig, Outcome, Refusal};

pub(super) struct Oracle {
    model: Model,
    /// For each place: the accepted events up to it, log time, and the generation in force.
    places: Vec<(usize, i64, u64)>,
    answered: BTreeMap<(u64, u64), Told>,
    /// The greatest of all that was answered so far.
    newest: Newest,
    /// What each generation was made of, as far as clients know.
    tables: BTreeMap<u64, String>,
    pub(super) counts: Counts,
}

struct Told {
    rows: usize,
    answer: Answer,
}

/// What no later answer may be behind of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Newest {
    /// The place up to which acknowledged events are.
    pub(super) place: u64,
    pub(super) as_of_ms: i64,
    pub(super) generation: u64,
}

/// How much was checked, so that a simulation that does nothing is found out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) queries: u64,
    pub(super) changes: u64,
    pub(super) unknown: u64,
    /// Entries of the log that were trimmed.
    pub(super) trimmed: u64,
}

impl Oracle {
    pub(super) fn new(config: &EngineConfig) -> Self {
        let model = Model::of(&[], config);
        let (places, answered, tables) = (vec![(0, i64::MIN, 0)], BTreeMap::new(), BTreeMap::new());
        Self { model, places, answered, newest: Newest::default(), tables, counts: Counts::default() }
    }

    /// Reads what has landed since the last call.
    pub(super) fn read(&mut self, frames: &Stream) {
        for (bytes, logged_at_ms) in frames.after(self.places.len() - 1) {
            self.model.entry(&bytes, Some(logged_at_ms));
            self.places.push((self.model.accepted_events(), self.model.log_ms(), self.model.table()));
        }
    }

    /// All that was answered before a request that begins now.
    pub(super) fn newest(&self) -> Newest {
        self.newest
    }

    /// A batch of `rows` rows has its answer.
    pub(super) fn batch(&mut self, node: u64, ticket: u64, rows: usize, answer: Answer) {
        let in_log = self.model.outcome(node, ticket);
        check_answer(node, ticket, rows, &answer, in_log);
        match &answer {
            Ok(outcome) => {
                let refused = outcome.refused().len() as u64;
                self.counts.refused += refused;
                self.counts.accepted += rows as u64 - refused;
                self.newest.place = self.newest.place.max(self.model.last_place(node, ticket));
            }
            Err(_) => self.counts.unknown += 1,
        }
        let before = self.answered.insert((node, ticket), Told { rows, answer });
        assert!(before.is_none(), "batch {ticket} of node {node} was answered twice");
    }

    /// A query that began after `began` is answered by an engine that has applied `place`.
    pub(super) fn query(&mut self, began: Newest, place: u64, engine: &Engine) {
        let (events, log_ms, table) = self.places[place as usize];
        let (as_of_ms, generation) = (engine.now_ms(), engine.reference().number());
        assert!(place >= began.place, "place {place} is read, but {} was acknowledged before", began.place);
        assert!(as_of_ms >= began.as_of_ms, "as_of goes back from {} to {as_of_ms}", began.as_of_ms);
        assert!(generation >= began.generation, "the generation goes back from {} to {generation}", began.generation);
        assert_eq!(as_of_ms, log_ms.max(0), "as_of at place {place} is log time there");
        assert!(generation <= table, "generation {generation} is not in force at place {place}, but {table}");
        let stats = engine.metrics(u32::MAX).stats;
        let expected = self.model.events_and_users_of(events, as_of_ms);
        assert_eq!((stats.events, stats.unique_users), expected, "the events at place {place}");
        self.newest.as_of_ms = self.newest.as_of_ms.max(as_of_ms);
        self.newest.generation = self.newest.generation.max(generation);
        self.counts.queries += 1;
    }

    /// A change that began after `began` was made, and this generation is in force.
    pub(super) fn changed(&mut self, began: Newest, generation: u64, body: &str) {
        assert!(generation >= began.generation, "generation {generation} is answered after {}", began.generation);
        let told = self.tables.entry(generation).or_insert_with(|| body.to_owned());
        assert_eq!(told, body, "generation {generation} is answered for two tables");
        self.newest.generation = self.newest.generation.max(generation);
        self.counts.changes += 1;
    }

    /// Whether a batch has its answer.
    pub(super) fn is_answered(&self, node: u64, ticket: u64) -> bool {
        self.answered.contains_key(&(node, ticket))
    }

    /// Nothing lands any more: what was answered as refused has not landed since.
    pub(super) fn finish(&self) {
        for ((node, ticket), Told { rows, answer }) in &self.answered {
            check_answer(*node, *ticket, *rows, answer, self.model.outcome(*node, *ticket));
        }
    }
}

fn check_answer(node: u64, ticket: u64, rows: usize, answer: &Answer, in_log: Option<&Outcome>) {
    match answer {
        Ok(outcome) => {
            let mut expected = in_log.cloned().unwrap_or_default();
            // A part that found no room is overloaded, and it is the last one.
            expected.append(&Outcome::refused_all(rows - expected.rows(), Refusal::Overloaded));
            assert_eq!(*outcome, expected, "batch {ticket} of node {node}");
        }
        Err(NotLogged::Overloaded) => assert_eq!(in_log, None, "batch {ticket} of node {node} is in the log"),
        Err(NotLogged::Unavailable) => {}
    }
}
