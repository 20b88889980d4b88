//! A request that is built once and made new in place: ids, users and timestamps have fixed widths, so that sending it again
//! costs a few stores an event and no formatting.

use crate::load::options::Workload;
use crate::load::target::Target;
use crate::load::users::Users;
use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _};
use std::ops::Range;
use weir::{Format, format_ms};
use weir_api::IngestCounts;

/// How far behind the time late events are stamped, in milliseconds: more than any server's skew.
const LATE_MS: i64 = 2 * *weir::limits::SKEW_SECS.end() as i64 * 1_000;

const TS_BYTES: usize = "YYYY-MM-DDTHH:MM:SS.mmmZ".len();

/// The bytes of `POST /events` and what is known about them.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    mix: Mix,
    users: Users,
    rng: SmallRng,
    /// Ids that the server has to accept if it takes the request as it is.
    fresh: Range<u64>,
    /// Ids that the server has accepted.
    accepted: Range<u64>,
}

/// Where an event's parts stand that change.
#[derive(Clone, Copy, Debug)]
struct Slot {
    id_at: usize,
    user_at: usize,
    ts_at: usize,
}

impl Request {
    /// The request of one connection, with ids of the run `nonce`.
    pub(super) fn new(
        target: &Target,
        workload: &Workload,
        batch_events: usize,
        nonce: u64,
        users: Users,
        mut rng: SmallRng,
    ) -> Self {
        let (body, mut slots) = body(workload.format, batch_events, nonce, &mut rng);
        let mut bytes = head(target, workload, body.len());
        for slot in &mut slots {
            slot.id_at += bytes.len();
            slot.user_at += bytes.len();
            slot.ts_at += bytes.len();
        }
        bytes.extend_from_slice(&body);
        let users = users.starting_anywhere(&mut rng);
        Self { bytes, slots, mix: Mix::of(workload), users, rng, fresh: 0..0, accepted: 0..0 }
    }

    /// The request, ready to send.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes every event new at the time `now_ms`, with as many ids as there are events from `first_id` on, and returns the
    /// verdicts that they must get.
    ///
    /// A duplicate repeats an id of the last request that was [accepted](Self::accepted), or else an earlier one of this
    /// request; where there is none yet, the event is a new one after all.
    pub(super) fn renew(&mut self, first_id: u64, now_ms: i64) -> IngestCounts {
        let (now, past) = (timestamp(now_ms), timestamp(now_ms - LATE_MS));
        let last_id = first_id + self.slots.len() as u64 - 1;
        let mut expected = IngestCounts::default();
        for slot in &self.slots {
            let fresh = first_id..first_id + expected.accepted;
            let repeatable = if self.accepted.is_empty() { &fresh } else { &self.accepted };
            let (id, ts) = match self.mix.draw(&mut self.rng) {
                Role::Late => {
                    expected.rejected += 1;
                    // From the other end, so that no id is used twice.
                    (last_id + 1 - expected.rejected, &past)
                }
                Role::Duplicate if !repeatable.is_empty() => {
                    expected.duplicates += 1;
                    (self.rng.random_range(repeatable.clone()), &now)
                }
                Role::New | Role::Duplicate => {
                    expected.accepted += 1;
                    (fresh.end, &now)
                }
            };
            let [high, low] = [hex((id >> 32) as u32), hex(id as u32)];
            self.bytes[slot.id_at..][..8].copy_from_slice(&high);
            self.bytes[slot.id_at + 8..][..8].copy_from_slice(&low);
            self.bytes[slot.user_at..][..8].copy_from_slice(&hex(self.users.draw(&mut self.rng)));
            self.bytes[slot.ts_at..][..TS_BYTES].copy_from_slice(ts);
        }
        self.fresh = first_id..first_id + expected.accepted;
        expected
    }

    /// The server has taken the request as it is now: its new ids can be repeated.
    pub(super) fn accepted(&mut self) {
        if !self.fresh.is_empty() {
            self.accepted = self.fresh.clone();
        }
    }
}

fn head(target: &Target, workload: &Workload, body_bytes: usize) -> Vec<u8> {
    let Target { authority, path, .. } = target;
    let media_type = match workload.format {
        Format::Json => "application/json",
        Format::Ndjson => "application/x-ndjson",
    };
    let prefer = if workload.minimal { "prefer: return=minimal\r\n" } else { "" };
    let authorization = target.authorization();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: {media_type}\r\n\
         content-length: {body_bytes}\r\n{prefer}{authorization}\r\n"
    );
    head.into_bytes()
}

/// A body with gaps, and where they are. The types are those that a server has by default, and stay as they are.
fn body(format: Format, batch_events: usize, nonce: u64, rng: &mut SmallRng) -> (Vec<u8>, Vec<Slot>) {
    let (open, between, close) = match format {
        Format::Json => ("[", ",", "]"),
        Format::Ndjson => ("", "\n", "\n"),
    };
    let types = weir::EngineConfig::default().event_types;
    let mut body = open.to_owned();
    let mut slots = Vec::with_capacity(batch_events);
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
        slots.push(Slot { id_at, user_at, ts_at });
    }
    body.push_str(close);
    (body.into_bytes(), slots)
}

fn timestamp(ms: i64) -> [u8; TS_BYTES] {
    format_ms(ms).as_bytes().try_into().expect("a timestamp has one width")
}

/// Eight hexadecimal digits, most significant first, all at once in one word.
#[inline]
fn hex(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // A half of what is left moves up each time, until each nibble has a byte.
    let spread = u64::from(number);
    let spread = (spread << 16 | spread) & 0x0000_ffff_0000_ffff;
    let spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread << 4 | spread) & 0x0f0f_0f0f_0f0f_0f0f;
    // Ten and more carry into bit 4 when six is added.
    let is_letter = (spread + 6 * ONES) >> 4 & ONES;
    let to_letter = u64::from(b'a' - b'0' - 10);
    (spread + u64::from(b'0') * ONES + is_letter * to_letter).to_be_bytes()
}

/// What an event is there for.
enum Role {
    New,
    Duplicate,
    Late,
}

/// How likely each role is, in shares of 2^32.
#[derive(Clone, Copy, Debug)]
struct Mix {
    late_below: u64,
    duplicate_below: u64,
}

impl Mix {
    fn of(workload: &Workload) -> Self {
        let below = |share: f64| (share * 2f64.powi(32)) as u64;
        Self { late_below: below(workload.late), duplicate_below: below(workload.late + workload.duplicates) }
    }

    #[inline]
    fn draw(self, rng: &mut SmallRng) -> Role {
        match u64::from(rng.next_u32()) {
            drawn if drawn < self.late_below => Role::Late,
            drawn if drawn < self.duplicate_below => Role::Duplicate,
            _ => Role::New,
        }
    }
}

#[cfg(test)]
mod tests;
