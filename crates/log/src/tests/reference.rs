//! Changes of the reference table over a simulated log, held to an engine that reads the log from its first entry on.

use super::sim_log::{Faults, SimLog};
use crate::answers::NotLogged;
use crate::limits::{HELD_CHANGE_BYTES_MAX, PATCHES_PER_BASE_MAX};
use crate::reference::{ChangeAnswer, ChangeSubmission, NotChanged, ReferenceReader, entry_of};
use crate::topic::{Entry, Follow, Log, Lost, Place, Placed};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use weir::{Change, Engine, EngineConfig, Generations, ManualClock, Preconditions, ReferenceCopy, Secret, format_ms};

const NOW_MS: i64 = 1_760_000_000_000;

fn engine() -> Arc<Engine> {
    let secret = Secret::from_bytes([7; 32]);
    Arc::new(Engine::with_secret(EngineConfig::default(), ManualClock::new(NOW_MS), &secret).unwrap())
}

/// A process that changes the table.
pub(super) struct Changer {
    pub(super) engine: Arc<Engine>,
    pub(super) reader: ReferenceReader,
    told: Arc<Mutex<Vec<ChangeAnswer>>>,
}

impl Changer {
    pub(super) fn start(node: u64, log: &(impl Log + Clone + 'static)) -> Self {
        let engine = engine();
        let reader = ReferenceReader::new(node, Arc::clone(&engine), Box::new(log.clone()));
        let mut changer = Self { engine, reader, told: Arc::default() };
        changer.read();
        changer
    }

    fn read(&mut self) {
        while self.reader.read(Duration::ZERO).unwrap() {}
        self.reader.take_answered().into_iter().for_each(|(asker, answer)| asker(answer));
    }

    pub(super) fn append(&mut self, change: Change, user: u8, plan: u8, ts_ms: i64, if_match: Option<u64>) {
        let body = format!(
            r#"{{"user_metadata":{{"u{user}":{{"plan":"p{plan}","region":"eu"}}}},"ts":"{}"}}"#,
            format_ms(NOW_MS + ts_ms)
        );
        let if_match = if_match.map(|number| Generations::OneOf(vec![number]));
        let preconditions = Preconditions { if_match, if_none_match: None };
        let told = Arc::clone(&self.told);
        let asker = Box::new(move |answer| told.lock().unwrap().push(answer));
        let (body, received_at_ms) = (body.into_bytes(), NOW_MS + ts_ms);
        self.reader.append(ChangeSubmission { change, body, preconditions, received_at_ms, asker });
    }

    pub(super) fn told(&self) -> Vec<ChangeAnswer> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// Appends a base if one is due, and reads it.
    pub(super) fn idle(&mut self) {
        self.read();
        if !self.reader.is_busy() {
            self.reader.append_base(true);
            self.read();
        }
    }
}

/// A number and two times, and the values of each user.
type Content = (u64, i64, i64, BTreeSet<([u8; 16], Vec<String>)>);

/// A copy in an order that does not depend on hash tables: each user with its values.
fn content(copy: Option<&ReferenceCopy>) -> Option<Content> {
    let copy = copy?;
    let user = |(key, group): &([u8; 16], u32)| (*key, copy.groups[*group as usize].clone());
    Some((copy.number, copy.ts_ms, copy.received_at_ms, copy.users.iter().map(user).collect()))
}

#[derive(Clone, Debug)]
enum Step {
    Change(bool, u8, u8, Option<u64>),
    Read,
    Idle,
    Late,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), 0_u8..6, 0_u8..3, prop::option::weighted(0.3, 0_u64..12))
            .prop_map(|(whole, user, plan, if_match)| Step::Change(whole, user, plan, if_match)),
        4 => Just(Step::Read),
        3 => Just(Step::Idle),
        2 => Just(Step::Late),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_has_the_table_that_all_changes_have_made(
        seed: u64,
        trims_slowly: bool,
        (late, twice, unknown, full) in (0_u64..30, 0_u64..30, 0_u64..20, 0_u64..10),
        steps in prop::collection::vec((step(), 0_i64..3), 1..80),
    ) {
        let log = SimLog::new(seed, 1, Faults { late, twice, unknown, full, repeats: 10, trims_slowly });
        let (mut node, mut ts_ms, mut submitted, mut told) = (1, 0, 0, 0);
        let mut changer = Changer::start(node, &log);
        for (step, later_ms) in steps {
            match step {
                Step::Change(whole, user, plan, if_match) if !changer.reader.is_busy() => {
                    ts_ms += later_ms;
                    submitted += 1;
                    let change = if whole { Change::Replace } else { Change::Merge };
                    changer.append(change, user, plan, ts_ms, if_match);
                }
                Step::Change(..) | Step::Read => changer.read(),
                Step::Idle => changer.idle(),
                Step::Late => log.step(),
                Step::Crash => {
                    node += 1;
                    (submitted, told) = (0, 0);
                    changer = Changer::start(node, &log);
                }
            }
            told += changer.told().len();
            prop_assert!(told <= submitted);
        }
        for _ in 0..200 {
            log.step();
            changer.idle();
        }
        told += changer.told().len();
        prop_assert_eq!(told, submitted, "each change of a process that lives is answered");
        let restarted = Changer::start(node + 1, &log);
        let all = engine();
        let mut reader = ReferenceReader::new(0, Arc::clone(&all), Box::new(log.untrimmed()));
        while reader.read(Duration::ZERO).unwrap() {}
        let expected = all.copy_reference();
        prop_assert_eq!(content(changer.engine.copy_reference().as_ref()), content(expected.as_ref()));
        prop_assert_eq!(content(restarted.engine.copy_reference().as_ref()), content(expected.as_ref()));
        prop_assert_eq!(restarted.engine.reference().number(), all.reference().number());
    }
}

#[test]
fn a_whole_table_becomes_a_base_and_what_precedes_it_is_trimmed() {
    let log = SimLog::new(1, 1, Faults::default());
    let mut changer = Changer::start(1, &log);
    changer.append(Change::Replace, 1, 1, 0, None);
    changer.idle();
    assert_eq!((log.len(), log.trimmed()), (2, 1));
    changer.append(Change::Merge, 2, 1, 1, None);
    changer.idle();
    assert_eq!((log.len(), log.trimmed()), (3, 1), "a patch alone makes no base");
    changer.append(Change::Replace, 3, 1, 1, None);
    changer.idle();
    assert_eq!((log.len(), log.trimmed()), (4, 1), "nor does a refused table");
    assert_eq!(content(Changer::start(2, &log).engine.copy_reference().as_ref()).map(|copy| copy.3.len()), Some(2));
}

#[test]
fn many_patches_become_a_base() {
    let log = SimLog::new(1, 1, Faults::default());
    let mut changer = Changer::start(1, &log);
    for patch in 0..PATCHES_PER_BASE_MAX + 10 {
        changer.append(Change::Merge, (patch % 200) as u8, 1, patch as i64, None);
        changer.idle();
    }
    assert_eq!((log.len(), log.trimmed()), (PATCHES_PER_BASE_MAX + 11, PATCHES_PER_BASE_MAX as u64));
    let restarted = Changer::start(2, &log);
    assert_eq!(restarted.engine.reference().number(), PATCHES_PER_BASE_MAX as u64 + 10);
    assert_eq!(restarted.reader.applied(), Place(PATCHES_PER_BASE_MAX as u64 + 11));
}

#[test]
fn a_change_without_a_place_says_whether_it_may_have_been_made() {
    for (faults, expected) in [
        (Faults { full: 100, ..Faults::default() }, NotLogged::Overloaded),
        (Faults { unknown: 100, ..Faults::default() }, NotLogged::Unavailable),
    ] {
        let mut changer = Changer::start(1, &SimLog::new(1, 1, faults));
        changer.append(Change::Replace, 1, 1, 0, None);
        changer.read();
        assert_eq!(changer.told().pop().unwrap().unwrap_err(), NotChanged::NotLogged(expected));
        assert!(!changer.reader.is_busy());
    }
}

/// A follower of given entries.
struct Given(Vec<Entry>);

impl Follow for Given {
    fn next(&mut self, _: Duration) -> Result<Option<Entry>, Lost> {
        Ok((!self.0.is_empty()).then(|| self.0.remove(0)))
    }
}

struct GivenLog(Vec<Entry>);

impl Log for GivenLog {
    fn depth(&self) -> usize {
        1
    }

    fn append(&mut self, _: Arc<[u8]>, _: Placed) {}

    fn follow(&mut self, _: Place) -> Box<dyn Follow> {
        Box::new(Given(std::mem::take(&mut self.0)))
    }

    fn trim(&mut self, _: Place) {}
}

#[test]
fn a_reader_stops_at_a_gap_and_at_foreign_bytes() {
    let log = SimLog::new(1, 1, Faults::default());
    let mut changer = Changer::start(1, &log);
    (0..3).for_each(|patch| {
        changer.append(Change::Merge, 1, 1, patch, None);
        changer.read();
    });
    let entry = |place: u64| Entry {
        place: Place(place),
        bytes: Arc::clone(&log.entries()[place as usize - 1]),
        logged_at_ms: None,
    };
    let stopped = |entries| {
        let mut reader = ReferenceReader::new(1, engine(), Box::new(GivenLog(entries)));
        loop {
            match reader.read(Duration::ZERO) {
                Ok(true) => {}
                Ok(false) => break reader.end_of_log().err().map(|lost| lost.why),
                Err(lost) => break Some(lost.why),
            }
        }
    };
    assert_eq!(stopped(vec![entry(1), entry(1), entry(2), entry(3)]), None);
    assert_eq!(stopped(vec![entry(1), entry(3)]).as_deref(), Some("the reference log skips from 1 to 3"));
    let missing = "the reference log has neither its beginning nor a copy of the table";
    assert_eq!(stopped(vec![entry(2), entry(3)]).as_deref(), Some(missing));
    let foreign = Entry { place: Place(1), bytes: b"hello".as_slice().into(), logged_at_ms: None };
    let why = "place 1 of the reference log has no entry of it: the checksum is wrong";
    assert_eq!(stopped(vec![foreign]).as_deref(), Some(why));
}

/// The change was refused at its first landing. The base that precedes its second landing stands for the first one.
#[test]
fn a_copy_of_a_change_that_lands_after_a_base_does_nothing() {
    let log = SimLog::new(1, 1, Faults::default());
    let mut changer = Changer::start(1, &log);
    changer.append(Change::Merge, 1, 1, 5, Some(1));
    changer.read();
    assert!(changer.told().pop().unwrap().is_err(), "there is no generation 1 yet");
    changer.append(Change::Replace, 2, 1, 0, None);
    changer.idle();
    assert_eq!(log.trimmed(), 2);
    log.clone().append(Arc::clone(&log.entries()[0]), Box::new(|_| {}));
    changer.read();
    let restarted = Changer::start(2, &log);
    assert_eq!([&changer, &restarted].map(|changer| changer.engine.reference().number()), [1, 1]);
}

/// The reader begins with the base that stands for all that was trimmed, although an older one comes first.
#[test]
fn a_late_copy_of_an_old_base_stands_for_nothing() {
    let log = SimLog::new(1, 1, Faults::default());
    let mut changer = Changer::start(1, &log);
    changer.append(Change::Replace, 1, 1, 0, None);
    changer.idle();
    let old_base = Arc::clone(&log.entries()[1]);
    changer.append(Change::Merge, 2, 1, 1, None);
    changer.read();
    changer.append(Change::Replace, 3, 1, 2, None);
    changer.read();
    Changer::start(2, &log).append(Change::Merge, 4, 1, 3, None);
    log.clone().append(old_base, Box::new(|_| {}));
    changer.reader.append_base(true);
    changer.idle();
    assert_eq!((log.len(), log.trimmed()), (7, 4), "a change, the old base and the new one are left");
    let restarted = Changer::start(3, &log);
    assert_eq!(content(restarted.engine.copy_reference().as_ref()), content(changer.engine.copy_reference().as_ref()));
    assert_eq!(restarted.engine.reference().number(), 4);
}

/// A crash while the log was trimmed leaves changes before the base, more of them than memory has room for.
#[test]
fn changes_that_a_later_base_stands_for_need_no_memory() {
    let log = SimLog::new(1, 1, Faults::default());
    let mut changer = Changer::start(1, &log);
    changer.append(Change::Replace, 1, 1, 0, None);
    changer.idle();
    let body = vec![b' '; 8 << 20];
    let preconditions = Preconditions::default();
    let change =
        ChangeSubmission { change: Change::Merge, body, preconditions, received_at_ms: 0, asker: Box::new(drop) };
    let large = SimLog::new(1, 1, Faults::default());
    ReferenceReader::new(1, engine(), Box::new(large.clone())).append(change);
    let large_bytes = Arc::clone(&large.entries()[0]);
    let copies = HELD_CHANGE_BYTES_MAX / large_bytes.len() + 2;
    let entry = |place: usize, bytes| Entry { place: Place(place as u64), bytes, logged_at_ms: None };
    let entries = || (0..copies).map(|copy| entry(copy + 2, Arc::clone(&large_bytes))).collect::<Vec<_>>();
    let read = |entries: Vec<Entry>| {
        let engine = engine();
        let mut reader = ReferenceReader::new(2, Arc::clone(&engine), Box::new(GivenLog(entries)));
        while reader.read(Duration::ZERO)? {}
        reader.end_of_log().map(|()| engine.reference().number())
    };
    let copy = changer.engine.copy_reference().unwrap();
    let base = |as_of: usize| entry_of(Place(as_of as u64), copy.clone());
    let with_base = |as_of| [entries(), vec![entry(copies + 2, base(as_of))]].concat();
    assert_eq!(read(with_base(copies + 1)), Ok(1));
    let missing = Lost::log("the reference log has neither its beginning nor a copy of the table");
    assert_eq!(read(with_base(1)), Err(missing.clone()), "the base stands for none of them, and some are forgotten");
    assert_eq!(read(entries()), Err(missing));
}
