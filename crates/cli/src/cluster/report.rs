//! The state of the nodes of a cluster, as text and as JSON.

use crate::client::EscapeControl;
use serde::Serialize;
use std::fmt;
use unicode_width::UnicodeWidthStr as _;
use weir_api::{ClusterState, ClusterStatus, StatusResponse};

/// The state of all nodes.
#[derive(Debug, Serialize)]
pub(super) struct ClusterReport {
    /// Whether each node takes events.
    ok: bool,
    nodes: Vec<NodeReport>,
}

/// What a node says of itself.
#[derive(Debug, Serialize)]
pub(super) struct NodeReport {
    url: String,
    /// The version of the node. None without an answer.
    version: Option<String>,
    /// None without an answer, or without a cluster.
    cluster: Option<ClusterStatus>,
    /// Why the node does not take events, in one line.
    problem: Option<String>,
}

impl NodeReport {
    /// The report of the node at `url` from its answer, or from the reason why there is none.
    pub(super) fn new(url: String, answer: Result<StatusResponse, String>) -> Self {
        let (version, cluster, problem) = match answer {
            Err(error) => (None, None, Some(error)),
            Ok(StatusResponse { version, cluster: None, .. }) => {
                (Some(version), None, Some("the server is no node of a cluster; start it with --cluster".to_owned()))
            }
            Ok(StatusResponse { version, cluster: Some(cluster), .. }) => {
                let is_ready = cluster.state == ClusterState::Ready.as_str();
                let problem = (!is_ready).then(|| cluster.detail.clone());
                (Some(version), Some(cluster), problem)
            }
        };
        Self { url, version, cluster, problem }
    }

    /// The cells of its row.
    fn cells(&self) -> [String; COLUMNS] {
        let none = || "-".to_owned();
        let mut cells = HEADER.map(|_| none());
        cells[1] = self.url.clone();
        cells[2] = self.cluster.as_ref().map_or_else(|| "no answer".to_owned(), |cluster| cluster.state.clone());
        cells[COLUMNS - 1] = self.version.clone().unwrap_or_else(none);
        let Some(cluster) = &self.cluster else { return cells };
        cells[0] = cluster.node.clone();
        cells[3] = format!("{} of {}", cluster.applied_place, cluster.place);
        cells[4] = format!("{} ms", cluster.age_ms);
        cells[5] = cluster.clock_offset_ms.map_or_else(none, |ms| format!("{ms:+} ms"));
        cells[6] = cluster.peers.to_string();
        cells[7] = cluster.generation.to_string();
        cells
    }
}

const COLUMNS: usize = HEADER.len();

const HEADER: [&str; 9] = ["node", "url", "state", "applied", "age", "clock", "peers", "table", "version"];

impl ClusterReport {
    pub(super) fn new(nodes: Vec<NodeReport>) -> Self {
        Self { ok: nodes.iter().all(|node| node.problem.is_none()), nodes }
    }

    /// # Errors
    /// One line, if a node does not take events.
    pub(super) fn check(&self) -> Result<(), String> {
        let failed = self.nodes.iter().filter(|node| node.problem.is_some()).count();
        if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} nodes do not take events", self.nodes.len())) }
    }

    /// What concerns the nodes together.
    fn notes(&self) -> impl Iterator<Item = String> {
        let nodes = || self.nodes.iter().filter_map(|node| node.cluster.as_ref());
        let (known, asked) = (nodes().map(|node| node.peers + 1).max().unwrap_or_default(), self.nodes.len());
        let unknown = (known > asked).then(|| format!("the nodes have heard of {known} nodes, and {asked} were asked"));
        let full = nodes().any(|node| node.is_peer_full);
        let full = full.then(|| "a node has no capacity for more events, so no node takes events".to_owned());
        let disputed: u64 = nodes().map(|node| node.disputed).sum();
        let disputed =
            (disputed > 0).then(|| format!("nodes disagree about {disputed} frames; report it, with their logs"));
        [unknown, full, disputed].into_iter().flatten()
    }

    /// What the log holds, as the node knows it that is furthest.
    fn log(&self) -> Option<String> {
        let furthest =
            self.nodes.iter().filter_map(|node| node.cluster.as_ref()).max_by_key(|cluster| cluster.place)?;
        let ClusterStatus { place, bytes, max_bytes, .. } = furthest;
        let of_limit = max_bytes.map_or_else(String::new, |max_bytes| {
            format!(", {:.1} % of its limit", 100.0 * *bytes as f64 / max_bytes.max(1) as f64)
        });
        Some(format!("log: place {place}, {bytes} bytes{of_limit}"))
    }
}

impl fmt::Display for ClusterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |cell: String| EscapeControl(&cell).to_string();
        let rows = self.nodes.iter().map(|node| node.cells().map(escaped));
        let rows: Vec<_> = std::iter::once(HEADER.map(str::to_owned)).chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or_default();
        let widths: Vec<_> = (0..HEADER.len()).map(width).collect();
        for row in &rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line += cell;
                line.extend(std::iter::repeat_n(' ', width + 2 - cell.width()));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        if let Some(log) = self.log() {
            writeln!(f, "{log}")?;
        }
        self.notes().try_for_each(|note| writeln!(f, "note: {note}"))?;
        for NodeReport { url, problem, .. } in &self.nodes {
            if let Some(problem) = problem {
                writeln!(f, "{}: {}", EscapeControl(url), EscapeControl(problem))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn answer(node: &str, state: &str) -> StatusResponse {
        let json = format!(
            r#"{{"version":"0.1.0","started_at":"","resident_bytes":null,"verdicts":{{}},"ingest_latency":[],
            "journal":null,"cluster":{{"node":"{node}","state":"{state}","detail":"{state}: why","is_connected":true,
            "place":340,"applied_place":338,"age_ms":120,"clock_offset_ms":-7,"peers":2,"is_peer_full":false,
            "disputed":0,
            "generation":2,"bytes":1310720,
            "max_bytes":2621440,"replay_done_ratio":1.0,"waiting_rows":0,"waiting_reads":0,"lag_ms":0,"resent":0,
            "reader_restarts":0}}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn report(answers: Vec<Result<StatusResponse, String>>) -> ClusterReport {
        let node = |(index, answer)| NodeReport::new(format!("http://h{index}"), answer);
        ClusterReport::new(answers.into_iter().enumerate().map(node).collect())
    }

    #[test]
    fn nodes_that_are_ready_are_rows_of_a_table() {
        let report = report(vec![Ok(answer("n1", "ready")), Ok(answer("node-2", "ready"))]);
        let expected = "\
node    url        state  applied     age     clock  peers  table  version
n1      http://h0  ready  338 of 340  120 ms  -7 ms  2      2      0.1.0
node-2  http://h1  ready  338 of 340  120 ms  -7 ms  2      2      0.1.0
log: place 340, 1310720 bytes, 50.0 % of its limit
note: the nodes have heard of 3 nodes, and 2 were asked
";
        assert_eq!(report.to_string(), expected);
        assert_eq!(report.check(), Ok(()));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["ok"], &json["nodes"][1]["cluster"]["node"]), (&true.into(), &"node-2".into()));
    }

    #[test]
    fn each_node_that_takes_no_events_says_why() {
        let alone = StatusResponse { cluster: None, ..answer("n", "ready") };
        let report = report(vec![
            Ok(answer("n1", "ready")),
            Ok(answer("n2", "log_unavailable")),
            Err("no response from http://h2".to_owned()),
            Ok(alone),
        ]);
        let text = report.to_string();
        for line in [
            "http://h1: log_unavailable: why",
            "http://h2: no response from http://h2",
            "http://h3: the server is no node of a cluster; start it with --cluster",
        ] {
            assert!(text.lines().any(|found| found == line), "{text}");
        }
        assert_eq!(report.check(), Err("3 of 4 nodes do not take events".to_owned()));
    }

    #[test]
    fn control_codes_of_a_server_are_escaped() {
        let mut foreign = answer("n1", "bad");
        foreign.version = "\u{1b}[2J".to_owned();
        let text = report(vec![Ok(foreign), Err("\u{1b}[2J".to_owned())]).to_string();
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
