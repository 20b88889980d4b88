//! TLS, with certificates made for each test.

use crate::common::{Body, Certificate, Server, array, event, get_request, post_request};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use weir_server::Tls;

/// Sends a request as a client that trusts one certificate, and reads the answer to the end of the connection.
fn exchange(address: SocketAddr, trusted: &CertificateDer<'static>, request: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(address)?);
    stream.write_all(request.as_bytes())?;
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The last request of a connection.
fn post(body: impl Body) -> String {
    post_request(body).replacen("\r\n", "\r\nconnection: close\r\n", 1)
}

#[test]
fn events_are_accepted_over_tls() {
    let certificate = Certificate::new();
    let server = Server::builder().tls(certificate.tls()).start();
    let answer = exchange(server.address, &certificate.der, &post(event("a"))).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(r#""accepted":1"#), "{answer}");
    let large = array(vec![event("b"); 20_000]);
    let answer = exchange(server.address, &certificate.der, &post(large)).unwrap();
    assert!(answer.ends_with(r#""accepted":1,"duplicates":19999,"rejected":0}"#));
}

#[test]
fn framing_is_guarded_within_tls() {
    let certificate = Certificate::new();
    let server = Server::builder().tls(certificate.tls()).start();
    let ambiguous = post(event("a")).replace("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n");
    assert!(exchange(server.address, &certificate.der, &ambiguous).unwrap().starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_client_without_tls_or_without_trust_gets_no_answer() {
    let certificate = Certificate::new();
    let server = Server::builder().tls(certificate.tls()).start();
    let mut plain = server.connect();
    plain.try_send(get_request("/healthz"));
    assert!(!plain.remains().starts_with(b"HTTP"));
    let other = Certificate::new();
    assert!(exchange(server.address, &other.der, &post("[]")).is_err());
    assert!(exchange(server.address, &certificate.der, &post("[]")).is_ok());
}

#[test]
fn a_certificate_is_replaced_unless_the_new_one_is_broken() {
    let mut certificate = Certificate::new();
    let server = Server::builder().tls(certificate.tls()).start();
    let works_with = |trusted| exchange(server.address, trusted, &post("[]")).is_ok();
    let first = certificate.der.clone();
    certificate.renew();
    let second = &certificate.der;
    assert_eq!([works_with(&first), works_with(second)], [true, false], "the files are read on demand only");
    server.tls().reload().unwrap();
    assert_eq!([works_with(&first), works_with(second)], [false, true]);
    std::fs::write(&certificate.path, "nonsense").unwrap();
    let error = server.tls().reload().unwrap_err().to_string();
    assert!(error.contains("cert.pem") && !error.contains('\n'), "{error}");
    assert!(works_with(second));
}

#[test]
fn a_file_that_does_not_make_a_certificate_is_named() {
    let (one, other) = (Certificate::new(), Certificate::new());
    let error = |path: &str, key_path: &str| Tls::from_files(path.into(), key_path.into()).unwrap_err().to_string();
    assert!(error("/nowhere.pem", &one.key_path).starts_with("/nowhere.pem: "));
    assert!(error(&one.key_path, &one.key_path).contains("no certificate in it"));
    assert!(error(&one.path, &one.path).contains("cert.pem: "));
    assert!(error(&one.path, &other.key_path).contains("cannot use the certificate"));
}

#[test]
fn connections_without_a_handshake_count_as_connections() {
    let server = Server::builder().tls(Certificate::new().tls()).http(|http| http.max_connections = 2).start();
    let held = [server.connect(), server.connect()];
    assert_eq!(server.connect().remains(), b"", "a TLS port gives no answer in plain text");
    drop(held);
}
