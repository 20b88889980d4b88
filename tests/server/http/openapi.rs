//! `GET /openapi.json`, compared with the router and with real answers.

use crate::common::{NOON, Reply, Server, after_noon, array, event, gzip, problem, table, user};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Display;
use ureq::http::HeaderName;
use weir::EngineConfig;
use weir_api::Role;
use weir_server::limits;

fn description(server: &Server) -> Value {
    let reply = server.get("/openapi.json");
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    reply.json()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

/// A path with its parameters filled in.
fn filled(path: &str) -> String {
    path.replace("{user_id}", "u-1").replace("{file}", "style.css")
}

/// Validates `value` by a schema, which may refer to the schemas of the description.
fn assert_valid(description: &Value, schema: &Value, value: &Value, what: &str) {
    let mut whole = schema.clone();
    whole["components"] = description["components"].clone();
    // A member that is not described is an error.
    for (_, schema) in whole["components"]["schemas"].as_object_mut().unwrap() {
        if schema.get("properties").is_some() || schema.get("allOf").is_some() {
            schema["unevaluatedProperties"] = json!(false);
        }
    }
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
}

#[test]
fn the_description_and_the_router_know_the_same_methods() {
    let server = Server::start();
    let description = description(&server);
    assert_eq!(description["openapi"], "3.1.0");
    for (path, operations) in members(&description["paths"]) {
        let refused = server.request("DELETE", &filled(path), &[], None);
        assert_eq!(refused.problem(), problem(405, "method_not_allowed"), "{path}");
        let allowed: BTreeSet<_> = refused.header("allow").split(',').map(str::to_owned).collect();
        let mut described: BTreeSet<_> = members(operations).map(|(method, _)| method.to_uppercase()).collect();
        if described.contains("GET") {
            described.insert("HEAD".to_owned());
        }
        assert_eq!(described, allowed, "{path}");
    }
    let paths: Vec<_> = members(&description["paths"]).map(|(path, _)| path.as_str()).collect();
    for path in
        ["/events", "/metrics", "/metrics/series", "/metrics/stream", "/reference/users", "/readyz", "/openapi.json"]
    {
        assert!(paths.contains(&path), "{path} is not described");
    }
}

#[test]
fn every_operation_names_the_role_that_may_use_it() {
    let server = Server::start();
    let description = description(&server);
    server.set_tokens(&[(Role::Ingest, "i"), (Role::Admin, "a"), (Role::Read, "r")]);
    for (path, operations) in members(&description["paths"]) {
        for (method, operation) in members(operations) {
            let is_refused = server.request(&method.to_uppercase(), &filled(path), &[], None).status == 401;
            assert_eq!(operation.get("security").is_some(), is_refused, "{method} {path}");
            assert_eq!(operation["responses"].get("401").is_some(), is_refused, "{method} {path}");
            for (role, _) in operation["security"][0].as_object().into_iter().flatten() {
                assert_eq!(description["components"]["securitySchemes"][role]["scheme"], "bearer");
                let authorization = format!("Bearer {}", &role[..1]);
                let path = if path == "/metrics/stream" { "/metrics" } else { path };
                let reply =
                    server.request(&method.to_uppercase(), &filled(path), &[("authorization", &authorization)], None);
                assert!(![401, 403].contains(&reply.status), "{method} {path}: {reply:?}");
            }
        }
    }
    assert_eq!(server.get("/openapi.json").status, 200);
}

#[test]
fn every_example_is_valid_by_its_schema() {
    let server = Server::start();
    let description = description(&server);
    let mut count = 0;
    for (name, schema) in members(&description["components"]["schemas"]) {
        if let Some(example) = schema.get("example") {
            assert_valid(&description, &json!({ "$ref": format!("#/components/schemas/{name}") }), example, name);
            count += 1;
        }
    }
    for (path, operations) in members(&description["paths"]) {
        for (method, operation) in members(operations) {
            for (status, response) in members(&operation["responses"]) {
                let Some(content) = response["content"].get("application/problem+json") else { continue };
                for (name, example) in members(&content["examples"]) {
                    assert_eq!(example["value"]["status"].to_string(), *status, "{method} {path} {name}");
                    assert_valid(&description, &content["schema"], &example["value"], name);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 50, "{count} examples");
}

/// Statuses that no single request can cause: see the tests of overload, slow bodies, faults and readiness.
const NOT_REQUESTED: [&str; 3] = ["408", "500", "503"];

#[test]
fn real_answers_are_as_described_and_every_described_status_occurs() {
    let server = Server::builder().http(|http| http.max_body_bytes = 10_000).start();
    let description = description(&server);
    let mut missing: BTreeSet<(String, String, String)> = BTreeSet::new();
    for (path, operations) in members(&description["paths"]) {
        for (method, operation) in members(operations) {
            let statuses = members(&operation["responses"]).map(|(status, _)| status.clone());
            let asked = statuses.filter(|status| !NOT_REQUESTED.contains(&status.as_str()));
            missing.extend(asked.map(|status| (method.clone(), path.clone(), status)));
        }
    }
    let mut check = |path: &str, method: &str, reply: &Reply| {
        assert_described(&description, path, method, reply);
        missing.remove(&(method.to_owned(), path.to_owned(), reply.status.to_string()));
    };
    let mut send = |method: &str, path: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>| {
        let reply = server.request(&method.to_uppercase(), target, headers, body);
        check(path, method, &reply);
    };

    let (json, later) = (("content-type", "application/json"), after_noon(1));
    let (first, changed) = (table([user("u-1", "pro", "eu")], NOON), table([user("u-1", "free", "eu")], NOON));
    let (future, wrong) = (table([""], after_noon(120_001)), table([r#""u":7"#], &later));
    let too_large = vec![b' '; 10_001];
    let minimal = ("prefer", "return=minimal");
    let mixed = array([&event("a") as &dyn Display, &event("a"), &event("b").kind("refund"), &"7"]);
    for headers in [&[json][..], &[json, minimal]] {
        send("post", "/events", "/events", headers, Some(mixed.as_bytes()));
    }
    send("post", "/events", "/events", &[("content-encoding", "gzip")], Some(&gzip(event("c"))));
    for path in ["/events", "/reference/users"] {
        let method = if path == "/events" { "post" } else { "put" };
        send(method, path, path, &[], Some(b"[{"));
        send(method, path, path, &[("content-encoding", "gzip")], Some(b"x"));
        send(method, path, path, &[("content-encoding", "br")], Some(b"x"));
        send(method, path, path, &[("content-type", "text/csv")], Some(b"x"));
        send(method, path, path, &[], Some(&too_large));
    }
    let users = "/reference/users";
    send("get", users, users, &[], None);
    send("put", users, users, &[], Some(first.as_bytes()));
    send("put", users, users, &[], Some(changed.as_bytes()));
    send("put", users, users, &[], Some(future.as_bytes()));
    send("put", users, users, &[], Some(wrong.as_bytes()));
    send("put", users, users, &[("if-match", "\"9\"")], Some(table([""], &later).as_bytes()));
    let merge = ("content-type", "application/merge-patch+json");
    send(
        "patch",
        users,
        users,
        &[merge],
        Some(table([r#""u-2":{"plan":"free","region":"us"},"u-3":null"#], &later).as_bytes()),
    );
    send("patch", users, users, &[merge], Some(b"{"));
    send("patch", users, users, &[merge], Some(first.as_bytes()));
    send("patch", users, users, &[merge], Some(wrong.as_bytes()));
    send("patch", users, users, &[merge], Some(&too_large));
    send("patch", users, users, &[merge, ("if-none-match", "*")], Some(table([""], &later).as_bytes()));
    send("patch", users, users, &[], Some(first.as_bytes()));
    send("get", users, users, &[], None);
    send("get", users, users, &[("if-none-match", "\"2\"")], None);
    send("get", users, users, &[("if-match", "\"9\"")], None);
    for target in ["/reference/users/u-1", "/reference/users/unknown", "/reference/users/%ff"] {
        send("get", "/reference/users/{user_id}", target, &[], None);
    }
    for query in [
        "",
        "?window=60&type=click&plan=pro&plan=free",
        "?group_by=plan,region",
        "?window=60&end=1759924799",
        "?window=0",
        "?windw=1",
    ] {
        send("get", "/metrics", &format!("/metrics{query}"), &[], None);
    }
    for (path, accept) in [("/metrics", "text/plain"), ("/metrics/prometheus", "application/openmetrics-text")] {
        send("get", path, path, &[("accept", accept)], None);
        send("get", path, &format!("{path}?limit=1"), &[("accept", accept)], None);
    }
    for query in ["?window=60&step=30&region=eu", "?window=60&end=2025-10-08T11:59:59Z", "?step=7"] {
        send("get", "/metrics/series", &format!("/metrics/series{query}"), &[], None);
    }
    send("get", "/metrics/stream", "/metrics/stream?window=0", &[], None);
    for query in ["", "?limit=0"] {
        send("get", "/events/rejected", &format!("/events/rejected{query}"), &[], None);
    }
    for query in ["", "?limit=1"] {
        send("get", "/status", &format!("/status{query}"), &[], None);
    }
    for path in ["/healthz", "/livez", "/readyz", "/openapi.json"] {
        send("get", path, path, &[], None);
    }
    for (path, target) in [("/", "/"), ("/dashboard/{file}", "/dashboard/style.css")] {
        let tag = server.get(target).header("etag").to_owned();
        send("get", path, target, &[], None);
        send("get", path, target, &[("if-none-match", &tag)], None);
    }
    for file in ["main.js", "icon.svg", "nothing.js"] {
        send("get", "/dashboard/{file}", &format!("/dashboard/{file}"), &[], None);
    }
    let too_long = format!("?{}", "x".repeat(limits::TARGET_BYTES_MAX));
    for (path, operations) in members(&description["paths"]) {
        for (method, _) in members(operations) {
            send(method, path, &(filled(path) + &too_long), &[], None);
        }
    }
    server.set_tokens(&[(Role::Ingest, "i"), (Role::Admin, "a"), (Role::Read, "r")]);
    for (path, operations) in members(&description["paths"]) {
        for (method, operation) in members(operations).filter(|(_, operation)| operation.get("security").is_some()) {
            let other = if operation["security"][0].get("read").is_some() { "Bearer i" } else { "Bearer r" };
            send(method, path, &filled(path), &[], None);
            send(method, path, &filled(path), &[("authorization", other)], None);
        }
    }
    missing.remove(&("get".to_owned(), "/metrics/stream".to_owned(), "200".to_owned()));
    assert!(missing.is_empty(), "described, but did not occur: {missing:#?}");
    assert!(!members_named(&description, "parameters").contains(&&Value::Null), "a list is never null");
}

/// All members with this name in a document.
fn members_named<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    let within: Vec<&Value> = match value {
        Value::Object(members) => members.values().collect(),
        Value::Array(elements) => elements.iter().collect(),
        _ => vec![],
    };
    let deeper = within.into_iter().flat_map(|value| members_named(value, name));
    value.get(name).into_iter().chain(deeper).collect()
}

fn assert_described(description: &Value, path: &str, method: &str, reply: &Reply) {
    let response = &description["paths"][path][method]["responses"][reply.status.to_string()];
    let what = format!("{method} {path}: {} {}", reply.status, reply.text());
    assert!(response.is_object(), "{what} is not described");
    // Fields that describe the transfer, not the answer.
    let of_transport = ["cache-control", "content-length", "content-type", "date", "connection", "vary"];
    for name in reply.headers.keys().map(HeaderName::as_str).filter(|name| !of_transport.contains(name)) {
        let described = response["headers"].as_object().into_iter().flatten();
        assert!(
            described.map(|(name, _)| name.to_lowercase()).any(|known| known == name),
            "{what}: {name} is not described"
        );
    }
    if reply.body.is_empty() {
        assert!(response.get("content").is_none(), "{what} has no content");
        return;
    }
    let content = &response["content"][reply.header("content-type")];
    assert!(content.is_object(), "{what} is not of a described type");
    let is_json = reply.header("content-type").contains("json");
    let value = if is_json { reply.json() } else { Value::String(reply.text().to_owned()) };
    assert_valid(description, &content["schema"], &value, &what);
}

#[test]
fn the_description_has_the_configured_attributes_and_types() {
    let configure = |engine: &mut EngineConfig| {
        engine.attributes = vec!["tier".to_owned()];
        engine.event_types = vec!["buy".to_owned()];
        engine.retention_secs = 60;
    };
    let server = Server::builder().engine(configure).start();
    let description = description(&server);
    let text = description.to_string();
    assert!(!text.contains("{attribute}") && !text.contains("{event_type}") && !text.contains("by_plan"));
    let parameters = description["paths"]["/metrics"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<_> = parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["window", "end", "type", "tier", "group_by", "consistency"]);
    assert_eq!(parameters[0]["schema"]["maximum"], 60);
    server.put_users(&[], table([r#""u-1":{"tier":"gold"}"#], NOON));
    for (path, target) in [
        ("/metrics", "/metrics?group_by=tier"),
        ("/metrics/series", "/metrics/series"),
        ("/reference/users/{user_id}", "/reference/users/u-1"),
    ] {
        let reply = server.get(target);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_described(&description, path, "get", &reply);
    }
}

/// The query that a generated client writes for a parameter with these values (OpenAPI 3.1, 4.8.12: a list is repeated
/// by default).
fn written(parameter: &Value, values: &[&str]) -> String {
    let name = parameter["name"].as_str().unwrap();
    match parameter.get("explode").is_none_or(|explode| *explode == true) {
        true => values.iter().map(|value| format!("{name}={value}")).collect::<Vec<_>>().join("&"),
        false => format!("{name}={}", values.join(",")),
    }
}

#[test]
fn every_parameter_is_described_and_a_list_is_written_as_the_server_reads_it() {
    let server = Server::start();
    let description = description(&server);
    for (path, operations) in members(&description["paths"]) {
        for (method, operation) in members(operations) {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let has_text = |member: &str| parameter[member].as_str().is_some_and(|text| !text.is_empty());
                assert!(has_text("name") && has_text("description"), "{method} {path}: {parameter:#}");
            }
        }
    }
    server.post(array([event("a"), event("b").kind("view")]));
    server.put_users(&[], table([user("u-1", "pro", "eu")], NOON));
    let parameters = description["paths"]["/metrics"]["get"]["parameters"].as_array().unwrap();
    let values_of = |name: &str| match name {
        "window" => &["60"][..],
        "end" => &["1759924800"],
        "type" => &["click", "view"],
        "group_by" => &["plan", "region"],
        "plan" => &["free", "pro"],
        "consistency" => &["local"],
        _ => &["us", "eu"],
    };
    let query: Vec<_> = parameters.iter().map(|of| written(of, values_of(of["name"].as_str().unwrap()))).collect();
    let figures = server.get(&format!("/metrics?{}", query.join("&"))).json();
    assert_eq!(
        figures["groups"],
        json!([{ "plan": "pro", "region": "eu", "events": 2, "unique_users": 1 }]),
        "{query:?}"
    );
}
