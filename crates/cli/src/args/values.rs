//! Parsers and checks of option values.

use crate::client::Source;
use jiff::SignedDuration;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The input of a command that reads a file: the file, or standard input for `-`.
pub(super) fn source(file: String) -> Source {
    if file == "-" { Source::Stdin } else { Source::File(file.into()) }
}

/// A number of bytes, with an optional unit.
pub(super) fn size_bytes(text: &str) -> Result<usize, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let unit_bytes = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" => Some(1),
        "kib" => Some(1 << 10),
        "mib" => Some(1 << 20),
        "gib" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit_bytes.and_then(|unit_bytes: usize| digits.parse::<usize>().ok()?.checked_mul(unit_bytes));
    bytes.ok_or_else(|| "must be a number of bytes, or a number with KiB, MiB or GiB".to_owned())
}

/// A duration within a range.
pub(super) fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration: SignedDuration =
        text.parse().map_err(|_| "must be a duration such as 500ms, 30s or 2m".to_owned())?;
    let duration = Duration::try_from(duration).ok().filter(|duration| range.contains(duration));
    duration.ok_or_else(|| format!("must be {} to {}", with_unit(*range.start()), with_unit(*range.end())))
}

fn with_unit(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(|_| format!("{duration:?}"), |duration| format!("{duration:#}"))
}

/// Checks that the value of an option is within its range.
///
/// # Errors
/// One line that names the option.
pub(super) fn check_range<T: Copy + PartialOrd + Display>(
    option: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{option} must be {} to {}, not {value}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_suffixes() {
        for (text, bytes) in [("7", 7), ("2KiB", 2_048), ("3 mib", 3 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1MB", "1.5MiB", "-1", "99999999999999999999", "18014398509481984KiB"] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_units_and_a_range() {
        let range = Duration::ZERO..=Duration::from_secs(3_600);
        for (text, ms) in [("0s", 0), ("200ms", 200), ("1m 30s", 90_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text, &range), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["-1s", "61m"] {
            assert_eq!(duration(text, &range), Err("must be 0s to 1h".to_owned()), "{text}");
        }
        for text in ["", "5", "soon"] {
            let message = "must be a duration such as 500ms, 30s or 2m".to_owned();
            assert_eq!(duration(text, &range), Err(message), "{text}");
        }
    }
}
