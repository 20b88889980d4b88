//! The choice of the vector unit.

#[cfg(any(test, not(target_arch = "x86_64")))]
use super::swar::Swar;
use super::unit::{Simd, SimdTask};
#[cfg(target_arch = "x86_64")]
use super::x86_64::{Avx2, Sse2};

/// Runs `task` on the widest vector unit that this processor has.
pub(in crate::event::fast) fn run_simd<T: SimdTask>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(avx512) = Avx2::<true>::detect().filter(|_| may_use(Unit::Avx512)) {
            return avx512.run(task);
        }
        if let Some(avx2) = Avx2::<false>::detect().filter(|_| may_use(Unit::Avx2)) {
            return avx2.run(task);
        }
        #[cfg(test)]
        if !may_use(Unit::Sse2) {
            return Swar.run(task);
        }
        Sse2.run(task)
    }
    #[cfg(not(target_arch = "x86_64"))]
    Swar.run(task)
}

/// The vector units, from the narrowest to the widest.
#[cfg(any(test, target_arch = "x86_64"))]
#[derive(Clone, Copy, PartialEq, PartialOrd)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "units of another processor"))]
enum Unit {
    #[cfg(test)]
    Swar,
    #[cfg(test)]
    Sse2,
    Avx2,
    Avx512,
}

/// Tests leave out the widest units.
#[cfg(all(target_arch = "x86_64", not(test)))]
fn may_use(_: Unit) -> bool {
    true
}

#[cfg(test)]
use for_tests::may_use;
#[cfg(test)]
pub(in crate::event::fast) use for_tests::on_each_unit;

#[cfg(test)]
mod for_tests {
    use super::Unit;
    use std::cell::Cell;

    thread_local! {
        static WIDEST: Cell<Unit> = const { Cell::new(Unit::Avx512) };
    }

    pub(super) fn may_use(unit: Unit) -> bool {
        unit <= WIDEST.get()
    }

    /// Runs `test` once for each unit that this processor has. [`run_simd`](super::run_simd) uses that unit meanwhile.
    pub(in crate::event::fast) fn on_each_unit(mut test: impl FnMut()) {
        for widest in [Unit::Swar, Unit::Sse2, Unit::Avx2, Unit::Avx512] {
            WIDEST.set(widest);
            test();
        }
    }
}
