//! A client that writes bytes.

use super::{Body, DEADLINE, Reply, eventually};
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

/// A GET as it is sent.
pub(crate) fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

/// The head of a POST of events with these header fields, separated by line ends.
pub(crate) fn post_head(fields: &str) -> String {
    format!("POST /events HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n\r\n")
}

/// A POST of events as it is sent.
pub(crate) fn post_request(body: impl Body) -> String {
    let body = String::from_utf8(body.bytes()).unwrap();
    post_head(&format!("content-length: {}", body.len())) + &body
}

/// A connection on which a test writes any bytes. A read fails after the [`DEADLINE`].
pub(crate) struct Raw(BufReader<TcpStream>);

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Connects from an address of this machine.
    pub(crate) fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(socket.into()))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as many bytes as the server reads; returns whether these are all.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a GET, and reads the answer.
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.send(get_request(path));
        self.reply()
    }

    /// Sends the head of a POST, and returns whether the server asks for the body by `100 Continue`.
    pub(crate) fn begin_post(&mut self, body_bytes: usize) -> bool {
        self.send(post_head(&format!("expect: 100-continue\r\ncontent-length: {body_bytes}")));
        self.line() == "HTTP/1.1 100 Continue" && self.line().is_empty()
    }

    /// Closes the writing half of the connection.
    pub(crate) fn finish(&mut self) {
        // The server may have closed the connection before.
        let _ = self.0.get_mut().shutdown(Shutdown::Write);
    }

    /// The next line, without its end; empty at the end of the connection.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads lines up to this one.
    pub(crate) fn skip_to(&mut self, line: &str) {
        eventually(line, || self.line() == line);
    }

    /// The next answer, unless the connection ends before it begins.
    pub(crate) fn next_reply(&mut self) -> Option<Reply> {
        let has_begun = self.0.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        has_begun.then(|| self.reply())
    }

    /// The next answer. Its head must tell its length.
    pub(crate) fn reply(&mut self) -> Reply {
        let mut reply = self.reply_to_head();
        let length = reply.headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        reply.body.resize(length, 0);
        self.0.read_exact(&mut reply.body).unwrap();
        reply
    }

    /// The head of the next answer. An answer to HEAD has no body, though its head tells a length.
    pub(crate) fn reply_to_head(&mut self) -> Reply {
        let status = self.line().split(' ').nth(1).expect("a status line").parse().unwrap();
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        Reply { status, headers, body: vec![] }
    }

    /// Waits for a byte, without reading it.
    pub(crate) fn wait(&self) {
        self.0.get_ref().peek(&mut [0]).unwrap();
    }

    /// All bytes up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }

    /// All bytes up to the end of the connection, or up to an error.
    pub(crate) fn remains(&mut self) -> Vec<u8> {
        let mut remains = Vec::new();
        // The bytes that were read before an error stay.
        let _ = self.0.read_to_end(&mut remains);
        remains
    }

    /// The same connection for another thread.
    pub(crate) fn another(&self) -> Self {
        Self(BufReader::new(self.0.get_ref().try_clone().unwrap()))
    }
}
