//! The lines of one request.

/// The lines of one request, with their line numbers in the input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    lines: Vec<LineEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LineEnd {
    number: u64,
    /// The position after the line feed of the line.
    end: usize,
}

impl Batch {
    /// Adds a line. Its number counts from 1, and `line` has no line feed.
    pub(super) fn push(&mut self, number: u64, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        self.lines.push(LineEnd { number, end: self.bytes.len() });
    }

    /// The number of lines.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The body of a request.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number in the input of the line at an index.
    pub(super) fn line_number(&self, index: usize) -> Option<u64> {
        Some(self.lines.get(index)?.number)
    }

    /// A batch of the lines at these indexes. All indexes must exist.
    pub(super) fn part(&self, indexes: &[usize]) -> Self {
        let mut part = Self::default();
        for &index in indexes {
            let start = index.checked_sub(1).map_or(0, |previous| self.lines[previous].end);
            let line = self.lines[index];
            part.push(line.number, &self.bytes[start..line.end - 1]);
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_the_lines_and_their_numbers() {
        let mut batch = Batch::default();
        for (number, line) in [(1, "one"), (4, "four"), (5, ""), (9, "nine")] {
            batch.push(number, line.as_bytes());
        }
        assert_eq!((batch.bytes(), batch.len()), (&b"one\nfour\n\nnine\n"[..], 4));
        let part = batch.part(&[0, 3]);
        assert_eq!(part.bytes(), b"one\nnine\n");
        assert_eq!([0, 1, 2].map(|index| part.line_number(index)), [Some(1), Some(9), None]);
        assert!(batch.part(&[]).is_empty());
    }
}
