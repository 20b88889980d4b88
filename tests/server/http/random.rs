//! Random requests: none may be answered with a server error.

use crate::common::{NOON, Server, event, gzip, user, zstd};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Random requests of every kind.
struct Requests(SmallRng);

impl Requests {
    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.0.random_range(0..choices.len())]
    }

    /// Up to three texts that `make` returns, separated by commas.
    fn list(&mut self, mut make: impl FnMut(&mut Self) -> String) -> String {
        (0..self.0.random_range(0..4)).map(|_| make(self)).collect::<Vec<_>>().join(",")
    }

    /// A document of any shape, with words that the server knows.
    fn json(&mut self, depth: u32) -> String {
        const NAMES: [&str; 7] =
            ["\"event_id\"", "\"user_id\"", "\"type\"", "\"ts\"", "\"user_metadata\"", "\"plan\"", "\"u\\u0031\""];
        match self.0.random_range(0..if depth == 0 { 2 } else { 5 }) {
            0 => self
                .one_of(&["\"click\"", "\"\"", "null", "0", "-1.5e300", "true", "\"\\ud800\"", "tru", "\""])
                .to_owned(),
            1 => event(self.one_of(&["a", "b", ""])).user("u").kind(self.one_of(&["click", "x"])).to_string(),
            2 => user(self.one_of(&["u", ""]), "pro", self.one_of(&["eu", ""])).replace("\"u\":", ""),
            3 => format!("[{}]", self.list(|random| random.json(depth - 1))),
            _ => format!("{{{}}}", self.list(|random| format!("{}:{}", random.one_of(&NAMES), random.json(depth - 1)))),
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let body = match self.0.random_range(0..4) {
            0 => format!("{{\"user_metadata\":{},\"ts\":\"{NOON}\"}}", self.json(3)),
            1 => self.list(|random| random.json(2) + "\n"),
            _ => self.json(4),
        };
        match self.0.random_range(0..10) {
            0 => gzip(body),
            1 => zstd(body),
            _ => body.into_bytes(),
        }
    }

    /// A request of the length that its head tells, and whether its answer has no body.
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
        const QUERIES: [&str; 8] = [
            "",
            "",
            "?window=60",
            "?window=99999999999",
            "?window=%31&x",
            "?&&=%",
            "?end=1759924800",
            "?end=9223372036854775807",
        ];
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
        let mut head =
            format!("{method} {}{} HTTP/1.1\r\nhost: localhost\r\n", self.one_of(&PATHS), self.one_of(&QUERIES));
        for _ in 0..self.0.random_range(0..4) {
            head += &format!("{}: {}\r\n", self.one_of(&FIELDS), self.one_of(&VALUES));
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        ([head.into_bytes(), body].concat(), method == "HEAD")
    }

    /// Changes, adds or removes a few bytes.
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

/// Sends random requests over one connection after another. Some are damaged and have a connection of their own.
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
fn random_requests_cause_no_server_error() {
    let server = Server::start();
    bombard(&server, 7, 10_000);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test server a_million -- --ignored --nocapture"]
fn a_million_random_requests_cause_no_server_error() {
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
fn random_bytes_cause_no_server_error() {
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
