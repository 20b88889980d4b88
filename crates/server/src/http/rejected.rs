//! `GET /events/rejected`: the events that were rejected most recently, and why.

use crate::http::app::App;
use crate::http::openapi_errors::RejectedErrors;
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::http::reject_log::Reject;
use crate::http::response::{to_json, uncached_json};
use crate::http::window_query::whole_number;
use crate::limits;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use std::sync::Arc;
use weir::format_ms;
use weir_api::{RejectedEvent, RejectedResponse};

/// The events that were rejected most recently, newest first.
#[utoipa::path(
    get, path = "/events/rejected", tag = "events", operation_id = "rejected",
    params(weir_api::parameters::Limit),
    responses(
        (
            status = 200, description = "The rejected events.",
            body = RejectedResponse, content_type = "application/json"
        ),
        RejectedErrors
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let (rejected, total) = app.reject_log.latest(limit(uri.query())?);
    let response = RejectedResponse { rejected: rejected.iter().map(event).collect(), total };
    Ok(uncached_json(app.responses.charge_response(to_json(&response))?))
}

/// The parameter `limit`, the only one of this resource.
fn limit(query: Option<&str>) -> Result<usize, Problem> {
    let mut given = None;
    for parameter in parameters(query) {
        if *parameter.name != *b"limit" {
            return Err(parameter.unknown());
        }
        if given.replace(parameter.value).is_some() {
            return Err(Problem::InvalidParameter("limit is given more than once".to_owned()));
        }
    }
    let Some(digits) = given else { return Ok(limits::REJECTS_SHOWN_DEFAULT) };
    let limit = whole_number(&digits).filter(|limit| (1..=limits::REJECTS_KEPT).contains(limit));
    limit.ok_or_else(|| {
        Problem::InvalidParameter(format!("limit must be a whole number, 1 to {}", limits::REJECTS_KEPT))
    })
}

/// An entry of the log as the wire type.
fn event(reject: &Reject) -> RejectedEvent {
    RejectedEvent {
        received_at: format_ms(reject.received_at_ms),
        index: reject.index,
        event_id: reject.event_id.as_deref().map(str::to_owned),
        code: reject.verdict.code().unwrap_or_default().to_owned(),
        message: reject.verdict.to_string(),
    }
}
