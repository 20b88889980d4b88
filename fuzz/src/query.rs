//! Query strings: parameters decoded a character at a time, and the window that they ask for. The input is a query.

use crate::Target;
use weir::http::parsers;
use weir::limits::WINDOW_SECS_DEFAULT;

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
    b"window=60",
];

const RETENTIONS_SECS: [u32; 3] = [60, 1_800, 86_400];

fn check(input: &[u8]) {
    let Ok(query) = str::from_utf8(input) else { return };
    let expected = parameters(query);
    let parsed = parsers::parameters(query).map(|(name, value)| (name.into_owned(), value.into_owned()));
    assert_eq!(parsed.collect::<Vec<_>>(), expected);
    for retention_secs in RETENTIONS_SECS {
        assert_eq!(parsers::window_secs(Some(query), retention_secs), window_secs(&expected, retention_secs));
    }
}

/// `application/x-www-form-urlencoded`, without an opinion on the bytes of names and values.
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

fn window_secs(parameters: &[(Vec<u8>, Vec<u8>)], retention_secs: u32) -> Result<u32, &'static str> {
    match parameters {
        [] => Ok(WINDOW_SECS_DEFAULT.min(retention_secs)),
        [(name, value)] if name == b"window" => {
            number(value).filter(|secs| (1..=retention_secs).contains(secs)).ok_or("invalid_window")
        }
        _ => Err("invalid_parameter"),
    }
}

/// The number that digits say, with any number of zeros before; none beyond every retention.
fn number(digits: &[u8]) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let value = digits.iter().fold(0, |value: u32, digit| (value * 10 + u32::from(digit & 0xf)).min(100_000));
    is_number.then_some(value)
}
