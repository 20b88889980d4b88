//! The events: most of them good, and some of every kind that a server has to refuse.

use crate::demo::people::user_id;
use crate::limits;
use crate::load::UserSampler;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use weir::EngineConfig;
use weir::format_ms;

/// How likely the users of low numbers are: by Zipf's law with this exponent.
const ZIPF_EXPONENT: f64 = 1.05;

/// Of each million events: sent before, too late, not valid, of somebody who is not in the table. The rest is as it should be.
const DUPLICATES: u32 = 30_000;
const LATE: u32 = 8_000;
const INVALID: u32 = 4_000;
const STRANGERS: u32 = 60_000;

/// How many strangers there are.
const STRANGERS_COUNT: u32 = 500;

/// How old good events are, in milliseconds, if the server's skew allows it.
const AGE_MS_MAX: i64 = 1_500;

/// Events of late that a duplicate repeats.
const REPEATABLE: usize = 256;

/// A source of events.
pub(super) struct Traffic {
    types: Vec<String>,
    batch_events: usize,
    skew_ms: i64,
    rate: u32,
    users: UserSampler,
    rng: SmallRng,
    /// Tells the ids of this run from those of another.
    run: u64,
    next_id: u64,
    recent: Vec<String>,
}

/// What an event is there for.
enum Kind {
    Good,
    Stranger,
    Duplicate,
    Late,
    Invalid,
}

impl Traffic {
    /// Events for an engine with these settings, of so many users, and so many a second.
    pub(super) fn new(engine: &EngineConfig, rate: u32, users: u32, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let users = UserSampler::new(users, Some(ZIPF_EXPONENT), seed).with_random_start(&mut rng);
        Self {
            types: engine.event_types.clone(),
            batch_events: limits::DEMO_BATCH_EVENTS.min(engine.max_batch_events),
            skew_ms: i64::from(engine.max_skew_secs) * 1_000,
            rate,
            users,
            rng,
            run: seed,
            next_id: 0,
            recent: vec![],
        }
    }

    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    pub(super) fn seed(&self) -> u64 {
        self.run
    }

    /// The bodies of requests with so many events, sent at a time.
    pub(super) fn bodies(&mut self, events: usize, now_ms: i64) -> Vec<String> {
        let lines: Vec<_> = (0..events).map(|_| self.event(now_ms)).collect();
        lines.chunks(self.batch_events).map(|lines| lines.join("\n")).collect()
    }

    fn event(&mut self, now_ms: i64) -> String {
        let ts_ms = now_ms - self.rng.random_range(0..=AGE_MS_MAX.min(self.skew_ms / 2));
        match self.kind() {
            Kind::Good => {
                let user = self.users.draw(&mut self.rng);
                let event = self.written(&user_id(user), ts_ms);
                self.remember(&event);
                event
            }
            Kind::Stranger => {
                let stranger = format!("guest-{:03}", self.rng.random_range(0..STRANGERS_COUNT));
                self.written(&stranger, ts_ms)
            }
            Kind::Duplicate if !self.recent.is_empty() => {
                self.recent[self.rng.random_range(0..self.recent.len())].clone()
            }
            Kind::Duplicate | Kind::Late => {
                let user = self.users.draw(&mut self.rng);
                let past_ms = now_ms - self.skew_ms - self.rng.random_range(1_000..60_000);
                self.written(&user_id(user), past_ms)
            }
            Kind::Invalid => self.invalid(ts_ms),
        }
    }

    fn kind(&mut self) -> Kind {
        let mut drawn: u32 = self.rng.random_range(0..1_000_000);
        for (share, kind) in
            [(DUPLICATES, Kind::Duplicate), (LATE, Kind::Late), (INVALID, Kind::Invalid), (STRANGERS, Kind::Stranger)]
        {
            match drawn.checked_sub(share) {
                Some(left) => drawn = left,
                None => return kind,
            }
        }
        Kind::Good
    }

    fn written(&mut self, user_id: &str, ts_ms: i64) -> String {
        let (event_id, event_type) = (self.id(), self.event_type());
        json!({"event_id": event_id, "user_id": user_id, "type": event_type, "ts": format_ms(ts_ms)}).to_string()
    }

    /// One of the faults that clients have.
    fn invalid(&mut self, ts_ms: i64) -> String {
        let (id, ts, user) = (self.id(), format_ms(ts_ms), user_id(0));
        let event_type = self.event_type().to_owned();
        match self.rng.random_range(0..4) {
            0 => json!({"event_id": id, "user_id": user, "type": "unheard of", "ts": ts}).to_string(),
            1 => json!({"event_id": id, "type": event_type, "ts": ts}).to_string(),
            2 => json!({"event_id": id, "user_id": user, "type": event_type, "ts": "yesterday"}).to_string(),
            _ => format!("{{\"event_id\":\"{id}\","),
        }
    }

    fn id(&mut self) -> String {
        self.next_id += 1;
        format!("demo-{:016x}-{}", self.run, self.next_id)
    }

    /// The first type is twice as likely as the second, three times as likely as the third, and so on.
    fn event_type(&mut self) -> &str {
        let mut weights = (1..=self.types.len()).map(|rank| 1.0 / rank as f64);
        let mut drawn = self.rng.random_range(0.0..weights.clone().sum::<f64>());
        let index = weights.position(|weight| {
            drawn -= weight;
            drawn < 0.0
        });
        &self.types[index.unwrap_or_default()]
    }

    fn remember(&mut self, event: &str) {
        if self.recent.len() < REPEATABLE {
            self.recent.push(event.to_owned());
        } else {
            self.recent[self.next_id as usize % REPEATABLE] = event.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir::Engine;
    use weir::Format;
    use weir::ManualClock;

    #[test]
    fn an_engine_takes_most_of_it_and_finds_every_kind_of_fault() {
        let mut engine = EngineConfig::default();
        (engine.event_types, engine.max_batch_events) = (vec!["sip".into(), "gulp".into()], 20);
        let now_ms = 1_759_924_800_000;
        let mut traffic = Traffic::new(&engine, 1_000, 100, 7);
        let engine = Engine::new(engine, ManualClock::new(now_ms)).unwrap();
        let (mut events, mut codes) = (0, std::collections::BTreeMap::<&str, usize>::new());
        for body in traffic.bodies(20_000, now_ms) {
            let mut batch = engine.decode(body.into_bytes(), Format::Ndjson).unwrap();
            engine.ingest(&mut batch, now_ms).unwrap();
            events += batch.len();
            for index in 0..batch.len() {
                *codes.entry(batch.verdict(index).code().unwrap_or("success")).or_default() += 1;
            }
        }
        assert_eq!(events, 20_000);
        assert!(codes["success"] > 18_500, "{codes:?}");
        for code in ["duplicate_event", "too_late", "invalid_event", "invalid_timestamp", "malformed_json"] {
            assert!(codes.contains_key(code), "{code}: {codes:?}");
        }
        let metrics = engine.metrics(60);
        assert!(metrics.stats.unique_users > 100, "all users, and strangers: {}", metrics.stats.unique_users);
    }

    #[test]
    fn a_skew_of_a_second_still_takes_the_good_events() {
        let mut engine = EngineConfig::default();
        let now_ms = 0;
        engine.max_skew_secs = 1;
        let mut traffic = Traffic::new(&engine, 1_000, 100, 7);
        let engine = Engine::new(engine, ManualClock::new(now_ms)).unwrap();
        let body = traffic.bodies(50, now_ms).concat();
        let mut batch = engine.decode(body.into_bytes(), Format::Ndjson).unwrap();
        assert!(engine.ingest(&mut batch, now_ms).unwrap().accepted > 30);
    }
}
