//! A value that other threads read through its published address, checked by loom.

use loom::cell::UnsafeCell;

/// A value that is written while it is owned, and only read after its address is published. loom compares each read
/// with the writes that happen before it.
pub(crate) struct Published<T>(UnsafeCell<T>);

impl<T> Published<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[expect(unsafe_code, reason = "loom's cell hands out raw pointers")]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: no thread writes after the publication, so the reference may live longer than loom's check of the
        // access.
        self.0.with(|value| unsafe { &*value })
    }

    #[expect(unsafe_code, reason = "loom's cell hands out raw pointers")]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`.
        self.0.with_mut(|value| unsafe { &mut *value })
    }
}
