//! The network edge: it accepts connections, bounds them, and drains them at shutdown.
//!
//! The server speaks HTTP/1.1 only. The gain of HTTP/2 is many concurrent requests on one connection. Batches already
//! put many events on one round trip. HTTP/2 would need a second set of limits against hostile peers: streams, resets
//! and header tables.

mod framing;
#[cfg(test)]
mod framing_vs_hyper_tests;
mod shared_tcp;
mod timeout_io;
mod tls;

pub use tls::{Tls, TlsError};

use crate::client::Client;
use crate::http::{self, Api, App, RequestBody};
use crate::limits;
use crate::min_rate::Timeouts;
use axum::body::Body;
use futures_util::FutureExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use shared_tcp::SharedTcp;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use timeout_io::TimeoutIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// The socket that a server listens on, and its TLS configuration.
pub struct Endpoint {
    /// The bound socket.
    pub listener: TcpListener,
    /// The certificate for TLS; without it the server speaks plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

impl From<TcpListener> for Endpoint {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

/// Serves `app` at the endpoint until `shutdown` completes. Then it stops accepting connections, completes the requests
/// in flight, and returns, at the latest after [`limits::DRAIN_TIMEOUT`].
///
/// # Errors
/// When the listener has no local address, or when the log of the app cannot be replayed. An error of one connection
/// ends only that connection.
pub async fn serve(app: Arc<App>, endpoint: impl Into<Endpoint>, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let Endpoint { listener, tls } = endpoint.into();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = listener.local_addr()?;
    tracing::info!("listening on {scheme}://{address}");
    // Dropping the set aborts its task. Batches need it until all connections are drained.
    let mut pacing = JoinSet::new();
    pacing.spawn(http::pace_batches(Arc::clone(&app)));
    let connections = serve_until(&app, &listener, tls, shutdown).await?;
    drop(listener);
    tracing::info!("draining");
    match timeout(limits::DRAIN_TIMEOUT, connections.shutdown()).await {
        Ok(()) => tracing::info!("stopped"),
        Err(_) => tracing::warn!("stopped with requests in flight"),
    }
    Ok(())
}

/// Serves `app` until `shutdown` completes, and starts to drain it. Returns the connections that are still open.
///
/// # Errors
/// As [`serve`].
pub(crate) async fn serve_until(
    app: &Arc<App>,
    listener: &TcpListener,
    tls: Option<Arc<Tls>>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<GracefulShutdown> {
    let api = Arc::new(Api::new(Arc::clone(app), listener.local_addr()?));
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = shutdown => {}
        never = accept(listener, tls, Arc::clone(app), api, &connections) => match never {},
        error = http::monitor(Arc::clone(app)) => return Err(error),
    }
    app.start_draining();
    Ok(connections)
}

/// The response to a connection above the limit. It is written without reading a request.
const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 146\r\n\r\n\
{\"type\":\"urn:weir:problem:overloaded\",\"title\":\"Overloaded\",\"status\":503,\
\"detail\":\"too many connections are open; retry later\",\"code\":\"overloaded\"}";

/// Accepts connections until it is dropped, and serves each in a task of its own.
async fn accept(
    listener: &TcpListener,
    tls: Option<Arc<Tls>>,
    app: Arc<App>,
    api: Arc<Api>,
    connections: &GracefulShutdown,
) -> Infallible {
    let timeouts = app.config().timeouts.clone();
    let permits = Arc::clone(&app.connection_permits);
    let mut pause = *limits::ACCEPT_PAUSE.start();
    let mut warned_at: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                pause = *limits::ACCEPT_PAUSE.start();
                let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                    app.count_rejected_connection();
                    reject(&stream, tls.is_none(), &mut warned_at);
                    continue;
                };
                // After a failure the connection is only slower, or fails at its first read.
                let _ = stream.set_nodelay(true);
                let stream = SharedTcp::new(stream);
                let connection = ConnectionServer {
                    api: Arc::clone(&api),
                    client: Client::of(stream.watched(), address.ip()),
                    timeouts: timeouts.clone(),
                    watcher: connections.watcher(),
                };
                // Two kinds of task, so that a plain connection needs no memory for a TLS session.
                match tls.clone() {
                    None => drop(tokio::spawn(connection.serve(stream, permit))),
                    Some(tls) => {
                        let draining = app.draining();
                        tokio::spawn(connection.serve_tls(stream, tls, draining, permit));
                    }
                }
            }
            // The client disconnected before the server accepted it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Most likely there is no free file descriptor. Connections that end free some, and a busy loop would only
            // slow them down.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(pause).await;
                pause = (pause * 2).min(*limits::ACCEPT_PAUSE.end());
            }
        }
    }
}

/// Rejects a connection above the limit without waiting for the client, and logs it at most once per second.
fn reject(stream: &TcpStream, is_plain: bool, warned_at: &mut Option<Instant>) {
    if is_plain {
        // The send buffer of a new socket is empty, so the write is complete. A disconnected client needs no response.
        let _ = stream.try_write(TOO_MANY_CONNECTIONS);
    }
    let now = Instant::now();
    if warned_at.is_none_or(|at| now - at >= limits::ACCEPT_WARNING_PERIOD) {
        *warned_at = Some(now);
        tracing::warn!("refusing connections: the limit of open connections is reached");
    }
}

/// The parts that serve one connection.
struct ConnectionServer {
    api: Arc<Api>,
    client: Client,
    timeouts: Timeouts,
    watcher: Watcher,
}

impl ConnectionServer {
    /// Performs the TLS handshake, and then serves the stream. The shutdown of the server ends a handshake: no request
    /// can be lost before the handshake is complete.
    async fn serve_tls(
        self,
        stream: SharedTcp,
        tls: Arc<Tls>,
        mut draining: watch::Receiver<bool>,
        permit: OwnedSemaphorePermit,
    ) {
        let handshake = tokio::select! {
            biased;
            handshake = timeout(self.timeouts.head, tls.accept(stream)) => handshake,
            _ = draining.wait_for(|draining| *draining) => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.serve(stream, permit).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake timed out"),
        }
    }

    /// Serves a stream to its end, and then releases its permit.
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, permit: OwnedSemaphorePermit) {
        let (api, client) = (self.api, self.client);
        let service = service_fn(move |request: Request<Incoming>| {
            api.respond(RequestBody::of(request).map(Body::new), &client).map(Ok::<_, Infallible>)
        });
        let stream = TokioIo::new(TimeoutIo::new(stream, self.timeouts));
        let connection = builder().serve_connection(stream, service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
        drop(permit);
    }
}

/// The HTTP/1.1 settings of all connections.
fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    // `TimeoutIo` has timeouts for heads and for idle connections. hyper cannot distinguish the two.
    builder.header_read_timeout(None);
    // The most header fields are those of hyper's default. With `max_headers`, hyper allocates memory for that many
    // fields twice for each request, whatever their number. `RequestFramingGuard` has the same limit.
    builder.max_header_size(limits::HEAD_BYTES_MAX);
    // An idle connection keeps its buffer at the largest size that it has read.
    builder.max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX);
    // A client may close its sending side and still read the verdicts, so half-closed connections get their responses.
    // There is no `pipeline_flush`: with it hyper drops a response when the bytes after the request are not a valid
    // request.
    builder.half_close(true);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_to_a_connection_above_the_limit_has_its_declared_length() {
        let text = str::from_utf8(TOO_MANY_CONNECTIONS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "overloaded");
    }
}
