//! `weir serve`: runs a server until a signal comes.

use crate::args::option_name;
use crate::signals::{ReloadSignal, ShutdownSignals};
use crate::telemetry::LogFormat;
use std::error::Error;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use weir::ConfigError;
#[cfg(feature = "cluster")]
use weir::EngineConfig;
#[cfg(feature = "cluster")]
use weir_log::fingerprint::fingerprint;
#[cfg(feature = "cluster")]
use weir_server::ClusterError;
use weir_server::{ClockBehind, JournalDifference as Difference, JournalError, Reloader, Server, Settings};

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
    let listener = TcpListener::bind(&listen).await;
    let listener =
        listener.map_err(|error| format!("cannot listen on {listen}: {error}; set another --listen ADDR:PORT"))?;
    let server = tokio::select! {
        server = Server::start(server, &listener) => server.map_err(name_the_options)?,
        // The log is opened, and nothing of it has changed.
        _ = signals.next() => return Ok(()),
    };
    tokio::spawn(reload_on(reloads, server.reloader()));
    let shutdown = async move {
        signals.next().await;
        tokio::spawn(exit_on_second_signal(signals));
    };
    ready(listener.local_addr()?)?;
    Ok(server.serve(listener, shutdown).await?)
}

/// Names the options that an error is about, and the command that helps. The server knows neither.
pub(crate) fn name_the_options(error: Box<dyn Error + Send + Sync>) -> Box<dyn Error> {
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return error.display_as(&option_name(error.field())).into();
    }
    if let Some(behind) = error.downcast_ref::<ClockBehind>() {
        return format!("{behind}, or start with --journal-clock-override").into();
    }
    #[cfg(feature = "cluster")]
    if let Some(error) = error.downcast_ref::<ClusterError>() {
        return name_the_options_of_a_cluster(error).into();
    }
    match error.downcast_ref::<JournalError>() {
        Some(JournalError::Missing { dir }) => format!(
            "{} holds no journal; check the path and that its volume is mounted, or create a journal by a start \
             without --journal-must-exist",
            dir.display()
        )
        .into(),
        Some(JournalError::Fingerprint { dir, differences }) => {
            let dir = dir.display();
            let named = differences
                .iter()
                .map(|difference| Difference { name: option_name(&difference.name), ..difference.clone() }.to_string());
            let named: Vec<_> = named.collect();
            format!(
                "the journal in {dir} has other settings: {}; use its settings, or change them with: weir journal \
                 migrate {dir}",
                named.join(", ")
            )
            .into()
        }
        _ => error,
    }
}

#[cfg(feature = "cluster")]
fn name_the_options_of_a_cluster(error: &ClusterError) -> String {
    match error {
        ClusterError::Missing { stream } => format!(
            "the cluster has no stream {stream}; check the account and the name, or create the streams once by a start \
             with --cluster-init"
        ),
        ClusterError::Different { stream, differences } => {
            let settings = fingerprint(&EngineConfig::default());
            let named = differences.iter().map(|difference| match difference.split_once(' ') {
                Some((name, rest)) if settings.contains_key(name) => format!("{} {rest}", option_name(name)),
                _ => difference.clone(),
            });
            let named: Vec<_> = named.collect();
            format!(
                "the stream {stream} belongs to another configuration: {}; use its settings, or name another stream in \
                 --cluster",
                named.join(", ")
            )
        }
        error => error.to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "cluster")]
    #[test]
    fn an_error_of_the_cluster_names_the_option_that_helps() {
        let stream = || "WEIR".to_owned();
        let differences = vec![
            "retention_secs is 1800 in the stream and 60 now".to_owned(),
            "replicas is 1 in the stream and must be at least 3".to_owned(),
        ];
        for (error, named) in [
            (ClusterError::Missing { stream: stream() }, "by a start with --cluster-init"),
            (
                ClusterError::Different { stream: stream(), differences },
                "configuration: retention is 1800 in the stream and 60 now, replicas is 1 in the stream",
            ),
            (ClusterError::OldServer { found: "2.9.1".to_owned() }, "version 2.9.1; use version"),
        ] {
            let line = name_the_options(error.into()).to_string();
            assert!(line.contains(named) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn an_error_of_the_journal_names_the_option_that_helps() {
        let dir = || std::path::PathBuf::from("d");
        let value = |value: &str| Some(value.to_owned());
        let difference =
            Difference { name: "retention_secs".to_owned(), journal: value("1800"), configured: value("60") };
        let errors: [(Box<dyn Error + Send + Sync>, &str); 3] = [
            (ClockBehind { dir: dir(), behind_secs: 61 }.into(), "or start with --journal-clock-override"),
            (JournalError::Missing { dir: dir() }.into(), "a start without --journal-must-exist"),
            (
                JournalError::Fingerprint { dir: dir(), differences: vec![difference] }.into(),
                "retention is 1800 in the journal and 60 now; use its settings, or change them with: weir journal \
                 migrate d",
            ),
        ];
        for (error, named) in errors {
            let line = name_the_options(error).to_string();
            assert!(line.contains(named) && !line.contains('\n'), "{line}");
        }
    }
}
