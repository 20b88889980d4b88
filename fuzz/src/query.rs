//! Query strings: the parameters, decoded one character at a time, and the query that they describe. The input is a
//! query string.

use crate::Target;
use crate::timestamp::naive_ms;
use std::collections::{BTreeMap, BTreeSet};
use weir::{EngineConfig, Filter, Query};
use weir_server::internals;
use weir_server::limits::WINDOW_SECS_DEFAULT;

/// Query strings.
pub const QUERY: Target = Target { name: "query", words: WORDS, check };

const WORDS: &[&[u8]] = &[
    b"window",
    b"=",
    b"&",
    b"+",
    b"%",
    b"%20",
    b"%2B",
    b"%3d",
    b"%6e",
    b"%26",
    b"%ff",
    b"%0",
    b"0",
    b"1",
    b"60",
    b"300",
    b"1800",
    b"1801",
    b"4294967296",
    b"18446744073709551617",
    b"-1",
    b"1e3",
    b"type",
    b"step",
    b"end",
    b"end=1760000000",
    b"end=2025-10-08T12:34:56Z",
    b"2025-10-08t14:34:56.789%2B02:00",
    b"9223372036854775808",
    b"window=60",
    b"step=",
    b"type=click",
    b"plan=pro",
    b"region=",
    b"group_by=plan",
    b",region",
];

const RETENTIONS_SECS: [u32; 3] = [60, 1_800, 86_400];

fn check(input: &[u8]) {
    let Ok(query) = str::from_utf8(input) else { return };
    let expected = parameters(query);
    let parsed = internals::parameters(query).map(|(name, value)| (name.into_owned(), value.into_owned()));
    assert_eq!(parsed.collect::<Vec<_>>(), expected);
    for retention_secs in RETENTIONS_SECS {
        let mut config = EngineConfig::default();
        config.retention_secs = retention_secs;
        let metrics = naive_query(&expected, b"group_by", retention_secs).map(|(query, _)| query);
        assert_eq!(internals::metrics_query(Some(query), &config), metrics);
        assert_eq!(internals::series_query(Some(query), &config), naive_query(&expected, b"step", retention_secs));
    }
}

/// `application/x-www-form-urlencoded`, where names and values may be any bytes.
fn parameters(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut parameters = vec![];
    for pair in query.split('&') {
        if !pair.is_empty() {
            let mut parts = pair.splitn(2, '=');
            let mut next = || decode(parts.next().unwrap_or_default().as_bytes());
            parameters.push((next(), next()));
        }
    }
    parameters
}

fn decode(mut text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut decoded = vec![];
    while let [byte, rest @ ..] = text {
        text = rest;
        decoded.push(match (byte, rest) {
            (b'+', _) => b' ',
            (b'%', [high, low, rest @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    text = rest;
                    high * 16 + low
                }
                _ => b'%',
            },
            _ => *byte,
        });
    }
    decoded
}

const ATTRIBUTES: [&str; 2] = ["plan", "region"];

/// The query that the parameters describe, and the step. `window`, `end` and the parameter `single` may occur once.
fn naive_query(
    parameters: &[(Vec<u8>, Vec<u8>)],
    single: &[u8],
    retention_secs: u32,
) -> Result<(Query, u32), &'static str> {
    let first_of = |wanted: &[u8]| {
        let mut values = parameters.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value);
        (values.next(), values.next().is_some())
    };
    let filters = ["type", ATTRIBUTES[0], ATTRIBUTES[1]];
    let is_known = |name: &[u8]| {
        [&b"window"[..], b"end", single].contains(&name) || filters.iter().any(|known| name == known.as_bytes())
    };
    let [(window, window_again), (end, end_again), (other, other_again)] =
        [&b"window"[..], b"end", single].map(first_of);
    if window_again || end_again || other_again || !parameters.iter().all(|(name, _)| is_known(name)) {
        return Err("invalid_parameter");
    }
    let values = |wanted: &str| {
        let values = parameters.iter().filter(|(name, _)| name == wanted.as_bytes());
        let texts =
            values.map(|(_, value)| str::from_utf8(value).ok().filter(|text| !text.is_empty()).map(str::to_owned));
        texts.collect::<Option<BTreeSet<String>>>().ok_or("invalid_parameter")
    };
    let types = Some(values("type")?).filter(|types| !types.is_empty());
    let mut attributes = BTreeMap::new();
    for (index, name) in ATTRIBUTES.iter().enumerate() {
        let values = values(name)?;
        if !values.is_empty() {
            attributes.insert(index, values);
        }
    }
    let group_by = match other.filter(|_| single == b"group_by").map(|names| &names[..]) {
        None => vec![],
        Some(b"plan") => vec![0],
        Some(b"region") => vec![1],
        Some(b"plan,region") => vec![0, 1],
        Some(b"region,plan") => vec![1, 0],
        Some(_) => return Err("invalid_parameter"),
    };
    let end_secs = end.map(|text| naive_end(text).ok_or("invalid_parameter")).transpose()?;
    let window = window.map_or(Some(WINDOW_SECS_DEFAULT.min(retention_secs)), |digits| number(digits));
    let window_secs = window.filter(|secs| (1..=retention_secs).contains(secs)).ok_or("invalid_window")?;
    let step = other.filter(|_| single == b"step").map_or(Some(1), |digits| number(digits));
    let step_secs = step.filter(|secs| *secs > 0 && window_secs % secs == 0).ok_or("invalid_parameter")?;
    Ok((Query { window_secs, end_secs, filter: Filter { types, attributes }, group_by }, step_secs))
}

/// The second that a number of seconds or a date-time names.
fn naive_end(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Some(naive_ms(text)?.div_euclid(1_000));
    }
    let digits = text.iter().skip_while(|digit| **digit == b'0');
    let secs = digits.fold(0, |secs: u128, digit| (secs * 10 + u128::from(digit & 0xf)).min(1 << 64));
    i64::try_from(secs).ok()
}

/// The number with these digits, with any number of leading zeros. A number above 100,000 is 100,000, which is longer
/// than every retention.
fn number(digits: &[u8]) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let value = digits.iter().fold(0, |value: u32, digit| (value * 10 + u32::from(digit & 0xf)).min(100_000));
    is_number.then_some(value)
}
