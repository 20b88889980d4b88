//! Time, trouble and clients.

use super::super::sim_log::Random;
use super::oracle::{Counts, Newest, Oracle};
use super::process::{Process, Stopped};
use super::stream::{Stream, Troubles};
use crate::answers::{Answer, NotLogged};
use crate::order::Submission;
use crate::reference::{ChangeAnswer, ChangeSubmission};
use std::sync::{Arc, Mutex};
use weir::{Change, Clock, DedupBackend, EngineConfig, Format, Generations, Preconditions, format_ms};

const START_MS: i64 = 1_760_000_000_123;
const NODES: usize = 3;
const STEPS: u32 = 500;

/// What a process has answered, until the oracle has looked at it.
#[derive(Default)]
struct Inbox {
    batches: Vec<(u64, usize, Answer)>,
    /// The reads that may go on now.
    reads: Vec<(Newest, Result<(), NotLogged>)>,
    changes: Vec<(Newest, String, ChangeAnswer)>,
}

/// One machine, and the process on it if there is one.
struct Machine {
    process: Option<Process>,
    inbox: Arc<Mutex<Inbox>>,
    /// How far its clock is ahead.
    ahead_ms: i64,
    frozen_until_ms: i64,
    /// Reads that may go on, and have not done so yet.
    reads: Vec<Newest>,
    asked: u64,
    released: u64,
    tickets: u64,
}

struct World {
    random: Random,
    config: EngineConfig,
    now_ms: i64,
    frames: Stream,
    reference: Stream,
    machines: Vec<Machine>,
    starts: u64,
    oracle: Oracle,
}

/// Runs the history of a seed.
pub(super) fn run(seed: u64) -> Counts {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.pass_time();
        world.make_trouble();
        world.ask();
        world.work();
    }
    world.finish();
    Counts { trimmed: world.frames.trimmed(), ..world.oracle.counts }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        let mut config = EngineConfig::default();
        config.retention_secs = 1 + random.below(12) as u32;
        config.max_skew_secs = random.below(3) as u32;
        config.dedup = if random.below(3) == 0 { DedupBackend::Lines } else { DedupBackend::Scc };
        let troubles = Troubles {
            lost: random.below(12),
            lost_ack: random.below(15),
            late: random.below(6),
            repeats: random.below(20),
        };
        let frames = Stream::new(random.below(u64::MAX), 4, START_MS, troubles);
        let reference = Stream::new(random.below(u64::MAX), 1, START_MS, troubles);
        let machine = |random: &mut Random| Machine {
            process: None,
            inbox: Arc::default(),
            ahead_ms: random.below(3_800) as i64 - 1_900,
            frozen_until_ms: i64::MIN,
            reads: vec![],
            asked: 0,
            released: 0,
            tickets: 0,
        };
        let machines = (0..NODES).map(|_| machine(&mut random)).collect();
        let oracle = Oracle::new(&config);
        let mut world = Self { random, config, now_ms: START_MS, frames, reference, machines, starts: 0, oracle };
        (0..NODES).for_each(|index| world.start(index));
        world
    }

    fn is_now(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.random.below((to - from) as u64) as i64
    }

    fn start(&mut self, index: usize) {
        self.starts += 1;
        let mut config = self.config.clone();
        config.partitions = 1 << (self.starts % 2);
        let machine = &mut self.machines[index];
        let now_ms = self.now_ms + machine.ahead_ms;
        let process = Process::start(self.starts, config, &self.frames, &self.reference, now_ms);
        (machine.process, machine.inbox, machine.tickets) = (Some(process), Arc::default(), 0);
        (machine.asked, machine.released) = (0, 0);
        machine.reads.clear();
    }

    /// What the process has not said by now is never said.
    fn crash(&mut self, index: usize) {
        if let Some(process) = self.machines[index].process.take() {
            self.frames.end(process.id);
            self.reference.end(process.id);
        }
    }

    fn pass_time(&mut self) {
        let step_ms = match self.random.below(100) {
            0..70 => self.between(1, 12),
            70..97 => self.between(12, 300),
            97..99 => self.between(300, 5_000),
            // All machines stood still.
            _ => self.between(5_000, 90_000),
        };
        self.pass(step_ms);
    }

    fn pass(&mut self, step_ms: i64) {
        self.now_ms += step_ms;
        for machine in &self.machines {
            if let Some(process) = &machine.process {
                process.clock.set(self.now_ms + machine.ahead_ms);
            }
        }
        let frozen: Vec<u64> = self.machines.iter().filter_map(|machine| self.frozen(machine)).collect();
        let is_frozen = |writer: u64| frozen.contains(&writer);
        self.frames.run(self.now_ms, is_frozen);
        self.reference.run(self.now_ms, is_frozen);
        (0..NODES).for_each(|index| self.look(index));
    }

    fn frozen(&self, machine: &Machine) -> Option<u64> {
        machine.process.as_ref().filter(|_| machine.frozen_until_ms > self.now_ms).map(|process| process.id)
    }

    fn make_trouble(&mut self) {
        let index = self.random.below(NODES as u64) as usize;
        match self.random.below(400) {
            0..4 => self.crash(index),
            4..8 => {
                // The log gets the frames of the process, and nothing is heard of it again.
                self.on(index, Process::order);
                self.crash(index);
            }
            8..12 => self.machines[index].frozen_until_ms = self.now_ms + self.between(100, 45_000),
            12..20 => self.machines[index].ahead_ms = self.between(-1_900, 1_900),
            20..22 => self.machines[index].ahead_ms = self.between(-45_000, 45_000),
            22..25 => {
                let ahead_ms = self.between(-2_000, 2_000);
                self.frames.set_clock(ahead_ms);
            }
            25..28 => {
                let for_ms = self.between(50, 12_000);
                self.frames.lose_quorum(for_ms);
            }
            28..30 => {
                let for_ms = self.between(50, 5_000);
                self.reference.lose_quorum(for_ms);
            }
            30..33 => self.frames.set_full(true),
            33..45 => self.frames.set_full(false),
            45..47 => self.frames.disturb(b"hello"),
            47 => self.reference.disturb(b"hello"),
            48 => self.on(index, |process| process.say_no_room(true)),
            49..52 => self.on(index, |process| process.say_no_room(false)),
            52..70 => {
                // A clock is set right again.
                self.machines[index].ahead_ms = self.between(-1_900, 1_900);
            }
            _ => {}
        }
        if self.machines[index].process.is_none() && self.is_now(10) {
            self.start(index);
        }
    }

    /// Clients ask something of some node.
    fn ask(&mut self) {
        let index = self.random.below(NODES as u64) as usize;
        match self.random.below(20) {
            0..9 => self.post(index),
            9..13 => self.read(index),
            13 => self.put(index),
            _ => {}
        }
    }

    fn post(&mut self, index: usize) {
        let rows = 1 + self.random.below(5);
        let skew_ms = i64::from(self.config.max_skew_secs) * 1_000;
        let mut events: Vec<(u64, u64, i64)> = vec![];
        for _ in 0..rows {
            let (id, user) = (self.random.below(30), self.random.below(6));
            events.push((id, user, self.between(-skew_ms, skew_ms + 1)));
        }
        let Some((machine, process)) = running(&mut self.machines[index], self.now_ms) else { return };
        let received_at_ms = process.clock.now_ms();
        let line = |(id, user, offset_ms): &(u64, u64, i64)| {
            let ts = format_ms(received_at_ms + offset_ms);
            format!("{{\"event_id\":\"e{id}\",\"user_id\":\"u{user}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n")
        };
        let body: String = events.iter().map(line).collect();
        let mut batch = process.engine.decode(body.into(), Format::Ndjson).unwrap();
        let Ok((rows, reservation)) = process.engine.prepare(&mut batch, received_at_ms) else { return };
        *machine.tickets += 1;
        let (ticket, count, inbox) = (*machine.tickets, rows.len(), Arc::clone(machine.inbox));
        let asker = Box::new(move |answer| inbox.lock().unwrap().batches.push((ticket, count, answer)));
        assert_eq!(process.submit(Submission { rows, reservation, received_at_ms, asker }), ticket);
        self.look(index);
    }

    /// A read that waits until the node is up to date.
    fn read(&mut self, index: usize) {
        let began = self.oracle.newest();
        let Some((machine, process)) = running(&mut self.machines[index], self.now_ms) else { return };
        *machine.asked += 1;
        let inbox = Arc::clone(machine.inbox);
        process.desk.barrier(Box::new(move |result| inbox.lock().unwrap().reads.push((began, result))));
        self.look(index);
    }

    fn put(&mut self, index: usize) {
        let (user, plan, is_whole) = (self.random.below(6), self.random.below(100_000), self.is_now(50));
        let generation = self.oracle.newest().generation;
        let if_match = self.is_now(30).then(|| Generations::OneOf(vec![generation]));
        let began = self.oracle.newest();
        let Some((machine, process)) = running(&mut self.machines[index], self.now_ms) else { return };
        if !process.is_ready() {
            return;
        }
        let received_at_ms = process.clock.now_ms();
        let ts = format_ms(received_at_ms);
        let body = format!(r#"{{"user_metadata":{{"u{user}":{{"plan":"p{plan}","region":"eu"}}}},"ts":"{ts}"}}"#);
        let change = if is_whole { Change::Replace } else { Change::Merge };
        let (inbox, told) = (Arc::clone(machine.inbox), format!("{change:?} {body}"));
        let asker = Box::new(move |answer| inbox.lock().unwrap().changes.push((began, told, answer)));
        let preconditions = Preconditions { if_match, if_none_match: None };
        process.change(ChangeSubmission { change, body: body.into_bytes(), preconditions, received_at_ms, asker });
    }

    /// Each process does some of its work, in any order.
    fn work(&mut self) {
        let first = self.random.below(NODES as u64) as usize;
        for index in (first..first + NODES).map(|index| index % NODES) {
            let entries = if self.is_now(10) { 0 } else { 1 + self.random.below(30) as usize };
            for part in [self.random.below(5), self.random.below(5), self.random.below(5)] {
                self.on(index, |process| match part {
                    0 | 1 => process.order(),
                    2 | 3 => process.read(entries),
                    _ => process.change_reference(entries),
                });
            }
            if self.is_now(3) {
                self.on(index, |process| {
                    process.engine.tick();
                    process.engine.sweep();
                    Ok(())
                });
            }
        }
    }

    /// The process of a machine does something, unless there is none or it is frozen.
    fn on(&mut self, index: usize, work: impl FnOnce(&mut Process) -> Result<(), Stopped>) {
        let Some((_, process)) = running(&mut self.machines[index], self.now_ms) else { return };
        match work(process) {
            Ok(()) => self.look(index),
            Err(Stopped::Overtaken) => {
                self.crash(index);
                self.start(index);
            }
            Err(Stopped::Lost(lost)) => panic!("node {} has stopped: {}", process.id, lost.why),
        }
    }

    /// Shows the oracle what a process has answered, and answers the reads that may go on.
    fn look(&mut self, index: usize) {
        self.oracle.read(&self.frames);
        let machine = &mut self.machines[index];
        let Some(process) = &machine.process else { return };
        let Inbox { batches, reads, changes } = std::mem::take(&mut *machine.inbox.lock().unwrap());
        for (ticket, rows, answer) in batches {
            self.oracle.batch(process.id, ticket, rows, answer);
        }
        for (began, body, answer) in changes {
            if let Ok(generation) = answer {
                self.oracle.changed(began, generation.number(), &body);
            }
        }
        machine.released += reads.len() as u64;
        machine.reads.extend(reads.into_iter().filter(|(_, result)| result.is_ok()).map(|(began, _)| began));
        // A handler may go on at once, or a little later.
        if self.random.below(3) > 0 {
            for began in std::mem::take(&mut machine.reads) {
                self.oracle.query(began, process.desk.figures().applied.0, &process.engine);
            }
        }
    }

    /// Everything is well again. Then all is answered, and all nodes agree.
    fn finish(&mut self) {
        self.frames.heal();
        self.reference.heal();
        for index in 0..NODES {
            (self.machines[index].ahead_ms, self.machines[index].frozen_until_ms) = (0, i64::MIN);
            if self.machines[index].process.is_none() {
                self.start(index);
            }
        }
        // Longer than any copy is on its way, than any answer is waited for, and than a clock was ahead.
        for round in 0..400 {
            self.pass(if round < 200 { 400 } else { 20 });
            (0..NODES).for_each(|index| self.settle(index));
        }
        let before = self.oracle.counts.accepted;
        for index in 0..NODES {
            self.post_new(index);
        }
        for _ in 0..40 {
            self.pass(20);
            (0..NODES).for_each(|index| self.settle(index));
        }
        assert_eq!(self.oracle.counts.accepted - before, NODES as u64, "a healthy cluster accepts events");
        self.compare();
        self.oracle.finish();
    }

    fn settle(&mut self, index: usize) {
        self.on(index, |process| {
            process.say_no_room(false)?;
            process.order()?;
            process.read(usize::MAX)?;
            process.change_reference(usize::MAX)
        });
    }

    /// An event that no one has sent before.
    fn post_new(&mut self, index: usize) {
        let machine = &mut self.machines[index];
        let process = machine.process.as_ref().unwrap();
        let received_at_ms = process.clock.now_ms();
        let ts = format_ms(received_at_ms);
        let body = format!(r#"{{"event_id":"new{index}","user_id":"u","type":"click","ts":"{ts}"}}"#);
        let mut batch = process.engine.decode(body.into(), Format::Ndjson).unwrap();
        let (rows, reservation) = process.engine.prepare(&mut batch, received_at_ms).unwrap();
        machine.tickets += 1;
        let (ticket, inbox) = (machine.tickets, Arc::clone(&machine.inbox));
        let asker = Box::new(move |answer| inbox.lock().unwrap().batches.push((ticket, 1, answer)));
        process.submit(Submission { rows, reservation, received_at_ms, asker });
    }

    /// All nodes have the same answers, and so has one that starts now.
    fn compare(&mut self) {
        let mut fresh = Process::start(u64::MAX, self.config.clone(), &self.frames, &self.reference, self.now_ms);
        for _ in 0..3 {
            let read = fresh.read(usize::MAX).and_then(|()| fresh.change_reference(usize::MAX));
            assert!(read.is_ok());
        }
        assert!(fresh.is_ready());
        let place = self.frames.len();
        self.oracle.query(self.oracle.newest(), place, &fresh.engine);
        let table = format!("{:?}", fresh.engine.copy_reference().as_ref().map(sorted));
        for machine in &self.machines {
            let process = machine.process.as_ref().unwrap();
            let figures = process.desk.figures();
            assert_eq!(figures.applied.0, place);
            let alarms = [figures.judgements_disputed, figures.differing_frames, figures.suspect_frames];
            assert_eq!(alarms, [0; 3]);
            self.oracle.query(self.oracle.newest(), place, &process.engine);
            assert_eq!(format!("{:?}", process.engine.copy_reference().as_ref().map(sorted)), table);
            let is_answered = |ticket: &u64| self.oracle.is_answered(process.id, *ticket);
            assert!((1..=machine.tickets).all(|ticket| is_answered(&ticket)), "a batch has no answer");
            assert_eq!(machine.released, machine.asked, "a read has no answer");
            assert_eq!(process.engine.sizes().backlog, 0, "no capacity is left reserved");
        }
    }
}

/// A table without the order of its users, as text.
fn sorted(copy: &weir::ReferenceCopy) -> (u64, i64, Vec<String>) {
    let groups = &copy.groups;
    let mut users: Vec<_> =
        copy.users.iter().map(|(key, group)| format!("{key:?} {:?}", groups[*group as usize])).collect();
    users.sort();
    (copy.number, copy.ts_ms, users)
}

/// The parts of a machine beside its process.
struct Parts<'m> {
    inbox: &'m Arc<Mutex<Inbox>>,
    asked: &'m mut u64,
    tickets: &'m mut u64,
}

/// The process of a machine, if there is one that is not frozen.
fn running(machine: &mut Machine, now_ms: i64) -> Option<(Parts<'_>, &mut Process)> {
    let Machine { process, inbox, asked, tickets, frozen_until_ms, .. } = machine;
    let process = process.as_mut().filter(|_| *frozen_until_ms <= now_ms)?;
    Some((Parts { inbox, asked, tickets }, process))
}
