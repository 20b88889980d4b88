//! The grammar of header fields (RFC 9110, 5.6), as far as the API needs it.
//!
//! Own code: the crate headers has no `Prefer` and no public lists, and ends a quoted string at its first `\"`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;
use weir_api::headers;

/// The members of a list, without empty members and without the white space around a member. The separator is ASCII.
/// Inside a quoted string, it does not separate members.
pub(crate) fn split(list: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    let members = std::iter::from_fn(move || {
        let list = rest?;
        let end = separator_in(list.as_bytes(), separator);
        rest = end.map(|end| &list[end + 1..]);
        Some(trim(&list[..end.unwrap_or(list.len())]))
    });
    members.filter(|member| !member.is_empty())
}

/// The position of the first separator outside of quoted strings.
fn separator_in(list: &[u8], separator: u8) -> Option<usize> {
    // Almost no list has a quoted string, so almost no byte needs more than this comparison.
    let first = list.iter().position(|byte| *byte == separator || *byte == b'"')?;
    if list[first] == separator {
        return Some(first);
    }
    let (mut quoted, mut escaped) = (false, false);
    let end = list[first..].iter().position(|byte| {
        let separates = *byte == separator && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && quoted && !escaped;
        separates
    });
    end.map(|end| first + end)
}

/// The name and the unquoted value of a parameter. The value is empty if the parameter has none.
pub(crate) fn parameter(text: &str) -> (&str, Cow<'_, str>) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (trim(name), unquote(trim(value)))
}

/// The list members of all fields with this name, in order. A field that is not visible ASCII has no members.
pub(crate) fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    members_of(headers.get_all(name))
}

/// The list members of these fields of one name.
pub(crate) fn members_of<'a>(fields: impl IntoIterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a str> {
    fields.into_iter().filter_map(|value| value.to_str().ok()).flat_map(|list| split(list, b','))
}

static PREFER: HeaderName = HeaderName::from_static(headers::PREFER);

/// Whether the client prefers the short response: `Prefer: return=minimal` (RFC 7240). The first of several `return`
/// preferences counts.
pub(crate) fn prefers_minimal(fields: &HeaderMap) -> bool {
    // Almost every request has no preference, or first of all this one, and needs no parser.
    match fields.get(&PREFER) {
        None => return false,
        Some(first) if first == headers::RETURN_MINIMAL => return true,
        Some(_) => {}
    }
    members(fields, &PREFER)
        .filter_map(|preference| split(preference, b';').next().map(parameter))
        .find(|(name, _)| name.eq_ignore_ascii_case("return"))
        .is_some_and(|(_, value)| value.eq_ignore_ascii_case("minimal"))
}

/// A weight (RFC 9110, 12.4.2) in thousandths: 0 to 1 with up to three digits after the point.
pub(crate) fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if !["0", "1"].contains(&whole) || fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (thousandths <= 1_000).then_some(thousandths)
}

/// A field value from a text that is known to be visible ASCII.
pub(crate) fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("numbers and names are visible ASCII")
}

/// Removes the white space around a text. In header fields, only spaces and tabs are white space. The comparison is by
/// bytes, because one by characters takes several times as long.
fn trim(text: &str) -> &str {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let text = &text[text.bytes().take_while(is_blank).count()..];
    &text[..text.len() - text.bytes().rev().take_while(is_blank).count()]
}

/// The content of a quoted string (RFC 9110, 5.6.4). Any other text stays unchanged.
fn unquote(value: &str) -> Cow<'_, str> {
    quoted_string(value).map_or(Cow::Borrowed(value), Cow::Owned)
}

fn quoted_string(text: &str) -> Option<String> {
    let mut chars = text.strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut unescaped = String::new();
    while let Some(next) = chars.next() {
        match next {
            '"' => return None,
            '\\' => unescaped.push(chars.next()?),
            plain => unescaped.push(plain),
        }
    }
    Some(unescaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers(fields: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("prefer", HeaderValue::from_str(field).unwrap());
        }
        prefers_minimal(&headers)
    }

    #[test]
    fn lists_are_split_outside_of_quoted_strings() {
        let split = |list| split(list, b',').collect::<Vec<_>>();
        assert_eq!(split(" a ,\tb,, c=\"x,y\" ,"), ["a", "b", "c=\"x,y\""]);
        assert_eq!(split(r#""a\",b",c"#), [r#""a\",b""#, "c"]);
        assert_eq!(split(r#""a\\",b"#), [r#""a\\""#, "b"]);
        assert_eq!(split(r"a\,b"), [r"a\", "b"], "a backslash escapes within quotes only");
        assert_eq!(split(" , "), [""; 0]);
    }

    #[test]
    fn parameters_are_unquoted() {
        assert_eq!(parameter("return = minimal"), ("return", "minimal".into()));
        assert_eq!(parameter(r#"charset="utf\-8""#), ("charset", "utf-8".into()));
        assert_eq!(parameter("respond-async"), ("respond-async", "".into()));
        assert_eq!(parameter(r#"a="""#), ("a", "".into()));
        assert_eq!(parameter(r#"a="b\"\\""#), ("a", r#"b"\"#.into()));
    }

    #[test]
    fn a_text_that_is_not_one_quoted_string_stays_unchanged() {
        for value in [r#"""#, r#""\"#, r#""b\""#, r#""b"c""#, r#""b", c="d""#, r#"b"c""#] {
            assert_eq!(parameter(&format!("a={value}")), ("a", value.into()));
        }
    }

    #[test]
    fn a_weight_has_up_to_three_digits_after_the_point() {
        for weight in
            ["", "2", "1.001", "1.1", "0.1234", ".5", "-1", "+1", "0,5", "01", "1e0", "0.x", "NaN", "0.\u{e9}"]
        {
            assert_eq!(thousandths(weight), None, "{weight:?}");
        }
        assert_eq!(
            ["0", "1", "0.", "1.", "1.000", "0.5", "0.05", "0.999"].map(thousandths),
            [0, 1_000, 0, 1_000, 1_000, 500, 50, 999].map(Some)
        );
    }

    #[test]
    fn the_preference_is_found_in_every_spelling() {
        for fields in [
            &["return=minimal"][..],
            &["RETURN=Minimal"],
            &["return = \"minimal\""],
            &["respond-async, wait=100", "return=minimal; foo=\"a,b\""],
            &["foo=\"return=representation, \", return=minimal"],
        ] {
            assert!(prefers(fields), "{fields:?}");
        }
    }

    #[test]
    fn other_preferences_do_not_count() {
        for fields in [
            &[][..],
            &[""],
            &["return"],
            &["return=representation, return=minimal"],
            &["foo=\"a, return=minimal\""],
            &["foo; return=minimal"],
            &["x-return=minimal"],
        ] {
            assert!(!prefers(fields), "{fields:?}");
        }
    }
}
