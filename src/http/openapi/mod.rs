//! `GET /openapi.json`: this interface, described (OpenAPI 3.1).
//!
//! The handlers say what they take and answer, beside their code; the router is made of the same list. What depends on the
//! configuration stands in it as a placeholder: `{attribute}` in the name of a member or a parameter stands for one of each
//! configured attribute, and `{event_type}` for a configured type.

pub(super) mod bodies;
pub(super) mod parameters;
pub(super) mod problems;

use crate::config::EngineConfig;
use crate::http::problem::Document as Problem;
use crate::http::{App, Role, json_response};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use bytes::Bytes;
use problems::{FAULT, STRANGER};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

/// What all operations have in common.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "weir",
        description = "Takes events and answers exact questions about the last minutes.\n\nEvery answer that is neither 2xx nor 304 is a problem document (RFC 9457) with a stable `code`. A head that is not one of HTTP/1.1 or 1.0 gets 400 or 431 and the end of the connection. `HEAD` works wherever `GET` does. Query strings are read as HTML forms write them: `+` is a space, and a `%` that begins no escape stands for itself."
    ),
    components(schemas(Problem)),
    tags(
        (name = "events", description = "Sending events."),
        (name = "reference", description = "The table of users that events are enriched by."),
        (name = "metrics", description = "Figures of sliding windows."),
        (name = "service", description = "Health, and this description."),
    )
)]
pub(super) struct Base;

/// This interface, described.
#[utoipa::path(
    get, path = "/openapi.json", tag = "service", operation_id = "describe",
    responses((status = 200, description = "An OpenAPI 3.1 document.", content_type = "application/json", body = Object))
)]
pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    let mut response = json_response(app.description.clone());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The description of an interface with these settings.
pub(super) fn describe(document: &Document, config: &EngineConfig) -> Bytes {
    let mut document = serde_json::to_value(document).expect("a description always serialises");
    expand(&mut document, config);
    let schemes = Role::ALL.map(|role| (role.name().to_owned(), json!({ "type": "http", "scheme": "bearer" })));
    document["components"]["securitySchemes"] = Value::Object(schemes.into_iter().collect());
    for (path, operations) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            complete(path, method, operation, config);
        }
    }
    serde_json::to_vec(&document).expect("a description always serialises").into()
}

/// Adds what every operation has: its role, the answers to strangers, and that to a fault of the server's own.
fn complete(path: &str, method: &str, operation: &mut Value, config: &EngineConfig) {
    let method = method.to_ascii_uppercase().parse().expect("the name of a method");
    let role = Role::needed_by(&method, path);
    if let Some(role) = role {
        // A role without a token is open to everyone.
        operation["security"] = json!([{ role.name(): [] }, {}]);
    }
    let answers = problems::responses(if role.is_some() { &STRANGER } else { &[] })
        .into_iter()
        .chain(problems::responses(&FAULT));
    for (status, answer) in answers {
        operation["responses"][status] = serde_json::to_value(answer).expect("a description always serialises");
    }
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        if parameter["name"] == "window" {
            parameter["schema"]["maximum"] = config.retention_secs.into();
        }
    }
}

/// Puts the configured names in the place of the placeholders.
fn expand(value: &mut Value, config: &EngineConfig) {
    match value {
        Value::Object(members) => {
            let expanded = std::mem::take(members).into_iter().flat_map(|(name, mut value)| {
                expand(&mut value, config);
                named(&name, config).into_iter().map(move |name| (name, value.clone()))
            });
            *members = expanded.collect::<Map<_, _>>();
        }
        Value::Array(elements) => {
            let expanded = std::mem::take(elements).into_iter().flat_map(|mut element| {
                let names = element["name"].as_str().or(element.as_str()).map(|name| named(name, config));
                expand(&mut element, config);
                let renamed = |name: String| match &element {
                    Value::Object(_) => Value::Object(with_name(&element, name)),
                    _ => Value::String(name),
                };
                names.map_or_else(|| vec![element.clone()], |names| names.into_iter().map(renamed).collect())
            });
            *elements = expanded.collect();
        }
        Value::String(text) => {
            *text = text.replace(EVENT_TYPE, &config.event_types[0]).replace(ATTRIBUTE, &config.attributes[0]);
        }
        _ => {}
    }
}

const ATTRIBUTE: &str = "{attribute}";
const EVENT_TYPE: &str = "{event_type}";

/// The names that one stands for.
fn named(name: &str, config: &EngineConfig) -> Vec<String> {
    if name.contains(ATTRIBUTE) {
        return config.attributes.iter().map(|attribute| name.replace(ATTRIBUTE, attribute)).collect();
    }
    vec![name.replace(EVENT_TYPE, &config.event_types[0])]
}

fn with_name(object: &Value, name: String) -> Map<String, Value> {
    let mut members = object.as_object().cloned().unwrap_or_default();
    members.insert("name".to_owned(), Value::String(name));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_the_configured_names() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let mut config = EngineConfig::default();
        (config.attributes, config.event_types) = (names(&["tier", "land"]), names(&["buy"]));
        let mut value = json!({
            "properties": { "by_{attribute}": { "type": "object" }, "events": 7 },
            "required": ["by_{attribute}", "events"],
            "parameters": [{ "name": "{attribute}", "in": "query" }, { "name": "window" }],
            "example": { "by_type": { "{event_type}": 7 }, "type": "{event_type}", "list": [1, ["{attribute}"]] }
        });
        expand(&mut value, &config);
        assert_eq!(
            value,
            json!({
                "properties": { "by_tier": { "type": "object" }, "by_land": { "type": "object" }, "events": 7 },
                "required": ["by_tier", "by_land", "events"],
                "parameters": [
                    { "name": "tier", "in": "query" }, { "name": "land", "in": "query" }, { "name": "window" }
                ],
                "example": { "by_type": { "buy": 7 }, "type": "buy", "list": [1, ["tier", "land"]] }
            })
        );
    }
}
