//! A value on cache lines of its own.

use std::ops::Deref;

/// A value that shares no cache line with any other value, so that writes to it do not slow down readers of others. It
/// has 128 bytes and more, because many processors fetch lines in pairs.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
