//! A server on a free port with a clock that the test owns, two clients (one that speaks HTTP, one that speaks bytes), and
//! what they send.

pub(crate) mod command;
pub(crate) mod samples;

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use weir::{Clock, Engine, EngineConfig, Maintenance, ManualClock, format_ms};
use weir_api::Role;
use weir_server::{App, Endpoint, HttpConfig, Tls, Tokens};

/// What the clock of a new server shows.
pub(crate) const NOON: &str = "2025-10-08T12:00:00.000Z";

/// [`NOON`], in milliseconds since the Unix epoch.
pub(crate) const NOON_MS: i64 = 1_759_924_800_000;

/// Bytes of a mebibyte.
pub(crate) const MIB: usize = 1 << 20;

/// A server that runs until it is dropped.
pub(crate) struct Server<C = ManualClock> {
    pub address: SocketAddr,
    pub clock: Arc<C>,
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
    agent: ureq::Agent,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// With the default settings, at [`NOON`].
    pub(crate) fn start() -> Self {
        Self::with(|_, _| {})
    }

    /// With the default settings, changed, at [`NOON`].
    pub(crate) fn with(change: impl FnOnce(&mut EngineConfig, &mut HttpConfig)) -> Self {
        Self::on(ManualClock::new(NOON_MS), 2, change)
    }

    /// With the default settings, over TLS, at [`NOON`].
    pub(crate) fn over(tls: Tls) -> Self {
        Self::over_with(tls, |_| {})
    }

    /// With the default settings, changed, over TLS, at [`NOON`].
    pub(crate) fn over_with(tls: Tls, change: impl FnOnce(&mut HttpConfig)) -> Self {
        Self::run(ManualClock::new(NOON_MS), 2, Some(tls), |_, http| change(http))
    }
}

impl<C: Clock + 'static> Server<C> {
    /// With a clock of its own and so many runtime workers. Its housekeeping runs on threads whose names start with
    /// `weir-`; requests do not.
    pub(crate) fn on(clock: C, workers: usize, change: impl FnOnce(&mut EngineConfig, &mut HttpConfig)) -> Self {
        Self::run(clock, workers, None, change)
    }

    fn run(
        clock: C,
        workers: usize,
        tls: Option<Tls>,
        change: impl FnOnce(&mut EngineConfig, &mut HttpConfig),
    ) -> Self {
        let (mut engine_config, mut http_config) = (EngineConfig::default(), HttpConfig::default());
        // On a busy machine the tests themselves would make the server late.
        http_config.max_queue_delay = Duration::MAX;
        change(&mut engine_config, &mut http_config);
        let clock = Arc::new(clock);
        let engine = Arc::new(Engine::new(engine_config, Arc::clone(&clock)).unwrap());
        let (app, tls) = (Arc::new(App::new(Arc::clone(&engine), http_config)), tls.map(Arc::new));
        let (served_app, served_tls) = (Arc::clone(&app), tls.clone());
        let (stop, stopped) = oneshot::channel();
        let (told, address) = std::sync::mpsc::channel();
        let run = move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(workers).enable_all().build().unwrap();
            runtime.block_on(async {
                let _maintenance = Maintenance::start(&engine).unwrap();
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let shutdown = async { stopped.await.unwrap_or_default() };
                weir_server::serve_app(served_app, Endpoint { listener, tls: served_tls }, shutdown).await.unwrap();
            });
        };
        let thread = std::thread::Builder::new().name("weir-serve".to_owned()).spawn(run).unwrap();
        let address = address.recv().unwrap();
        Self { address, clock, app, tls, agent: agent(), stop: Some(stop), thread: Some(thread) }
    }
}

impl<C> Server<C> {
    /// Asks for these tokens from now on.
    pub(crate) fn set_tokens(&self, all: &[(Role, &str)]) {
        let mut tokens = Tokens::default();
        all.iter().for_each(|(role, token)| tokens.add(*role, token).unwrap());
        self.app.set_tokens(tokens);
    }

    /// Its certificate.
    pub(crate) fn tls(&self) -> &Tls {
        self.tls.as_deref().unwrap()
    }

    /// Asks the server to stop, without waiting for it.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Sends a request with these header fields, with a body if there is one, and reads the answer.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
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

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], None)
    }

    pub(crate) fn head(&self, path: &str) -> Reply {
        self.request("HEAD", path, &[], None)
    }

    /// Posts events without naming their type, which makes them JSON.
    pub(crate) fn post(&self, body: impl AsRef<[u8]>) -> Reply {
        self.post_with(&[], body)
    }

    /// Posts events with these header fields.
    pub(crate) fn post_with(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
        self.request("POST", "/events", headers, Some(body.as_ref()))
    }

    /// Puts a reference table.
    pub(crate) fn put_users(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
        self.request("PUT", "/reference/users", headers, Some(body.as_ref()))
    }

    /// Merges into the reference table.
    pub(crate) fn patch_users(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
        let headers = [&[("content-type", "application/merge-patch+json")], headers].concat();
        self.request("PATCH", "/reference/users", &headers, Some(body.as_ref()))
    }

    /// The figures of a window.
    pub(crate) fn metrics(&self, window_secs: u32) -> Value {
        self.get(&format!("/metrics?window={window_secs}")).json()
    }

    /// The number of events in the longest window of the default settings.
    pub(crate) fn total_events(&self) -> u64 {
        self.metrics(1_800)["total_events"].as_u64().unwrap()
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Raw {
        Raw::connect(self.address)
    }
}

impl<C> Drop for Server<C> {
    fn drop(&mut self) {
        self.begin_stop();
        let served = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            served.unwrap().unwrap();
        }
    }
}

/// A client that takes every status as an answer.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(60)))
        .max_idle_connections_per_host(16)
        .build();
    config.new_agent()
}

/// A valid event at [`NOON`].
pub(crate) fn event(event_id: &str) -> String {
    event_of(event_id, "u-1", "click", NOON)
}

/// An event of a click at a time.
pub(crate) fn event_at(event_id: &str, ts_ms: i64) -> String {
    event_of(event_id, "u-1", "click", &format_ms(ts_ms))
}

/// An event; the fields are JSON strings without their quotes.
pub(crate) fn event_of(event_id: &str, user_id: &str, event_type: &str, ts: &str) -> String {
    format!(r#"{{"event_id":"{event_id}","user_id":"{user_id}","type":"{event_type}","ts":"{ts}"}}"#)
}

/// A JSON array.
pub(crate) fn array(elements: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", elements.into_iter().collect::<Vec<_>>().join(","))
}

/// The body of a PUT or PATCH.
pub(crate) fn table(users: impl AsRef<str>, ts: &str) -> String {
    format!(r#"{{"user_metadata":{{{}}},"ts":"{ts}"}}"#, users.as_ref())
}

/// A user of a [`table`].
pub(crate) fn user(id: &str, plan: &str, region: &str) -> String {
    format!(r#""{id}":{{"plan":"{plan}","region":"{region}"}}"#)
}

pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(text.as_ref(), 1).unwrap()
}

/// What [`Reply::problem`] is compared with.
pub(crate) fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header field's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer's status and code, after a check that it is a problem as all of them are.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:weir:problem:{code}"));
        assert_eq!(problem["status"], self.status);
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        (self.status, code.to_owned())
    }

    /// The code of each event's verdict, or `success`, after a check that the counts agree with them.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let answer = self.json();
        let results = answer["results"].as_array().unwrap().iter();
        let verdicts: Vec<_> = results.map(|result| result["code"].as_str().unwrap_or("success").to_owned()).collect();
        let count = |code: &str| verdicts.iter().filter(|verdict| *verdict == code).count();
        let (accepted, duplicates) = (count("success"), count("duplicate_event"));
        assert_eq!(self.tally(), [accepted, duplicates, verdicts.len() - accepted - duplicates]);
        verdicts
    }

    /// The `message` of the only result.
    pub(crate) fn message(&self) -> String {
        let answer = self.json();
        assert_eq!(answer["results"].as_array().unwrap().len(), 1, "{self:?}");
        answer["results"][0]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Accepted, duplicates, rejected.
    pub(crate) fn tally(&self) -> [usize; 3] {
        let answer = self.json();
        ["accepted", "duplicates", "rejected"].map(|name| answer[name].as_u64().unwrap() as usize)
    }

    fn from(response: Response<ureq::Body>) -> Self {
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(u64::MAX).read_to_vec().unwrap();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }
}

/// A connection on which a test writes what it likes.
pub(crate) struct Raw(BufReader<TcpStream>);

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        // The server may have ended the connection before.
        let _ = self.0.get_mut().shutdown(Shutdown::Write);
    }

    /// The next line, without its end; empty at the end of the connection.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next answer, unless the connection ends before it begins.
    pub(crate) fn next_reply(&mut self) -> Option<Reply> {
        let has_begun = self.0.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        has_begun.then(|| self.reply())
    }

    /// The next answer, which must have a length.
    pub(crate) fn reply(&mut self) -> Reply {
        let mut reply = self.reply_to_head();
        let length = reply.headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        reply.body.resize(length, 0);
        self.0.read_exact(&mut reply.body).unwrap();
        reply
    }

    /// The next answer, which has no body though it may have a length.
    pub(crate) fn reply_to_head(&mut self) -> Reply {
        let status = self.line().split(' ').nth(1).expect("a status line").parse().unwrap();
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        Reply { status, headers, body: vec![] }
    }

    /// Sends as far as the server takes it; tells whether it took all.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Everything that comes up to the end of the connection, however that comes.
    pub(crate) fn remains(&mut self) -> Vec<u8> {
        let mut remains = Vec::new();
        // What was read before an error stays.
        let _ = self.0.read_to_end(&mut remains);
        remains
    }

    /// The same connection for another thread.
    pub(crate) fn another(&self) -> Self {
        Self(BufReader::new(self.0.get_ref().try_clone().unwrap()))
    }

    /// Waits until something has come, without reading it.
    pub(crate) fn wait(&self) {
        self.0.get_ref().peek(&mut [0]).unwrap();
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }
}
