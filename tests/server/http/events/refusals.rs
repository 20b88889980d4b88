//! Requests that fail as a whole.

use crate::common::{MIB, NDJSON, Reply, Server, array, event, gzip, problem, zstd};

fn assert_too_large(reply: &Reply, code: &str) {
    assert_eq!(reply.problem(), problem(413, code));
}

#[test]
fn a_request_may_hold_exactly_the_maximum_number_of_events() {
    for max in [3, 1_000] {
        let server = Server::builder().engine(|engine| engine.max_batch_events = max).start();
        let events = |count: usize| (0..count).map(|i| event(format!("e-{i}")));
        let lines = |count| events(count).map(|event| format!("{event}\n \r\n")).collect::<String>();
        assert_too_large(&server.post(array(events(max + 1))), "too_many_events");
        assert_too_large(&server.post_with(&[NDJSON], lines(max + 1)), "too_many_events");
        assert_too_large(&server.post_with(&[NDJSON], "x\n".repeat(max + 1)), "too_many_events");
        assert_eq!(server.post_with(&[NDJSON], "x\n".repeat(max)).tally(), [0, 0, max]);
        assert_eq!(server.post(array(events(max))).tally(), [max, 0, 0], "the refused batches claimed nothing");
        assert_eq!(server.post_with(&[NDJSON], lines(max)).tally(), [0, max, 0]);
    }
}

#[test]
fn the_default_maximum_is_a_hundred_thousand_events() {
    let server = Server::start();
    let batch = |count: usize| format!("[{}7]", "7,".repeat(count - 1));
    assert_eq!(server.post_with(&[("prefer", "return=minimal")], batch(100_000)).tally(), [0, 0, 100_000]);
    assert_too_large(&server.post(batch(100_001)), "too_many_events");
}

#[test]
fn a_body_of_sixteen_mebibytes_is_accepted() {
    let server = Server::start();
    let frame = r#"{"padding":"","#.len();
    let padded = |id: &str, bytes: usize| {
        let event = event(id).to_string();
        let padding = "p".repeat(bytes - event.len() + 1 - frame);
        format!(r#"{{"padding":"{padding}",{}"#, &event[1..])
    };
    assert_eq!(server.post(padded("a", 16 * MIB)).verdicts(), ["success"]);
    assert_too_large(&server.post(padded("b", 16 * MIB + 1)), "payload_too_large");
    assert_eq!(server.post_with(&[("content-encoding", "zstd")], zstd(padded("b", 16 * MIB))).verdicts(), ["success"]);
}

#[test]
fn malformed_json_is_refused_with_the_offset_of_the_fault() {
    let server = Server::start();
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(server.post(deep(128)).verdicts(), ["invalid_event"]);
    for (body, offset) in [
        (&b""[..], 0),
        (b" ", 1),
        (b"x", 0),
        (b"[", 1),
        (b"[1", 2),
        (b"[1,", 3),
        (b"[1,]", 3),
        (b"{\"a\"}", 4),
        (b"{\"a\":1,}", 7),
        (b"{a:1}", 1),
        (b"{'a':1}", 1),
        (b"{} {}", 3),
        (b"[]x", 2),
        (b"[1 2]", 3),
        (b"01", 1),
        (b"1.", 2),
        (b"-", 1),
        (b"+1", 0),
        (b"NaN", 0),
        (b"tru", 3),
        (b"nulL", 3),
        (b"\"", 1),
        (b"\"\\x\"", 2),
        (b"\"\\u12g4\"", 5),
        (b"\"a\nb\"", 2),
        (b"\xef\xbb\xbf[]", 0),
        (b"\"a\xff\"", 2),
        (b"\"\xc0\xaf\"", 1),
        (b"\"\xed\xa0\x80\"", 1),
        (b"[\"a\\ud800\"]", 3),
        (b"[\"a\\udc00\"]", 3),
        (b"[\"\\ud800\\u0061\"]", 2),
        (b"{\"ignored\":{\"\\udfff\":1}}", 13),
        (b"[]\0", 2),
        (deep(129).as_bytes(), 128),
        (deep(100_000).as_bytes(), 128),
    ] {
        let reply = server.post(body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!(reply.problem(), problem(400, "malformed_json"), "{shown}");
        assert_eq!(reply.json()["offset"], offset, "{shown}");
        let detail = format!("the body is not valid JSON at byte {offset}");
        assert_eq!(reply.json()["detail"], detail.as_str(), "{shown}");
    }
}

#[test]
fn the_offset_is_the_same_in_a_large_body() {
    let server = Server::start();
    let mut body = array((0..2_000).map(|i| event(format!("e-{i}"))));
    body.truncate(body.len() - 1);
    for coding in ["identity", "gzip"] {
        let bytes = if coding == "gzip" { gzip(&body) } else { body.clone().into_bytes() };
        let reply = server.post_with(&[("content-encoding", coding)], bytes);
        assert_eq!(reply.problem(), problem(400, "malformed_json"));
        assert_eq!(reply.json()["offset"], body.len());
    }
    assert_eq!(server.post(body + "]").tally(), [2_000, 0, 0]);
}

#[test]
fn a_refused_request_ingests_nothing() {
    let server =
        Server::builder().engine(|engine| engine.max_batch_events = 3).http(|http| http.max_body_bytes = 400).start();
    let (a, b) = (event("a"), event("b"));
    let good = array([&a, &b]);
    let four = format!("[{a},{b},7,7]");
    let coded = |coding| ("content-encoding", coding);
    let broken_gzip = {
        let whole = gzip(&good);
        whole[..whole.len() - 1].to_vec()
    };
    let padded = format!("{good}{}", " ".repeat(401 - good.len()));
    let json = ("content-type", "application/json");
    for (header, body, refusal) in [
        (json, format!("[{a},{b},").into_bytes(), (400, "malformed_json")),
        (json, format!("[{a},{b}]]").into_bytes(), (400, "malformed_json")),
        (json, format!("{a}{b}").into_bytes(), (400, "malformed_json")),
        (json, format!("\u{feff}{good}").into_bytes(), (400, "malformed_json")),
        (json, [good.as_bytes(), b"\xff"].concat(), (400, "malformed_json")),
        (json, format!(r#"[{a},{b},"\ud800"]"#).into_bytes(), (400, "malformed_json")),
        (json, format!("[{a},{b},{}]", "[".repeat(128)).into_bytes(), (400, "malformed_json")),
        (coded("gzip"), broken_gzip, (400, "malformed_encoding")),
        (coded("zstd"), [zstd(&good), b"x".to_vec()].concat(), (400, "malformed_encoding")),
        (json, padded.clone().into_bytes(), (413, "payload_too_large")),
        (coded("gzip"), gzip(&padded), (413, "payload_too_large")),
        (coded("zstd"), zstd(&padded), (413, "payload_too_large")),
        (json, four.clone().into_bytes(), (413, "too_many_events")),
        (NDJSON, format!("{a}\n{b}\n7\n7").into_bytes(), (413, "too_many_events")),
        (json, four.as_bytes()[..four.len() - 1].to_vec(), (413, "too_many_events")),
        (("content-type", "text/csv"), good.clone().into_bytes(), (415, "unsupported_media_type")),
        (coded("br"), good.clone().into_bytes(), (415, "unsupported_encoding")),
    ] {
        let reply = server.post_with(&[header], &body);
        assert_eq!(reply.problem(), problem(refusal.0, refusal.1), "{header:?} {}", String::from_utf8_lossy(&body));
        assert_eq!(server.total_events(), 0);
    }
    assert_eq!(server.post(good).tally(), [2, 0, 0], "no id was claimed");
}

#[test]
fn a_change_of_one_byte_causes_no_server_error() {
    let server = Server::start();
    let good =
        array([event("a\\u00e9"), event("b").user("ü").kind("view").ts("2025-10-08T14:00:00+02:00")]).into_bytes();
    let (mut statuses, mut sums) = ([0; 2], 0);
    for at in 0..good.len() {
        for byte in *b"\"\\{]0 \x00\xff" {
            let mut body = good.clone();
            body[at] = byte;
            let reply = server.post(&body);
            match reply.status {
                200 => sums += reply.verdicts().len(),
                400 => assert_eq!(reply.problem().1, "malformed_json"),
                other => panic!("{other}: {}", String::from_utf8_lossy(&body)),
            }
            statuses[usize::from(reply.status == 400)] += 1;
        }
    }
    assert!(statuses.iter().all(|count| *count > 100) && sums > 0, "{statuses:?}");
    assert_eq!(server.get("/healthz").status, 200);
}
