//! The threads that send events and reference tables.

use crate::client::{BaseUrl, Client, ClientConfig, RequestError, Token, Trust};
use crate::demo::events::DemoEvents;
use crate::demo::settings::DemoSettings;
use crate::demo::users::DemoUsers;
use crate::demo::wave;
use crate::limits;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{HeaderName, Method};
use weir::format_ms;
use weir::{Clock as _, SystemClock};
use weir_api::{ReferenceTable, Role, headers};

/// The threads that send the traffic. They end when this value is dropped.
pub(super) struct TrafficGenerator {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl TrafficGenerator {
    /// Starts the traffic to the server that listens at `address`, and prints the address for a browser.
    pub(super) fn start(settings: &DemoSettings, address: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let url = BaseUrl::of_address(reachable(address), settings.serve.server.tls.is_some());
        // A closed stdout is no failure.
        let _ = writeln!(io::stdout(), "open {url}/ in a browser; press Ctrl-C to stop");
        let client = |role, token: &Option<Token>| {
            Client::new(&ClientConfig { url: url.clone(), role, token: token.clone(), trust: Trust::InsecureLoopback })
        };
        let users = DemoUsers::new(&settings.serve.server.engine.attributes, settings.users, getrandom::u64()?);
        let events = DemoEvents::new(&settings.serve.server.engine, settings.rate, settings.users, getrandom::u64()?);
        let mut traffic = Self { stop: Arc::default(), threads: vec![] };
        let admin = client(Role::Admin, &settings.tokens.admin)?;
        traffic.spawn("weir-demo-users", move |stop| replace_tables(&admin, users, stop))?;
        let ingest = client(Role::Ingest, &settings.tokens.ingest)?;
        traffic.spawn("weir-demo-events", move |stop| send_events(&ingest, events, stop))?;
        Ok(traffic)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce(&AtomicBool) + Send + 'static) -> io::Result<()> {
        let stop = Arc::clone(&self.stop);
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(move || run(&stop))?);
        Ok(())
    }
}

impl Drop for TrafficGenerator {
    fn drop(&mut self) {
        // Relaxed: an independent flag. The threads load it, and no other data depends on it: a thread that sees the
        // old value sends once more, and a thread that sees the new value ends.
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread has already been printed.
            let _ = thread.join();
        }
    }
}

/// Uploads a table from time to time.
fn replace_tables(client: &Client, mut users: DemoUsers, stop: &AtomicBool) {
    let mut due = Instant::now();
    // Relaxed: the store is in `TrafficGenerator::drop`.
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= due {
            let put = put_table(client, &users.table(format_ms(SystemClock.now_ms())));
            due = Instant::now() + limits::DEMO_TABLE_PERIOD;
            match put {
                Ok(_) => users.change_some(),
                // A server with a journal is not ready before it has replayed the journal.
                Err(error) if error.is_temporary() => due = Instant::now() + limits::DEMO_RETRY_PAUSE,
                Err(error) => tracing::debug!(%error, "the table of the demo was not accepted"),
            }
        }
        thread::sleep(limits::DEMO_TICK);
    }
}

fn put_table(client: &Client, table: &ReferenceTable) -> Result<Vec<u8>, RequestError> {
    let body = serde_json::to_vec(table).expect("a table is JSON");
    client.exchange(Method::PUT, "/reference/users", &[(CONTENT_TYPE, headers::JSON)], &body)
}

/// Sends the events of each tick, at the rate of the wave.
fn send_events(client: &Client, mut events: DemoEvents, stop: &AtomicBool) {
    let (start, mut rng) = (Instant::now(), SmallRng::seed_from_u64(events.seed()));
    let mut due = start;
    let headers =
        [(CONTENT_TYPE, headers::NDJSON), (HeaderName::from_static(headers::PREFER), headers::RETURN_MINIMAL)];
    // Relaxed: the store is in `TrafficGenerator::drop`.
    while !stop.load(Ordering::Relaxed) {
        let count = wave::events(start.elapsed(), limits::DEMO_TICK, events.rate(), &mut rng);
        for body in events.bodies(count, SystemClock.now_ms()) {
            if let Err(error) = client.exchange(Method::POST, "/events", &headers, body.as_bytes()) {
                tracing::debug!(%error, "the events of the demo were not accepted");
            }
        }
        // A sender that is more than a second late skips the missed ticks.
        due = (due + limits::DEMO_TICK).max(Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(start));
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// The address at which a server is reached from its own machine. A server that listens on all addresses is reached at
/// the loopback address.
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
    fn a_server_that_listens_on_all_addresses_is_reached_at_the_loopback_address() {
        for (listens, reached) in [("0.0.0.0:7", "127.0.0.1:7"), ("[::]:7", "[::1]:7"), ("10.0.0.1:7", "10.0.0.1:7")] {
            assert_eq!(reachable(listens.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
