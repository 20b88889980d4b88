//! The engine compared with a naive oracle, which is a list of events and two maps. The histories are random: posts,
//! duplicates, skews, stalled writers, table changes, clock steps in both directions, wraps of the ring, ticks, sweeps
//! and queries about the present and the past.
#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;
use weir::{
    Batch, Change, DedupBackend, EndOutOfRange, Engine, EngineConfig, Filter, Format, Group, Groups, ManualClock,
    Metrics, Point, Preconditions, Query, ReferenceError, Series, Stats, Tally, Verdict, format_ms, limits, second_of,
};

const TYPES: [&str; 4] = ["click", "view", "purchase", "refund"]; // the last type is not configured
const START_MS: i64 = 1_760_000_000_123;
const STALL_MS: i64 = limits::STALL_SLACK_SECS as i64 * 1_000;

#[derive(Clone, Debug)]
struct ModelEvent {
    id: u8,
    user: u8,
    kind: usize,
    offset: Offset,
}

/// A distance from the clock.
#[derive(Clone, Copy, Debug)]
enum Offset {
    Ms(i64),
    /// Exactly the skew, plus this many milliseconds.
    Late(i64),
    Early(i64),
}

impl Offset {
    fn ms(self, skew_ms: i64) -> i64 {
        match self {
            Self::Ms(ms) => ms,
            Self::Late(more) => -skew_ms - more,
            Self::Early(more) => skew_ms + more,
        }
    }
}

/// Where the window of a query ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The query has no end.
    Now,
    /// This many seconds before the second of the clock. A negative value is ahead of it.
    Ago(i64),
    /// The window starts this many seconds after the oldest second of the retention.
    AfterOldest(i64),
}

/// For each user the plan and the region; none deletes the user in a patch, and omits the user in a whole table.
type Table = BTreeMap<u8, Option<(u8, u8)>>;

#[derive(Clone, Debug)]
enum ModelStep {
    /// Events, and how far the writer's time is behind the engine's in milliseconds. A negative value is ahead.
    Post(Vec<ModelEvent>, i64),
    Put(Table, Offset),
    Patch(Table, Offset),
    Advance(i64),
    Query(Query, End),
    Series(Query, End, u32),
    Tick,
    Sweep,
    Restore,
}

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![
        6 => (-4_000_i64..4_000).prop_map(Offset::Ms),
        1 => (0_i64..2).prop_map(Offset::Late),
        1 => (0_i64..2).prop_map(Offset::Early),
    ]
}

/// Queries of all kinds. Some of their types and values do not occur.
fn query() -> impl Strategy<Value = Query> {
    let types = prop::collection::btree_set(prop::sample::select(&TYPES[..]).prop_map(str::to_owned), 0..4);
    let values =
        |prefix: &'static str| prop::collection::btree_set((0_u8..4).prop_map(move |n| format!("{prefix}{n}")), 0..3);
    let attributes = (prop::option::weighted(0.3, values("p")), prop::option::weighted(0.3, values("r")));
    let group_by = prop::sample::select(vec![vec![], vec![], vec![0], vec![1], vec![0, 1], vec![1, 0]]);
    (1_u32..40, prop::option::weighted(0.3, types), attributes, group_by).prop_map(
        |(window_secs, types, (plans, regions), group_by)| {
            let attributes =
                [plans, regions].into_iter().enumerate().filter_map(|(index, values)| Some((index, values?)));
            let filter = Filter { types, attributes: attributes.collect() };
            Query { window_secs, end_secs: None, filter, group_by }
        },
    )
}

/// Ends of all kinds. The retentions and the skews of the test are up to 300 and 120 seconds.
fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        4 => Just(End::Now),
        2 => (-2_i64..30).prop_map(End::Ago),
        2 => (0_i64..320).prop_map(End::Ago),
        2 => (-1_i64..=1).prop_map(End::AfterOldest),
    ]
}

fn step() -> impl Strategy<Value = ModelStep> {
    let event = (0_u8..60, 0_u8..12, 0..TYPES.len(), offset()).prop_map(|(id, user, kind, offset)| ModelEvent {
        id,
        user,
        kind,
        offset,
    });
    let behind_ms = prop_oneof![8 => Just(0), 1 => -3_000_i64..3_000, 1 => 0..=STALL_MS];
    let table = || prop::collection::btree_map(0_u8..12, prop::option::of((0_u8..3, 0_u8..2)), 0..8);
    prop_oneof![
        6 => (prop::collection::vec(event, 0..12), behind_ms)
            .prop_map(|(events, behind_ms)| ModelStep::Post(events, behind_ms)),
        1 => (table(), offset()).prop_map(|(table, offset)| ModelStep::Put(table, offset)),
        1 => (table(), offset()).prop_map(|(table, offset)| ModelStep::Patch(table, offset)),
        4 => (0_i64..2_500).prop_map(ModelStep::Advance),
        1 => (-9_000_i64..40_000).prop_map(ModelStep::Advance),
        1 => (-400_000_i64..400_000).prop_map(ModelStep::Advance),
        6 => (query(), end()).prop_map(|(query, end)| ModelStep::Query(query, end)),
        2 => (query(), end(), 1_u32..40).prop_map(|(query, end, step_secs)| ModelStep::Series(query, end, step_secs)),
        1 => Just(ModelStep::Tick),
        1 => Just(ModelStep::Sweep),
        1 => Just(ModelStep::Restore),
    ]
}

/// The expected answers of the engine, computed in the simplest way.
struct Oracle {
    config: EngineConfig,
    /// The user, the kind and the second of every accepted event.
    events: Vec<(u8, usize, i64)>,
    accepted_ms: HashMap<u8, i64>,
    table: BTreeMap<u8, (u8, u8)>,
    table_ts_ms: Option<i64>,
    generation: u64,
}

impl Oracle {
    /// Lines may remember an id beyond its horizon. Whether they do is read from the engine's verdicts in
    /// `batch`.
    fn post(&mut self, events: &[ModelEvent], now_ms: i64, batch: &Batch) -> Tally {
        let skew_ms = i64::from(self.config.max_skew_secs) * 1_000;
        let horizon_ms = self.horizon_ms();
        let mut tally = Tally::default();
        for (index, event) in events.iter().enumerate() {
            let remembered = self.config.dedup == DedupBackend::Lines && batch.verdict(index) == Verdict::Duplicate;
            let is_duplicate = |accepted_ms| {
                let age_ms = now_ms - accepted_ms;
                age_ms <= horizon_ms || (remembered && age_ms <= 2 * (horizon_ms + STALL_MS) + STALL_MS)
            };
            let offset_ms = event.offset.ms(skew_ms);
            if event.kind >= self.config.event_types.len() || offset_ms.abs() > skew_ms {
                tally.rejected += 1;
            } else if self.accepted_ms.get(&event.id).is_some_and(|accepted_ms| is_duplicate(*accepted_ms)) {
                tally.duplicates += 1;
            } else {
                tally.accepted += 1;
                self.accepted_ms.insert(event.id, now_ms);
                self.events.push((event.user, event.kind, second_of(now_ms + offset_ms)));
            }
        }
        tally
    }

    /// The number of the generation in force afterwards, or the reason of the refusal.
    fn change(&mut self, table: BTreeMap<u8, (u8, u8)>, ts_ms: i64, now_ms: i64) -> Result<u64, &'static str> {
        if ts_ms - now_ms > i64::from(self.config.max_skew_secs) * 1_000 {
            return Err("future");
        }
        if self.table_ts_ms == Some(ts_ms) && self.table == table {
            return Ok(self.generation);
        }
        if self.table_ts_ms.is_some_and(|current_ms| ts_ms <= current_ms) {
            return Err("stale");
        }
        (self.table, self.table_ts_ms) = (table, Some(ts_ms));
        self.generation += 1;
        Ok(self.generation)
    }

    fn horizon_ms(&self) -> i64 {
        self.config.horizon_secs().map(|secs| secs as i64 * 1_000).unwrap()
    }

    /// Ids that have not expired.
    fn ids(&self, now_ms: i64) -> usize {
        self.accepted_ms.values().filter(|accepted_ms| now_ms - **accepted_ms <= self.horizon_ms()).count()
    }

    /// Users with an event within the retention or ahead of the clock.
    fn users(&self, now_ms: i64) -> usize {
        let oldest = second_of(now_ms) - i64::from(self.config.retention_secs) + 1;
        let live = self.events.iter().filter(|(_, _, second)| *second >= oldest);
        live.map(|(user, _, _)| user).collect::<BTreeSet<_>>().len()
    }

    /// The events of some seconds that pass a filter, each with its user, its kind, and its plan and region.
    fn passing(&self, seconds: RangeInclusive<i64>, filter: &Filter) -> Vec<(u8, usize, Option<[String; 2]>)> {
        let in_window = self.events.iter().filter(|(_, _, second)| seconds.contains(second));
        let enriched = in_window.map(|(user, kind, _)| {
            let values = self.table.get(user).map(|(plan, region)| [format!("p{plan}"), format!("r{region}")]);
            (*user, *kind, values)
        });
        let passes = |(_, kind, values): &(u8, usize, Option<[String; 2]>)| {
            filter.types.as_ref().is_none_or(|types| types.contains(TYPES[*kind]))
                && filter.attributes.iter().all(|(attribute, allowed)| {
                    values.as_ref().is_some_and(|values| allowed.contains(&values[*attribute]))
                })
        };
        enriched.filter(passes).collect()
    }

    fn stats(&self, events: &[(u8, usize, Option<[String; 2]>)]) -> Stats {
        let count = |values: Vec<String>| {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
            counts
        };
        let values = |attribute: usize| {
            count(events.iter().filter_map(|(_, _, values)| Some(values.as_ref()?[attribute].clone())).collect())
        };
        Stats {
            events: events.len() as u64,
            unique_users: events.iter().map(|(user, ..)| user).collect::<BTreeSet<_>>().len() as u64,
            unknown: events.iter().filter(|(_, _, values)| values.is_none()).count() as u64,
            by_attribute: vec![("plan".into(), values(0)), ("region".into(), values(1))],
            by_type: count(events.iter().map(|(_, kind, _)| TYPES[*kind].into()).collect()),
        }
    }

    fn window_secs(&self, query: &Query) -> i64 {
        query.window_secs.min(self.config.retention_secs).into()
    }

    /// The query with this end.
    fn with_end(&self, query: Query, end: End, now_ms: i64) -> Query {
        let now = second_of(now_ms);
        let oldest = now - i64::from(self.config.retention_secs) + 1;
        let end_secs = match end {
            End::Now => None,
            End::Ago(secs) => Some(now - secs),
            End::AfterOldest(secs) => Some(oldest + secs + self.window_secs(&query) - 1),
        };
        Query { end_secs, ..query }
    }

    /// The seconds of the window, if all of them are in the retention and none is ahead of the clock.
    fn window(&self, query: &Query, now_ms: i64) -> Result<RangeInclusive<i64>, EndOutOfRange> {
        let now = second_of(now_ms);
        let retained = now - i64::from(self.config.retention_secs) + 1..=now;
        let end = query.end_secs.unwrap_or(now);
        let start = end - self.window_secs(query) + 1;
        if retained.contains(&start) && retained.contains(&end) {
            return Ok(start..=end);
        }
        Err(EndOutOfRange { earliest_secs: retained.start() + self.window_secs(query) - 1, latest_secs: now })
    }

    fn query(&self, query: &Query, now_ms: i64) -> Result<Metrics, EndOutOfRange> {
        let events = self.passing(self.window(query, now_ms)?, &query.filter);
        let key = |values: &Option<[String; 2]>| {
            let of_group = |values: &[String; 2]| query.group_by.iter().map(|index| values[*index].clone()).collect();
            values.as_ref().map(of_group)
        };
        let keys: BTreeSet<Option<Vec<String>>> = events.iter().map(|(_, _, values)| key(values)).collect();
        // Unknown users sort first, but come last.
        let (unknown, known): (Vec<_>, Vec<_>) = keys.into_iter().partition(Option::is_none);
        let group = |values: Option<Vec<String>>| {
            let of_group = || events.iter().filter(|(_, _, others)| key(others) == values);
            let users: BTreeSet<u8> = of_group().map(|(user, ..)| *user).collect();
            let (events, unique_users) = (of_group().count() as u64, users.len() as u64);
            Group { values, events, unique_users }
        };
        let groups = || Groups {
            attributes: query.group_by.iter().map(|index| ["plan", "region"][*index].to_owned()).collect(),
            groups: known.into_iter().chain(unknown).map(group).collect(),
        };
        Ok(Metrics {
            window_secs: self.window_secs(query) as u32,
            end_secs: query.end_secs,
            groups: (!query.group_by.is_empty()).then(groups),
            stats: self.stats(&events),
            generation: self.generation,
            as_of_ms: now_ms,
        })
    }

    fn series(&self, query: &Query, step_secs: u32, now_ms: i64) -> Result<Vec<Point>, EndOutOfRange> {
        let window = self.window(query, now_ms)?;
        let end = *window.end();
        let point = |start: i64| Point {
            start_ms: start * 1_000,
            stats: self.stats(&self.passing(start..=end.min(start + i64::from(step_secs) - 1), &query.filter)),
        };
        Ok(window.step_by(step_secs as usize).map(point).collect())
    }
}

fn events_json(events: &[ModelEvent], now_ms: i64, skew_ms: i64, format: Format) -> Vec<u8> {
    let event = |event: &ModelEvent| {
        format!(
            r#"{{"event_id":"e{}","user_id":"u{}","type":"{}","ts":"{}"}}"#,
            event.id,
            event.user,
            TYPES[event.kind],
            format_ms(now_ms + event.offset.ms(skew_ms))
        )
    };
    let events: Vec<String> = events.iter().map(event).collect();
    match format {
        Format::Ndjson => events.join("\n").into(),
        _ => format!("[{}]", events.join(",")).into(),
    }
}

fn table_json(table: &Table, ts_ms: i64, deletions: bool) -> Vec<u8> {
    let users: Vec<String> = table
        .iter()
        .filter_map(|(user, attributes)| match attributes {
            Some((plan, region)) => Some(format!(r#""u{user}":{{"plan":"p{plan}","region":"r{region}"}}"#)),
            None => deletions.then(|| format!(r#""u{user}":null"#)),
        })
        .collect();
    format!(r#"{{"user_metadata":{{{}}},"ts":"{}"}}"#, users.join(","), format_ms(ts_ms)).into()
}

fn run(config: EngineConfig, steps: Vec<ModelStep>) {
    let skew_ms = i64::from(config.max_skew_secs) * 1_000;
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = Engine::new(config.clone(), clock.clone()).unwrap();
    let mut oracle = Oracle {
        config,
        events: vec![],
        accepted_ms: HashMap::new(),
        table: BTreeMap::new(),
        table_ts_ms: None,
        generation: 0,
    };
    // A series shows the moment of its query, also if its points are read much later.
    let mut held = vec![];
    for (index, step) in steps.into_iter().enumerate() {
        let now_ms = engine.now_ms();
        match step {
            ModelStep::Post(events, behind_ms) => {
                let received_at_ms = now_ms - behind_ms;
                let format = if index % 2 == 0 { Format::Json } else { Format::Ndjson };
                let mut batch = engine.decode(events_json(&events, received_at_ms, skew_ms, format), format).unwrap();
                let tally = engine.ingest(&mut batch, received_at_ms).unwrap();
                assert_eq!(tally, oracle.post(&events, received_at_ms, &batch));
            }
            ModelStep::Put(table, offset) => {
                let ts_ms = now_ms + offset.ms(skew_ms);
                let new = table.iter().filter_map(|(user, attributes)| Some((*user, (*attributes)?))).collect();
                let body = table_json(&table, ts_ms, false);
                change(&engine, &mut oracle, Change::Replace, body, new, ts_ms, now_ms);
            }
            ModelStep::Patch(table, offset) => {
                let ts_ms = now_ms + offset.ms(skew_ms);
                let mut new = oracle.table.clone();
                for (user, attributes) in &table {
                    match attributes {
                        Some(attributes) => new.insert(*user, *attributes),
                        None => new.remove(user),
                    };
                }
                let body = table_json(&table, ts_ms, true);
                change(&engine, &mut oracle, Change::Merge, body, new, ts_ms, now_ms);
            }
            ModelStep::Advance(ms) => clock.advance(ms),
            ModelStep::Query(query, end) => {
                let query = oracle.with_end(query, end, now_ms);
                assert_eq!(engine.query(&query), oracle.query(&query, now_ms));
                assert_eq!((engine.sizes().users, engine.sizes().backlog), (oracle.users(now_ms), 0));
            }
            ModelStep::Series(query, end, step_secs) => {
                let query = oracle.with_end(query, end, now_ms);
                held.extend(series(&engine, &oracle, &query, step_secs, now_ms));
            }
            ModelStep::Tick => {
                engine.tick();
                assert_eq!((engine.sizes().users, engine.sizes().backlog), (oracle.users(now_ms), 0));
            }
            ModelStep::Restore => restore(&engine),
            ModelStep::Sweep => {
                engine.sweep();
                let ids = engine.sizes().dedup_ids;
                if oracle.config.dedup == DedupBackend::Scc {
                    assert_eq!(ids, oracle.ids(now_ms - STALL_MS));
                } else {
                    let remembered = oracle.ids(now_ms - STALL_MS)..=oracle.accepted_ms.len();
                    assert!(remembered.contains(&ids), "{ids} ids are remembered, not {remembered:?}");
                }
            }
        }
    }
    let retention_secs = oracle.config.retention_secs;
    assert_eq!(Ok(engine.metrics(retention_secs)), oracle.query(&Query::window(retention_secs), engine.now_ms()));
    for (series, points) in held {
        assert_eq!(series.points().collect::<Vec<_>>(), points);
    }
}

/// A series of the engine and the points that it must have, unless it is refused.
fn series(
    engine: &Engine,
    oracle: &Oracle,
    query: &Query,
    step_secs: u32,
    now_ms: i64,
) -> Option<(Series, Vec<Point>)> {
    let series = engine.series(query, step_secs);
    let step_secs = step_secs.min(oracle.window_secs(query) as u32);
    let points = oracle.series(query, step_secs, now_ms);
    assert_eq!(series.as_ref().err(), points.as_ref().err());
    let (series, points) = (series.ok()?, points.ok()?);
    assert_eq!((series.step_secs(), series.end_secs()), (step_secs, query.end_secs));
    assert_eq!((series.as_of_ms(), series.generation()), (now_ms, oracle.generation));
    Some((series, points))
}

fn change(
    engine: &Engine,
    oracle: &mut Oracle,
    change: Change,
    body: Vec<u8>,
    new: BTreeMap<u8, (u8, u8)>,
    ts_ms: i64,
    now_ms: i64,
) {
    let generation = engine.change_reference(change, body, &Preconditions::default(), now_ms);
    let generation = generation.map(|generation| generation.number()).map_err(|error| match error {
        ReferenceError::TimestampInFuture { .. } => "future",
        ReferenceError::Stale { .. } => "stale",
        error => panic!("{error:?}"),
    });
    assert_eq!(generation, oracle.change(new, ts_ms, now_ms));
}

/// Restores each partition from a snapshot of itself; changes no answer.
fn restore(engine: &Engine) {
    #[cfg(feature = "internals")]
    weir::internals::restore_partitions(engine);
    #[cfg(not(feature = "internals"))]
    engine.tick();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_the_oracle(
        retention_secs in prop_oneof![4 => 1_u32..30, 1 => 100_u32..=300],
        max_skew_secs in prop_oneof![4 => 0_u32..6, 1 => Just(120)],
        partitions in prop::sample::select(vec![1, 2, 8]),
        (dedup, dedup_capacity) in prop::sample::select(vec![
            (DedupBackend::Scc, None),
            (DedupBackend::Lines, None),
            (DedupBackend::Lines, Some(1_000)),
        ]),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut config = EngineConfig::default();
        (config.retention_secs, config.max_skew_secs) = (retention_secs, max_skew_secs);
        (config.partitions, config.dedup, config.dedup_capacity) = (partitions, dedup, dedup_capacity);
        config.event_types.truncate(3);
        run(config, steps);
    }
}
