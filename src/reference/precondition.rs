//! Conditional requests (RFC 9110, 13.1): the entity tag of a reference table is its generation in quotes.

use super::error::ReferenceError;

/// What an entity tag condition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`
    Any,
    /// These generations (tags that are not ours are left out: they match nothing).
    Generations(Vec<u64>),
}

impl Tags {
    /// Reads the values of all `If-Match` fields of a request; none when it has no such field. The comparison is the strong
    /// one (RFC 9110, 13.1.1), so a weak tag matches nothing.
    #[must_use]
    pub fn if_match<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        Self::parse(fields, |tag| !tag.weak)
    }

    /// Reads the values of all `If-None-Match` fields of a request; none when it has no such field. The comparison is the
    /// weak one (RFC 9110, 13.1.2), so a weak tag is as good as a strong one.
    #[must_use]
    pub fn if_none_match<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        Self::parse(fields, |_| true)
    }

    /// Whether one of the tags names the table of generation `number`. `*` names whatever is there, and at generation 0
    /// there is no table.
    #[must_use]
    pub fn matches(&self, number: u64) -> bool {
        match self {
            Self::Any => number >= 1,
            Self::Generations(numbers) => numbers.contains(&number),
        }
    }

    fn parse<'a>(fields: impl IntoIterator<Item = &'a [u8]>, counts: impl Fn(&Tag<'_>) -> bool) -> Option<Self> {
        let mut fields = fields.into_iter().peekable();
        fields.peek()?;
        let elements: Vec<Element<'_>> = fields.flat_map(|field| Elements { rest: field }).collect();
        if let [Element::Star] = elements[..] {
            return Some(Self::Any);
        }
        let number = |element| match element {
            Element::Tag(tag) if counts(&tag) => tag.generation(),
            _ => None,
        };
        Some(Self::Generations(elements.into_iter().filter_map(number).collect()))
    }
}

/// The conditions of a request (RFC 9110, 13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `If-Match`
    pub if_match: Option<Tags>,
    /// `If-None-Match`
    pub if_none_match: Option<Tags>,
}

impl Preconditions {
    /// Whether a request may change the table of generation `current`.
    pub(super) fn check(&self, current: u64) -> Result<(), ReferenceError> {
        let matches = |tags: &Tags| tags.matches(current);
        let holds = self.if_match.as_ref().is_none_or(matches) && !self.if_none_match.as_ref().is_some_and(matches);
        if holds { Ok(()) } else { Err(ReferenceError::GenerationMismatch { current }) }
    }
}

/// An entity tag (RFC 9110, 8.8.3).
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl Tag<'_> {
    /// The generation that the tag names; none for a tag that this server would not have written.
    fn generation(&self) -> Option<u64> {
        let text = str::from_utf8(self.opaque).ok()?;
        text.parse().ok().filter(|number: &u64| number.to_string() == text)
    }
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
    /// Takes a star or an entity tag, as far as there is one.
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

    fn if_match(fields: &[&str]) -> Option<Tags> {
        Tags::if_match(fields.iter().map(|field| field.as_bytes()))
    }

    fn if_none_match(fields: &[&str]) -> Option<Tags> {
        Tags::if_none_match(fields.iter().map(|field| field.as_bytes()))
    }

    fn generations(numbers: &[u64]) -> Option<Tags> {
        Some(Tags::Generations(numbers.to_vec()))
    }

    #[test]
    fn a_request_without_the_field_has_no_condition() {
        assert_eq!(if_match(&[]), None);
        assert_eq!(if_none_match(&[]), None);
    }

    #[test]
    fn a_star_stands_alone() {
        for star in ["*", " * ", "\t*", "*,", ", *"] {
            assert_eq!(if_match(&[star]), Some(Tags::Any), "{star:?}");
            assert_eq!(if_none_match(&[star]), Some(Tags::Any), "{star:?}");
        }
        for mixed in ["*, \"7\"", "\"7\",*", "**, \"7\"", "* *, \"7\""] {
            assert_eq!(if_match(&[mixed]), generations(&[7]), "{mixed:?}");
        }
        assert_eq!(if_match(&["*", "\"7\""]), generations(&[7]));
        assert_eq!(if_match(&["\"*\""]), generations(&[]));
        assert_eq!(if_match(&["W/*"]), generations(&[]));
    }

    #[test]
    fn a_list_may_have_spaces_empty_elements_and_several_fields() {
        assert_eq!(if_match(&["\"7\""]), generations(&[7]));
        assert_eq!(if_match(&[" \"0\",\"7\" ,\t\"18446744073709551615\" "]), generations(&[0, 7, u64::MAX]));
        assert_eq!(if_match(&[",, \"7\" , ,\"8\","]), generations(&[7, 8]));
        assert_eq!(if_match(&["\"7\"", "", "\"8\", \"9\""]), generations(&[7, 8, 9]));
        assert_eq!(if_match(&[""]), generations(&[]));
        assert_eq!(if_match(&[" ,"]), generations(&[]));
    }

    #[test]
    fn a_weak_tag_matches_only_in_the_weak_comparison() {
        assert_eq!(if_match(&["W/\"7\", \"8\""]), generations(&[8]));
        assert_eq!(if_none_match(&["W/\"7\", \"8\""]), generations(&[7, 8]));
        assert_eq!(if_none_match(&["w/\"7\""]), generations(&[]), "the prefix is case-sensitive");
        assert_eq!(if_none_match(&["W/ \"7\""]), generations(&[]));
    }

    #[test]
    fn what_this_server_would_not_have_written_matches_nothing() {
        let foreign = ["abc", "07", "+7", "-7", "7.0", "", " 7", "7 ", "18446744073709551616", "7,8", "0x7", "\u{667}"];
        for opaque in foreign {
            assert_eq!(if_match(&[&format!("\"{opaque}\"")]), generations(&[]), "{opaque:?}");
        }
        for garbage in
            ["7", "'7'", "\"7", "7\"", "\"7\"x", "x\"7\"", "\"7\" \"8\"", "\"", "W/", "\u{7f}", "\"7\u{7f}\""]
        {
            assert_eq!(if_match(&[garbage]), generations(&[]), "{garbage:?}");
            assert_eq!(if_match(&[garbage, "\"9\""]), generations(&[9]), "{garbage:?} spoils its own field only");
        }
        assert_eq!(Tags::if_match([&b"\"\xff\", \"7\""[..]]), generations(&[7]));
    }

    #[test]
    fn garbage_ends_at_the_next_comma() {
        assert_eq!(if_match(&["abc, \"7\""]), generations(&[7]));
        assert_eq!(if_match(&["\"7\" \"8\", \"9\""]), generations(&[9]));
        assert_eq!(if_match(&["\"a,b\", \"9\""]), generations(&[9]), "a comma in quotes is part of the tag");
        assert_eq!(if_match(&["\"a b, \"9\""]), generations(&[9]), "a space cannot stand in quotes");
    }

    #[test]
    fn a_condition_is_judged_against_the_generation_in_force() {
        let [any, zero, seven] = [Tags::Any, Tags::Generations(vec![0]), Tags::Generations(vec![5, 7])];
        for (tags, current, matches) in [
            (&any, 0, false),
            (&any, 1, true),
            (&zero, 0, true),
            (&zero, 1, false),
            (&seven, 0, false),
            (&seven, 7, true),
            (&seven, 8, false),
            (&Tags::Generations(Vec::new()), 0, false),
        ] {
            let mismatch = Err(ReferenceError::GenerationMismatch { current });
            let if_match = Preconditions { if_match: Some(tags.clone()), if_none_match: None };
            assert_eq!(if_match.check(current), if matches { Ok(()) } else { mismatch.clone() }, "{tags:?} {current}");
            let if_none_match = Preconditions { if_match: None, if_none_match: Some(tags.clone()) };
            assert_eq!(if_none_match.check(current), if matches { mismatch } else { Ok(()) }, "{tags:?} {current}");
        }
        assert_eq!(Preconditions::default().check(7), Ok(()));
        let both = Preconditions { if_match: Some(seven.clone()), if_none_match: Some(any) };
        assert!(both.check(7).is_err(), "both conditions have to hold");
    }
}
