//! `GET /events/rejected`: which events were refused last, and why.

use crate::event::{self, Batch, Verdict};
use crate::http::openapi::bodies::VerdictCode;
use crate::http::openapi::parameters;
use crate::http::openapi::problems::OfParameter;
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::http::window_query::whole_number;
use crate::http::{App, NO_STORE, body, json_response};
use crate::limits;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use utoipa::ToSchema;

/// The events that were refused last, of every batch the first ones.
#[derive(Debug, Default)]
pub(super) struct Rejects(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Oldest first.
    recent: VecDeque<Reject>,
    /// All that were refused since the start.
    total: u64,
}

#[derive(Clone, Debug)]
struct Reject {
    received_at_ms: i64,
    index: usize,
    event_id: Option<Box<str>>,
    verdict: Verdict,
}

impl Rejects {
    /// Takes note of what was refused of a batch: `rejected` events in all.
    pub(super) fn record(&self, batch: &Batch, received_at_ms: i64, rejected: usize) {
        if rejected == 0 {
            return;
        }
        let is_rejected = |index: &usize| !matches!(batch.verdict(*index), Verdict::Accepted | Verdict::Duplicate);
        let reject = |index| Reject {
            received_at_ms,
            index,
            event_id: batch.event_id(index).map(Into::into),
            verdict: batch.verdict(index),
        };
        // Made before the lock is taken, which others wait for.
        let new: Vec<_> = (0..batch.len()).filter(is_rejected).take(limits::REJECTS_OF_BATCH_MAX).map(reject).collect();
        let mut kept = self.kept();
        kept.total += rejected as u64;
        let excess = (kept.recent.len() + new.len()).saturating_sub(limits::REJECTS_KEPT);
        let old = kept.recent.drain(..excess).collect::<Vec<_>>();
        kept.recent.extend(new);
        drop(kept);
        drop(old);
    }

    /// The last `limit` of them, newest first, and the number of all.
    fn latest(&self, limit: usize) -> (Vec<Reject>, u64) {
        let kept = self.kept();
        (kept.recent.iter().rev().take(limit).cloned().collect(), kept.total)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events that were refused last, newest first.
#[utoipa::path(
    get, path = "/events/rejected", tag = "events", operation_id = "rejected", params(parameters::Limit),
    responses((status = 200, description = "The events.", body = Document<'_>, content_type = "application/json"), OfParameter)
)]
pub(super) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let (rejected, total) = app.rejects.latest(limit(uri.query())?);
    let document = Document { rejected: rejected.iter().map(Item::from).collect(), total };
    let json = serde_json::to_vec(&document).expect("strings and numbers always serialise");
    let mut response = json_response(body::answer(&app, json)?);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}

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
    let limit =
        whole_number(&digits).map(|limit| limit as usize).filter(|limit| (1..=limits::REJECTS_KEPT).contains(limit));
    limit.ok_or_else(|| {
        Problem::InvalidParameter(format!("limit must be a whole number, 1 to {}", limits::REJECTS_KEPT))
    })
}

/// Refused events.
#[derive(Serialize, ToSchema)]
#[schema(as = Rejected)]
struct Document<'a> {
    rejected: Vec<Item<'a>>,
    /// All since the start.
    total: u64,
}

/// A refused event.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedEvent)]
struct Item<'a> {
    /// When its request was there as a whole.
    #[schema(format = DateTime)]
    received_at: String,
    /// Its place in the request, from 0 on.
    index: usize,
    /// Null unless it is a valid id that stands there once.
    #[schema(required)]
    event_id: Option<&'a str>,
    #[schema(inline, value_type = VerdictCode)]
    code: &'static str,
    /// For a person.
    message: String,
}

impl<'a> From<&'a Reject> for Item<'a> {
    fn from(reject: &'a Reject) -> Self {
        Self {
            received_at: event::format_ms(reject.received_at_ms),
            index: reject.index,
            event_id: reject.event_id.as_deref(),
            code: reject.verdict.code().unwrap_or_default(),
            message: reject.verdict.to_string(),
        }
    }
}
