//! `/reference/users`: the table that events are enriched by.

use crate::event::{self, Format};
use crate::http::coding::Coding;
use crate::http::entity_tags::{EntityTags, NO_CACHE, not_modified};
use crate::http::media_type::Accepts;
use crate::http::openapi::problems::{OfPatch, OfSummary, OfTable, OfUser};
use crate::http::openapi::{bodies, parameters};
use crate::http::problem::Problem;
use crate::http::{App, body, header, json_response};
use crate::reference::{Change, Generation, Generations, Preconditions, ReferenceError};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, ETAG};
use axum::http::{HeaderMap, HeaderName, Uri};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::sync::Arc;
use utoipa::ToSchema;

pub(super) static REPLACE_ACCEPTS: Accepts =
    Accepts { field: ACCEPT, media_types: &["application/json"], default: Some("application/json") };

pub(super) static MERGE_ACCEPTS: Accepts = Accepts {
    field: HeaderName::from_static("accept-patch"),
    media_types: &["application/merge-patch+json"],
    default: None,
};

/// Replaces the table of users.
#[utoipa::path(
    put, path = "/reference/users", tag = "reference", operation_id = "replace_users",
    params(parameters::Coded, parameters::Conditions), request_body(content = bodies::Table, content_type = "application/json"),
    responses(
        (
            status = 200, description = "The table is in force.", body = Updated, content_type = "application/json",
            headers(("ETag" = String, description = "the generation in quotes"))
        ),
        OfTable
    )
)]
pub(super) async fn replace(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    change(&app, request, Change::Replace, &REPLACE_ACCEPTS).await
}

/// Merges a patch into the table of users (RFC 7396).
#[utoipa::path(
    patch, path = "/reference/users", tag = "reference", operation_id = "patch_users",
    params(parameters::Coded, parameters::Conditions),
    request_body(content = bodies::TablePatch, content_type = "application/merge-patch+json"),
    responses(
        (
            status = 200, description = "The patched table is in force.", body = Updated, content_type = "application/json",
            headers(("ETag" = String, description = "the generation in quotes"))
        ),
        OfTable,
        OfPatch
    )
)]
pub(super) async fn merge(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    change(&app, request, Change::Merge, &MERGE_ACCEPTS).await
}

async fn change(
    app: &Arc<App>,
    request: Request,
    change: Change,
    accepts: &'static Accepts,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    accepts.negotiate(&head.headers)?;
    let coding = Coding::negotiate(&head.headers)?;
    let preconditions = preconditions(&head.headers);
    let body::Received { bytes, share } = body::read(app, body).await?;
    let received_at_ms = app.engine.now_ms();
    let shared = Arc::clone(app);
    let work = move || {
        let max_bytes = shared.config.max_body_bytes;
        let decoded_room = body::room(&shared, coding.room_bytes(max_bytes), share.num_permits())?;
        let body = coding.decode(bytes, max_bytes)?;
        let held_bytes = share.num_permits() + decoded_room.num_permits();
        let _tape_room = body::room(&shared, shared.engine.decode_memory_bytes_max(&body, Format::Json), held_bytes)?;
        let generation = shared.engine.change_reference(change, body, &preconditions, received_at_ms)?;
        Ok(tagged(&generation, &Updated::to(&generation)))
    };
    app.changes.run(work).await?
}

/// The table in force, without its users.
#[utoipa::path(
    get, path = "/reference/users", tag = "reference", operation_id = "users", params(parameters::Conditions),
    responses(
        (
            status = 200, description = "The table's generation, time and size.", body = Summary<'_>, content_type = "application/json",
            headers(("ETag" = String, description = "the generation in quotes"))
        ),
        (
            status = 304, description = "`If-None-Match` names the generation in force.",
            headers(("ETag" = String, description = "the generation in quotes"))
        ),
        OfSummary
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let preconditions = preconditions(&headers);
    let engine = Arc::clone(&app.engine);
    // Off the workers, because the last holder of a table frees it.
    let work = move || {
        let generation = engine.reference();
        let current = generation.number();
        if preconditions.if_match.is_some_and(|generations| !generations.matches(current)) {
            return Err(ReferenceError::GenerationMismatch { current }.into());
        }
        let response = tagged(&generation, &Summary::of(&generation));
        let unchanged = preconditions.if_none_match.is_some_and(|generations| generations.matches(current));
        Ok(if unchanged { not_modified(response) } else { response })
    };
    app.reads.run(work).await?
}

/// One user's attributes.
#[utoipa::path(
    get, path = "/reference/users/{user_id}", tag = "reference", operation_id = "user", params(parameters::UserId),
    responses(
        (status = 200, description = "The user.", body = bodies::User, content_type = "application/json"),
        OfUser
    )
)]
pub(super) async fn show_user(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let encoded_id = uri.path().rsplit('/').next().unwrap_or_default();
    let Ok(user_id) = percent_decode_str(encoded_id).decode_utf8() else {
        return Err(Problem::InvalidParameter("the user id in the path is not UTF-8".to_owned()));
    };
    let (user_id, engine) = (user_id.into_owned(), Arc::clone(&app.engine));
    let work = move || {
        let values = engine.user(&user_id).ok_or(Problem::UnknownUser)?;
        let user = User { user_id: &user_id, attributes: &engine.config().attributes, values: &values };
        let mut response = json_response(to_json(&user));
        response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
        Ok(response)
    };
    app.reads.run(work).await?
}

/// The conditions of a request: an entity tag of the table is its generation in quotes.
pub(super) fn preconditions(headers: &HeaderMap) -> Preconditions {
    Preconditions {
        if_match: EntityTags::if_match(headers).map(generations),
        if_none_match: EntityTags::if_none_match(headers).map(generations),
    }
}

/// The generations that entity tags name. A tag that this server would not have written names none.
fn generations(tags: EntityTags<'_>) -> Generations {
    match tags {
        EntityTags::Any => Generations::Any,
        EntityTags::OneOf(tags) => Generations::OneOf(tags.into_iter().filter_map(generation).collect()),
    }
}

fn generation(tag: &[u8]) -> Option<u64> {
    let text = str::from_utf8(tag).ok()?;
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// An answer about a generation, which its entity tag names.
fn tagged(generation: &Generation, document: &impl Serialize) -> Response {
    let mut response = json_response(to_json(document));
    let headers = response.headers_mut();
    headers.insert(ETAG, header::value(format!("\"{}\"", generation.number())));
    headers.insert(CACHE_CONTROL, NO_CACHE);
    response
}

fn to_json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("strings and numbers always serialise")
}

/// The answer to a change.
#[derive(Serialize, ToSchema)]
struct Updated {
    message: &'static str,
    generation: u64,
    users: usize,
}

impl Updated {
    fn to(generation: &Generation) -> Self {
        Self {
            message: "Reference table updated successfully",
            generation: generation.number(),
            users: generation.users(),
        }
    }
}

/// A table without its users.
#[derive(Serialize, ToSchema)]
struct Summary<'a> {
    /// 0 before the first table.
    generation: u64,
    /// Null before the first table.
    #[schema(required, format = DateTime)]
    ts: Option<String>,
    users: usize,
    /// The configured attributes.
    attributes: Vec<&'a str>,
}

impl<'a> Summary<'a> {
    fn of(generation: &'a Generation) -> Self {
        Self {
            generation: generation.number(),
            ts: generation.ts_ms().map(event::format_ms),
            users: generation.users(),
            attributes: generation.attributes().iter().map(AsRef::as_ref).collect(),
        }
    }
}

/// One user: the id, then a member for each attribute, in the configured order.
struct User<'a> {
    user_id: &'a str,
    attributes: &'a [String],
    values: &'a [String],
}

impl Serialize for User<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("user_id", self.user_id)?;
        for (attribute, value) in self.attributes.iter().zip(self.values) {
            map.serialize_entry(attribute, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_the_generation_that_this_server_would_write_so() {
        for (tag, number) in [("0", 0), ("7", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(generation(tag.as_bytes()), Some(number));
        }
        let foreign = ["abc", "07", "+7", "-7", "7.0", "", " 7", "7 ", "18446744073709551616", "7,8", "0x7", "\u{667}"];
        for tag in foreign {
            assert_eq!(generation(tag.as_bytes()), None, "{tag:?}");
        }
        assert_eq!(generation(b"\xff"), None);
        assert_eq!(generations(EntityTags::OneOf(vec![b"8", b"07", b"7"])), Generations::OneOf(vec![8, 7]));
    }
}
