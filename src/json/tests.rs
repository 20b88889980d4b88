//! The parser against simd-json, the strict scanner and serde_json.

use super::malformed::{Broken, Malformed};
use super::{Node, Scratch, StaticNode, parse, strict, with_nodes};
use crate::limits::JSON_DEPTH_MAX;
use proptest::prelude::*;
use simd_json::{Buffers, Tape};

/// A node of a tape that owns its string. All numbers are equal.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Text(String),
    Number,
    Other(StaticNode),
    Object(usize, usize),
    Array(usize, usize),
}

fn items(nodes: &[Node<'_>]) -> Vec<Item> {
    let item = |node: &Node<'_>| match *node {
        Node::String(string) => Item::Text(string.to_owned()),
        Node::Object { len, count } => Item::Object(len, count),
        Node::Array { len, count } => Item::Array(len, count),
        Node::Static(other @ (StaticNode::Bool(_) | StaticNode::Null)) => Item::Other(other),
        Node::Static(_) => Item::Number,
    };
    nodes.iter().map(item).collect()
}

fn by_simd(text: &[u8]) -> Option<Vec<Item>> {
    let mut tape = Tape(Vec::new());
    let mut text = text.to_vec();
    let mut buffers = Buffers::with_max_depth(0, JSON_DEPTH_MAX);
    simd_json::fill_tape(&mut text, &mut buffers, &mut tape).ok()?;
    Some(items(&tape.0))
}

/// The tape of the strict scanner, and whether it has a number that simd-json refuses.
fn by_scanner(text: &[u8]) -> Result<(Vec<Item>, bool), Broken> {
    let mut text = text.to_vec();
    let (mut tape, mut strings) = (Vec::new(), Vec::new());
    strict::fill(&mut text, &mut tape, &mut strings)?;
    let is_huge = |node: &Node<'_>| matches!(node, Node::Static(StaticNode::F64(number)) if number.abs() >= 9.2e18);
    Ok((items(&tape), tape.iter().any(is_huge)))
}

fn by_parser(text: &[u8]) -> Result<Vec<Item>, Malformed> {
    with_nodes(&mut text.to_vec(), &mut Scratch::default(), items)
}

fn offset(text: impl AsRef<[u8]>) -> Option<usize> {
    by_parser(text.as_ref()).err().map(|malformed| malformed.offset)
}

/// The depth of a tape.
fn depth(tape: &[Item]) -> usize {
    let mut ends: Vec<usize> = Vec::new();
    let mut deepest = 0;
    for (at, item) in tape.iter().enumerate() {
        ends.retain(|end| at < *end);
        if let Item::Object(_, count) | Item::Array(_, count) = item {
            ends.push(at + 1 + count);
            deepest = deepest.max(ends.len());
        }
    }
    deepest
}

/// The scanner counts the same elements without a tape, and leaves the text as it is.
fn assert_counts_agree(text: &[u8], scanned: &Result<(Vec<Item>, bool), Broken>) {
    for max in 0..3 {
        let expected = match scanned {
            Ok((tape, _)) => Ok(matches!(tape[0], Item::Array(len, _) if len > max)),
            Err(broken) if broken.elements > max => Ok(true),
            Err(broken) => Err(broken.malformed),
        };
        let mut counted = text.to_vec();
        assert_eq!(strict::has_more_elements(&mut counted, max), expected, "{max}");
        assert_eq!(counted, text);
    }
}

/// The parser, simd-json, the scanner and serde_json agree about `text`, as far as each of them can read it.
fn assert_all_agree(text: &[u8]) {
    let (simd, scanner, parsed) = (by_simd(text), by_scanner(text), by_parser(text));
    let serde = serde_json::from_slice::<serde_json::Value>(text);
    assert_counts_agree(text, &scanner);
    match (&simd, &scanner) {
        (Some(simd), Ok((scanner, _))) => assert_eq!(simd, scanner),
        (None, Ok((_, has_huge))) => assert!(has_huge, "simd-json refuses a text that the scanner accepts"),
        (Some(_), Err(broken)) => panic!("simd-json accepts a text that is {broken:?}"),
        (None, Err(broken)) => assert_breaks_there(text, *broken),
    }
    match scanner {
        Ok((tape, has_huge)) => {
            let is_beyond_serde = has_huge || depth(&tape) >= 128;
            assert!(serde.is_ok() || is_beyond_serde, "serde_json: {serde:?}");
            assert_eq!(parsed.as_ref(), Ok(&tape));
        }
        Err(broken) => {
            assert!(serde.is_err(), "serde_json accepts a text that is {broken:?}");
            assert_eq!(parsed, Err(broken.malformed));
        }
    }
}

/// The bytes before the offset are the beginning of some JSON; together with the next byte they are not.
fn assert_breaks_there(text: &[u8], broken: Broken) {
    let offset = broken.malformed.offset;
    let offset_of = |text: &[u8]| by_scanner(text).err().map(|broken| broken.malformed.offset);
    assert!(offset <= text.len());
    assert!([None, Some(offset)].contains(&offset_of(&text[..offset])), "it is malformed before {offset}");
    match text.get(offset) {
        // A character is valid or invalid as a whole.
        None | Some(b'\\' | 0x80..) => {}
        Some(_) => assert_eq!(offset_of(&text[..=offset]), Some(offset), "it is not malformed at {offset}"),
    }
}

/// Pieces of JSON, valid and broken, and pieces of other formats.
const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\"\"",
    b"\"a\"",
    b"\"a\":",
    b"{\"a\":1}",
    b"[1,2]",
    b"[]",
    b"{}",
    b"\\",
    b"\\\"",
    b"\\\\",
    b"\\/",
    b"\\n",
    b"\\x",
    b"\\u",
    b"\\u0000",
    b"\\u00e9",
    b"\\u12",
    b"\\uD83D\\uDE00",
    b"\\ud800",
    b"\\udc00",
    b"\\ud800\\u0041",
    b"\\uFFFF",
    b"0",
    b"1",
    b"-",
    b"-0",
    b"+",
    b".",
    b"e",
    b"E",
    b"1.5",
    b"1.",
    b"01",
    b"1e9",
    b"1e999",
    b"-1E+400",
    b"1e-999",
    b"0e999",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"123456789012345678901234567890.5",
    b"0.00000000000000000000001",
    b"true",
    b"false",
    b"null",
    b"tru",
    b"nul",
    b"NaN",
    b"Infinity",
    b"True",
    b" ",
    b"\n",
    b"\t",
    b"\r",
    b"\x0b",
    b"\x0c",
    b"\x00",
    b"\x1f",
    b"\x7f",
    b"\xc2\xa0",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    b"\xc3\xa9",
    b"\xf0\x9f\x98\x80",
    b"\xff",
    b"\x80",
    b"\xc0\x80",
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf0\x9f",
    b"\xf4\x90\x80\x80",
    b"//",
    b"/**/",
    b"'a'",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"                                                               ",
    b"\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"",
    b"[[[[[[[[[[[[[[[[",
    b"]]]]]]]]]]]]]]]]",
];

fn token() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(TOKENS)
}

fn random_tokens() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(token(), 0..12).prop_map(|tokens| tokens.concat())
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,70}"]
}

fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ -!#-\\[\\]-~é€😀\u{7f}]{0,20}",
        1 => prop::sample::select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\u0000", "\\u00E9", "\\ud83d\\ude00", "\\uffff"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..5).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn json() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop_oneof![
        prop::sample::select(vec!["true", "false", "null", "0", "-0"]).prop_map(str::to_owned),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?",
        string(),
    ];
    let value = scalar.prop_recursive(6, 48, 6, |value| {
        let spaced = (space(), value, space()).prop_map(|(before, value, after)| before + &value + &after).boxed();
        let member = (space(), string(), space(), spaced.clone())
            .prop_map(|(before, key, after, value)| format!("{before}{key}{after}:{value}"));
        prop_oneof![
            prop::collection::vec(spaced, 0..6).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    (space(), value, space()).prop_map(|(before, value, after)| (before + &value + &after).into_bytes())
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(usize, u8),
    Remove(usize),
    Truncate(usize),
    Insert(usize, &'static [u8]),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Flip(at, byte)),
        any::<usize>().prop_map(Mutation::Remove),
        any::<usize>().prop_map(Mutation::Truncate),
        (any::<usize>(), token()).prop_map(|(at, token)| Mutation::Insert(at, token)),
    ]
}

fn mutate(mut text: Vec<u8>, mutations: Vec<Mutation>) -> Vec<u8> {
    for mutation in mutations {
        let len = text.len();
        match mutation {
            Mutation::Insert(at, token) => drop(text.splice(at % (len + 1)..at % (len + 1), token.iter().copied())),
            _ if len == 0 => {}
            Mutation::Flip(at, byte) => text[at % len] ^= byte,
            Mutation::Remove(at) => drop(text.remove(at % len)),
            Mutation::Truncate(at) => text.truncate(at % len),
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn all_parsers_accept_generated_json(text in json()) {
        prop_assert!(by_parser(&text).is_ok());
        assert_all_agree(&text);
    }

    #[test]
    fn all_parsers_agree_on_mutated_json(text in json(), mutations in prop::collection::vec(mutation(), 1..4)) {
        assert_all_agree(&mutate(text, mutations));
    }

    #[test]
    fn all_parsers_agree_on_random_tokens(text in random_tokens()) {
        assert_all_agree(&text);
    }

    #[test]
    fn all_parsers_agree_on_strings_of_random_tokens(text in random_tokens()) {
        assert_all_agree(&[b"[\"", &text[..], b"\"]"].concat());
    }

    #[test]
    fn all_parsers_agree_across_block_boundaries(text in random_tokens(), before in 0..130_usize) {
        assert_all_agree(&[" ".repeat(before).as_bytes(), &text].concat());
        assert_all_agree(&[b"[\"", "a".repeat(before).as_bytes(), &text, b"\"]"].concat());
    }

    #[test]
    fn a_used_scratch_gives_the_same_result_as_a_new_one(
        texts in prop::collection::vec(prop_oneof![json(), random_tokens()], 1..6),
    ) {
        let mut scratch = Scratch::default();
        for text in texts {
            prop_assert_eq!(with_nodes(&mut text.clone(), &mut scratch, items), by_parser(&text));
        }
    }
}

#[test]
fn all_parsers_agree_on_every_short_text() {
    for (alphabet, len_max) in
        [(&b"{}[]:,\"\\u1 "[..], 5), (b"0123-+.eE ,x", 5), (b"[\"\x80\xc3\xa9\xe2\xed\xa0\xf0\"]", 5)]
    {
        for len in 0..=len_max {
            for number in 0..alphabet.len().pow(len) {
                let digits = (0..len).map(|place| alphabet[number / alphabet.len().pow(place) % alphabet.len()]);
                assert_all_agree(&digits.collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn all_parsers_agree_on_any_byte_at_any_position() {
    let document = br#" {"a":[1.5e3,true,null,"x\n\u00e9\ud83d\ude00"],"b":{"c":-0}} "#;
    for at in 0..document.len() {
        for byte in 0..=255 {
            let mut text = document.to_vec();
            text[at] = byte;
            assert_all_agree(&text);
        }
        assert_all_agree(&document[..at]);
    }
}

#[test]
fn depth_128_is_accepted_and_the_bracket_of_depth_129_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), (" [{\"a\":", "}]")] {
        let levels = open.matches(['[', '{']).count();
        let nested = |times: usize, inner: &str| format!("{}{inner}{}", open.repeat(times), close.repeat(times));
        let deepest = nested(128 / levels, "1");
        assert_eq!(offset(&deepest), None, "{open}");
        assert_eq!(depth(&by_parser(deepest.as_bytes()).unwrap()), 128);
        for inner in ["[]", "{}", "[1", "{"] {
            assert_eq!(offset(nested(128 / levels, inner)), Some(128 / levels * open.len()), "{open} {inner}");
        }
    }
    assert_eq!(offset("[".repeat(1_000_000)), Some(128));
}

#[test]
fn both_paths_accept_numbers_of_any_size() {
    let huge = "9".repeat(400);
    for number in ["1e999", "-1e999", "-0", "0e99999999999999999999", "1e-99999999999999999999", "0.1e1", &huge] {
        let text = format!(r#"{{"\u0061":[{number},"\n"],"b":{number}}}"#);
        let tape = by_parser(text.as_bytes()).unwrap();
        let string = |text: &str| Item::Text(text.to_owned());
        let members = [string("a"), Item::Array(2, 2), Item::Number, string("\n"), string("b"), Item::Number];
        assert_eq!(tape, [&[Item::Object(2, 6)], &members[..]].concat(), "{number}");
    }
}

#[test]
fn the_strings_of_both_paths_are_parts_of_the_text() {
    for number in ["1", "1e999"] {
        let mut text = format!(r#"["plain",{number},"\u0061\n",""]"#).into_bytes();
        let whole = text.as_ptr_range();
        let strings = with_nodes(&mut text, &mut Scratch::default(), |nodes| {
            let strings = nodes.iter().filter_map(|node| match node {
                Node::String(string) => Some(string.as_bytes().as_ptr_range()),
                _ => None,
            });
            strings.map(|string| whole.start <= string.start && string.end <= whole.end).collect::<Vec<_>>()
        });
        assert_eq!(strings, Ok(vec![true; 3]));
    }
}

#[test]
fn the_offset_is_the_first_byte_that_no_document_can_have() {
    let cases: &[(&[u8], usize)] = &[
        (b"", 0),
        (b"  ", 2),
        (b"\xef\xbb\xbf{}", 0),
        (b"{} x", 3),
        (b"1 2", 2),
        (b"[1,]", 3),
        (b"[1 2]", 3),
        (b"[1}", 2),
        (b"{\"a\"}", 4),
        (b"{\"a\":}", 5),
        (b"{\"a\":1,}", 7),
        (b"{a:1}", 1),
        (b"]", 0),
        (b"[tru]", 4),
        (b"tru", 3),
        (b"nullx", 4),
        (b"01", 1),
        (b"-", 1),
        (b"-x", 1),
        (b"1.", 2),
        (b"[1.]", 3),
        (b"1e+", 3),
        (b".5", 0),
        (b"+1", 0),
        (b"\x0c1", 0),
        (b"[1\x00]", 2),
        (b"\"a\nb\"", 2),
        (b"\"a", 2),
        (b"\"a\\", 3),
        (b"\"a\\x\"", 3),
        (b"\"\\u12g4\"", 5),
        (b"\"\\u12", 5),
        (b"\"a\\ud800\"", 2),
        (b"\"a\\ud800b\"", 2),
        (b"\"a\\ud800\\n\"", 2),
        (b"\"a\\ud800\\ud800\"", 2),
        (b"\"a\\udc00\"", 2),
        (b"\"a\\ud800", 8),
        (b"\"a\\ud800\\", 9),
        (b"\"a\\ud800\\u", 10),
        (b"\"a\\ud800\\udc0", 13),
        (b"\"a\xff\"", 2),
        (b"\"a\xe2\x82\"", 2),
        (b"\"a\xe2\x82", 4),
        (b"\"a\xe2x\"", 2),
        (b"\"a\xed\xa0\x80\"", 2),
        (b"\"a\xc0\x80\"", 2),
        (b"[\"\\n\\n\\n\\u0041\",\"\\n\",x]", 21),
    ];
    for (text, expected) in cases {
        assert_eq!(offset(text), Some(*expected), "{}", text.escape_ascii());
    }
}

#[test]
fn a_malformed_array_reports_the_number_of_its_complete_elements() {
    let cases = [
        ("[1,[2,3],{\"a\":[4]},x", 3),
        ("[1,2,3", 3),
        ("[1,2,3] x", 3),
        ("[", 0),
        ("{\"a\":[1,2,x", 0),
        ("[[1,2,3", 0),
        ("", 0),
    ];
    for (text, elements) in cases {
        let broken = parse(&mut text.as_bytes().to_vec(), &mut Scratch::default(), |_| ()).unwrap_err();
        assert_eq!(broken.elements, elements, "{text}");
    }
}

#[test]
fn large_buffers_are_freed_and_ordinary_ones_are_kept() {
    let mut scratch = Scratch::default();
    let mut read = |values: usize| {
        let mut text = format!("[{}1]", "1,".repeat(values)).into_bytes();
        assert_eq!(with_nodes(&mut text, &mut scratch, |nodes| nodes.len()), Ok(values + 2));
        scratch.tape.0.capacity()
    };
    let kept = read(1_000);
    assert!(kept >= 1_000);
    assert_eq!(read(10), kept);
    assert_eq!(read(2_000_000), 0);
}
