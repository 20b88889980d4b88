//! Single stages of the engine, for the benchmarks and the fuzz targets; no part of the public interface.

use crate::dedup::{Claim, Dedup, Elastic, Preallocated};
use crate::event::{Batch, DecodeError, Decoder, Format, Schema};
use crate::key::EventKey;
use crate::window::{Window, WindowConsumer};

pub use crate::key::HashKeys;

/// The decode of a body, with the fast path or without it.
pub struct Decode {
    decoder: Decoder,
    schema: Schema,
    keys: HashKeys,
}

impl Decode {
    /// Bodies of up to `batch_events_max` events of these types.
    #[must_use]
    pub fn new(event_types: &[&str], batch_events_max: usize) -> Self {
        let schema = Schema::new(event_types.iter().copied(), batch_events_max);
        Self { decoder: Decoder::default(), schema, keys: HashKeys::random() }
    }

    /// What the engine does.
    ///
    /// # Errors
    /// [`DecodeError`], when nothing of the body is taken.
    pub fn decode(&mut self, body: Vec<u8>, format: Format) -> Result<Batch, DecodeError> {
        self.decoder.decode(body, format, &self.schema, &self.keys)
    }

    /// The same by the general path alone.
    ///
    /// # Errors
    /// [`DecodeError`], when nothing of the body is taken.
    pub fn decode_generally(&mut self, body: Vec<u8>, format: Format) -> Result<Batch, DecodeError> {
        self.decoder.decode_with(false, body, format, &self.schema, &self.keys)
    }

    /// What the columns hold of an event that is valid in itself: its key, its window record, its time.
    #[must_use]
    pub fn row(batch: &Batch, index: usize) -> (EventKey, u128, i64) {
        (batch.event_keys[index], batch.records[index], batch.ts_ms[index])
    }

    /// The functions that ids are hashed by.
    #[must_use]
    pub fn keys(&self) -> &HashKeys {
        &self.keys
    }
}

/// The claim of a batch's ids.
pub struct Claims {
    dedup: Box<dyn Dedup>,
    claims: Vec<Claim>,
}

impl Claims {
    /// Nothing claimed yet, in a table that grows.
    #[must_use]
    pub fn elastic(horizon_secs: Option<u64>) -> Self {
        Self { dedup: Box::new(Elastic::new(horizon_secs)), claims: Vec::new() }
    }

    /// Nothing claimed yet, in tables for `capacity` ids a horizon.
    ///
    /// # Panics
    /// When there is no memory for them.
    #[must_use]
    pub fn preallocated(horizon_secs: Option<u64>, capacity: usize) -> Self {
        let dedup = Preallocated::new(horizon_secs, capacity).expect("a benchmark has memory");
        Self { dedup: Box::new(dedup), claims: Vec::new() }
    }

    /// Claims the keys and counts the wins.
    pub fn claim(&mut self, keys: &[EventKey], now_ms: i64) -> usize {
        self.claims.clear();
        self.dedup.claim(keys, now_ms, &mut self.claims);
        self.claims.iter().filter(|claim| **claim == Claim::Inserted).count()
    }

    /// Forgets what has expired.
    pub fn sweep(&self, now_ms: i64) {
        self.dedup.sweep(now_ms);
    }
}

/// The append of a batch's records of one second, and the walk over what was appended.
pub struct Appends {
    window: Window,
    consumer: WindowConsumer,
}

impl Appends {
    /// One shard of `slots` seconds, a power of two.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let window = Window::new(1, slots);
        Self { consumer: WindowConsumer::new(&window), window }
    }

    /// Publishes records in a second.
    pub fn append(&self, second: i64, records: Box<[u128]>) {
        self.window.append(0, second, records);
    }

    /// Takes out everything that was published, and returns how many records that were.
    pub fn drain(&mut self) -> u64 {
        self.consumer.drain(&self.window, &(i64::MIN..=i64::MAX), u64::MAX, |_, _| {}).records
    }
}
