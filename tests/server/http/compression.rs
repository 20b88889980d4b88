//! Compressed answers.

use crate::common::{MIB, NDJSON, Raw, Reply, Server, array, event, get_request, table, user};
use flate2::read::MultiGzDecoder;
use std::io::Read as _;

/// The text of an answer, decompressed.
fn text(reply: &Reply) -> String {
    let mut text = String::new();
    match reply.header("content-encoding") {
        "" => text.push_str(reply.text()),
        "gzip" => _ = MultiGzDecoder::new(&reply.body[..]).read_to_string(&mut text).unwrap(),
        "zstd" => text = String::from_utf8(zstd::decode_all(&reply.body[..]).unwrap()).unwrap(),
        other => panic!("{other}"),
    }
    text
}

fn get(server: &Server, accept_encoding: &str, path: &str) -> Reply {
    server.get_with(&[("accept-encoding", accept_encoding)], path)
}

#[test]
fn large_answers_are_compressed_as_the_client_prefers() {
    let server = Server::start();
    server.post(array((0..100).map(event)));
    for path in ["/metrics/series?window=1800", "/openapi.json", "/dashboard/main.js", "/metrics/prometheus"] {
        let plain = get(&server, "identity", path);
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        for (accept, coding) in
            [("gzip", "gzip"), ("gzip, deflate, br, zstd", "zstd"), ("zstd;q=0.1, gzip;q=0.2", "gzip"), ("br", "")]
        {
            let reply = get(&server, accept, path);
            assert_eq!((reply.status, reply.header("content-encoding")), (200, coding), "{path}");
            assert!(coding.is_empty() || reply.body.len() < plain.body.len() / 2, "{path}");
            let vary: Vec<_> = reply.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
            assert!(vary.contains(&"accept-encoding"), "{path} {vary:?}");
            if path != "/metrics/prometheus" {
                assert_eq!(text(&reply), plain.text(), "{path}");
            }
        }
    }
}

#[test]
fn small_answers_and_streams_are_not_compressed() {
    let server = Server::start();
    for path in ["/metrics", "/reference/users", "/healthz", "/metrics?window=0"] {
        let reply = get(&server, "gzip", path);
        assert_eq!(reply.header("content-encoding"), "", "{path}");
        assert!(!reply.header("vary").contains("encoding") && !reply.header("content-length").is_empty(), "{path}");
    }
    let mut stream = Raw::connect(server.address);
    stream.send(get_request("/metrics/stream").replace("\r\n\r\n", "\r\naccept-encoding: gzip, zstd\r\n\r\n"));
    let head = stream.reply_to_head();
    assert_eq!((head.status, head.header("content-encoding")), (200, ""));
    assert_eq!(head.header("cache-control"), "no-store, no-transform");
    stream.skip_to("retry: 2000");
}

#[test]
fn verdicts_are_compressed_and_a_client_that_accepts_nothing_loses_none() {
    let server = Server::start();
    let batch = |id: &str| array((0..1_000).map(|i| event(format!("{id}{i}"))));
    for (id, accept) in [("a", "gzip"), ("b", "identity;q=0"), ("c", "br, *;q=0"), ("d", "")] {
        let reply = server.post_with(&[("accept-encoding", accept)], batch(id));
        assert_eq!(reply.header("content-encoding"), if accept == "gzip" { "gzip" } else { "" });
        assert!(reply.status == 200 && text(&reply).ends_with(r#""accepted":1000,"duplicates":0,"rejected":0}"#));
    }
    let minimal = [("accept-encoding", "gzip"), ("prefer", "return=minimal"), NDJSON];
    assert_eq!(server.post_with(&minimal, event("e")).header("content-encoding"), "");
    assert_eq!(server.total_events(), 4_001);
}

#[test]
fn a_response_to_head_says_that_the_encoding_varies() {
    let server = Server::start();
    let reply = server.request("HEAD", "/openapi.json", &[("accept-encoding", "gzip")], None);
    assert_eq!((reply.header("content-length"), reply.header("vary")), ("", "accept-encoding"));
    let reply = server.head("/openapi.json");
    assert_eq!(reply.header("content-length"), server.get("/openapi.json").body.len().to_string());
}

#[test]
fn the_tag_of_a_compressed_file_still_matches() {
    let server = Server::start();
    let compressed = get(&server, "gzip", "/dashboard/main.js");
    let tag = compressed.header("etag");
    assert!(tag.starts_with("W/\""), "{tag}");
    let headers = [("accept-encoding", "gzip"), ("if-none-match", tag)];
    assert_eq!(server.get_with(&headers, "/dashboard/main.js").status, 304);
    server.put_users(&[], table([user("u-1", "pro", "eu")], crate::common::NOON));
    assert_eq!(get(&server, "gzip", "/reference/users").header("etag"), "\"1\"", "If-Match needs a strong tag");
}

#[test]
fn answers_beyond_the_memory_for_encoders_are_sent_as_they_are() {
    let server = Server::builder().http(|http| http.max_bodies_bytes = 5 * MIB).start();
    let reply = get(&server, "gzip", "/openapi.json");
    assert_eq!((reply.status, reply.header("content-encoding")), (200, ""));
    assert!(reply.text().starts_with('{'));
}
