//! A second of the timeline in four bytes.

/// No second, or a second in 31 bits. Live seconds are at most a few days apart. So 31 bits tell which of two of them
/// is earlier (serial number arithmetic, RFC 1982).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveSecond(u32);

/// The bit of every value but [`NEVER`](LiveSecond::NEVER).
const SOME: u32 = 1 << 31;

impl LiveSecond {
    /// No second: it is before every other.
    pub(crate) const NEVER: Self = Self(0);

    #[inline]
    pub(crate) fn new(secs: i64) -> Self {
        Self(secs as u32 | SOME)
    }

    /// Whether this second is earlier than `other`, which is a second.
    #[inline]
    pub(crate) fn is_before(self, other: Self) -> bool {
        debug_assert_ne!(other, Self::NEVER, "no second is later than the others");
        // Both values have the top bit, so the difference has it if and only if the lower 31 bits borrow. Shifted, its
        // sign is that of the difference in 31 bits.
        self == Self::NEVER || (self.0.wrapping_sub(other.0) << 1).cast_signed() < 0
    }

    /// The slot of the second in a ring of `slots` slots, a power of two up to 2^31.
    #[inline]
    pub(crate) fn slot(self, slots: usize) -> usize {
        debug_assert!(self != Self::NEVER && slots <= SOME as usize);
        self.0 as usize & (slots - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_ordered_across_every_wrap() {
        for base in [0, -1, 1 << 31, -(1 << 31), 1 << 32, i64::MAX - 200_000, i64::MIN + 200_000, 1_760_000_000] {
            for distance in [1, 1_920, 172_800] {
                let (earlier, later) = (LiveSecond::new(base - distance), LiveSecond::new(base));
                assert!(earlier.is_before(later) && !later.is_before(earlier), "{base} {distance}");
                assert!(LiveSecond::NEVER.is_before(earlier) && !later.is_before(later));
            }
        }
    }

    #[test]
    fn the_slot_is_that_of_the_whole_second() {
        for secs in [0, -1, 1_760_000_000, i64::MAX, i64::MIN] {
            assert_eq!(LiveSecond::new(secs).slot(2_048), secs as usize & 2_047);
        }
    }
}
