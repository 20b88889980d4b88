//! Mutations of whole tokens, which keep most of an input's grammar, and mutations of single bytes, which do not.

use std::ops::Range;

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub struct Random(u64);

impl Random {
    /// Each seed gives its own sequence.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ bits >> 31) % end as u64) as usize
    }

    /// One of `items`, which is not empty.
    pub fn pick<'i, T: ?Sized>(&mut self, items: &'i [&'i T]) -> &'i T {
        items[self.below(items.len())]
    }
}

/// Changes `text` in one to three places.
pub fn mutate(text: &mut Vec<u8>, words: &[&[u8]], random: &mut Random) {
    for _ in 0..=random.below(3) {
        if text.is_empty() {
            text.extend_from_slice(random.pick(words));
            continue;
        }
        let (place, other) = (random.below(text.len()), random.below(text.len()));
        let token = token(text, place);
        match random.below(8) {
            0 => drop(text.drain(token_run(text, place, random))),
            1 => drop(text.splice(token.start..token.start, text[token_run(text, other, random)].to_vec())),
            2 => drop(text.splice(token.end..token.end, random.pick(words).iter().copied())),
            3 | 4 => drop(text.splice(token, random.pick(words).iter().copied())),
            5 => drop(text.splice(token, text[self::token(text, other)].to_vec())),
            6 if text[place].is_ascii_digit() => text[place] = b'0' + random.below(10) as u8,
            6 => text[place] ^= 1 << random.below(8),
            _ => text[place] = random.below(256) as u8,
        }
    }
}

/// A few tokens in a row, from the token at a place on.
fn token_run(text: &[u8], place: usize, random: &mut Random) -> Range<usize> {
    let mut run = token(text, place);
    for _ in 0..random.below(12) {
        if run.end < text.len() {
            run.end = token(text, run.end).end;
        }
    }
    run
}

/// The token at a place: a run of letters, a run of digits, or any other byte by itself.
fn token(text: &[u8], place: usize) -> Range<usize> {
    let class = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_alphabetic());
    let is_alike = |byte: &&u8| byte.is_ascii_alphanumeric() && class(**byte) == class(text[place]);
    let before = text[..place].iter().rev().take_while(is_alike).count();
    let after = text[place + 1..].iter().take_while(is_alike).count();
    place - before..place + 1 + after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_mutations_and_different_seeds_do_not() {
        let mutated = |seed| {
            let mut text = br#"{"ts":"2025-10-08T12:00:00Z"}"#.to_vec();
            mutate(&mut text, &[b"null"], &mut Random::new(seed));
            text
        };
        let all: std::collections::BTreeSet<_> = (0..100).map(mutated).collect();
        assert!(all.len() > 80 && (0..100).map(mutated).all(|text| all.contains(&text)));
    }

    #[test]
    fn words_and_numbers_stay_whole() {
        let text = b"\"ab12\", ";
        let tokens = (0..text.len()).map(|place| token(text, place)).collect::<Vec<_>>();
        assert_eq!(tokens, [0..1, 1..3, 1..3, 3..5, 3..5, 5..6, 6..7, 7..8]);
        let mut random = Random::new(0);
        assert!((0..100).all(|_| [3, 5, 6, 7, 8].contains(&token_run(text, 1, &mut random).end)));
    }
}
