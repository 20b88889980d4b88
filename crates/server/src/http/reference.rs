//! `/reference/users`: the table with the attributes of users, which enriches events.

use crate::client::Client;
use crate::http::app::App;
use crate::http::body::{self, BufferedBody};
use crate::http::coding::ContentEncoding;
use crate::http::consistency::{Freshness, consistency_of};
use crate::http::entity_tags::{EntityTags, NO_CACHE, not_modified};
use crate::http::header;
use crate::http::intake;
use crate::http::media_type::{self, SupportedMediaTypes};
use crate::http::openapi_errors::{PatchErrors, ReplaceErrors, SummaryErrors, UserErrors};
use crate::http::problem::Problem;
use crate::http::response::{json_response, to_json};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::sync::Arc;
use weir::{Change, Format, Generation, Generations, Preconditions, ReferenceError, format_ms};
use weir_api::{ReferencePatch, ReferenceSummary, ReferenceTable, ReferenceUpdated, UserResponse, parameters};

/// Replaces the table of users.
#[utoipa::path(
    put, path = "/reference/users", tag = "reference", operation_id = "replace_users",
    params(parameters::ContentEncodingHeader, parameters::ConditionHeaders),
    request_body(content = ReferenceTable, content_type = "application/json"),
    responses(
        (
            status = 200, description = "The new table is in use.",
            body = ReferenceUpdated, content_type = "application/json",
            headers(("ETag" = String, description = "The generation in quotes."))
        ),
        ReplaceErrors
    )
)]
pub(super) async fn replace(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    change(&app, request, Change::Replace, &media_type::REFERENCE_TABLE).await
}

/// Merges a patch into the table of users (RFC 7396).
#[utoipa::path(
    patch, path = "/reference/users", tag = "reference", operation_id = "patch_users",
    params(parameters::ContentEncodingHeader, parameters::ConditionHeaders),
    request_body(content = ReferencePatch, content_type = "application/merge-patch+json"),
    responses(
        (
            status = 200, description = "The patched table is in use.",
            body = ReferenceUpdated, content_type = "application/json",
            headers(("ETag" = String, description = "The generation in quotes."))
        ),
        ReplaceErrors,
        PatchErrors
    )
)]
pub(super) async fn merge(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    change(&app, request, Change::Merge, &media_type::REFERENCE_PATCH).await
}

/// Replaces or patches the table.
async fn change(
    app: &Arc<App>,
    request: Request,
    change: Change,
    supported: &'static SupportedMediaTypes,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    supported.negotiate(&head.headers)?;
    let coding = ContentEncoding::negotiate(&head.headers)?;
    app.intake.log().map_or(Ok(()), intake::check_takes_entries)?;
    let preconditions = preconditions(&head.headers);
    let BufferedBody { bytes, mut permit } = body::read(app, body).await?;
    let received_at_ms = app.now_ms();
    let shared = Arc::clone(app);
    let decode = move || {
        let max_bytes = shared.config.max_body_bytes;
        permit.grow(coding.decoded_bytes_max(max_bytes))?;
        let body = coding.decode(bytes, max_bytes)?;
        permit.grow(shared.engine.decode_memory_bytes_max(&body, Format::Json))?;
        Ok::<_, Problem>((shared, body, permit))
    };
    let Some(log) = app.intake.log() else {
        let work = move || {
            let (shared, body, _permit) = decode()?;
            let generation = shared.engine.change_reference(change, body, &preconditions, received_at_ms)?;
            Ok(tagged(&generation, &updated(&generation)))
        };
        return app.change_limiter.run(work).await?;
    };
    let work = move || {
        let (shared, body, mut permit) = decode()?;
        permit.grow(body.len())?;
        shared.engine.check_change(change, &mut body.clone(), received_at_ms)?;
        Ok::<_, Problem>((body, permit))
    };
    let (body, _permit) = app.change_limiter.run(work).await??;
    let generation = intake::change_reference(log, change, body, preconditions, received_at_ms).await?;
    Ok(tagged(&generation, &updated(&generation)))
}

/// A summary of the current table, without its users.
#[utoipa::path(
    get, path = "/reference/users", tag = "reference", operation_id = "users",
    params(parameters::ConditionHeaders, parameters::ConsistencyParam),
    responses(
        (
            status = 200, description = "The generation, the timestamp and the size of the table.",
            body = ReferenceSummary, content_type = "application/json",
            headers(
                ("ETag" = String, description = "The generation in quotes."),
                ("Weir-Behind-Ms" = Option<u64>, description = "How far a local answer of a cluster may be behind.")
            )
        ),
        (
            status = 304, description = "`If-None-Match` contains the current generation.",
            headers(("ETag" = String, description = "The generation in quotes."))
        ),
        SummaryErrors
    )
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    client: Client,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let preconditions = preconditions(&headers);
    let freshness = Freshness::of(&app, consistency_of(uri.query())?).await?;
    let engine = Arc::clone(&app.engine);
    // On the blocking pool, because the last holder of a table frees it, which takes time.
    let work = move || -> Result<_, Problem> {
        let generation = engine.reference();
        let current = generation.number();
        if preconditions.if_match.is_some_and(|generations| !generations.matches(current)) {
            return Err(ReferenceError::GenerationMismatch { current }.into());
        }
        let response = tagged(&generation, &summary(&generation));
        let unchanged = preconditions.if_none_match.is_some_and(|generations| generations.matches(current));
        Ok(if unchanged { not_modified(response) } else { response })
    };
    Ok(freshness.mark(app.query_limiter.run(&client, work).await??))
}

/// The attributes of one user.
#[utoipa::path(
    get, path = "/reference/users/{user_id}", tag = "reference", operation_id = "user",
    params(parameters::UserId, parameters::ConsistencyParam),
    responses(
        (
            status = 200, description = "The user.", body = UserResponse, content_type = "application/json",
            headers(
                ("Weir-Behind-Ms" = Option<u64>, description = "How far a local answer of a cluster may be behind.")
            )
        ),
        UserErrors
    )
)]
pub(super) async fn show_user(State(app): State<Arc<App>>, client: Client, uri: Uri) -> Result<Response, Problem> {
    let encoded_id = uri.path().rsplit('/').next().unwrap_or_default();
    let Ok(user_id) = percent_decode_str(encoded_id).decode_utf8() else {
        return Err(Problem::InvalidParameter("the user id in the path is not UTF-8".to_owned()));
    };
    let freshness = Freshness::of(&app, consistency_of(uri.query())?).await?;
    let (user_id, engine) = (user_id.into_owned(), Arc::clone(&app.engine));
    let work = move || -> Result<_, Problem> {
        let values = engine.user(&user_id).ok_or(Problem::UnknownUser)?;
        let attributes = engine.config().attributes.iter().cloned().zip(values).collect();
        let user = UserResponse { user_id, attributes };
        let mut response = json_response(to_json(&user));
        response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
        Ok(response)
    };
    Ok(freshness.mark(app.query_limiter.run(&client, work).await??))
}

/// The preconditions of a request. The entity tag of a table is its generation in quotes.
pub(super) fn preconditions(headers: &HeaderMap) -> Preconditions {
    Preconditions {
        if_match: EntityTags::if_match(headers).map(generations),
        if_none_match: EntityTags::if_none_match(headers).map(generations),
    }
}

/// The generations that entity tags name. A tag in another form than that of this server names no generation.
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

/// 200 with a document about a generation, and the entity tag of the generation.
fn tagged(generation: &Generation, document: &impl Serialize) -> Response {
    let mut response = json_response(to_json(document));
    let headers = response.headers_mut();
    headers.insert(ETAG, header::value(format!("\"{}\"", generation.number())));
    headers.insert(CACHE_CONTROL, NO_CACHE);
    response
}

/// The response to a change of the table.
fn updated(generation: &Generation) -> ReferenceUpdated {
    ReferenceUpdated {
        message: "Reference table updated successfully".into(),
        generation: generation.number(),
        users: generation.users(),
    }
}

/// The summary of a generation as the wire type.
fn summary(generation: &Generation) -> ReferenceSummary {
    ReferenceSummary {
        generation: generation.number(),
        ts: generation.ts_ms().map(format_ms),
        users: generation.users(),
        attributes: generation.attributes().iter().map(ToString::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_a_generation_only_in_the_form_of_this_server() {
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
