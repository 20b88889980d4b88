//! What no answer shows: what the timeline keeps, for how long, and what it does not repeat.

use super::*;
use crate::key::HashKeys;
use crate::reference::{Reference, UserGroups};
use proptest::prelude::*;
use std::collections::BTreeSet;
use user_kind_counts::UserKindCount;

const NOW: i64 = 1_000_000;
const RETENTION: i64 = 10;
const SKEW: i64 = 2;

struct Harness {
    config: EngineConfig,
    window: Window,
    timeline: Timeline,
    reference: Reference,
    keys: HashKeys,
}

impl Harness {
    fn new() -> Self {
        Self::with_retention(RETENTION)
    }

    fn with_retention(retention_secs: i64) -> Self {
        let config = EngineConfig {
            retention_secs: retention_secs as u32,
            max_skew_secs: SKEW as u32,
            partitions: 1,
            ..EngineConfig::default()
        };
        let window = Window::new(config.ring_slots());
        let reference = Reference::new(&config.attributes, config.max_skew_ms());
        let timeline = Timeline::new(&config, &window, reference.current(), NOW * 1_000);
        Self { config, window, timeline, reference, keys: HashKeys::from_seed(&[5; 32]) }
    }

    fn append(&self, second: i64, users: &[&str]) {
        self.window.append(second, users.iter().map(|user| self.keys.user(user).record(0)).collect());
    }

    fn fold(&mut self) -> u64 {
        self.timeline.fold(&self.window, u64::MAX).records
    }

    /// Returns the records that the window dropped.
    fn advance(&mut self, second: i64) -> u64 {
        self.timeline.advance(&self.window, second * 1_000)
    }

    fn put(&mut self, table: &str) -> Arc<Generation> {
        self.reference.put(table, &self.keys, Vec::new())
    }

    fn switch_generation(&mut self, prepared: &UserGroups) {
        self.timeline.switch_generation(&self.reference.current(), prepared);
    }

    /// The events and the users of the last second, by group.
    fn sums(&mut self) -> Aggregates {
        let mut sums = Aggregates::zero(self.timeline.layout());
        self.timeline.add_sums(1, &mut sums);
        sums
    }

    /// The entries of a second, if the timeline has it.
    fn entries(&self, secs: i64) -> Option<usize> {
        let mut seconds = self.timeline.seconds.iter();
        seconds.find(|second| second.secs == secs).map(|second| second.counts.len())
    }
}

#[test]
fn a_late_event_in_a_sealed_second_takes_little_memory() {
    let mut harness = Harness::new();
    let users: Vec<_> = (0..1_000).map(|user| user.to_string()).collect();
    harness.append(NOW, &users.iter().map(String::as_str).collect::<Vec<_>>());
    harness.fold();
    harness.advance(NOW + SKEW + 1);
    let sealed_bytes = harness.timeline.bytes();
    // The batch was received before, and had to wait.
    harness.append(NOW, &["7", "7"]);
    assert_eq!(harness.fold(), 2);
    assert!(harness.timeline.bytes() - sealed_bytes < 100, "{sealed_bytes} bytes before");
    assert_eq!(harness.entries(NOW), Some(1_000), "the entries are merged");
}

#[test]
fn the_memory_of_an_empty_timeline_is_known_before_it_exists() {
    let mut harness = Harness::new();
    let initial_bytes = Timeline::initial_bytes(&harness.config);
    assert_eq!(harness.timeline.bytes(), initial_bytes);
    assert_eq!(harness.timeline.take_growth(), initial_bytes as isize);
    assert_eq!(Timeline::fixed_bytes(&harness.config), harness.config.ring_slots() * size_of::<usize>());
    harness.append(NOW, &["a", "b"]);
    harness.fold();
    let grown_bytes = harness.timeline.bytes();
    assert!(grown_bytes > initial_bytes, "{grown_bytes}");
    assert_eq!(harness.timeline.take_growth(), (grown_bytes - initial_bytes) as isize);
    assert_eq!((harness.timeline.user_indices(), harness.timeline.users()), (2, 2));
    harness.append(NOW + 1, &["a", "b"]);
    harness.fold();
    assert!(harness.timeline.bytes() > grown_bytes, "the entries of a second of known users are counted");
}

#[test]
fn a_second_is_compacted_when_no_event_can_enter_it_and_at_once_after_a_late_event() {
    let mut harness = Harness::new();
    harness.append(NOW, &["a", "a", "b", "a"]);
    harness.fold();
    harness.advance(NOW + SKEW);
    assert_eq!(harness.entries(NOW), Some(4));
    harness.advance(NOW + SKEW + 1);
    assert_eq!(harness.entries(NOW), Some(2));
    harness.append(NOW, &["a", "b", "c"]);
    harness.fold();
    assert_eq!(harness.entries(NOW), Some(3));
}

#[test]
fn an_unfolded_second_is_dropped_when_it_leaves_the_retention() {
    let mut harness = Harness::new();
    harness.append(NOW, &["a"]);
    harness.append(NOW + 1, &["a", "b"]);
    assert_eq!([RETENTION - 1, RETENTION, RETENTION + 1].map(|secs| harness.advance(NOW + secs)), [0, 1, 2]);
    harness.append(NOW + 20, &["a"]);
    harness.append(NOW + 22, &["a"]);
    assert_eq!(harness.advance(NOW + 1_000_000), 2, "a clock that jumps visits every slot");
    assert_eq!(harness.fold(), 0);

    let mut shortest = Harness::with_retention(1);
    shortest.append(NOW, &["a"]);
    assert_eq!(shortest.advance(NOW + 1), 1);
}

#[test]
fn a_second_and_its_users_expire_when_it_leaves_the_retention() {
    let mut harness = Harness::new();
    harness.append(NOW, &["a", "b", "a"]);
    harness.append(NOW + SKEW, &["b"]);
    harness.fold();
    harness.advance(NOW + RETENTION - 1);
    assert_eq!((harness.entries(NOW), harness.timeline.users()), (Some(2), 2));
    harness.advance(NOW + RETENTION);
    assert_eq!((harness.entries(NOW), harness.timeline.users()), (None, 1));
    harness.advance(NOW + RETENTION + SKEW);
    assert_eq!(harness.timeline.users(), 0);
    assert_eq!(harness.timeline.user_indices(), 0, "their memory is freed");
}

#[test]
fn the_time_never_goes_back() {
    let mut harness = Harness::new();
    harness.append(NOW, &["a"]);
    harness.fold();
    assert_eq!(harness.advance(NOW - 1_000), 0);
    let sums = harness.sums();
    assert_eq!((sums.events.iter().sum::<u64>(), sums.uniques), (1, vec![1]));
}

#[test]
fn the_timeline_switches_to_a_generation_once() {
    let mut harness = Harness::new();
    harness.append(NOW, &["a", "b"]);
    harness.fold();
    let table = r#"{"user_metadata":{"a":{"plan":"p","region":"r"}},"ts":"1970-01-01T00:00:00Z"}"#;
    let before = harness.reference.current();
    harness.put(table);
    // The groups are prepared for the users; of those that are not prepared, the groups are looked up.
    let prepared: UserGroups = harness
        .timeline
        .user_keys(0, usize::MAX)
        .into_iter()
        .map(|keys| keys.into_iter().map(|key| (key, 0)).collect())
        .collect();
    harness.switch_generation(&prepared);
    assert_eq!(harness.sums().uniques, [2, 0], "as prepared");
    harness.switch_generation(&Vec::new());
    assert_eq!(harness.sums().uniques, [2, 0], "no user is grouped again");
    harness.timeline.switch_generation(&before, &[]);
    assert_eq!(harness.timeline.generation.number(), 1, "a timeline never goes back to an older generation");
    harness.put(&table.replace("00Z", "01Z"));
    harness.switch_generation(&Vec::new());
    assert_eq!(harness.sums().uniques, [1, 1], "as looked up");
}

#[test]
fn the_growth_of_the_memory_is_reported_once() {
    let mut harness = Harness::new();
    let initial = harness.timeline.take_growth();
    assert!(initial > 0);
    assert_eq!(harness.timeline.take_growth(), 0);
    harness.append(NOW, &["a"]);
    harness.fold();
    let growth = harness.timeline.take_growth();
    assert!(growth > 0);
    harness.advance(NOW + RETENTION);
    let shrinkage = harness.timeline.take_growth();
    assert!(shrinkage < 0);
    assert_eq!((initial + growth + shrinkage).cast_unsigned(), harness.timeline.bytes());
}

#[test]
fn the_memory_of_the_seconds_is_counted_after_every_change() {
    let mut harness = Harness::new();
    let check = |harness: &Harness| {
        let bytes = harness.timeline.seconds.iter().map(Second::bytes).sum::<usize>();
        assert_eq!(harness.timeline.seconds.bytes(), bytes);
        bytes
    };
    let mut seen = vec![check(&harness)];
    let users: Vec<String> = (0..2_000).map(|user| user.to_string()).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    for second in [NOW - 1, NOW, NOW + 1] {
        harness.append(second, &users);
        harness.fold();
        seen.push(check(&harness));
    }
    // More groups than an array of counters has.
    let row = |user: &&str| format!("\"{user}\":{{\"plan\":\"{user}\",\"region\":\"eu\"}}");
    let table = format!(
        "{{\"user_metadata\":{{{}}},\"ts\":\"1970-01-01T00:00:00Z\"}}",
        users.iter().map(row).collect::<Vec<_>>().join(",")
    );
    harness.put(&table);
    harness.switch_generation(&Vec::new());
    seen.push(check(&harness));
    harness.sums();
    seen.push(check(&harness));
    for second in [1, SKEW + 1, RETENTION, RETENTION + 1] {
        harness.advance(NOW + second);
        seen.push(check(&harness));
    }
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "each step changes it: {seen:?}");
    assert_eq!(seen.last(), Some(&0));
}

#[test]
fn another_timeline_is_restored_from_a_snapshot() {
    let mut harness = Harness::new();
    harness.append(NOW - 1, &["a", "b", "a"]);
    harness.append(NOW, &["b", "c"]);
    harness.append(NOW + 1, &["d"]);
    harness.fold();
    harness.advance(NOW + SKEW);
    let mut other = Harness::new();
    other.append(NOW, &["x"]);
    other.fold();
    other.timeline.restore(&harness.timeline.snapshot());
    let state = |harness: &mut Harness| {
        let timeline = &mut harness.timeline;
        let sums = [1, 2, 3, 4, RETENTION as u32].map(|window_secs| {
            let mut sums = Aggregates::zero(timeline.layout());
            timeline.add_sums(window_secs, &mut sums);
            (sums.events, sums.uniques)
        });
        let seconds: Vec<_> = timeline.seconds.iter().map(|second| (second.secs, second.is_sealed)).collect();
        let users = (timeline.users(), timeline.user_indices());
        (
            timeline.now_secs(),
            users,
            seconds,
            sums,
            (NOW - 1..=NOW + 1).map(|secs| harness.entries(secs)).collect::<Vec<_>>(),
        )
    };
    let (restored, expected) = (state(&mut other), state(&mut harness));
    assert_eq!(restored, expected);
    assert_eq!((restored.0, restored.1, restored.2.len()), (NOW + SKEW, (4, 4), 3));
    // The users of the last second expire in both.
    for harness in [&mut harness, &mut other] {
        harness.advance(NOW + RETENTION);
        assert_eq!(harness.timeline.users(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Seconds with enough events for grids, while users come and go, so that their indices are reused.
    #[test]
    fn busy_seconds_agree_with_a_list_of_events(
        steps in prop::collection::vec(
            (0..6_000_u32, 1..3_000_u32, any::<u16>(), -SKEW..=SKEW, prop::sample::select(vec![0_i64, 1, 1, 2, 7, 40])),
            1..30,
        ),
    ) {
        let mut harness = Harness::new();
        let (mut now, mut events) = (NOW, Vec::new());
        for (records, users, first_user, offset, elapsed_secs) in steps {
            let of_record = |n: u32| (u32::from(first_user) % 4 * 1_500 + n.wrapping_mul(0x9e37_79b9) % users, n % 3);
            let key = |user: u32| harness.keys.user(&user.to_string());
            if records > 0 {
                let of_second = (0..records).map(of_record);
                let records = of_second.clone().map(|(user, n)| key(user).record(n as u8)).collect();
                harness.window.append(now + offset, records);
                events.extend(of_second.map(|(user, kind)| (now + offset, user, kind as usize)));
            }
            harness.fold();
            now += elapsed_secs;
            harness.advance(now);
            events.retain(|(second, ..)| *second > now - RETENTION);
            for window_secs in [1, 3, RETENTION] {
                let seen = || events.iter().filter(|(second, ..)| (now - window_secs + 1..=now).contains(second));
                let mut by_kind = vec![0; 3];
                seen().for_each(|(.., kind)| by_kind[*kind] += 1);
                let users = seen().map(|(_, user, _)| *user).collect::<BTreeSet<_>>().len() as u64;
                let mut sums = Aggregates::zero(harness.timeline.layout());
                harness.timeline.add_sums(window_secs as u32, &mut sums);
                prop_assert_eq!((&sums.events, sums.uniques[0]), (&by_kind, users));
                let excerpt = harness.timeline.excerpt(window_to(now, window_secs as u32));
                let entries = excerpt.seconds.iter().flatten().flat_map(|counts| counts.iter());
                prop_assert_eq!(entries.map(UserKindCount::count).sum::<u64>(), seen().count() as u64);
            }
            let users = events.iter().map(|(_, user, _)| *user).collect::<BTreeSet<_>>().len();
            prop_assert_eq!(harness.timeline.users(), users);
        }
    }
}
