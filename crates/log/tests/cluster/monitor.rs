//! What the monitoring port of a server says of its disk.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use weir_log::jetstream::{Syncs, syncs_always};

use crate::nats::Nats;

/// Answers one request with this body.
fn answer_once(body: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = BufReader::new(stream.try_clone().unwrap());
        let head: Vec<String> = request.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        assert!(head[0].starts_with("GET /jsz?config=1 "), "{head:?}");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    });
    url
}

#[test]
fn a_server_that_syncs_each_entry_is_recognised() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let Some(_nats) = Nats::start(1, &format!("http: \"127.0.0.1:{port}\"")) else { return };
    let url = format!("http://127.0.0.1:{port}");
    assert_eq!(syncs_always(&[url.clone(), format!("{url}/")]), Ok(Syncs::Always));
    assert_eq!(syncs_always(&[]), Ok(Syncs::Unknown));
}

#[test]
fn a_server_that_answers_before_it_syncs_is_refused() {
    for (body, expected) in [
        (r#"{"config":{"sync_interval":120000000000}}"#, "set sync_interval: always"),
        (r#"{"config":{"sync_interval":120000000000,"sync_always":false}}"#, "set sync_interval: always"),
        (r#"{"disabled":true}"#, "has no JetStream"),
        ("hello", "ask the monitoring port"),
    ] {
        let url = answer_once(body);
        let error = syncs_always(std::slice::from_ref(&url)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(&url) && !error.contains('\n'), "{error}");
    }
    let silent = format!("http://{}", TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap());
    let error = syncs_always(&[silent]).unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(syncs_always(&vec![String::new(); 65]).unwrap_err().to_string().contains("give fewer"));
}
