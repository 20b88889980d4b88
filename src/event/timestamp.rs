//! RFC 3339 date-times as milliseconds since the Unix epoch.

use jiff::SignedDuration;
use jiff::civil::DateTime;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z.
const FOUR_DIGIT_YEARS_MS: [i64; 2] = [-62_167_219_200_000, 253_402_300_799_999];

/// Parses a date-time (RFC 3339, 5.6) to milliseconds since the Unix epoch, rounded down; `None` if `text` is not one.
///
/// The grammar is applied strictly. `T` and `Z` may be lower case, a space does not replace the `T`, the date exists in
/// the calendar, and offsets are at most 23:59. Any number of fraction digits is accepted; digits after the third are
/// cut. Second 60 reads as 59, because Unix time has no leap seconds.
///
/// O(bytes).
#[must_use]
pub fn parse_ms(text: &[u8]) -> Option<i64> {
    Timestamps::default().parse_ms(text)
}

/// [`parse_ms`] for many date-times, most of which are in the same minute as the one before.
pub(super) struct Timestamps {
    /// `YYYY-MM-DDTHH:MM` of the last date-time.
    minute: [u8; 16],
    /// The same instant, as if it were in UTC.
    minute_ms: i64,
}

impl Default for Timestamps {
    fn default() -> Self {
        Self { minute: *b"1970-01-01T00:00", minute_ms: 0 }
    }
}

impl Timestamps {
    /// Parses like [`parse_ms`].
    #[inline(always)]
    pub(super) fn parse_ms(&mut self, text: &[u8]) -> Option<i64> {
        let (minute, rest) = text.split_first_chunk()?;
        if *minute != self.minute {
            self.minute_ms = minute_ms(minute)?;
            self.minute = *minute;
        }
        // The most common form, and then any form.
        let fixed_ms = <[u8; 8]>::try_from(rest).ok().and_then(fixed_in_minute_ms);
        let in_minute_ms = match fixed_ms {
            Some(ms) => ms,
            None => in_minute_ms(rest)?,
        };
        Some(self.minute_ms + in_minute_ms)
    }
}

/// Formats an instant in milliseconds since the Unix epoch as `YYYY-MM-DDTHH:MM:SS.mmmZ`.
///
/// An instant outside the years 0000 to 9999 has no such form; the nearest instant inside is written instead.
#[must_use]
pub fn format_ms(ms: i64) -> String {
    let [first, last] = FOUR_DIGIT_YEARS_MS;
    let since_epoch = SignedDuration::from_millis(ms.clamp(first, last));
    let utc = EPOCH.checked_add(since_epoch).expect("jiff supports the years 0000 to 9999");
    let (year, month, day) = (utc.year(), utc.month(), utc.day());
    let (hour, minute, second, millisecond) = (utc.hour(), utc.minute(), utc.second(), utc.millisecond());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// The instant at which a minute begins in UTC.
fn minute_ms(text: &[u8; 16]) -> Option<i64> {
    const LEAST: &[u8; 16] = b"0000-00-00t00:00";
    const MOST: &[u8; 16] = b"9999-19-39t29:59";
    let mut text = *text;
    text[10] = text[10].to_ascii_lowercase();
    // One pass without branches, so that the compiler uses vector instructions. It checks the range of each byte and
    // turns digits into their values.
    let mut digits = [0; 16];
    let mut is_outside = false;
    for i in 0..16 {
        digits[i] = text[i].wrapping_sub(LEAST[i]);
        is_outside |= digits[i] > MOST[i] - LEAST[i];
    }
    let pair = |at: usize| u32::from(digits[at]) * 10 + u32::from(digits[at + 1]);
    let (year, month, day, hour, minute) = (pair(0) * 100 + pair(2), pair(5), pair(8), pair(11), pair(14));
    let is_date = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    if is_outside || !is_date || hour > 23 {
        return None;
    }
    let minutes = i64::from(days_from_civil(year, month, day)) * 1_440 + i64::from(hour * 60 + minute);
    Some(minutes * 60_000)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let is_leap_year = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(is_leap_year),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar, by Howard Hinnant's `days_from_civil`
/// ("chrono-Compatible Low-Level Date Algorithms", <https://howardhinnant.github.io/date_algorithms.html>).
fn days_from_civil(year: u32, month: u32, day: u32) -> i32 {
    // Days count from -0400-03-01, four centuries before 0000-03-01, so that no intermediate value is negative.
    const EPOCH_DAYS: i32 = 719_468 + 146_097;
    // Years begin in March, so that the leap day is the last day of its year.
    let (year, month) = if month > 2 { (year + 400, month - 3) } else { (year + 399, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    days as i32 - EPOCH_DAYS
}

/// The milliseconds of `:SS.mmmZ`, below second 60. None for any other text.
#[inline(always)]
fn fixed_in_minute_ms(text: [u8; 8]) -> Option<i64> {
    // What has to be added to the largest digit of each place to get 0x7f. The other places have no digit but 0.
    const ROOM: u64 = u64::from_le_bytes([0x7f, 0x7a, 0x76, 0x7f, 0x76, 0x76, 0x76, 0x7f]);
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let digits = u64::from_le_bytes(text) ^ u64::from_le_bytes(*b":00.000Z");
    // A byte of 0x80 or more has its high bit. Below that, the sum has the high bit if the digit is too large. No sum
    // carries.
    let sums = (digits & !HIGH_BITS) + ROOM;
    if (digits | sums) & HIGH_BITS != 0 {
        return None;
    }
    let [_, s1, s2, _, a, b, c, _] = digits.to_le_bytes().map(i64::from);
    Some(s1 * 10_000 + s2 * 1_000 + a * 100 + b * 10 + c)
}

/// The milliseconds of what follows the minute: the second, an optional fraction, and the offset of local time from
/// UTC.
fn in_minute_ms(text: &[u8]) -> Option<i64> {
    let &[b':', s1, s2, ref rest @ ..] = text else { return None };
    let second = pair_of_digits([s1, s2]).filter(|second| *second <= 60)?;
    let (millisecond, offset) = fraction(rest)?;
    Some(second.min(59) * 1_000 + millisecond - offset_minutes(offset)? * 60_000)
}

/// The milliseconds of the optional fraction, and the text after it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let len = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(len);
    let value = |digit: &u8, unit| i64::from(digit - b'0') * unit;
    let millisecond = digits.iter().zip([100, 10, 1]).map(|(digit, unit)| value(digit, unit)).sum();
    (len > 0).then_some((millisecond, rest))
}

/// The offset of local time from UTC, positive to the east.
fn offset_minutes(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (pair_of_digits([h1, h2])?, pair_of_digits([m1, m2])?);
            let offset = hours * 60 + minutes;
            (hours <= 23 && minutes <= 59).then_some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

fn pair_of_digits(digits: [u8; 2]) -> Option<i64> {
    let [tens, ones] = digits.map(|digit| digit.wrapping_sub(b'0'));
    (tens.max(ones) <= 9).then(|| i64::from(tens) * 10 + i64::from(ones))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<i64> {
        parse_ms(text.as_bytes())
    }

    #[test]
    fn known_instants() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1970-01-01T00:00:00Z", 0),
            ("2025-10-08T12:34:56.789Z", 1_759_926_896_789),
            ("2025-10-08T14:34:56.789+02:00", 1_759_926_896_789),
            ("2025-10-08T07:04:56.789-05:30", 1_759_926_896_789),
            ("2025-10-08t12:34:56.789z", 1_759_926_896_789),
            ("2025-10-08T12:34:56.789-00:00", 1_759_926_896_789),
            ("2025-10-08T12:34:56.7899999999999999999999Z", 1_759_926_896_789),
            ("2025-10-08T12:34:56.7Z", 1_759_926_896_700),
            ("2025-10-08T12:34:56.07Z", 1_759_926_896_070),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("1969-12-31T23:59:59Z", -1_000),
            ("2000-02-29T00:00:00.000Z", 951_782_400_000),
            ("0000-02-29T00:00:00.000Z", -62_162_121_600_000),
            ("0000-01-01T00:00:00.000Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("0000-01-01T00:00:00.000+23:59", -62_167_219_200_000 - 86_340_000),
            ("9999-12-31T23:59:59.999-23:59", 253_402_300_799_999 + 86_340_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("2016-12-31T23:59:60.250Z", 1_483_228_799_250),
            ("2025-10-08T12:34:60.001Z", 1_759_926_899_001),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn a_text_outside_the_grammar_is_refused() {
        for text in [
            "",
            "2025-10-08",
            "2025-10-08T12:34Z",
            "2025-10-08T12:34:56",
            "2025-10-08T12:34:56.789",
            "2025-10-08 12:34:56.789Z",
            "2025-10-08_12:34:56.789Z",
            "2025-10-08T12:34:56.Z",
            "2025-10-08T12:34:56,789Z",
            "2025-10-08T12:34:56.789Z ",
            " 2025-10-08T12:34:56.789Z",
            "2025-10-08T12:34:56.789ZZ",
            "2025-10-08T12:34:56.789Zx",
            "2025-10-08T12:34:56.789UTC",
            "2025-10-08T12:34:56.789+02",
            "2025-10-08T12:34:56.789+0200",
            "2025-10-08T12:34:56.789+02:0",
            "2025-10-08T12:34:56.789+02:000",
            "2025-10-08T12:34:56.789+24:00",
            "2025-10-08T12:34:56.789+23:60",
            "2025-10-08T12:34:56.789+-2:00",
            "2025-10-08T12:34:56.789\u{2212}02:00",
            "2025-10-08T12:34:56Z[UTC]",
            "2025-10-08T12:34:56+00:00[UTC]",
            "+2025-10-08T12:34:56Z",
            "-2025-10-08T12:34:56Z",
            "+002025-10-08T12:34:56Z",
            "02025-10-08T12:34:56Z",
            "12025-10-08T12:34:56.789Z",
            "2025-1-08T12:34:56.7890Z",
            "2025-10-8T12:34:56.789Z",
            "20251008T123456Z",
            "2025-W41-3T12:34:56Z",
            "2025-00-08T12:34:56.789Z",
            "2025-13-08T12:34:56.789Z",
            "2025-10-00T12:34:56.789Z",
            "2025-10-32T12:34:56.789Z",
            "2025-04-31T12:34:56.789Z",
            "2025-02-29T12:34:56.789Z",
            "1900-02-29T12:34:56.789Z",
            "2025-10-08T24:00:00.000Z",
            "2025-10-08T12:60:56.789Z",
            "2025-10-08T12:34:61.789Z",
            "2025-10-08T12:34:-1.789Z",
            "2025-10-08T12:34:56.78aZ",
            "2025-10-08T12:34:56.+89Z",
            "２025-10-08T12:34:56Z",
            "1759926896789",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_instant_beyond_four_digit_years_is_written_as_the_nearest_one() {
        assert_eq!(format_ms(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(format_ms(FOUR_DIGIT_YEARS_MS[1] + 1), "9999-12-31T23:59:59.999Z");
        assert_eq!(format_ms(FOUR_DIGIT_YEARS_MS[0] - 1), "0000-01-01T00:00:00.000Z");
        assert_eq!(format_ms(i64::MIN), "0000-01-01T00:00:00.000Z");
        assert_eq!(format_ms(-1), "1969-12-31T23:59:59.999Z");
    }

    /// The whole grammar, with the calendar of jiff.
    fn by_jiff(text: &[u8]) -> Option<i64> {
        let (start, rest) = text.split_first_chunk::<19>()?;
        let separators = [start[4], start[7], start[10].to_ascii_uppercase(), start[13], start[16]];
        if separators != *b"--T::" {
            return None;
        }
        let pair = |at: usize| number(&start[at..at + 2]).map(|number| number as i8);
        let (year, month, day) = (number(&start[..4])?, pair(5)?, pair(8)?);
        let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
        let second = if second == 60 { 59 } else { second };
        let (millisecond, rest) = fraction(rest)?;
        let local = DateTime::new(year, month, day, hour, minute, second, millisecond as i32 * 1_000_000).ok()?;
        let local_ms = local.duration_since(EPOCH).as_millis() as i64;
        Some(local_ms - offset_minutes(rest)? * 60_000)
    }

    /// The value of at most four digits.
    fn number(digits: &[u8]) -> Option<i16> {
        digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0')))
    }

    #[test]
    fn jiff_agrees_on_every_day_of_five_centuries_and_on_invalid_days() {
        for (year, month, day) in
            (1_899..=2_400).chain(0..=4).flat_map(|y| (0..=13).flat_map(move |m| (0..=32).map(move |d| (y, m, d))))
        {
            let text = format!("{year:04}-{month:02}-{day:02}T01:02:03.004Z");
            assert_eq!(parse(&text), by_jiff(text.as_bytes()), "{text}");
        }
    }

    /// Date-times by the grammar, with values in and out of range.
    fn date_time(fraction_digits_max: usize) -> impl Strategy<Value = String> {
        let date = (0..=9_999, 1..=12, 1..=31).prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"));
        let time =
            (0..=24, 0..=60, 0..=60).prop_map(|(hour, minute, second)| format!("{hour:02}:{minute:02}:{second:02}"));
        let fraction = prop_oneof![
            Just(String::new()),
            prop::collection::vec("[0-9]", 1..=fraction_digits_max).prop_map(|digits| format!(".{}", digits.concat())),
            "\\.[0-9]{3}",
        ];
        let offset = prop_oneof![Just("Z".to_owned()), "[zZ]", "[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]"];
        (date, "[Tt]", time, fraction, offset)
            .prop_map(|(date, t, time, fraction, offset)| format!("{date}{t}{time}{fraction}{offset}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn a_formatted_instant_parses_back(ms in FOUR_DIGIT_YEARS_MS[0]..=FOUR_DIGIT_YEARS_MS[1]) {
            let text = format_ms(ms);
            prop_assert_eq!(parse(&text), Some(ms));
        }

        #[test]
        fn jiff_agrees_on_any_byte(
            text in date_time(3),
            at in 0..30_usize,
            byte in prop_oneof![any::<u8>(), 0x2a..0x7b_u8],
        ) {
            let mut bytes = text.into_bytes();
            for _ in 0..2 {
                prop_assert_eq!(parse_ms(&bytes), by_jiff(&bytes));
                if let Some(old) = bytes.get_mut(at) {
                    *old = byte;
                }
            }
        }

        #[test]
        fn a_sequence_parses_like_its_single_texts(
            texts in prop::collection::vec(prop_oneof![
                4 => "(2025-10-08T12:00|1969-12-31T23:59|1970-01-01T00:00):0[01](\\.[0-9]{1,6})?(Z|[+-]0[0-2]:00)",
                1 => "2025-10-08[Tt]12:00:[06][01][.0-9:][0-9/:x]{3}[Zz0]",
                1 => date_time(3),
            ], 1..20),
        ) {
            let mut timestamps = Timestamps::default();
            for text in texts {
                prop_assert_eq!(timestamps.parse_ms(text.as_bytes()), parse(&text), "{}", text);
            }
        }

        #[test]
        fn jiff_agrees(text in date_time(9)) {
            match text.parse::<jiff::Timestamp>() {
                Ok(timestamp) => {
                    let ms = timestamp.as_nanosecond().div_euclid(1_000_000);
                    prop_assert_eq!(parse(&text).map(i128::from), Some(ms));
                }
                // jiff's timestamps end at 9999-12-30T22:00:00Z.
                Err(_) => prop_assert!(parse(&text).is_none_or(|ms| ms > 253_402_207_200_000)),
            }
        }

        #[test]
        fn arbitrary_bytes_cause_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "\\PC{0,40}") {
            prop_assert!(parse_ms(&bytes).is_none());
            prop_assert!(parse(&text).is_none());
        }
    }
}
