//! Memory budgets for request bodies and responses, handed out as permits for bytes.

use crate::http::problem::{Overload, Problem};
use crate::limits;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A memory budget in bytes that requests share. No request waits for it, so it is a plain number. The number orders no
/// other memory, so every access is Relaxed.
#[derive(Debug)]
pub(super) struct BodyMemory {
    free_bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// The bytes of a [`BodyMemory`] that one request holds: for its body, for decoding the body, and for the response.
/// Dropping the permit releases them.
#[derive(Debug)]
pub(super) struct BodyPermit {
    bytes: usize,
    free_bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// Bytes that hold their permit until they are dropped.
#[derive(Debug)]
struct ChargedBytes {
    bytes: Vec<u8>,
    _permit: BodyPermit,
}

impl AsRef<[u8]> for ChargedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl BodyMemory {
    /// A budget of `max_bytes`.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { free_bytes: Arc::new(AtomicUsize::new(max_bytes)), max_bytes }
    }

    /// A permit for zero bytes, which can grow.
    pub(super) fn permit(&self) -> BodyPermit {
        BodyPermit { bytes: 0, free_bytes: Arc::clone(&self.free_bytes), max_bytes: self.max_bytes }
    }

    /// Turns the response to a query into shared bytes, and charges them to the budget. A response of up to
    /// [`limits::RESPONSE_BYTES_FREE`] is not charged, so that it is sent whatever the other requests hold.
    ///
    /// # Errors
    /// The free part of the budget is too small for the response now, or the whole budget is.
    pub(super) fn charge_response(&self, bytes: Vec<u8>) -> Result<Bytes, Problem> {
        if bytes.capacity() <= limits::RESPONSE_BYTES_FREE {
            return Ok(bytes.into());
        }
        if bytes.capacity() > self.max_bytes {
            let max_bytes = self.max_bytes;
            return Err(Problem::InvalidParameter(format!(
                "the response would be larger than {max_bytes} bytes; request less data"
            )));
        }
        let mut permit = self.permit();
        permit.grow(bytes.capacity())?;
        Ok(permit.charge(bytes))
    }

    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> usize {
        self.free_bytes.load(Ordering::Relaxed)
    }
}

impl BodyPermit {
    /// The bytes that the permit holds.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Acquires `bytes` more.
    ///
    /// # Errors
    /// The bytes are not free now, or the request would hold more than the whole budget.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let max_bytes = self.max_bytes;
        if bytes.saturating_add(self.bytes) > max_bytes {
            return Err(Problem::PayloadTooIntricate { max_bytes });
        }
        let taken = self.free_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(bytes));
        taken.map_err(|_| Problem::Overloaded(Overload::BodyMemory))?;
        self.bytes += bytes;
        Ok(())
    }

    /// Releases all but `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let released_bytes = self.bytes.saturating_sub(bytes);
        self.bytes -= released_bytes;
        self.free_bytes.fetch_add(released_bytes, Ordering::Relaxed);
    }

    /// Charges a response to this permit until it is sent. The request has already taken effect, so the response is
    /// sent even if it needs more memory than is free.
    pub(super) fn charge(mut self, bytes: Vec<u8>) -> Bytes {
        match bytes.capacity().checked_sub(self.bytes) {
            None | Some(0) => self.shrink_to(bytes.capacity()),
            Some(more) => _ = self.grow(more),
        }
        Bytes::from_owner(ChargedBytes { bytes, _permit: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_api::ProblemCode;

    #[test]
    fn a_permit_grows_within_the_budget_and_releases_its_bytes() {
        let memory = BodyMemory::new(10);
        let (mut one, mut other) = (memory.permit(), memory.permit());
        one.grow(6).unwrap();
        assert!(matches!(other.grow(6), Err(Problem::Overloaded(Overload::BodyMemory))), "it may fit later");
        assert!(matches!(one.grow(5), Err(Problem::PayloadTooIntricate { max_bytes: 10 })), "it never fits");
        one.shrink_to(4);
        other.grow(6).unwrap();
        assert_eq!((one.bytes(), other.bytes(), memory.free_bytes()), (4, 6, 0));
        drop((one, other));
        assert_eq!(memory.free_bytes(), 10);
    }

    #[test]
    fn a_response_is_charged_at_its_capacity_until_it_is_dropped() {
        let memory = BodyMemory::new(100);
        for (held_bytes, free_bytes) in [(10, 50), (80, 50), (0, 50)] {
            let mut permit = memory.permit();
            permit.grow(held_bytes).unwrap();
            let response = permit.charge(Vec::with_capacity(50));
            assert_eq!(memory.free_bytes(), free_bytes);
            drop(response);
            assert_eq!(memory.free_bytes(), 100);
        }
        let mut rest = memory.permit();
        rest.grow(99).unwrap();
        assert_eq!(
            memory.permit().charge(vec![7; 50]),
            vec![7; 50],
            "the response is sent although the memory is not free"
        );
    }

    #[test]
    fn large_responses_are_charged_and_small_ones_are_not() {
        let memory = BodyMemory::new(1 << 20);
        let rejection = |bytes: usize| memory.charge_response(vec![0; bytes]).err().map(|problem| problem.code());
        assert_eq!(rejection((1 << 20) + 1), Some(ProblemCode::InvalidParameter), "it would never fit");
        let held = memory.charge_response(vec![0; 1 << 20]).unwrap();
        assert_eq!(rejection(limits::RESPONSE_BYTES_FREE + 1), Some(ProblemCode::Overloaded));
        assert_eq!(rejection(limits::RESPONSE_BYTES_FREE), None);
        drop(held);
        assert_eq!(rejection(1 << 20), None);
    }
}
