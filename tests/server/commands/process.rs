//! `weir serve`: its arguments, its environment, its exit codes, its signals, its log.

use crate::common::{
    BINARY, Certificate, Process, Raw, Running, Scratch, array, eventually, failure, post_request, problem, program,
    run, success, weir,
};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A command's one line on stderr, after a check that it failed and printed nothing else.
fn refusal(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.stdout.is_empty(), "{command:?}: {output:?}");
    failure(&output).to_owned()
}

/// The status of a request with a token.
fn status(running: &Running, token: &str) -> u16 {
    let mut connection = Raw::connect(running.address);
    connection.send(format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"));
    connection.reply().status
}

#[test]
fn an_invalid_argument_is_an_error_of_one_line() {
    for (args, named) in [
        (&["--retention", "0"][..], "retention must be 1 to 86400, not 0"),
        (&["serve", "--retention", "soon"], "--retention"),
        (&["--attributes", "plan,plan"], "attributes: \"plan\" is given twice"),
        (&["--max-body-bytes", "1TB"], "--max-body-bytes"),
        (&["--dedup-horizon", "7"], "dedup-horizon must be at least"),
        (&["--unheard-of"], "--unheard-of"),
        (&["--listen", "nowhere"], "cannot listen on nowhere"),
        (&["--listen", "127.0.0.1:99999"], "cannot listen on 127.0.0.1:99999"),
    ] {
        let line = refusal(&mut weir(args));
        assert!(line.contains(named), "{args:?}: {line}");
    }
}

#[test]
fn an_invalid_variable_is_an_error_of_one_line() {
    for (name, value, named) in [
        ("WEIR_MAX_SKEW", "100000", "max-skew must be 0 to 86400, not 100000"),
        ("WEIR_WORKERS", "many", "--workers"),
        ("WEIR_LOG", "weir=loud", "WEIR_LOG"),
        ("WEIR_READ_TOKEN", "", "WEIR_READ_TOKEN: it is empty"),
        ("WEIR_ADMIN_TOKEN", "a,,b", "WEIR_ADMIN_TOKEN: a token for admin may contain only"),
        ("WEIR_INGEST_TOKEN_FILE", "/nowhere", "ingest-token-file /nowhere: "),
        ("WEIR_TLS_CERT", "/nowhere", "--tls-cert and --tls-key must be set together"),
        ("PORT", "http", "PORT must be 0 to 65535, not \"http\""),
    ] {
        let line = refusal(weir(&[]).env(name, value));
        assert!(line.contains(named), "{name}={value}: {line}");
    }
}

#[test]
fn a_port_in_use_is_an_error_of_one_line() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let line = refusal(&mut weir(&["--listen", &address]));
    assert!(line.starts_with(&format!("cannot listen on {address}: ")) && line.contains("--listen"), "{line}");
}

#[test]
fn an_empty_variable_sets_nothing() {
    let names = ["WEIR_RETENTION", "WEIR_LISTEN", "WEIR_ATTRIBUTES", "WEIR_MAX_MEMORY", "WEIR_LOG_FORMAT"];
    let running = Running::start(weir(&["serve", "--listen", "127.0.0.1:0"]).envs(names.map(|name| (name, ""))));
    let metrics = Raw::connect(running.address).get("/metrics?window=1800").json();
    assert_eq!(metrics["by_plan"], serde_json::json!({}));
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    for args in [&["man"][..], &["completions", "bash"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Process::spawn(weir(args).stdout(full).stderr(Stdio::piped())).output();
        assert!(failure(&output).starts_with("cannot write the output: "), "{args:?}: {output:?}");
    }
}

#[test]
fn help_and_version_are_printed() {
    for (args, expected) in [
        (&["--help"][..], "WEIR_DEDUP_HORIZON"),
        (&["serve", "--help"], "[default: 1800]"),
        (&["--version"], concat!("weir ", env!("CARGO_PKG_VERSION"))),
    ] {
        let output = run(&mut weir(args));
        assert!(success(&output).contains(expected), "{args:?}: {output:?}");
    }
}

#[test]
fn a_flag_overrides_a_variable() {
    let mut command = weir(&["serve", "--retention", "50"]);
    let running = Running::start(command.env("PORT", "0").env("WEIR_RETENTION", "40").env("WEIR_ATTRIBUTES", "tier"));
    let metrics = Raw::connect(running.address).get("/metrics").json();
    assert_eq!((&metrics["window_sec"], metrics.get("by_tier").is_some()), (&50.into(), true));
}

#[test]
fn a_signal_drains_the_server_and_ends_it_with_success() {
    for signal in ["TERM", "INT"] {
        let running = Running::serve(&["--log-format", "json"]);
        let mut connection = Raw::connect(running.address);
        assert!(connection.begin_post(2));
        running.signal(signal);
        connection.send("[]");
        assert_eq!(connection.reply().text(), r#"{"results":[],"accepted":0,"duplicates":0,"rejected":0}"#);
        let (code, log) = running.end();
        assert_eq!(code, Some(0), "{signal}: {log}");
        assert!(log.lines().last().unwrap().contains(r#""message":"stopped""#), "{signal}: {log}");
    }
}

#[test]
fn a_drain_answers_all_batches_that_wait_for_others() {
    const BODY_BYTES: usize = 200_000;
    let running = Running::serve(&[]);
    // More bodies than the workers ingest before they let other requests run.
    let count = 4 * std::thread::available_parallelism().unwrap().get();
    let mut connections: Vec<_> = (0..count).map(|_| Raw::connect(running.address)).collect();
    for connection in &mut connections {
        assert!(connection.begin_post(BODY_BYTES));
    }
    running.signal("TERM");
    running.stderr.line_with("draining");
    for connection in &mut connections {
        connection.send(format!("[{}]", " ".repeat(BODY_BYTES - 2)));
    }
    for connection in &mut connections {
        assert_eq!(connection.reply().text(), r#"{"results":[],"accepted":0,"duplicates":0,"rejected":0}"#);
    }
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped") && !log.contains("in flight"), "{log}");
}

#[test]
fn a_signal_does_not_wait_for_a_tls_handshake() {
    let certificate = Certificate::new();
    let running = Running::serve(&["--tls-cert", &certificate.path, "--tls-key", &certificate.key_path]);
    let silent = Raw::connect(running.address);
    // A later connection is served, so the silent one was accepted.
    let url = format!("https://localhost:{}", running.address.port());
    success(&run(&mut weir(&["reference", "show", "--url", &url, "--ca", &certificate.path])));
    running.signal("TERM");
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped") && !log.contains("in flight"), "{log}");
    drop(silent);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let running = Running::serve(&[]);
        let mut connection = Raw::connect(running.address);
        assert!(connection.begin_post(2));
        running.signal("TERM");
        running.stderr.line_with("draining");
        running.signal(signal);
        let (ended_with, log) = running.end();
        assert_eq!(ended_with, Some(code), "{log}");
        assert!(log.contains("a second signal"), "{log}");
    }
}

#[test]
fn a_server_that_stops_under_load_answers_accepted_requests() {
    let running = Running::serve(&[]);
    let request = post_request(array(vec!["7"; 2_000]));
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = Raw::connect(running.address);
                while connection.try_send(&request) {
                    let Some(reply) = connection.next_reply() else { return };
                    match reply.status {
                        200 => assert_eq!(reply.tally(), [0, 0, 2_000], "an answer that has begun is complete"),
                        _ => assert_eq!(reply.problem(), problem(503, "overloaded")),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("100 answers", || answered.load(Ordering::Relaxed) >= 100);
        running.signal("TERM");
    });
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped") && !log.contains("in flight"), "{log}");
}

#[test]
fn token_files_are_read_again_on_demand() {
    let scratch = Scratch::new();
    let path = scratch.file("tokens", "old\n");
    let mut command = weir(&["--listen", "127.0.0.1:0", "--read-token-file", &path]);
    let running = Running::start(command.env("WEIR_READ_TOKEN", "given"));
    let statuses = || ["given", "old", "new"].map(|token| status(&running, token));
    assert_eq!(statuses(), [200, 200, 401]);
    let reload = |text: &str, logged: &str| {
        scratch.file("tokens", text);
        running.signal("HUP");
        running.stderr.line_with(logged);
        statuses()
    };
    assert_eq!(reload("new\n", "reloaded tokens"), [200, 401, 200]);
    assert_eq!(reload("two words\n", "token reload failed, keeping the previous ones"), [200, 401, 200]);
}

#[test]
fn a_server_that_other_machines_reach_without_a_token_logs_a_warning() {
    let tokens = ["WEIR_INGEST_TOKEN", "WEIR_ADMIN_TOKEN", "WEIR_READ_TOKEN"];
    let warnings = |address: &str, tokens: &[&str]| {
        let mut command = weir(&["--listen", address]);
        command.envs(tokens.iter().map(|name| (name, "s3cret")));
        let log = Running::start(&mut command).stderr.text();
        log.lines().filter(|line| line.contains("these roles need no token")).map(str::to_owned).collect::<String>()
    };
    assert!(warnings("0.0.0.0:0", &[]).ends_with(": ingest, admin, read"));
    assert!(warnings("[::]:0", &tokens[..1]).ends_with(": admin, read"));
    assert_eq!(warnings("0.0.0.0:0", &tokens), "");
    assert_eq!(warnings("127.0.0.1:0", &[]), "");
}

#[test]
fn tokens_are_not_logged() {
    let mut command = weir(&["--listen", "127.0.0.1:0"]);
    let running = Running::start(command.env("WEIR_READ_TOKEN", "s3cret").env("WEIR_LOG", "trace"));
    assert_eq!([status(&running, "s3cret"), status(&running, "wr0ng")], [200, 401]);
    running.signal("HUP");
    running.signal("TERM");
    let (code, log) = running.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("/metrics") && !log.contains("s3cret") && !log.contains("wr0ng"), "{log}");
}

#[test]
fn a_server_out_of_file_descriptors_recovers_when_connections_end() {
    let limited = "ulimit -n 40 && exec \"$0\" --listen 127.0.0.1:0";
    let running = Running::start(&mut program("sh", &["-c", limited, BINARY]));
    let held: Vec<_> = (0..40).map(|_| Raw::connect(running.address)).collect();
    running.stderr.line_with("cannot accept a connection");
    drop(held);
    assert_eq!(Raw::connect(running.address).get("/healthz").status, 200);
}

#[test]
fn a_closed_log_does_not_end_the_server() {
    // sed passes on the log up to the line with the address, and ends. Then no process reads the log.
    let piped = "exec \"$0\" --listen 127.0.0.1:0 2> >(sed /listening/q >&2)";
    let running = Running::start(&mut program("bash", &["-c", piped, BINARY]));
    eventually("the log is closed", || running.stderr.has_ended());
    assert_eq!(Raw::connect(running.address).get("/healthz").status, 200);
    // The server logs a line when it stops.
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}
