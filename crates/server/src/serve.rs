//! The complete server: from settings to a served listener.

use crate::edge::{self, Endpoint, Tls};
use crate::http::App;
use crate::log::{self, EventLog};
use crate::opening::answer_until;
use crate::settings::{LogSettings, Settings};
use crate::tokens::{TokenSources, Tokens};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use weir::{Engine, EngineConfig, Maintenance, SystemClock};
use weir_api::Role;

/// An engine with its maintenance threads, and its HTTP API.
pub struct Server {
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
    tokens: TokenSources,
    _maintenance: Maintenance,
}

/// Reloads the token files and the certificate while the server runs. Clones reload the same server.
#[derive(Clone)]
pub struct Reloader {
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
    tokens: TokenSources,
}

impl Server {
    /// Makes the engine, starts its maintenance threads, and reads the files that the settings name. Opens the log
    /// if there is one, and starts to replay it. If that takes long, requests that come to `listener` meanwhile get the
    /// answer that the server is not ready.
    ///
    /// # Errors
    /// One line that says which setting is out of range, which file is unusable, or which thread cannot start.
    pub async fn start(settings: Settings, listener: &TcpListener) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let Settings { engine, http, tls, tokens: sources, log } = settings;
        let tls = tls.map(|files| Tls::from_files(files.certificates, files.key)).transpose()?.map(Arc::new);
        let tokens = sources.read()?;
        raise_nofile_limit(http.max_connections);
        let (engine, log) = match log {
            None => (Arc::new(Engine::new(engine, SystemClock)?), None),
            Some(log) => {
                let (config, http, tokens, work) = (engine.clone(), http.clone(), tokens.clone(), work_of(&log));
                let placeholder = move || App::opening(config, http, tokens, work);
                let (engine, log) = answer_until(open_log(engine, log), listener, tls.clone(), placeholder).await??;
                (engine, Some(log))
            }
        };
        let maintenance = Maintenance::start(&engine)?;
        let app = Arc::new(App::with_log(engine, http, log));
        app.set_tokens(tokens);
        Ok(Self { app, tls, tokens: sources, _maintenance: maintenance })
    }

    /// A handle that reloads the token files and the certificate of this server.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader { app: Arc::clone(&self.app), tls: self.tls.clone(), tokens: self.tokens.clone() }
    }

    /// Serves `listener` until `shutdown` completes, and then drains the connections: see
    /// [`serve_app`](crate::serve_app). Then the log records the last outcomes, and is closed.
    ///
    /// # Errors
    /// When the listener has no local address, or when the log cannot be replayed.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        warn_if_unauthenticated(listener.local_addr()?, &self.app.tokens());
        let served = edge::serve(Arc::clone(&self.app), Endpoint { listener, tls: self.tls }, shutdown).await;
        self.app.stop_log().await;
        served
    }
}

/// What the opening of a log does, for people.
fn work_of(log: &LogSettings) -> &'static str {
    match log {
        LogSettings::Journal(_) => "the journal is read and checked",
        #[cfg(feature = "cluster")]
        LogSettings::Cluster(_) => "the node connects to the NATS servers of its cluster",
    }
}

async fn open_log(
    engine: EngineConfig,
    log: LogSettings,
) -> Result<(Arc<Engine>, EventLog), Box<dyn Error + Send + Sync>> {
    match log {
        LogSettings::Journal(journal) => spawn_blocking(move || log::open_journal(engine, &journal)).await?,
        #[cfg(feature = "cluster")]
        LogSettings::Cluster(cluster) => log::open_cluster(engine, cluster).await,
    }
}

impl Reloader {
    /// Reads the files again, and logs the result. If a file is unusable, its previous content stays in use.
    pub fn reload(&self) {
        match self.tokens.read() {
            Ok(tokens) => {
                tracing::info!(?tokens, "reloaded tokens");
                self.app.set_tokens(tokens);
            }
            Err(error) => tracing::error!(error, "token reload failed, keeping the previous ones"),
        }
        match self.tls.as_deref().map(Tls::reload) {
            Some(Ok(())) => tracing::info!("reloaded TLS certificate"),
            Some(Err(error)) => tracing::error!(%error, "TLS certificate reload failed, keeping the previous one"),
            None => {}
        }
    }
}

/// Warns about roles without a token if other machines can reach the server.
fn warn_if_unauthenticated(address: SocketAddr, tokens: &Tokens) {
    let open: Vec<_> = Role::ALL.into_iter().filter(|role| tokens.is_open(*role)).map(Role::name).collect();
    if !address.ip().to_canonical().is_loopback() && !open.is_empty() {
        tracing::warn!("other machines can reach {address}, and these roles need no token: {}", open.join(", "));
    }
}

/// Raises the limit of open files of the process to the number that the connections need, as far as the system allows.
#[cfg(target_os = "linux")]
fn raise_nofile_limit(max_connections: usize) {
    use crate::limits;
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = (max_connections + limits::FILES_BESIDE_CONNECTIONS) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < needed) {
        limit.current = Some(needed.min(allowed));
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
    if allowed < needed {
        tracing::warn!("{max_connections} connections need {needed} open files, but the system allows only {allowed}");
    }
}

/// The limit stays as it is on other systems.
#[cfg(not(target_os = "linux"))]
fn raise_nofile_limit(_: usize) {}
