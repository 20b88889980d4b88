//! The `weir` command as a process: its arguments, its exit codes, its signals.

use crate::common::Raw;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// The command, whatever the environment of the tests.
fn weir(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(args).stdin(Stdio::null()).env_clear();
    command
}

/// Expects the command to fail, and returns its one line on stderr.
fn refusal(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && status.code().is_some(), "{command:?}: {stderr}");
    assert!(stdout.is_empty(), "{command:?}");
    assert_eq!(stderr.lines().count(), 1, "{command:?}: {stderr}");
    let line = stderr.trim_end();
    line.strip_prefix("weir: ").unwrap_or_else(|| panic!("{command:?}: {line}")).to_owned()
}

/// A running server, its address, and what it logs. Dropped before its end, it is killed.
struct Running {
    child: Child,
    address: SocketAddr,
    /// What was logged before it listened.
    warnings: String,
    log: BufReader<ChildStderr>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut warnings = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "{warnings}");
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
            }
            warnings.push_str(&line);
        };
        Self { child, address, warnings, log }
    }

    /// The status of an answer to a request for figures.
    fn status(&self, token: &str) -> u16 {
        let mut connection = Raw::connect(self.address);
        connection.send(format!("GET /metrics HTTP/1.1\r\nhost: weir\r\nauthorization: Bearer {token}\r\n\r\n"));
        connection.reply().status
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; returns the exit code and the rest of the log.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn bad_arguments_are_one_line() {
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
fn bad_environments_are_one_line() {
    for (name, value, named) in [
        ("WEIR_MAX_SKEW", "100000", "max-skew must be 0 to 86400, not 100000"),
        ("WEIR_WORKERS", "many", "--workers"),
        ("WEIR_LOG", "weir=loud", "WEIR_LOG"),
        ("WEIR_READ_TOKEN", "", "WEIR_READ_TOKEN: it is empty"),
        ("WEIR_ADMIN_TOKEN", "a,,b", "WEIR_ADMIN_TOKEN: a token for admin has"),
        ("WEIR_INGEST_TOKEN_FILE", "/nowhere", "ingest-token-file /nowhere: "),
        ("WEIR_TLS_CERT", "/nowhere", "--tls-cert and --tls-key go together"),
        ("PORT", "http", "PORT must be 0 to 65535, not \"http\""),
    ] {
        let line = refusal(weir(&[]).env(name, value));
        assert!(line.contains(named), "{name}={value}: {line}");
    }
}

#[test]
fn a_taken_port_is_one_line() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let line = refusal(&mut weir(&["--listen", &address]));
    assert!(line.starts_with(&format!("cannot listen on {address}: ")) && line.contains("--listen"), "{line}");
}

#[test]
fn an_empty_variable_sets_nothing() {
    let mut command = weir(&["serve", "--listen", "127.0.0.1:0"]);
    for name in ["WEIR_RETENTION", "WEIR_LISTEN", "WEIR_ATTRIBUTES", "WEIR_MAX_MEMORY", "WEIR_LOG_FORMAT"] {
        command.env(name, "");
    }
    let running = Running::start(&mut command);
    let mut connection = Raw::connect(running.address);
    connection.send("GET /metrics?window=1800 HTTP/1.1\r\nhost: weir\r\n\r\n");
    assert_eq!(connection.reply().json()["by_plan"], serde_json::json!({}));
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    for args in [&["man"][..], &["completions", "bash"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let line = refusal(weir(args).stdout(full));
        assert!(line.starts_with("cannot write the output: "), "{args:?}: {line}");
    }
}

#[test]
fn help_and_version_are_answers() {
    for (args, expected) in [
        (&["--help"][..], "WEIR_DEDUP_HORIZON"),
        (&["serve", "--help"], "[default: 1800]"),
        (&["--version"], concat!("weir ", env!("CARGO_PKG_VERSION"))),
    ] {
        let Output { status, stdout, .. } = weir(args).output().unwrap();
        let stdout = String::from_utf8(stdout).unwrap();
        assert!(status.success() && stdout.contains(expected), "{args:?}: {stdout}");
    }
}

#[test]
fn the_environment_configures_and_the_command_line_wins() {
    let mut command = weir(&["serve", "--retention", "50"]);
    let running = Running::start(command.env("PORT", "0").env("WEIR_RETENTION", "40").env("WEIR_ATTRIBUTES", "tier"));
    let mut connection = Raw::connect(running.address);
    connection.send("GET /metrics HTTP/1.1\r\nhost: weir\r\n\r\n");
    let metrics = connection.reply().json();
    assert_eq!((&metrics["window_sec"], metrics.get("by_tier").is_some()), (&50.into(), true));
}

#[test]
fn either_signal_drains_and_exits_with_success() {
    for signal in ["TERM", "INT"] {
        let running = Running::start(&mut weir(&["--listen", "127.0.0.1:0", "--log-format", "json"]));
        let mut connection = Raw::connect(running.address);
        connection.send("POST /events HTTP/1.1\r\nhost: weir\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
        assert_eq!((connection.line().as_str(), connection.line().as_str()), ("HTTP/1.1 100 Continue", ""));
        running.signal(signal);
        connection.send("[]");
        assert_eq!(connection.reply().text(), r#"{"results":[],"accepted":0,"duplicates":0,"rejected":0}"#);
        let (code, log) = running.end();
        assert_eq!(code, Some(0), "{signal}: {log}");
        assert!(log.lines().last().unwrap().contains(r#""message":"stopped""#), "{signal}: {log}");
    }
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut running = Running::start(&mut weir(&["--listen", "127.0.0.1:0"]));
        let mut connection = Raw::connect(running.address);
        connection.send("POST /events HTTP/1.1\r\nhost: weir\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
        assert_eq!(connection.line(), "HTTP/1.1 100 Continue");
        running.signal("TERM");
        let mut line = String::new();
        while !line.contains("draining") {
            line.clear();
            assert_ne!(running.log.read_line(&mut line).unwrap(), 0);
        }
        running.signal(signal);
        let (ended_with, log) = running.end();
        assert_eq!(ended_with, Some(code), "{log}");
        assert!(log.contains("a second signal"), "{log}");
    }
}

#[test]
fn a_server_that_is_stopped_under_load_answers_what_it_has_taken() {
    let running = Running::start(&mut weir(&["--listen", "127.0.0.1:0"]));
    let request =
        |body: &str| format!("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let request = request(&format!("[{}]", vec!["7"; 2_000].join(",")));
    let answered = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = Raw::connect(running.address);
                while connection.try_send(&request) {
                    let Some(reply) = connection.next_reply() else { return };
                    match reply.status {
                        200 => assert_eq!(reply.tally(), [0, 0, 2_000], "an answer that has begun is whole"),
                        _ => assert_eq!(reply.problem(), crate::common::problem(503, "overloaded")),
                    }
                    answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
        while answered.load(std::sync::atomic::Ordering::Relaxed) < 100 {
            std::thread::yield_now();
        }
        running.signal("TERM");
    });
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped") && !log.contains("in flight"), "{log}");
}

#[test]
fn token_files_are_read_again_on_demand() {
    let path = std::env::temp_dir().join(format!("weir-process-tokens-{}", std::process::id()));
    std::fs::write(&path, "old\n").unwrap();
    let mut running = Running::start(
        weir(&["--listen", "127.0.0.1:0", "--read-token-file", path.to_str().unwrap()]).env("WEIR_READ_TOKEN", "given"),
    );
    assert_eq!(["given", "old", "new"].map(|token| running.status(token)), [200, 200, 401]);
    let mut reload = |text: &str, logged: &str| {
        std::fs::write(&path, text).unwrap();
        running.signal("HUP");
        let mut line = String::new();
        while !line.contains(logged) {
            line.clear();
            assert_ne!(running.log.read_line(&mut line).unwrap(), 0);
        }
        ["given", "old", "new"].map(|token| running.status(token))
    };
    assert_eq!(reload("new\n", "were read again"), [200, 401, 200]);
    assert_eq!(reload("two words\n", "stay as they were"), [200, 401, 200]);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_server_that_strangers_can_reach_without_a_token_says_so() {
    let tokens = ["WEIR_INGEST_TOKEN", "WEIR_ADMIN_TOKEN", "WEIR_READ_TOKEN"];
    let warnings = |address: &str, tokens: &[&str]| {
        let mut command = weir(&["--listen", address]);
        command.envs(tokens.iter().map(|name| (name, "s3cret")));
        let running = Running::start(&mut command);
        running.warnings.lines().filter(|line| line.contains("have no token")).map(str::to_owned).collect::<String>()
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
    assert_eq!([running.status("s3cret"), running.status("wr0ng")], [200, 401]);
    running.signal("HUP");
    running.signal("TERM");
    let (code, log) = running.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("/metrics") && !log.contains("s3cret") && !log.contains("wr0ng"), "{log}");
}

#[test]
fn a_server_out_of_file_descriptors_recovers_when_connections_end() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 40 && exec \"$0\" --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_weir")]);
    let mut running = Running::start(&mut limited);
    let hoard: Vec<_> = (0..40).map(|_| Raw::connect(running.address)).collect();
    let mut line = String::new();
    while !line.contains("cannot accept a connection") {
        line.clear();
        assert_ne!(running.log.read_line(&mut line).unwrap(), 0, "the server ended");
    }
    drop(hoard);
    let mut connection = Raw::connect(running.address);
    connection.send("GET /healthz HTTP/1.1\r\nhost: weir\r\n\r\n");
    assert_eq!(connection.reply().status, 200);
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_the_server() {
    let mut server = Running::start(&mut weir(&["--listen", "127.0.0.1:0"]));
    drop(std::mem::replace(&mut server.log, BufReader::new(dead_end())));
    let mut connection = Raw::connect(server.address);
    connection.send("GET /healthz HTTP/1.1\r\nhost: weir\r\n\r\n");
    assert_eq!(connection.reply().status, 200);
    server.signal("TERM"); // which is logged
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// The stderr of a process that has written nothing and ended.
fn dead_end() -> ChildStderr {
    let mut child = Command::new("true").stderr(Stdio::piped()).spawn().unwrap();
    child.wait().unwrap();
    child.stderr.take().unwrap()
}
