//! Conditions of a change on the generation in force.

use super::error::ReferenceError;

/// Generations of the reference table that a condition names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Generations {
    /// Any generation that has a table. Generation 0, before the first table, has none.
    Any,
    /// One of these.
    OneOf(Vec<u64>),
}

impl Generations {
    /// Whether generation `number` is among them.
    #[must_use]
    pub fn matches(&self, number: u64) -> bool {
        match self {
            Self::Any => number >= 1,
            Self::OneOf(numbers) => numbers.contains(&number),
        }
    }
}

/// When a change may be made; the default is always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Only if the generation in force is among these; none for no such condition.
    pub if_match: Option<Generations>,
    /// Only if the generation in force is not among these; none for no such condition.
    pub if_none_match: Option<Generations>,
}

impl Preconditions {
    /// Whether a change may be made while generation `current` is in force.
    pub(super) fn check(&self, current: u64) -> Result<(), ReferenceError> {
        let matches = |generations: &Generations| generations.matches(current);
        let holds = self.if_match.as_ref().is_none_or(matches) && !self.if_none_match.as_ref().is_some_and(matches);
        if holds { Ok(()) } else { Err(ReferenceError::GenerationMismatch { current }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_judged_against_the_generation_in_force() {
        let [any, zero, seven] = [Generations::Any, Generations::OneOf(vec![0]), Generations::OneOf(vec![5, 7])];
        for (generations, current, matches) in [
            (&any, 0, false),
            (&any, 1, true),
            (&zero, 0, true),
            (&zero, 1, false),
            (&seven, 0, false),
            (&seven, 7, true),
            (&seven, 8, false),
            (&Generations::OneOf(Vec::new()), 0, false),
        ] {
            let mismatch = Err(ReferenceError::GenerationMismatch { current });
            let if_match = Preconditions { if_match: Some(generations.clone()), if_none_match: None };
            assert_eq!(
                if_match.check(current),
                if matches { Ok(()) } else { mismatch.clone() },
                "{generations:?} {current}"
            );
            let if_none_match = Preconditions { if_match: None, if_none_match: Some(generations.clone()) };
            assert_eq!(
                if_none_match.check(current),
                if matches { mismatch } else { Ok(()) },
                "{generations:?} {current}"
            );
        }
        assert_eq!(Preconditions::default().check(7), Ok(()));
        let both = Preconditions { if_match: Some(seven.clone()), if_none_match: Some(any) };
        assert!(both.check(7).is_err(), "both conditions have to hold");
    }
}
