//! The dashboard of Grafana that asks the server itself, by the Infinity data source: each of its queries against a
//! server.

use crate::common::{NOON, NOON_MS, Server, array, event, table, user};
use serde_json::Value;
use weir::{EngineConfig, parse_ms};

const DASHBOARD: &str = include_str!("../../deploy/grafana-events.json");

/// What the plugin accepts unless a query says otherwise. By weight, it prefers text to JSON.
const PLUGIN_ACCEPT: &str = "application/json;q=0.9,text/plain";

/// Grafana's variable for the end of the time range of the dashboard.
const RANGE_END: &str = "${__to:date:seconds}";

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap()
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().unwrap()
}

/// The variables that a user chooses from a list: the name and the values of each.
fn variables(dashboard: &Value) -> Vec<(&str, Vec<&str>)> {
    let variables = list(&dashboard["templating"], "list").iter().filter(|variable| text(variable, "type") == "custom");
    let values = |variable| list(variable, "options").iter().map(|option| text(option, "value")).collect();
    variables.map(|variable| (text(variable, "name"), values(variable))).collect()
}

/// A URL with each combination of the variables' values.
fn with_variables(url: &str, dashboard: &Value) -> Vec<String> {
    let mut urls = vec![url.to_owned()];
    for (name, values) in variables(dashboard) {
        let placeholder = format!("${{{name}}}");
        if url.contains(&placeholder) {
            let replaced =
                |url: &String| values.iter().map(|value| url.replace(&placeholder, value)).collect::<Vec<_>>();
            urls = urls.iter().flat_map(replaced).collect();
        }
    }
    urls
}

/// How far the dashboard keeps the end of its time range behind the browser's clock, in seconds.
fn delay_secs(dashboard: &Value) -> i64 {
    text(&dashboard["timepicker"], "nowDelay").strip_suffix('s').unwrap().parse().unwrap()
}

/// The `Accept` field of a query.
fn accept(target: &Value) -> &str {
    let mut fields = list(&target["url_options"], "headers").iter();
    let accept = fields.rfind(|field| text(field, "key") == "Accept");
    accept.map_or(PLUGIN_ACCEPT, |field| text(field, "value"))
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "number" => value.is_number(),
        "timestamp" => value.as_str().is_some_and(|text| parse_ms(text.as_bytes()).is_some()),
        // The group of unknown users has no values.
        "string" => value.is_string() || value.is_null(),
        _ => false,
    }
}

/// The answer has what the target selects.
fn assert_selected(target: &Value, answer: &Value) {
    let root = match text(target, "root_selector") {
        "" => answer,
        member => &answer[member],
    };
    let rows = root.as_array().cloned().unwrap_or_else(|| vec![root.clone()]);
    assert!(!rows.is_empty(), "{target:#}\n{answer:#}");
    for row in rows {
        let members = row.as_object().unwrap();
        // Without columns, each member is a column, and all of them are numbers.
        assert!(!members.is_empty(), "{target:#}\n{answer:#}");
        assert!(!list(target, "columns").is_empty() || members.values().all(Value::is_number), "{row:#}");
        for column in list(target, "columns") {
            let selected = members.get(text(column, "selector"));
            let is_selected = selected.is_some_and(|value| is_of_type(value, text(column, "type")));
            assert!(is_selected, "{column:#}\n{row:#}");
        }
    }
}

#[test]
fn every_query_of_the_dashboard_is_answered_with_what_it_selects() {
    let server = Server::start();
    server.put_users(&[], table([user("u-1", "pro", "eu")], NOON));
    server.post(array([event("a"), event("b").user("u-2").kind("view"), event("c").kind("purchase")]));
    let dashboard = dashboard();
    let delay_secs = delay_secs(&dashboard);
    server.clock.advance(delay_secs * 1_000);
    let end = (NOON_MS / 1_000).to_string();
    let mut queries = 0;
    for panel in list(&dashboard, "panels") {
        for target in list(panel, "targets") {
            assert_eq!(
                [text(target, "type"), text(target, "source"), text(target, "parser")],
                ["json", "url", "backend"]
            );
            let url = text(target, "url");
            assert!(url.contains(RANGE_END) && url.contains("${window}"), "{url}");
            for url in with_variables(&url.replace(RANGE_END, &end), &dashboard) {
                assert!(!url.contains('$'), "{url}");
                let reply = server.get_with(&[("accept", accept(target))], &url);
                assert_eq!(reply.status, 200, "{url}: {reply:?}");
                assert_eq!(reply.json()["end"], NOON);
                assert_selected(target, &reply.json());
                queries += 1;
            }
        }
    }
    assert!(queries > 50, "{queries} queries");
}

#[test]
fn every_window_of_the_dashboard_leaves_room_to_look_back() {
    let dashboard = dashboard();
    let variables = variables(&dashboard);
    let (_, windows) = variables.iter().find(|(name, _)| *name == "window").unwrap();
    let retention_secs = i64::from(EngineConfig::default().retention_secs);
    for window_secs in windows {
        let window_secs: i64 = window_secs.parse().unwrap();
        assert!(window_secs + 60 * delay_secs(&dashboard) <= retention_secs, "{window_secs}");
    }
    for variable in list(&dashboard["templating"], "list").iter().filter(|variable| text(variable, "type") == "custom")
    {
        let shown: Vec<_> = text(variable, "query").split(',').map(|pair| pair.rsplit(" : ").next().unwrap()).collect();
        let values: Vec<_> = list(variable, "options").iter().map(|option| text(option, "value")).collect();
        assert_eq!(shown, values, "Grafana makes the list anew from the query");
        assert!(values.contains(&text(&variable["current"], "value")));
    }
}
