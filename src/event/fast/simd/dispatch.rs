//! The choice of the vector unit.

use super::unit::{Simd, SimdTask};

/// Runs `task` on the widest vector unit that this processor has.
pub(in crate::event::fast) fn run_simd<T: SimdTask>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(avx2) = super::x86_64::Avx2::detect() {
            return avx2.run(task);
        }
        super::x86_64::Sse2.run(task)
    }
    #[cfg(not(target_arch = "x86_64"))]
    super::swar::Swar.run(task)
}
