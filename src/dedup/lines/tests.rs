//! The parts of the backend of lines, each alone.

use crate::dedup::lines::claimant::Claims;
use crate::dedup::lines::generation::Generation;
use crate::dedup::lines::overflow::{Overflow, usual_bytes};
use crate::dedup::lines::phase::{Kind, Phase, Place};
use crate::dedup::lines::rotation::{Rotation, Steps, Times, rotate};
use crate::dedup::lines::sizing::{ids_for, lines_for};
use crate::dedup::lines::sweep::{self, Maker, Sweeper};
use crate::dedup::lines::table::{Reads, Table};
use crate::dedup::lines::wipe::Wipe;
use crate::dedup::{Claim, Dedup, Lines};
use crate::key::EventKey;
use crate::limits::{
    DEDUP_OVERFLOW_ID_BYTES, DEDUP_OVERFLOW_LINES_FILLED, DEDUP_OVERFLOW_PART, DEDUP_TABLES_MAX, DEDUP_WIPE_LINES,
};
use crate::sync::line::{KEY_BITS, LINE_CELLS, Line, Portable};
use crate::sync::lines::{LINES_MIN, OVERFLOW_LINES_MIN};
use crate::sync::vector;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const LINE_BYTES: usize = size_of::<Line>();

fn table() -> Arc<Table> {
    Arc::new(Table::new(64, &Arc::default()).unwrap())
}

fn place(table: &Arc<Table>, number: u64) -> Place {
    let generation = Arc::new(Generation::new(number, usize::MAX, 64, &Arc::default()));
    Place { table: Arc::clone(table), generation }
}

/// Claims ids in a phase, and returns how many were new.
fn inserted(phase: &Phase, ids: std::ops::Range<u64>) -> usize {
    let keys: Vec<_> = ids.map(|n| EventKey([n << 56, n << 8])).collect();
    let mut claims = vec![];
    vector::run(Claims { phase, keys: &keys, now_ms: 0, claims: &mut claims });
    claims.into_iter().filter(|claim| *claim == Claim::Inserted).count()
}

/// What a call asks for that may allocate memory, in lines. Each question gets the same answer.
fn asked(answer: bool, call: impl FnOnce(&dyn Fn(usize) -> bool)) -> Vec<usize> {
    let asked = RefCell::new(vec![]);
    call(&|bytes| {
        asked.borrow_mut().push(bytes / LINE_BYTES);
        answer
    });
    asked.into_inner()
}

mod tables {
    use super::*;

    /// Inserts an id whose home line has this number, and which has this kept half; returns whether it was new.
    fn insert(table: &Table, generation: &Generation, line: u64, kept: u64) -> bool {
        let key = EventKey([line << (64 - table.lines().ilog2()), kept]);
        table.insert(Portable, key, &Reads::none(), generation).is_new
    }

    #[test]
    fn ids_of_a_line_that_differ_in_one_bit_of_a_cell_are_different() {
        let (table, generation) = (table(), place(&table(), 0).generation);
        for bit in KEY_BITS.trailing_zeros() + 1..64 {
            assert!(insert(&table, &generation, 6, 1 << bit), "bit {bit}");
            assert!(!insert(&table, &generation, 6, 1 << bit));
        }
    }

    #[test]
    fn ids_that_differ_only_in_the_home_line_are_different() {
        let (table, generation) = (table(), place(&table(), 0).generation);
        let insert = |line: u64, kept: u64| insert(&table, &generation, line, kept);
        assert!((1..=LINE_CELLS as u64 / 2).all(|n| insert(6, n << 32)), "the half of the home line is full");
        for kept in [0x100, 0x310] {
            assert!(insert(6, kept) && insert(7, kept), "both ids are in one line");
            assert!(!insert(6, kept) && !insert(7, kept));
        }
    }
}

mod overflow {
    use super::*;

    const LINES: usize = 1_024;

    /// An id whose line has this number in a segment of [`LINES`] lines.
    fn key(line: usize, n: u64) -> EventKey {
        EventKey([((line as u64) << (64 - LINES.ilog2())).reverse_bits(), (n << 16 | line as u64) << 8])
    }

    fn segments(first_lines: usize) -> (Overflow, Arc<AtomicUsize>) {
        let bytes = Arc::default();
        (Overflow::new(first_lines * DEDUP_OVERFLOW_PART, &bytes), bytes)
    }

    fn asked_by_sweep(overflow: &Overflow, answer: bool) -> Vec<usize> {
        asked(answer, |may_allocate| overflow.open_ahead(may_allocate))
    }

    #[test]
    fn the_usual_segments_are_a_part_of_the_table() {
        assert_eq!(usual_bytes(1_000 * DEDUP_OVERFLOW_PART), 1_250 * LINE_BYTES);
        for table_lines in [0, OVERFLOW_LINES_MIN * DEDUP_OVERFLOW_PART] {
            assert_eq!(usual_bytes(table_lines), OVERFLOW_LINES_MIN / 4 * 5 * LINE_BYTES);
        }
    }

    #[test]
    fn an_id_is_inserted_once_and_goes_on_behind_full_lines() {
        let (overflow, _) = segments(LINES);
        for n in 1..=10 * LINE_CELLS as u64 {
            assert!(!overflow.contains(Portable, key(3, n)));
            assert!(overflow.insert(Portable, key(3, n)));
            assert!((1..=n).all(|known| overflow.contains(Portable, key(3, known))));
            assert!(!overflow.insert(Portable, key(3, n)) && !overflow.insert(Portable, key(3, 1)));
        }
        assert!(!overflow.contains(Portable, key(900, 1)), "another line has its own ids");
    }

    #[test]
    fn claimants_count_the_memory_of_their_segments_id_by_id() {
        let (overflow, bytes) = segments(LINES);
        for n in 1..=20 {
            overflow.insert(Portable, key(3, n));
            overflow.insert(Portable, key(3, n));
        }
        assert_eq!(bytes.load(Ordering::Relaxed), 20 * DEDUP_OVERFLOW_ID_BYTES);
        drop(overflow);
        assert_eq!(bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_sweep_counts_the_memory_of_its_segments_at_once_if_it_is_allowed() {
        let (overflow, bytes) = segments(LINES);
        assert_eq!((asked_by_sweep(&overflow, false), bytes.load(Ordering::Relaxed)), (vec![LINES], 0));
        assert_eq!(asked_by_sweep(&overflow, true), [LINES]);
        (1..=LINE_CELLS as u64).for_each(|n| assert!(overflow.insert(Portable, key(3, n))));
        assert_eq!(bytes.load(Ordering::Relaxed), LINES * LINE_BYTES);
        assert!(overflow.insert(Portable, key(3, 100)), "a claimant opens the next segment");
        assert_eq!(bytes.load(Ordering::Relaxed), LINES * LINE_BYTES + DEDUP_OVERFLOW_ID_BYTES);
        drop(overflow);
        assert_eq!(bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_sweep_opens_the_next_segment_when_more_than_half_of_the_first_lines_are_half_full() {
        let (overflow, _) = segments(LINES);
        asked_by_sweep(&overflow, true);
        let fill_half = |line: usize| {
            (1..LINE_CELLS as u64 / 2).for_each(|n| assert!(overflow.insert(Portable, key(line, n))));
            assert!(asked_by_sweep(&overflow, true).is_empty(), "line {line} is less than half full");
            assert!(overflow.insert(Portable, key(line, 100)));
        };
        (0..DEDUP_OVERFLOW_LINES_FILLED / 2).for_each(fill_half);
        (DEDUP_OVERFLOW_LINES_FILLED..LINES).for_each(fill_half);
        assert!(asked_by_sweep(&overflow, true).is_empty(), "only half of the lines");
        fill_half(DEDUP_OVERFLOW_LINES_FILLED / 2);
        assert_eq!(asked_by_sweep(&overflow, true), [LINES / 4]);
    }

    #[test]
    fn segments_that_sweeps_open_grow_fourfold() {
        let (overflow, bytes) = segments(OVERFLOW_LINES_MIN);
        let mut lines = asked_by_sweep(&overflow, true);
        for n in 1..=8 {
            for index in 0..LINES {
                // Bit by bit in reverse order, the lines of each segment fill evenly.
                let line = index.reverse_bits() >> (usize::BITS - LINES.ilog2());
                assert!(overflow.insert(Portable, key(line, n)));
                lines.extend(asked_by_sweep(&overflow, true));
            }
        }
        let first = OVERFLOW_LINES_MIN;
        assert_eq!(lines, [first, first / 4, first, 4 * first, 16 * first, 64 * first]);
        assert_eq!(bytes.load(Ordering::Relaxed), lines.iter().sum::<usize>() * LINE_BYTES, "claimants opened none");
    }
}

mod phases {
    use super::*;

    #[test]
    fn an_id_that_is_in_two_generations_is_counted_once() {
        let table = table();
        let emptied = Phase::first(place(&table, 0), i64::MAX);
        assert_eq!(inserted(&emptied, 0..10), 10);
        let bridging = emptied.bridging(place(&table, 1));
        assert_eq!((inserted(&bridging, 5..17), bridging.ids()), (7, 17));
        let steady = bridging.rotated(i64::MAX, i64::MAX);
        assert_eq!((inserted(&steady, 0..20), steady.ids()), (3, 20));
        let emptied = steady.emptied(i64::MIN);
        assert_eq!((emptied.ids(), inserted(&emptied, 0..20)), (7 + 3, 10));
    }

    /// The kind, when the next step is due, the number of tables, and the generations: the previous one, the current
    /// one, and the one that ids are also inserted for.
    type Summary = (Kind, i64, usize, [Option<u64>; 3]);

    fn summary(phase: &Phase) -> Summary {
        let next = phase.next.as_ref().map(|next| next.generation.number());
        let generations =
            [phase.previous.as_deref().map(Generation::number), Some(phase.current.generation.number()), next];
        (phase.kind, phase.due_after_ms, phase.tables(), generations)
    }

    #[test]
    fn a_generation_ends_in_three_steps_and_growth_takes_two() {
        const DUE: i64 = i64::MIN;
        let tables = [table(), table(), table()];
        let emptied = Phase::first(place(&tables[0], 0), 70);
        assert_eq!(summary(&emptied), (Kind::Emptied, 70, 1, [None, Some(0), None]));
        let bridging = emptied.bridging(place(&tables[0], 1));
        assert_eq!(summary(&bridging), (Kind::Bridging, DUE, 1, [None, Some(0), Some(1)]));
        let steady = bridging.rotated(140, 130);
        assert_eq!(summary(&steady), (Kind::Steady, 130, 1, [Some(0), Some(1), None]));

        let growing = steady.growing(Arc::clone(&tables[1]));
        assert_eq!(summary(&growing), (Kind::Growing, DUE, 2, [Some(0), Some(1), Some(1)]));
        let steady = growing.grown(130);
        assert_eq!(summary(&steady), (Kind::Steady, 130, 2, [Some(0), Some(1), None]));

        let emptied = steady.emptied(80);
        assert_eq!(summary(&emptied), (Kind::Emptied, 140, 2, [None, Some(1), None]));
        assert_eq!(emptied.floor_ms, 80);
        let emptied = emptied.growing(Arc::clone(&tables[2])).grown(140);
        assert_eq!(summary(&emptied), (Kind::Emptied, 140, 3, [None, Some(1), None]));

        let steady = emptied.bridging(place(&tables[2], 2)).rotated(210, 200);
        assert_eq!(summary(&steady), (Kind::Steady, 200, 3, [Some(1), Some(2), None]));
        let emptied = steady.emptied(150);
        assert_eq!(summary(&emptied), (Kind::Emptied, 210, 1, [None, Some(2), None]), "no id is in the older tables");
    }
}

mod rotations {
    use super::*;

    /// A claimant of growing inserts an id in the old table only; one of the phase after it was first in the new table.
    #[test]
    fn an_id_that_two_claimants_insert_in_two_tables_is_counted_once() {
        let growing = Phase::first(place(&table(), 0), i64::MAX).growing(table());
        let after = growing.grown(i64::MAX);
        assert_eq!((inserted(&after, 0..5), inserted(&growing, 0..7)), (5, 2));
        assert_eq!(after.ids(), 7);
    }

    #[test]
    fn without_sweeps_the_seventeenth_unused_phase_frees_all_of_them() {
        let first = place(&table(), 0);
        let generation = Arc::downgrade(&first.generation);
        let times = Times::new(10);
        let steps = Steps::new(Phase::first(first, i64::MIN), Rotation::new(Some(times), usize::MAX, &Arc::default()));
        // The first stretch has three steps, the second two, and each later one three. From the second step on, each
        // step leaves one unused phase.
        let is_freed = |stretch: &i64| {
            rotate(&mut steps.lock(), stretch * times.generation_ms);
            generation.upgrade().is_none()
        };
        assert_eq!((0..20).find(is_freed), Some(6), "the stretch of the steps 18 to 20");
    }
}

mod wipes {
    use super::*;

    #[test]
    fn a_pass_has_parts_and_is_wanted_long_before_a_tag_is_used_again() {
        let table = Arc::new(Table::new(2 * DEDUP_WIPE_LINES, &Arc::default()).unwrap());
        let phase = |number| Phase::first(place(&table, number), i64::MAX);
        let mut wipe = Wipe::of_empty_table(0);
        assert_eq!([7, 8].map(|number| wipe.is_wanted(&phase(number))), [false, true]);
        assert_eq!([12, 13].map(|number| wipe.is_ready_for(number)), [true, false]);
        wipe.wipe_some(&phase(8));
        assert!(wipe.is_wanted(&phase(8)) && !wipe.is_ready_for(13), "half of the table is wiped");
        wipe.wipe_some(&phase(8));
        assert_eq!([19, 20].map(|number| wipe.is_ready_for(number)), [true, false]);
        assert_eq!([14, 15].map(|number| wipe.is_wanted(&phase(number))), [false, true]);
    }

    #[test]
    fn a_sweep_makes_the_whole_pass_so_that_no_step_has_to_make_it() {
        let table = Arc::new(Table::new(3 * DEDUP_WIPE_LINES, &Arc::default()).unwrap());
        let rotation = Rotation::new(None, usize::MAX, &Arc::default());
        let steps = Steps::new(Phase::first(place(&table, 8), i64::MAX), rotation);
        let state = || {
            let mut stepper = steps.lock();
            let (phase, rotation) = stepper.parts();
            (rotation.wipe.is_wanted(phase), rotation.wipe.is_ready_for(13))
        };
        assert_eq!(state(), (true, false));
        sweep::wipe(&steps);
        assert_eq!(state(), (false, true));
    }

    #[test]
    fn the_generations_around_the_current_one_are_kept() {
        let table = table();
        let places: Vec<_> = (0..=5).map(|number| place(&table, number)).collect();
        let key = |number: u64| EventKey([number << 60, number << 32]);
        for Place { generation, .. } in &places {
            assert!(table.insert(Portable, key(generation.number()), &Reads::none(), generation).is_new);
        }
        Wipe::of_empty_table(0).wipe_some(&Phase::first(places[4].clone(), i64::MAX));
        let is_there = |Place { generation, .. }: &Place| {
            let mut reads = Reads::none();
            reads.insert(generation);
            table.contains(Portable, key(generation.number()), &reads)
        };
        assert_eq!(places.iter().map(is_there).collect::<Vec<_>>(), [false, false, false, true, true, true]);
    }
}

mod sweeps {
    use super::*;
    use crate::dedup_tests::lines::GENERATION_MS;
    use crate::dedup_tests::{SLACK_MS, key};

    /// The end of the first generation.
    const END_MS: i64 = GENERATION_MS - 1;

    struct Swept {
        dedup: Lines,
        ids: usize,
    }

    impl Swept {
        fn new(lines: usize) -> Self {
            Self { dedup: Lines::with_lines(Some(10), lines, usize::MAX, None).unwrap(), ids: 0 }
        }

        /// Claims new ids, and then lets a sweep ask for memory, and answers. Returns the sizes that it asks for, in
        /// lines: those of tables, and those of segments for ids without a cell.
        fn asked(&mut self, ids: usize, now_ms: i64, answer: bool) -> (Vec<usize>, Vec<usize>) {
            let keys: Vec<_> = (self.ids..self.ids + ids).map(|n| key(n as u64)).collect();
            self.ids += ids;
            self.dedup.claim(&keys, now_ms, &mut vec![]);
            let asked = asked(answer, |may_allocate| self.dedup.sweep(now_ms, may_allocate));
            asked.into_iter().partition(|lines| *lines > 2 * OVERFLOW_LINES_MIN)
        }

        /// The sizes of tables that a sweep asks for, and does not get.
        fn tables_for(&mut self, ids: usize, now_ms: i64) -> Vec<usize> {
            self.asked(ids, now_ms, false).0
        }
    }

    #[test]
    fn a_larger_table_is_wanted_when_the_table_will_be_full_within_the_lead() {
        // An id comes in each millisecond. The lead is 200 ms, and 4 ms for each MiB of the larger table.
        for (lines, lead) in [(1_024, 200), (16_384, 216)] {
            for (more, wanted) in [(0, vec![]), (1, vec![4 * lines, 2 * lines, lines])] {
                let mut swept = Swept::new(lines);
                swept.tables_for(ids_for(lines) - lead - 100 + more, 0);
                assert_eq!(swept.tables_for(100, 100), wanted, "{lines} lines, {more} more");
            }
        }
    }

    #[test]
    fn the_lead_ends_with_the_generation() {
        for (more, is_wanted) in [(0, false), (1, true)] {
            let mut swept = Swept::new(1_024);
            swept.tables_for(ids_for(1_024) - 50 - 100 + more, END_MS - 150);
            let tables = swept.tables_for(100, END_MS - 50);
            assert_eq!(tables.contains(&4_096), is_wanted, "{more} more");
        }
    }

    #[test]
    fn no_larger_table_is_wanted_before_the_table_is_half_full() {
        let half = ids_for(1_024) / 2;
        assert!(Swept::new(1_024).tables_for(half, 1).is_empty());
        assert_eq!(Swept::new(1_024).tables_for(half + 1, 1), [4_096, 2_048, 1_024]);
    }

    #[test]
    fn a_segment_for_ids_without_a_cell_is_opened_when_the_table_is_half_full() {
        let mut swept = Swept::new(1_024);
        assert_eq!(swept.asked(ids_for(1_024) / 2, 1, true), (vec![], vec![]));
        assert_eq!(swept.asked(1, 1_000, true), (vec![], vec![OVERFLOW_LINES_MIN]));
        assert_eq!(swept.asked(1, 2_000, true), (vec![], vec![]), "it is open");
    }

    #[test]
    fn one_table_is_made_for_the_next_generation() {
        let mut swept = Swept::new(1_024);
        swept.asked(1, 0, true);
        assert_eq!(swept.asked(0, END_MS - 1_000, true).0, [LINES_MIN]);
        assert!(swept.asked(0, END_MS - 900, true).0.is_empty());
        assert!(swept.asked(1, END_MS + 1, true).0.is_empty(), "the next generation uses it");
        assert_eq!(swept.dedup.bytes(), (1_024 + LINES_MIN) * LINE_BYTES);
    }

    #[test]
    fn the_table_of_the_next_generation_is_one_of_the_tables_that_claims_look_at() {
        let mut phase = Phase::first(place(&table(), 0), i64::MAX);
        for _ in 1..DEDUP_TABLES_MAX - 1 {
            phase = phase.growing(table()).grown(i64::MAX);
        }
        assert_eq!(inserted(&phase, 0..200), 200, "more than the table is made for");
        for (for_next, wanted) in [(None, [256, 128, 64].as_slice()), (Some(table()), &[])] {
            let mut rotation = Rotation::new(None, usize::MAX, &Arc::default());
            rotation.for_next_generation = for_next;
            let steps = Steps::new(phase.clone(), rotation);
            let tables = asked(false, |may_allocate| {
                Sweeper::default().resize(&steps, 0, &Maker { bytes: &Arc::default(), may_allocate });
            });
            assert_eq!(tables, wanted);
        }
    }

    #[test]
    fn claims_look_at_no_more_tables_when_a_larger_one_and_one_for_the_next_generation_are_wanted_at_once() {
        let times = Times::new(10);
        for tables in [DEDUP_TABLES_MAX - 2, DEDUP_TABLES_MAX - 1, DEDUP_TABLES_MAX] {
            let mut phase = Phase::first(place(&table(), 1), END_MS);
            for _ in 1..tables {
                phase = phase.growing(table()).grown(END_MS);
            }
            assert_eq!((phase.tables(), inserted(&phase, 0..200)), (tables, 200));
            let steps = Steps::new(phase, Rotation::new(Some(times), usize::MAX, &Arc::default()));
            for _ in 0..2 {
                let maker = Maker { bytes: &Arc::default(), may_allocate: &|_| true };
                Sweeper::default().resize(&steps, END_MS - 10, &maker);
            }
            rotate(&mut steps.lock(), END_MS + 1);
            assert_eq!(steps.pin().tables(), DEDUP_TABLES_MAX, "{tables} tables before");
        }
    }

    #[test]
    fn a_table_for_the_next_generation_is_wanted_if_a_table_that_takes_over_leaves_room() {
        for (tables, is_wanted) in [(DEDUP_TABLES_MAX - 1, true), (DEDUP_TABLES_MAX, false)] {
            let mut phase = Phase::first(place(&table(), 1), END_MS);
            for _ in 2..tables {
                phase = phase.growing(table()).grown(END_MS);
            }
            let growing = phase.growing(table());
            assert_eq!(growing.tables(), tables);
            let steps = Steps::new(growing, Rotation::new(Some(Times::new(10)), usize::MAX, &Arc::default()));
            let wanted = asked(false, |may_allocate| {
                Sweeper::default().resize(&steps, END_MS - 10, &Maker { bytes: &Arc::default(), may_allocate });
            });
            assert_eq!(!wanted.is_empty(), is_wanted, "{tables} tables");
        }
    }

    #[test]
    fn a_table_that_is_finished_after_its_generation_is_not_used() {
        let mut swept = Swept::new(1_024);
        swept.asked(1, END_MS - 1_000, false);
        let lines = RefCell::new(vec![]);
        swept.dedup.sweep(END_MS - 900, &|bytes| {
            lines.borrow_mut().push(bytes / LINE_BYTES);
            swept.dedup.claim(&[key(7)], END_MS + 1, &mut vec![]);
            true
        });
        assert_eq!(*lines.borrow(), [LINES_MIN]);
        assert_eq!((swept.dedup.bytes(), swept.dedup.tables()), (1_024 * LINE_BYTES, 1));
        assert_eq!(swept.asked(1, END_MS + GENERATION_MS - 900, true).0, [LINES_MIN], "the next generation gets one");
        assert_eq!(swept.dedup.bytes(), (1_024 + LINES_MIN) * LINE_BYTES);
    }

    #[test]
    fn a_table_that_is_finished_while_the_next_generation_begins_is_not_used() {
        let rotation = Rotation::new(Some(Times::new(10)), usize::MAX, &Arc::default());
        let steps = Steps::new(Phase::first(place(&table(), 1), END_MS), rotation);
        let stalled = steps.pin();
        let may_allocate = |_: usize| {
            rotate(&mut steps.lock(), END_MS + 1);
            true
        };
        let maker = Maker { bytes: &Arc::default(), may_allocate: &may_allocate };
        Sweeper::default().resize(&steps, END_MS - 10, &maker);
        assert!(steps.pin().kind == Kind::Bridging && steps.lock().for_next_generation.is_none());
        drop(stalled);
    }

    /// The next generation begins while a table of 256 lines is made. It has a table of its own, or that of the
    /// generation before, which has 64 lines. A table may be prepared for the generation after it.
    #[test]
    fn a_larger_table_that_is_finished_late_replaces_a_smaller_one_only() {
        let table = |lines| Arc::new(Table::new(lines, &Arc::default()).unwrap());
        for (tables, next_lines, is_prepared, is_used) in [
            (1, None, false, true),
            (1, Some(128), false, true),
            (1, Some(256), false, false),
            (1, Some(4_096), false, false),
            (DEDUP_TABLES_MAX - 2, Some(64), false, true),
            (DEDUP_TABLES_MAX - 1, Some(64), false, false),
            (DEDUP_TABLES_MAX - 1, None, false, true),
            (DEDUP_TABLES_MAX - 1, None, true, false),
        ] {
            let mut phase = Phase::first(place(&table(64), 1), END_MS);
            for _ in 1..tables {
                phase = phase.growing(table(64)).grown(END_MS);
            }
            assert_eq!(inserted(&phase, 0..200), 200, "more than the table is made for");
            let steps = Steps::new(phase, Rotation::new(Some(Times::new(10)), usize::MAX, &Arc::default()));
            let may_allocate = |bytes: usize| {
                let mut stepper = steps.lock();
                if steps.pin().kind == Kind::Emptied {
                    stepper.for_next_generation = next_lines.map(table);
                    rotate(&mut stepper, END_MS + 1);
                    stepper.for_next_generation = is_prepared.then(|| table(64));
                }
                bytes == 256 * LINE_BYTES
            };
            let maker = Maker { bytes: &Arc::default(), may_allocate: &may_allocate };
            Sweeper::default().resize(&steps, 0, &maker);
            let phase = steps.pin();
            let expected = (if is_used { Kind::Growing } else { Kind::Steady }, next_lines.unwrap_or(64));
            let case = (tables, next_lines, is_prepared);
            assert_eq!((phase.kind, phase.current.table.lines()), expected, "{case:?}");
        }
    }

    #[test]
    fn the_table_of_the_next_generation_is_wanted_in_the_last_eighth_of_a_generation() {
        let late_ms = END_MS - GENERATION_MS / 8;
        let mut swept = Swept::new(LINES_MIN);
        assert_eq!(swept.tables_for(232_000, 0), [4 * LINES_MIN, 2 * LINES_MIN, LINES_MIN], "a burst");
        assert!(swept.tables_for(0, late_ms).is_empty());
        // 232,000 ids in seven eighths of a generation, and a sixteenth of them in addition.
        let expected = 232_000 * GENERATION_MS as usize / (late_ms + 1) as usize;
        assert_eq!(swept.tables_for(0, late_ms + 1), [lines_for(expected + expected / 16).unwrap()]);
    }

    #[test]
    fn a_short_burst_does_not_count_for_the_whole_next_generation() {
        let mut swept = Swept::new(LINES_MIN);
        swept.tables_for(100_000, END_MS - 100);
        // As if it had lasted an eighth of a generation.
        let expected = 100_000 * 8;
        assert_eq!(swept.tables_for(0, END_MS - 50), [lines_for(expected + expected / 16).unwrap()]);
    }

    #[test]
    fn a_stretch_without_an_id_makes_the_table_small() {
        let mut swept = Swept::new(2 * LINES_MIN);
        swept.tables_for(400_000, 0);
        let after_ms = |ms: i64| asked(false, |may_allocate| swept.dedup.sweep(ms + SLACK_MS, may_allocate));
        assert!(!after_ms(END_MS + GENERATION_MS).contains(&LINES_MIN), "the table suits the ids");
        assert!(after_ms(END_MS + GENERATION_MS + 1).contains(&LINES_MIN));
    }
}
