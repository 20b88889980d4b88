//! The error responses of each operation in the OpenAPI document, made from the problems themselves.

use crate::http::media_type::{self, UnsupportedMediaType};
use crate::http::problem::{Overload, Problem};
use crate::limits;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::IntoResponses;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response};
use weir::ReferenceError;
use weir_api::{ProblemDocument, Role};

/// Functions that make problems, because a problem is not a constant.
pub(super) type Problems = [fn() -> Problem];

/// The problems of a request that its client may not make.
pub(super) const ACCESS_DENIED: [fn() -> Problem; 5] = [
    || Problem::Unauthorized { has_token: false },
    || Problem::Unauthorized { has_token: true },
    || Problem::Forbidden(Role::Ingest),
    || Problem::ForbiddenOrigin,
    || Problem::ForbiddenHost { host: "weir.example".to_owned() },
];

/// The problems of every operation: a target that is too long, and a bug in the server.
pub(super) const OF_ALL: [fn() -> Problem; 2] = [|| Problem::UriTooLong, || Problem::Internal];

/// Defines sets of problems for `responses(…)`.
macro_rules! error_responses {
    ($($(#[$doc:meta])* $name:ident: [$($problem:expr),* $(,)?];)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let problems: &Problems = &[$(|| $problem),*];
                responses(problems)
            }
        }
    )*};
}

/// The problem of a request that comes before the log is replayed.
const REPLAYING: Problem = Problem::Replaying { replayed: 12, total: 340 };

/// The body size limit in the examples.
const EXAMPLE_BYTES: usize = limits::BODY_BYTES_DEFAULT;

error_responses! {
    /// The errors of `POST /events`.
    IngestErrors: [
        Problem::MalformedJson { offset: 17 },
        Problem::MalformedEncoding,
        Problem::RequestTimeout(Duration::from_secs(30)),
        Problem::PayloadTooLarge { max_bytes: EXAMPLE_BYTES },
        Problem::TooManyEvents { max: weir::limits::BATCH_EVENTS_DEFAULT },
        UnsupportedMediaType(&media_type::EVENTS).into(),
        Problem::UnsupportedEncoding,
        Problem::Overloaded(Overload::AdaptiveLimit),
        Problem::LogUnavailable,
        REPLAYING,
    ];
    /// The errors of `PUT /reference/users`.
    ReplaceErrors: [
        Problem::MalformedJson { offset: 17 },
        Problem::MalformedEncoding,
        Problem::RequestTimeout(Duration::from_secs(30)),
        Problem::Reference(ReferenceError::Stale { current_ts_ms: 1_759_926_896_789, current: 7 }),
        Problem::Reference(ReferenceError::GenerationMismatch { current: 7 }),
        Problem::PayloadTooLarge { max_bytes: EXAMPLE_BYTES },
        UnsupportedMediaType(&media_type::REFERENCE_TABLE).into(),
        Problem::UnsupportedEncoding,
        Problem::Reference(ReferenceError::Invalid {
            pointer: "/user_metadata/u-1/{attribute}".to_owned(),
            detail: "the value is not a string".to_owned(),
        }),
        Problem::Reference(ReferenceError::TimestampInFuture { ahead_ms: 120_001, max_skew_ms: 120_000 }),
        Problem::Overloaded(Overload::EngineFull),
        Problem::LogUnavailable,
        REPLAYING,
    ];
    /// The errors of `PATCH /reference/users`, in addition to [`ReplaceErrors`].
    PatchErrors: [UnsupportedMediaType(&media_type::REFERENCE_PATCH).into(), Problem::UnsupportedEncoding];
    /// The errors of `GET /reference/users`.
    SummaryErrors: [
        Problem::Reference(ReferenceError::GenerationMismatch { current: 7 }),
        Problem::Overloaded(Overload::QueueFull),
        Problem::NotUpToDate,
        REPLAYING,
    ];
    /// The errors of `GET /dashboard/{file}`.
    FileErrors: [Problem::NotFound];
    /// The errors of `GET /reference/users/{user_id}`.
    UserErrors: [
        Problem::InvalidParameter("the user id in the path is not UTF-8".to_owned()),
        Problem::UnknownUser,
        Problem::Overloaded(Overload::QueueFull),
        Problem::NotUpToDate,
        REPLAYING,
    ];
    /// The errors of the queries of a window: `/metrics`, `/metrics/series` and `/metrics/stream`.
    QueryErrors: [
        Problem::InvalidWindow { max_secs: 1_800 },
        Problem::InvalidParameter("\"windw\" is not a parameter here".to_owned()),
        Problem::Overloaded(Overload::QueueFull),
        Problem::NotUpToDate,
        REPLAYING,
    ];
    /// The errors of `GET /metrics/prometheus`.
    ExpositionErrors: [
        Problem::InvalidParameter("\"windw\" is not a parameter here".to_owned()),
        Problem::Overloaded(Overload::QueueFull),
    ];
    /// The errors of `GET /status`.
    StatusErrors: [
        Problem::InvalidParameter("\"windw\" is not a parameter here".to_owned()),
        Problem::Overloaded(Overload::BodyMemory),
        REPLAYING,
    ];
    /// The errors of `GET /events/rejected`.
    RejectedErrors: [
        Problem::InvalidParameter("limit must be a whole number, 1 to 1000".to_owned()),
        Problem::Overloaded(Overload::BodyMemory),
    ];
    /// The errors of `GET /readyz`.
    ReadinessErrors: [Problem::NotReady("draining: the server is shutting down".to_owned()), REPLAYING];
}

/// The responses of these problems, by status.
pub(super) fn responses(problems: &Problems) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for problem in problems {
        let problem = problem();
        by_status.entry(problem.document().status.to_string()).or_default().push(problem);
    }
    by_status.into_iter().map(|(status, problems)| (status, response(problems).into())).collect()
}

/// One response of several problems with the same status: an example of each, and the header fields of all.
fn response(problems: Vec<Problem>) -> Response {
    let documents: Vec<ProblemDocument> = problems.iter().map(Problem::document).collect();
    let mut titles: Vec<&str> = documents.iter().map(|document| document.title.as_str()).collect();
    titles.dedup();
    let example = |(number, document): (usize, &ProblemDocument)| {
        let value = serde_json::to_value(document).expect("strings and numbers always serialize");
        let name = format!("{}{}", document.code, if number == 0 { String::new() } else { format!("-{number}") });
        (name, ExampleBuilder::new().summary(document.title.as_str()).value(Some(value)).build())
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
