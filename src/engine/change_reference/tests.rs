use super::*;
use crate::clock::ManualClock;
use crate::config::EngineConfig;
use crate::event::Format;
use crate::reference::Generations;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Barrier;

/// 2025-10-08T00:00:00Z. The milliseconds of the tests are counted from here.
const DAY_MS: i64 = 1_759_881_600_000;
const SKEW_MS: i64 = 120_000;
const THREADS: usize = 8;

/// An engine with the attributes plan and region.
fn engine() -> Engine {
    let config = EngineConfig { retention_secs: 1, partitions: 1, ..EngineConfig::default() };
    Engine::new(config, ManualClock::new(DAY_MS)).unwrap()
}

/// `ms` after the start of the day, less than an hour.
fn ts(ms: i64) -> String {
    format!("2025-10-08T00:{:02}:{:02}.{:03}Z", ms / 60_000, ms / 1_000 % 60, ms % 1_000)
}

fn body(ms: i64, users: &Value) -> Vec<u8> {
    json!({ "user_metadata": users, "ts": ts(ms) }).to_string().into_bytes()
}

fn ada(plan: &str) -> Value {
    json!({ "ada": { "plan": plan, "region": "eu" } })
}

fn bob() -> Value {
    json!({ "bob": { "plan": "free", "region": "us" } })
}

type Outcome = Result<Arc<Generation>, ReferenceError>;

/// Applies a body stamped `ms` after the start of the day, received an hour after it.
fn change(engine: &Engine, change: Change, ms: i64, users: &Value, preconditions: &Preconditions) -> Outcome {
    engine.change_reference(change, body(ms, users), preconditions, DAY_MS + 3_600_000)
}

fn put(engine: &Engine, ms: i64, users: &Value) -> Outcome {
    change(engine, Change::Replace, ms, users, &Preconditions::default())
}

fn patch(engine: &Engine, ms: i64, users: &Value) -> Outcome {
    change(engine, Change::Merge, ms, users, &Preconditions::default())
}

fn if_match(numbers: &[u64]) -> Preconditions {
    Preconditions { if_match: Some(Generations::OneOf(numbers.to_vec())), if_none_match: None }
}

fn number(outcome: Outcome) -> Result<u64, ReferenceError> {
    outcome.map(|generation| generation.number())
}

fn stale(current_ms: i64, current: u64) -> ReferenceError {
    ReferenceError::Stale { current_ts_ms: DAY_MS + current_ms, current }
}

/// A user's attributes in a generation of this engine.
fn user(engine: &Engine, generation: &Generation, id: &str) -> Option<Vec<String>> {
    Some(generation.user(engine.keys.user(id))?.map(str::to_owned).collect())
}

#[test]
fn there_is_no_table_at_first() {
    let engine = engine();
    let none = engine.reference();
    assert_eq!((none.number(), none.ts_ms(), none.users(), none.groups()), (0, None, 0, 1));
    assert_eq!(none.attributes().iter().map(|name| &**name).collect::<Vec<_>>(), ["plan", "region"]);
    assert_eq!((user(&engine, &none, "ada"), none.group_of(engine.keys.user("ada"))), (None, 0));
}

#[test]
fn a_table_replaces_the_one_before_which_stays_unchanged_while_it_is_held() {
    let engine = engine();
    let first = put(&engine, 1, &ada("pro")).unwrap();
    let users = json!({ "bob": { "plan": "free", "region": "us" }, "eve": { "plan": "free", "region": "us" } });
    let second = put(&engine, 2, &users).unwrap();
    assert!(Arc::ptr_eq(&second, &engine.reference()));
    assert_eq!((first.number(), first.ts_ms(), first.users()), (1, Some(DAY_MS + 1), 1));
    assert_eq!(user(&engine, &first, "ada").unwrap(), ["pro", "eu"]);
    assert_eq!((second.number(), second.ts_ms(), second.users(), second.groups()), (2, Some(DAY_MS + 2), 2, 2));
    assert_eq!(
        (user(&engine, &second, "ada"), user(&engine, &second, "bob").unwrap()),
        (None, vec!["free".into(), "us".into()])
    );
    let group = second.group_of(engine.keys.user("eve"));
    assert_eq!((group, second.value(group, 0), second.value(group, 1)), (1, "free", "us"));
}

#[test]
fn a_generation_is_printed_without_its_users() {
    let engine = engine();
    let printed = format!("{:?}", put(&engine, 1, &ada("gold")).unwrap());
    assert!(printed.contains("number: 1") && printed.contains("users: 1"), "{printed}");
    assert!(!printed.contains("gold"), "{printed}");
}

#[test]
fn an_older_timestamp_is_stale_and_the_table_stays() {
    let engine = engine();
    put(&engine, 5, &ada("pro")).unwrap();
    for (ms, plan) in [(4, "free"), (4, "pro"), (0, "pro"), (5, "free")] {
        assert_eq!(number(put(&engine, ms, &ada(plan))), Err(stale(5, 1)), "PUT {ms} {plan}");
        assert_eq!(number(patch(&engine, ms, &ada(plan))), Err(stale(5, 1)), "PATCH {ms} {plan}");
    }
    assert_eq!(
        (engine.reference().number(), user(&engine, &engine.reference(), "ada").unwrap()),
        (1, vec!["pro".into(), "eu".into()])
    );
}

#[test]
fn an_equal_timestamp_with_equal_content_is_a_safe_retry() {
    let engine = engine();
    let first = put(&engine, 5, &ada("pro")).unwrap();
    for users in [ada("pro"), json!({ "ada": { "region": "eu", "note": 7, "plan": "pro" } })] {
        assert!(Arc::ptr_eq(&put(&engine, 5, &users).unwrap(), &first), "PUT {users}");
    }
    for users in [json!({}), ada("pro"), json!({ "ada": {} }), json!({ "stranger": null })] {
        assert!(Arc::ptr_eq(&patch(&engine, 5, &users).unwrap(), &first), "PATCH {users}");
    }
    assert_eq!(number(patch(&engine, 5, &json!({ "ada": null }))), Err(stale(5, 1)));
}

#[test]
fn a_newer_timestamp_makes_a_generation_even_with_the_same_content() {
    let engine = engine();
    assert_eq!(number(put(&engine, 5, &ada("pro"))), Ok(1));
    assert_eq!(number(put(&engine, 6, &ada("pro"))), Ok(2));
    assert_eq!(number(patch(&engine, 7, &json!({}))), Ok(3));
    let absent = format!(r#"{{"ts":"{}"}}"#, ts(8)).into_bytes();
    let fourth = engine.change_reference(Change::Merge, absent, &Preconditions::default(), DAY_MS).unwrap();
    assert_eq!((fourth.number(), fourth.ts_ms(), fourth.users()), (4, Some(DAY_MS + 8), 1));
}

#[test]
fn before_the_first_table_any_timestamp_is_accepted_and_a_patch_makes_a_table() {
    let past = br#"{"user_metadata":{},"ts":"0001-01-01T00:00:00Z"}"#.to_vec();
    for change in [Change::Replace, Change::Merge] {
        let made = engine().change_reference(change, past.clone(), &Preconditions::default(), DAY_MS).unwrap();
        assert_eq!((made.number(), made.users()), (1, 0));
    }
    let engine = engine();
    let made = patch(&engine, 1, &ada("pro")).unwrap();
    assert_eq!((made.number(), user(&engine, &made, "ada").unwrap()), (1, vec!["pro".into(), "eu".into()]));
}

#[test]
fn exactly_the_skew_ahead_is_accepted_and_one_millisecond_more_is_not() {
    for change in [Change::Replace, Change::Merge] {
        let at = |received_at_ms| {
            engine().change_reference(change, body(0, &ada("pro")), &Preconditions::default(), received_at_ms)
        };
        assert_eq!(number(at(DAY_MS - SKEW_MS)), Ok(1));
        let ahead = ReferenceError::TimestampInFuture { ahead_ms: SKEW_MS + 1, max_skew_ms: SKEW_MS };
        assert_eq!(number(at(DAY_MS - SKEW_MS - 1)), Err(ahead));
        assert_eq!(number(at(i64::MAX)), Ok(1));
        assert!(matches!(at(i64::MIN), Err(ReferenceError::TimestampInFuture { ahead_ms: i64::MAX, .. })));
    }
}

#[test]
fn preconditions_are_checked_against_the_generation_in_force() {
    let engine = engine();
    let some = |tags| Preconditions { if_match: Some(tags), if_none_match: None };
    let none = |tags| Preconditions { if_match: None, if_none_match: Some(tags) };
    let put =
        |ms, preconditions: &Preconditions| number(change(&engine, Change::Replace, ms, &ada("pro"), preconditions));
    let mismatch = |current| Err(ReferenceError::GenerationMismatch { current });
    assert_eq!(put(1, &some(Generations::Any)), mismatch(0));
    assert_eq!(put(1, &if_match(&[1])), mismatch(0));
    assert_eq!(put(1, &none(Generations::OneOf(vec![0]))), mismatch(0));
    assert_eq!(put(1, &if_match(&[0])), Ok(1));
    assert_eq!(put(2, &none(Generations::Any)), mismatch(1));
    assert_eq!(put(2, &if_match(&[])), mismatch(1));
    assert_eq!(put(2, &some(Generations::Any)), Ok(2));
    assert_eq!(put(3, &if_match(&[1, 2])), Ok(3));
    assert_eq!(put(4, &none(Generations::OneOf(vec![2]))), Ok(4));
    assert_eq!(put(4, &if_match(&[3])), mismatch(4), "also for a retry");
    assert_eq!(number(change(&engine, Change::Merge, 5, &json!({}), &if_match(&[3]))), mismatch(4));
    assert_eq!(number(change(&engine, Change::Merge, 5, &json!({}), &if_match(&[4]))), Ok(5));
    assert_eq!(number(change(&self::engine(), Change::Replace, 1, &json!({}), &none(Generations::Any))), Ok(1));
}

#[test]
fn a_body_is_validated_by_syntax_then_structure_then_clock_then_precondition_then_age() {
    let engine = engine();
    put(&engine, 5, &ada("pro")).unwrap();
    let refusal = |text: &str, received_at_ms, preconditions: &Preconditions| {
        let outcomes = [Change::Replace, Change::Merge].map(|change| {
            number(engine.change_reference(change, text.as_bytes().to_vec(), preconditions, received_at_ms))
        });
        assert_eq!(outcomes[0], outcomes[1], "{text}");
        outcomes[0].clone().unwrap_err()
    };
    let (early, wrong) = (DAY_MS - SKEW_MS - 1, if_match(&[9]));
    let old = r#"{"user_metadata":{},"ts":"2025-10-08T00:00:00Z"}"#;
    let shapeless = r#"{"user_metadata":7,"ts":"2025-10-08T00:00:00Z"}"#;
    assert!(matches!(refusal(r#"{"user_metadata":7"#, early, &wrong), ReferenceError::Malformed(_)));
    assert!(matches!(refusal(shapeless, early, &wrong), ReferenceError::Invalid { .. }));
    assert!(matches!(refusal(old, early, &wrong), ReferenceError::TimestampInFuture { .. }));
    assert_eq!(refusal(old, DAY_MS, &wrong), ReferenceError::GenerationMismatch { current: 1 });
    assert_eq!(refusal(old, DAY_MS, &if_match(&[1])), stale(5, 1));
    assert_eq!(engine.reference().number(), 1);
}

/// The groups of a user in the timelines that know the user.
fn known_groups(engine: &Engine, id: &str) -> Vec<u32> {
    let key = engine.keys.user(id);
    engine.partitions.iter().filter_map(|partition| partition.lock().group_of_known(key)).collect()
}

#[test]
fn a_change_returns_when_the_known_users_have_their_groups() {
    let engine = engine();
    let event = br#"{"event_id":"e","user_id":"ada","type":"click","ts":"2025-10-08T00:00:00Z"}"#;
    let mut batch = engine.decode(event.to_vec(), Format::Json).unwrap();
    engine.ingest(&mut batch, DAY_MS).unwrap();
    engine.tick();
    assert_eq!(known_groups(&engine, "ada"), [0]);
    let first = engine.reference.published();
    assert_eq!(
        engine.group_known_users(first.generation()).into_iter().flatten().flatten().collect::<Vec<_>>(),
        [(engine.keys.user("ada"), 0)]
    );
    let published = put(&engine, 1, &ada("pro")).unwrap();
    assert!(Arc::ptr_eq(&published, engine.reference.published().generation()));
    assert_eq!(known_groups(&engine, "ada"), [1], "no answer has to wait for the groups");
    assert_eq!(engine.reference.published().take_groups(), [[[]; 0]; 0], "the groups are handed out once");
}

#[test]
fn a_refused_or_unchanged_table_has_no_successor() {
    let engine = engine();
    let current = put(&engine, 5, &ada("pro")).unwrap();
    for (ms, plan, is_retry) in [(5, "pro", true), (5, "free", false), (4, "pro", false)] {
        let (admission, preconditions) = (Admission::Checked, &Preconditions::default());
        let request = Request { admission, change: Change::Replace, preconditions, received_at_ms: DAY_MS };
        let has_none = |successors: &Successors<'_>| Ok(successors.of(&current)?.is_none());
        assert_eq!(
            Successors::read(&engine, request, body(ms, &ada(plan)), has_none),
            is_retry.then_some(true).ok_or(stale(5, 1)),
            "{plan}"
        );
    }
}

/// Changes the table, and lets `rival` publish first: it runs while the change groups the known users.
fn overtaken(engine: &Engine, how: Change, ms: i64, preconditions: &Preconditions, rival: impl FnOnce()) -> Outcome {
    let timeline = engine.partitions[0].lock();
    std::thread::scope(|scope| {
        let overtaken = scope.spawn(|| change(engine, how, ms, &bob(), preconditions));
        while !engine.partitions[0].has_waiter() {
            std::thread::yield_now();
        }
        rival();
        drop(timeline);
        overtaken.join().unwrap()
    })
}

/// Publishes a table without the timeline's lock.
fn publish(engine: &Engine, ms: i64, users: &Value) {
    let body = String::from_utf8(body(ms, users)).unwrap();
    engine.reference.put(&body, &engine.keys, Vec::new());
}

#[test]
fn an_overtaken_change_is_validated_again_against_the_winner() {
    let free = Preconditions::default();
    for how in [Change::Replace, Change::Merge] {
        let engine = engine();
        let rival = |ms| publish(&engine, ms, &ada("pro"));
        let outcome = overtaken(&engine, how, 2, &free, || rival(1));
        assert_eq!(number(outcome), Ok(2), "the table replaces that of an older rival");
        let outcome = overtaken(&engine, how, 3, &free, || rival(4));
        assert_eq!(number(outcome), Err(stale(4, 3)), "a newer rival wins");
        let outcome = overtaken(&engine, how, 6, &if_match(&[3]), || rival(5));
        let mismatch = Err(ReferenceError::GenerationMismatch { current: 4 });
        assert_eq!(number(outcome), mismatch, "a rival makes a new generation");
    }
}

#[test]
fn an_overtaken_patch_keeps_what_the_winner_wrote() {
    let engine = engine();
    let rival = || publish(&engine, 1, &ada("pro"));
    let merged = overtaken(&engine, Change::Merge, 2, &Preconditions::default(), rival).unwrap();
    assert_eq!((merged.users(), user(&engine, &merged, "ada").unwrap()), (2, vec!["pro".into(), "eu".into()]));
}

#[test]
fn a_rival_with_the_same_table_and_timestamp_serves_both() {
    let engine = engine();
    let rival = || publish(&engine, 2, &bob());
    let outcome = overtaken(&engine, Change::Replace, 2, &Preconditions::default(), rival);
    assert_eq!((number(outcome), engine.reference().number()), (Ok(1), 1));
}

/// Runs `work(thread)` on eight threads that start together, and returns their results.
fn race<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let run = |thread| {
            start.wait();
            work(thread)
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn racing_tables_are_linearised_by_timestamp() {
    const EACH: usize = 200;
    let engine = engine();
    let accepted: Vec<(u64, i64)> = race(|thread| {
        let mut accepted = Vec::new();
        let mut seen = engine.reference();
        for round in 0..EACH {
            let ms = (round * THREADS + thread) as i64;
            match put(&engine, ms, &ada(&format!("p{thread}"))) {
                Ok(generation) => accepted.push((generation.number(), DAY_MS + ms)),
                Err(ReferenceError::Stale { current_ts_ms, .. }) => assert!(current_ts_ms > DAY_MS + ms),
                Err(other) => panic!("{other}"),
            }
            let current = engine.reference();
            assert!(current.number() >= seen.number() && current.ts_ms() >= seen.ts_ms(), "{seen:?} then {current:?}");
            seen = current;
        }
        accepted
    })
    .into_iter()
    .flatten()
    .collect();
    let ordered: BTreeSet<(u64, i64)> = accepted.iter().copied().collect();
    let numbers: Vec<u64> = ordered.iter().map(|&(number, _)| number).collect();
    assert_eq!(numbers, (1..=accepted.len() as u64).collect::<Vec<_>>(), "one generation for each accepted table");
    assert!(ordered.iter().map(|&(_, ts_ms)| ts_ms).is_sorted_by(|a, b| a < b));
    let last = engine.reference();
    assert_eq!((last.number(), last.ts_ms()), (accepted.len() as u64, Some(DAY_MS + (EACH * THREADS) as i64 - 1)));
}

#[test]
fn of_racing_tables_with_if_match_exactly_one_wins_each_generation() {
    const GENERATIONS: u64 = 200;
    let engine = engine();
    let won: Vec<u64> = race(|thread| {
        let mut won = Vec::new();
        loop {
            let current = engine.reference().number();
            if current == GENERATIONS {
                return won;
            }
            let users = ada(&format!("p{thread}"));
            match change(&engine, Change::Replace, current as i64, &users, &if_match(&[current])) {
                Ok(generation) => won.push(generation.number()),
                Err(ReferenceError::GenerationMismatch { current: found }) => assert!(found > current),
                Err(other) => panic!("{other}"),
            }
        }
    })
    .into_iter()
    .flatten()
    .collect();
    assert_eq!(won.len() as u64, GENERATIONS);
    assert_eq!(won.into_iter().collect::<BTreeSet<u64>>().len() as u64, GENERATIONS);
}

#[test]
fn no_racing_patch_is_lost() {
    const EACH: usize = 100;
    let engine = engine();
    put(&engine, 0, &ada("pro")).unwrap();
    race(|thread| {
        for round in 0..EACH {
            let users = json!({ format!("u-{thread}"): { "plan": format!("p{round}"), "region": "eu" } });
            loop {
                let ms = engine.reference().ts_ms().unwrap() - DAY_MS + 1;
                match patch(&engine, ms, &users) {
                    Ok(generation) => {
                        let written = user(&engine, &generation, &format!("u-{thread}")).unwrap();
                        assert_eq!(written[0], format!("p{round}"));
                        break;
                    }
                    Err(ReferenceError::Stale { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    });
    let last = engine.reference();
    assert_eq!((last.number(), last.users()), ((1 + EACH * THREADS) as u64, THREADS + 1));
    for thread in 0..THREADS {
        assert_eq!(user(&engine, &last, &format!("u-{thread}")).unwrap()[0], format!("p{}", EACH - 1));
    }
    assert_eq!(user(&engine, &last, "ada").unwrap(), ["pro", "eu"]);
}

/// The algorithm of RFC 7396, section 2.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge_patch(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

const IDS: [&str; 5] = ["u-1", "u-2", "u-3", "a/b", "é"];

/// The plan and the region of each user; none if the document is not a table.
fn users_of(document: &Value) -> Option<Vec<Option<Vec<String>>>> {
    let attribute = |user: &Value, name| user[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let users = document["user_metadata"].as_object()?;
    let row = |user: &Value| Some(vec![attribute(user, "plan")?, attribute(user, "region")?]);
    users.values().all(|user| row(user).is_some()).then(|| IDS.iter().map(|id| row(users.get(*id)?)).collect())
}

fn attribute_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => prop::sample::select(vec!["free", "pro", "eu", "us", "~/\""]).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => prop::sample::select(vec![json!(""), json!(7), json!({}), json!([]), json!({ "plan": "pro" })]),
    ]
}

fn user_value() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["plan", "region", "plan", "region", "note"]);
    let members = prop::collection::btree_map(name.prop_map(str::to_owned), attribute_value(), 0..=3);
    prop_oneof![
        10 => members.prop_map(|members| Value::Object(members.into_iter().collect())),
        4 => Just(json!({ "plan": "pro", "region": "eu", "note": "x" })),
        3 => Just(Value::Null),
        1 => prop::sample::select(vec![json!("pro"), json!([]), json!(false)]),
    ]
}

fn users_value() -> impl Strategy<Value = Value> {
    let id = prop::sample::select(&IDS[..]).prop_map(str::to_owned);
    let users = prop::collection::btree_map(id, user_value(), 0..=3);
    prop_oneof![
        20 => users.prop_map(|users| Value::Object(users.into_iter().collect())),
        1 => prop::sample::select(vec![json!(null), json!([]), json!("x")]),
    ]
}

proptest! {
    #[test]
    fn patches_agree_with_rfc_7396(
        patches in prop::collection::vec(prop::option::weighted(0.95, users_value()), 1..12),
    ) {
        let engine = engine();
        let mut document = json!({ "user_metadata": {} });
        put(&engine, 0, &document["user_metadata"]).unwrap();
        for (ms, users) in (1..).zip(patches) {
            let mut patch = json!({ "ts": ts(ms) });
            if let Some(users) = users {
                patch["user_metadata"] = users;
            }
            let text = patch.to_string().into_bytes();
            let before = engine.reference();
            let outcome = engine.change_reference(Change::Merge, text, &Preconditions::default(), DAY_MS);
            let mut merged = document.clone();
            merge_patch(&mut merged, &patch);
            match (outcome, users_of(&merged)) {
                (Ok(generation), Some(users)) => {
                    prop_assert_eq!(generation.users(), users.iter().flatten().count());
                    prop_assert_eq!(IDS.map(|id| user(&engine, &generation, id)).to_vec(), users);
                    document = merged;
                }
                (Err(ReferenceError::Invalid { pointer, .. }), None) => {
                    prop_assert!(pointer.starts_with("/user_metadata"));
                    prop_assert!(Arc::ptr_eq(&engine.reference(), &before));
                }
                (outcome, users) => prop_assert!(false, "{outcome:?} but {users:?} by {patch}"),
            }
        }
    }
}

#[test]
fn a_prepared_change_comes_into_force_only_when_it_is_published() {
    let engine = engine();
    put(&engine, 1, &ada("free")).unwrap();
    let prepare = |change, ms, users: &Value, preconditions: &Preconditions| {
        number(engine.prepare_change(change, body(ms, users), preconditions, DAY_MS + 3_600_000))
    };
    let none = Preconditions::default();
    assert_eq!(prepare(Change::Merge, 2, &bob(), &if_match(&[1])), Ok(2));
    assert_eq!(prepare(Change::Replace, 3, &ada("pro"), &if_match(&[2])), Ok(3), "judged against the prepared one");
    assert_eq!(prepare(Change::Replace, 3, &ada("pro"), &none), Ok(3), "a retry");
    assert!(matches!(prepare(Change::Merge, 2, &bob(), &none), Err(ReferenceError::Stale { current: 3, .. })));
    assert_eq!((engine.reference().number(), engine.newest_reference().number()), (1, 3));
    assert_eq!((engine.prepared_generations(), engine.user("bob")), (2, None));

    engine.publish_prepared(1);
    assert_eq!((engine.reference().number(), engine.prepared_generations()), (1, 2));
    engine.publish_prepared(2);
    assert_eq!((engine.reference().number(), engine.prepared_generations()), (2, 1));
    assert_eq!(engine.user("ada").unwrap()[0], "free");
    assert!(engine.user("bob").is_some());
    engine.publish_prepared(9);
    assert_eq!((engine.reference().number(), engine.newest_reference().number()), (3, 3));
    assert_eq!((engine.prepared_generations(), engine.user("bob")), (0, None));
    assert_eq!(engine.user("ada").unwrap()[0], "pro");
    // The next change goes on from there, directly or prepared.
    assert_eq!(number(patch(&engine, 4, &bob())), Ok(4));
    assert_eq!(prepare(Change::Merge, 5, &ada("max"), &none), Ok(5));
}

#[test]
fn the_newest_prepared_generation_up_to_a_number_comes_into_force_at_once() {
    let engine = engine();
    for ms in 1..=3 {
        let body = body(ms, &ada(&format!("plan{ms}")));
        engine.prepare_change(Change::Replace, body, &Preconditions::default(), DAY_MS).unwrap();
    }
    engine.publish_prepared(2);
    assert_eq!((engine.reference().number(), engine.user("ada").unwrap()[0].as_str()), (2, "plan2"));
    assert_eq!(engine.prepared_generations(), 1);
}
