//! `GET /metrics`.

use crate::event;
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::http::{App, NO_STORE, json_response};
use crate::limits;
use crate::timeline::Metrics;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::sync::Arc;

/// The figures of a window that ends now.
pub(super) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let window_secs = window_secs(uri.query(), app.engine.config().retention_secs)?;
    let engine = Arc::clone(&app.engine);
    let work = move || serde_json::to_vec(&Document(&engine.metrics(window_secs)));
    let json = app.reads.run(work).await?.expect("strings and numbers always serialise");
    let mut response = json_response(json);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}

/// The window that a query asks for.
pub(super) fn window_secs(query: Option<&str>, retention_secs: u32) -> Result<u32, Problem> {
    let mut given = None;
    for parameter in parameters(query) {
        if *parameter.name != *b"window" {
            return Err(parameter.unknown());
        }
        if given.replace(parameter.value).is_some() {
            return Err(Problem::InvalidParameter("window is given more than once".to_owned()));
        }
    }
    let Some(digits) = given else { return Ok(limits::WINDOW_SECS_DEFAULT.min(retention_secs)) };
    let secs = digits.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(&digits).ok()?.parse().ok()).flatten();
    secs.filter(|secs| (1..=retention_secs).contains(secs)).ok_or(Problem::InvalidWindow { max_secs: retention_secs })
}

/// The figures as JSON, in the agreed order.
struct Document<'a>(&'a Metrics);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metrics = self.0;
        let events_per_sec = metrics.total_events as f64 / f64::from(metrics.window_secs);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("window_sec", &metrics.window_secs)?;
        map.serialize_entry("events_per_sec", &events_per_sec)?;
        map.serialize_entry("unique_users", &metrics.unique_users)?;
        map.serialize_entry("unknown", &metrics.unknown)?;
        for (attribute, events) in &metrics.by_attribute {
            map.serialize_entry(&format!("by_{attribute}"), events)?;
        }
        map.serialize_entry("by_type", &metrics.by_type)?;
        map.serialize_entry("total_events", &metrics.total_events)?;
        map.serialize_entry("generation", &metrics.generation)?;
        map.serialize_entry("as_of", &event::format_ms(metrics.as_of_ms))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn code(query: &str, retention_secs: u32) -> &'static str {
        match window_secs(Some(query), retention_secs) {
            Ok(_) => "ok",
            Err(Problem::InvalidWindow { .. }) => "invalid_window",
            Err(Problem::InvalidParameter(_)) => "invalid_parameter",
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_window_is_a_whole_number_of_seconds_up_to_the_retention() {
        assert_eq!(window_secs(None, 1_800).unwrap(), 300);
        assert_eq!(window_secs(Some(""), 60).unwrap(), 60);
        assert_eq!(window_secs(Some("window=1"), 60).unwrap(), 1);
        assert_eq!(window_secs(Some("window=060"), 60).unwrap(), 60);
        assert_eq!(window_secs(Some("win%64ow=%360"), 60).unwrap(), 60);
        let huge = format!("window={}", "9".repeat(100));
        for query in ["", "0", "61", "-1", "+1", "%2B1", "1.0", "1e1", "a", " 1", "1%20", "%ff", "%D9%A1", "0x10"] {
            assert_eq!(code(&format!("window={query}"), 60), "invalid_window", "{query}");
        }
        assert_eq!(code(&huge, 60), "invalid_window");
        assert_eq!(code("window", 60), "invalid_window");
    }

    #[test]
    fn other_parameters_and_a_repeated_window_are_refused() {
        for query in ["windows=1", "window=1&x=2", "Window=1", "window=1&window=1", "=1", "%ff=1"] {
            assert_eq!(code(query, 60), "invalid_parameter", "{query}");
        }
    }

    #[test]
    fn members_come_in_order_with_a_map_for_every_attribute() {
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|&(k, v)| (k.to_owned(), v)).collect::<BTreeMap<_, _>>();
        let metrics = Metrics {
            window_secs: 10,
            unique_users: 2,
            unknown: 1,
            by_attribute: vec![("tier".into(), counts(&[("b", 1), ("a", 5)])), ("plan".into(), counts(&[]))],
            by_type: counts(&[("view", 7)]),
            total_events: 7,
            generation: 3,
            as_of_ms: 1_759_926_896_789,
        };
        assert_eq!(
            serde_json::to_string(&Document(&metrics)).unwrap(),
            concat!(
                r#"{"window_sec":10,"events_per_sec":0.7,"unique_users":2,"unknown":1,"by_tier":{"a":5,"b":1},"#,
                r#""by_plan":{},"by_type":{"view":7},"total_events":7,"generation":3,"as_of":"2025-10-08T12:34:56.789Z"}"#
            )
        );
    }
}
