//! Parameters and header fields, for the OpenAPI document.
//!
//! The server reads query strings and header fields by hand: it tells an unknown parameter from a bad value. So these types
//! are schemas only.
#![allow(dead_code, reason = "the types are schemas")]

use crate::placeholder::ATTRIBUTE;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};

/// The window.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Window {
    /// The window in seconds, which ends now; 300 unless given, or the retention where that is shorter.
    #[param(minimum = 1, example = 60)]
    window: Option<u32>,
}

/// The filters.
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
                "Only events of these types; repeated, any of them. A type that is not configured matches nothing.",
            ),
            filter(
                ATTRIBUTE,
                "Only events of users with these values of the attribute; repeated, any of them. Filters of different names hold together.",
            ),
        ]
    }
}

/// The groups.
pub struct GroupBy;

impl IntoParams for GroupBy {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([ATTRIBUTE]));
        let names = ArrayBuilder::new().items(name).min_items(Some(1)).unique_items(true);
        let description =
            "Count by the combinations of these attributes, too: their names with commas between, each once.";
        vec![list("group_by", description).explode(Some(false)).schema(Some(names)).build()]
    }
}

/// A parameter with several values. (A derived one with a schema of its own forgets its style and its description.)
fn list(name: &str, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .style(Some(ParameterStyle::Form))
        .description(Some(description))
}

/// The step.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Step {
    /// Seconds of a point; they have to divide the window.
    #[param(minimum = 1, example = 10, default = 1)]
    step: Option<u32>,
}

/// The number of refused events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Limit {
    /// How many are shown.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// The user in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct UserId {
    /// Percent-encoded.
    #[param(example = "u-123")]
    user_id: String,
}

/// The file in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct FileName {
    /// One of those that the dashboard is made of.
    #[param(example = "style.css")]
    file: String,
}

/// What the client has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Known {
    /// 304 if one of these is the tag of what is there.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

/// How the body is coded.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Coded {
    /// The one coding of the body.
    #[param(rename = "Content-Encoding")]
    #[param(inline, nullable = false)]
    content_encoding: Option<crate::ContentCoding>,
}

/// What the answer may leave out.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Preferred {
    /// `return=minimal` (RFC 7240) lists refused events only; accepted ones and duplicates are counted.
    #[param(rename = "Prefer")]
    #[param(example = "return=minimal")]
    prefer: Option<String>,
}

/// Preconditions of a change (RFC 9110, 13.1).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Conditions {
    /// Only if one of these is the generation in force.
    #[param(rename = "If-Match")]
    #[param(example = "\"7\"")]
    if_match: Option<String>,
    /// Only if none of these is; `*` is every generation but 0.
    #[param(rename = "If-None-Match")]
    #[param(example = "\"7\"")]
    if_none_match: Option<String>,
}
