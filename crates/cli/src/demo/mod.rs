//! `weir demo`: a server and its traffic in one process, so that there is something to look at.
//!
//! The traffic goes through the server's own socket, like anyone's: requests, refusals and latencies are real.

mod people;
mod traffic;
mod wave;

use crate::client::{Access, BaseUrl, Client, Token, Trust};
use crate::limits;
use crate::serve::{self, ServeSettings};
use people::People;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use traffic::Traffic;
use ureq::http::Method;
use weir::format_ms;
use weir::{Clock as _, SystemClock};
use weir_api::Role;

/// What to serve, and how lively.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DemoSettings {
    /// The server's settings. Its roles that ask for a token know the demo's own as well.
    pub serve: ServeSettings,
    /// Events a second, on average.
    pub rate: u32,
    /// Users in the reference table.
    pub users: u32,
    /// The tokens of the demo.
    pub tokens: DemoTokens,
}

/// The tokens that the demo shows to its own server, where that asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DemoTokens {
    /// For events.
    pub ingest: Option<Token>,
    /// For the reference table.
    pub admin: Option<Token>,
}

/// Serves, with traffic, until SIGTERM or SIGINT.
///
/// # Errors
/// As [`serve`](serve::serve), and when a thread cannot be started.
pub(crate) async fn run(settings: DemoSettings) -> Result<(), Box<dyn Error>> {
    let serve = settings.serve.clone();
    let mut players = None;
    let served = serve::serve_with_ready(serve, |address| {
        players = Some(Players::start(&settings, address)?);
        Ok(())
    });
    let served = served.await;
    drop(players);
    served
}

/// The threads that send traffic, for as long as this lives.
struct Players {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Players {
    fn start(settings: &DemoSettings, address: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let url = BaseUrl::of(reachable(address), settings.serve.server.tls.is_some());
        // A closed stdout is the reader's choice.
        let _ = writeln!(io::stdout(), "open {url}/ in a browser; ctrl-c ends the demo");
        let client = |role, token: &Option<Token>| {
            Client::new(&Access { url: url.clone(), role, token: token.clone(), trust: Trust::Itself })
        };
        let people = People::new(&settings.serve.server.engine.attributes, settings.users, getrandom::u64()?);
        let traffic = Traffic::new(&settings.serve.server.engine, settings.rate, settings.users, getrandom::u64()?);
        let mut players = Self { stop: Arc::default(), threads: vec![] };
        let admin = client(Role::Admin, &settings.tokens.admin)?;
        players.spawn("weir-demo-users", move |stop| replace_table(&admin, people, stop))?;
        let ingest = client(Role::Ingest, &settings.tokens.ingest)?;
        players.spawn("weir-demo-events", move |stop| send_events(&ingest, traffic, stop))?;
        Ok(players)
    }

    fn spawn(&mut self, name: &str, play: impl FnOnce(&AtomicBool) + Send + 'static) -> io::Result<()> {
        let stop = Arc::clone(&self.stop);
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(move || play(&stop))?);
        Ok(())
    }
}

impl Drop for Players {
    fn drop(&mut self) {
        // Relaxed: the flag stands alone.
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that has panicked has told so itself.
            let _ = thread.join();
        }
    }
}

/// Puts the table now and again.
fn replace_table(client: &Client, mut people: People, stop: &AtomicBool) {
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= due {
            let body = people.table(&format_ms(SystemClock.now_ms()));
            let put = client.exchange(Method::PUT, "/reference/users", &[], body.as_bytes());
            due = Instant::now() + limits::DEMO_TABLE_PERIOD;
            match put {
                Ok(_) => people.change(),
                Err(failure) => tracing::debug!(%failure, "the demo's table was not taken"),
            }
        }
        thread::sleep(limits::DEMO_TICK);
    }
}

/// Sends what the wave says, tick by tick.
fn send_events(client: &Client, mut traffic: Traffic, stop: &AtomicBool) {
    let (start, mut rng) = (Instant::now(), SmallRng::seed_from_u64(traffic.seed()));
    let mut due = start;
    while !stop.load(Ordering::Relaxed) {
        let events = wave::events(start.elapsed(), limits::DEMO_TICK, traffic.rate(), &mut rng);
        for body in traffic.bodies(events, SystemClock.now_ms()) {
            let headers = [("content-type", "application/x-ndjson"), ("prefer", "return=minimal")];
            if let Err(failure) = client.exchange(Method::POST, "/events", &headers, body.as_bytes()) {
                tracing::debug!(%failure, "the demo's events were not taken");
            }
        }
        // Ticks that were missed are not made up for.
        due = (due + limits::DEMO_TICK).max(Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(start));
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Where a server that listens everywhere is reached from its own machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_reached_on_its_own_machine() {
        for (listens, reached) in [("0.0.0.0:7", "127.0.0.1:7"), ("[::]:7", "[::1]:7"), ("10.0.0.1:7", "10.0.0.1:7")] {
            assert_eq!(reachable(listens.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
