//! Date-times: RFC 3339 by splitting, and days by counting years. A date-time that is written can be parsed again.

use crate::Target;
use weir::{format_ms, parse_ms};

/// Texts for `ts`.
pub const TIMESTAMP: Target = Target { name: "timestamp", words: WORDS, check };

const WORDS: &[&[u8]] = &[
    b"0000",
    b"1900",
    b"1970",
    b"2000",
    b"2024",
    b"9999",
    b"00",
    b"01",
    b"02",
    b"12",
    b"13",
    b"23",
    b"24",
    b"28",
    b"29",
    b"30",
    b"31",
    b"32",
    b"59",
    b"60",
    b"61",
    b".",
    b".0",
    b".9995",
    b".000",
    b"T",
    b"t",
    b"Z",
    b"z",
    b"+00:00",
    b"-23:59",
    b"+24:00",
    b"-00:60",
    b" ",
    b"2025-10-08T12:00:00",
    b"2025-10-08T12:00:00.000Z",
];

/// The first and the last instant that can be written.
const WRITTEN_MS: [i64; 2] = [-62_167_219_200_000, 253_402_300_799_999];

fn check(text: &[u8]) {
    let parsed = parse_ms(text);
    assert_eq!(parsed, naive_ms(text));
    let as_a_number = text.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
    for ms in parsed.into_iter().chain(as_a_number) {
        let written = format_ms(ms);
        assert_eq!(naive_ms(written.as_bytes()), Some(ms.clamp(WRITTEN_MS[0], WRITTEN_MS[1])));
        assert_eq!(parse_ms(written.as_bytes()), naive_ms(written.as_bytes()));
    }
}

/// The instant in milliseconds since the Unix epoch, if `text` is a date-time by the contract.
pub(crate) fn naive_ms(text: &[u8]) -> Option<i64> {
    let (date, time) = str::from_utf8(text).ok()?.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, ahead_minutes) = match time.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let (clock, offset) = time.split_at(time.find(['+', '-'])?);
            let [hours, minutes] = numbers(&offset[1..], ':', [2, 2])?;
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            (hours <= 23 && minutes <= 59).then_some((clock, sign * (hours * 60 + minutes)))?
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if fraction.is_empty() || !is_digits(fraction) {
        return None;
    }
    let millisecond: i64 = format!("{fraction}00")[..3].parse().ok()?;
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap_year { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days_in_month = *months.get(usize::try_from(month - 1).ok()?)?;
    if day < 1 || day > days_in_month || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let leap_years_before = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    /// The days from the first day of the year 0 to the first day of 1970.
    const EPOCH_DAYS: i64 = 719_528;
    let days = year * 365 + leap_years_before + months[..month as usize - 1].iter().sum::<i64>() + day - 1 - EPOCH_DAYS;
    Some((((days * 24 + hour) * 60 + minute - ahead_minutes) * 60 + second.min(59)) * 1_000 + millisecond)
}

/// The numbers between separators; `digits` has the number of digits of each.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let parts: Vec<_> = text.split(separator).collect();
    let is_form = parts.len() == N && parts.iter().zip(digits).all(|(part, len)| part.len() == len && is_digits(part));
    is_form.then(|| std::array::from_fn(|index| parts[index].parse().expect("a few digits are a number")))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
