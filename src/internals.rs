//! Single stages of the engine, for the benchmarks and the fuzz targets. They are not part of the public interface.

use crate::dedup::{Claim, Dedup, Lines, SccMap};
use crate::engine::Engine;
use crate::event::{Batch, DecodeError, Decoder, Format, Schema};
use crate::key::EventKey;
use crate::sync::reclaim;
use crate::window::{Window, WindowConsumer};

pub use crate::key::HashKeys;
use std::sync::Arc;

/// Decoding of a body, with the fast path or without it.
pub struct Decode {
    decoder: Decoder,
    schema: Schema,
    keys: HashKeys,
}

impl Decode {
    /// Decodes bodies of up to `batch_events_max` events with these types.
    #[must_use]
    pub fn new(event_types: &[&str], batch_events_max: usize) -> Self {
        let schema = Schema::new(event_types.iter().copied(), batch_events_max);
        Self { decoder: Decoder::default(), schema, keys: HashKeys::random() }
    }

    /// Decodes as the engine does.
    ///
    /// # Errors
    /// [`DecodeError`], if the body is rejected as a whole.
    pub fn decode(&mut self, body: Vec<u8>, format: Format) -> Result<Batch, DecodeError> {
        self.decoder.decode(body, format, &self.schema, &self.keys)
    }

    /// Decodes by the general path only.
    ///
    /// # Errors
    /// [`DecodeError`], if the body is rejected as a whole.
    pub fn decode_general_path(&mut self, body: Vec<u8>, format: Format) -> Result<Batch, DecodeError> {
        self.decoder.decode_with(false, body, format, &self.schema, &self.keys)
    }

    /// The columns of an event that is valid by itself: its key, its window record, and its time in milliseconds.
    #[must_use]
    pub fn row(batch: &Batch, index: usize) -> (EventKey, u128, i64) {
        (batch.event_keys[index], batch.records[index], batch.ts_ms[index])
    }

    /// The hash functions of the ids.
    #[must_use]
    pub fn keys(&self) -> &HashKeys {
        &self.keys
    }
}

/// Claims of a batch's ids.
pub struct Claims {
    dedup: Arc<dyn Dedup>,
    claims: Vec<Claim>,
}

impl Claims {
    /// No claims yet, in maps of scc.
    #[must_use]
    pub fn scc(horizon_secs: Option<u64>) -> Self {
        Self { dedup: Arc::new(SccMap::new(horizon_secs)), claims: Vec::new() }
    }

    /// No claims yet, in lines that grow and shrink.
    ///
    /// # Panics
    /// If there is no memory for the first table.
    #[must_use]
    pub fn lines(horizon_secs: Option<u64>) -> Self {
        let dedup = Lines::new(horizon_secs).expect("a benchmark has memory");
        Self { dedup: Arc::new(dedup), claims: Vec::new() }
    }

    /// No claims yet, in lines for `capacity` ids in a horizon.
    ///
    /// # Panics
    /// If there is no memory for the table.
    #[must_use]
    pub fn lines_with_capacity(horizon_secs: Option<u64>, capacity: usize) -> Self {
        let dedup = Lines::with_capacity(horizon_secs, capacity).expect("a benchmark has memory");
        Self { dedup: Arc::new(dedup), claims: Vec::new() }
    }

    /// The number of remembered ids, and their memory in bytes.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.dedup.ids(), self.dedup.bytes())
    }

    /// Claims the keys, and returns how many of them were inserted.
    pub fn claim(&mut self, keys: &[EventKey], now_ms: i64) -> usize {
        self.claims.clear();
        self.dedup.claim(keys, now_ms, &mut self.claims);
        self.claims.iter().filter(|claim| **claim == Claim::Inserted).count()
    }

    /// Forgets expired ids.
    pub fn sweep(&self, now_ms: i64) {
        self.dedup.sweep(now_ms, &|_| true);
    }

    /// Sweeps of the same ids, for another thread.
    #[must_use]
    pub fn sweeps(&self) -> Self {
        Self { dedup: Arc::clone(&self.dedup), claims: Vec::new() }
    }
}

/// Restores each partition of the engine from a snapshot of itself. No answer changes.
pub fn restore_partitions(engine: &Engine) {
    engine.restore_timelines();
}

/// Appends of a batch's records of one second, and the drain of the appended records.
pub struct Appends {
    window: Window,
    consumer: WindowConsumer,
}

impl Appends {
    /// A window of `slots` seconds; `slots` is a power of two.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let window = Window::new(slots);
        Self { consumer: WindowConsumer::new(&window), window }
    }

    /// Publishes records of one second.
    pub fn append(&self, second: i64, records: Box<[u128]>) {
        self.window.append(second, records);
    }

    /// Drains all published records, and returns their number.
    pub fn drain(&mut self) -> u64 {
        let records = self.consumer.drain(&self.window, &(i64::MIN..=i64::MAX), u64::MAX, |_, _| {}).records;
        reclaim::flush();
        records
    }
}
