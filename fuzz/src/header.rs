//! Header fields: lists and parameters, one character at a time (RFC 9110, 5.6), and the results for `Prefer`,
//! `Content-Type`, `Accept`, `Accept-Encoding` and `Content-Encoding`. The input is the values of one header field, one
//! per line.

use crate::{Target, fields};
use http::HeaderValue;
use weir_server::internals::{self, BodyCoding};

/// Lists, parameters, media types, preferences and content codings.
pub const HEADER: Target = Target { name: "header", words: WORDS, check };

const WORDS: &[&[u8]] = &[
    b"return",
    b"minimal",
    b"=",
    b"\"minimal\"",
    b"return=minimal",
    b"return=representation",
    b"respond-async",
    b"wait=10",
    b"application/json",
    b"application/x-ndjson",
    b"Application/JSON",
    b"text/plain",
    b"application/openmetrics-text",
    b"text/*",
    b"application/*",
    b"*/*",
    b";q=0.5",
    b";Q=0.499",
    b";q=1.000",
    b";q=0",
    b";version=1.0.0",
    b";version=0.0.4",
    b"charset=utf-8",
    b"charset=utf8",
    b"charset=us-ascii",
    b"charset=\"UTF\\-8\"",
    b"; charset=latin1",
    b";",
    b",",
    b" ",
    b"\t",
    b"\"",
    b"\\",
    b"\\\"",
    b"gzip",
    b"x-gzip",
    b"zstd",
    b"identity",
    b"br",
    b"*",
    b"GZIP",
    b"\n",
    b"\xe9",
];

fn check(input: &[u8]) {
    let fields = fields(input);
    let readable: Vec<&str> = fields.iter().filter_map(|field| field.to_str().ok()).collect();
    for field in &readable {
        check_list(field);
    }
    assert_eq!(internals::prefers_minimal(&fields), prefers_minimal(&readable));
    assert_eq!(internals::media_type(&fields), media_type(&fields, &readable).ok_or("unsupported_media_type"));
    assert_eq!(internals::preferred(&fields), preferred(&readable));
    assert_eq!(internals::response_coding(&fields), response_coding(&readable));
    check_coding(&fields, &readable);
}

fn check_list(field: &str) {
    for separator in [',', ';'] {
        let members: Vec<_> = internals::split(field, separator as u8).collect();
        assert_eq!(members, split(field, separator));
        for member in members {
            let (name, value) = internals::parameter(member);
            assert_eq!((name.to_owned(), value.into_owned()), parameter(member));
        }
    }
}

fn split(list: &str, separator: char) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut chars = list.chars();
    let mut is_quoted = false;
    while let Some(next) = chars.next() {
        if next == separator && !is_quoted {
            members.push(String::new());
            continue;
        }
        let member = members.last_mut().expect("the list starts with one member");
        member.push(next);
        match next {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => member.extend(chars.next()),
            _ => {}
        }
    }
    let trimmed = members.iter().map(|member| member.trim_matches([' ', '\t']).to_owned());
    trimmed.filter(|member| !member.is_empty()).collect()
}

fn parameter(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let [name, value] = [name, value].map(|part| part.trim_matches([' ', '\t']));
    (name.to_owned(), quoted_string(value).unwrap_or(value.to_owned()))
}

/// The content of a text that is one quoted string from its first to its last character.
fn quoted_string(text: &str) -> Option<String> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut string = String::new();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(string),
            '\\' => string.push(chars.next()?),
            plain => string.push(plain),
        }
    }
}

fn prefers_minimal(fields: &[&str]) -> bool {
    let preferences = fields.iter().flat_map(|field| split(field, ','));
    let parameters = preferences.filter_map(|preference| Some(parameter(split(&preference, ';').first()?)));
    let first =
        parameters.map(|(name, value)| (name.to_lowercase(), value.to_lowercase())).find(|(name, _)| name == "return");
    first.is_some_and(|(_, value)| value == "minimal")
}

fn media_type(fields: &[HeaderValue], readable: &[&str]) -> Option<&'static str> {
    let field = match (fields, readable) {
        ([], _) => return Some("application/json"),
        ([_], [field]) => field,
        _ => return None,
    };
    let (given, parameters) =
        split(field, ';').split_first().map(|(given, rest)| (given.to_lowercase(), rest.to_vec()))?;
    let charsets = parameters.iter().map(|text| parameter(text)).filter(|(name, _)| name.to_lowercase() == "charset");
    let is_utf8 = charsets
        .map(|(_, charset)| charset.to_lowercase())
        .all(|charset| ["utf-8", "utf8", "us-ascii"].contains(&&*charset));
    ["application/json", "application/x-ndjson"].into_iter().find(|known| is_utf8 && *known == given)
}

/// The type, subtype and version of each form that a client may prefer.
const FORMS: [(&str, &str, Option<&str>); 3] = [
    ("application", "json", None),
    ("application", "openmetrics-text", Some("1.0.0")),
    ("text", "plain", Some("0.0.4")),
];

/// RFC 9110, 12.5.1: the most specific range gives the weight of a form, and the first form with the greatest weight is
/// preferred.
fn preferred(readable: &[&str]) -> usize {
    let ranges: Vec<_> = readable.iter().flat_map(|field| split(field, ',')).map(|range| split(&range, ';')).collect();
    let weights = FORMS.map(|form| {
        let mut ranks: Vec<_> = ranges.iter().filter_map(|range| rank(range, form)).collect();
        ranks.sort_unstable();
        ranks.last().map_or(0, |(_, _, weight)| *weight)
    });
    let greatest = weights.into_iter().max();
    weights.iter().position(|weight| Some(*weight) == greatest).expect("the greatest weight is one of them")
}

/// The specificity of a range for a form, whether the range names the version, and its weight in thousandths.
fn rank(range: &[String], (kind, subtype, version): (&str, &str, Option<&str>)) -> Option<(u8, u8, u32)> {
    let (range, parameters) = range.split_first()?;
    let range = range.to_lowercase();
    let names = ["*/*".to_owned(), format!("{kind}/*"), format!("{kind}/{subtype}")];
    let specificity = (0..).zip(names).find(|(_, name)| *name == range)?.0;
    let (mut versions, mut weight) = (0, 1_000);
    for (name, value) in parameters.iter().map(|text| parameter(text)) {
        match &*name.to_lowercase() {
            "q" => weight = thousandths(&value)?,
            "version" if version == Some(&*value) => versions = 1,
            "version" => return None,
            "charset" if value.to_lowercase() != "utf-8" => return None,
            _ => {}
        }
    }
    Some((specificity, versions, weight))
}

fn thousandths(weight: &str) -> Option<u32> {
    let is_weight = match weight.as_bytes() {
        [b'0' | b'1'] => true,
        [b'0' | b'1', b'.', rest @ ..] => rest.len() <= 3 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let thousandths = is_weight.then(|| weight.parse::<f64>().expect("digits") * 1_000.0)?.round() as u32;
    (thousandths <= 1_000).then_some(thousandths)
}

/// RFC 9110, 12.5.3: the coding with the greater weight, zstd if both have the same, and neither if the response as it
/// is has a greater weight.
fn response_coding(readable: &[&str]) -> Option<&'static str> {
    let members: Vec<_> =
        readable.iter().flat_map(|field| split(field, ',')).map(|member| split(&member, ';')).collect();
    let named = |name: &str| {
        let weights = members
            .iter()
            .filter(|parts| parts.first().is_some_and(|first| first.to_lowercase() == name))
            .filter_map(|parts| {
                let weight = parts[1..].iter().map(|text| parameter(text)).find(|(name, _)| name.to_lowercase() == "q");
                weight.map_or(Some(1_000), |(_, weight)| thousandths(&weight))
            });
        weights.collect::<Vec<_>>().first().copied()
    };
    let weight = |name| named(name).or_else(|| named("*")).unwrap_or(0);
    let (zstd, gzip, identity) = (weight("zstd"), weight("gzip"), named("identity").unwrap_or(0));
    match zstd.max(gzip) {
        greatest if greatest == 0 || greatest < identity => None,
        greatest if greatest == zstd => Some("zstd"),
        _ => Some("gzip"),
    }
}

fn check_coding(fields: &[HeaderValue], readable: &[&str]) {
    let codings: Vec<_> =
        readable.iter().flat_map(|field| split(field, ',')).map(|coding| coding.to_lowercase()).collect();
    let expected = match codings.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        _ if readable.len() < fields.len() => None,
        [] | ["identity"] => Some("identity"),
        ["gzip" | "x-gzip"] => Some("gzip"),
        ["zstd"] => Some("zstd"),
        _ => None,
    };
    let canonical = |name| BodyCoding::negotiate(&[HeaderValue::from_static(name)]);
    assert_eq!(BodyCoding::negotiate(fields), expected.ok_or("unsupported_encoding").and_then(canonical));
}
