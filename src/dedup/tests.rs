//! The backends of the dedup on real threads.

use crate::dedup::{Claim, Dedup, Lines, SccMap};
use crate::key::EventKey;
use crate::limits;
use Claim::{Duplicate, Full, Inserted};
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;

pub(crate) const SLACK_MS: i64 = limits::STALL_SLACK_SECS as i64 * 1_000;

pub(crate) fn key(n: u64) -> EventKey {
    crate::key::HashKeys::from_seed(&[7; 32]).event(&n.to_string())
}

fn claim(dedup: &dyn Dedup, keys: &[u64], now_ms: i64) -> Vec<Claim> {
    let mut claims = vec![];
    dedup.claim(&keys.iter().map(|n| key(*n)).collect::<Vec<_>>(), now_ms, &mut claims);
    claims
}

/// Every backend: the map, lines that grow from almost nothing, and lines with a capacity of 1,000 ids.
fn backends(horizon_secs: Option<u64>) -> [Box<dyn Dedup>; 3] {
    [
        Box::new(SccMap::new(horizon_secs)),
        Box::new(Lines::with_lines(horizon_secs, 2, usize::MAX, None).unwrap()),
        Box::new(Lines::with_capacity(horizon_secs, 1_000).unwrap()),
    ]
}

#[test]
fn the_first_claim_inserts_within_a_batch_and_across_batches() {
    for dedup in backends(Some(10)) {
        assert_eq!(claim(&*dedup, &[1, 2, 1], 0), [Inserted, Inserted, Duplicate]);
        assert_eq!(claim(&*dedup, &[2, 3], 5_000), [Duplicate, Inserted]);
        assert_eq!(dedup.ids(), 3);
    }
}

#[test]
fn an_id_is_remembered_for_exactly_the_horizon_in_spite_of_sweeps() {
    for dedup in backends(Some(10)) {
        dedup.sweep(0, &|_| true);
        assert_eq!(claim(&*dedup, &[1], 1_000), [Inserted]);
        for now_ms in (1_000..=11_000).step_by(500) {
            dedup.sweep(now_ms, &|_| true);
            assert_eq!(claim(&*dedup, &[1], now_ms), [Duplicate]);
        }
    }
}

#[test]
fn a_sweep_changes_no_result_of_a_claimant_that_may_be_stalled() {
    for dedup in backends(Some(10)) {
        dedup.sweep(0, &|_| true);
        claim(&*dedup, &[1], 0);
        for now_ms in (0..=10_000 + SLACK_MS).step_by(1_000) {
            dedup.sweep(now_ms, &|_| true);
        }
        assert_eq!(dedup.ids(), 1);
        assert_eq!(claim(&*dedup, &[1], 10_000), [Duplicate]);
    }
}

#[test]
fn a_claimant_whose_clock_is_behind_sees_a_young_id() {
    for dedup in backends(Some(10)) {
        assert_eq!(claim(&*dedup, &[1], 100_000), [Inserted]);
        assert_eq!(claim(&*dedup, &[1], 1_000), [Duplicate]);
        assert_eq!(claim(&*dedup, &[1], i64::MIN), [Duplicate]);
    }
}

#[test]
fn an_unbounded_horizon_never_forgets() {
    for dedup in backends(None) {
        assert_eq!(claim(&*dedup, &[1], 0), [Inserted]);
        for now_ms in [1, i64::MAX / 2, i64::MAX] {
            dedup.sweep(now_ms, &|_| true);
        }
        assert_eq!(claim(&*dedup, &[1], i64::MAX), [Duplicate]);
    }
}

#[test]
fn all_ids_are_removed_in_the_end_and_their_capacity_is_free_again() {
    for dedup in backends(Some(10)) {
        let keys: Vec<_> = (0..1_000).collect();
        dedup.sweep(0, &|_| true);
        assert!(claim(&*dedup, &keys, 0).iter().all(|claim| *claim == Inserted));
        let mut now_ms = 0;
        for _ in 0..200 {
            now_ms += 20_000;
            dedup.sweep(now_ms, &|_| true);
            if dedup.ids() == 0 {
                break;
            }
        }
        assert_eq!(dedup.ids(), 0);
        assert!(claim(&*dedup, &keys, now_ms).iter().all(|claim| *claim == Inserted));
    }
}

/// Claims at a log time, as the engine does with a log.
fn claim_logged(dedup: &dyn Dedup, keys: &[u64], log_ms: i64) -> Vec<Claim> {
    dedup.advance_log_time(log_ms);
    claim(dedup, keys, log_ms)
}

fn remember_logged(dedup: &dyn Dedup, keys: &[u64], log_ms: i64) {
    dedup.advance_log_time(log_ms);
    dedup.remember(&keys.iter().map(|n| key(*n)).collect::<Vec<_>>(), log_ms);
}

#[test]
fn a_remembered_id_is_a_duplicate_for_exactly_the_horizon() {
    for dedup in backends(Some(10)) {
        remember_logged(&*dedup, &[1, 2, 1], 1_000);
        assert_eq!(dedup.ids(), 2);
        assert_eq!(claim_logged(&*dedup, &[1, 3], 11_000), [Duplicate, Inserted]);
    }
}

#[test]
fn of_two_acceptances_of_an_id_the_later_one_stays() {
    for dedup in backends(Some(10)) {
        // The second one is in the next generation, in which the first one is still remembered.
        remember_logged(&*dedup, &[1], 60_000);
        remember_logged(&*dedup, &[1], 130_000);
        assert_eq!(claim_logged(&*dedup, &[1], 140_000), [Duplicate]);
        dedup.remember(&[key(1)], 60_000);
        assert_eq!(claim_logged(&*dedup, &[1], 140_000), [Duplicate], "an earlier acceptance changes nothing");
    }
}

#[test]
fn remembered_ids_take_capacity_like_claimed_ones() {
    let capacity = || Lines::with_capacity(Some(60), 10).unwrap();
    let (claimed, remembered) = (capacity(), capacity());
    let ids: Vec<u64> = (0..15).collect();
    assert!(claim_logged(&claimed, &ids, 0).iter().all(|claim| *claim == Inserted));
    remember_logged(&remembered, &ids, 0);
    for dedup in [claimed, remembered] {
        let more = claim_logged(&dedup, &[3, 20, 21, 22, 23, 24, 25, 26], 1_000);
        assert_eq!(more, [Duplicate, Inserted, Inserted, Inserted, Inserted, Inserted, Full, Full]);
        assert!(!dedup.has_capacity(1, i64::MIN), "a full generation is known as full without a claim");
    }
}

/// One backend sees all claims. Another one starts from the reach of some log time, and remembers what was accepted
/// from there on. From that log time on, both give the same results.
#[test]
fn a_backend_that_remembers_from_the_reach_on_gives_the_same_results() {
    for (index, all) in backends(Some(10)).into_iter().enumerate() {
        for cut in 0..12_u64 {
            let since = backends(Some(10)).into_iter().nth(index).unwrap();
            let dedup = backends(Some(10)).into_iter().nth(index).unwrap();
            let mut random = cut.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = move |end: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % end
            };
            let (mut log_ms, mut history) = (0, vec![]);
            for step in 0..60 {
                log_ms += next(12_000) as i64;
                let ids: Vec<u64> = (0..4).map(|_| next(12)).collect();
                if step == 20 + cut {
                    let reach_ms = dedup.reach(log_ms);
                    for (id, at_ms) in history.iter().filter(|(_, at_ms)| *at_ms >= reach_ms) {
                        remember_logged(&*since, &[*id], *at_ms);
                    }
                }
                let results = claim_logged(&*dedup, &ids, log_ms);
                let accepted = ids.iter().zip(&results).filter(|(_, claim)| **claim == Inserted);
                history.extend(accepted.map(|(id, _)| (*id, log_ms)));
                if step >= 20 + cut {
                    assert_eq!(claim_logged(&*since, &ids, log_ms), results, "at {log_ms} ms");
                }
            }
        }
        assert!(all.reach(1_000_000) <= 1_000_000 - 10_000 - SLACK_MS);
    }
}

#[test]
fn a_later_start_than_the_reach_is_too_late() {
    for dedup in backends(Some(10)) {
        let reach_ms = dedup.reach(1_000_000);
        remember_logged(&*dedup, &[1], reach_ms);
        dedup.advance_log_time(1_000_000);
        let late_ms = 1_000_000 - SLACK_MS;
        assert_eq!(claim(&*dedup, &[1], late_ms), [Duplicate], "the claimant is as late as it may be");
    }
    assert!(backends(None).iter().all(|dedup| dedup.reach(i64::MAX) == i64::MIN));
}

mod scc_map {
    use super::*;
    use crate::dedup::scc_map::IdentityHasher;
    use std::hash::{BuildHasher, BuildHasherDefault};

    #[test]
    fn the_hash_of_a_key_is_its_first_word() {
        let [first, _] = key(1).0;
        assert_eq!(BuildHasherDefault::<IdentityHasher>::default().hash_one(key(1)), first);
    }

    #[test]
    fn an_id_can_be_inserted_one_millisecond_after_the_horizon_and_is_young_again() {
        let dedup = SccMap::new(Some(10));
        assert_eq!(claim(&dedup, &[1], 1_000), [Inserted]);
        assert_eq!(claim(&dedup, &[1], 11_001), [Inserted]);
        assert_eq!(claim(&dedup, &[1], 21_001), [Duplicate]);
        assert_eq!(dedup.ids(), 1);
    }

    #[test]
    fn a_sweep_removes_ids_that_no_stalled_claimant_can_need() {
        let dedup = SccMap::new(Some(10));
        claim(&dedup, &[1], 0);
        dedup.sweep(10_001 + SLACK_MS, &|_| true);
        assert_eq!(dedup.ids(), 0);
        assert_eq!(claim(&dedup, &[1], 10_001 + SLACK_MS), [Inserted]);
    }

    /// At the start each of 64 maps counts for 64 entries of 26 bytes. In addition come as many entries for each map
    /// that has an id, or 52 bytes for each id.
    #[test]
    fn the_memory_is_that_of_the_entries_or_at_least_of_the_ids() {
        let empty = 64 * 64 * 26;
        for (count, bytes) in [(0, 0), (1, 64 * 26), (1_000, 64 * 64 * 26), (100_000, 100_000 * 52)] {
            let dedup = SccMap::new(Some(10));
            claim(&dedup, &(0..count).collect::<Vec<_>>(), 0);
            assert_eq!(dedup.bytes(), empty + bytes, "{count} ids");
        }
    }

    /// Rounds with one id. Each round is more than a horizon after the round before, so every round is a race across an
    /// expiry. The clocks of the claimants differ, and a sweep runs at the same time.
    #[test]
    fn one_of_racing_claims_inserts_across_an_expiry() {
        let dedup = SccMap::new(Some(10));
        race(&dedup, 2_000, |_| 1, |round| round * 20_000);
    }
}

pub(crate) mod lines {
    use super::*;

    /// The length of a generation with a horizon of 10 seconds.
    pub(crate) const GENERATION_MS: i64 = 10_000 + SLACK_MS;

    fn ids(ids: std::ops::Range<u64>) -> Vec<u64> {
        ids.collect()
    }

    fn count(claims: &[Claim], expected: Claim) -> usize {
        claims.iter().filter(|claim| **claim == expected).count()
    }

    #[test]
    fn the_memory_of_a_capacity_is_about_40_bytes_for_each_id_of_a_horizon() {
        let bytes = Lines::bytes_for(Some(2_040), 10_000_000);
        assert!((36.0..40.0).contains(&(bytes as f64 / 10e6)), "{bytes}");
        assert_eq!(Lines::bytes_for(Some(1), usize::MAX), usize::MAX);
        assert!(Lines::with_capacity(Some(1), usize::MAX).is_err());
        let dedup = Lines::with_capacity(Some(2_040), 10_000).unwrap();
        claim(&dedup, &ids(0..10_000), 0);
        assert_eq!(dedup.bytes(), 0, "the table has a fixed size, and memory is set aside for ids without a cell");
    }

    #[test]
    fn ids_beyond_the_capacity_are_not_claimed_and_known_ids_are_still_duplicates() {
        let dedup = Lines::with_capacity(None, 3).unwrap();
        assert!(dedup.has_capacity(10, 0));
        assert_eq!(claim(&dedup, &[1, 1, 2, 3, 4, 2], 0), [Inserted, Duplicate, Inserted, Inserted, Full, Duplicate]);
        assert!(!dedup.has_capacity(1, 0) && dedup.has_capacity(0, 0));
        assert_eq!((claim(&dedup, &[4, 1], 0), dedup.ids()), (vec![Full, Duplicate], 3));
    }

    #[test]
    fn a_full_generation_leaves_capacity_to_the_next_one_without_any_sweep() {
        let dedup = Lines::with_capacity(Some(10), 3).unwrap();
        let claims = claim(&dedup, &ids(0..1_000), 0);
        assert_eq!(count(&claims, Inserted), 3 * 7, "three ids for each ten seconds of a generation of seventy");
        assert_eq!(claim(&dedup, &[1_000], GENERATION_MS - 1), [Full]);
        let log_times_ms = [GENERATION_MS - 1, GENERATION_MS - 1, GENERATION_MS];
        assert_eq!(log_times_ms.map(|now_ms| dedup.has_capacity(1, now_ms)), [false, false, true]);
        assert_eq!(claim(&dedup, &[1_000, 0], GENERATION_MS), [Inserted, Duplicate]);
    }

    #[test]
    fn an_id_is_remembered_in_two_stretches_of_log_time() {
        let dedup = Lines::new(Some(10)).unwrap();
        assert_eq!(claim(&dedup, &[1], GENERATION_MS - 1), [Inserted]);
        assert_eq!(claim(&dedup, &[1], 2 * GENERATION_MS - 1), [Duplicate]);
        assert_eq!(dedup.ids(), 1);
        assert_eq!(claim(&dedup, &[1], 2 * GENERATION_MS), [Inserted]);
    }

    #[test]
    fn a_claimant_before_the_horizon_of_forgotten_ids_inserts_nothing() {
        let dedup = Lines::new(Some(10)).unwrap();
        claim(&dedup, &[1], 0);
        assert_eq!(claim(&dedup, &[2], 2 * GENERATION_MS), [Inserted]);
        let floor_ms = GENERATION_MS - 1 + 10_000;
        assert_eq!(claim(&dedup, &[1, 2], floor_ms), [Full, Duplicate]);
        assert_eq!(claim(&dedup, &[1], floor_ms + 1), [Inserted]);
    }

    #[test]
    fn ids_without_a_cell_are_found_in_every_generation_that_remembers_them() {
        for capacity in [100, 20_000] {
            let dedup = Lines::with_lines(Some(10), 2, capacity, Some(0)).unwrap();
            assert_eq!(count(&claim(&dedup, &ids(0..100), 0), Inserted), 100);
            assert!(dedup.bytes() > 0, "ids without a cell are counted");
            for now_ms in [0, GENERATION_MS, 2 * GENERATION_MS - 1] {
                assert_eq!(count(&claim(&dedup, &ids(0..100), now_ms), Duplicate), 100);
            }
            assert_eq!(count(&claim(&dedup, &ids(0..100), 2 * GENERATION_MS), Inserted), 100);
        }
    }

    /// Tags repeat after fourteen generations. No sweep wipes the table.
    #[test]
    fn no_id_comes_back_when_its_tag_is_used_again() {
        let dedup = Lines::with_lines(Some(10), 64, usize::MAX, Some(0)).unwrap();
        for generation in 0..40 {
            let first = generation as u64 % 3 * 7;
            let claims = claim(&dedup, &ids(first..first + 5 + generation as u64 % 4), generation * 2 * GENERATION_MS);
            assert!(claims.iter().all(|claim| *claim == Inserted), "generation {generation}: {claims:?}");
        }
        for stretch in 0..60 {
            dedup.try_rotate((80 + stretch) * GENERATION_MS);
            let seen = claim(&dedup, &[1_000], (80 + stretch) * GENERATION_MS);
            assert_eq!(seen, [if stretch % 2 == 0 { Inserted } else { Duplicate }], "stretch {stretch}");
        }
    }

    /// A generation and the one fourteen generations later have the same tag. An id of the first one is new in the
    /// second one. A wipe of the larger table has three parts.
    #[test]
    fn an_id_is_new_when_its_tag_is_used_again_whether_sweeps_run_or_not() {
        for lines in [64, 3 * limits::DEDUP_WIPE_LINES] {
            for (has_sweeps, is_logged) in [(false, false), (false, true), (true, false), (true, true)] {
                let dedup = Lines::with_lines(Some(10), lines, usize::MAX, Some(0)).unwrap();
                for stretch in 0..60 {
                    let ids = [100 + stretch, 86 + stretch];
                    let now_ms = stretch as i64 * GENERATION_MS;
                    let claim = if is_logged { claim_logged } else { claim };
                    let seen = claim(&dedup, &ids, now_ms);
                    assert_eq!(seen, [Inserted; 2], "{lines} lines, {has_sweeps} {is_logged}, stretch {stretch}");
                    if has_sweeps {
                        dedup.sweep(now_ms, &|_| true);
                    }
                }
            }
        }
    }

    /// A step that needs a wipe does not wait for a sweep. Otherwise ids would stay until a sweep has wiped.
    #[test]
    fn an_id_is_forgotten_in_time_whether_sweeps_run_or_not() {
        for has_sweeps in [false, true] {
            let dedup = Lines::with_lines(Some(10), 3 * limits::DEDUP_WIPE_LINES, usize::MAX, Some(0)).unwrap();
            for stretch in (0..120).step_by(2) {
                assert_eq!(claim(&dedup, &[7], stretch * GENERATION_MS), [Inserted], "stretch {stretch}");
                if has_sweeps {
                    dedup.sweep(stretch * GENERATION_MS, &|_| true);
                }
            }
        }
    }

    /// A wipe of the table has three parts. Ids that are remembered go into the generation of their log time.
    #[test]
    fn log_time_waits_for_a_whole_wipe_before_a_tag_is_used_again() {
        for first in [0, 1] {
            let dedup = Lines::with_lines(Some(10), 3 * limits::DEDUP_WIPE_LINES, usize::MAX, Some(0)).unwrap();
            dedup.advance_log_time(0);
            for stretch in (first..60).step_by(2) {
                remember_logged(&dedup, &[stretch], stretch as i64 * GENERATION_MS);
                let last_ms = (stretch as i64 + 2) * GENERATION_MS - 1;
                assert_eq!(claim(&dedup, &[stretch], last_ms), [Duplicate], "stretch {stretch}");
            }
        }
    }

    /// The table is so small that few home lines decide, and that most ids find no cell.
    #[test]
    fn of_equal_ids_in_a_batch_the_first_one_is_inserted() {
        for distance in [1, 2, 3, 5, 8, 40] {
            let dedup = Lines::with_lines(Some(10), 4, usize::MAX, None).unwrap();
            for first in (0..400).step_by(distance) {
                let once = ids(first..first + distance as u64);
                let claims = claim(&dedup, &[&once[..], &once[..]].concat(), 0);
                assert_eq!(claims, [vec![Inserted; distance], vec![Duplicate; distance]].concat(), "from {first}");
            }
        }
    }

    /// The clock moves and sweeps run while the ids grow from none to many, and shrink again.
    #[test]
    fn tables_grow_and_shrink_with_the_ids_and_no_id_is_lost() {
        let dedup = Lines::new(Some(10)).unwrap();
        let (mut now_ms, mut next, mut most_bytes) = (0, 0, 0);
        let horizon_ids = |second: i64| if (140..350).contains(&second) { 8_000 } else { 80 };
        let mut claimed: Vec<std::ops::Range<u64>> = vec![];
        for second in 0..700 {
            let of_second = next..next + horizon_ids(second);
            assert!(claim(&dedup, &ids(of_second.clone()), now_ms).iter().all(|claim| *claim == Inserted));
            next = of_second.end;
            claimed.push(of_second);
            // All of the horizon are remembered.
            let known: Vec<u64> = claimed.iter().rev().take(10).flat_map(|ids| ids.clone().step_by(97)).collect();
            assert!(claim(&dedup, &known, now_ms).iter().all(|claim| *claim == Duplicate), "second {second}");
            dedup.sweep(now_ms, &|_| true);
            most_bytes = most_bytes.max(dedup.bytes());
            if second == 349 {
                // 8,000 ids a second, each remembered for two stretches at most.
                let bytes_an_id = dedup.bytes() as f64 / (8_000.0 * 70.0);
                assert!((30.0..120.0).contains(&bytes_an_id), "{bytes_an_id}");
            }
            now_ms += 1_000;
        }
        assert!(most_bytes > 2 * limits::DEDUP_TABLE_BYTES_MIN, "{most_bytes}");
        assert_eq!(dedup.bytes(), limits::DEDUP_TABLE_BYTES_MIN, "the smallest table is left");
    }

    #[test]
    fn a_table_that_memory_does_not_allow_is_not_made() {
        let dedup = Lines::new(Some(10)).unwrap();
        let asked = std::cell::RefCell::new(vec![]);
        claim(&dedup, &ids(0..400_000), 0);
        dedup.sweep(0, &|bytes| {
            asked.borrow_mut().push(bytes);
            false
        });
        let min = limits::DEDUP_TABLE_BYTES_MIN;
        assert_eq!(asked.borrow()[..3], [4 * min, 2 * min, min]);
        dedup.sweep(0, &|bytes| bytes <= 2 * min);
        assert!(claim(&dedup, &ids(0..400_000), 0).iter().all(|claim| *claim == Duplicate));
        assert!((3 * min..4 * min).contains(&dedup.bytes()), "{}", dedup.bytes());
    }

    /// Memory allows only small tables, so that many would be needed. At the end of each generation, the ids of the
    /// next one would need another table.
    #[test]
    fn claims_look_at_a_bounded_number_of_tables() {
        let dedup = Lines::new(Some(10)).unwrap();
        let (mut now_ms, mut next, mut most_tables) = (0, 0, 0);
        for _ in 0..140 {
            let new = ids(next..next + 40_000);
            assert_eq!(count(&claim(&dedup, &new, now_ms), Inserted), new.len());
            next += new.len() as u64;
            dedup.sweep(now_ms, &|bytes| bytes <= limits::DEDUP_TABLE_BYTES_MIN);
            most_tables = most_tables.max(dedup.tables());
            assert_eq!(count(&claim(&dedup, &new, now_ms), Duplicate), new.len());
            now_ms += 1_000;
        }
        assert_eq!(most_tables, limits::DEDUP_TABLES_MAX);
        let of_horizon = ids(next - 400_000..next);
        assert_eq!(count(&claim(&dedup, &of_horizon, now_ms), Duplicate), of_horizon.len());
    }

    /// A new id in each round, while a generation ends in every round.
    #[test]
    fn one_of_racing_claims_inserts_across_generations() {
        let dedup = Lines::with_capacity(Some(10), 10_000).unwrap();
        race(&dedup, 5_000, |round| round as u64, |round| round * (GENERATION_MS + 1));
        assert!(dedup.ids() < 2_500, "generations were forgotten many times");
    }

    /// New ids in each round, so that tables grow while the threads claim.
    #[test]
    fn one_of_racing_claims_inserts_while_tables_grow() {
        for _ in 0..20 {
            let dedup = Lines::with_lines(Some(10), 2, usize::MAX, None).unwrap();
            race(&dedup, 300, |round| round as u64, |round| round);
            assert_eq!(count(&claim(&dedup, &ids(0..300), 300), Duplicate), 300);
        }
    }
}

/// A batch: how far the clock advances before it, how far its claimant is behind the clock, and its ids.
type TimedBatch = (i64, i64, Vec<u64>);

fn timed_batch() -> impl Strategy<Value = TimedBatch> {
    let advance_ms = prop_oneof![4 => 0_i64..5_000, 2 => 0_i64..80_000, 1 => 0_i64..400_000];
    let behind_ms = prop_oneof![3 => Just(0), 1 => 0..=SLACK_MS];
    (advance_ms, behind_ms, prop::collection::vec(0_u64..40, 0..12))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The clock of a sweep is not behind any earlier batch, and no later batch is behind it by more than the slack.
    #[test]
    fn the_same_batches_get_the_same_results_whenever_sweeps_run(
        batches in prop::collection::vec((timed_batch(), 0_usize..4), 1..40),
    ) {
        let run = |dedup: &dyn Dedup, with_sweeps: bool| {
            let mut clock_ms = 0;
            let mut all = vec![];
            for ((advance_ms, behind_ms, ids), sweeps) in &batches {
                let before_ms = clock_ms;
                clock_ms += advance_ms;
                for sweep in 0..if with_sweeps { *sweeps as i64 } else { 0 } {
                    dedup.sweep(before_ms + advance_ms * sweep / 3, &|_| sweep != 1);
                }
                all.push(claim(dedup, ids, clock_ms - behind_ms));
            }
            all
        };
        for (swept, alone) in backends(Some(10)).into_iter().zip(backends(Some(10))) {
            prop_assert_eq!(run(&*swept, true), run(&*alone, false));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    /// A single claimant advances log time before each batch, as a replay does. Sweeps run all the time on another
    /// thread, and step, wipe, and let larger tables take over.
    #[test]
    fn the_same_batches_get_the_same_results_beside_sweeps_of_another_thread(
        batches in prop::collection::vec(timed_batch(), 1..40),
    ) {
        let run = |dedup: &dyn Dedup, clock: &AtomicI64| -> Vec<_> {
            let claim_batch = |(advance_ms, behind_ms, ids): &TimedBatch| {
                let clock_ms = clock.fetch_add(*advance_ms, Ordering::Relaxed) + advance_ms;
                dedup.advance_log_time(clock_ms - behind_ms);
                claim(dedup, ids, clock_ms - behind_ms)
            };
            batches.iter().map(claim_batch).collect()
        };
        for (swept, alone) in backends(Some(10)).into_iter().zip(backends(Some(10))) {
            let (clock, is_done) = (AtomicI64::new(0), AtomicBool::new(false));
            let beside_sweeps = thread::scope(|scope| {
                scope.spawn(|| {
                    while !is_done.load(Ordering::Relaxed) {
                        swept.sweep(clock.load(Ordering::Relaxed), &|_| true);
                    }
                });
                let results = run(&*swept, &clock);
                is_done.store(true, Ordering::Relaxed);
                results
            });
            prop_assert_eq!(beside_sweeps, run(&*alone, &AtomicI64::new(0)));
        }
    }
}

/// Lets threads race for one id in each round, twice in each batch, while another thread sweeps. One claim of a round
/// inserts.
fn race(dedup: &dyn Dedup, rounds: i64, id: fn(i64) -> u64, now_ms: fn(i64) -> i64) {
    const THREADS: usize = 4;
    let barrier = Barrier::new(THREADS);
    let insertions: Vec<AtomicUsize> = (0..rounds).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (barrier, insertions) = (&barrier, &insertions);
            scope.spawn(move || {
                for round in 0..rounds {
                    barrier.wait();
                    let now_ms = now_ms(round) + thread as i64 * 7;
                    if thread == 0 {
                        dedup.sweep(now_ms, &|_| true);
                    }
                    let id = id(round);
                    let inserted = claim(dedup, &[id, id], now_ms).iter().filter(|claim| **claim == Inserted).count();
                    insertions[round as usize].fetch_add(inserted, Ordering::Relaxed);
                }
            });
        }
    });
    for (round, insertions) in insertions.iter().enumerate() {
        assert_eq!(insertions.load(Ordering::Relaxed), 1, "round {round}");
    }
}
