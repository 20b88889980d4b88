//! An open loop of queries over keep-alive connections, for the comparison.
//!
//! `queries ADDR:PORT PATH QUERIES_PER_SEC MILLISECONDS` sends `GET PATH` on a schedule that does not wait for
//! responses. Latency starts when a query is due, so a stall adds to the latency of every query that it delays. One
//! line of JSON on stdout has the counts, and the percentiles in milliseconds. A query is `unsent` if no connection was
//! free before the end.

use hdrhistogram::Histogram;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Queries in flight at once.
const CONNECTIONS: usize = 8;

/// The longest wait for a response.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The times when queries are due. Query n is due n intervals after the start. All are due before the end.
struct Schedule {
    start: Instant,
    interval: Duration,
    queries: u64,
    end: Instant,
    next: AtomicU64,
}

impl Schedule {
    fn new(queries_per_sec: f64, duration: Duration) -> Self {
        let start = Instant::now();
        let queries = (queries_per_sec * duration.as_secs_f64()).ceil() as u64;
        let interval = Duration::from_secs_f64(1.0 / queries_per_sec);
        Self { start, interval, queries, end: start + duration, next: AtomicU64::new(0) }
    }

    /// Returns the time when the next query is due, or `None` after the end or the last query.
    fn take(&self) -> Option<Instant> {
        // Relaxed: the threads share only this number, and it orders nothing else.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.start + Duration::from_secs_f64(self.interval.as_secs_f64() * number as f64);
        (number < self.queries && Instant::now().max(due) < self.end).then_some(due)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [address, path, queries_per_sec, milliseconds] = &args[..] else {
        return Err("usage: queries ADDR:PORT PATH QUERIES_PER_SEC MILLISECONDS".into());
    };
    let (queries_per_sec, milliseconds) = (queries_per_sec.parse::<f64>()?, milliseconds.parse()?);
    if !(queries_per_sec > 0.0 && queries_per_sec <= 1e6) {
        return Err("QUERIES_PER_SEC must be more than 0, and at most a million".into());
    }
    let connections = (0..CONNECTIONS).map(|_| Connection::open(address, path)).collect::<io::Result<Vec<_>>>()?;
    let schedule = Schedule::new(queries_per_sec, Duration::from_millis(milliseconds));
    let mut latency_ns = Histogram::<u64>::new(3)?;
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let running: Vec<_> =
            connections.into_iter().map(|connection| scope.spawn(|| run(connection, &schedule))).collect();
        for thread in running {
            latency_ns.add(thread.join().expect("no query panics")?)?;
        }
        Ok(())
    })?;
    let ms = |quantile| latency_ns.value_at_quantile(quantile) as f64 / 1e6;
    println!(
        r#"{{"sent":{},"unsent":{},"p50":{},"p99":{},"p99.9":{},"max":{}}}"#,
        latency_ns.len(),
        schedule.queries - latency_ns.len(),
        ms(0.5),
        ms(0.99),
        ms(0.999),
        ms(1.0)
    );
    Ok(())
}

/// Sends queries when they are due, until none is left. Returns the latencies in nanoseconds.
fn run(mut connection: Connection, schedule: &Schedule) -> io::Result<Histogram<u64>> {
    // By default, Linux ends a sleep up to 50 µs late, and the delay would count as latency.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let mut latency_ns = Histogram::new(3).expect("three digits are allowed");
    while let Some(due) = schedule.take() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        connection.query()?;
        latency_ns.record(due.elapsed().as_nanos() as u64).expect("the histogram grows by itself");
    }
    Ok(latency_ns)
}

/// A connection and the query that it repeats.
struct Connection {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    fn open(address: &str, path: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL_TIMEOUT))?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes();
        Ok(Self { stream: BufReader::new(stream), request, line: String::new(), body: Vec::new() })
    }

    /// Sends the query and reads the whole response.
    fn query(&mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(&self.request)?;
        if !self.next_line()?.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("not a 200: {}", self.line.trim_end())));
        }
        let mut body_bytes = 0;
        while let Some((name, value)) = self.next_line()?.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                body_bytes = value.trim().parse().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            }
        }
        self.body.resize(body_bytes, 0);
        self.stream.read_exact(&mut self.body)
    }

    fn next_line(&mut self) -> io::Result<&str> {
        self.line.clear();
        self.stream.read_line(&mut self.line)?;
        Ok(&self.line)
    }
}
