//! Entity tags, and the response to a conditional request (RFC 9110, 8.8.3 and 13).

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};

/// Caches may store the response, but must revalidate it before each use.
pub(super) const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The entity tags that the fields of a condition list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntityTags<'h> {
    /// `*`: any representation that exists.
    Any,
    /// The text between the quotes of each tag.
    OneOf(Vec<&'h [u8]>),
}

impl<'h> EntityTags<'h> {
    /// Reads all `If-Match` fields of a request; `None` if it has no such field. The comparison is the strong one
    /// (RFC 9110, 13.1.1), so weak tags are ignored.
    pub(super) fn if_match(headers: &'h HeaderMap) -> Option<Self> {
        Self::parse(fields(headers, &IF_MATCH), |tag| !tag.weak)
    }

    /// Reads all `If-None-Match` fields of a request; `None` if it has no such field. The comparison is the weak one
    /// (RFC 9110, 13.1.2), so weak tags count like strong ones.
    pub(super) fn if_none_match(headers: &'h HeaderMap) -> Option<Self> {
        Self::parse(fields(headers, &IF_NONE_MATCH), |_| true)
    }

    /// Whether one of them is `tag`, the tag of a representation that exists.
    pub(super) fn matches(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.contains(&tag.as_bytes()),
        }
    }

    fn parse(fields: impl Iterator<Item = &'h [u8]>, counts: impl Fn(&Tag<'_>) -> bool) -> Option<Self> {
        let mut fields = fields.peekable();
        fields.peek()?;
        let elements: Vec<Element<'_>> = fields.flat_map(|field| Elements { rest: field }).collect();
        if let [Element::Star] = elements[..] {
            return Some(Self::Any);
        }
        let opaque = |element| match element {
            Element::Tag(tag) if counts(&tag) => Some(tag.opaque),
            _ => None,
        };
        Some(Self::OneOf(elements.into_iter().filter_map(opaque).collect()))
    }
}

fn fields<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(name).into_iter().map(HeaderValue::as_bytes)
}

/// Turns a response into 304 without a body and without its content type. A `Content-Length` would have to be that of
/// the full response (RFC 9110, 8.6). So the body is one of unknown length: for an empty one, the router would add a
/// length of 0.
pub(super) fn not_modified(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().remove(CONTENT_TYPE);
    *response.body_mut() = Body::new(Empty::<Bytes>::new().map_frame(|frame| frame));
    response
}

/// An entity tag (RFC 9110, 8.8.3).
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// An element of a field value that is a comma-separated list (RFC 9110, 5.6.1).
enum Element<'a> {
    Star,
    Tag(Tag<'a>),
    Garbage,
}

/// The elements of one field value, in one pass. A comma inside quotes belongs to the tag.
struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let start = self.rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        self.rest = &self.rest[start..];
        let element = self.element().unwrap_or(Element::Garbage);
        let end = self.rest.iter().position(|byte| *byte == b',').unwrap_or(self.rest.len());
        let (tail, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(if tail.trim_ascii().is_empty() { element } else { Element::Garbage })
    }
}

impl<'a> Elements<'a> {
    /// Reads a star or an entity tag, if there is one.
    fn element(&mut self) -> Option<Element<'a>> {
        if self.skip(b"*") {
            return Some(Element::Star);
        }
        let weak = self.skip(b"W/");
        if !self.skip(b"\"") {
            return None;
        }
        let is_etagc = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..);
        let len = self.rest.iter().position(|byte| !is_etagc(byte)).unwrap_or(self.rest.len());
        let (opaque, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.skip(b"\"").then_some(Element::Tag(Tag { weak, opaque }))
    }

    fn skip(&mut self, prefix: &[u8]) -> bool {
        self.rest.strip_prefix(prefix).map(|rest| self.rest = rest).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match<'f>(fields: &[&'f str]) -> Option<EntityTags<'f>> {
        EntityTags::parse(fields.iter().map(|field| field.as_bytes()), |tag| !tag.weak)
    }

    fn if_none_match<'f>(fields: &[&'f str]) -> Option<EntityTags<'f>> {
        EntityTags::parse(fields.iter().map(|field| field.as_bytes()), |_| true)
    }

    fn one_of<'t>(tags: &[&'t str]) -> Option<EntityTags<'t>> {
        Some(EntityTags::OneOf(tags.iter().map(|tag| tag.as_bytes()).collect()))
    }

    #[test]
    fn a_request_without_the_field_has_no_condition() {
        assert_eq!(if_match(&[]), None);
        assert_eq!(if_none_match(&[]), None);
        let headers = HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_static("\"7\""))]);
        assert_eq!((EntityTags::if_match(&headers), EntityTags::if_none_match(&headers)), (one_of(&["7"]), None));
    }

    #[test]
    fn a_star_must_be_the_only_element() {
        for star in ["*", " * ", "\t*", "*,", ", *"] {
            assert_eq!(if_match(&[star]), Some(EntityTags::Any), "{star:?}");
            assert_eq!(if_none_match(&[star]), Some(EntityTags::Any), "{star:?}");
        }
        for mixed in ["*, \"7\"", "\"7\",*", "**, \"7\"", "* *, \"7\""] {
            assert_eq!(if_match(&[mixed]), one_of(&["7"]), "{mixed:?}");
        }
        assert_eq!(if_match(&["*", "\"7\""]), one_of(&["7"]));
        assert_eq!(if_match(&["\"*\""]), one_of(&["*"]));
        assert_eq!(if_match(&["W/*"]), one_of(&[]));
    }

    #[test]
    fn a_list_may_have_spaces_empty_elements_and_several_fields() {
        assert_eq!(if_match(&["\"7\""]), one_of(&["7"]));
        assert_eq!(
            if_match(&[" \"0\",\"7\" ,\t\"18446744073709551615\" "]),
            one_of(&["0", "7", "18446744073709551615"])
        );
        assert_eq!(if_match(&[",, \"7\" , ,\"8\","]), one_of(&["7", "8"]));
        assert_eq!(if_match(&["\"7\"", "", "\"8\", \"9\""]), one_of(&["7", "8", "9"]));
        assert_eq!(if_match(&[""]), one_of(&[]));
        assert_eq!(if_match(&[" ,"]), one_of(&[]));
    }

    #[test]
    fn a_weak_tag_matches_only_in_the_weak_comparison() {
        assert_eq!(if_match(&["W/\"7\", \"8\""]), one_of(&["8"]));
        assert_eq!(if_none_match(&["W/\"7\", \"8\""]), one_of(&["7", "8"]));
        assert_eq!(if_none_match(&["w/\"7\""]), one_of(&[]), "the prefix is case-sensitive");
        assert_eq!(if_none_match(&["W/ \"7\""]), one_of(&[]));
    }

    #[test]
    fn garbage_matches_nothing() {
        for garbage in
            ["7", "'7'", "\"7", "7\"", "\"7\"x", "x\"7\"", "\"7\" \"8\"", "\"", "W/", "\u{7f}", "\"7\u{7f}\""]
        {
            assert_eq!(if_match(&[garbage]), one_of(&[]), "{garbage:?}");
            assert_eq!(if_match(&[garbage, "\"9\""]), one_of(&["9"]), "{garbage:?} affects its own field only");
        }
    }

    #[test]
    fn garbage_ends_at_the_next_comma() {
        assert_eq!(if_match(&["abc, \"7\""]), one_of(&["7"]));
        assert_eq!(if_match(&["\"7\" \"8\", \"9\""]), one_of(&["9"]));
        assert_eq!(if_match(&["\"a,b\", \"9\""]), one_of(&["a,b", "9"]), "a comma in quotes is part of the tag");
        assert_eq!(if_match(&["\"a b, \"9\""]), one_of(&["9"]), "a tag cannot contain a space");
    }

    #[test]
    fn a_tag_matches_by_its_bytes() {
        let tags = one_of(&["7", "a,b"]).unwrap();
        assert_eq!(["7", "a,b", "07", ""].map(|tag| tags.matches(tag)), [true, true, false, false]);
        assert!(EntityTags::Any.matches("7"));
        let bytes = EntityTags::parse([&b"\"\xff\", \"7\""[..]].into_iter(), |_| true).unwrap();
        assert_eq!(bytes, EntityTags::OneOf(vec![b"\xff", b"7"]));
    }
}
