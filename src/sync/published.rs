//! Values that are published by their address.

/// A value that is written while it is owned and only read once its address is published.
///
/// Transparent here. Under a model checker each access is held against the writes that happen before it, which makes a
/// publication that is too weak visible; a plain field would read the right bytes in every interleaving.
pub(crate) struct Published<T>(T);

impl<T> Published<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// Reads after publication.
    #[inline(always)]
    pub(crate) fn get(&self) -> &T {
        &self.0
    }

    /// Writes before publication.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
