//! Ids as keyed hashes.
//!
//! The write path never keeps the bytes of an id: an event id becomes a 128-bit key, a user id a 120-bit key. The hash
//! is a pseudo-random function with a secret that is drawn at start: SipHash-1-3 with 128 bits of output (Aumasson and
//! Bernstein, "SipHash: a fast short-input PRF", 2012). So a client cannot search for two ids that collide. By the
//! birthday bound, the probability of any collision among a billion event ids is about 10^-21. The dedup lines compare
//! fewer bits.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::Hasher;

/// The hash of an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKey(pub(crate) [u64; 2]);

/// The hash of a user id, 120 bits. The low byte is zero; in a window record it holds the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserKey(u128);

impl UserKey {
    /// A key that no user is likely to have.
    pub(crate) const ZERO: Self = Self(0);

    /// The key of a user id with this hash, low half first.
    #[inline]
    #[must_use]
    pub(crate) fn of_hash([low, high]: [u64; 2]) -> Self {
        Self((u128::from(high) << 64 | u128::from(low)) & !0xff)
    }

    /// The key in 16 bytes, little-endian.
    #[must_use]
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The key in these bytes.
    #[must_use]
    pub(crate) fn of_bytes(bytes: [u8; 16]) -> Self {
        Self::of_record(u128::from_le_bytes(bytes))
    }

    /// The user key of a window record.
    #[inline]
    #[must_use]
    pub fn of_record(record: u128) -> Self {
        Self(record & !0xff)
    }

    /// The window record of an event of this user and this kind.
    #[inline]
    #[must_use]
    pub fn record(self, kind: u8) -> u128 {
        self.0 | u128::from(kind)
    }

    /// The partition of the user, of a number of partitions that is a power of two up to 256. The bits are not part of
    /// [`hash64`](Self::hash64).
    #[inline]
    #[must_use]
    pub(crate) fn partition_of_record(record: u128, partitions: usize) -> usize {
        (record >> 8) as usize & (partitions - 1)
    }

    /// The upper half, all of whose bits are bits of the hash.
    #[inline]
    #[must_use]
    pub fn hash64(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// The kind of a window record.
#[inline]
#[must_use]
pub(crate) fn kind_of_record(record: u128) -> u8 {
    record as u8
}

/// The secret key of one hash function.
#[derive(Clone, Copy)]
pub(crate) struct SipKey(pub(crate) [u64; 2]);

/// The secret from which the hash functions of ids are made. It is kept with a log: without it, the ids in the log are
/// of no use.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A secret of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A secret that no other process has.
    ///
    /// # Panics
    /// If the operating system provides no random numbers.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system provides random bytes");
        Self(bytes)
    }

    /// The bytes, to be kept in a place that only the operator can read.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    /// The bytes stay out of every log and panic message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secret hash functions of this process: one for event ids, another for user ids.
#[derive(Clone, Debug)]
pub struct HashKeys {
    event: SipHasher13,
    user: SipHasher13,
}

impl HashKeys {
    /// Hash functions with random secrets.
    ///
    /// # Panics
    /// If the operating system provides no random numbers.
    #[must_use]
    pub fn random() -> Self {
        Self::new(&Secret::random())
    }

    /// Hash functions with a given secret.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self::from_seed(&secret.0)
    }

    /// Hash functions with the secrets of a given seed, for tests and replays.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (event, user) = seed.split_at(16);
        let keyed = |half: &[u8]| SipHasher13::new_with_key(half.try_into().expect("half of 32 bytes"));
        Self { event: keyed(event), user: keyed(user) }
    }

    /// The key of an event id.
    #[inline]
    #[must_use]
    pub fn event(&self, id: &str) -> EventKey {
        self.event_of_bytes(id.as_bytes())
    }

    /// [`event`](Self::event) for the bytes of an id.
    #[inline]
    pub(crate) fn event_of_bytes(&self, id: &[u8]) -> EventKey {
        let mut hasher = self.event;
        hasher.write(id);
        let hash = hasher.finish128();
        EventKey([hash.h1, hash.h2])
    }

    /// The secret of [`event`](Self::event), for the SIMD implementation of SipHash-1-3-128.
    pub(crate) fn event_key(&self) -> SipKey {
        SipKey(self.event.keys().into())
    }

    /// The secret of [`user`](Self::user), for the same implementation.
    pub(crate) fn user_key(&self) -> SipKey {
        SipKey(self.user.keys().into())
    }

    /// The key of a user id.
    #[inline]
    #[must_use]
    pub fn user(&self, id: &str) -> UserKey {
        self.user_of_bytes(id.as_bytes())
    }

    /// [`user`](Self::user) for the bytes of an id.
    #[inline]
    pub(crate) fn user_of_bytes(&self, id: &[u8]) -> UserKey {
        let mut hasher = self.user;
        hasher.write(id);
        let hash = hasher.finish128();
        UserKey::of_hash([hash.h1, hash.h2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_the_user_and_the_kind() {
        let keys = HashKeys::random();
        let user = keys.user("u-1");
        let record = user.record(7);
        assert_eq!((UserKey::of_record(record), kind_of_record(record)), (user, 7));
    }

    #[test]
    fn the_hash_depends_on_the_seed_and_on_the_role_of_the_id() {
        let (a, b) = (HashKeys::from_seed(&[1; 32]), HashKeys::from_seed(&[2; 32]));
        assert_eq!(a.event("x"), HashKeys::from_seed(&[1; 32]).event("x"));
        assert_ne!(a.event("x"), b.event("x"));
        assert_ne!(a.event("x"), a.event("y"));
        assert_ne!(a.user("x"), b.user("x"));
        let mut seed = [1; 32];
        seed[31] = 9;
        assert_eq!(
            a.event("x"),
            HashKeys::from_seed(&seed).event("x"),
            "event ids depend on the first half of the seed only"
        );
        assert_ne!(a.user("x"), HashKeys::from_seed(&seed).user("x"));
    }
}
