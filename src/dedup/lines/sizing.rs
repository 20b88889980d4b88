//! How many lines a table needs.

use crate::limits::{DEDUP_DOUBLED_TABLES_MAX, DEDUP_IDS_PER_16_LINES, DEDUP_SMALL_TABLE_BYTES_MAX, DEDUP_TABLES_MAX};
use crate::sync::line::Line;
use crate::sync::lines::LINES_MIN;

/// The ids of a generation for which a table of `lines` lines is made.
pub(crate) fn ids_for(lines: usize) -> usize {
    lines.saturating_mul(DEDUP_IDS_PER_16_LINES) / 16
}

/// The lines for `ids` ids of a generation: an even number, at least two. `None` if that exceeds any memory.
pub(crate) fn lines_for(ids: usize) -> Option<usize> {
    let lines = ids.checked_mul(16)?.div_ceil(DEDUP_IDS_PER_16_LINES).max(2);
    Some(lines.next_multiple_of(2)).filter(|lines| bytes_for(*lines) < isize::MAX as usize)
}

pub(crate) fn bytes_for(lines: usize) -> usize {
    lines.saturating_mul(size_of::<Line>())
}

/// The sizes that a table may have that takes over from a full one, the best size first. `tables` is the number of
/// tables that claims look at. None if no more can be added: then ids without a cell go to the overflow.
///
/// A larger table is a multiple of the current one. The multiple is large while tables are small. Then it is two, so
/// that little memory is set aside early, until there are many tables.
pub(crate) fn larger_lines(lines: usize, tables: usize) -> impl Iterator<Item = usize> {
    let times = match bytes_for(lines) {
        _ if tables >= DEDUP_TABLES_MAX => 0,
        bytes if bytes < DEDUP_SMALL_TABLE_BYTES_MAX || tables >= DEDUP_DOUBLED_TABLES_MAX => 4,
        _ => 2,
    };
    [4, 2, 1].into_iter().filter(move |other| *other <= times).map(move |times| lines.saturating_mul(times))
}

/// The lines of the table for the next generation, if a table of `lines` lines does not suit the `ids` ids that are
/// expected of it.
pub(crate) fn suitable_lines(lines: usize, ids: usize) -> Option<usize> {
    let ideal = lines_for(ids.saturating_add(ids / 16))?.max(LINES_MIN);
    let suits = lines >= ideal - ideal / 16 && lines <= ideal + ideal / 4;
    (!suits).then_some(ideal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DEDUP_TABLE_BYTES_MIN;

    #[test]
    fn a_table_has_lines_for_its_ids() {
        for ids in [0, 1, 2, 3, 1_000, 52_427, 10_000_000] {
            let lines = lines_for(ids).unwrap();
            assert!(lines >= 2 && lines.is_multiple_of(2) && ids_for(lines) >= ids && ids_for(lines) <= ids + 8);
        }
        assert_eq!((lines_for(usize::MAX), lines_for(usize::MAX / 64)), (None, None));
    }

    #[test]
    fn tables_grow_in_large_steps_while_they_are_small_or_when_there_are_many() {
        let mib = |mib: usize| (mib << 20) / size_of::<Line>();
        let sizes = |lines, tables| larger_lines(lines, tables).collect::<Vec<_>>();
        assert_eq!(sizes(mib(8), 1), [mib(32), mib(16), mib(8)]);
        assert_eq!(sizes(mib(64), 1), [mib(128), mib(64)]);
        assert_eq!(sizes(mib(64), DEDUP_DOUBLED_TABLES_MAX), [mib(256), mib(128), mib(64)]);
        assert!(sizes(mib(8), DEDUP_TABLES_MAX).is_empty());
    }

    #[test]
    fn growth_from_empty_ends_with_half_a_billion_ids() {
        let mut tables = vec![DEDUP_TABLE_BYTES_MIN / size_of::<Line>()];
        while let Some(larger) = larger_lines(tables[tables.len() - 1], tables.len()).next() {
            tables.push(larger);
        }
        let mib: Vec<_> = tables.iter().map(|lines| bytes_for(*lines) >> 20).collect();
        assert_eq!(mib, [8, 32, 128, 256, 512, 1_024, 4_096, 16_384]);
        assert!(tables.into_iter().map(ids_for).sum::<usize>() > 500_000_000);
    }

    #[test]
    fn a_table_is_replaced_when_it_is_too_small_or_much_too_large() {
        let ids = 10_000_000;
        let ideal = suitable_lines(LINES_MIN, ids).unwrap();
        assert!(ids_for(ideal) >= ids / 16 * 17 && ids_for(ideal) <= ids / 15 * 16);
        assert_eq!([ideal - ideal / 17, ideal, ideal + ideal / 5].map(|lines| suitable_lines(lines, ids)), [None; 3]);
        assert_eq!([ideal / 10 * 9, ideal / 10 * 13].map(|lines| suitable_lines(lines, ids)), [Some(ideal); 2]);
        assert_eq!(suitable_lines(ideal, 0), Some(LINES_MIN));
        assert_eq!(suitable_lines(LINES_MIN, 0), None);
    }
}
