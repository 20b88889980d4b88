//! Small servers between a client and weir.

use super::DEADLINE;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Accepts connections for the rest of the test, each in a thread of its own. Returns the address.
fn listen(serve: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), serve.clone());
            // A browser closes connections whenever it likes.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    address
}

/// The lines of a request's head, without the empty line.
fn head(reader: &mut BufReader<impl io::Read>) -> io::Result<Vec<String>> {
    let lines = reader.by_ref().lines();
    lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).collect()
}

/// Serves a page at every path. The address is another origin than that of any other server.
pub(crate) fn serve_page(html: String) -> SocketAddr {
    listen(move |mut stream| {
        head(&mut BufReader::new(&stream))?;
        let length = html.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{html}"
        )
    })
}

/// A proxy that serves another server under a path prefix, and sends every other path nowhere: `/weir/metrics` becomes
/// `/metrics`.
pub(crate) fn serve_under(prefix: &'static str, server: SocketAddr) -> SocketAddr {
    listen(move |mut client| {
        client.set_read_timeout(Some(DEADLINE))?;
        let mut reader = BufReader::new(client.try_clone()?);
        let mut lines = head(&mut reader)?;
        let Some((method, target)) = lines.first().and_then(|line| line.split_once(' ')) else { return Ok(()) };
        let Some(target) = target.strip_prefix(prefix).filter(|target| target.starts_with('/')) else {
            return client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        };
        lines[0] = format!("{method} {target}");
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let mut upstream = TcpStream::connect(server)?;
        write!(upstream, "{}\r\nconnection: close\r\n\r\n", lines.join("\r\n"))?;
        // A request of the page has no body.
        let mut gone = upstream.try_clone()?;
        thread::spawn(move || {
            let _ = io::copy(&mut client.try_clone().unwrap(), &mut io::sink());
            let _ = gone.shutdown(Shutdown::Both);
            drop(gone.flush());
        });
        let mut back = reader.into_inner();
        io::copy(&mut upstream, &mut back)?;
        back.shutdown(Shutdown::Both)
    })
}
