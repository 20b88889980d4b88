//! A value that other threads read through its published address.

/// A value that is written while it is owned, and only read after its address is published.
///
/// Here the type is only a wrapper. A model checker compares each access with the writes that happen before it, and so
/// detects a publication with too weak an ordering. A plain field would have the right bytes in every interleaving.
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
