//! The listener: accepts connections, bounds what they may do, and drains them at the end.
//!
//! HTTP/1.1 only. HTTP/2 is left out: what it gains, many requests at once on one connection, batches have already; and it
//! would bring a second set of limits (streams, resets, header tables) to be kept against hostile peers.

mod framing;
#[cfg(test)]
mod framing_vs_hyper_tests;
mod timeout_io;
mod tls;

pub use tls::{Tls, TlsError};

use crate::http::{self, App, RequestBody};
use crate::limits;
use crate::min_rate::Timeouts;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use timeout_io::TimeoutIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};

/// Where a server listens, and how it is spoken to there.
pub struct Endpoint {
    /// The socket.
    pub listener: TcpListener,
    /// Plain text where there is none.
    pub tls: Option<Arc<Tls>>,
}

impl From<TcpListener> for Endpoint {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

/// Serves `app` at the endpoint until `shutdown` comes; then stops accepting, answers what is in flight, and returns, after
/// [`limits::DRAIN_TIMEOUT`] at the latest.
///
/// # Errors
/// When the listener's address cannot be told. Errors of single connections end those connections only.
pub async fn serve(app: Arc<App>, endpoint: impl Into<Endpoint>, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let Endpoint { listener, tls } = endpoint.into();
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{}", listener.local_addr()?);
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = shutdown => {}
        never = accept(&listener, tls, Arc::clone(&app), &connections) => match never {},
        never = http::monitor(Arc::clone(&app)) => match never {},
    }
    app.start_draining();
    drop(listener);
    tracing::info!("draining");
    match timeout(limits::DRAIN_TIMEOUT, connections.shutdown()).await {
        Ok(()) => tracing::info!("stopped"),
        Err(_) => tracing::warn!("stopped with requests in flight"),
    }
    Ok(())
}

/// What is written, instead of an answer, to a connection beyond those that there is room for.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 169\r\n\r\n\
{\"type\":\"urn:weir:problem:overloaded\",\"title\":\"Overloaded\",\"status\":503,\
\"detail\":\"there is no room for this connection now; nothing of it was taken\",\"code\":\"overloaded\"}";

async fn accept(
    listener: &TcpListener,
    tls: Option<Arc<Tls>>,
    app: Arc<App>,
    connections: &GracefulShutdown,
) -> Infallible {
    let timeouts = app.config().timeouts.clone();
    let permits = Arc::clone(&app.connection_permits);
    let router = TowerToHyperService::new(http::router(Arc::clone(&app)));
    let mut pause = *limits::ACCEPT_PAUSE.start();
    let mut warned_at: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                pause = *limits::ACCEPT_PAUSE.start();
                let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                    app.refused_connection();
                    refuse(&stream, tls.is_none(), &mut warned_at);
                    continue;
                };
                // A failure leaves a slower connection, or one that fails at its first read.
                let _ = stream.set_nodelay(true);
                let connection =
                    Connection { router: router.clone(), timeouts: timeouts.clone(), watcher: connections.watcher() };
                // Two kinds of task, so that a plain connection does not take the memory of a TLS session.
                match tls.clone() {
                    None => drop(tokio::spawn(connection.serve(stream, permit))),
                    Some(tls) => drop(tokio::spawn(connection.serve_tls(stream, tls, permit))),
                }
            }
            // The client was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Most likely out of file descriptors. Connections that end will free some; a busy loop would only hinder
            // them.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(pause).await;
                pause = (pause * 2).min(*limits::ACCEPT_PAUSE.end());
            }
        }
    }
}

/// Tells a client that there are too many, without waiting for it; and the log, at most once a second.
fn refuse(stream: &TcpStream, is_plain: bool, warned_at: &mut Option<Instant>) {
    if is_plain {
        // The buffer of a new socket is empty. A client that is gone needs no answer.
        let _ = stream.try_write(REFUSAL);
    }
    let now = Instant::now();
    if warned_at.is_none_or(|at| now - at >= limits::ACCEPT_WARNING_PERIOD) {
        *warned_at = Some(now);
        tracing::warn!("refusing connections: as many as allowed are open");
    }
}

/// What a connection is served with.
struct Connection {
    router: TowerToHyperService<axum::Router>,
    timeouts: Timeouts,
    watcher: Watcher,
}

impl Connection {
    async fn serve_tls(self, stream: TcpStream, tls: Arc<Tls>, permit: OwnedSemaphorePermit) {
        match timeout(self.timeouts.head, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream, permit).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS session"),
            Err(_) => tracing::debug!("no TLS session in time"),
        }
    }

    /// Serves a stream to its end, and gives its place up then.
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, permit: OwnedSemaphorePermit) {
        let router = self.router;
        let service = service_fn(move |request: Request<Incoming>| router.call(RequestBody::of(request)));
        let stream = TokioIo::new(TimeoutIo::new(stream, self.timeouts));
        let connection = builder().serve_connection(stream, service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
        drop(permit);
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    // The guard times heads, and times between requests, which hyper does not tell from them.
    builder.header_read_timeout(None);
    builder.max_headers(limits::HEADERS_MAX).max_header_size(limits::HEAD_BYTES_MAX);
    // What a connection has once read into, it keeps while it rests.
    builder.max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX);
    // Half-closed connections are answered: a client may say that it has sent all and still read its verdicts.
    // No `pipeline_flush`: with it hyper drops an answer when what follows the request cannot be read as another one.
    builder.half_close(true);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_of_a_connection_has_the_length_that_it_says() {
        let text = str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "overloaded");
    }
}
