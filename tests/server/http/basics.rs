//! The rules that every resource shares: paths, methods, types, codings, sizes, stalls, connections, health.

use crate::common::{MIB, NOON, NOON_MS, Server, array, event, gzip, problem, table, user, zstd};
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
    assert_eq!(server.put_users(&[], table(user("u-1", "pro", "eu"), NOON)).status, 200);
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
fn compressed_bodies_are_taken_small_and_large() {
    let server = Server::start();
    let many = array((0..2_000).map(|i| event(&format!("many-{i}"))));
    assert_eq!(server.post_with(&[("content-encoding", "gzip")], gzip(event("a"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "X-GZIP")], gzip(event("b"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "zstd")], zstd(event("c"))).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "identity")], event("d")).json()["accepted"], 1);
    assert_eq!(server.post_with(&[("content-encoding", "gzip")], gzip(&many)).json()["accepted"], 2_000);
    assert_eq!(server.post_with(&[("content-encoding", "zstd")], zstd(&many)).json()["duplicates"], 2_000);
    assert_eq!(server.post(&many).json()["duplicates"], 2_000);
    assert_eq!(server.put_users(&[("content-encoding", "zstd")], zstd(table("", NOON))).status, 200);
    assert_eq!(server.patch_users(&[("content-encoding", "gzip")], gzip(table("", NOON))).status, 200);
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

/// An empty batch of so many bytes.
fn spaces(len: usize) -> String {
    " ".repeat(len - 2) + "[]"
}

#[test]
fn a_body_may_have_exactly_the_limit_as_sent_and_after_decompression() {
    type Encode = fn(String) -> Vec<u8>;
    let codings: [(&str, Encode); 3] = [("identity", String::into_bytes), ("gzip", gzip), ("zstd", zstd)];
    let large = Server::start();
    let small = Server::with(|_, http| http.max_body_bytes = 1_000);
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
fn a_body_is_bounded_as_sent_though_it_would_be_small_after_decompression() {
    for (coding, body) in [("gzip", gzip("[]")), ("zstd", zstd("[]"))] {
        let post = |max_body_bytes: usize| {
            let server = Server::with(|_, http| http.max_body_bytes = max_body_bytes);
            server.post_with(&[("content-encoding", coding)], &body)
        };
        assert!(body.len() > "[]".len());
        assert_eq!(post(body.len()).status, 200, "{coding}");
        assert_eq!(post(body.len() - 1).problem(), problem(413, "payload_too_large"), "{coding}");
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
    let server = Server::with(|_, http| http.timeouts.transfer = Duration::from_millis(50));
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
