//! What a cluster promises, on one server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use weir_log::jetstream::{Credentials, Settings};
use weir_log::limits::{CLUSTER_BYTES, CLUSTER_ORDINARY_PERCENT, FRAME_BYTES_MAX};
use weir_log::{Log, NotPlaced, Place};

use crate::helpers::{
    append, append_surely, begin, contents, lost, next, open, open_with, refusal, runtime, settings, take, wait_until,
};
use crate::nats::Nats;

#[test]
fn entries_get_places_in_their_order_and_every_reader_gets_them() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.frames();
    assert_eq!((log.depth(), log.is_shared()), (4, true));
    let mut early = log.follow(Place(0));
    assert_eq!(append(&mut log, b"one"), Ok(Place(1)));
    // As many as may be on their way at once, and more.
    let answers: Vec<_> = (2..=20_u8).map(|n| begin(&mut log, &[n])).collect();
    let places: Vec<_> = answers.iter().map(|answer| answer.recv().unwrap().unwrap().0).collect();
    assert_eq!(places, (2..=20).collect::<Vec<_>>());
    assert_eq!(append(&mut cluster.reference(), b"table"), Ok(Place(1)));

    let entries = take(&mut *early, 20);
    assert_eq!(contents(&entries)[..2], [(1, &b"one"[..]), (2, &[2])]);
    assert!(entries.iter().all(|entry| entry.logged_at_ms.is_some_and(|ms| ms > 1_577_836_800_000)));
    assert_eq!(early.has_caught_up(), Some(true));
    let late = take(&mut *log.follow(Place(17)), 3);
    assert_eq!(contents(&late), [(18, &[18][..]), (19, &[19]), (20, &[20])]);
    assert_eq!(take(&mut *cluster.reference().follow(Place(0)), 1)[0].place, Place(1));
    let largest = vec![5; FRAME_BYTES_MAX];
    assert_eq!(append(&mut log, &largest), Ok(Place(21)));
    assert_eq!(contents(&take(&mut *early, 1)), [(21, &largest[..])]);
}

#[test]
fn a_reader_says_when_it_has_all_that_was_in_the_log_at_its_beginning() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let mut log = open(&runtime, &nats, 1).frames();
    let mut reader = log.follow(Place(0));
    let mut has_caught_up = || {
        assert_eq!(reader.next(Duration::from_millis(10)), Ok(None));
        reader.has_caught_up() == Some(true)
    };
    wait_until("the reader has all of an empty log", &mut has_caught_up);
    for n in 0..50 {
        append_surely(&mut log, &[n]);
    }
    let mut reader = log.follow(Place(0));
    for n in 0..50 {
        assert_eq!(reader.has_caught_up(), Some(false), "{n} of 50 entries");
        assert_eq!(*next(&mut *reader).bytes, [n]);
    }
    let mut has_caught_up = || {
        assert_eq!(reader.next(Duration::from_millis(10)), Ok(None));
        reader.has_caught_up() == Some(true)
    };
    wait_until("the reader has all", &mut has_caught_up);
}

#[test]
fn a_node_that_opens_the_cluster_later_finds_the_entries() {
    let Some(mut nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    assert_eq!(append(&mut open(&runtime, &nats, 1).frames(), b"one"), Ok(Place(1)));
    nats.kill(0);
    nats.launch(0);
    let later = Settings { may_create: false, ..settings(&nats.url(), 1) };
    let mut log = open_with(&runtime, &later).frames();
    assert_eq!(append(&mut log, b"two"), Ok(Place(2)));
    assert_eq!(contents(&take(&mut *log.follow(Place(0)), 2)), [(1, &b"one"[..]), (2, b"two")]);
}

#[test]
fn streams_are_created_only_when_asked_and_must_be_those_of_the_configuration() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let good = settings(&nats.url(), 1);
    let only_open = Settings { may_create: false, ..good.clone() };
    let missing = refusal(&runtime, &only_open);
    assert!(missing.contains("has no stream WEIR") && missing.contains("create the streams once"), "{missing}");
    open_with(&runtime, &good);
    open_with(&runtime, &good);
    open_with(&runtime, &only_open);

    let three = Settings { may_have_one_replica: false, ..good.clone() };
    let text = refusal(&runtime, &three);
    assert!(text.contains("replicas is 1 in the stream and must be at least 3"), "{text}");
    let mut other = good.clone();
    other.fingerprint.insert("retention_secs".to_owned(), "60".to_owned());
    let text = refusal(&runtime, &other);
    assert!(text.contains("retention_secs is 1800 in the stream and 60 now"), "{text}");
    let text = refusal(&runtime, &Settings { secret: [8; 32], ..good.clone() });
    assert!(text.contains("the secret is another one"), "{text}");
    let text = refusal(&runtime, &Settings { max_bytes: 1, ..good });
    assert!(text.contains("give 67108864 to"), "{text}");
    let text = refusal(&runtime, &settings("nats://127.0.0.1:1", 1));
    assert!(text.contains("cannot connect to nats://127.0.0.1:1"), "{text}");
}

#[test]
fn clusters_of_other_names_are_apart() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let mut first = open(&runtime, &nats, 1).frames();
    let mut second = open_with(&runtime, &settings(&format!("{}/orders", nats.url()), 1)).frames();
    assert_eq!(append(&mut first, b"one"), Ok(Place(1)));
    assert_eq!(append(&mut second, b"other"), Ok(Place(1)));
    assert_eq!(contents(&take(&mut *second.follow(Place(0)), 1)), [(1, &b"other"[..])]);
}

#[test]
fn a_node_proves_who_it_is() {
    let Some(nats) = Nats::start(1, "authorization { user: weir, password: pass }") else { return };
    let runtime = runtime();
    let mut settings = settings(&nats.url(), 1);
    assert!(refusal(&runtime, &settings).contains("refuse the login"));
    settings.connection.credentials = Credentials::UserPassword("weir".to_owned(), "pass".to_owned());
    assert!(!format!("{settings:?}").contains("pass"), "{settings:?}");
    assert_eq!(append(&mut open_with(&runtime, &settings).frames(), b"one"), Ok(Place(1)));
    settings.connection.credentials = Credentials::File("/nowhere/weir.creds".into());
    assert!(refusal(&runtime, &settings).contains("/nowhere/weir.creds"));

    let Some(nats) = Nats::start(1, "authorization { token: secret-token }") else { return };
    let mut settings = self::settings(&nats.url(), 1);
    settings.connection.credentials = Credentials::Token("secret-token".to_owned());
    assert_eq!(append(&mut open_with(&runtime, &settings).frames(), b"one"), Ok(Place(1)));
}

#[test]
fn a_connection_can_be_encrypted() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert_file, key.cert.pem()).unwrap();
    std::fs::write(&key_file, key.signing_key.serialize_pem()).unwrap();
    let Some(nats) = Nats::start(1, &format!("tls {{ cert_file: {cert_file:?}, key_file: {key_file:?} }}")) else {
        return;
    };
    let runtime = runtime();
    let mut settings = settings(&nats.url().replace("nats://127.0.0.1", "tls://localhost"), 1);
    let text = refusal(&runtime, &settings);
    assert!(text.contains("cannot connect to tls://localhost"), "{text}");
    settings.connection.ca_file = Some(cert_file);
    assert_eq!(append(&mut open_with(&runtime, &settings).frames(), b"one"), Ok(Place(1)));
}

#[test]
fn a_server_that_takes_small_messages_only_is_refused() {
    let Some(nats) = Nats::start(1, "max_payload: 200KB") else { return };
    let text = refusal(&runtime(), &settings(&nats.url(), 1));
    assert!(text.contains("set its max_payload to 525312 or more"), "{text}");
}

#[test]
fn trimmed_entries_are_removed_and_a_reader_that_was_overtaken_is_lost() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.frames();
    for n in 1..=9 {
        append_surely(&mut log, &[n]);
    }
    log.trim(Place(7));
    log.trim(Place(3)); // A lower place takes nothing back.
    wait_until("the entries are removed", || cluster.status().frames.first == 7);
    let entries = take(&mut *log.follow(Place(0)), 3);
    assert_eq!(contents(&entries), [(7, &[7][..]), (8, &[8]), (9, &[9])], "a new reader begins with what is kept");
    let text = lost(&mut *log.follow(Place(4)));
    assert_eq!(text, "place 5 of the stream WEIR was removed before it was read");
}

#[test]
fn a_full_stream_refuses_ordinary_entries_and_takes_necessary_ones() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.frames();
    // The reader tells the node how much is in the stream.
    let mut reader = log.follow(Place(0));
    let entry = vec![1; FRAME_BYTES_MAX];
    let mut last = Place(0);
    loop {
        match append(&mut log, &entry) {
            Ok(place) => last = place,
            Err(error) => {
                assert_eq!(error, NotPlaced::Full);
                break;
            }
        }
        assert_eq!(next(&mut *reader).place, last);
    }
    let bytes = last.0 * FRAME_BYTES_MAX as u64;
    let ordinary = CLUSTER_BYTES.start() / 100 * CLUSTER_ORDINARY_PERCENT;
    assert!((ordinary - 2 * FRAME_BYTES_MAX as u64..=ordinary).contains(&bytes), "{bytes} of {ordinary}");
    let (answer, answers) = std::sync::mpsc::channel();
    log.append_necessary([2].into(), Box::new(move |result| answer.send(result).unwrap()));
    assert_eq!(answers.recv().unwrap(), Ok(Place(last.0 + 1)));
    assert_eq!(next(&mut *reader).place, Place(last.0 + 1));

    // Necessary entries fill the rest, and then the servers themselves refuse them.
    let result = loop {
        let (answer, answers) = std::sync::mpsc::channel();
        log.append_necessary(entry.clone().into(), Box::new(move |result| answer.send(result).unwrap()));
        match answers.recv().unwrap() {
            Ok(place) => last = place,
            Err(error) => break error,
        }
    };
    assert_eq!(result, NotPlaced::Full, "the answer of the servers is sure");
    log.trim(last);
    append_surely(&mut log, &entry);
}

/// A server of this version that does no more than to let a client connect.
fn pretend(version: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let info = format!(
            r#"INFO {{"server_id":"N","server_name":"n","version":"{version}","proto":1,{}}}"#,
            r#""host":"127.0.0.1","port":1,"headers":true,"jetstream":true,"max_payload":1048576"#
        );
        write!(stream, "{info}\r\n").unwrap();
        for line in lines.map_while(Result::ok).filter(|line| line == "PING") {
            let _ = write!(stream, "{}\r\n", line.replace("PING", "PONG"));
        }
    });
    url
}

#[test]
fn an_old_server_is_refused_at_the_start() {
    let runtime = runtime();
    for old in ["2.9.10", "2.12.2"] {
        let error = refusal(&runtime, &settings(&pretend(old), 1));
        assert!(error.contains(&format!("has version {old}; use version 2.12.3 or newer")), "{error}");
    }
}
