//! Processes over one simulated log, held to the model: random posts, faults of the log, crashes, torn ends, restarts
//! from a log without its beginning, sweeps, ticks and questions. Ids come back at the scale of the horizon.

use super::model::{Model, Told};
use super::sim_log::{Faults, SimLog};
use super::sim_node::{Event, SimNode};
use crate::answers::NotLogged;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use weir::{DedupBackend, Engine, EngineConfig, ManualClock, Metrics, Outcome, Point, Query, Refusal};

const START_MS: i64 = 1_760_000_000_123;

#[derive(Clone, Debug)]
enum Step {
    Post(usize, Vec<Event>),
    /// A question that waits until its process is up to date, in a log of several nodes.
    Ask(usize),
    Order(usize),
    Read(usize, usize),
    /// Something of the log that was to come later.
    Late,
    Advance(i64),
    /// The process ends between two steps, and another one takes its place.
    Crash(usize),
    /// The process ends when the log has its frames, before it has seen any answer.
    Torn(usize),
    /// A process ends, and so does the next one, after it has read some entries and made its first frames.
    CrashAgain(usize, usize),
    Sweep(usize),
    Tick(usize),
    /// The process reads all of the log. Its answers are those of the model.
    Check(usize),
    GiveUp(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0_usize..2;
    let events = prop::collection::vec((0_u8..14, 0_u8..6, -2_000_i64..2_000), 0..6);
    prop_oneof![
        8 => (node.clone(), events).prop_map(|(node, events)| Step::Post(node, events)),
        2 => node.clone().prop_map(Step::Ask),
        6 => node.clone().prop_map(Step::Order),
        6 => (node.clone(), 1_usize..5).prop_map(|(node, entries)| Step::Read(node, entries)),
        3 => Just(Step::Late),
        3 => (0_i64..2_500).prop_map(Step::Advance),
        3 => (5_000_i64..70_000).prop_map(Step::Advance),
        1 => (-3_000_i64..0).prop_map(Step::Advance),
        1 => node.clone().prop_map(Step::Crash),
        1 => node.clone().prop_map(Step::Torn),
        2 => (node.clone(), 0_usize..40).prop_map(|(node, entries)| Step::CrashAgain(node, entries)),
        1 => node.clone().prop_map(Step::Sweep),
        1 => node.clone().prop_map(Step::Tick),
        3 => node.clone().prop_map(Step::Check),
        1 => node.prop_map(Step::GiveUp),
    ]
}

struct World {
    config: EngineConfig,
    log: SimLog,
    clocks: Vec<Arc<ManualClock>>,
    nodes: Vec<SimNode>,
    told: Arc<Mutex<Vec<Told>>>,
    starts: u64,
    crashes: bool,
}

impl World {
    fn new(config: EngineConfig, log: SimLog, offsets_ms: &[i64]) -> Self {
        let clocks: Vec<_> = offsets_ms.iter().map(|ms| Arc::new(ManualClock::new(START_MS + ms))).collect();
        let told = Arc::default();
        let mut world = Self { config, log, clocks, nodes: vec![], told, starts: 0, crashes: false };
        for node in 0..world.clocks.len() {
            let started = world.start(node);
            world.nodes.push(started);
        }
        world
    }

    fn start(&mut self, node: usize) -> SimNode {
        self.start_and_read(node, usize::MAX)
    }

    /// A process with another number of partitions than the one before. It reads up to `entries` entries.
    fn start_and_read(&mut self, node: usize, entries: usize) -> SimNode {
        self.starts += 1;
        let mut config = self.config.clone();
        config.partitions = 1 << (self.starts % 3);
        let mut node =
            SimNode::start(self.starts * 1_000, config, &self.log, Arc::clone(&self.clocks[node]), &self.told);
        node.read(entries).unwrap();
        node
    }

    fn crash(&mut self, node: usize) {
        self.crashes = true;
        self.nodes[node] = self.start(node);
    }

    fn step(&mut self, step: Step) {
        let count = self.nodes.len();
        match step {
            Step::Post(node, events) => _ = self.nodes[node % count].post(&events),
            // A log of one process is up to date as soon as its replay is over.
            Step::Ask(node) if count > 1 => self.nodes[node % count].ask(),
            Step::Ask(_) => {}
            Step::Order(node) => self.nodes[node % count].order(),
            Step::Read(node, entries) => self.nodes[node % count].read(entries).unwrap(),
            Step::Late => self.log.step(),
            Step::Advance(ms) => self.clocks.iter().for_each(|clock| clock.advance(ms)),
            Step::Crash(node) => self.crash(node % count),
            Step::Torn(node) => {
                self.nodes[node % count].order();
                self.crash(node % count);
            }
            Step::CrashAgain(node, entries) => {
                let node = node % count;
                self.crash(node);
                self.nodes[node].post(&[(entries as u8 % 14, 0, 0)]);
                self.clocks.iter().for_each(|clock| clock.advance(entries as i64 * 50));
                self.nodes[node].order();
                let mut second = self.start_and_read(node, entries);
                second.order();
                drop(second);
                self.crash(node);
            }
            Step::Sweep(node) => self.nodes[node % count].engine.sweep(),
            Step::Tick(node) => self.nodes[node % count].engine.tick(),
            Step::Check(node) => self.check(node % count),
            Step::GiveUp(node) => {
                let node = &self.nodes[node % count];
                node.desk.give_up(node.submitted);
            }
        }
    }

    fn check(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.read(usize::MAX).unwrap();
        assert!(node.is_ready());
        let model = Model::of(&self.log.entries(), &self.config);
        let stats = node.engine.metrics(u32::MAX).stats;
        assert_eq!((stats.events, stats.unique_users), model.events_and_users(node.engine.now_ms()));
    }

    /// At one moment all processes give the same answers, and so does one that starts now.
    fn check_replicas(&mut self) {
        let now_ms = self.nodes.iter().map(|node| node.engine.now_ms()).max().unwrap();
        self.clocks.iter().for_each(|clock| clock.set(now_ms));
        let fresh = self.start(0);
        let expected = all_answers(&fresh.engine);
        for node in &self.nodes {
            assert_eq!(all_answers(&node.engine), expected);
        }
    }

    /// Lets everything come to rest, and compares the answers with the log.
    fn finish(&mut self) -> Model {
        for round in 0..400 {
            self.log.step();
            self.nodes.iter_mut().for_each(SimNode::order);
            self.nodes.iter_mut().for_each(|node| node.read(usize::MAX).unwrap());
            if round > 200 {
                self.clocks.iter().for_each(|clock| clock.advance(50));
            }
        }
        (0..self.nodes.len()).for_each(|node| self.check(node));
        self.check_replicas();
        let model = Model::of(&self.log.entries(), &self.config);
        let told = self.told.lock().unwrap();
        let mut answers = HashMap::new();
        for told in told.iter() {
            let earlier = answers.insert((told.node, told.ticket), &told.answer);
            assert!(earlier.is_none(), "batch {} of node {} was answered twice", told.ticket, told.node);
            check_answer(told, model.outcome(told.node, told.ticket));
        }
        for node in &self.nodes {
            let answered = (1..=node.submitted).filter(|ticket| answers.contains_key(&(node.desk.node, *ticket)));
            assert_eq!(answered.count() as u64, node.submitted, "each batch of a process that lives is answered");
            let (asked, answered) = *node.barriers.lock().unwrap();
            assert_eq!(answered, asked, "each barrier of a process that lives is answered");
            assert_eq!(node.engine.sizes().backlog, 0, "no capacity is left reserved");
        }
        drop(told);
        model
    }
}

/// The answers to every window, and the events of each second.
fn all_answers(engine: &Engine) -> (Vec<Metrics>, Vec<Point>) {
    let retention_secs = engine.config().retention_secs;
    let series = engine.series(&Query::window(retention_secs), 1).unwrap();
    ((1..=retention_secs).map(|window_secs| engine.metrics(window_secs)).collect(), series.points().collect())
}

fn check_answer(told: &Told, in_log: Option<&Outcome>) {
    match &told.answer {
        Ok(outcome) => {
            let mut expected = in_log.cloned().unwrap_or_default();
            // A part that found no room is overloaded, and it is the last one.
            expected.append(&Outcome::refused_all(told.rows - expected.rows(), Refusal::Overloaded));
            assert_eq!(*outcome, expected, "batch {} of node {}", told.ticket, told.node);
        }
        Err(NotLogged::Overloaded) => assert_eq!(in_log, None, "a refused batch is in the log"),
        Err(NotLogged::Unavailable) => {}
    }
}

fn config(retention_secs: u32, max_skew_secs: u32, dedup: DedupBackend, dedup_capacity: Option<usize>) -> EngineConfig {
    let mut config = EngineConfig::default();
    (config.retention_secs, config.max_skew_secs) = (retention_secs, max_skew_secs);
    (config.dedup, config.dedup_capacity) = (dedup, dedup_capacity);
    config
}

/// A random life of some processes over one log.
#[derive(Clone, Debug)]
struct Life {
    seed: u64,
    retention_secs: u32,
    max_skew_secs: u32,
    depth: usize,
    faults: Faults,
    second_node: Option<i64>,
    steps: Vec<Step>,
}

fn life() -> impl Strategy<Value = Life> {
    // Every other log is like a journal: it removes a few entries at a time, and no entry is in it twice.
    let faults = (0_u64..50, 0_u64..30, 0_u64..20, 0_u64..10, 0_u64..30, any::<bool>());
    let faults = faults.prop_map(|(late, twice, unknown, full, repeats, trims_slowly)| {
        let (twice, unknown) = if trims_slowly { (0, 0) } else { (twice, unknown) };
        Faults { late, twice, unknown, full, repeats, trims_slowly }
    });
    let log = (any::<u64>(), prop::sample::select(vec![1, 4]), faults);
    let processes = (1_u32..=30, 0_u32..3, prop::option::of(-1_900_i64..1_900));
    (log, processes, prop::collection::vec(step(), 1..160)).prop_map(|(log, processes, steps)| {
        let ((seed, depth, faults), (retention_secs, max_skew_secs, second_node)) = (log, processes);
        Life { seed, retention_secs, max_skew_secs, depth, faults, second_node, steps }
    })
}

impl Life {
    fn agrees_with_the_model(self, dedup: DedupBackend, capacity: Option<usize>) {
        let log = SimLog::new(self.seed, self.depth, self.faults);
        let log = if self.second_node.is_some() { log.shared() } else { log };
        let offsets_ms: Vec<i64> = [0].into_iter().chain(self.second_node).collect();
        let config = config(self.retention_secs, self.max_skew_secs, dedup, capacity);
        let mut world = World::new(config, log, &offsets_ms);
        self.steps.into_iter().for_each(|step| world.step(step));
        world.finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_processes_agree_with_the_model_over_lines(life in life(), capacity in prop::option::of(Just(1))) {
        life.agrees_with_the_model(DedupBackend::Lines, capacity);
    }

    #[test]
    fn all_processes_agree_with_the_model_over_a_map(life in life()) {
        life.agrees_with_the_model(DedupBackend::Scc, None);
    }
}

/// A long life of one process after another, so that much of the log is trimmed. It shows that the random histories
/// reach what they are for.
#[test]
fn a_long_history_is_trimmed_and_agrees() {
    for (dedup, capacity) in [(DedupBackend::Scc, None), (DedupBackend::Lines, None), (DedupBackend::Lines, Some(1))] {
        let faults = Faults { late: 20, twice: 10, unknown: 5, full: 3, repeats: 10, trims_slowly: false };
        let log = SimLog::new(7, 4, faults);
        let mut world = World::new(config(3, 1, dedup, capacity), log, &[0]);
        let mut random = super::sim_log::Random(11);
        for round in 0..1_500_u32 {
            let events: Vec<Event> = (0..3).map(|_| (random.below(10) as u8, random.below(4) as u8, 0)).collect();
            world.step(Step::Post(0, events));
            world.step(Step::Order(0));
            world.step(Step::Read(0, 2));
            world.step(Step::Late);
            world.step(Step::Advance(random.below(9_000) as i64));
            match round % 30 {
                7 => world.step(Step::Crash(0)),
                17 => world.step(Step::Torn(0)),
                23 => world.step(Step::Sweep(0)),
                29 => world.step(Step::Check(0)),
                _ => {}
            }
        }
        let model = world.finish();
        assert!(world.log.trimmed() > 500, "{} of {} entries are trimmed", world.log.trimmed(), world.log.len());
        assert!(model.accepted_events() > 300 && model.refused_rows() > 300);
        assert!(world.crashes);
    }
}
