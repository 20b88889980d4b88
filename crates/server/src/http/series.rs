//! `GET /metrics/series`: the metrics of a window, step by step.

use crate::client::Client;
use crate::http::app::App;
use crate::http::consistency::Freshness;
use crate::http::openapi_errors::QueryErrors;
use crate::http::problem::Problem;
use crate::http::response::{IN_MEMORY, uncached_json};
use crate::http::window_query::{self, AllowedParams, WindowQuery};
use crate::limits;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use std::io::Write as _;
use std::sync::Arc;
use weir::{Point, Series, Stats, format_ms};
use weir_api::{Breakdowns, SeriesPoint, SeriesResponse, parameters};

/// The metrics of each step of a window that ends now, or that ended at an earlier time.
#[utoipa::path(
    get, path = "/metrics/series", tag = "metrics", operation_id = "series",
    params(
        parameters::Window, parameters::End, parameters::Filters, parameters::StepParam, parameters::ConsistencyParam
    ),
    responses(
        (
            status = 200, description = "The series.", body = SeriesResponse, content_type = "application/json",
            headers(
                ("Weir-Behind-Ms" = Option<u64>, description = "How far a local answer of a cluster may be behind.")
            )
        ),
        QueryErrors
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, client: Client, uri: Uri) -> Result<Response, Problem> {
    let WindowQuery { query, step_secs, consistency } =
        window_query::parse(uri.query(), AllowedParams::Series, app.engine.config())?;
    let freshness = Freshness::of(&app, consistency).await?;
    let engine = Arc::clone(&app.engine);
    let json = app.scan_limiter.run(&client, move || json(&engine.series(&query, step_secs)?)).await??;
    Ok(freshness.mark(uncached_json(app.responses.charge_response(json)?)))
}

/// The JSON of the series, written point by point, so that only one point and the text are in memory.
///
/// # Errors
/// The series would have more than [`limits::SERIES_COUNTERS_MAX`] counters or [`limits::SERIES_BYTES_MAX`] bytes.
fn json(series: &Series) -> Result<Vec<u8>, Problem> {
    let counters = series.counters();
    if counters > limits::SERIES_COUNTERS_MAX {
        return Err(too_large(&format!("{counters} counters (limit {})", limits::SERIES_COUNTERS_MAX)));
    }
    let mut json = Vec::new();
    write!(json, r#"{{"window_sec":{}"#, series.window_secs()).expect(IN_MEMORY);
    if let Some(end_secs) = series.end_secs() {
        write!(json, r#","end":"{}""#, format_ms(end_secs * 1_000)).expect(IN_MEMORY);
    }
    write!(json, r#","step_sec":{},"points":["#, series.step_secs()).expect(IN_MEMORY);
    let first = json.len();
    for point in series.points() {
        if json.len() > first {
            json.push(b',');
        }
        serde_json::to_writer(&mut json, &self::point(point)).expect(IN_MEMORY);
        if json.len() > limits::SERIES_BYTES_MAX {
            return Err(too_large(&format!("more than {} bytes", limits::SERIES_BYTES_MAX)));
        }
    }
    let as_of = format_ms(series.as_of_ms());
    write!(json, r#"],"generation":{},"as_of":"{as_of}"}}"#, series.generation()).expect(IN_MEMORY);
    Ok(json)
}

fn too_large(size: &str) -> Problem {
    Problem::InvalidParameter(format!("step: the response would have {size}; use a longer step or a shorter window"))
}

/// A point of the series as the wire type.
fn point(point: Point) -> SeriesPoint {
    let Stats { events, unique_users, unknown, by_attribute, by_type } = point.stats;
    let start = format_ms(point.start_ms);
    SeriesPoint { start, events, unique_users, unknown, by_attribute: Breakdowns(by_attribute), by_type }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir::{Engine, EngineConfig, Format, ManualClock, Query};

    #[test]
    fn the_json_is_that_of_the_wire_type() {
        let now_ms = 1_759_926_896_789;
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(now_ms)).unwrap();
        let event = r#"{"event_id":"e","user_id":"u","type":"view","ts":"2025-10-08T12:34:55Z"}"#;
        let mut batch = engine.decode(event.as_bytes().to_vec(), Format::Json).unwrap();
        assert_eq!(engine.ingest(&mut batch, now_ms).unwrap().accepted, 1);
        for (end_secs, end, events) in
            [(None, None, [0, 0, 1]), (Some(1_759_926_895), Some("2025-10-08T12:34:55.000Z"), [0, 0, 1])]
        {
            let series = engine.series(&Query { end_secs, ..Query::window(6) }, 2).unwrap();
            let response = SeriesResponse {
                window_sec: 6,
                end: end.map(str::to_owned),
                step_sec: 2,
                points: series.points().map(point).collect(),
                generation: 0,
                as_of: format_ms(now_ms),
            };
            assert_eq!(response.points.iter().map(|point| point.events).collect::<Vec<_>>(), events);
            assert_eq!(String::from_utf8(json(&series).unwrap()).unwrap(), serde_json::to_string(&response).unwrap());
        }
    }
}
