//! A server that answers by a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// The reaction of a [`Script`] to a request.
pub(crate) enum Step {
    /// Answers with this status line, these header lines (each with its line end), and this body.
    Answer(&'static str, &'static str, String),
    /// Closes the connection without an answer.
    Hangup,
}

/// A server that takes one step of its script for each request, and passes on the bodies of all requests.
pub(crate) struct Script {
    pub address: SocketAddr,
    pub bodies: Receiver<String>,
}

impl Script {
    pub(crate) fn start(steps: impl IntoIterator<Item = Step, IntoIter: Send + 'static>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (received, bodies) = channel();
        let steps = Arc::new(Mutex::new(steps.into_iter()));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, steps, received) = (stream.unwrap(), Arc::clone(&steps), received.clone());
                // A client may keep a connection, and open another.
                thread::spawn(move || {
                    let mut requests = BufReader::new(&stream);
                    while let Some(body) = request(&mut requests) {
                        // A test that ignores bodies may have dropped the receiver.
                        let _ = received.send(body);
                        let step = steps.lock().unwrap().next();
                        match step {
                            Some(Step::Answer(status, headers, body)) => answer(&stream, status, headers, &body),
                            Some(Step::Hangup) | None => break,
                        }
                    }
                });
            }
        });
        Self { address, bodies }
    }

    /// Answers every request alike.
    pub(crate) fn repeat(status: &'static str, body: &'static str) -> Self {
        Self::start(std::iter::repeat_with(move || Step::Answer(status, "", body.to_owned())))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// The body of the next request, if there is one.
fn request(requests: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut body_bytes = 0;
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            body_bytes = length.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; body_bytes];
    requests.read_exact(&mut body).unwrap();
    Some(String::from_utf8(body).unwrap())
}

fn answer(mut stream: &TcpStream, status: &str, headers: &str, body: &str) {
    let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    // The client may have closed the connection.
    let _ = stream.write_all(answer.as_bytes());
}
