//! `weir serve` with a cluster: real NATS servers, and nodes that are processes of their own.

mod answers;
mod differences;
mod faults;
#[path = "../../../crates/log/tests/cluster/nats.rs"]
#[allow(dead_code, reason = "the tests of the log use more of it")]
mod nats;
mod refusals;

use crate::common::requests::{get, now_ms, post, readiness, samples};
use crate::common::{DEADLINE, Reply, Running, Samples, Scratch, event, problem, wait_for};
use nats::Nats;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

/// The nodes of a test.
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// NATS servers, and what their nodes need.
struct Cluster {
    nats: Nats,
    scratch: Scratch,
}

impl Cluster {
    /// Starts one or three NATS servers; none if this machine has no binary of them.
    fn start(servers: usize) -> Option<Self> {
        let nats = Nats::start(servers, "")?;
        let scratch = Scratch::new();
        scratch.file("secret", format!("{}\n", "5e".repeat(32)));
        Some(Self { nats, scratch })
    }

    /// The arguments of a node, without `--cluster-init`.
    fn args(&self) -> Vec<String> {
        let (url, secret) = (self.nats.url(), self.scratch.path("secret"));
        let mut args = vec!["--cluster".to_owned(), url, "--cluster-secret-file".to_owned(), secret];
        if self.nats.addresses().len() == 1 {
            args.push("--cluster-unsafe-r1".to_owned());
        }
        args
    }

    /// Starts a node, which may not be ready yet.
    fn start_node(&self, name: &str, more: &[&str]) -> Running {
        let args = self.args();
        let args: Vec<&str> = args.iter().map(String::as_str).chain(["--cluster-node", name]).collect();
        Running::serve(&[&args[..], &["--cluster-init", "--cluster-max", "64MiB"], more].concat())
    }

    /// Starts a node, and waits until it is ready.
    fn node(&self, name: &str, more: &[&str]) -> Running {
        let node = self.start_node(name, more);
        readiness(&node, 200);
        node
    }

    /// Starts three nodes at once.
    fn nodes(&self) -> Vec<Running> {
        let nodes: Vec<_> = NODES.iter().map(|name| self.start_node(name, &[])).collect();
        nodes.iter().for_each(|node| drop(readiness(node, 200)));
        nodes
    }

    /// Sends a request of an operator to the first NATS server, and returns the answer (the NATS client protocol).
    fn ask_nats(&self, subject: &str, body: impl AsRef<[u8]>) -> String {
        let body = body.as_ref();
        let mut stream = BufReader::new(TcpStream::connect(&self.nats.addresses()[0]).unwrap());
        stream.get_mut().set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!("CONNECT {{}}\r\nSUB answer 1\r\nPUB {subject} answer {}\r\n", body.len());
        stream.get_mut().write_all(&[head.as_bytes(), body, b"\r\n"].concat()).unwrap();
        let mut lines = stream.lines().map(Result::unwrap);
        lines.find(|line| line.starts_with("MSG answer")).unwrap();
        lines.next().unwrap()
    }

    /// Takes the quorum away: kills two of three servers.
    fn kill_two(&mut self) {
        [1, 2].into_iter().for_each(|index| self.nats.kill(index));
    }

    fn launch_two(&mut self) {
        [1, 2].into_iter().for_each(|index| self.nats.launch(index));
    }
}

/// The events that a node counts, as soon as it is up to date. An election of the servers may take some seconds.
fn counted(node: &Running) -> u64 {
    wait_for("an answer that is up to date", || {
        let reply = get(node, "/metrics?window=1800");
        if reply.status == 200 {
            return Some(reply.json()["total_events"].as_u64().unwrap());
        }
        assert_eq!(reply.problem(), problem(503, "log_unavailable"));
        None
    })
}

/// Sends a request until it is answered by something else than that the log has no quorum.
fn until_taken(mut send: impl FnMut() -> Reply) -> Reply {
    wait_for("a request that is taken", || {
        let reply = send();
        let is_refused = reply.status == 503 && ["log_unavailable", "overloaded"].contains(&&*reply.problem().1);
        (!is_refused).then_some(reply)
    })
}

/// The metrics of a node that has taken an event; none if this machine has no NATS server.
pub(crate) fn metrics_of_a_node() -> Option<Samples> {
    let cluster = Cluster::start(1)?;
    let node = cluster.node("n1", &[]);
    assert_eq!(post(&node, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
    Some(samples(&node))
}
