//! The choice of the vector unit.

use super::unit::{Simd, SimdTask};
#[cfg(target_arch = "x86_64")]
use super::x86_64::{Avx2, Sse2};

/// Runs `task` on each unit that this processor has, and passes on the results.
#[cfg(test)]
pub(in crate::event::fast) fn run_on_all_units<T: SimdTask + Clone>(task: &T, mut check: impl FnMut(T::Output)) {
    #[cfg(target_arch = "x86_64")]
    {
        check(task.clone().run(Sse2));
        Avx2::<false>::detect().into_iter().for_each(|avx2| check(avx2.run(task.clone())));
        Avx2::<true>::detect().into_iter().for_each(|avx512| check(avx512.run(task.clone())));
    }
    check(task.clone().run(super::swar::Swar));
}

/// Runs `task` on the widest vector unit that this processor has.
pub(in crate::event::fast) fn run_simd<T: SimdTask>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(avx512) = Avx2::<true>::detect() {
            return avx512.run(task);
        }
        if let Some(avx2) = Avx2::<false>::detect() {
            return avx2.run(task);
        }
        Sse2.run(task)
    }
    #[cfg(not(target_arch = "x86_64"))]
    super::swar::Swar.run(task)
}
