//! One connection: a request out, its verdicts in.

use crate::limits;
use crate::load::reply::{Failure, Reply};
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use weir_api::IngestCounts;

/// Bytes of answers that are read at once.
const READ_BYTES: usize = 64 << 10;

/// A connection that opens itself, again if need be.
#[derive(Debug)]
pub(super) struct Connection {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    reply: Reply,
}

/// How the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// With 200: the events' verdicts.
    Counts(IngestCounts),
    /// With 503: nothing was taken.
    Overloaded,
}

impl Connection {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, reply: Reply::default() }
    }

    /// Opens the connection, unless it is open.
    ///
    /// # Errors
    /// [`Failure::Connect`], after a pause.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        let stream = self.take_stream()?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Sends a request and waits for the answer. It is never sent twice: whether the events of a failed one were taken is not
    /// known.
    ///
    /// # Errors
    /// When there is no answer, or none that says what became of the events. The next exchange has a new connection.
    pub(super) fn exchange(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        // Put back only where another exchange can follow.
        let mut stream = self.take_stream()?;
        let sent = stream.get_mut().write_all(request);
        // A server that refuses a request may answer before it has read all of it.
        self.reply.read(&mut stream).map_err(|failure| sent.err().map_or(failure, Failure::from))?;
        let answer = self.answer()?;
        if !stream.buffer().is_empty() {
            return Err(Failure::Malformed("something follows it"));
        }
        if self.reply.keeps_alive {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    /// What the reply says.
    fn answer(&self) -> Result<Answer, Failure> {
        match self.reply.status {
            200 => {
                let verdicts = IngestCounts::at_end_of(&self.reply.body);
                verdicts.map(Answer::Counts).ok_or(Failure::Malformed("its counts are not where they should be"))
            }
            503 => Ok(Answer::Overloaded),
            status => Err(Failure::Status(status)),
        }
    }

    fn take_stream(&mut self) -> Result<BufReader<TcpStream>, Failure> {
        if let Some(stream) = self.stream.take() {
            return Ok(stream);
        }
        match connect(self.address) {
            Ok(stream) => Ok(BufReader::with_capacity(READ_BYTES, stream)),
            Err(error) => {
                // So that an absent server is not called in a busy loop.
                thread::sleep(limits::LOAD_RECONNECT_PAUSE);
                Err(Failure::Connect(error.kind()))
            }
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, limits::LOAD_CONNECT_TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limits::LOAD_STALL_TIMEOUT))?;
    stream.set_write_timeout(Some(limits::LOAD_STALL_TIMEOUT))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::TcpListener;

    const TAKEN: &str = r#"{"results":[],"accepted":1,"duplicates":2,"rejected":3}"#;

    /// A server that reads a request of one byte and answers, on a new connection for each of `answers` parts.
    fn server(connections: Vec<Vec<String>>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for answers in connections {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in answers {
                    stream.read_exact(&mut [0]).unwrap();
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        address
    }

    fn answer(status: u16, fields: &str, body: &str) -> String {
        format!("HTTP/1.1 {status} S\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn answers_are_verdicts_or_overload_and_the_connection_stays() {
        let mut connection = Connection::new(server(vec![vec![
            answer(200, "", TAKEN),
            answer(503, "retry-after: 1\r\n", "{}"),
            answer(200, "", TAKEN),
        ]]));
        let verdicts = Answer::Counts(IngestCounts { accepted: 1, duplicates: 2, rejected: 3 });
        assert_eq!(connection.exchange(b"x"), Ok(verdicts));
        assert_eq!(connection.exchange(b"x"), Ok(Answer::Overloaded));
        assert_eq!(connection.exchange(b"x"), Ok(verdicts));
    }

    #[test]
    fn after_a_failure_or_a_farewell_there_is_a_new_connection() {
        let mut connection = Connection::new(server(vec![
            vec![answer(404, "", "")],
            vec![answer(200, "", "[]")],
            vec![answer(200, "", TAKEN) + "HTTP"],
            vec![String::new()],
            vec![answer(200, "connection: close\r\n", TAKEN)],
            vec![answer(200, "", TAKEN)],
        ]));
        let verdicts = Ok(Answer::Counts(IngestCounts { accepted: 1, duplicates: 2, rejected: 3 }));
        assert_eq!(connection.exchange(b"x"), Err(Failure::Status(404)));
        assert_eq!(connection.exchange(b"x"), Err(Failure::Malformed("its counts are not where they should be")));
        assert_eq!(connection.exchange(b"x"), Err(Failure::Malformed("something follows it")));
        assert_eq!(connection.exchange(b"x"), Err(Failure::Transport(ErrorKind::UnexpectedEof)));
        assert_eq!(connection.exchange(b"x"), verdicts);
        assert_eq!(connection.exchange(b"x"), verdicts);
    }

    #[test]
    fn an_absent_server_is_a_failure_to_connect() {
        let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let failure = Connection::new(absent).exchange(b"x");
        assert_eq!(failure, Err(Failure::Connect(ErrorKind::ConnectionRefused)));
    }
}
