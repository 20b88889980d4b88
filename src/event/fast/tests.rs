//! The fast path against the general path and against serde_json.

use super::body::read_json_with;
use super::shapes::Shapes;
use super::simd::on_each_unit;
use super::{LineReader, read_json};
use crate::event::validate::RowBuilder;
use crate::event::{Batch, DecodeError, Decoder, Format, Schema, Verdict};
use crate::key::HashKeys;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const GOOD: &str = r#"{"event_id":"e-1","user_id":"u-1","type":"view","ts":"2025-10-08T12:34:56.789Z"}"#;

fn schema(batch_events_max: usize) -> Schema {
    Schema::new(["click", "view", "purchase", "a longer type", "a larger type"], batch_events_max)
}

fn keys() -> HashKeys {
    HashKeys::from_seed(&[7; 32])
}

/// All columns of an event's row.
type Row = (Option<String>, Verdict, [u64; 2], u128, i64);

fn rows(batch: &Batch) -> Vec<Row> {
    let row = |i| {
        let id = batch.event_id(i).map(str::to_owned);
        (id, batch.verdict(i), batch.event_keys[i].0, batch.records[i], batch.ts_ms[i])
    };
    (0..batch.len()).map(row).collect()
}

fn decode(use_fast_path: bool, body: &[u8], format: Format, events_max: usize) -> Result<Vec<Row>, DecodeError> {
    let (schema, keys) = (schema(events_max), keys());
    let mut decoder = Decoder::default();
    let batch = match use_fast_path {
        true => decoder.decode(body.to_vec(), format, &schema, &keys),
        false => decoder.decode_with(false, body.to_vec(), format, &schema, &keys),
    };
    batch.map(|batch| rows(&batch))
}

/// Whether serde_json accepts a text. `None` for a number beyond `f64`, which serde_json refuses and the contract
/// allows.
fn is_json(text: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(_) => Some(true),
        Err(error) if error.to_string().starts_with("number out of range") => None,
        Err(_) => Some(false),
    }
}

/// Both paths give the same result for a body, and serde_json refuses exactly the texts that they call malformed.
fn assert_both_agree(body: &[u8]) {
    for events_max in [1_000, 3] {
        for format in [Format::Json, Format::Ndjson] {
            let general = decode(false, body, format, events_max);
            on_each_unit(|| {
                let fast = decode(true, body, format, events_max);
                assert_eq!(fast, general, "{:?}", String::from_utf8_lossy(body));
            });
        }
    }
    if let Some(is_json) = is_json(body) {
        assert_eq!(decode(true, body, Format::Json, 1_000).is_ok(), is_json, "{:?}", String::from_utf8_lossy(body));
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(is_space));
    let rows = decode(true, body, Format::Ndjson, 1_000).unwrap();
    assert_eq!(rows.len(), lines.clone().count());
    for (line, row) in lines.zip(rows) {
        let is_malformed = matches!(row.1, Verdict::MalformedJson { .. });
        assert_ne!(is_json(line), Some(is_malformed), "{:?}", String::from_utf8_lossy(line));
    }
}

/// Whether the fast path reads a whole body.
fn is_fast(body: &str, format: Format) -> bool {
    let (schema, keys) = (schema(1_000), keys());
    let mut rows = RowBuilder::new(&schema, &keys, body.as_ptr().addr());
    let mut batch = Batch::default();
    match format {
        Format::Json => read_json(body.as_bytes(), &mut rows, &mut batch),
        Format::Ndjson => LineReader::default().read(body.as_bytes(), 0, &mut rows, &mut batch) == body.len(),
    }
}

#[test]
fn usual_events_take_the_fast_path_in_any_shape() {
    let pretty = GOOD.replace("\",", "\",\n    ").replace(':', ": ").replace("12: 34: 56", "12:34:56");
    let with = |member: &str| GOOD.replace("{", &format!("{{{member},"));
    for event in [
        GOOD.to_owned(),
        pretty,
        r#" { "ts" : "2025-10-08T14:34:56+02:00" , "type" : "click" , "user_id" : "é" , "event_id" : "😀" } "#
            .to_owned(),
        with(r#""session":"s-1""#),
        with(r#""nested":{"a":[1,-2.5e+3,[],{},[{"b":null}]],"c":{"d":true,"e":false}}"#),
        with(r#""long":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#),
        GOOD.replace("e-1", &"x".repeat(257)),
        GOOD.replace("view", "vieW"),
        GOOD.replace("2025", "2O25"),
        GOOD.replace("\"u-1\"", "null"),
        GOOD.replace("user_id", "type"),
        "{}".to_owned(),
        with(r#""a":"\n\u0041\ud83d\ude00\\""#),
        GOOD.replace("e-1", r#"e\/1\u00e9\"\\"#),
        GOOD.replace("view", r"vi\u0065w"),
        GOOD.replace("2025", r"20\u00325"),
    ] {
        assert!(is_fast(&event, Format::Json), "{event}");
        assert!(is_fast(&format!("[{event},{event} ,{event}]\n"), Format::Json), "{event}");
        let line = event.replace('\n', " ");
        assert!(is_fast(&line, Format::Ndjson), "{line}");
        assert!(is_fast(&format!("\n{line}\r\n \t\r\n{line}\n{line}\n\n"), Format::Ndjson), "{line}");
    }
}

#[test]
fn escaped_names_and_values_that_are_not_objects_are_left_to_the_general_path() {
    for event in [
        "[]",
        "null",
        "x",
        "",
        r#"{"\u0061":1}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":01}"#,
        r#"{"a":tru}"#,
        r#"{"a":[1}"#,
        r#"{"a":1,}"#,
        r#"{"a":[[]}"#,
        "{\"a\":\"\t\"}",
        "{\"a\":\"",
        "{} {}",
    ] {
        assert!(!is_fast(event, Format::Json), "{event}");
        assert!(!is_fast(&format!("[{GOOD},{event}]"), Format::Json), "{event}");
        assert_eq!(is_fast(event, Format::Ndjson), event.is_empty(), "{event}");
        assert_both_agree(event.as_bytes());
        for body in [format!("[{GOOD},{event},{GOOD}]"), format!("{GOOD}\n{event}\n{GOOD}\n{GOOD}\n{event}{event}")] {
            assert_both_agree(body.as_bytes());
        }
    }
}

#[test]
fn a_shape_hides_no_fault_between_the_values() {
    let with = |member: &str| GOOD.replace('{', &format!("{{{member},"));
    for event in ["\"ts\":null", "\"ts\":[]", "\"ts\":\"\"", "\"type\":1", "\"x\":1"].map(with) {
        assert_both_agree(format!("[{event},{event},{event},{GOOD},{GOOD}]").as_bytes());
        assert_both_agree(format!("{event}\n{event}\n{event}\n{GOOD}\n{GOOD}\n").as_bytes());
    }
}

/// The second and the third event are compared with the shape of the first.
#[test]
fn values_of_other_members_differ_and_broken_ones_are_found() {
    let good = ["1", "-20.5e+3", "true", "null", r#""""#, r#""a\n\"b""#, r#""\ud83d\ude00""#];
    let broken = ["01", "1.", "-", "tru", "truex", "1 2", r#""a"#, r#""\x""#, r#""\ud83d""#, "\"\t\"", "", "{}", "[1]"];
    let event = |value: &str| GOOD.replace(",\"type\"", &format!(r#","o":{{"a":[{value},7],"b":{value}}},"type""#));
    for first in good {
        for second in good.into_iter().chain(broken) {
            let events = [first, second, first].map(event);
            assert_both_agree(format!("[{}]", events.join(",")).as_bytes());
            assert_both_agree(events.join("\n").as_bytes());
        }
    }
}

/// The number of shapes that a body of these events needs. Both paths agree on the events.
fn shapes_of(events: &[String]) -> usize {
    // An event that is too near the end of the text is always read token by token.
    let body = format!("[{}]{:64}", [events, events, events].concat().join(","), "");
    assert_both_agree(body.as_bytes());
    assert_both_agree([events, events].concat().join("\n").as_bytes());
    let (schema, keys) = (schema(1_000), keys());
    let mut rows = RowBuilder::new(&schema, &keys, body.as_ptr().addr());
    let mut shapes = Shapes::default();
    assert!(read_json_with(&mut shapes, body.as_bytes(), &mut rows, &mut Batch::default()));
    shapes.len()
}

/// The members of an event in each of the 24 orders.
fn orders_of(members: [&str; 4]) -> Vec<String> {
    let position = |order: usize, place: usize| order / [1, 4, 16, 64][place] % 4;
    let orders = (0..256).map(|order| [0, 1, 2, 3].map(|place| position(order, place)));
    let is_order = |order: &[usize; 4]| (0..4).all(|member| order.contains(&member));
    orders.filter(is_order).map(|order| format!("{{{}}}", order.map(|member| members[member]).join(","))).collect()
}

#[test]
fn one_shape_is_enough_for_all_orders_of_the_members() {
    for space in ["", " ", "\t\t"] {
        for id in ["e-1", "\\u0065", "an id that is longer than one block of the text \\u00e9"] {
            let members = [
                &format!("{space}\"event_id\":{space}\"{id}\""),
                &format!("{space}\"user_id\":{space}\"u-1\""),
                &format!("{space}\"type\":{space}\"view\""),
                &format!("{space}\"ts\":{space}\"2025-10-08T12:34:56.789Z\""),
            ];
            let events = orders_of(members.map(String::as_str));
            assert_eq!(events.len(), 24);
            assert_eq!(shapes_of(&events), 1, "{}", events[0]);
        }
    }
}

#[test]
fn a_name_with_more_quotes_than_two_is_no_start_of_a_value() {
    let members =
        [r#""event_id":"e-1""#, r#""x":{},"user_id":"u-1""#, r#""type":"view""#, r#""ts":"2025-10-08T12:34:56.789Z""#];
    let events = orders_of(members);
    assert_both_agree(format!("[{}]", events.join(",")).as_bytes());
    assert_both_agree(events.join("\n").as_bytes());
}

#[test]
fn a_value_may_end_at_the_end_of_a_block_in_any_order() {
    for len in (18..24).chain(48..56) {
        let id = format!(r#""event_id":"{}""#, "e".repeat(len));
        let members = [&id, r#""user_id":"u-1""#, r#""type":"view""#, r#""ts":"2025-10-08T12:34:56.789Z""#];
        let events = orders_of(members);
        assert_eq!(shapes_of(&events), 1);
        assert_both_agree(format!("[{}]", events.join(",")).as_bytes());
    }
}

#[test]
fn an_order_of_members_hides_no_fault() {
    let members =
        [r#""event_id":"e-1""#, r#""user_id":"u-1""#, r#""type":"view""#, r#""ts":"2025-10-08T12:34:56.789Z""#];
    let other = [r#""event_id":"e-2""#, r#""event_id":7"#, r#""event_id":"e"x"#, r#""event_idx":"e-3""#, r#""a":"b""#];
    for other in other {
        for place in 0..4 {
            let mut changed = members;
            changed[place] = other;
            for (good, changed) in orders_of(members).into_iter().zip(orders_of(changed)) {
                assert_both_agree(format!("[{GOOD},{good},{changed},{good},{GOOD}]").as_bytes());
                assert_both_agree(format!("{GOOD}\n{good}\n{changed}\n{good}\n").as_bytes());
            }
        }
    }
}

#[test]
fn a_fault_after_a_name_is_found_in_any_order() {
    for spaces in [1, 20, 22, 30, 40, 70] {
        let space = " ".repeat(spaces);
        let member = |(name, value): (&str, &str)| format!("\"{name}\":{space}\"{value}\"");
        let members = [("event_id", "e-1"), ("user_id", "u-1"), ("type", "view"), ("ts", "2025-10-08T12:34:56.789Z")];
        let members = members.map(member);
        let good = orders_of([&members[0], &members[1], &members[2], &members[3]]);
        for fault in 0..spaces {
            for (member, other) in [(2, 13), (3, 5)] {
                let mut changed = members.clone();
                let place = changed[member].find(':').unwrap() + 1 + fault;
                changed[member].replace_range(place..=place, "x");
                let changed = orders_of([&changed[0], &changed[1], &changed[2], &changed[3]]);
                let body = format!("[{},{},{},{:64}]", good[0], good[other], changed[other], GOOD);
                assert_both_agree(body.as_bytes());
            }
        }
    }
}

#[test]
fn events_of_a_few_shapes_in_turns_keep_their_shapes() {
    let kinds = ["", r#""amount":7,"#, r#""page":{"url":"/"},"#, r#""x":1,"y":[2],"#, r#""a":true,"#];
    let event = |members: &&str| GOOD.replace("\"ts\"", &format!("{members}\"ts\""));
    for (kinds_len, expected) in [(1, 1), (2, 2), (4, 4), (5, 4)] {
        assert_eq!(shapes_of(&kinds[..kinds_len].iter().map(event).collect::<Vec<_>>()), expected);
    }
}

#[test]
fn a_shape_has_a_bounded_number_of_values_and_bytes() {
    for (members, space) in [(11, 1), (12, 1), (13, 1), (1, 250), (1, 257), (40, 40)] {
        let others: String = (0..members).map(|n| format!("\"m{n}\":{}{n},", " ".repeat(space))).collect();
        let event = GOOD.replace('{', &format!("{{{others}"));
        assert!(is_fast(&format!("[{event},{event}]"), Format::Json));
        assert_both_agree(format!("[{event},{event},{}]", event.replace("e-1", "e-2")).as_bytes());
    }
}

#[test]
fn a_batch_with_too_many_escaped_ids_takes_the_general_path() {
    let ids_max = crate::limits::UNESCAPED_ID_BYTES_MAX / 250;
    for (ids, is_expected) in [(ids_max / 2, true), (2 * ids_max, false)] {
        let event = |n| GOOD.replace("e-1", &format!("\\u0065{n:0249}"));
        let body = format!("[{}]", (0..ids).map(event).collect::<Vec<_>>().join(","));
        let decoded = |use_fast_path| decode(use_fast_path, body.as_bytes(), Format::Json, 1 << 20).unwrap();
        assert_eq!(decoded(true), decoded(false));
        let (schema, keys) = (schema(1 << 20), keys());
        let mut rows = RowBuilder::new(&schema, &keys, body.as_ptr().addr());
        assert_eq!(read_json(body.as_bytes(), &mut rows, &mut Batch::default()), is_expected);
    }
}

#[test]
fn a_line_feed_ends_an_event_in_any_shape() {
    let broken = GOOD.replace(",\"type\"", ",\n\"type\"");
    for body in [format!("{broken}\n{GOOD}"), format!("{GOOD}\n{broken}\n{GOOD}"), format!("{GOOD}{GOOD}\n{GOOD}")] {
        assert_both_agree(body.as_bytes());
    }
}

#[test]
fn both_paths_agree_at_every_distance_from_the_end() {
    for len in 0..100 {
        let event = GOOD.replace("e-1", &"x".repeat(len));
        for space in ["", " ", "                                  "] {
            let (array, lines) = (format!("[{event},{event}]{space}"), format!("{event}\n{event}{space}"));
            for cut in 0..4 {
                assert_both_agree(&array.as_bytes()[..array.len() - cut]);
                assert_both_agree(&lines.as_bytes()[..lines.len() - cut]);
            }
        }
    }
}

/// JSON white space of different lengths.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(String::new()), 2 => Just(" ".to_owned()), 1 => "[ \t\r\n]{1,40}"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z0-9-]{1,40}",
        2 => "[a-zé😀~ ]{0,70}",
        1 => "\\PC{0,20}",
        1 => select(vec!["", "\\n", "\\u0041", "\\ud83d\\ude00", "\\ud83d", "\\\"", "\u{7f}"]).prop_map(str::to_owned),
        1 => "[a-z]{250,260}",
    ]
}

/// The value of a known member.
fn value(field: &'static str) -> BoxedStrategy<String> {
    let usual = match field {
        "type" => select(vec!["click", "view", "purchase", "a longer type", "a larger type", "clicks", "vie", "a l"])
            .prop_map(str::to_owned)
            .boxed(),
        "ts" => prop_oneof![
            4 => "2025-10-08T12:00:0[0-2]\\.[0-9]{3}Z",
            1 => "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[012][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,5})?(Z|z|[+-]0[0-9]:30)",
        ]
        .boxed(),
        _ => text().boxed(),
    };
    prop_oneof![20 => usual.prop_map(|text| format!("\"{text}\"")), 1 => any_value()].boxed()
}

fn any_value() -> impl Strategy<Value = String> {
    let scalars = vec!["null", "true", "false", "0", "-1.5", "12e3", "1E-2", "0.5e+1", "\"s\"", "\"\\t\"", "{}", "[]"];
    let broken = vec!["01", "-", "1.", "1e", "nul", "+1", "[1,]", "{\"a\"}", "[}", "\"a", "{,}", "'a'"];
    let scalar = prop_oneof![30 => select(scalars), 1 => select(broken)].prop_map(str::to_owned);
    scalar.prop_recursive(3, 12, 3, |value| {
        let items = prop::collection::vec(value, 0..3);
        (items, any::<bool>(), space()).prop_map(|(items, is_object, space)| match is_object {
            true => format!(
                "{{{}}}",
                items.iter().map(|item| format!("\"ts\":{space}{item}")).collect::<Vec<_>>().join(",")
            ),
            false => format!("[{space}{}]", items.join(",")),
        })
    })
}

/// The name of a member, its value in each of six events, and the white space around them.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    values: Vec<String>,
    space: [String; 4],
}

fn member(name: impl Into<String>, value: impl Strategy<Value = String>) -> impl Strategy<Value = Member> {
    let name = name.into();
    (prop::collection::vec(value, 6), prop::array::uniform4(space())).prop_map(move |(values, space)| Member {
        name: name.clone(),
        values,
        space,
    })
}

/// Six events with the same members. Some of them may lack a member, and each may have an order of its own.
fn events() -> impl Strategy<Value = Vec<String>> {
    let known = ["event_id", "user_id", "type", "ts"].map(|field| member(field, value(field)));
    let others = prop::collection::vec(
        select(vec!["session", "", "é", "event_i", "t\\u0079pe", "ts", "event_id"]).prop_flat_map(|name| {
            member(name, prop_oneof![any_value(), text().prop_map(|text| format!("\"{text}\""))])
        }),
        3,
    );
    let absent = prop::collection::vec(prop_oneof![6 => Just(9_usize), 1 => 0..4_usize], 6);
    let others_len = select(vec![0, 0, 0, 0, 1, 1, 2, 3]);
    (known, others, others_len, any::<[Index; 8]>(), absent).prop_map(|(known, others, others_len, order, absent)| {
        let mut members: Vec<_> = known.into_iter().chain(others.into_iter().take(others_len)).collect();
        if order[7].index(3) == 0 {
            for (position, at) in order.iter().enumerate().take(members.len()) {
                let other = at.index(members.len());
                members.swap(position, other);
            }
        }
        let turns = order[6].index(3);
        let event = |i: usize| {
            let member =
                |Member { name, values, space: [a, b, c, d] }: &Member| format!("{a}\"{name}\"{b}:{c}{}{d}", values[i]);
            let present = members.iter().enumerate().filter(|(position, _)| *position != absent[i]);
            let mut present: Vec<_> = present.map(|(_, m)| member(m)).collect();
            let len = present.len().max(1);
            present.rotate_left(i * turns % len);
            format!("{{{}}}", present.join(","))
        };
        (0..6).map(event).collect()
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let separator = select(vec![",", ",", ", ", ",\r\n", "\n", "\n", "\r\n", "\n\n", "\n \t\n", "", "]"]);
    let ends = select(vec![
        ("[", "]"),
        ("[", "]"),
        (" [ ", " ] \n"),
        ("", ""),
        ("", "\n"),
        ("\n", ""),
        ("[", ""),
        ("\u{feff}", ""),
    ]);
    (events(), 0..6_usize, separator, ends).prop_map(|(events, count, separator, (open, close))| {
        format!("{open}{}{close}", events[..=count].join(separator)).into_bytes()
    })
}

#[derive(Clone, Debug)]
enum Mutation {
    Put(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = || prop_oneof![select(b"\"\\{}[]:,\n \t\r\x00\x1f0-eZ\xc3\xa9\xff".to_vec()), any::<u8>()];
    prop_oneof![
        4 => (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Put(at, byte)),
        2 => (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        2 => any::<Index>().prop_map(Mutation::Remove),
        1 => any::<Index>().prop_map(Mutation::Cut),
    ]
}

fn mutate(body: &mut Vec<u8>, mutation: &Mutation) {
    match mutation {
        Mutation::Put(at, byte) if !body.is_empty() => *at.get_mut(&mut body[..]) = *byte,
        Mutation::Insert(at, byte) => body.insert(at.index(body.len() + 1), *byte),
        Mutation::Remove(at) if !body.is_empty() => drop(body.remove(at.index(body.len()))),
        Mutation::Cut(at) => body.truncate(at.index(body.len() + 1)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn both_paths_agree_on_events_of_all_kinds(body in bodies()) {
        assert_both_agree(&body);
    }

    #[test]
    fn both_paths_agree_on_broken_bodies(
        mut body in bodies(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        for mutation in &mutations {
            mutate(&mut body, mutation);
        }
        assert_both_agree(&body);
    }
}
