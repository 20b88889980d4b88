//! The rules that all resources share: paths, methods, encodings, sizes, stalls, connections, health.

use crate::common::{
    MIB, NOON, NOON_MS, Server, array, event, get_request, gzip, post_head, post_request, problem, table, user, zstd,
};
use std::time::Duration;

#[test]
fn an_unknown_path_is_a_problem_with_its_members_in_order() {
    let server = Server::start();
    let not_found = server.get("/nowhere");
    assert_eq!(
        not_found.text(),
        concat!(
            r#"{"type":"urn:weir:problem:not_found","title":"Not found","status":404,"#,
            r#""detail":"no resource has this path","code":"not_found"}"#
        )
    );
    let paths =
        ["/dashboard", "/events/", "/Events", "/metrics/x", "/reference", "/reference/users/", "/reference/users/a/b"];
    for (method, path) in ["GET", "POST", "DELETE"].into_iter().flat_map(|m| paths.map(|path| (m, path))) {
        let body = (method == "POST").then_some(&b"{}"[..]);
        assert_eq!(server.request(method, path, &[], body).problem(), problem(404, "not_found"), "{method} {path}");
    }
}

#[test]
fn a_wrong_method_is_answered_with_the_allowed_ones() {
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
fn events_are_found_by_their_exact_path_in_every_form_of_the_target() {
    let server = Server::start();
    let address = server.address;
    let targets = ["/events".to_owned(), "/events?detail=full".to_owned(), format!("http://{address}/events")];
    let post = |target: &str| format!("POST {target} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 2\r\n\r\n[]");
    let mut connection = server.connect();
    for target in targets {
        connection.send(post(&target));
        assert_eq!(connection.reply().json()["accepted"], 0, "{target}");
    }
    for target in ["/events/", "/%65vents", "//events", "/EVENTS", "/events;a"] {
        connection.send(post(target));
        assert_eq!(connection.reply().problem(), problem(404, "not_found"), "{target}");
    }
    connection.send(post("http://evil.example/events"));
    assert_eq!(
        connection.reply().problem(),
        problem(403, "forbidden_host"),
        "the target names the host, not the field"
    );
    connection.send(post(&format!("/events?{}", "x".repeat(20_000))));
    assert_eq!(connection.reply().problem(), problem(414, "uri_too_long"));
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let server = Server::start();
    assert_eq!(server.put_users(&[], table([user("u-1", "pro", "eu")], NOON)).status, 200);
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
fn small_and_large_compressed_bodies_are_accepted() {
    let server = Server::start();
    let many = array((0..2_000).map(|i| event(format!("many-{i}"))));
    assert_eq!(server.post_with(&[("content-encoding", "gzip")], gzip(event("a"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "X-GZIP")], gzip(event("b"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "zstd")], zstd(event("c"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "identity")], event("d")).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "gzip")], gzip(&many)).json()["accepted"], 2_000);
    assert_eq!(server.post_with(&[("content-encoding", "zstd")], zstd(&many)).json()["duplicates"], 2_000);
    assert_eq!(server.post(&many).json()["duplicates"], 2_000);
    assert_eq!(server.put_users(&[("content-encoding", "zstd")], zstd(table([""], NOON))).status, 200);
    assert_eq!(server.patch_users(&[("content-encoding", "gzip")], gzip(table([""], NOON))).status, 200);
}

#[test]
fn unsupported_encodings_and_broken_streams_are_refused() {
    let server = Server::start();
    for coding in ["br", "gzip, gzip", "gzip, identity", "deflate", "*"] {
        let reply = server.post_with(&[("content-encoding", coding)], event("a"));
        assert_eq!(reply.problem(), problem(415, "unsupported_encoding"), "{coding}");
        assert_eq!(reply.header("accept-encoding"), "gzip, zstd, identity");
    }
    let whole = gzip(event("a"));
    let large = gzip((0..40_000).map(|id| event(id).to_string()).collect::<String>());
    let (cut, longer, plain) = (&whole[..whole.len() - 1], [&whole[..], b"x"].concat(), event("a").to_string());
    for body in [cut, &longer, plain.as_bytes(), b"", &large[..70_000]] {
        let reply = server.post_with(&[("content-encoding", "gzip")], body);
        assert_eq!(reply.problem(), problem(400, "malformed_encoding"));
        let reply = server.put_users(&[("content-encoding", "gzip")], body);
        assert_eq!(reply.problem(), problem(400, "malformed_encoding"));
    }
    assert_eq!(server.total_events(), 0);
}

/// An empty batch of `len` bytes.
fn spaces(len: usize) -> String {
    " ".repeat(len - 2) + "[]"
}

#[test]
fn a_body_may_have_exactly_the_maximum_size_as_sent_and_after_decompression() {
    type Encode = fn(String) -> Vec<u8>;
    let codings: [(&str, Encode); 3] = [("identity", String::into_bytes), ("gzip", gzip), ("zstd", zstd)];
    let large = Server::start();
    let small = Server::builder().http(|http| http.max_body_bytes = 1_000).start();
    for (server, max_bytes) in [(large, 16 * MIB), (small, 1_000)] {
        for (coding, encode) in codings {
            let headers = [("content-encoding", coding)];
            assert_eq!(server.post_with(&headers, encode(spaces(max_bytes))).status, 200, "{coding} {max_bytes}");
            let larger = encode(spaces(max_bytes + 1));
            for reply in [
                server.post_with(&headers, &larger),
                server.put_users(&headers, &larger),
                server.patch_users(&headers, &larger),
            ] {
                assert_eq!(reply.problem(), problem(413, "payload_too_large"), "{coding} {max_bytes}");
            }
        }
    }
}

#[test]
fn a_decompression_bomb_is_too_large() {
    let server = Server::start();
    for (coding, bomb) in [("gzip", gzip(spaces(100 * MIB))), ("zstd", zstd(spaces(100 * MIB)))] {
        let reply = server.post_with(&[("content-encoding", coding)], bomb);
        assert_eq!(reply.problem(), problem(413, "payload_too_large"), "{coding}");
    }
}

#[test]
fn a_body_is_bounded_as_sent_even_if_it_is_small_after_decompression() {
    for (coding, body) in [("gzip", gzip("[]")), ("zstd", zstd("[]"))] {
        let post = |max_body_bytes: usize| {
            let server = Server::builder().http(|http| http.max_body_bytes = max_body_bytes).start();
            server.post_with(&[("content-encoding", coding)], &body)
        };
        assert!(body.len() > "[]".len());
        assert_eq!(post(body.len()).status, 200, "{coding}");
        assert_eq!(post(body.len() - 1).problem(), problem(413, "payload_too_large"), "{coding}");
    }
}

#[test]
fn a_body_whose_announced_size_is_too_large_is_refused_before_it_arrives() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(post_head("content-length: 99999999999"));
    assert_eq!(connection.reply().problem(), problem(413, "payload_too_large"));
}

#[test]
fn a_client_that_sends_a_whole_refused_body_gets_the_answer_and_keeps_the_connection() {
    let server = Server::start();
    let mut connection = server.connect();
    for head in ["POST /events HTTP/1.1", "GET /events HTTP/1.1", "PATCH /reference/users HTTP/1.1"] {
        let body = vec![b' '; 20 * MIB];
        connection.send(format!("{head}\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len()));
        connection.send(body);
        assert!([405, 413, 415].contains(&connection.reply().status), "{head}");
    }
    assert_eq!(connection.get("/healthz").status, 200);
}

#[test]
fn a_chunked_body_is_bounded_too() {
    let server = Server::builder().http(|http| http.max_body_bytes = 1_000).start();
    let mut connection = server.connect();
    connection.send(post_head("transfer-encoding: chunked"));
    for _ in 0..11 {
        connection.send(format!("64\r\n{}\r\n", " ".repeat(100)));
    }
    assert_eq!(connection.reply().problem(), problem(413, "payload_too_large"));
}

#[test]
fn a_body_may_arrive_byte_by_byte() {
    let server = Server::start();
    let mut connection = server.connect();
    for byte in post_head("transfer-encoding: chunked").bytes() {
        connection.send([byte]);
    }
    for byte in event("a").to_string().bytes() {
        connection.send(format!("1\r\n{}\r\n", byte as char));
    }
    connection.send("0\r\n\r\n");
    assert_eq!(connection.reply().json()["accepted"], 1);
}

#[test]
fn a_stalled_body_is_answered_with_a_timeout_and_ends_the_connection() {
    let server = Server::builder().http(|http| http.timeouts.transfer = Duration::from_millis(50)).start();
    let mut connection = server.connect();
    connection.send(format!("{}{}", post_head("content-length: 1000"), event("a")));
    let reply = connection.reply();
    assert_eq!(reply.problem(), problem(408, "request_timeout"));
    assert_eq!(reply.header("connection"), "close");
    connection.finish();
    assert_eq!(connection.rest(), b"");
    assert_eq!(server.total_events(), 0);
}

#[test]
fn a_body_that_ends_early_is_not_ingested() {
    let server = Server::start();
    for (framing, chunk_size) in [("content-length: 1000", ""), ("transfer-encoding: chunked", "3e8\r\n")] {
        let mut connection = server.connect();
        connection.send(format!("{}{chunk_size}{}", post_head(framing), event("a")));
        connection.finish();
        connection.rest();
    }
    assert_eq!(server.total_events(), 0);
    assert_eq!(server.post(event("a")).json()["accepted"], 1);
}

#[test]
fn broken_chunks_are_malformed() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(post_head("transfer-encoding: chunked") + "xyz\r\n");
    assert_eq!(connection.reply().problem(), problem(400, "malformed_encoding"));
}

#[test]
fn a_client_may_wait_for_consent_before_it_sends_the_body() {
    let server = Server::start();
    let mut connection = server.connect();
    let body = event("a").to_string();
    assert!(connection.begin_post(body.len()));
    connection.send(body);
    assert_eq!(connection.reply().json()["accepted"], 1);

    connection.send(post_head("expect: 100-continue\r\ncontent-length: 999999999"));
    assert_eq!(connection.reply().problem(), problem(413, "payload_too_large"));
    assert_eq!(connection.rest(), b"", "the connection ends, because the server cannot know whether the body follows");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(post_request(event("a")) + &get_request("/metrics") + &get_request("/nowhere"));
    assert_eq!(connection.reply().json()["accepted"], 1);
    assert_eq!(connection.reply().json()["total_events"], 1);
    assert_eq!(connection.reply().status, 404);
}

#[test]
fn the_checks_of_a_request_come_in_order() {
    let server =
        Server::builder().engine(|engine| engine.max_batch_events = 2).http(|http| http.max_body_bytes = 100).start();
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
fn readiness_ends_when_the_clock_steps_back_beyond_the_skew() {
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
fn a_stopping_server_answers_requests_in_flight_and_accepts_no_more() {
    let mut server = Server::start();
    let (mut idle, mut busy) = (server.connect(), server.connect());
    assert_eq!(idle.get("/healthz").status, 200);
    let body = event("a").to_string();
    assert!(busy.begin_post(body.len()));
    server.begin_stop();
    assert_eq!(idle.rest(), b"", "an idle connection is closed");
    assert!(std::net::TcpStream::connect(server.address).is_err(), "the listener was closed first");
    busy.send(body);
    assert_eq!(busy.reply().json()["accepted"], 1);
    assert_eq!(busy.rest(), b"");
}
