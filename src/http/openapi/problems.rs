//! The answers of refusals, made of the refusals themselves.

use crate::http::auth::Role;
use crate::http::problem::{Document, Overload, Problem};
use crate::reference::ReferenceError;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::IntoResponses;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response};

/// Problems, made when they are asked for: they are no constants.
pub(super) type Problems = [fn() -> Problem];

/// The answers to who has no token, or another role's.
pub(super) const STRANGER: [fn() -> Problem; 3] = [
    || Problem::Unauthorized { has_token: false },
    || Problem::Unauthorized { has_token: true },
    || Problem::Forbidden(Role::Ingest),
];

/// The answer when the server itself is at fault.
pub(super) const FAULT: [fn() -> Problem; 1] = [|| Problem::Internal];

/// Names a set of problems for `responses(…)`.
macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident: [$($problem:expr),* $(,)?];)*) => {$(
        $(#[$doc])*
        pub(in crate::http) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let problems: &Problems = &[$(|| $problem),*];
                responses(problems)
            }
        }
    )*};
}

/// How large the body may be that the examples speak of.
const EXAMPLE_BYTES: usize = crate::limits::BODY_BYTES_DEFAULT;

sets! {
    /// Of a batch of events.
    OfBatch: [
        Problem::MalformedJson { offset: 17 },
        Problem::MalformedEncoding,
        Problem::RequestTimeout(Duration::from_secs(30)),
        Problem::PayloadTooLarge { max_bytes: EXAMPLE_BYTES },
        Problem::TooManyEvents { max: crate::limits::BATCH_EVENTS_DEFAULT },
        Problem::UnsupportedMediaType(&crate::http::events::ACCEPTS),
        Problem::UnsupportedEncoding,
        Problem::Overloaded(Overload::Admission),
    ];
    /// Of a table that replaces the one in force.
    OfTable: [
        Problem::MalformedJson { offset: 17 },
        Problem::MalformedEncoding,
        Problem::RequestTimeout(Duration::from_secs(30)),
        Problem::Reference(ReferenceError::Stale { current_ts_ms: 1_759_926_896_789, current: 7 }),
        Problem::Reference(ReferenceError::GenerationMismatch { current: 7 }),
        Problem::PayloadTooLarge { max_bytes: EXAMPLE_BYTES },
        Problem::UnsupportedMediaType(&crate::http::reference::REPLACE_ACCEPTS),
        Problem::UnsupportedEncoding,
        Problem::Reference(ReferenceError::Invalid {
            pointer: "/user_metadata/u-1/{attribute}".to_owned(),
            detail: "the value is not a string".to_owned(),
        }),
        Problem::Reference(ReferenceError::TimestampInFuture { ahead_ms: 120_001, max_skew_ms: 120_000 }),
        Problem::Overloaded(Overload::Room),
    ];
    /// Of a patch of the table, beside those of a table.
    OfPatch: [Problem::UnsupportedMediaType(&crate::http::reference::MERGE_ACCEPTS), Problem::UnsupportedEncoding];
    /// Of a look at the table.
    OfSummary: [Problem::Reference(ReferenceError::GenerationMismatch { current: 7 }), Problem::Overloaded(Overload::Turns)];
    /// Of a look at a file.
    OfFile: [Problem::NotFound];
    /// Of a look at one user.
    OfUser: [
        Problem::InvalidParameter("the user id in the path is not UTF-8".to_owned()),
        Problem::UnknownUser,
        Problem::Overloaded(Overload::Turns),
    ];
    /// Of a question about a window.
    OfWindow: [
        Problem::InvalidWindow { max_secs: 1_800 },
        Problem::InvalidParameter("\"windw\" is not a parameter here".to_owned()),
        Problem::Overloaded(Overload::Turns),
    ];
    /// Of a look at the service's own figures.
    OfExposition: [
        Problem::InvalidParameter("\"windw\" is not a parameter here".to_owned()),
        Problem::Overloaded(Overload::Turns),
    ];
    /// Of `GET /status`.
    OfStatus: [
        Problem::InvalidParameter("\"windw\" is not a parameter here".to_owned()),
        Problem::Overloaded(Overload::Bodies),
    ];
    /// Of a question about anything else.
    OfParameter: [
        Problem::InvalidParameter("limit must be a whole number, 1 to 1000".to_owned()),
        Problem::Overloaded(Overload::Bodies),
    ];
    /// Of a server that should get no traffic.
    OfReadiness: [Problem::NotReady("draining: the server is about to stop".to_owned())];
}

/// The answers that these problems come to, by status.
pub(super) fn responses(problems: &Problems) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for problem in problems {
        let problem = problem();
        by_status.entry(problem.document().status.to_string()).or_default().push(problem);
    }
    by_status.into_iter().map(|(status, problems)| (status, response(problems).into())).collect()
}

fn response(problems: Vec<Problem>) -> Response {
    let documents: Vec<Document> = problems.iter().map(Problem::document).collect();
    let mut titles: Vec<&str> = documents.iter().map(|document| document.title).collect();
    titles.dedup();
    let example = |(number, document): (usize, &Document)| {
        let value = serde_json::to_value(document).expect("strings and numbers always serialise");
        let name = format!("{}{}", document.code, if number == 0 { String::new() } else { format!("-{number}") });
        (name, ExampleBuilder::new().summary(document.title).value(Some(value)).build())
    };
    let numbered = documents.iter().enumerate().map(|(index, document)| {
        let number = documents[..index].iter().filter(|other| other.code == document.code).count();
        (number, document)
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(numbered.map(example))
        .build();
    let mut response = Response::new(titles.join(", or "));
    response.content.insert("application/problem+json".to_owned(), content.into());
    for headers in problems.into_iter().map(|problem| problem.into_response().into_parts().0.headers) {
        for (name, value) in headers.iter().filter(|(name, _)| **name != CONTENT_TYPE && **name != CACHE_CONTROL) {
            let text = ObjectBuilder::new().schema_type(Type::String).examples([value.to_str().unwrap_or_default()]);
            response.headers.insert(name.to_string(), HeaderBuilder::new().schema(Some(text)).build().into());
        }
    }
    response
}
