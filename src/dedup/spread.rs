//! Which part of the ids goes to which map.
//!
//! A map that grows makes its claimants wait: for the allocation of its new table, and for the entries that are moved
//! into it. So the ids are spread over many maps. The largest part has twice the ids of the smallest part, and the
//! others are evenly spaced between them on a logarithmic scale. So the maps double one after another instead of all at
//! once.

/// The number of hash bits that select the part.
const BITS: u32 = 12;

/// The index of the part for each value of the hash bits.
pub(crate) struct Spread(Box<[u8]>);

impl Spread {
    /// Spreads hashes over `parts` parts. Each part gets more values than the one before, by a constant factor; the
    /// last gets twice the values of the first.
    pub(crate) fn new(parts: usize) -> Self {
        debug_assert!((1..=256).contains(&parts), "an index is one byte");
        let values = 1 << BITS;
        let index = |value| (1.0 + f64::from(value) / f64::from(values)).log2() * parts as f64;
        Self((0..values).map(|value| index(value) as u8).collect())
    }

    /// The part of a hash, by its highest bits.
    pub(crate) fn part(&self, hash: u64) -> usize {
        usize::from(self.0[(hash >> (u64::BITS - BITS)) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_differ_in_size_evenly_up_to_a_factor_of_two() {
        let spread = Spread::new(64);
        let mut sizes = [0_u32; 64];
        (0..1 << BITS).for_each(|value| sizes[spread.part(value << (u64::BITS - BITS))] += 1);
        assert!((1.9..2.1).contains(&(f64::from(sizes[63]) / f64::from(sizes[0]))), "{sizes:?}");
        let double = |(of_one, of_next): (&u32, &u32)| f64::from(*of_next) / f64::from(*of_one);
        assert!(sizes.iter().zip(&sizes[1..]).map(double).all(|factor| (0.9..1.1).contains(&factor)), "{sizes:?}");
        assert!([0, u64::MAX].iter().all(|hash| Spread::new(1).part(*hash) == 0));
    }
}
