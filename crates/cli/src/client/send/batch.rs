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

    /// The line at an index, without its line feed.
    pub(super) fn line(&self, index: usize) -> Option<&[u8]> {
        let end = self.lines.get(index)?.end;
        let start = index.checked_sub(1).map_or(0, |previous| self.lines[previous].end);
        Some(&self.bytes[start..end - 1])
    }

    /// A batch of the lines at these indexes.
    pub(super) fn part(&self, indexes: &[usize]) -> Self {
        let mut part = Self::default();
        for &index in indexes {
            if let (Some(number), Some(line)) = (self.line_number(index), self.line(index)) {
                part.push(number, line);
            }
        }
        part
    }

    /// The first and the second half of the lines.
    pub(super) fn halves(&self) -> [Self; 2] {
        let middle = self.len().div_ceil(2);
        [0..middle, middle..self.len()].map(|indexes| self.part(&indexes.collect::<Vec<_>>()))
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
        assert_eq!([0, 2, 3, 4].map(|index| batch.line(index)), [Some(&b"one"[..]), Some(b""), Some(b"nine"), None]);
        let [first, second] = part.halves();
        assert_eq!((first.bytes(), second.bytes(), second.line_number(0)), (&b"one\n"[..], &b"nine\n"[..], Some(9)));
        assert_eq!(batch.part(&[0, 1, 2]).halves().map(|half| half.len()), [2, 1]);
    }
}
