//! Processes: the `weir` command, and other programs.

use super::{eventually, wait_for};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::ops::Deref;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// The path of the `weir` command.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// A program with these arguments, and without standard input.
pub(crate) fn program(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null());
    command
}

/// The `weir` command with these arguments and an empty environment.
pub(crate) fn weir(args: &[&str]) -> Command {
    let mut command = program(BINARY, args);
    command.env_clear();
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    Process::start(command).output()
}

/// Runs a command to its end, with this on its standard input.
pub(crate) fn with_input(command: &mut Command, input: impl AsRef<[u8]>) -> Output {
    let mut process = Process::start(command.stdin(Stdio::piped()));
    // A command that fails may not read all of it.
    let _ = process.stdin().write_all(input.as_ref());
    process.output()
}

/// The standard output of a command, after a check that the command succeeded.
pub(crate) fn success(output: &Output) -> &str {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    str::from_utf8(&output.stdout).unwrap()
}

/// The one line of a command on stderr, after a check that the command failed.
pub(crate) fn failure(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = str::from_utf8(&output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr.strip_prefix("weir: ").unwrap_or_else(|| panic!("{stderr}")).trim_end()
}

/// A process. It is killed if it still runs when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub stdout: Capture,
    pub stderr: Capture,
}

impl Process {
    /// Starts a command, and reads its output.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts a command without a change of its streams, and reads those that are pipes.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().map_or_else(Capture::default, Capture::of);
        let stderr = child.stderr.take().map_or_else(Capture::default, Capture::of);
        Self { child, stdout, stderr }
    }

    /// Its standard input, which must be a pipe.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of a process", || self.child.try_wait().unwrap())
    }

    /// Waits for the end of the process and of its output.
    pub(crate) fn output(mut self) -> Output {
        Output { status: self.wait(), stdout: self.stdout.rest(), stderr: self.stderr.rest() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bytes of a stream. A thread reads them all the time, so a process never waits for its reader.
#[derive(Default)]
pub(crate) struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    pub(crate) fn of(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::default();
        let captured: Arc<Mutex<Vec<u8>>> = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                captured.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    /// The bytes so far, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Forgets the bytes so far.
    pub(crate) fn clear(&self) {
        self.bytes.lock().unwrap().clear();
    }

    /// Whether the stream has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for a whole line that contains this text, and returns the line.
    pub(crate) fn line_with(&self, text: &str) -> String {
        wait_for(format!("a line with {text:?}"), || {
            let has_ended = self.has_ended();
            let all = self.text();
            let mut lines = all.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let line = lines.find(|line| line.contains(text)).map(|line| line.trim_end().to_owned());
            assert!(line.is_some() || !has_ended, "the output ended without {text:?}:\n{all}");
            line
        })
    }

    /// Waits for the end of the stream, and returns its bytes.
    fn rest(&self) -> Vec<u8> {
        eventually("the end of a stream", || self.has_ended());
        self.bytes.lock().unwrap().clone()
    }
}

/// A `weir` process that serves. It logs to stderr.
pub(crate) struct Running {
    process: Process,
    pub address: SocketAddr,
}

impl Running {
    /// Starts a command, and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let process = Process::start(command);
        let line = process.stderr.line_with("listening on http");
        let (_, url) = line.split_once("listening on http").unwrap();
        let address = url.trim_start_matches(['s', ':', '/']).trim_end_matches(|c: char| !c.is_ascii_digit());
        Self { address: address.parse().unwrap(), process }
    }

    /// Starts `weir serve` on a free port, with these further arguments.
    pub(crate) fn serve(args: &[&str]) -> Self {
        Self::start(&mut weir(&[&["serve", "--listen", "127.0.0.1:0"], args].concat()))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the end; returns the exit code and the log.
    pub(crate) fn end(self) -> (Option<i32>, String) {
        let output = self.process.output();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

impl Deref for Running {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
