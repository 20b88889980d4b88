//! The exposition before Prometheus itself, and what is deployed with it: alerts and a dashboard.
//!
//! Those that are ignored need Debian's `prometheus` package (`ci/prometheus.sh`).

use crate::common::samples::Samples;
use crate::common::{NOON, Server, agent, array, event, event_of, table, user};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const ALERTS: &str = include_str!("../../deploy/alerts.yml");
const ALERTS_CASES: &str = include_str!("alerts.test.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana-dashboard.json");

/// A server that has something of everything to tell.
fn busy_server() -> Server {
    let server = Server::with(|engine, _| engine.max_memory_bytes = Some(1 << 30));
    server.put_users(&[], table(user("u-1", "a \\\"b\\\" \\\\ \\n c", "eu"), NOON));
    server.post(array([event("a"), event("a"), event_of("b", "u-2", "view", NOON), event_of("c", "u-2", "?", NOON)]));
    server.get("/nowhere");
    server.get("/metrics");
    server
}

/// The words of a text that are metrics' names.
fn mentioned(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("weir_") || word.starts_with("process_")).collect()
}

/// All strings in a JSON value.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => vec![],
    }
}

#[test]
fn every_metric_that_alerts_and_the_dashboard_mention_exists() {
    let names = Samples::of(&busy_server().get("/metrics/prometheus")).names();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    for text in strings(&dashboard).into_iter().chain([ALERTS]) {
        for name in mentioned(text) {
            assert!(names.contains(name), "{name} in {text}");
        }
    }
    assert!(mentioned(DASHBOARD).len() > 20 && mentioned(ALERTS).len() > 5);
}

#[test]
fn the_operators_manual_lists_every_metric() {
    let manual = include_str!("../../docs/operations.md");
    for name in Samples::of(&busy_server().get("/metrics/prometheus")).names() {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
        assert!(manual.contains(&format!("| `{family}")), "{family}");
    }
}

/// Runs promtool on what is written to it, and returns what it says.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut promtool = Command::new("promtool");
    let promtool = promtool.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
#[ignore = "needs promtool: ci/prometheus.sh"]
fn promtool_has_no_complaint_of_the_classic_form() {
    let server = busy_server();
    let of_metrics = server.request("GET", "/metrics", &[("accept", "text/plain")], None);
    for reply in [server.get("/metrics/prometheus"), of_metrics] {
        assert_eq!(promtool(&["check", "metrics"], reply.text()), (true, String::new()));
    }
    let (is_fine, complaint) = promtool(&["check", "metrics"], "weir_x 1\n");
    assert!(!is_fine && complaint.contains("no help text"), "it does complain: {complaint}");
}

#[test]
#[ignore = "needs promtool: ci/prometheus.sh"]
fn promtool_has_no_complaint_of_the_alerts() {
    let path = Path::new(crate::ROOT).join("deploy/alerts.yml");
    let (is_fine, said) = promtool(&["check", "rules", path.to_str().unwrap()], "");
    assert!(is_fine && said.contains("SUCCESS"), "{said}");
}

#[test]
#[ignore = "needs promtool: ci/prometheus.sh"]
fn each_alert_fires_when_it_should_and_no_other() {
    for line in ALERTS.lines() {
        if let Some(alert) = line.trim().strip_prefix("- alert: ") {
            let fires = format!("alertname=\"{alert}\"");
            assert!(ALERTS_CASES.contains(&fires), "no case in which {alert} fires");
        }
    }
    let folder = Folder::new("alerts");
    folder.write("alerts.yml", ALERTS);
    let cases = folder.write("alerts.test.yml", ALERTS_CASES);
    let (is_fine, said) = promtool(&["test", "rules", cases.to_str().unwrap()], "");
    assert!(is_fine && said.contains("SUCCESS"), "{said}");
}

#[test]
#[ignore = "needs promtool: ci/prometheus.sh"]
fn promtool_reads_every_query_of_the_dashboard() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    // As recording rules, with Grafana's own variables put in.
    let rules = targets.enumerate().map(|(index, target)| {
        let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
        format!("  - {{record: \"query:{index}\", expr: {}}}\n", Value::String(query))
    });
    let rules = rules.collect::<String>();
    let folder = Folder::new("dashboard");
    let path = folder.write("rules.yml", &format!("groups:\n- name: dashboard\n  rules:\n{rules}"));
    let (is_fine, said) = promtool(&["check", "rules", path.to_str().unwrap()], "");
    assert!(is_fine && rules.lines().count() > 15, "{said}\n{rules}");
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-prometheus-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A Prometheus that scrapes a server, until it is dropped.
struct Prometheus {
    process: Child,
    address: String,
    agent: ureq::Agent,
    _folder: Folder,
}

impl Prometheus {
    fn scraping(name: &str, server: &Server, path: &str, extra: &str) -> Self {
        let folder = Folder::new(name);
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: weir\n  metrics_path: {path}\n{extra}  static_configs: [{{targets: [\"{}\"]}}]\n",
            server.address
        );
        let config = folder.write("prometheus.yml", &config);
        let mut prometheus = Command::new("prometheus");
        let process = prometheus
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.0.join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = process.unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let listening = log.find(|line| line.contains("msg=\"Listening on\"")).expect("it listens");
        let address = listening.split("address=").nth(1).unwrap().trim().to_owned();
        // Read on, so that it never waits for its log to be read.
        thread::spawn(move || log.for_each(drop));
        Self { process, address, agent: agent(), _folder: folder }
    }

    /// What its HTTP interface answers.
    fn ask(&self, resource: &str, name: &str, value: &str) -> Value {
        let url = format!("http://{}/api/v1/{resource}", self.address);
        let reply = self.agent.get(url).query(name, value).call().unwrap();
        // Before it is ready, it says so in plain text.
        serde_json::from_str(&reply.into_body().read_to_string().unwrap()).unwrap_or_default()
    }

    /// The value of the only series that a query finds, as soon as there is one.
    fn value(&self, query: &str) -> String {
        loop {
            let targets = self.ask("targets", "state", "active");
            let fault = targets["data"]["activeTargets"][0]["lastError"].as_str().unwrap_or_default();
            assert!(fault.is_empty() || fault.contains("deadline exceeded"), "{fault}");
            let answer = self.ask("query", "query", query);
            match answer["data"]["result"].as_array().map(Vec::as_slice) {
                Some([series]) => return series["value"][1].as_str().unwrap().to_owned(),
                Some([_, _, ..]) => panic!("{answer}"),
                // It has not come so far.
                _ => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs prometheus: ci/prometheus.sh"]
fn prometheus_scrapes_it_in_openmetrics_and_counts_what_was_ingested() {
    let server = busy_server();
    let prometheus = Prometheus::scraping("open", &server, "/metrics/prometheus", "");
    assert_eq!(prometheus.value("up == 1"), "1");
    assert_eq!(prometheus.value(r#"weir_ingest_events_total{verdict="accepted"}"#), "2");
    assert_eq!(prometheus.value("sum(weir_ingest_events_total)"), "4");
    assert_eq!(prometheus.value(r#"weir_window_events{attribute="plan",value="a \"b\" \\ \n c"}"#), "1");
    assert_eq!(prometheus.value("weir_build_info * 7"), "7");
    server.post(array((0..40).map(|i| event(&i.to_string()))));
    assert_eq!(prometheus.value(r#"weir_ingest_events_total{verdict="accepted"} > 2"#), "42");
    let type_of = |name: &str| {
        let answer = prometheus.ask("targets/metadata", "metric", name);
        answer["data"][0]["type"].as_str().unwrap_or_default().to_owned()
    };
    // The name without `_total` is how the family is called in OpenMetrics only, so that is what was scraped.
    assert_eq!(["weir_ingest_events", "weir_build"].map(type_of), ["counter", "info"]);
}

#[test]
#[ignore = "needs prometheus: ci/prometheus.sh"]
fn prometheus_scrapes_metrics_with_a_token() {
    let server = busy_server();
    server.set_tokens(&[(weir_api::Role::Read, "reader")]);
    let prometheus = Prometheus::scraping("token", &server, "/metrics", "  authorization: {credentials: reader}\n");
    assert_eq!(prometheus.value("up == 1"), "1");
    assert_eq!(prometheus.value(r#"weir_ingest_events_total{verdict="accepted"}"#), "2");
}
