//! A server on a free port with a clock that the test owns, and two clients: one that speaks HTTP, one that speaks bytes.

#![allow(dead_code, unreachable_pub, reason = "every test file includes this as a module and uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use weir::clock::ManualClock;
use weir::http::{App, HttpConfig};
use weir::{Engine, EngineConfig, Maintenance};

/// What the clock of a new server shows.
pub const NOON: &str = "2025-10-08T12:00:00.000Z";

/// [`NOON`], in milliseconds since the Unix epoch.
pub const NOON_MS: i64 = 1_759_924_800_000;

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub clock: Arc<ManualClock>,
    agent: ureq::Agent,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// With the default settings.
    pub fn start() -> Self {
        Self::with(|_, _| {})
    }

    /// With the default settings, changed.
    pub fn with(change: impl FnOnce(&mut EngineConfig, &mut HttpConfig)) -> Self {
        let (mut engine_config, mut http_config) = (EngineConfig::default(), HttpConfig::default());
        change(&mut engine_config, &mut http_config);
        let clock = Arc::new(ManualClock::new(NOON_MS));
        let engine = Arc::new(Engine::new(engine_config, Arc::clone(&clock)).unwrap());
        let (stop, stopped) = oneshot::channel();
        let (told, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let _maintenance = Maintenance::start(&engine).unwrap();
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let app = Arc::new(App::new(engine, http_config));
                let shutdown = async { stopped.await.unwrap_or_default() };
                weir::server::serve(app, listener, shutdown).await.unwrap();
            });
        });
        let address = address.recv().unwrap();
        Self { address, clock, agent: agent(), stop: Some(stop), thread: Some(thread) }
    }

    /// Asks the server to stop, without waiting for it.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Sends a request with these header fields, with a body if there is one, and reads the answer.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        Reply::from(response.unwrap())
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], None)
    }

    pub fn head(&self, path: &str) -> Reply {
        self.request("HEAD", path, &[], None)
    }

    /// Posts events without naming their type, which makes them JSON.
    pub fn post(&self, body: impl AsRef<[u8]>) -> Reply {
        self.post_with(&[], body)
    }

    /// Posts events with these header fields.
    pub fn post_with(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
        self.request("POST", "/events", headers, Some(body.as_ref()))
    }

    /// Puts a reference table.
    pub fn put_users(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
        self.request("PUT", "/reference/users", headers, Some(body.as_ref()))
    }

    /// The number of events in the longest window.
    pub fn total_events(&self) -> u64 {
        self.get("/metrics?window=1800").json()["total_events"].as_u64().unwrap()
    }

    /// A new connection.
    pub fn connect(&self) -> Raw {
        Raw::connect(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
        let served = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            served.unwrap().unwrap();
        }
    }
}

/// A client that takes every status as an answer.
pub fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(60)))
        .build();
    config.new_agent()
}

/// A valid event at [`NOON`].
pub fn event(event_id: &str) -> String {
    format!(r#"{{"event_id":"{event_id}","user_id":"u-1","type":"click","ts":"{NOON}"}}"#)
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header field's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer's status and code, after a check that it is a problem as all of them are.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:weir:problem:{code}"));
        assert_eq!(problem["status"], self.status);
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        (self.status, code.to_owned())
    }

    fn from(response: Response<ureq::Body>) -> Self {
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(u64::MAX).read_to_vec().unwrap();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }
}

/// A connection on which a test writes what it likes.
pub struct Raw(BufReader<TcpStream>);

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        self.0.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// The next line, without its end; empty at the end of the connection.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next answer, which must have a length.
    pub fn reply(&mut self) -> Reply {
        let status = self.line().split(' ').nth(1).expect("a status line").parse().unwrap();
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Reply { status, headers, body }
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }
}
