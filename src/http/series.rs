//! `GET /metrics/series`: a window step by step.

use crate::event;
use crate::http::metrics::serialize_counts;
use crate::http::openapi::problems::OfWindow;
use crate::http::openapi::{bodies, parameters};
use crate::http::problem::Problem;
use crate::http::window_query::{self, Asked, Takes};
use crate::http::{App, NO_STORE, body, json_response};
use crate::limits;
use crate::timeline::{Point, Series};
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::io::Write as _;
use std::sync::Arc;

/// The figures of each step of a window that ends now.
#[utoipa::path(
    get, path = "/metrics/series", tag = "metrics", operation_id = "series", params(parameters::Window, parameters::Filters, parameters::Step),
    responses((status = 200, description = "The figures.", body = bodies::Series, content_type = "application/json"), OfWindow)
)]
pub(super) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let Asked { query, step_secs } = window_query::parse(uri.query(), Takes::Step, app.engine.config())?;
    let engine = Arc::clone(&app.engine);
    let json = app.scans.run(move || json(&engine.series(&query, step_secs))).await??;
    let mut response = json_response(body::answer(&app, json)?);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}

/// The series, written point by point, so that no more than one of them and the text is in memory.
fn json(series: &Series) -> Result<Vec<u8>, Problem> {
    if series.counters() > limits::SERIES_COUNTERS_MAX {
        return Err(too_large());
    }
    let mut json = Vec::new();
    write!(json, r#"{{"window_sec":{},"step_sec":{},"points":["#, series.window_secs(), series.step_secs())
        .expect(IN_MEMORY);
    let first = json.len();
    for point in series.points() {
        if json.len() > first {
            json.push(b',');
        }
        serde_json::to_writer(&mut json, &Document(&point)).expect(IN_MEMORY);
        if json.len() > limits::SERIES_BYTES_MAX {
            return Err(too_large());
        }
    }
    let as_of = event::format_ms(series.as_of_ms());
    write!(json, r#"],"generation":{},"as_of":"{as_of}"}}"#, series.generation()).expect(IN_MEMORY);
    Ok(json)
}

const IN_MEMORY: &str = "a write to memory does not fail";

fn too_large() -> Problem {
    Problem::InvalidParameter(
        "step: so many points of so many values are too much for one answer; ask for a longer step or a shorter window"
            .to_owned(),
    )
}

/// A point as JSON, in the agreed order.
struct Document<'a>(&'a Point);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Point { start_ms, stats } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("start", &event::format_ms(*start_ms))?;
        map.serialize_entry("events", &stats.events)?;
        serialize_counts(stats, &mut map)?;
        map.end()
    }
}
