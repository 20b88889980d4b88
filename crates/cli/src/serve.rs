//! `weir serve`: runs a server until a signal comes.

use crate::args::option_name;
use crate::signals::{ReloadSignal, ShutdownSignals};
use crate::telemetry::LogFormat;
use std::error::Error;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use weir::ConfigError;
use weir_server::{Reloader, Server, Settings};

/// The validated settings of `weir serve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServeSettings {
    /// The address to listen on: `ADDR:PORT`.
    pub(crate) listen: String,
    /// The settings of the server.
    pub(crate) server: Settings,
    /// The number of threads that serve connections.
    pub(crate) workers: usize,
    /// The format of log lines.
    pub(crate) log_format: LogFormat,
}

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends the process at once, with the code 128 + its
/// number. SIGHUP reloads the token files and the TLS certificate.
///
/// # Errors
/// One line: the settings are invalid, or the server cannot listen.
pub(crate) async fn serve(settings: ServeSettings) -> Result<(), Box<dyn Error>> {
    serve_with_ready(settings, |_| Ok(())).await
}

/// Serves like [`serve`]. Calls `ready` with the address as soon as clients can connect to it.
///
/// # Errors
/// As [`serve`], or the error of `ready`.
pub(crate) async fn serve_with_ready(
    settings: ServeSettings,
    ready: impl FnOnce(SocketAddr) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (mut signals, reloads) = (ShutdownSignals::new()?, ReloadSignal::new()?);
    let ServeSettings { listen, server, .. } = settings;
    // No client connects before the files are read and the tables are made.
    let server = Server::new(server).map_err(name_the_option)?;
    let listener = TcpListener::bind(&listen).await;
    let listener =
        listener.map_err(|error| format!("cannot listen on {listen}: {error}; set another --listen ADDR:PORT"))?;
    tokio::spawn(reload_on(reloads, server.reloader()));
    let shutdown = async move {
        signals.next().await;
        tokio::spawn(exit_on_second_signal(signals));
    };
    ready(listener.local_addr()?)?;
    Ok(server.serve(listener, shutdown).await?)
}

/// In an error of the engine's settings, replaces the name of the field by the name of the option.
fn name_the_option(error: Box<dyn Error>) -> Box<dyn Error> {
    match error.downcast_ref::<ConfigError>() {
        Some(error) => error.display_as(&option_name(error.field())).into(),
        None => error,
    }
}

#[expect(clippy::disallowed_methods, reason = "a second signal ends the process without the drain")]
async fn exit_on_second_signal(mut signals: ShutdownSignals) {
    let code = signals.next().await;
    tracing::warn!("received a second signal, stopping at once");
    std::process::exit(code.into());
}

async fn reload_on(mut reloads: ReloadSignal, reloader: Reloader) {
    loop {
        reloads.next().await;
        reloader.reload();
    }
}
