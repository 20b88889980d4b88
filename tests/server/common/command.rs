//! The `weir` command as a process: what it is given and what it says, and servers that it runs as.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what must come, however busy the machine is.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// The command, whatever the environment of the tests.
pub(crate) fn weir(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(args).stdin(Stdio::null()).env_clear();
    command
}

/// Runs a command with this on its standard input.
pub(crate) fn with_input(command: &mut Command, input: impl AsRef<[u8]>) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that fails may not read all of it.
    let _ = child.stdin.take().unwrap().write_all(input.as_ref());
    child.wait_with_output().unwrap()
}

/// What a command prints, once it has succeeded.
pub(crate) fn success(output: &Output) -> &str {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{output:?}");
    str::from_utf8(&output.stdout).unwrap()
}

/// A command's one line on stderr, once it has failed.
pub(crate) fn failure(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = str::from_utf8(&output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr.strip_prefix("weir: ").unwrap_or_else(|| panic!("{stderr}")).trim_end()
}

/// Waits until something holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A running server, its address, and what it logs. Dropped before its end, it is killed.
pub(crate) struct Running {
    pub child: Child,
    pub address: SocketAddr,
    log: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended");
            if let Some((_, address)) = line.split_once("listening on http") {
                let address = address.trim_start_matches(['s', ':', '/']);
                break address.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
            }
        };
        Self { child, address, log }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; returns the exit code and the rest of the log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
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

/// A directory of a test's own, which goes with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("weir-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a [`Script`] does with a request.
pub(crate) enum Step {
    /// Answers with this status line, these header lines (each with its end), and this body.
    Answer(&'static str, &'static str, String),
    /// Closes the connection without a word.
    Hangup,
}

/// A server that goes through a script, a step a request, and tells the bodies that it was sent.
pub(crate) struct Script {
    pub address: SocketAddr,
    pub bodies: Receiver<String>,
}

impl Script {
    pub(crate) fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, bodies) = channel();
        thread::spawn(move || {
            let steps = Arc::new(Mutex::new(steps.into_iter()));
            for stream in listener.incoming() {
                let (stream, steps, tell) = (stream.unwrap(), Arc::clone(&steps), tell.clone());
                // A client may keep a connection, and open another.
                thread::spawn(move || {
                    let mut requests = BufReader::new(&stream);
                    while let Some(body) = request(&mut requests) {
                        tell.send(body).unwrap();
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
    stream.write_all(answer.as_bytes()).unwrap();
}
