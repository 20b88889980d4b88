//! Query strings.
//!
//! Own code: form_urlencoded reads `plan=%ff` as the valid value U+FFFD. The response must be `invalid_parameter`.

use crate::http::problem::Problem;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// A decoded parameter of a query string. Its name and its value may be any bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    pub(crate) name: Cow<'a, [u8]>,
    pub(crate) value: Cow<'a, [u8]>,
}

impl Parameter<'_> {
    /// The problem for a parameter that the resource does not have.
    pub(crate) fn unknown(&self) -> Problem {
        Problem::InvalidParameter(format!("{:?} is not a parameter here", String::from_utf8_lossy(&self.name)))
    }
}

/// The parameters in order, decoded as HTML forms encode them (WHATWG URL, 5.1): `+` is a space, and a `%` that begins
/// no escape is a literal `%`.
pub(crate) fn parameters(query: Option<&str>) -> impl Iterator<Item = Parameter<'_>> {
    query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Parameter { name: decode(name), value: decode(value) }
    })
}

fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode(spaced.as_bytes()).collect());
    }
    percent_decode(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Vec<(String, Vec<u8>)> {
        parameters(Some(query))
            .map(|Parameter { name, value }| (String::from_utf8(name.into_owned()).unwrap(), value.into_owned()))
            .collect()
    }

    #[test]
    fn parameters_are_decoded_in_order() {
        assert_eq!(
            pairs("window=60&&a%3Db=x+y%2B&flag&e=&w=%ff=%"),
            [
                ("window".into(), b"60".to_vec()),
                ("a=b".into(), b"x y+".to_vec()),
                ("flag".into(), vec![]),
                ("e".into(), vec![]),
                ("w".into(), b"\xff=%".to_vec()),
            ]
        );
        assert_eq!(parameters(None).count() + parameters(Some("")).count(), 0);
    }
}
