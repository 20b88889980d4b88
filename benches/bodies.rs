//! Bodies of one batch, in the shapes that producers send.

use std::fmt::Write;
use weir::{Format, format_ms};

pub(crate) const START_MS: i64 = 1_760_000_000_000;

/// Events in each body.
pub(crate) const BATCH: u64 = 1_000;

/// Returns a body with one batch of events of about 120 bytes: ids from `first`, `users` users, and `now_ms` as
/// timestamp.
pub(crate) fn body(format: Format, first: u64, users: u64, now_ms: i64) -> Vec<u8> {
    let (open, separator, close) = match format {
        Format::Ndjson => ("", "\n", ""),
        _ => ("[", ",", "]"),
    };
    let ts = format_ms(now_ms);
    let mut body = String::from(open);
    for id in first..first + BATCH {
        let user = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let kind = ["click", "view", "purchase"][(id % 3) as usize];
        let separator = if id == first { "" } else { separator };
        let _ = write!(
            body,
            r#"{separator}{{"event_id":"evt-{id:024}","user_id":"user-{:08}","type":"{kind}","ts":"{ts}"}}"#,
            user % users
        );
    }
    body.push_str(close);
    body.into()
}

/// The first members of events of four kinds.
const KINDS_OF_EVENTS: [&str; 4] =
    ["{", r#"{"page":{"url":"/a"},"#, r#"{"amount":12.5,"currency":"EUR","#, r#"{"x":1,"y":[2,3],"#];

/// The usual shape and others: the same events in another layout, or with other members.
pub(crate) fn shapes(format: Format) -> [(&'static str, Vec<u8>); 9] {
    let usual = body(format, 0, 100_000, START_MS);
    [
        ("spaced", rewritten(&usual, |_, event| event.replace("\":\"", "\": \"").replace(",\"", ", \""))),
        ("shuffled", shuffled(&usual)),
        ("other members", rewritten(&usual, |n, event| event.replace('{', &format!(r#"{{"n":{n},"o":{{"a":[]}},"#)))),
        ("four kinds in turns", rewritten(&usual, |n, event| event.replace('{', KINDS_OF_EVENTS[n % 4]))),
        ("escapes", rewritten(&usual, |_, event| event.replace("evt-", "evt\\u002d"))),
        ("whole seconds", rewritten(&usual, |_, event| event.replace(".000Z", "Z"))),
        ("microseconds and offset", rewritten(&usual, |_, event| event.replace(".000Z", ".000123+00:00"))),
        ("seconds apart", rewritten(&usual, |n, event| event.replace(":20.000Z", &format!(":{:02}.000Z", n * 7 % 60)))),
        ("usual", usual),
    ]
}

/// Rewrites the text of each event, to give the same events another layout.
fn rewritten(body: &[u8], rewrite: impl Fn(usize, &str) -> String) -> Vec<u8> {
    let events = str::from_utf8(body).expect("a generated body is UTF-8").split_inclusive('}');
    events.enumerate().map(|(index, event)| rewrite(index, event)).collect::<String>().into()
}

/// Changes the order of the members from event to event.
fn shuffled(body: &[u8]) -> Vec<u8> {
    rewritten(body, |index, event| {
        let Some((before, members)) = event.trim_end_matches('}').split_once('{') else { return event.to_owned() };
        let mut members: Vec<_> = members.split(',').collect();
        members.rotate_left(index * 7 % 4);
        members.swap(0, index * 5 % 3);
        format!("{before}{{{}}}", members.join(","))
    })
}
