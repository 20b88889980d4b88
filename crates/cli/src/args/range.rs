//! Values that must lie in a range.

use std::fmt;
use std::ops::RangeInclusive;

/// Checks that an option's value lies in its range.
///
/// # Errors
/// The option, its range and its value, in one line.
pub(super) fn within<T: Copy + PartialOrd + fmt::Display>(
    option: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{option} must be {} to {}, not {value}", range.start(), range.end()))
}
