//! What clients may do to a server and cannot: broken framing, slow peers, floods of bytes, vanishing in the middle.

use crate::common::{MIB, Raw, Server, array, event, event_of, gzip, problem, user, zstd};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: weir\r\n\r\n";

fn post(headers: &str, body: &str) -> String {
    format!("POST /events HTTP/1.1\r\nhost: weir\r\n{headers}\r\n\r\n{body}")
}

/// The status of every answer on a connection that sends this, and nothing more.
fn statuses(server: &Server, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let mut connection = server.connect();
    let all = {
        // The server may have seen enough before it has read all.
        connection.try_send(bytes);
        connection.remains()
    };
    let text = String::from_utf8_lossy(&all);
    let starts = text.split("HTTP/1.1 ").skip(1);
    starts.map(|answer| answer[..3].parse().unwrap()).collect()
}

#[test]
fn a_head_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let server = Server::start();
    let length = event("a").len();
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
        let request = post(&headers, &event("a")) + GET;
        assert_eq!(statuses(&server, &request), [400], "{headers:?}");
        // Behind a good request the first answer is that one's.
        assert_eq!(statuses(&server, GET.to_owned() + &request), [200, 400], "{headers:?}");
    }
    for start in
        ["GET /healthz", "GET  /healthz HTTP/1.1", "/healthz HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/3.0", "\0"]
    {
        assert_eq!(statuses(&server, format!("{start}\r\nhost: weir\r\n\r\n{GET}")), [400], "{start:?}");
    }
    for head in ["GET /healthz HTTP/1.1", "POST /events HTTP/1.0\r\ntransfer-encoding: chunked"] {
        assert_eq!(statuses(&server, format!("{head}\r\n\r\n{GET}")), [400], "{head:?}");
    }
    assert_eq!(statuses(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), [0; 0], "HTTP/2 has no answer in HTTP/1.1");
    assert_eq!(server.total_events(), 0);
    assert_eq!(server.post(event("a")).verdicts(), ["success"], "no id was claimed");
}

#[test]
fn a_head_that_is_refused_ends_the_connection_however_it_comes() {
    let server = Server::start();
    let ambiguous = "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
    let malformed = "GET /healthz HTTP/3.0\r\nhost: a\r\n\r\n";
    for head in [ambiguous, malformed] {
        for cut in [1, 10, head.len() - 4, head.len() - 3, head.len() - 2, head.len() - 1] {
            let mut connection = server.connect();
            connection.send(&head[..cut]);
            std::thread::sleep(Duration::from_millis(20));
            connection.try_send(&head[cut..]);
            let answers = String::from_utf8(connection.remains()).unwrap();
            assert!(answers.starts_with("HTTP/1.1 400"), "{cut} {answers:?} {head:?}");
        }
    }
}

#[test]
fn chunks_that_are_none_are_refused_and_end_the_connection() {
    let server = Server::start();
    let whole = event("a");
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
    let head = |fields: &str| format!("GET /healthz HTTP/1.1\r\nhost: weir\r\n{fields}\r\n");
    let large = format!("x: {}\r\n", "x".repeat(31 << 10));
    assert_eq!(statuses(&server, head(&large) + "\0"), [200, 400]);
    for fields in [large.repeat(2), format!("x: {}\r\n", "x".repeat(MIB)), "x: y\r\n".repeat(100)] {
        assert_eq!(statuses(&server, head(&fields)), [431], "{} bytes", fields.len());
    }
    assert_eq!(statuses(&server, head(&"x: y\r\n".repeat(99)) + "\0"), [200, 400]);
    let endless_path = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MIB));
    assert!([400, 414, 431].contains(&statuses(&server, endless_path)[0]));
}

#[test]
fn a_head_that_trickles_ends_the_connection() {
    let server = Server::with(|_, http| http.timeouts.head = Duration::from_millis(200));
    let mut connection = server.connect();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: weir\r\nx: {}", "x".repeat(10_000));
    let taken = head.bytes().take_while(|byte| {
        std::thread::sleep(Duration::from_millis(20));
        connection.try_send([*byte])
    });
    assert!(taken.count() < head.len());
    assert_eq!(server.connect().remains(), b"", "and so does one on which nothing comes");
}

#[test]
fn a_connection_that_rests_too_long_is_closed() {
    let server = Server::with(|_, http| http.timeouts.idle = Duration::from_millis(100));
    let mut connection = server.connect();
    connection.send(GET);
    assert_eq!(connection.reply().status, 200);
    assert_eq!(connection.rest(), b"");
}

#[test]
fn a_body_that_trickles_is_a_timeout() {
    let server = Server::with(|_, http| http.timeouts.transfer = Duration::from_millis(300));
    let mut connection = server.connect();
    connection.send(post("content-length: 1000000", "["));
    let (mut sender, done) = (connection.another(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) && sender.try_send(" ") {
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        assert_eq!(connection.reply().problem(), problem(408, "request_timeout"));
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(connection.remains(), b"", "and the connection ends");
}

#[test]
fn an_answer_that_is_not_read_is_given_up() {
    let server = Server::with(|_, http| http.timeouts.transfer = Duration::from_millis(300));
    let mut connection = server.connect();
    // Ten megabytes of answer each: more than the system's buffers take.
    let body = array(std::iter::repeat_n("7".to_owned(), 100_000));
    let request = post(&format!("content-length: {}", body.len()), &body);
    (0..4).for_each(|_| _ = connection.try_send(&request));
    let waits = (0..1_000).take_while(|_| {
        std::thread::sleep(Duration::from_millis(50));
        connection.try_send("\r\n")
    });
    assert!(waits.count() < 1_000, "the server has not closed the connection");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn connections_that_vanish_within_a_request_leave_nothing() {
    let server = Server::start();
    let body = event("a");
    let request = post(&format!("content-length: {}", body.len()), &body);
    for sent_bytes in (1..request.len()).step_by(7) {
        let mut half_closed = server.connect();
        half_closed.send(&request.as_bytes()[..sent_bytes]);
        half_closed.finish();
        let answer = half_closed.remains();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
        server.connect().send(&request.as_bytes()[..sent_bytes]);
        // A socket that is closed with something unread in it resets its connection.
        let mut reset = server.connect();
        reset.send(GET.to_owned() + &request[..sent_bytes]);
        reset.wait();
    }
    assert_eq!(server.total_events(), 0);
    let mut half_closed = server.connect();
    half_closed.send(&request);
    half_closed.finish();
    assert_eq!(half_closed.reply().json()["accepted"], 1, "who has sent all may still read");
}

#[test]
fn connections_beyond_those_allowed_are_told_so_and_others_take_their_place() {
    let server = Server::with(|_, http| http.max_connections = 3);
    let mut held: Vec<Raw> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut held {
        connection.send(GET);
        assert_eq!(connection.reply().status, 200);
    }
    let refused = server.connect().reply();
    assert_eq!((refused.problem(), refused.header("retry-after")), (problem(503, "overloaded"), "1"));
    held.pop();
    let is_served = || {
        let mut connection = server.connect();
        connection.try_send(GET);
        connection.reply().status == 200
    };
    while !is_served() {
        std::thread::sleep(Duration::from_millis(10));
    }
    held[0].send(GET);
    assert_eq!(held[0].reply().status, 200);
}

#[test]
fn documents_made_to_exhaust_are_answered() {
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
    let nested =
        format!(r#"{{"event_id":"e","user_id":"u","type":"click","ts":"{}","x":{values}}}"#, crate::common::NOON);
    assert_eq!(server.post(&nested[..16 * MIB]).problem(), problem(400, "malformed_json"));
    let string = format!("\"{}\"", "x".repeat(100_000_000));
    assert_eq!(server.post(&string).problem(), problem(413, "payload_too_large"));
}

#[test]
fn a_body_that_takes_more_memory_to_read_than_there_is_for_all_is_too_large() {
    let server = Server::with(|_, http| {
        http.max_body_bytes = MIB;
        http.max_bodies_bytes = 4 * MIB;
    });
    let many_values = format!("{{\"\\u0078\":[{}1]}}", "1,".repeat(MIB / 2 - 10));
    assert_eq!(server.post(&many_values).problem(), problem(413, "payload_too_large"));
    assert_eq!(server.put_users(&[], &many_values).problem(), problem(413, "payload_too_large"));
    assert_eq!(server.post(&many_values[..100_000]).problem(), problem(400, "malformed_json"));
    for len in (100_000..MIB).step_by(10_000) {
        let (status, _) = server.post(&many_values[..len]).problem();
        assert!([400, 413].contains(&status), "{status} for {len} bytes, with all the memory there is");
    }
    let narrow = Server::with(|_, http| {
        http.max_body_bytes = MIB;
        http.max_bodies_bytes = MIB - 1;
    });
    let zipped = narrow.post_with(&[("content-encoding", "gzip")], gzip(event("a")));
    assert_eq!(zipped.problem(), problem(413, "payload_too_large"), "it might come to a MiB");
    assert_eq!(narrow.post(event("a")).verdicts(), ["success"]);
    let usual = array((0..8_000).map(|i| event(&i.to_string())));
    assert_eq!(server.post(&usual).tally(), [8_000, 0, 0]);
}

#[test]
fn bombs_are_too_large_and_odd_streams_are_malformed() {
    let server = Server::start();
    let zeros = vec![0; 16 * MIB];
    for (coding, member) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        let bomb = member.repeat(64);
        let post = |body: &[u8]| server.post_with(&[("content-encoding", coding)], body).problem();
        assert_eq!(post(&bomb), problem(413, "payload_too_large"), "{coding}");
        assert_eq!(post(&bomb[..member.len() / 2]), problem(400, "malformed_encoding"), "{coding}");
        assert_eq!(post(&member), problem(400, "malformed_json"), "{coding}: exactly as large as allowed");
    }
    // Frames that decoders skip, of one byte each and of all that a body may have.
    let skippable =
        |bytes: u32| [&0x184d_2a50_u32.to_le_bytes()[..], &bytes.to_le_bytes(), &vec![0; bytes as usize]].concat();
    for frames in [skippable(1).repeat(MIB), skippable(15 << 20), skippable(u32::MAX >> 8)[..16 * MIB - 1].to_vec()] {
        let reply = server.post_with(&[("content-encoding", "zstd")], frames);
        assert_eq!(reply.status, 400, "{reply:?}");
    }
    assert_eq!(server.total_events(), 0);
}

/// Requests of every kind, from a seed.
struct Requests(SmallRng);

impl Requests {
    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.0.random_range(0..choices.len())]
    }

    /// Up to three of what `make` makes, with commas between them.
    fn list(&mut self, mut make: impl FnMut(&mut Self) -> String) -> String {
        (0..self.0.random_range(0..4)).map(|_| make(self)).collect::<Vec<_>>().join(",")
    }

    /// A document of any shape, of words that mean something here.
    fn json(&mut self, depth: u32) -> String {
        const NAMES: [&str; 7] =
            ["\"event_id\"", "\"user_id\"", "\"type\"", "\"ts\"", "\"user_metadata\"", "\"plan\"", "\"u\\u0031\""];
        match self.0.random_range(0..if depth == 0 { 2 } else { 5 }) {
            0 => self
                .one_of(&["\"click\"", "\"\"", "null", "0", "-1.5e300", "true", "\"\\ud800\"", "tru", "\""])
                .to_owned(),
            1 => event_of(self.one_of(&["a", "b", ""]), "u", self.one_of(&["click", "x"]), crate::common::NOON),
            2 => user(self.one_of(&["u", ""]), "pro", self.one_of(&["eu", ""])).replace("\"u\":", ""),
            3 => format!("[{}]", self.list(|random| random.json(depth - 1))),
            _ => format!("{{{}}}", self.list(|random| format!("{}:{}", random.one_of(&NAMES), random.json(depth - 1)))),
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let body = match self.0.random_range(0..4) {
            0 => format!("{{\"user_metadata\":{},\"ts\":\"{}\"}}", self.json(3), crate::common::NOON),
            1 => self.list(|random| random.json(2) + "\n"),
            _ => self.json(4),
        };
        match self.0.random_range(0..10) {
            0 => gzip(body),
            1 => zstd(body),
            _ => body.into_bytes(),
        }
    }

    /// A request that ends where it says, and whether its answer has no body.
    fn next(&mut self) -> (Vec<u8>, bool) {
        const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"];
        const PATHS: [&str; 9] = [
            "/events",
            "/events",
            "/reference/users",
            "/reference/users/%75%ff",
            "/metrics",
            "/readyz",
            "/",
            "/%00",
            "//",
        ];
        const QUERIES: [&str; 6] = ["", "", "?window=60", "?window=99999999999", "?window=%31&x", "?&&=%"];
        const FIELDS: [&str; 7] =
            ["content-type", "content-encoding", "prefer", "if-match", "if-none-match", "accept", "authorization"];
        const VALUES: [&str; 12] = [
            "application/json",
            "application/x-ndjson;charset=utf-8",
            "application/merge-patch+json",
            "text/plain",
            "gzip",
            "zstd",
            "return=minimal",
            "\"0\"",
            "W/\"1\", *",
            "*",
            "Bearer x",
            ";;,,=\"",
        ];
        let (method, body) = (self.one_of(&METHODS), self.body());
        let mut head = format!("{method} {}{} HTTP/1.1\r\nhost: weir\r\n", self.one_of(&PATHS), self.one_of(&QUERIES));
        for _ in 0..self.0.random_range(0..4) {
            head += &format!("{}: {}\r\n", self.one_of(&FIELDS), self.one_of(&VALUES));
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        ([head.into_bytes(), body].concat(), method == "HEAD")
    }

    /// The same with a few bytes changed, added or lost.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.0.random_range(1..4) {
            let at = self.0.random_range(0..bytes.len());
            match self.0.random_range(0..3) {
                0 => bytes[at] = self.0.random(),
                1 => bytes.insert(at, self.0.random()),
                _ => _ = bytes.remove(at),
            }
        }
    }
}

/// Sends so many random requests over one connection after another, and some damaged ones beside them.
fn bombard(server: &Server, seed: u64, requests: usize) {
    let mut random = Requests(SmallRng::seed_from_u64(seed));
    let mut connection = server.connect();
    for _ in 0..requests {
        let (mut request, is_head) = random.next();
        let shown = |request: &[u8]| String::from_utf8_lossy(request).into_owned();
        if random.0.random_ratio(1, 50) {
            random.damage(&mut request);
            let mut connection = server.connect();
            connection.try_send(&request);
            connection.finish();
            assert!(!connection.remains().starts_with(b"HTTP/1.1 5"), "{}", shown(&request));
        } else {
            connection.send(&request);
            let reply = if is_head { connection.reply_to_head() } else { connection.reply() };
            assert!(matches!(reply.status, 200 | 304 | 400..500), "{reply:?}\n{}", shown(&request));
            if reply.status >= 400 && !is_head {
                reply.problem();
            }
            if reply.header("connection") == "close" {
                connection = server.connect();
            }
        }
    }
}

#[test]
fn random_requests_are_never_a_fault_of_the_server() {
    let server = Server::start();
    bombard(&server, 7, 10_000);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test hostile -- --ignored --nocapture"]
fn a_million_random_requests_are_never_a_fault_of_the_server() {
    const REQUESTS: usize = 1_000_000;
    const CLIENTS: usize = 4;
    let server = Server::start();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    std::thread::scope(|scope| {
        for client in 0..CLIENTS as u64 {
            let server = &server;
            scope.spawn(move || bombard(server, seed.wrapping_add(client << 32), REQUESTS / CLIENTS));
        }
    });
    assert_eq!(server.get("/healthz").status, 200);
    println!("{REQUESTS} requests, no answer of 5xx");
}

#[test]
fn random_bytes_are_never_a_fault_of_the_server() {
    let server = Server::start();
    let mut rng = SmallRng::seed_from_u64(7);
    for _ in 0..1_000 {
        let mut connection = server.connect();
        connection.try_send((0..rng.random_range(0..2_000)).map(|_| rng.random()).collect::<Vec<u8>>());
        connection.finish();
        assert!(!connection.remains().starts_with(b"HTTP/1.1 5"));
    }
    assert_eq!(server.get("/healthz").status, 200);
}
