//! Durations as people write them.

use jiff::SignedDuration;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The duration that a text names, if it is within the bounds.
pub(super) fn within(text: &str, bounds: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|_| "not a duration such as 500ms, 30s or 2m".to_owned())?;
    let duration = Duration::try_from(duration).ok().filter(|duration| bounds.contains(duration));
    duration.ok_or_else(|| format!("not within {} to {}", told(*bounds.start()), told(*bounds.end())))
}

fn told(bound: Duration) -> String {
    SignedDuration::try_from(bound).map_or_else(|_| format!("{bound:?}"), |bound| format!("{bound:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_bounds() {
        let bounds = Duration::ZERO..=Duration::from_secs(3_600);
        for (text, ms) in [("0s", 0), ("200ms", 200), ("1m 30s", 90_000), ("1h", 3_600_000)] {
            assert_eq!(within(text, &bounds), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["-1s", "61m"] {
            assert_eq!(within(text, &bounds), Err("not within 0s to 1h".to_owned()), "{text}");
        }
        for text in ["", "5", "soon"] {
            assert_eq!(within(text, &bounds), Err("not a duration such as 500ms, 30s or 2m".to_owned()), "{text}");
        }
    }
}
