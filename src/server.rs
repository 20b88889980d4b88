//! The listener: accepts connections, bounds what they may do, and drains them at the end.

use crate::http::{self, App, RequestBody};
use crate::limits;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// Serves `app` on `listener` until `shutdown` comes; then stops accepting, answers what is in flight, and returns, after
/// [`limits::DRAIN_TIMEOUT`] at the latest.
///
/// # Errors
/// When the listener's address cannot be told. Errors of single connections end those connections only.
pub async fn serve(app: Arc<App>, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = shutdown => {}
        never = accept(&listener, Arc::clone(&app), &connections) => match never {},
        never = http::watch_clock(Arc::clone(&app.engine)) => match never {},
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

async fn accept(listener: &TcpListener, app: Arc<App>, connections: &GracefulShutdown) -> std::convert::Infallible {
    let router = TowerToHyperService::new(http::router(app));
    let service = service_fn(move |request: Request<Incoming>| router.call(RequestBody::of(request)));
    let mut pause = *limits::ACCEPT_PAUSE.start();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                pause = *limits::ACCEPT_PAUSE.start();
                // A failure leaves a slower connection, or one that fails at its first read.
                let _ = stream.set_nodelay(true);
                let connection = builder().serve_connection(TokioIo::new(stream), service.clone());
                let connection = connections.watch(connection);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "connection ended");
                    }
                });
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

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Half-closed connections are answered: a client may say that it has sent all and still read its verdicts.
    // No `pipeline_flush`: with it hyper drops an answer when what follows the request cannot be read as another one.
    builder.timer(TokioTimer::new()).header_read_timeout(limits::HEAD_TIMEOUT).half_close(true);
    builder
}

/// Resolves at the first SIGTERM or SIGINT after this call.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
