//! Stand-in for the choice of a vector unit: a checker has to see each load. A test of the engine holds the vector
//! units to the portable look.

use super::line::{Portable, Vector};

pub(crate) trait Job {
    type Output;

    fn run(self, vector: impl Vector) -> Self::Output;
}

pub(crate) fn run<J: Job>(job: J) -> J::Output {
    job.run(Portable)
}
