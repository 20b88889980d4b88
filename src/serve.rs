//! The `serve` command: from settings to a running server.

use crate::cli::{Settings, TokenSources};
use crate::clock::SystemClock;
use crate::engine::Engine;
use crate::http::{App, Role, Tokens};
use crate::maintenance::Maintenance;
use crate::server::signals::{Reloads, Stops};
use crate::server::{self, Endpoint, Tls};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves until SIGTERM or SIGINT, and drains then. A second one ends the process at once, with 128 and its number.
///
/// SIGHUP reads the files of tokens and of the certificate again.
///
/// # Errors
/// One line, when there is nothing to serve with, or nowhere to.
pub async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    serve_and_tell(settings, |_| Ok(())).await
}

/// The same, and tells the address as soon as connections are queued there.
///
/// # Errors
/// As [`serve`], and what `tell` returns.
pub(crate) async fn serve_and_tell(
    settings: Settings,
    tell: impl FnOnce(SocketAddr) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (mut stops, reloads) = (Stops::new()?, Reloads::new()?);
    let Settings { listen, engine, http, tls, tokens: sources, .. } = settings;
    let tls = tls.map(|files| Tls::from_files(files.certificates, files.key)).transpose()?.map(Arc::new);
    let tokens = sources.read()?;
    let listener = TcpListener::bind(&listen).await;
    let listener =
        listener.map_err(|error| format!("cannot listen on {listen}: {error}; --listen ADDR:PORT chooses where"))?;
    warn_of_strangers(listener.local_addr()?, &tokens);
    allow_files(http.max_connections);
    let engine = Engine::new(engine, SystemClock);
    // The settings were checked before; what can still fail is named as its option is.
    let engine = Arc::new(engine.map_err(|error| error.display_as(&error.field().replace('_', "-")))?);
    let _maintenance = Maintenance::start(&engine)?;
    let app = Arc::new(App::new(engine, http));
    app.set_tokens(tokens);
    tokio::spawn(reload_on(reloads, Arc::clone(&app), tls.clone(), sources));
    let stop = async move {
        stops.next().await;
        tokio::spawn(end_on_next(stops));
    };
    tell(listener.local_addr()?)?;
    server::serve(app, Endpoint { listener, tls }, stop).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "whoever sends a second signal does not want to wait for a drain")]
async fn end_on_next(mut stops: Stops) {
    let code = stops.next().await;
    tracing::warn!("a second signal: stopping at once");
    std::process::exit(code.into());
}

/// What cannot be read again stays as it was.
async fn reload_on(mut reloads: Reloads, app: Arc<App>, tls: Option<Arc<Tls>>, sources: TokenSources) {
    loop {
        reloads.next().await;
        match sources.read() {
            Ok(tokens) => {
                tracing::info!(?tokens, "the tokens were read again");
                app.set_tokens(tokens);
            }
            Err(error) => tracing::error!(error, "the tokens stay as they were"),
        }
        match tls.as_deref().map(Tls::reload) {
            Some(Ok(())) => tracing::info!("the certificate was read again"),
            Some(Err(error)) => tracing::error!(%error, "the certificate stays as it was"),
            None => {}
        }
    }
}

/// Says what anyone may do who reaches a server that listens beyond its own machine.
fn warn_of_strangers(address: SocketAddr, tokens: &Tokens) {
    let open: Vec<_> = Role::ALL.into_iter().filter(|role| tokens.is_open(*role)).map(Role::name).collect();
    if !address.ip().to_canonical().is_loopback() && !open.is_empty() {
        tracing::warn!(
            "{address} can be reached from other machines, and anyone there may do what these roles do, which have no token: {}",
            open.join(", ")
        );
    }
}

/// Raises the process's limit of open files to what the connections need, as far as the system allows.
#[cfg(target_os = "linux")]
fn allow_files(max_connections: usize) {
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
        tracing::warn!("{max_connections} connections take {needed} open files, and the system allows {allowed}");
    }
}

/// Elsewhere the limit is left as it is.
#[cfg(not(target_os = "linux"))]
fn allow_files(_: usize) {}
