//! Values that are published by their address, checked by loom.

use loom::cell::UnsafeCell;

/// A value that is written while it is owned and only read once its address is published: each read is held against the
/// writes that happen before it.
pub(crate) struct Published<T>(UnsafeCell<T>);

impl<T> Published<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[expect(unsafe_code, reason = "loom's cell hands out raw pointers")]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: nobody writes after publication, so the reference may outlive loom's check of the access.
        self.0.with(|value| unsafe { &*value })
    }

    #[expect(unsafe_code, reason = "loom's cell hands out raw pointers")]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`.
        self.0.with_mut(|value| unsafe { &mut *value })
    }
}
