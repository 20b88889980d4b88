//! The events: most are valid, and some are of each kind that a server rejects.

use crate::demo::users::user_id;
use crate::limits;
use crate::load::UserSampler;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use weir::EngineConfig;
use weir::format_ms;
use weir_api::Event;

/// The exponent of the Zipf distribution of users.
const ZIPF_EXPONENT: f64 = 1.05;

/// The numbers of each kind of event in a million events. The other events are valid.
const DUPLICATES: u32 = 30_000;
const LATE: u32 = 8_000;
const INVALID: u32 = 4_000;
const OF_UNKNOWN_USERS: u32 = 60_000;

/// The number of users that are not in the table.
const UNKNOWN_USERS: u32 = 500;

/// The maximum age of valid events, in milliseconds, if the server's skew allows it.
const AGE_MS_MAX: i64 = 1_500;

/// A duplicate repeats one of this many recent events.
const RECENT_EVENTS: usize = 256;

/// A generator of events.
pub(super) struct DemoEvents {
    types: Vec<String>,
    batch_events: usize,
    skew_ms: i64,
    rate: u32,
    users: UserSampler,
    rng: SmallRng,
    /// Part of each id, so that two runs have different ids.
    run: u64,
    next_id: u64,
    recent: Vec<String>,
}

/// The kinds of events.
enum Kind {
    Valid,
    UnknownUser,
    Duplicate,
    Late,
    Invalid,
}

impl DemoEvents {
    /// Events for an engine with these settings: `rate` events per second, of `users` users.
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

    /// The bodies of requests with `events` events that are sent at `now_ms`.
    pub(super) fn bodies(&mut self, events: usize, now_ms: i64) -> Vec<String> {
        let lines: Vec<_> = (0..events).map(|_| self.event(now_ms)).collect();
        lines.chunks(self.batch_events).map(|lines| lines.join("\n")).collect()
    }

    fn event(&mut self, now_ms: i64) -> String {
        let ts_ms = now_ms - self.rng.random_range(0..=AGE_MS_MAX.min(self.skew_ms / 2));
        match self.kind() {
            Kind::Valid => {
                let user = self.users.draw(&mut self.rng);
                let event = json(&self.event_of(user_id(user), ts_ms));
                self.remember(&event);
                event
            }
            Kind::UnknownUser => {
                let user = format!("guest-{:03}", self.rng.random_range(0..UNKNOWN_USERS));
                json(&self.event_of(user, ts_ms))
            }
            Kind::Duplicate if !self.recent.is_empty() => {
                self.recent[self.rng.random_range(0..self.recent.len())].clone()
            }
            Kind::Duplicate | Kind::Late => {
                let user = self.users.draw(&mut self.rng);
                let past_ms = now_ms - self.skew_ms - self.rng.random_range(1_000..60_000);
                json(&self.event_of(user_id(user), past_ms))
            }
            Kind::Invalid => self.invalid(ts_ms),
        }
    }

    fn kind(&mut self) -> Kind {
        let mut drawn: u32 = self.rng.random_range(0..1_000_000);
        for (count, kind) in [
            (DUPLICATES, Kind::Duplicate),
            (LATE, Kind::Late),
            (INVALID, Kind::Invalid),
            (OF_UNKNOWN_USERS, Kind::UnknownUser),
        ] {
            match drawn.checked_sub(count) {
                Some(rest) => drawn = rest,
                None => return kind,
            }
        }
        Kind::Valid
    }

    fn event_of(&mut self, user_id: String, ts_ms: i64) -> Event {
        Event { event_id: self.id(), user_id, r#type: self.event_type().to_owned(), ts: format_ms(ts_ms) }
    }

    /// An event with one of the common errors of clients.
    fn invalid(&mut self, ts_ms: i64) -> String {
        let event = self.event_of(user_id(0), ts_ms);
        match self.rng.random_range(0..4) {
            0 => json(&Event { r#type: "unheard of".to_owned(), ..event }),
            1 => json!({"event_id": event.event_id, "type": event.r#type, "ts": event.ts}).to_string(),
            2 => json(&Event { ts: "yesterday".to_owned(), ..event }),
            _ => format!("{{\"event_id\":\"{}\",", event.event_id),
        }
    }

    fn id(&mut self) -> String {
        self.next_id += 1;
        format!("demo-{:016x}-{}", self.run, self.next_id)
    }

    /// A random type. The first type is twice as likely as the second type, three times as likely as the third, and so
    /// on.
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
        if self.recent.len() < RECENT_EVENTS {
            self.recent.push(event.to_owned());
        } else {
            self.recent[self.next_id as usize % RECENT_EVENTS] = event.to_owned();
        }
    }
}

fn json(event: &Event) -> String {
    serde_json::to_string(event).expect("an event is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir::Engine;
    use weir::Format;
    use weir::ManualClock;

    #[test]
    fn an_engine_accepts_most_events_and_reports_every_kind_of_error() {
        let mut engine = EngineConfig::default();
        (engine.event_types, engine.max_batch_events) = (vec!["sip".into(), "gulp".into()], 20);
        let now_ms = 1_759_924_800_000;
        let mut generator = DemoEvents::new(&engine, 1_000, 100, 7);
        let engine = Engine::new(engine, ManualClock::new(now_ms)).unwrap();
        let (mut events, mut codes) = (0, std::collections::BTreeMap::<&str, usize>::new());
        for body in generator.bodies(20_000, now_ms) {
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
        assert!(metrics.stats.unique_users > 100, "all users, and unknown users: {}", metrics.stats.unique_users);
    }

    #[test]
    fn valid_events_are_within_a_skew_of_one_second() {
        let mut engine = EngineConfig::default();
        let now_ms = 0;
        engine.max_skew_secs = 1;
        let mut generator = DemoEvents::new(&engine, 1_000, 100, 7);
        let engine = Engine::new(engine, ManualClock::new(now_ms)).unwrap();
        let body = generator.bodies(50, now_ms).concat();
        let mut batch = engine.decode(body.into_bytes(), Format::Ndjson).unwrap();
        assert!(engine.ingest(&mut batch, now_ms).unwrap().accepted > 30);
    }
}
