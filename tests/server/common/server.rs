//! A server in the test's own process.

use super::{Body, NOON_MS, Raw, Reply, agent};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use ureq::http::Request;
use weir::{Clock, ManualClock};
use weir::{Engine, EngineConfig, Maintenance};
use weir_api::Role;
use weir_server::{App, HttpConfig, Tokens};
use weir_server::{Endpoint, Tls};

/// A server before its start, with the default settings until a method changes them.
pub(crate) struct Builder<C> {
    clock: C,
    workers: usize,
    engine: EngineConfig,
    http: HttpConfig,
    tokens: Tokens,
    tls: Option<Tls>,
}

impl<C: Clock + 'static> Builder<C> {
    /// Sets the clock. Without a call it shows [`NOON`](super::NOON) until the test moves it.
    pub(crate) fn clock<D>(self, clock: D) -> Builder<D> {
        let Self { workers, engine, http, tokens, tls, .. } = self;
        Builder { clock, workers, engine, http, tokens, tls }
    }

    /// Sets the number of runtime workers. Without a call there are 2.
    pub(crate) fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    pub(crate) fn engine<R>(mut self, change: impl FnOnce(&mut EngineConfig) -> R) -> Self {
        change(&mut self.engine);
        self
    }

    pub(crate) fn http(mut self, change: impl FnOnce(&mut HttpConfig)) -> Self {
        change(&mut self.http);
        self
    }

    pub(crate) fn tokens(self, all: &[(Role, &str)]) -> Self {
        Self { tokens: tokens(all), ..self }
    }

    pub(crate) fn tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Starts the server on a free port. Threads of its housekeeping have names that start with `weir-`; threads that
    /// serve requests do not.
    pub(crate) fn start(self) -> Server<C> {
        let clock = Arc::new(self.clock);
        let engine = Arc::new(Engine::new(self.engine, Arc::clone(&clock)).unwrap());
        let (app, tls) = (Arc::new(App::new(Arc::clone(&engine), self.http)), self.tls.map(Arc::new));
        app.set_tokens(self.tokens);
        let (served_app, served_tls) = (Arc::clone(&app), tls.clone());
        let (stop, stopped) = oneshot::channel();
        let (listening, address) = std::sync::mpsc::channel();
        let run = move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(self.workers).enable_all().build().unwrap();
            runtime.block_on(async {
                let _maintenance = Maintenance::start(&engine).unwrap();
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                listening.send(listener.local_addr().unwrap()).unwrap();
                let shutdown = async { stopped.await.unwrap_or_default() };
                weir_server::serve_app(served_app, Endpoint { listener, tls: served_tls }, shutdown).await.unwrap();
            });
        };
        let thread = std::thread::Builder::new().name("weir-serve".to_owned()).spawn(run).unwrap();
        let address = address.recv().unwrap();
        Server { address, clock, app, tls, agent: agent(), stop: Some(stop), thread: Some(thread) }
    }
}

fn tokens(all: &[(Role, &str)]) -> Tokens {
    let mut tokens = Tokens::default();
    all.iter().for_each(|(role, token)| tokens.add(*role, token).unwrap());
    tokens
}

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
    pub(crate) fn builder() -> Builder<ManualClock> {
        // On a busy machine the tests themselves delay the runtime of the server.
        let http = HttpConfig { max_queue_delay: Duration::MAX, ..HttpConfig::default() };
        let (clock, engine, tokens) = (ManualClock::new(NOON_MS), EngineConfig::default(), Tokens::default());
        Builder { clock, workers: 2, engine, http, tokens, tls: None }
    }

    /// Starts a server with the default settings.
    pub(crate) fn start() -> Self {
        Self::builder().start()
    }
}

impl<C> Server<C> {
    /// Replaces all tokens.
    pub(crate) fn set_tokens(&self, all: &[(Role, &str)]) {
        self.app.set_tokens(tokens(all));
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

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request with these header fields, with a body if there is one, and reads the answer.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let mut request = Request::builder().method(method).uri(self.url() + path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        response.unwrap().into()
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.get_with(&[], path)
    }

    /// Sends a GET with these header fields.
    pub(crate) fn get_with(&self, headers: &[(&str, &str)], path: &str) -> Reply {
        self.request("GET", path, headers, None)
    }

    pub(crate) fn head(&self, path: &str) -> Reply {
        self.request("HEAD", path, &[], None)
    }

    /// Posts events without a content type. The server reads them as JSON.
    pub(crate) fn post(&self, body: impl Body) -> Reply {
        self.post_with(&[], body)
    }

    /// Posts events with these header fields.
    pub(crate) fn post_with(&self, headers: &[(&str, &str)], body: impl Body) -> Reply {
        self.request("POST", "/events", headers, Some(&body.bytes()))
    }

    /// Puts a reference table.
    pub(crate) fn put_users(&self, headers: &[(&str, &str)], body: impl Body) -> Reply {
        self.request("PUT", "/reference/users", headers, Some(&body.bytes()))
    }

    /// Merges into the reference table.
    pub(crate) fn patch_users(&self, headers: &[(&str, &str)], body: impl Body) -> Reply {
        let headers = [&[("content-type", "application/merge-patch+json")], headers].concat();
        self.request("PATCH", "/reference/users", &headers, Some(&body.bytes()))
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
