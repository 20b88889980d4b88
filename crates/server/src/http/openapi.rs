//! `GET /openapi.json`: the OpenAPI 3.1 description of the HTTP API.
//!
//! Each handler declares its parameters and responses next to its code, and the router is made from the same list.
//! Names that depend on the configuration are placeholders. `{attribute}` in the name of a member or a parameter stands
//! for one of each configured attribute. `{event_type}` stands for a configured event type.

use crate::http::auth::role_needed_by;
use crate::http::openapi_errors::{self, ACCESS_DENIED, OF_ALL};
use crate::http::response::json_response;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use weir::EngineConfig;
use weir_api::{ATTRIBUTE, EVENT_TYPE, ProblemDocument, Role, headers};

/// The parts of the document that no other operation declares.
#[derive(OpenApi)]
#[openapi(
    paths(show),
    info(
        title = "weir",
        description = "Ingests events and computes exact metrics of sliding windows.\n\n\
            Every response that is neither 2xx nor 304 is a problem document (RFC 9457) with a stable `code`. \
            If a request head is not valid HTTP/1.1 or HTTP/1.0, the server sends 400 or 431 and closes the \
            connection. `HEAD` works wherever `GET` does. Query strings are parsed like HTML forms: `+` is a space, \
            and a `%` that starts no escape stands for itself. Responses of more than 4 KiB are compressed with gzip \
            or zstd if `Accept-Encoding` allows it; streams never are. The server can allow web pages of other origins \
            to read and to post events. Then it answers their preflights."
    ),
    components(schemas(ProblemDocument)),
    tags(
        (name = "events", description = "Ingestion of events."),
        (name = "reference", description = "The reference table: attributes of users, which enrich events."),
        (name = "metrics", description = "Metrics of sliding windows."),
        (name = "service", description = "Health, the metrics of the server, the dashboard and this document."),
    )
)]
pub(super) struct BaseDocument;

/// The path of the document.
pub(super) const PATH: &str = "/openapi.json";

/// The OpenAPI description of this API.
#[utoipa::path(
    get, path = PATH, tag = "service", operation_id = "describe",
    responses(
        (status = 200, description = "The OpenAPI 3.1 document.", content_type = "application/json", body = Object)
    )
)]
pub(super) async fn show(State(OpenApiText(text)): State<OpenApiText>) -> Response {
    let mut response = json_response(text);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The text of the document.
#[derive(Clone, Debug)]
pub(super) struct OpenApiText(Bytes);

/// The description of an API whose engine has these settings. `takes_text` says whether events may be sent as text.
pub(super) fn describe(document: &Document, config: &EngineConfig, takes_text: bool) -> OpenApiText {
    let mut document = serde_json::to_value(document).expect("a description always serializes");
    expand(&mut document, config);
    let schemes = Role::ALL.map(|role| (role.name().to_owned(), json!({ "type": "http", "scheme": "bearer" })));
    document["components"]["securitySchemes"] = Value::Object(schemes.into_iter().collect());
    for (path, operations) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            complete(path, method, operation, config);
        }
    }
    if takes_text {
        let content = &mut document["paths"]["/events"]["post"]["requestBody"]["content"];
        content[headers::TEXT_PLAIN] = content[headers::JSON].clone();
    }
    OpenApiText(serde_json::to_vec(&document).expect("a description always serializes").into())
}

/// Adds the parts that every operation has: its role, the responses to unauthorized requests, and the responses that do
/// not depend on the operation.
fn complete(path: &str, method: &str, operation: &mut Value, config: &EngineConfig) {
    let method = method.to_ascii_uppercase().parse().expect("the name of a method");
    let role = role_needed_by(&method, path);
    if let Some(role) = role {
        // The empty requirement says that the token is optional: a role without a token is open to everyone.
        operation["security"] = json!([{ role.name(): [] }, {}]);
    }
    let responses = openapi_errors::responses(if role.is_some() { &ACCESS_DENIED } else { &[] })
        .into_iter()
        .chain(openapi_errors::responses(&OF_ALL));
    for (status, response) in responses {
        operation["responses"][status] = serde_json::to_value(response).expect("a description always serializes");
    }
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        if parameter["name"] == "window" {
            parameter["schema"]["maximum"] = config.retention_secs.into();
        }
    }
}

/// Replaces the placeholders by the configured names.
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

/// The names that a name with a placeholder stands for.
fn named(name: &str, config: &EngineConfig) -> Vec<String> {
    if name.contains(ATTRIBUTE) {
        return config.attributes.iter().map(|attribute| name.replace(ATTRIBUTE, attribute)).collect();
    }
    vec![name.replace(EVENT_TYPE, &config.event_types[0])]
}

/// A copy of an object with this `name`.
fn with_name(object: &Value, name: String) -> Map<String, Value> {
    let mut members = object.as_object().cloned().unwrap_or_default();
    members.insert("name".to_owned(), Value::String(name));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_by_the_configured_names() {
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
