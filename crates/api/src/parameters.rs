//! The parameters and header fields of requests, for the OpenAPI document.
//!
//! These types are only schemas. The server parses query strings and header fields itself, because it distinguishes
//! unknown parameters from invalid values.
#![allow(dead_code, reason = "the types are schemas")]

use crate::placeholder::ATTRIBUTE;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};

/// The window of a query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Window {
    /// The length of the window in seconds. The default is 300, or the retention if that is
    /// shorter.
    #[param(minimum = 1, example = 60)]
    window: Option<u32>,
}

/// The end of a window.
pub struct End;

impl IntoParams for End {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let date_time = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let date_time = ObjectBuilder::new().schema_type(Type::String).format(Some(date_time));
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let description = "The last second of the window: an RFC 3339 date-time, or whole seconds since \
                           1970-01-01T00:00:00Z. A date-time with a fraction means the second that contains it. \
                           Without the parameter, the window ends now. The whole window must lie within the \
                           retention, and not ahead of the server's clock.";
        let end = ParameterBuilder::new().name("end").parameter_in(ParameterIn::Query).description(Some(description));
        vec![end.schema(Some(OneOfBuilder::new().item(date_time).item(seconds))).build()]
    }
}

/// The filters of a query: `type`, and each configured attribute.
pub struct Filters;

impl IntoParams for Filters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let value = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
        let values = ArrayBuilder::new().items(value).min_items(Some(1)).build();
        let filter =
            |name, description| list(name, description).explode(Some(true)).schema(Some(values.clone())).build();
        vec![
            filter(
                "type",
                "Count only events of this type. Repeat the parameter for several types. A type that is not configured \
                 matches nothing.",
            ),
            filter(
                ATTRIBUTE,
                "Count only events of users with this value of the attribute. Repeat the parameter for several values. \
                 An event must pass the filters of all names.",
            ),
        ]
    }
}

/// The grouping of a query.
pub struct GroupBy;

impl IntoParams for GroupBy {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([ATTRIBUTE]));
        let names = ArrayBuilder::new().items(name).min_items(Some(1)).unique_items(true);
        let description =
            "Also count by the combinations of values of these attributes: a comma-separated list of distinct names.";
        vec![list("group_by", description).explode(Some(false)).schema(Some(names)).build()]
    }
}

/// A parameter with several values. (The derive macro drops the style and the description of a parameter that has a
/// schema of its own.)
fn list(name: &str, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .style(Some(ParameterStyle::Form))
        .description(Some(description))
}

/// How fresh an answer is.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyParam {
    /// In a cluster: `quorum` answers with all that any node has acknowledged before. `local` answers from the state of
    /// the asked node, also without a quorum, and `Weir-Behind-Ms` says how far that may be behind. The default is the
    /// server's `--reads`. Without a cluster, both are the same.
    #[param(inline, nullable = false, example = "quorum")]
    consistency: Option<crate::Consistency>,
}

/// The step of a series.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StepParam {
    /// The length of a step in seconds. It must divide the window.
    #[param(minimum = 1, example = 10, default = 1)]
    step: Option<u32>,
}

/// The number of rejected events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Limit {
    /// The most events in the response.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// The user id in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct UserId {
    /// The percent-encoded id of the user.
    #[param(example = "u-123")]
    user_id: String,
}

/// The file name in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct FileName {
    /// The name of a file of the dashboard.
    #[param(example = "style.css")]
    file: String,
}

/// The precondition of a read (RFC 9110, 13.1.2).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatchHeader {
    /// The entity tags that the client has. The response is 304 if one of them is current.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

/// The content coding of the body.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ContentEncodingHeader {
    /// The content coding of the body. Only one is allowed.
    #[param(rename = "Content-Encoding")]
    #[param(inline, nullable = false)]
    content_encoding: Option<crate::ContentCoding>,
}

/// The preferred form of the response.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct PreferHeader {
    /// With `return=minimal` (RFC 7240), the response lists only rejected events. Accepted events and duplicates are
    /// counted.
    #[param(rename = "Prefer")]
    #[param(example = "return=minimal")]
    prefer: Option<String>,
}

/// The preconditions of a request about the reference table (RFC 9110, 13.1).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ConditionHeaders {
    /// The request fails unless one of these is the entity tag of the current generation.
    #[param(rename = "If-Match")]
    #[param(example = "\"7\"")]
    if_match: Option<String>,
    /// A change fails if one of these is the entity tag of the current generation. A read returns 304 then. `*` matches
    /// every generation but 0.
    #[param(rename = "If-None-Match")]
    #[param(example = "\"7\"")]
    if_none_match: Option<String>,
}
