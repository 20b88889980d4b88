//! The exposition in Prometheus itself, with the alerts and the dashboard of `deploy/`.
//!
//! The ignored tests need Debian's `prometheus` package (`ci/prometheus.sh`).

use crate::common::{
    NOON, Process, Raw, Running, Samples, Scratch, Server, agent, array, event, post_request, program, repository,
    table, user, wait_for, with_input,
};
use serde_json::Value;
use std::collections::BTreeSet;

const ALERTS: &str = include_str!("../../deploy/alerts.yml");
const ALERTS_CASES: &str = include_str!("alerts.test.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana-dashboard.json");

/// A server with a value for every metric.
fn busy_server() -> Server {
    let server = Server::builder().engine(|engine| engine.max_memory_bytes = Some(1 << 30)).start();
    server.put_users(&[], table([user("u-1", "a \\\"b\\\" \\\\ \\n c", "eu")], NOON));
    server.post(array([event("a"), event("a"), event("b").user("u-2").kind("view"), event("c").user("u-2").kind("?")]));
    server.get("/nowhere");
    server.get("/metrics");
    server
}

/// The names of all metrics: those of a busy server, of a server with a journal, and of a node of a cluster. None on a
/// machine without a NATS server.
fn all_names() -> Option<BTreeSet<String>> {
    let of_node = names_of_a_node()?;
    let scratch = Scratch::new();
    let running = Running::serve(&["--journal", &scratch.path("journal")]);
    running.stderr.line_with("the log is replayed");
    let ts = weir::format_ms(weir::Clock::now_ms(&weir::SystemClock));
    let mut connection = Raw::connect(running.address);
    connection.send(post_request(event("a").ts(ts)));
    assert_eq!(connection.reply().tally(), [1, 0, 0]);
    let of_journal = Samples::of(&connection.get("/metrics/prometheus")).names();
    let of_server = Samples::of(&busy_server().get("/metrics/prometheus")).names();
    Some(of_server.into_iter().chain(of_journal).chain(of_node).collect())
}

#[cfg(feature = "cluster")]
fn names_of_a_node() -> Option<BTreeSet<String>> {
    Some(crate::cluster::metrics_of_a_node()?.names())
}

#[cfg(not(feature = "cluster"))]
fn names_of_a_node() -> Option<BTreeSet<String>> {
    None
}

/// The names of metrics in a text.
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
fn every_metric_of_the_alerts_and_the_dashboard_exists() {
    let Some(names) = all_names() else { return };
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    for text in strings(&dashboard).into_iter().chain([ALERTS]) {
        for name in mentioned(text) {
            assert!(names.contains(name), "{name} in {text}");
        }
    }
    assert!(mentioned(DASHBOARD).len() > 20 && mentioned(ALERTS).len() > 5);
}

#[test]
fn the_documentation_lists_every_metric() {
    let manual = include_str!("../../docs/operations.md");
    for name in all_names().into_iter().flatten() {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
        assert!(manual.contains(&format!("| `{family}")), "{family}");
    }
}

/// Runs promtool with an input; returns whether it succeeds, and its output.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let output = with_input(&mut program("promtool", arguments), input);
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}

#[test]
#[ignore = "needs promtool: ci/prometheus.sh"]
fn promtool_accepts_the_classic_format() {
    let server = busy_server();
    let of_metrics = server.get_with(&[("accept", "text/plain")], "/metrics");
    for reply in [server.get("/metrics/prometheus"), of_metrics] {
        assert_eq!(promtool(&["check", "metrics"], reply.text()), (true, String::new()));
    }
    let (is_valid, complaint) = promtool(&["check", "metrics"], "weir_x 1\n");
    assert!(!is_valid && complaint.contains("no help text"), "promtool finds no fault: {complaint}");
}

#[test]
#[ignore = "needs promtool: ci/prometheus.sh"]
fn promtool_accepts_the_alerts() {
    let path = repository("deploy/alerts.yml");
    let (is_valid, printed) = promtool(&["check", "rules", path.to_str().unwrap()], "");
    assert!(is_valid && printed.contains("SUCCESS"), "{printed}");
}

#[test]
#[ignore = "needs promtool: ci/prometheus.sh"]
fn each_alert_fires_in_its_case_and_no_other_alert_fires() {
    for line in ALERTS.lines() {
        if let Some(alert) = line.trim().strip_prefix("- alert: ") {
            let fires = format!("alertname=\"{alert}\"");
            assert!(ALERTS_CASES.contains(&fires), "no case in which {alert} fires");
        }
    }
    let scratch = Scratch::new();
    scratch.file("alerts.yml", ALERTS);
    let cases = scratch.file("alerts.test.yml", ALERTS_CASES);
    let (is_valid, printed) = promtool(&["test", "rules", &cases], "");
    assert!(is_valid && printed.contains("SUCCESS"), "{printed}");
}

#[test]
#[ignore = "needs promtool: ci/prometheus.sh"]
fn promtool_parses_every_query_of_the_dashboard() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    // The queries become recording rules, with a value for Grafana's own variable.
    let rules = targets.enumerate().map(|(index, target)| {
        let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
        format!("  - {{record: \"query:{index}\", expr: {}}}\n", Value::String(query))
    });
    let rules = rules.collect::<String>();
    let scratch = Scratch::new();
    let path = scratch.file("rules.yml", format!("groups:\n- name: dashboard\n  rules:\n{rules}"));
    let (is_valid, printed) = promtool(&["check", "rules", &path], "");
    assert!(is_valid && rules.lines().count() > 15, "{printed}\n{rules}");
}

/// A Prometheus that scrapes a server, until it is dropped.
struct Prometheus {
    address: String,
    agent: ureq::Agent,
    _process: Process,
    _scratch: Scratch,
}

impl Prometheus {
    fn scraping(server: &Server, path: &str, extra: &str) -> Self {
        let scratch = Scratch::new();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n- job_name: weir\n  metrics_path: {path}\n\
             {extra}  static_configs: [{{targets: [\"{}\"]}}]\n",
            server.address
        );
        let config = format!("--config.file={}", scratch.file("prometheus.yml", config));
        let storage = format!("--storage.tsdb.path={}", scratch.path("data"));
        let args = [&config, &storage, "--web.listen-address=127.0.0.1:0"];
        let process = Process::start(&mut program("prometheus", &args));
        let line = process.stderr.line_with("msg=\"Listening on\"");
        let address = line.split("address=").nth(1).unwrap().to_owned();
        Self { address, agent: agent(), _process: process, _scratch: scratch }
    }

    /// The answer of its HTTP interface.
    fn ask(&self, resource: &str, name: &str, value: &str) -> Value {
        let url = format!("http://{}/api/v1/{resource}", self.address);
        let reply = self.agent.get(url).query(name, value).call().unwrap();
        // Before it is ready, it answers with plain text.
        serde_json::from_str(&reply.into_body().read_to_string().unwrap()).unwrap_or_default()
    }

    /// The value of the only series that a query finds, once there is one.
    fn value(&self, query: &str) -> String {
        wait_for(query, || {
            let targets = self.ask("targets", "state", "active");
            let fault = targets["data"]["activeTargets"][0]["lastError"].as_str().unwrap_or_default();
            assert!(fault.is_empty() || fault.contains("deadline exceeded"), "{fault}");
            let answer = self.ask("query", "query", query);
            match answer["data"]["result"].as_array().map(Vec::as_slice) {
                Some([series]) => Some(series["value"][1].as_str().unwrap().to_owned()),
                Some([_, _, ..]) => panic!("{answer}"),
                _ => None,
            }
        })
    }
}

#[test]
#[ignore = "needs prometheus: ci/prometheus.sh"]
fn prometheus_scrapes_openmetrics_and_has_the_counts() {
    let server = busy_server();
    let prometheus = Prometheus::scraping(&server, "/metrics/prometheus", "");
    assert_eq!(prometheus.value("up == 1"), "1");
    assert_eq!(prometheus.value(r#"weir_ingest_events_total{verdict="accepted"}"#), "2");
    assert_eq!(prometheus.value("sum(weir_ingest_events_total)"), "4");
    assert_eq!(prometheus.value(r#"weir_window_events{attribute="plan",value="a \"b\" \\ \n c"}"#), "1");
    assert_eq!(prometheus.value("weir_build_info * 7"), "7");
    server.post(array((0..40).map(event)));
    assert_eq!(prometheus.value(r#"weir_ingest_events_total{verdict="accepted"} > 2"#), "42");
    let type_of = |name: &str| {
        let answer = prometheus.ask("targets/metadata", "metric", name);
        answer["data"][0]["type"].as_str().unwrap_or_default().to_owned()
    };
    // Only OpenMetrics names a family without `_total`, so that format was scraped.
    assert_eq!(["weir_ingest_events", "weir_build"].map(type_of), ["counter", "info"]);
}

#[test]
#[ignore = "needs prometheus: ci/prometheus.sh"]
fn prometheus_scrapes_metrics_with_a_token() {
    let server = busy_server();
    server.set_tokens(&[(weir_api::Role::Read, "reader")]);
    let prometheus = Prometheus::scraping(&server, "/metrics", "  authorization: {credentials: reader}\n");
    assert_eq!(prometheus.value("up == 1"), "1");
    assert_eq!(prometheus.value(r#"weir_ingest_events_total{verdict="accepted"}"#), "2");
}
