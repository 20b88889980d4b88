//! `If-Match` and `If-None-Match`: entity tags, parsed by a state machine (RFC 9110, 8.8.3 and 13.1). The input is the
//! values of one header field, one per line.

use crate::{Target, fields};
use weir::{Generations, Preconditions};
use weir_server::internals;

/// Lists of entity tags.
pub const ENTITY_TAGS: Target = Target { name: "entity_tags", words: WORDS, check };

const WORDS: &[&[u8]] = &[
    b"*",
    b"\"0\"",
    b"\"7\"",
    b"W/\"8\"",
    b"\"18446744073709551615\"",
    b"\"18446744073709551616\"",
    b"\"07\"",
    b"\"a,b\"",
    b"\"",
    b"W/",
    b"w/",
    b",",
    b" ",
    b"\t",
    b"\n",
    b"\xff",
    b"+7",
];

fn check(input: &[u8]) {
    let fields = fields(input);
    let bytes = || fields.iter().map(http::HeaderValue::as_bytes);
    let expected = Preconditions { if_match: generations(bytes(), false), if_none_match: generations(bytes(), true) };
    assert_eq!(internals::preconditions(&fields, &fields), expected);
}

#[derive(Clone)]
enum TagState {
    Between,
    Weak,
    WeakSlash,
    Quoted { is_weak: bool, opaque: Vec<u8> },
    After(Element),
}

#[derive(Clone, PartialEq)]
enum Element {
    Star,
    Tag { is_weak: bool, opaque: Vec<u8> },
    Garbage,
}

fn generations<'f>(fields: impl Iterator<Item = &'f [u8]> + Clone, allows_weak: bool) -> Option<Generations> {
    fields.clone().next()?;
    let elements: Vec<_> = fields.flat_map(elements).collect();
    if elements == [Element::Star] {
        return Some(Generations::Any);
    }
    let number = |element: Element| match element {
        Element::Tag { is_weak, opaque } if allows_weak || !is_weak => written_number(&opaque),
        _ => None,
    };
    Some(Generations::OneOf(elements.into_iter().filter_map(number).collect()))
}

fn elements(field: &[u8]) -> Vec<Element> {
    let mut elements = vec![];
    let mut state = TagState::Between;
    for byte in field.iter().copied() {
        state = match (state, byte) {
            (TagState::Between, b' ' | b'\t' | b',') => TagState::Between,
            (TagState::Between, b'*') => TagState::After(Element::Star),
            (TagState::Between, b'W') => TagState::Weak,
            (TagState::Weak, b'/') => TagState::WeakSlash,
            (TagState::Between, b'"') => TagState::Quoted { is_weak: false, opaque: vec![] },
            (TagState::WeakSlash, b'"') => TagState::Quoted { is_weak: true, opaque: vec![] },
            (TagState::Quoted { is_weak, opaque }, b'"') => TagState::After(Element::Tag { is_weak, opaque }),
            (TagState::Quoted { is_weak, mut opaque }, b'!'..=b'~' | 0x80..) => {
                opaque.push(byte);
                TagState::Quoted { is_weak, opaque }
            }
            (TagState::After(element), b',') => {
                elements.push(element);
                TagState::Between
            }
            (TagState::Weak | TagState::WeakSlash, b',') => {
                elements.push(Element::Garbage);
                TagState::Between
            }
            (TagState::After(element), b' ' | b'\t') => TagState::After(element),
            _ => TagState::After(Element::Garbage),
        };
    }
    match state {
        TagState::Between => {}
        TagState::After(element) => elements.push(element),
        _ => elements.push(Element::Garbage),
    }
    elements
}

/// The number with these digits, without leading zeros and without a sign.
fn written_number(digits: &[u8]) -> Option<u64> {
    let is_canonical = digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"));
    if digits.is_empty() || !is_canonical {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add((digit - b'0').into()))
}
