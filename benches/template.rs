//! Bodies of new events at little cost: the same body again and again, with other digits.
//!
//! All lines are equally long, so the digits of each line are at the same places.

use std::ops::Range;
use weir::{EngineConfig, format_ms};

/// Events in each body.
pub(crate) const BATCH: u64 = 1_000;

/// Types with names of one length.
const EVENT_TYPES: [&str; 3] = ["click", "views", "other"];

/// A body of [`BATCH`] lines of NDJSON.
pub(crate) struct Template {
    body: Vec<u8>,
    line_bytes: usize,
    event_digits: Range<usize>,
    user_digits: Range<usize>,
}

impl Template {
    /// A body of events at `ts_ms`, all with these two ids. Each id ends with zeros, which are replaced later.
    pub(crate) fn new(event_id: &str, user_id: &str, ts_ms: i64) -> Self {
        let ts = format_ms(ts_ms);
        let line = |event: u64| {
            let kind = EVENT_TYPES[(event % 3) as usize];
            format!("{{\"event_id\":\"{event_id}\",\"user_id\":\"{user_id}\",\"type\":\"{kind}\",\"ts\":\"{ts}\"}}\n")
        };
        let first = line(0);
        let digits = |id: &str, before: &str| {
            let end = first.find(before).expect("each line has the member") + before.len() + id.len();
            end - (id.len() - id.trim_end_matches('0').len())..end
        };
        Self {
            line_bytes: first.len(),
            event_digits: digits(event_id, "\"event_id\":\""),
            user_digits: digits(user_id, "\"user_id\":\""),
            body: (0..BATCH).map(line).collect::<String>().into_bytes(),
        }
    }

    /// Gives the events ids from `first` on.
    pub(crate) fn set_ids(&mut self, first: u64) {
        self.set(self.event_digits.clone(), |line| first + line);
    }

    /// Gives each line the user that belongs to its number.
    pub(crate) fn set_users(&mut self, user_of_line: impl Fn(u64) -> u64) {
        self.set(self.user_digits.clone(), user_of_line);
    }

    /// A copy of the body.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.body.clone()
    }

    fn set(&mut self, digits: Range<usize>, number_of_line: impl Fn(u64) -> u64) {
        for (line, number) in self.body.chunks_exact_mut(self.line_bytes).zip(0..) {
            put_hex(&mut line[digits.clone()], number_of_line(number));
        }
    }
}

/// The default settings, except for the types.
pub(crate) fn config() -> EngineConfig {
    let mut config = EngineConfig::default();
    config.event_types = EVENT_TYPES.map(str::to_owned).into();
    config
}

fn put_hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}
