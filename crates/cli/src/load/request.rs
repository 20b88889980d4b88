//! A request that is built once and refilled in place. Ids, users and timestamps have fixed widths, so a refill costs a
//! few stores per event and no formatting.

use crate::load::options::Workload;
use crate::load::target::Target;
use crate::load::user_sampler::UserSampler;
use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _};
use std::ops::Range;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use weir::{Format, format_ms};
use weir_api::{IngestCounts, headers};

/// How far the timestamps of late events are in the past, in milliseconds: more than the skew of any server.
const LATE_MS: i64 = 2 * *weir::limits::SKEW_SECS.end() as i64 * 1_000;

const TS_BYTES: usize = "YYYY-MM-DDTHH:MM:SS.mmmZ".len();

/// The bytes of `POST /events`, and the positions of the parts that change.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
    events: Vec<EventOffsets>,
    mix: EventMix,
    users: UserSampler,
    rng: SmallRng,
    /// The new ids of this request.
    new_ids: Range<u64>,
    /// The new ids of the last request that the server accepted. Duplicates repeat them.
    accepted_ids: Range<u64>,
}

/// The positions of the parts of an event that change.
#[derive(Clone, Copy, Debug)]
struct EventOffsets {
    id_at: usize,
    user_at: usize,
    ts_at: usize,
}

impl Request {
    /// The request of one connection. All ids of a run start with its `nonce`.
    pub(super) fn new(
        target: &Target,
        workload: &Workload,
        batch_events: usize,
        nonce: u64,
        users: UserSampler,
        mut rng: SmallRng,
    ) -> Self {
        let (body, mut events) = body(workload.format, batch_events, nonce, &mut rng);
        let mut bytes = head(target, workload, body.len());
        for event in &mut events {
            event.id_at += bytes.len();
            event.user_at += bytes.len();
            event.ts_at += bytes.len();
        }
        bytes.extend_from_slice(&body);
        let users = users.with_random_start(&mut rng);
        Self { bytes, events, mix: EventMix::of(workload), users, rng, new_ids: 0..0, accepted_ids: 0..0 }
    }

    /// The bytes to send.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Fills every event with an id, a user and a timestamp, and returns the expected counts. The ids start at
    /// `first_id`, and there is one for each event. The timestamps are `now_ms`, except for late events.
    ///
    /// A duplicate repeats an id of the last request that was [accepted](Self::mark_accepted), or else an earlier id of
    /// this request. If there is no such id yet, the event is new.
    pub(super) fn refill(&mut self, first_id: u64, now_ms: i64) -> IngestCounts {
        let (now, past) = (timestamp(now_ms), timestamp(now_ms - LATE_MS));
        let last_id = first_id + self.events.len() as u64 - 1;
        let mut expected = IngestCounts::default();
        for event in &self.events {
            let new_ids = first_id..first_id + expected.accepted;
            let repeatable = if self.accepted_ids.is_empty() { &new_ids } else { &self.accepted_ids };
            let (id, ts) = match self.mix.draw(&mut self.rng) {
                EventKind::Late => {
                    expected.rejected += 1;
                    // Late events take their ids from the other end of the range, so no id is used twice.
                    (last_id + 1 - expected.rejected, &past)
                }
                EventKind::Duplicate if !repeatable.is_empty() => {
                    expected.duplicates += 1;
                    (self.rng.random_range(repeatable.clone()), &now)
                }
                EventKind::New | EventKind::Duplicate => {
                    expected.accepted += 1;
                    (new_ids.end, &now)
                }
            };
            let [high, low] = [hex((id >> 32) as u32), hex(id as u32)];
            self.bytes[event.id_at..][..8].copy_from_slice(&high);
            self.bytes[event.id_at + 8..][..8].copy_from_slice(&low);
            self.bytes[event.user_at..][..8].copy_from_slice(&hex(self.users.draw(&mut self.rng)));
            self.bytes[event.ts_at..][..TS_BYTES].copy_from_slice(ts);
        }
        self.new_ids = first_id..first_id + expected.accepted;
        expected
    }

    /// Marks the current new ids as accepted by the server. Later requests can repeat them.
    pub(super) fn mark_accepted(&mut self) {
        if !self.new_ids.is_empty() {
            self.accepted_ids = self.new_ids.clone();
        }
    }
}

fn head(target: &Target, workload: &Workload, body_bytes: usize) -> Vec<u8> {
    let (authority, path) = (target.url().authority(), target.path());
    let media_type = match workload.format {
        Format::Ndjson => headers::NDJSON,
        _ => headers::JSON,
    };
    let prefer = match workload.minimal {
        true => format!("{}: {}\r\n", headers::PREFER, headers::RETURN_MINIMAL),
        false => String::new(),
    };
    let authorization = target.authorization();
    let head = format!(
        "POST {path} HTTP/1.1\r\n{HOST}: {authority}\r\n{CONTENT_TYPE}: {media_type}\r\n\
         {CONTENT_LENGTH}: {body_bytes}\r\n{prefer}{authorization}\r\n"
    );
    head.into_bytes()
}

/// A body with placeholders, and their positions. The types of the events are the default types of a server, and do not
/// change between requests.
fn body(format: Format, batch_events: usize, nonce: u64, rng: &mut SmallRng) -> (Vec<u8>, Vec<EventOffsets>) {
    let (open, between, close) = match format {
        Format::Ndjson => ("", "\n", "\n"),
        _ => ("[", ",", "]"),
    };
    let types = weir::EngineConfig::default().event_types;
    let mut body = open.to_owned();
    let mut events = Vec::with_capacity(batch_events);
    for index in 0..batch_events {
        if index > 0 {
            body.push_str(between);
        }
        body.push_str(&format!("{{\"event_id\":\"{nonce:016x}"));
        let id_at = body.len();
        body.push_str("0000000000000000\",\"user_id\":\"u");
        let user_at = body.len();
        body.push_str(&format!("00000000\",\"type\":\"{}\",\"ts\":\"", types[rng.random_range(0..types.len())]));
        let ts_at = body.len();
        body.push_str("0000-00-00T00:00:00.000Z\"}");
        events.push(EventOffsets { id_at, user_at, ts_at });
    }
    body.push_str(close);
    (body.into_bytes(), events)
}

fn timestamp(ms: i64) -> [u8; TS_BYTES] {
    format_ms(ms).as_bytes().try_into().expect("all timestamps have the same width")
}

/// Eight hexadecimal digits, most significant first. All digits are computed at once in one word.
#[inline]
fn hex(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Each step moves one half of each group up, until each nibble has a byte of its own.
    let spread = u64::from(number);
    let spread = (spread << 16 | spread) & 0x0000_ffff_0000_ffff;
    let spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread << 4 | spread) & 0x0f0f_0f0f_0f0f_0f0f;
    // If six is added, nibbles of ten or more carry into bit 4.
    let is_letter = (spread + 6 * ONES) >> 4 & ONES;
    let to_letter = u64::from(b'a' - b'0' - 10);
    (spread + u64::from(b'0') * ONES + is_letter * to_letter).to_be_bytes()
}

/// The kinds of events.
enum EventKind {
    New,
    Duplicate,
    Late,
}

/// The probability of each kind, as parts of 2^32.
#[derive(Clone, Copy, Debug)]
struct EventMix {
    late_below: u64,
    duplicate_below: u64,
}

impl EventMix {
    fn of(workload: &Workload) -> Self {
        let below = |share: f64| (share * 2f64.powi(32)) as u64;
        Self { late_below: below(workload.late), duplicate_below: below(workload.late + workload.duplicates) }
    }

    #[inline]
    fn draw(self, rng: &mut SmallRng) -> EventKind {
        match u64::from(rng.next_u32()) {
            drawn if drawn < self.late_below => EventKind::Late,
            drawn if drawn < self.duplicate_below => EventKind::Duplicate,
            _ => EventKind::New,
        }
    }
}

#[cfg(test)]
mod tests;
