//! `weir serve`: a server until a signal ends it.

use crate::args::option_of;
use crate::signals::{ReloadSignal, ShutdownSignals};
use crate::telemetry::LogFormat;
use std::error::Error;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use weir::ConfigError;
use weir_server::{Reloader, Server, Settings};

/// The validated settings of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServeSettings {
    /// Where to listen: `ADDR:PORT`.
    pub(crate) listen: String,
    /// The settings of the server.
    pub(crate) server: Settings,
    /// Threads that serve connections.
    pub(crate) workers: usize,
    /// The format of log lines.
    pub(crate) log_format: LogFormat,
}

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends the process at once, with 128 + its number. SIGHUP
/// reloads the files of tokens and of the certificate.
///
/// # Errors
/// One line: the server cannot be made of the settings, or cannot listen.
pub(crate) async fn serve(settings: ServeSettings) -> Result<(), Box<dyn Error>> {
    serve_with_ready(settings, |_| Ok(())).await
}

/// [`serve`], and calls `ready` with the address as soon as connections are queued there.
///
/// # Errors
/// As [`serve`], and the error of `ready`.
pub(crate) async fn serve_with_ready(
    settings: ServeSettings,
    ready: impl FnOnce(SocketAddr) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (mut signals, reloads) = (ShutdownSignals::new()?, ReloadSignal::new()?);
    let ServeSettings { listen, server, .. } = settings;
    let listener = TcpListener::bind(&listen).await;
    let listener =
        listener.map_err(|error| format!("cannot listen on {listen}: {error}; --listen ADDR:PORT chooses where"))?;
    let server = Server::new(server).map_err(named_as_options)?;
    tokio::spawn(reload_on(reloads, server.reloader()));
    let shutdown = async move {
        signals.next().await;
        tokio::spawn(exit_on_second_signal(signals));
    };
    ready(listener.local_addr()?)?;
    Ok(server.serve(listener, shutdown).await?)
}

/// Names the option where the engine names a field of its settings.
fn named_as_options(error: Box<dyn Error>) -> Box<dyn Error> {
    match error.downcast_ref::<ConfigError>() {
        Some(error) => error.display_as(&option_of(error.field())).into(),
        None => error,
    }
}

#[expect(clippy::disallowed_methods, reason = "a second signal means that the drain is not to be waited for")]
async fn exit_on_second_signal(mut signals: ShutdownSignals) {
    let code = signals.next().await;
    tracing::warn!("a second signal: stopping at once");
    std::process::exit(code.into());
}

async fn reload_on(mut reloads: ReloadSignal, reloader: Reloader) {
    loop {
        reloads.next().await;
        reloader.reload();
    }
}
