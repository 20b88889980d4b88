//! TLS, with certificates made for each test.

use crate::common::{Raw, Server, event};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use weir_server::Tls;

/// The files of a certificate, gone when this is dropped.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("weir-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    /// Writes a new certificate, and returns what a client must trust.
    fn renew(&self) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(self.certificate(), cert.pem()).unwrap();
        std::fs::write(self.key(), signing_key.serialize_pem()).unwrap();
        cert.der().clone()
    }

    fn tls(&self) -> Tls {
        Tls::from_files(self.certificate(), self.key()).unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Sends bytes to a server that a client knows by a certificate, and reads the answer to the end of the connection.
fn exchange(address: SocketAddr, trusted: &CertificateDer<'static>, bytes: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(address)?);
    stream.write_all(bytes.as_bytes())?;
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn post(body: &str) -> String {
    format!("POST /events HTTP/1.1\r\nhost: weir\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn events_are_taken_over_tls() {
    let files = Files::new("events");
    let trusted = files.renew();
    let server = Server::over(files.tls());
    let answer = exchange(server.address, &trusted, &post(&event("a"))).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(r#""accepted":1"#), "{answer}");
    let large = format!("[{}]", vec![event("b"); 20_000].join(","));
    let answer = exchange(server.address, &trusted, &post(&large)).unwrap();
    assert!(answer.ends_with(r#""accepted":1,"duplicates":19999,"rejected":0}"#));
}

#[test]
fn framing_is_guarded_within_tls() {
    let files = Files::new("framing");
    let trusted = files.renew();
    let server = Server::over(files.tls());
    let ambiguous = post(&event("a")).replace("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n");
    assert!(exchange(server.address, &trusted, &ambiguous).unwrap().starts_with("HTTP/1.1 400 "));
}

#[test]
fn who_does_not_speak_tls_is_cut_off() {
    let files = Files::new("plain");
    let trusted = files.renew();
    let server = Server::over(files.tls());
    let mut plain = Raw::connect(server.address);
    plain.try_send("GET /healthz HTTP/1.1\r\nhost: weir\r\n\r\n");
    assert!(!plain.remains().starts_with(b"HTTP"));
    let stranger = Files::new("stranger").renew();
    assert!(exchange(server.address, &stranger, &post("[]")).is_err());
    assert!(exchange(server.address, &trusted, &post("[]")).is_ok());
}

#[test]
fn a_certificate_is_replaced_and_a_broken_one_is_not_taken() {
    let files = Files::new("reload");
    let first = files.renew();
    let server = Server::over(files.tls());
    let works_with = |trusted| exchange(server.address, trusted, &post("[]")).is_ok();
    let second = files.renew();
    assert_eq!([works_with(&first), works_with(&second)], [true, false], "the files are read when asked for");
    server.tls().reload().unwrap();
    assert_eq!([works_with(&first), works_with(&second)], [false, true]);
    std::fs::write(files.certificate(), "nonsense").unwrap();
    let error = server.tls().reload().unwrap_err().to_string();
    assert!(error.contains("cert.pem") && !error.contains('\n'), "{error}");
    assert!(works_with(&second));
}

#[test]
fn what_makes_no_certificate_is_named() {
    let (one, other) = (Files::new("one"), Files::new("other"));
    one.renew();
    other.renew();
    let error = |certificate: &Path, key: &Path| {
        Tls::from_files(certificate.to_owned(), key.to_owned()).unwrap_err().to_string()
    };
    assert!(error(Path::new("/nowhere.pem"), &one.key()).starts_with("/nowhere.pem: "));
    assert!(error(&one.key(), &one.key()).contains("no certificate in it"));
    assert!(error(&one.certificate(), &one.certificate()).contains("cert.pem: "));
    assert!(error(&one.certificate(), &other.key()).contains("cannot use the certificate"));
}

#[test]
fn the_connections_of_slow_handshakes_are_bounded_like_all() {
    let files = Files::new("places");
    files.renew();
    let server = Server::over_with(files.tls(), |http| http.max_connections = 2);
    let held = [server.connect(), server.connect()];
    assert_eq!(server.connect().remains(), b"", "no plain answer on a port that speaks TLS");
    drop(held);
}
