//! Hostile clients: ambiguous framing, slow peers, floods of bytes, connections that end in the middle of a request.

use crate::common::{MIB, Raw, Server, array, event, eventually, gzip, post_head, post_request, problem, zstd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;
use weir_server::limits;

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn post(headers: &str, body: &str) -> String {
    post_head(headers) + body
}

/// The statuses of all answers on a connection that sends these bytes.
fn statuses(server: &Server, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let mut connection = server.connect();
    // The server may close the connection before it has read all bytes.
    connection.try_send(bytes);
    let answers = connection.remains();
    let answers = String::from_utf8_lossy(&answers);
    answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

#[test]
fn an_ambiguous_head_is_refused_and_ends_the_connection() {
    let server = Server::start();
    let body = event("a").to_string();
    let length = body.len();
    for headers in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
        format!("content-length: {length}\r\ncontent-length: {length}"),
        format!("content-length: {length}\r\ncontent-length: 0"),
        format!("content-length: {length}, {length}"),
        format!("content-length: +{length}"),
        format!("content-length: {length}\r\nhost: elsewhere"),
        "content-length: 0x10".into(),
        "content-length: 99999999999999999999".into(),
        "content-length:".into(),
        "transfer-encoding: gzip, chunked".into(),
        "transfer-encoding: chunked, chunked".into(),
        "transfer-encoding: identity".into(),
        "transfer-encoding : chunked".into(),
        " transfer-encoding: chunked".into(),
        "x: y\r\n transfer-encoding: chunked".into(),
        "x: y\r\n\ttransfer-encoding: chunked".into(),
        "x\r\ntransfer-encoding: chunked".into(),
        "transfer-encoding: chunked\rx: y".into(),
        "transfer-encoding:\0chunked".into(),
        "x: \u{1}".into(),
        ": y".into(),
        "x(y): z".into(),
    ] {
        let request = post(&headers, &body) + GET;
        assert_eq!(statuses(&server, &request), [400], "{headers:?}");
        // A good request before it is answered first.
        assert_eq!(statuses(&server, GET.to_owned() + &request), [200, 400], "{headers:?}");
    }
    for start in
        ["GET /healthz", "GET  /healthz HTTP/1.1", "/healthz HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/3.0", "\0"]
    {
        assert_eq!(statuses(&server, format!("{start}\r\nhost: localhost\r\n\r\n{GET}")), [400], "{start:?}");
    }
    for head in ["GET /healthz HTTP/1.1", "POST /events HTTP/1.0\r\ntransfer-encoding: chunked"] {
        assert_eq!(statuses(&server, format!("{head}\r\n\r\n{GET}")), [400], "{head:?}");
    }
    assert_eq!(statuses(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), [0; 0], "HTTP/2 gets no answer in HTTP/1.1");
    assert_eq!(server.total_events(), 0);
    assert_eq!(server.post(&body).verdicts(), ["success"], "no id was claimed");
}

#[test]
fn a_refused_head_ends_the_connection_even_if_it_arrives_in_two_parts() {
    let server = Server::start();
    let ambiguous = "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
    let malformed = "GET /healthz HTTP/3.0\r\nhost: a\r\n\r\n";
    for head in [ambiguous, malformed] {
        for cut in [1, 10, head.len() - 4, head.len() - 3, head.len() - 2, head.len() - 1] {
            let mut connection = server.connect();
            connection.send(&head[..cut]);
            // The pause lets the server read the first part alone. If it is too short, the test checks less, but does
            // not fail.
            sleep(Duration::from_millis(20));
            connection.try_send(&head[cut..]);
            let answers = String::from_utf8(connection.remains()).unwrap();
            assert!(answers.starts_with("HTTP/1.1 400"), "{cut} {answers:?} {head:?}");
        }
    }
}

#[test]
fn malformed_chunks_are_refused_and_end_the_connection() {
    let server = Server::start();
    let whole = event("a").to_string();
    let size = format!("{:x}", whole.len());
    let chunked = |body: &str| post("transfer-encoding: chunked", body) + GET;
    for body in [
        "\r\n".to_owned(),
        "x\r\n".into(),
        "-1\r\n".into(),
        "0x5\r\n".into(),
        " 5\r\n".into(),
        "11111111111111111\r\n".into(),
        format!("{size}\r\n{whole}x\r\n0\r\n\r\n"),
        format!("{size}\r\n{whole}0\r\n\r\n"),
        format!("{size}\r\n{whole}\n0\r\n\r\n"),
        format!("{size}\n{whole}\r\n0\r\n\r\n"),
        format!("{size};\n\r\n{whole}\r\n0\r\n\r\n"),
        format!("{size}\r\n{whole}\r\n\r\n"),
        format!("{size}\r\n{whole}\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
        format!("{size}\r\n{whole}\r\n0\r\n\n"),
        format!("{size}\r\n{whole}\r\n0\r\nx: y\n\r\n"),
    ] {
        assert_eq!(statuses(&server, chunked(&body)), [400], "{body:?}");
    }
    assert_eq!(server.total_events(), 0);
    let spread =
        format!("1;a=\"b\"\r\n{}\r\n00{:X}\r\n{}\r\n0\r\nx: y\r\n\r\n", &whole[..1], whole.len() - 1, &whole[1..]);
    assert_eq!(statuses(&server, post("transfer-encoding: chunked", &spread) + GET + "\0"), [200, 200, 400]);
    assert_eq!(server.total_events(), 1);
}

#[test]
fn a_head_is_bounded_in_size_and_in_fields() {
    let server = Server::start();
    let head = |fields: &str| format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n");
    let large = format!("x: {}\r\n", "x".repeat(31 << 10));
    assert_eq!(statuses(&server, head(&large) + "\0"), [200, 400]);
    for fields in [large.repeat(2), format!("x: {}\r\n", "x".repeat(MIB)), "x: y\r\n".repeat(100)] {
        assert_eq!(statuses(&server, head(&fields)), [431], "{} bytes", fields.len());
    }
    assert_eq!(statuses(&server, head(&"x: y\r\n".repeat(99)) + "\0"), [200, 400]);
}

#[test]
fn a_target_is_bounded() {
    let server = Server::start();
    let request = |target_bytes: usize| {
        format!("GET /healthz?{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(target_bytes - "/healthz?".len()))
    };
    let max_bytes = limits::TARGET_BYTES_MAX;
    assert_eq!(statuses(&server, request(max_bytes) + &request(max_bytes + 1) + GET), [200, 414, 200]);
    for target_bytes in [limits::REQUEST_LINE_BYTES_MAX, 2 * limits::HEAD_BYTES_MAX, MIB] {
        assert_eq!(statuses(&server, request(target_bytes)), [414], "{target_bytes}");
        let mut connection = server.connect();
        connection.send(request(target_bytes));
        assert_eq!(connection.reply().problem(), problem(414, "uri_too_long"));
    }
    for start in ["POST /events?", "GET /metrics#", "GET http://localhost/metrics?", "PUT /reference/users#"] {
        let cut = request(MIB).replacen("GET /healthz?", start, 1);
        assert_eq!(statuses(&server, cut), [414], "a cut request is not executed: {start}");
    }
    let authority = request(MIB).replacen("GET /healthz?", &format!("GET http://{}/", "x".repeat(9_000)), 1);
    assert_eq!(statuses(&server, authority), [414]);
    let method = format!("{} / HTTP/1.1\r\nhost: localhost\r\n\r\n", "X".repeat(MIB));
    assert!([400, 431].contains(&statuses(&server, method)[0]));
}

#[test]
fn a_slow_head_ends_the_connection() {
    let server = Server::builder().http(|http| http.timeouts.head = Duration::from_millis(200)).start();
    let mut connection = server.connect();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}", "x".repeat(10_000));
    // The pauses are the subject: the whole head would take 200 s.
    let sent = head.bytes().take_while(|byte| {
        sleep(Duration::from_millis(20));
        connection.try_send([*byte])
    });
    assert!(sent.count() < head.len());
    assert_eq!(server.connect().remains(), b"", "a connection without a head ends too");
}

#[test]
fn an_idle_connection_is_closed() {
    let server = Server::builder().http(|http| http.timeouts.idle = Duration::from_millis(100)).start();
    let mut connection = server.connect();
    assert_eq!(connection.get("/healthz").status, 200);
    assert_eq!(connection.rest(), b"");
}

#[test]
fn a_slow_body_is_answered_with_a_timeout() {
    let server = Server::builder().http(|http| http.timeouts.transfer = Duration::from_millis(300)).start();
    let mut connection = server.connect();
    connection.send(post("content-length: 1000000", "["));
    let (mut sender, done) = (connection.another(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The pauses are the subject: 33 bytes a second are too slow.
            while !done.load(Ordering::Relaxed) && sender.try_send(" ") {
                sleep(Duration::from_millis(30));
            }
        });
        assert_eq!(connection.reply().problem(), problem(408, "request_timeout"));
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(connection.remains(), b"", "the connection ends");
}

#[test]
fn an_answer_that_the_client_does_not_read_ends_the_connection() {
    let server = Server::builder().http(|http| http.timeouts.transfer = Duration::from_millis(300)).start();
    let mut connection = server.connect();
    // Each answer has ten megabytes, which is more than the system buffers.
    let request = post_request(array(std::iter::repeat_n("7", 100_000)));
    (0..4).for_each(|_| _ = connection.try_send(&request));
    eventually("the server closes the connection", || !connection.try_send("\r\n"));
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_request_that_is_cut_off_is_not_ingested() {
    let server = Server::start();
    let request = post_request(event("a"));
    for sent_bytes in (1..request.len()).step_by(7) {
        let mut half_closed = server.connect();
        half_closed.send(&request.as_bytes()[..sent_bytes]);
        half_closed.finish();
        let answer = half_closed.remains();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
        server.connect().send(&request.as_bytes()[..sent_bytes]);
        // A socket that is closed with unread bytes resets its connection.
        let mut reset = server.connect();
        reset.send(GET.to_owned() + &request[..sent_bytes]);
        reset.wait();
    }
    assert_eq!(server.total_events(), 0);
    let mut half_closed = server.connect();
    half_closed.send(&request);
    half_closed.finish();
    assert_eq!(half_closed.reply().json()["accepted"], 1, "a client that has sent all may still read");
}

#[test]
fn connections_beyond_the_maximum_get_503_until_another_ends() {
    let server = Server::builder().http(|http| http.max_connections = 3).start();
    let mut held: Vec<Raw> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut held {
        assert_eq!(connection.get("/healthz").status, 200);
    }
    let refused = server.connect().reply();
    assert_eq!((refused.problem(), refused.header("retry-after")), (problem(503, "overloaded"), "1"));
    held.pop();
    eventually("another connection is served", || {
        let mut connection = server.connect();
        connection.try_send(GET);
        connection.reply().status == 200
    });
    assert_eq!(held[0].get("/healthz").status, 200);
}

#[test]
fn documents_that_are_expensive_to_parse_are_answered() {
    let server = Server::start();
    let million = 1_000_000;
    let deep = "[".repeat(million);
    assert_eq!(server.post(&deep).problem(), problem(400, "malformed_json"));
    assert_eq!(server.put_users(&[], &deep).problem(), problem(400, "malformed_json"));
    assert_eq!(server.post("{\"a\":".repeat(million)).problem(), problem(400, "malformed_json"));
    let keys = |key: &dyn Fn(usize) -> String| {
        let members: Vec<_> = (0..million).map(|i| format!("\"{}\":0", key(i))).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(server.post(keys(&|i| i.to_string())).verdicts(), ["invalid_event"]);
    assert_eq!(server.post(keys(&|_| "ts".into())).verdicts(), ["invalid_event"]);
    assert_eq!(server.put_users(&[], keys(&|i| i.to_string())).problem(), problem(422, "invalid_reference"));
    let values = format!("[{}1]", "1,".repeat(8 * MIB - 10));
    assert_eq!(server.post(&values).problem(), problem(413, "too_many_events"));
    let nested = event("e").to_string().replace('}', &format!(r#","x":{values}}}"#));
    assert_eq!(server.post(&nested[..16 * MIB]).problem(), problem(400, "malformed_json"));
    let string = format!("\"{}\"", "x".repeat(100_000_000));
    assert_eq!(server.post(&string).problem(), problem(413, "payload_too_large"));
}

#[test]
fn a_body_whose_parse_needs_more_than_all_body_memory_is_too_large() {
    let with_memory =
        |bytes| Server::builder().http(|http| (http.max_body_bytes, http.max_bodies_bytes) = (MIB, bytes)).start();
    let server = with_memory(4 * MIB);
    let many_values = format!("{{\"\\u0078\":[{}1]}}", "1,".repeat(MIB / 2 - 10));
    assert_eq!(server.post(&many_values).problem(), problem(413, "payload_too_large"));
    assert_eq!(server.put_users(&[], &many_values).problem(), problem(413, "payload_too_large"));
    assert_eq!(server.post(&many_values[..100_000]).problem(), problem(400, "malformed_json"));
    for len in (100_000..MIB).step_by(10_000) {
        let (status, _) = server.post(&many_values[..len]).problem();
        assert!([400, 413].contains(&status), "{status} for {len} bytes, though all body memory is free");
    }
    let narrow = with_memory(MIB - 1);
    let zipped = narrow.post_with(&[("content-encoding", "gzip")], gzip(event("a")));
    assert_eq!(zipped.problem(), problem(413, "payload_too_large"), "it may decompress to a MiB");
    assert_eq!(narrow.post(event("a")).verdicts(), ["success"]);
    let usual = array((0..8_000).map(event));
    assert_eq!(server.post(&usual).tally(), [8_000, 0, 0]);
}

#[test]
fn decompression_bombs_are_too_large_and_odd_streams_are_malformed() {
    let server = Server::start();
    let zeros = vec![0; 16 * MIB];
    for (coding, member) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        let bomb = member.repeat(64);
        let post = |body: &[u8]| server.post_with(&[("content-encoding", coding)], body).problem();
        assert_eq!(post(&bomb), problem(413, "payload_too_large"), "{coding}");
        assert_eq!(post(&bomb[..member.len() / 2]), problem(400, "malformed_encoding"), "{coding}");
        assert_eq!(post(&member), problem(400, "malformed_json"), "{coding}: exactly the maximum size");
    }
    // Frames that decoders skip: many of one byte, and one that fills the body.
    let skippable =
        |bytes: u32| [&0x184d_2a50_u32.to_le_bytes()[..], &bytes.to_le_bytes(), &vec![0; bytes as usize]].concat();
    for frames in [skippable(1).repeat(MIB), skippable(15 << 20), skippable(u32::MAX >> 8)[..16 * MIB - 1].to_vec()] {
        let reply = server.post_with(&[("content-encoding", "zstd")], frames);
        assert_eq!(reply.status, 400, "{reply:?}");
    }
    assert_eq!(server.total_events(), 0);
}
