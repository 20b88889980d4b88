//! How an entry is cut into the values of a table.
//!
//! The database keeps a value above a page in a run of pages, and a run has a power of two of them. So a value takes up
//! to twice its bytes on the disk. An entry is therefore cut into pieces that fill their runs, but for an eighth.

use std::iter;
use std::ops::Range;

/// The bytes of the database's page, the shortest run.
const PAGE_BYTES: usize = 4 << 10;

/// The longest run. A frame with many rows is one piece. A table of users has many, so it needs no long free stretch of
/// the file.
const RUN_BYTES_MAX: usize = 128 << 10;

/// What a run holds beside the bytes of a piece: what the database notes in it, and the entry's header. At most.
const RUN_OVERHEAD_BYTES: usize = 64;

/// The pieces of an entry of `len` bytes, in their order. An empty entry has one piece.
pub(super) fn pieces(len: usize) -> impl Iterator<Item = Range<usize>> {
    let after = move |start: usize| start..start + piece_len(len - start);
    iter::successors(Some(after(0)), move |piece| (piece.end < len).then(|| after(piece.end)))
}

/// The length of the first piece of `len` bytes.
fn piece_len(len: usize) -> usize {
    let needed = len + RUN_OVERHEAD_BYTES;
    let run = needed.next_power_of_two().clamp(PAGE_BYTES, RUN_BYTES_MAX);
    let is_filled = run == PAGE_BYTES || needed >= run - run / 8;
    let run = if is_filled { run } else { run / 2 };
    len.min(run - RUN_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_entry_in_runs_that_they_fill() {
        for len in (0..300 << 10).step_by(61).chain([FRAME, 2 << 30]) {
            let (mut end, mut runs_bytes) = (0, 0);
            for piece in pieces(len) {
                assert_eq!(piece.start, end);
                end = piece.end;
                runs_bytes += (piece.len() + RUN_OVERHEAD_BYTES).next_power_of_two().max(PAGE_BYTES);
            }
            assert_eq!(end, len);
            assert!(runs_bytes <= len + len / 7 + PAGE_BYTES + RUN_OVERHEAD_BYTES, "{runs_bytes} bytes for {len}");
        }
    }

    const FRAME: usize = crate::limits::FRAME_BYTES_MAX;

    #[test]
    fn a_full_frame_is_one_piece() {
        assert_eq!([FRAME, 0, 33_000].map(|len| pieces(len).count()), [1, 1, 2]);
    }
}
