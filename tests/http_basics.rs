//! The rules that every resource shares: paths, methods, types, codings, sizes, stalls, connections, health.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod common;

use common::{NOON, NOON_MS, Server, event};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::time::Duration;

const MIB: usize = 1 << 20;

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(text.as_ref(), 1).unwrap()
}

fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn an_unknown_path_is_a_problem_with_its_members_in_order() {
    let server = Server::start();
    let not_found = server.get("/nowhere");
    assert_eq!(
        not_found.text(),
        concat!(
            r#"{"type":"urn:weir:problem:not_found","title":"Not found","status":404,"#,
            r#""detail":"there is nothing at this path","code":"not_found"}"#
        )
    );
    let paths = ["/", "/events/", "/Events", "/metrics/x", "/reference", "/reference/users/", "/reference/users/a/b"];
    for (method, path) in ["GET", "POST", "DELETE"].into_iter().flat_map(|m| paths.map(|path| (m, path))) {
        let body = (method == "POST").then_some(&b"{}"[..]);
        assert_eq!(server.request(method, path, &[], body).problem(), problem(404, "not_found"), "{method} {path}");
    }
}

#[test]
fn a_wrong_method_is_answered_with_the_right_ones() {
    let server = Server::start();
    let resources: [(&str, &[&str]); 7] = [
        ("/events", &["POST"]),
        ("/metrics", &["GET", "HEAD"]),
        ("/reference/users", &["GET", "HEAD", "PATCH", "PUT"]),
        ("/reference/users/u-1", &["GET", "HEAD"]),
        ("/healthz", &["GET", "HEAD"]),
        ("/livez", &["GET", "HEAD"]),
        ("/readyz", &["GET", "HEAD"]),
    ];
    for (path, allowed) in resources {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            if allowed.contains(&method) {
                continue;
            }
            let body = ["POST", "PUT", "PATCH"].contains(&method).then_some(&b"{}"[..]);
            let reply = server.request(method, path, &[("content-type", "text/plain")], body);
            assert_eq!(reply.status, 405, "{method} {path}");
            if method != "HEAD" {
                assert_eq!(reply.problem(), problem(405, "method_not_allowed"), "{method} {path}");
            }
            let mut listed: Vec<_> = reply.header("allow").split(',').map(str::trim).collect();
            listed.sort_unstable();
            assert_eq!(listed, allowed, "{method} {path}");
        }
    }
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    let server = Server::start();
    let table = format!(r#"{{"user_metadata":{{"u-1":{{"plan":"pro","region":"eu"}}}},"ts":"{NOON}"}}"#);
    assert_eq!(server.put_users(&[], table).status, 200);
    let paths = ["/metrics", "/reference/users", "/reference/users/u-1", "/reference/users/x", "/healthz", "/readyz"];
    for path in paths.into_iter().chain(["/nowhere", "/metrics?window=0"]) {
        let (get, head) = (server.get(path), server.head(path));
        assert_eq!(head.body, b"", "{path}");
        assert_eq!(get.status, head.status, "{path}");
        for name in ["content-type", "content-length", "etag", "cache-control"] {
            assert_eq!(get.header(name), head.header(name), "{path} {name}");
        }
        assert_eq!(get.header("content-length"), get.body.len().to_string(), "{path}");
    }
}

#[test]
fn the_type_of_the_events_decides_how_they_are_read() {
    let server = Server::start();
    let lines = format!("{}\n\n{}\n", event("a"), event("b"));
    for (content_type, status) in [
        ("application/x-ndjson", 200),
        ("application/jsonl", 200),
        ("application/ndjson; charset=utf-8", 200),
        ("Application/X-NDJSON", 200),
        ("application/json", 400),
    ] {
        let reply = server.post_with(&[("content-type", content_type)], &lines);
        assert_eq!(reply.status, status, "{content_type}: {reply:?}");
    }
    assert_eq!(server.post(event("c")).json()["accepted"], 1);
    for content_type in ["text/plain", "application/json; charset=latin1", "application/x-www-form-urlencoded", "json"]
    {
        let reply = server.post_with(&[("content-type", content_type)], event("d"));
        assert_eq!(reply.problem(), problem(415, "unsupported_media_type"), "{content_type}");
        assert!(reply.header("accept").contains("application/json, application/x-ndjson"), "{content_type}");
    }
    assert_eq!(server.total_events(), 3);
}

#[test]
fn reference_changes_take_their_own_types_only() {
    let server = Server::start();
    let table = format!(r#"{{"user_metadata":{{}},"ts":"{NOON}"}}"#);
    let reply = server.put_users(&[("content-type", "application/x-ndjson")], &table);
    assert_eq!(reply.problem(), problem(415, "unsupported_media_type"));
    assert_eq!(reply.header("accept"), "application/json");
    for headers in [&[][..], &[("content-type", "application/json")]] {
        let reply = server.request("PATCH", "/reference/users", headers, Some(table.as_bytes()));
        assert_eq!(reply.problem(), problem(415, "unsupported_media_type"));
        assert_eq!(reply.header("accept-patch"), "application/merge-patch+json");
    }
    let merge = [("content-type", "application/merge-patch+json")];
    assert_eq!(server.request("PATCH", "/reference/users", &merge, Some(table.as_bytes())).status, 200);
}

#[test]
fn compressed_bodies_are_taken_small_and_large() {
    let server = Server::start();
    let many: Vec<_> = (0..2_000).map(|i| event(&format!("many-{i}"))).collect();
    let many = format!("[{}]", many.join(","));
    assert_eq!(server.post_with(&[("content-encoding", "gzip")], gzip(event("a"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "X-GZIP")], gzip(event("b"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "zstd")], zstd(event("c"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "identity")], event("d")).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "gzip")], gzip(&many)).json()["accepted"], 2_000);
    assert_eq!(server.post_with(&[("content-encoding", "zstd")], zstd(&many)).json()["duplicates"], 2_000);
    assert_eq!(server.post(&many).json()["duplicates"], 2_000);
    let table = format!(r#"{{"user_metadata":{{}},"ts":"{NOON}"}}"#);
    assert_eq!(server.put_users(&[("content-encoding", "zstd")], zstd(table)).status, 200);
}

#[test]
fn other_codings_and_broken_ones_are_refused() {
    let server = Server::start();
    for coding in ["br", "gzip, gzip", "gzip, identity", "deflate", "*"] {
        let reply = server.post_with(&[("content-encoding", coding)], event("a"));
        assert_eq!(reply.problem(), problem(415, "unsupported_encoding"), "{coding}");
        assert_eq!(reply.header("accept-encoding"), "gzip, zstd, identity");
    }
    let whole = gzip(event("a"));
    let large = gzip((0..40_000).map(|i| event(&i.to_string())).collect::<String>());
    for body in [&whole[..whole.len() - 1], &[&whole[..], b"x"].concat(), event("a").as_bytes(), b"", &large[..70_000]]
    {
        let reply = server.post_with(&[("content-encoding", "gzip")], body);
        assert_eq!(reply.problem(), problem(400, "malformed_encoding"));
        let reply = server.put_users(&[("content-encoding", "gzip")], body);
        assert_eq!(reply.problem(), problem(400, "malformed_encoding"));
    }
    assert_eq!(server.total_events(), 0);
}

#[test]
fn bodies_are_bounded_as_sent_and_after_decompression() {
    let server = Server::with(|_, http| http.max_body_bytes = MIB);
    let spaces = |len: usize| " ".repeat(len - 2) + "[]";
    assert_eq!(server.post(spaces(MIB)).status, 200);
    assert_eq!(server.post(spaces(MIB + 1)).problem(), problem(413, "payload_too_large"));
    assert_eq!(server.post_with(&[("content-encoding", "gzip")], gzip(spaces(MIB))).status, 200);
    for (coding, body) in [("gzip", gzip(spaces(MIB + 1))), ("zstd", zstd(spaces(100 * MIB)))] {
        let reply = server.post_with(&[("content-encoding", coding)], &body);
        assert_eq!(reply.problem(), problem(413, "payload_too_large"), "{coding}");
        let reply = server.put_users(&[("content-encoding", coding)], &body);
        assert_eq!(reply.problem(), problem(413, "payload_too_large"), "{coding}");
    }
}

#[test]
fn a_body_that_announces_too_much_is_refused_before_it_comes() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: 99999999999\r\n\r\n");
    assert_eq!(connection.reply().problem(), problem(413, "payload_too_large"));
}

#[test]
fn a_client_that_sends_all_of_a_refused_body_still_gets_the_answer_and_keeps_the_connection() {
    let server = Server::start();
    let mut connection = server.connect();
    for head in ["POST /events HTTP/1.1", "GET /events HTTP/1.1", "PATCH /reference/users HTTP/1.1"] {
        let body = vec![b' '; 20 * MIB];
        connection.send(format!("{head}\r\nhost: weir\r\ncontent-length: {}\r\n\r\n", body.len()));
        connection.send(body);
        assert!([405, 413, 415].contains(&connection.reply().status), "{head}");
    }
    connection.send("GET /healthz HTTP/1.1\r\nhost: weir\r\n\r\n");
    assert_eq!(connection.reply().status, 200);
}

#[test]
fn a_chunked_body_is_bounded_too() {
    let server = Server::with(|_, http| http.max_body_bytes = 1_000);
    let mut connection = server.connect();
    connection.send("POST /events HTTP/1.1\r\nhost: weir\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..11 {
        connection.send(format!("64\r\n{}\r\n", " ".repeat(100)));
    }
    assert_eq!(connection.reply().problem(), problem(413, "payload_too_large"));
}

#[test]
fn a_body_may_come_byte_by_byte() {
    let server = Server::start();
    let mut connection = server.connect();
    for byte in b"POST /events HTTP/1.1\r\nhost: weir\r\ntransfer-encoding: chunked\r\n\r\n" {
        connection.send([*byte]);
    }
    for byte in event("a").bytes() {
        connection.send(format!("1\r\n{}\r\n", byte as char));
    }
    connection.send("0\r\n\r\n");
    assert_eq!(connection.reply().json()["accepted"], 1);
}

#[test]
fn a_stalled_body_is_a_timeout_and_the_end_of_the_connection() {
    let server = Server::with(|_, http| http.body_stall_timeout = Duration::from_millis(50));
    let mut connection = server.connect();
    connection.send(format!("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: 1000\r\n\r\n{}", event("a")));
    let reply = connection.reply();
    assert_eq!(reply.problem(), problem(408, "request_timeout"));
    assert_eq!(reply.header("connection"), "close");
    connection.finish();
    assert_eq!(connection.rest(), b"");
    assert_eq!(server.total_events(), 0);
}

#[test]
fn a_client_that_leaves_in_mid_body_has_sent_nothing() {
    let server = Server::start();
    for framing in ["content-length: 1000\r\n\r\n", "transfer-encoding: chunked\r\n\r\n3e8\r\n"] {
        let mut connection = server.connect();
        connection.send(format!("POST /events HTTP/1.1\r\nhost: weir\r\n{framing}{}", event("a")));
        connection.finish();
        connection.rest();
    }
    assert_eq!(server.total_events(), 0);
    assert_eq!(server.post(event("a")).json()["accepted"], 1);
}

#[test]
fn broken_chunks_are_a_bad_request() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send("POST /events HTTP/1.1\r\nhost: weir\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n");
    assert_eq!(connection.reply().problem(), problem(400, "malformed_encoding"));
}

#[test]
fn a_client_may_ask_before_it_sends() {
    let server = Server::start();
    let mut connection = server.connect();
    let body = event("a");
    connection.send(format!(
        "POST /events HTTP/1.1\r\nhost: weir\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!((connection.line().as_str(), connection.line().as_str()), ("HTTP/1.1 100 Continue", ""));
    connection.send(body);
    assert_eq!(connection.reply().json()["accepted"], 1);

    connection.send("POST /events HTTP/1.1\r\nhost: weir\r\nexpect: 100-continue\r\ncontent-length: 999999999\r\n\r\n");
    assert_eq!(connection.reply().problem(), problem(413, "payload_too_large"));
    assert_eq!(connection.rest(), b"", "the connection ends, since the body may or may not follow");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut connection = server.connect();
    let body = event("a");
    let post = format!("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    connection
        .send(format!("{post}GET /metrics HTTP/1.1\r\nhost: weir\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: weir\r\n\r\n"));
    assert_eq!(connection.reply().json()["accepted"], 1);
    assert_eq!(connection.reply().json()["total_events"], 1);
    assert_eq!(connection.reply().status, 404);
}

#[test]
fn the_checks_of_a_request_come_in_order() {
    let server = Server::with(|engine, http| {
        http.max_body_bytes = 100;
        engine.max_batch_events = 2;
    });
    let (wrong_type, wrong_coding) = (("content-type", "text/plain"), ("content-encoding", "br"));
    let large = vec![b'x'; 101];
    let reply = server.request("PUT", "/events", &[wrong_type, wrong_coding], Some(&large));
    assert_eq!(reply.problem(), problem(405, "method_not_allowed"));
    assert_eq!(server.post_with(&[wrong_type, wrong_coding], &large).problem().1, "unsupported_media_type");
    assert_eq!(server.post_with(&[wrong_coding], &large).problem().1, "unsupported_encoding");
    assert_eq!(server.post(&large).problem().1, "payload_too_large");
    assert_eq!(server.post(&large[..100]).problem().1, "malformed_json");
    assert_eq!(server.post("[1,2,3]").problem(), problem(413, "too_many_events"));
}

#[test]
fn malformed_json_names_the_byte() {
    let server = Server::start();
    let reply = server.post(r#"[{"event_id":x}]"#);
    assert_eq!(reply.problem(), problem(400, "malformed_json"));
    assert_eq!(reply.json()["offset"], 13);
}

#[test]
fn the_short_answer_is_given_where_it_is_preferred() {
    let server = Server::start();
    let body = format!("[{},{},7]", event("a"), event("a"));
    let reply = server.post_with(&[("prefer", "respond-async, Return=\"minimal\"; x=1")], &body);
    assert_eq!(reply.header("preference-applied"), "return=minimal");
    assert_eq!(
        reply.text(),
        concat!(
            r#"{"results":[{"event_id":null,"status":"error","code":"invalid_event","index":2,"#,
            r#""message":"the event is not a JSON object"}],"accepted":1,"duplicates":1,"rejected":1}"#
        )
    );
    let reply = server.post_with(&[("prefer", "return=representation")], &body);
    assert_eq!(reply.header("preference-applied"), "");
    assert_eq!(reply.json()["results"].as_array().unwrap().len(), 3);
}

#[test]
fn metrics_of_nothing_have_every_member_in_order() {
    let server = Server::start();
    let reply = server.get("/metrics");
    assert_eq!(
        reply.text(),
        concat!(
            r#"{"window_sec":300,"events_per_sec":0.0,"unique_users":0,"unknown":0,"by_plan":{},"by_region":{},"#,
            r#""by_type":{},"total_events":0,"generation":0,"as_of":"2025-10-08T12:00:00.000Z"}"#
        )
    );
    assert_eq!((reply.header("content-type"), reply.header("cache-control")), ("application/json", "no-store"));
    for window in ["0", "1801", "x", "1.5", "", "-1"] {
        assert_eq!(
            server.get(&format!("/metrics?window={window}")).problem(),
            problem(400, "invalid_window"),
            "{window}"
        );
    }
    for query in ["windw=1", "window=1&window=1"] {
        assert_eq!(server.get(&format!("/metrics?{query}")).problem(), problem(400, "invalid_parameter"), "{query}");
    }
}

#[test]
fn the_reference_table_is_tagged_by_its_generation() {
    let server = Server::start();
    let reply = server.get("/reference/users");
    assert_eq!(reply.text(), r#"{"generation":0,"ts":null,"users":0,"attributes":["plan","region"]}"#);
    assert_eq!(reply.header("etag"), "\"0\"");

    let table = format!(r#"{{"user_metadata":{{"a/b %é":{{"plan":"pro","region":"eu"}}}},"ts":"{NOON}"}}"#);
    let reply = server.put_users(&[("if-match", "\"0\"")], &table);
    assert_eq!(reply.text(), r#"{"message":"Reference table updated successfully","generation":1,"users":1}"#);
    assert_eq!(reply.header("etag"), "\"1\"");
    let reply = server.put_users(&[("if-match", "\"0\"")], &table);
    assert_eq!(reply.problem(), problem(412, "generation_mismatch"));
    assert_eq!(reply.json()["current_generation"], 1);

    let show = |headers: &[(&str, &str)]| server.request("GET", "/reference/users", headers, None);
    let expected = format!(r#"{{"generation":1,"ts":"{NOON}","users":1,"attributes":["plan","region"]}}"#);
    assert_eq!(show(&[("if-none-match", "\"0\"")]).text(), expected);
    for tags in ["\"1\"", "W/\"1\"", "\"0\", \"1\"", "*"] {
        let reply = show(&[("if-none-match", tags)]);
        assert_eq!((reply.status, reply.header("etag"), reply.text()), (304, "\"1\"", ""), "{tags}");
        assert_eq!(reply.header("content-length"), "", "{tags}");
    }
    assert_eq!(show(&[("if-match", "\"7\"")]).problem(), problem(412, "generation_mismatch"));

    let user = server.get("/reference/users/a%2Fb%20%25%C3%A9");
    assert_eq!(user.text(), r#"{"user_id":"a/b %é","plan":"pro","region":"eu"}"#);
    assert_eq!(server.get("/reference/users/a").problem(), problem(404, "unknown_user"));
    assert_eq!(server.get("/reference/users/%ff").problem(), problem(400, "invalid_parameter"));
}

#[test]
fn refused_tables_are_told_with_what_a_program_needs() {
    let server = Server::start();
    let table =
        |ts: &str, plan: &str| format!(r#"{{"user_metadata":{{"u":{{"plan":{plan},"region":"eu"}}}},"ts":"{ts}"}}"#);
    let reply = server.put_users(&[], table(NOON, "7"));
    assert_eq!(reply.problem(), problem(422, "invalid_reference"));
    assert_eq!(reply.json()["pointer"], "/user_metadata/u/plan");
    assert_eq!(server.put_users(&[], table(NOON, "\"pro\"")).status, 200);
    let reply = server.put_users(&[], table("2025-10-08T11:59:59Z", "\"pro\""));
    assert_eq!(reply.problem(), problem(409, "stale_reference"));
    assert_eq!((&reply.json()["current_ts"], &reply.json()["current_generation"]), (&NOON.into(), &1.into()));
    let reply = server.put_users(&[], table("2025-10-08T12:02:00.001Z", "\"pro\""));
    assert_eq!(reply.problem(), problem(422, "timestamp_in_future"));
    let reply = server.put_users(&[], "{\"ts\":");
    assert_eq!(reply.problem(), problem(400, "malformed_json"));
    assert!(reply.json()["offset"].is_u64());
}

#[test]
fn health_is_good_until_the_clock_steps_back_beyond_the_skew() {
    let server = Server::start();
    for path in ["/healthz", "/livez", "/readyz"] {
        let reply = server.get(path);
        assert_eq!((reply.status, reply.text(), reply.header("cache-control")), (200, r#"{"ok":true}"#, "no-store"));
    }
    server.clock.set(NOON_MS - 120_000);
    assert_eq!(server.get("/readyz").status, 200);
    server.clock.advance(-1);
    let reply = server.get("/readyz");
    assert_eq!(reply.problem(), problem(503, "not_ready"));
    assert!(reply.json()["detail"].as_str().unwrap().starts_with("clock_stepped_back"), "{reply:?}");
    assert_eq!(server.get("/healthz").status, 200);
    server.clock.set(NOON_MS);
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn a_stopping_server_answers_what_is_in_flight_and_takes_no_more() {
    let mut server = Server::start();
    let (mut idle, mut busy) = (server.connect(), server.connect());
    idle.send("GET /healthz HTTP/1.1\r\nhost: weir\r\n\r\n");
    assert_eq!(idle.reply().status, 200);
    let body = event("a");
    let length = body.len();
    busy.send(format!(
        "POST /events HTTP/1.1\r\nhost: weir\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    ));
    assert_eq!((busy.line().as_str(), busy.line().as_str()), ("HTTP/1.1 100 Continue", ""));
    server.begin_stop();
    assert_eq!(idle.rest(), b"", "an idle connection is closed");
    assert!(std::net::TcpStream::connect(server.address).is_err(), "the listener was closed before");
    busy.send(body);
    assert_eq!(busy.reply().json()["accepted"], 1);
    assert_eq!(busy.rest(), b"");
}
