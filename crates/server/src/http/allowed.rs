//! Settings that list allowed values, or allow all.

use crate::limits;
use std::str::FromStr;

/// The allowed values of a setting. By default, none is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed<T> {
    /// These values.
    Listed(Vec<T>),
    /// All values.
    Any,
}

impl<T> Default for Allowed<T> {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl<T: FromStr<Err = String>> Allowed<T> {
    /// Parses a list of values, or just `*` for all values.
    ///
    /// # Errors
    /// One line that names the invalid value, or the limit of the list.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        if texts == ["*"] {
            return Ok(Self::Any);
        }
        if texts.len() > limits::ALLOWED_MAX {
            return Err(format!("at most {} values can be listed", limits::ALLOWED_MAX));
        }
        texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Self::Listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Digit(u32);

    impl FromStr for Digit {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            text.parse().map(Self).map_err(|_| format!("{text:?} is no digit"))
        }
    }

    #[test]
    fn values_are_listed_or_all_are_allowed() {
        let parse =
            |texts: &[&str]| Allowed::<Digit>::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(parse(&[]), Ok(Allowed::default()));
        assert_eq!(parse(&["1", "2"]), Ok(Allowed::Listed(vec![Digit(1), Digit(2)])));
        assert_eq!(parse(&["*"]), Ok(Allowed::Any));
        assert_eq!(parse(&["1", "*"]), Err("\"*\" is no digit".to_owned()));
        assert!(parse(&["1"; limits::ALLOWED_MAX]).is_ok());
        assert_eq!(parse(&["1"; limits::ALLOWED_MAX + 1]), Err("at most 64 values can be listed".to_owned()));
    }
}
