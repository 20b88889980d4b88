//! A connection for one exchange after the other.

use crate::limits;
use crate::load::exchange_error::ExchangeError;
use crate::load::http_response::HttpResponse;
use crate::load::stream::{Connector, Stream};
use std::io::{BufReader, Write};
use std::thread;
use weir_api::{IngestCounts, ProblemCode, ProblemDocument};

/// The size of the read buffer.
const READ_BYTES: usize = 64 << 10;

/// A connection that is opened when it is needed.
#[derive(Debug)]
pub(super) struct Connection {
    connector: Connector,
    stream: Option<BufReader<Stream>>,
    response: HttpResponse,
}

/// What the server did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IngestOutcome {
    /// 200: the counts of the verdicts.
    Counts(IngestCounts),
    /// 503: the server accepted nothing.
    Overloaded,
}

impl Connection {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, stream: None, response: HttpResponse::default() }
    }

    /// Opens the connection if it is not open.
    ///
    /// # Errors
    /// [`ExchangeError::Connect`], after a pause.
    pub(super) fn open(&mut self) -> Result<(), ExchangeError> {
        let stream = self.take_stream()?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Sends a request, and waits for the response. A failed request is not sent again, because it is unknown whether
    /// the server accepted its events.
    ///
    /// # Errors
    /// There is no response, or the response has no counts. The next exchange has a new connection.
    pub(super) fn exchange(&mut self, request: &[u8]) -> Result<IngestOutcome, ExchangeError> {
        // The stream is put back only if another exchange can follow.
        let mut stream = self.take_stream()?;
        let sent = stream.get_mut().write_all(request).and_then(|()| stream.get_mut().flush());
        // A server that rejects a request may respond before it has read the whole request.
        self.response.read(&mut stream).map_err(|error| sent.err().map_or(error, ExchangeError::from))?;
        let outcome = self.outcome()?;
        if !stream.buffer().is_empty() {
            return Err(ExchangeError::Malformed("something follows it"));
        }
        if self.response.keeps_alive {
            self.stream = Some(stream);
        }
        Ok(outcome)
    }

    fn outcome(&self) -> Result<IngestOutcome, ExchangeError> {
        match self.response.status {
            200 => {
                let counts = IngestCounts::at_end_of(&self.response.body);
                counts
                    .map(IngestOutcome::Counts)
                    .ok_or(ExchangeError::Malformed("its counts are not where they should be"))
            }
            503 if self.is_log_unavailable() => Err(ExchangeError::LogUnavailable),
            503 => Ok(IngestOutcome::Overloaded),
            status => Err(ExchangeError::Status(status)),
        }
    }

    /// Whether the log of the server did not answer, so the server may have accepted a part of the request.
    fn is_log_unavailable(&self) -> bool {
        let problem = serde_json::from_slice::<ProblemDocument>(&self.response.body);
        problem.is_ok_and(|problem| problem.known_code() == Some(ProblemCode::LogUnavailable))
    }

    fn take_stream(&mut self) -> Result<BufReader<Stream>, ExchangeError> {
        if let Some(stream) = self.stream.take() {
            return Ok(stream);
        }
        match self.connector.connect() {
            Ok(stream) => Ok(BufReader::with_capacity(READ_BYTES, stream)),
            Err(error) => {
                // Without a pause, the worker would try to connect in a busy loop.
                thread::sleep(limits::LOAD_RECONNECT_PAUSE);
                Err(ExchangeError::Connect(error.kind()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::{SocketAddr, TcpListener};

    const COUNTS: &str = r#"{"results":[],"accepted":1,"duplicates":2,"rejected":3}"#;

    /// A server that reads requests of one byte, and sends these responses. Each inner list is for one connection.
    fn server(connections: Vec<Vec<String>>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for responses in connections {
                let (mut stream, _) = listener.accept().unwrap();
                for response in responses {
                    stream.read_exact(&mut [0]).unwrap();
                    stream.write_all(response.as_bytes()).unwrap();
                }
            }
        });
        address
    }

    fn connection(address: SocketAddr) -> Connection {
        Connection::new(Connector { address, tls: None })
    }

    fn response(status: u16, fields: &str, body: &str) -> String {
        format!("HTTP/1.1 {status} S\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn responses_are_counts_or_overload_and_the_connection_stays_open() {
        let mut connection = connection(server(vec![vec![
            response(200, "", COUNTS),
            response(503, "retry-after: 1\r\n", "{}"),
            response(200, "", COUNTS),
        ]]));
        let counts = IngestOutcome::Counts(IngestCounts { accepted: 1, duplicates: 2, rejected: 3 });
        assert_eq!(connection.exchange(b"x"), Ok(counts));
        assert_eq!(connection.exchange(b"x"), Ok(IngestOutcome::Overloaded));
        assert_eq!(connection.exchange(b"x"), Ok(counts));
    }

    #[test]
    fn an_error_or_connection_close_leads_to_a_new_connection() {
        let mut connection = connection(server(vec![
            vec![response(404, "", "")],
            vec![response(503, "", r#"{"code":"not_ready"}"#), response(503, "", r#"{"code":"log_unavailable"}"#)],
            vec![response(200, "", "[]")],
            vec![response(200, "", COUNTS) + "HTTP"],
            vec![String::new()],
            vec![response(200, "connection: close\r\n", COUNTS)],
            vec![response(200, "", COUNTS)],
        ]));
        let counts = Ok(IngestOutcome::Counts(IngestCounts { accepted: 1, duplicates: 2, rejected: 3 }));
        assert_eq!(connection.exchange(b"x"), Err(ExchangeError::Status(404)));
        assert_eq!(connection.exchange(b"x"), Ok(IngestOutcome::Overloaded));
        assert_eq!(connection.exchange(b"x"), Err(ExchangeError::LogUnavailable));
        assert_eq!(connection.exchange(b"x"), Err(ExchangeError::Malformed("its counts are not where they should be")));
        assert_eq!(connection.exchange(b"x"), Err(ExchangeError::Malformed("something follows it")));
        assert_eq!(connection.exchange(b"x"), Err(ExchangeError::Transport(ErrorKind::UnexpectedEof)));
        assert_eq!(connection.exchange(b"x"), counts);
        assert_eq!(connection.exchange(b"x"), counts);
    }

    #[test]
    fn a_closed_port_is_a_connect_error() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let outcome = connection(closed).exchange(b"x");
        assert_eq!(outcome, Err(ExchangeError::Connect(ErrorKind::ConnectionRefused)));
    }
}
