//! Bodies of both formats through the whole decoder.

use super::*;
use crate::event::{Fault, Field};
use proptest::prelude::*;

const TS_MS: i64 = 1_759_926_896_789;
const GOOD: &str = r#"{"event_id":"e-1","user_id":"u-1","type":"view","ts":"2025-10-08T12:34:56.789Z"}"#;

fn schema(batch_events_max: usize) -> Schema {
    Schema::new(["click", "view", "purchase"], batch_events_max)
}

fn keys() -> HashKeys {
    HashKeys::from_seed(&[7; 32])
}

fn decode_up_to(max: usize, body: impl AsRef<[u8]>, format: Format) -> Result<Batch, DecodeError> {
    Decoder::default().decode(body.as_ref().to_vec(), format, &schema(max), &keys())
}

fn json(body: impl AsRef<[u8]>) -> Batch {
    decode_up_to(1_000, body, Format::Json).unwrap()
}

fn ndjson(body: impl AsRef<[u8]>) -> Batch {
    decode_up_to(1_000, body, Format::Ndjson).unwrap()
}

const FIELDS: [Field; 4] = [Field::EventId, Field::UserId, Field::Type, Field::Ts];

/// All columns of an event's row.
type Row = (Option<String>, Verdict, crate::key::EventKey, u128, i64);

fn rows(batch: &Batch) -> Vec<Row> {
    let row = |i| {
        let id = batch.event_id(i).map(str::to_owned);
        (id, batch.verdict(i), batch.event_keys[i], batch.records[i], batch.ts_ms[i])
    };
    (0..batch.len()).map(row).collect()
}

fn valid(event_id: &str, user_id: &str, kind: u8, ts_ms: i64) -> Row {
    let record = keys().user(user_id).record(kind);
    (Some(event_id.to_owned()), Verdict::Pending, keys().event(event_id), record, ts_ms)
}

fn verdicts(batch: &Batch) -> Vec<Verdict> {
    (0..batch.len()).map(|i| batch.verdict(i)).collect()
}

/// The verdict on one event, which must be the same in every format, and the id of the event.
fn verdict(event: &str) -> (Verdict, Option<String>) {
    let all = [json(event), json(format!("[{event}]")), ndjson(event), ndjson(format!("{event}\r\n"))];
    assert!(all.iter().all(|batch| rows(batch) == rows(&all[0])), "{event}");
    assert_eq!(all[0].len(), 1);
    (all[0].verdict(0), all[0].event_id(0).map(str::to_owned))
}

/// A valid event with one member replaced by other members, or removed.
fn with(field: &str, members: &str) -> String {
    let good =
        [("event_id", "\"e-1\""), ("user_id", "\"u-1\""), ("type", "\"view\""), ("ts", "\"2025-10-08T12:34:56Z\"")];
    let member = |&(name, value): &(&str, &str)| match name == field {
        true => members.to_owned(),
        false => format!("\"{name}\":{value}"),
    };
    let members: Vec<_> = good.iter().map(member).filter(|member| !member.is_empty()).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn an_object_is_one_event_and_an_array_holds_events() {
    assert_eq!(rows(&json(GOOD)), [valid("e-1", "u-1", 1, TS_MS)]);
    assert_eq!(rows(&json(format!(" [{GOOD} , {GOOD}]\n"))), vec![valid("e-1", "u-1", 1, TS_MS); 2]);
    assert!(json("[]").is_empty());
    assert!(ndjson("").is_empty());
}

#[test]
fn any_other_value_is_an_event_that_is_not_an_object() {
    let not_an_object = Verdict::Invalid(Fault::NotAnObject);
    for value in ["null", "true", "1", "1e999", "\"e\"", "\"\""] {
        assert_eq!(verdict(value), (not_an_object, None), "{value}");
    }
    assert_eq!(
        verdicts(&json(format!("[[{GOOD}],[],{GOOD},null]"))),
        [not_an_object, not_an_object, Verdict::Pending, not_an_object]
    );
    assert_eq!(verdicts(&ndjson(format!("[]\n[{GOOD}]\n{GOOD}"))), [not_an_object, not_an_object, Verdict::Pending]);
}

#[test]
fn fields_and_ids_are_compared_as_decoded_strings() {
    let event = concat!(
        r#"{"\u0065vent_id":"\u0061\n\ud83d\ude00\u0000","user\u005fid":"\"u\"","t\u0079pe":"\u0063lick","#,
        r#""\u0074s":"2025-10-08T12:34:56.789\u005a"}"#
    );
    for batch in [json(event), json(format!("[1,{event}]")), ndjson(event), ndjson(format!("\\\n{event}\n"))] {
        assert_eq!(rows(&batch).last(), Some(&valid("a\n😀\0", "\"u\"", 0, TS_MS)));
    }
}

#[test]
fn unknown_fields_are_skipped_with_all_of_their_content() {
    let nested = format!("{}1e999{}", r#"{"event_id":["#.repeat(63), "]}".repeat(63));
    for unknown in ["1", "1e999", "[]", "{}", "\"\\u0000\"", r#"{"event_id":"x","ts":[{"type":null}]}"#, &nested] {
        let event = format!(r#"{{"a":{unknown},{},"":{unknown},"Event_id":{unknown}}}"#, &GOOD[1..GOOD.len() - 1]);
        assert_eq!(verdict(&event), (Verdict::Pending, Some("e-1".to_owned())), "{unknown}");
        assert_eq!(rows(&json(format!("[{event},{event}]"))), vec![valid("e-1", "u-1", 1, TS_MS); 2]);
    }
}

#[test]
fn each_fault_of_each_field_is_reported() {
    let long = "x".repeat(257);
    for field in FIELDS {
        let name = field.name();
        let id = (field != Field::EventId).then(|| "e-1".to_owned());
        let expect = |members: &str, expected: Verdict| {
            assert_eq!(verdict(&with(name, members)), (expected, id.clone()), "{members}");
        };
        expect("", Fault::Missing(field).into());
        for value in ["null", "0", "-1.5e300", "1e999", "true", "[]", "[\"e\"]", "{\"a\":\"b\"}"] {
            expect(&format!("\"{name}\":{value}"), Fault::NotAString(field).into());
        }
        expect(&format!("\"{name}\":\"\""), Fault::Empty(field).into());
        for (first, second) in [("\"a\"", "\"a\""), ("1", "\"a\""), ("\"a\"", "[{}]"), ("{}", "null")] {
            expect(&format!("\"{name}\":{first},\"{name}\":{second}"), Fault::Repeated(field).into());
            expect(&format!("\"{name}\":{first},\"{name}\":1,\"{name}\":{second}"), Fault::Repeated(field).into());
        }
        let too_long = match field {
            Field::EventId | Field::UserId => Fault::TooLong(field).into(),
            Field::Type => Fault::UnknownType.into(),
            Field::Ts => Verdict::InvalidTimestamp,
        };
        expect(&format!("\"{name}\":\"{long}\""), too_long);
    }
}

#[test]
fn ids_have_1_to_256_bytes_after_unescaping() {
    for id in ["é".repeat(128), "x".repeat(256), "\\u00e9".repeat(128), "\\n".repeat(256)] {
        assert_eq!(verdict(&with("event_id", &format!("\"event_id\":\"{id}\""))).0, Verdict::Pending);
        assert_eq!(verdict(&with("user_id", &format!("\"user_id\":\"{id}\""))).0, Verdict::Pending);
    }
    for id in [format!("{}x", "é".repeat(128)), "😀".repeat(65), "\\ud83d\\ude00".repeat(65)] {
        let expected = (Fault::TooLong(Field::EventId).into(), None);
        assert_eq!(verdict(&with("event_id", &format!("\"event_id\":\"{id}\""))), expected);
    }
}

#[test]
fn types_are_compared_exactly() {
    for (kind, name) in ["click", "view", "purchase"].iter().enumerate() {
        let batch = json(with("type", &format!("\"type\":\"{name}\"")));
        assert_eq!(rows(&batch), [valid("e-1", "u-1", kind as u8, TS_MS - 789)]);
    }
    for name in ["Click", "click ", "clic", "purchases", "x"] {
        assert_eq!(verdict(&with("type", &format!("\"type\":\"{name}\""))).0, Fault::UnknownType.into());
    }
}

#[test]
fn the_first_fault_in_the_order_of_checks_is_the_verdict() {
    let repeated_ts = r#"{"ts":1,"ts":2}"#;
    assert_eq!(verdict(repeated_ts).0, Fault::Repeated(Field::Ts).into());
    assert_eq!(verdict(r#"{"ts":1,"ts":2,"type":1,"type":1}"#).0, Fault::Repeated(Field::Type).into());
    assert_eq!(verdict("{}").0, Fault::Missing(Field::EventId).into());
    assert_eq!(verdict(r#"{"event_id":"e","ts":"x","type":1}"#).0, Fault::Missing(Field::UserId).into());
    assert_eq!(verdict(r#"{"event_id":"e","ts":"x","type":1,"user_id":""}"#).0, Fault::Empty(Field::UserId).into());
    assert_eq!(verdict(r#"{"event_id":"e","ts":"x","type":1,"user_id":"u"}"#).0, Fault::NotAString(Field::Type).into());
    assert_eq!(verdict(r#"{"event_id":"e","ts":"","type":"view","user_id":"u"}"#).0, Fault::Empty(Field::Ts).into());
    assert_eq!(verdict(r#"{"event_id":"e","ts":"x","type":"view","user_id":"u"}"#).0, Verdict::InvalidTimestamp);
}

#[test]
fn a_failed_event_keeps_a_valid_id_and_has_zeros_elsewhere() {
    let batch =
        json(format!(r#"[{{"event_id":"kept"}},{{"event_id":"twice","event_id":"twice"}},{{"event_id":{GOOD}}}]"#));
    assert_eq!([0, 1, 2].map(|i| batch.event_id(i)), [Some("kept"), None, None]);
    assert!((0..3).all(|i| (batch.event_keys[i].0, batch.records[i], batch.ts_ms[i]) == ([0; 2], 0, 0)));
}

#[test]
fn a_malformed_body_is_refused_as_a_whole_with_the_offset() {
    for (body, offset) in [("", 0), (" \n", 2), ("\u{feff}[]", 0), ("[{\"a\":1}", 8), ("{\"\\n\":x}", 6)] {
        let expected = DecodeError::Malformed(Malformed { offset });
        assert_eq!(decode_up_to(10, body, Format::Json).unwrap_err(), expected, "{body}");
    }
    let two_lines = format!("{GOOD}\n{GOOD}");
    let expected = DecodeError::Malformed(Malformed { offset: GOOD.len() + 1 });
    assert_eq!(decode_up_to(10, two_lines, Format::Json).unwrap_err(), expected);
}

#[test]
fn ndjson_lines_fail_one_by_one() {
    let body = [
        GOOD.as_bytes(),
        b"\n{\"a\":\n\xff\n\"\xff\"\r\n",
        GOOD.as_bytes(),
        b"x\n\xef\xbb\xbf{}\n[1,2\n",
        GOOD.as_bytes(),
    ];
    let malformed = |offset| Verdict::MalformedJson { offset };
    assert_eq!(
        verdicts(&ndjson(body.concat())),
        [
            Verdict::Pending,
            malformed(5),
            malformed(0),
            malformed(1),
            malformed(GOOD.len() as u32),
            malformed(0),
            malformed(4),
            Verdict::Pending,
        ]
    );
}

#[test]
fn blank_lines_are_skipped() {
    assert!(ndjson("\n").is_empty());
    assert!(ndjson("\r\n \t\n\n   ").is_empty());
    assert_eq!(ndjson(format!("\n{GOOD}\n\r\n\t\n{GOOD}\r\n\n")).len(), 2);
    assert_eq!(verdicts(&ndjson("\x0c\n")), [Verdict::MalformedJson { offset: 0 }]);
}

#[test]
fn a_request_with_more_than_the_maximum_of_events_is_refused() {
    let too_many = DecodeError::TooManyEvents { max: 3 };
    for (body, format) in [
        ("[1,2,3]", Format::Json),
        ("[[1,2,3,4],1,{\"a\":[1,2,3,4]}]", Format::Json),
        ("{\"a\":[1,2,3,4]}", Format::Json),
        ("1\n2\n\n \n[1,2,3,4]\n", Format::Ndjson),
    ] {
        assert!(decode_up_to(3, body, format).is_ok(), "{body}");
    }
    for (body, format) in [
        ("[1,2,3,4]", Format::Json),
        ("[1e999,2,3,4]", Format::Json),
        ("1\n2\nx\n4", Format::Ndjson),
        ("1\n2\n3\nx", Format::Ndjson),
    ] {
        assert_eq!(decode_up_to(3, body, format).unwrap_err(), too_many, "{body}");
    }
}

#[test]
fn too_many_complete_events_take_precedence_over_a_malformed_body() {
    let too_many = DecodeError::TooManyEvents { max: 3 };
    for body in ["[1,2,3,{},x", "[1,2,3,[4]", "[1,2,3,4]]", "[\"\\n\",2,3,4,\"\\ud800\"]"] {
        assert_eq!(decode_up_to(3, body, Format::Json).unwrap_err(), too_many, "{body}");
    }
    for (body, offset) in [("[1,2,3,{", 8), ("[1,2,3,x,5,6]", 7), ("[1,2,3]]", 7), ("[[1,2,3,4],x]", 11)] {
        let malformed = DecodeError::Malformed(Malformed { offset });
        assert_eq!(decode_up_to(3, body, Format::Json).unwrap_err(), malformed, "{body}");
    }
}

fn member() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["event_id", "user_id", "type", "ts", "other", "\\u0074s", ""]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "null",
            "1e999",
            "[1,[2]]",
            "{\"Ts\":1}",
            "\"\"",
            "\"view\"",
            "\"\\u0076iew\"",
            "\"click\""
        ])
        .prop_map(str::to_owned),
        "\"[a-z\u{e9}]{1,20}\"",
        Just("\"2025-10-08T12:34:56.789Z\"".to_owned()),
        Just("\"2025-10-08T14:34:56.789+02:00\"".to_owned()),
    ];
    (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"))
}

fn event() -> impl Strategy<Value = String> {
    let members = prop::collection::vec(member(), 0..7).prop_map(|members| format!("{{{}}}", members.join(",")));
    let nearly_good = (prop::sample::select(vec!["event_id", "user_id", "type", "ts", "none"]), member())
        .prop_map(|(field, member)| with(field, &member));
    prop_oneof![
        members,
        nearly_good,
        prop::sample::select(vec!["1", "null", "[{}]", "\"\\n\""]).prop_map(str::to_owned)
    ]
}

/// Whether a generated event has a field twice. Its nested objects have no known field.
fn is_repeated(event: &str, field: Field) -> bool {
    event.replace("\\u0074", "t").matches(&format!("\"{}\":", field.name())).count() > 1
}

/// The expected row of a generated event, by serde_json and the contract.
fn expected_row(event: &str) -> Row {
    let value: serde_json::Value = serde_json::from_str(&event.replace("1e999", "1")).unwrap();
    let string = |field: Field| value.get(field.name()).map(serde_json::Value::as_str);
    let id = string(Field::EventId).flatten().filter(|id| !id.is_empty() && !is_repeated(event, Field::EventId));
    let failed = |verdict| (id.map(str::to_owned), verdict, crate::key::EventKey([0; 2]), 0, 0);
    if !value.is_object() {
        return failed(Fault::NotAnObject.into());
    }
    if let Some(field) = FIELDS.into_iter().find(|field| is_repeated(event, *field)) {
        return failed(Fault::Repeated(field).into());
    }
    for field in FIELDS {
        match string(field) {
            None => return failed(Fault::Missing(field).into()),
            Some(None) => return failed(Fault::NotAString(field).into()),
            Some(Some("")) => return failed(Fault::Empty(field).into()),
            Some(Some("click" | "view")) => {}
            Some(Some(_)) if field == Field::Type => return failed(Fault::UnknownType.into()),
            Some(Some(_)) => {}
        }
    }
    let text = |field| string(field).flatten().unwrap();
    let Ok(ts) = text(Field::Ts).parse::<jiff::Timestamp>() else { return failed(Verdict::InvalidTimestamp) };
    let kind = u8::from(text(Field::Type) == "view");
    valid(text(Field::EventId), text(Field::UserId), kind, ts.as_millisecond())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn lines_elements_and_single_bodies_give_the_expected_rows(events in prop::collection::vec(event(), 0..12)) {
        let array = rows(&json(format!("[{}]", events.join(","))));
        prop_assert_eq!(&rows(&ndjson(events.join("\n"))), &array);
        prop_assert_eq!(array.len(), events.len());
        for (event, row) in events.iter().zip(array) {
            prop_assert_eq!(&rows(&json(format!("[{event}]"))), std::slice::from_ref(&row));
            prop_assert_eq!(row, expected_row(event));
        }
    }

    #[test]
    fn arbitrary_bytes_cause_no_panic(
        events in prop::collection::vec(event(), 1..4),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        noise in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut decoder = Decoder::default();
        let mut body = format!("[{}]", events.join(",\n")).into_bytes();
        for (at, byte) in flips {
            *at.get_mut(&mut body) = byte;
        }
        for body in [body, noise] {
            for format in [Format::Json, Format::Ndjson] {
                let lines = body.split(|byte| *byte == b'\n').count();
                match decoder.decode(body.clone(), format, &schema(5), &keys()) {
                    Ok(batch) => prop_assert!(batch.len() <= 5 && rows(&batch).len() == batch.len()),
                    Err(DecodeError::Malformed(Malformed { offset })) => {
                        prop_assert!(format == Format::Json && offset <= body.len());
                    }
                    Err(DecodeError::TooManyEvents { .. }) => prop_assert!(format == Format::Json || lines > 5),
                }
            }
        }
    }
}

fn decode_fast(max: usize, body: impl AsRef<[u8]>, format: Format) -> Result<Batch, Vec<u8>> {
    Decoder::try_decode_fast(body.as_ref().to_vec(), format, &schema(max), &keys())
}

#[test]
fn a_body_of_the_usual_shape_is_decoded_and_any_other_body_is_returned() {
    let (json_body, ndjson_body) = (format!("[{GOOD}, {GOOD},7]"), format!("{GOOD}\n\n{GOOD}\n{{}}"));
    let (array, lines) = (format!("[{GOOD},{GOOD}]"), format!("{GOOD}\n\n{GOOD}\n{{}}\n"));
    assert_eq!(rows(&decode_fast(2, &array, Format::Json).unwrap()), rows(&json(&array)));
    assert_eq!(rows(&decode_fast(3, &lines, Format::Ndjson).unwrap()), rows(&ndjson(&lines)));
    assert_eq!(rows(&decode_fast(3, &ndjson_body, Format::Ndjson).unwrap()), rows(&ndjson(&ndjson_body)));
    let escaped = GOOD.replace("e-1", "e\\u002d1");
    assert_eq!(rows(&decode_fast(1, &escaped, Format::Json).unwrap()), rows(&json(GOOD)));
    let escaped = GOOD.replace("event_id", "event\\u005fid");
    for (max, format, body) in [
        (9, Format::Json, json_body.as_bytes()),
        (9, Format::Json, escaped.as_bytes()),
        (9, Format::Json, b"[{\"event_id\":\"\xff\"}]"),
        (9, Format::Json, b""),
        (9, Format::Json, b"["),
        (1, Format::Json, array.as_bytes()),
        (9, Format::Ndjson, escaped.as_bytes()),
        (9, Format::Ndjson, format!("{GOOD}\n{escaped}\n{GOOD}").as_bytes()),
        (2, Format::Ndjson, lines.as_bytes()),
    ] {
        assert_eq!(decode_fast(max, body, format).unwrap_err(), body, "{}", String::from_utf8_lossy(body));
    }
}
