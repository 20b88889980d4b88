//! Header fields: lists and parameters a character at a time (RFC 9110, 5.6), and what `Prefer`, `Content-Type` and
//! `Content-Encoding` come to. The input is the fields of one header, one a line.

use crate::{Target, fields};
use http::HeaderValue;
use weir::http::parsers::{self, BodyCoding};

/// Lists, parameters, media types, content codings.
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
    b"charset=utf-8",
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
    assert_eq!(parsers::prefers_minimal(&fields), prefers_minimal(&readable));
    assert_eq!(parsers::media_type(&fields), media_type(&fields, &readable).ok_or("unsupported_media_type"));
    check_coding(&fields, &readable);
}

fn check_list(field: &str) {
    for separator in [',', ';'] {
        let members: Vec<_> = parsers::split(field, separator as u8).collect();
        assert_eq!(members, split(field, separator));
        for member in members {
            let (name, value) = parsers::parameter(member);
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
        let member = members.last_mut().expect("there is one from the start");
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

/// What a text says that is a quoted string from its first character to its last.
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
    let is_utf8 = charsets.map(|(_, charset)| charset.to_lowercase()).all(|charset| charset == "utf-8");
    ["application/json", "application/x-ndjson"].into_iter().find(|known| is_utf8 && *known == given)
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
