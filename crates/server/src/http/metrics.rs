//! `GET /metrics`: the metrics of a window as JSON. Clients that prefer a Prometheus format get the metrics of the
//! server.

use crate::client::Client;
use crate::http::accept::preferred;
use crate::http::app::App;
use crate::http::consistency::Freshness;
use crate::http::exposition::{self, ExpositionFormat};
use crate::http::openapi_errors::QueryErrors;
use crate::http::problem::Problem;
use crate::http::response::{to_json, uncached_json};
use crate::http::window_query::{self, AllowedParams, WindowQuery};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use std::sync::Arc;
use weir::{Groups, Metrics, Query, Stats, format_ms};
use weir_api::{Breakdowns, GroupCounts, GroupValues, MetricsResponse, parameters};

/// The metrics of a window that ends now, or that ended at an earlier time, as JSON. Clients that prefer OpenMetrics or
/// the Prometheus text format get the metrics of the server instead, which take no parameters.
#[utoipa::path(
    get, path = "/metrics", tag = "metrics", operation_id = "metrics",
    params(
        parameters::Window, parameters::End, parameters::Filters, parameters::GroupBy, parameters::ConsistencyParam
    ),
    responses(
        (
            status = 200, description = "The metrics.",
            headers(
                ("Weir-Behind-Ms" = Option<u64>, description = "How far a local answer of a cluster may be behind.")
            ),
            content(
                (MetricsResponse = "application/json"),
                (String = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
                (String = "text/plain; version=0.0.4; charset=utf-8")
            )
        ),
        QueryErrors
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, client: Client, headers: HeaderMap, uri: Uri) -> Response {
    let response = match preferred(&headers, &[exposition::JSON, exposition::OPEN_METRICS, exposition::CLASSIC]) {
        0 => window(&app, &client, &uri).await,
        1 => exposition::expose(&app, &client, &uri, ExpositionFormat::OpenMetrics).await,
        _ => exposition::expose(&app, &client, &uri, ExpositionFormat::Classic).await,
    };
    exposition::varying(response)
}

/// The metrics of the window that the parameters ask for.
async fn window(app: &Arc<App>, client: &Client, uri: &Uri) -> Result<Response, Problem> {
    let WindowQuery { query, consistency, .. } =
        window_query::parse(uri.query(), AllowedParams::Metrics, app.engine.config())?;
    let freshness = Freshness::of(app, consistency).await?;
    let json = json(app, client, query).await?;
    Ok(freshness.mark(uncached_json(app.responses.charge_response(json)?)))
}

/// The JSON of the response to a query. It is computed on the blocking pool.
pub(super) async fn json(app: &Arc<App>, client: &Client, query: Query) -> Result<Vec<u8>, Problem> {
    let limiter = if query.needs_scan() { &app.scan_limiter } else { &app.query_limiter };
    let engine = Arc::clone(&app.engine);
    limiter.run(client, move || Ok(to_json(&response(engine.query(&query)?)))).await?
}

/// The metrics of the engine as the wire type.
fn response(metrics: Metrics) -> MetricsResponse {
    let Metrics { window_secs, end_secs, stats, groups, generation, as_of_ms } = metrics;
    let Stats { events, unique_users, unknown, by_attribute, by_type } = stats;
    MetricsResponse {
        window_sec: window_secs,
        end: end_secs.map(|secs| format_ms(secs * 1_000)),
        events_per_sec: events as f64 / f64::from(window_secs),
        unique_users,
        unknown,
        by_attribute: Breakdowns(by_attribute),
        by_type,
        total_events: events,
        generation,
        as_of: format_ms(as_of_ms),
        groups: groups.map(group_counts),
    }
}

/// The groups of the engine as the wire type.
fn group_counts(groups: Groups) -> Vec<GroupCounts> {
    let Groups { attributes, groups } = groups;
    let counts = groups.into_iter().map(|group| {
        let values: Vec<_> = match group.values {
            Some(values) => attributes.iter().cloned().zip(values.into_iter().map(Some)).collect(),
            None => attributes.iter().map(|attribute| (attribute.clone(), None)).collect(),
        };
        GroupCounts { values: GroupValues(values), events: group.events, unique_users: group.unique_users }
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::HttpConfig;
    use crate::http::problem::Overload;
    use crate::limits;
    use std::collections::BTreeMap;
    use weir::{Engine, EngineConfig, Group, ManualClock};

    #[test]
    fn a_response_has_the_metrics_of_the_engine() {
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|&(k, v)| (k.to_owned(), v)).collect::<BTreeMap<_, _>>();
        let group = |values: Option<[&str; 2]>, events, unique_users| {
            let values = values.map(|values| values.map(str::to_owned).to_vec());
            Group { values, events, unique_users }
        };
        let groups = vec![group(Some(["eu", "x\"y"]), 6, 1), group(None, 1, 1)];
        let mut metrics = Metrics {
            window_secs: 10,
            end_secs: None,
            stats: Stats {
                events: 7,
                unique_users: 2,
                unknown: 1,
                by_attribute: vec![("tier".into(), counts(&[("b", 1), ("a", 5)])), ("plan".into(), counts(&[]))],
                by_type: counts(&[("view", 7)]),
            },
            groups: Some(Groups { attributes: vec!["region".into(), "plan".into()], groups }),
            generation: 3,
            as_of_ms: 1_759_926_896_789,
        };
        let json = concat!(
            r#"{"window_sec":10,"events_per_sec":0.7,"unique_users":2,"unknown":1,"by_tier":{"a":5,"b":1},"#,
            r#""by_plan":{},"by_type":{"view":7},"total_events":7,"generation":3,"as_of":"2025-10-08T12:34:56.789Z","#,
            r#""groups":[{"region":"eu","plan":"x\"y","events":6,"unique_users":1},"#,
            r#"{"region":null,"plan":null,"events":1,"unique_users":1}]}"#
        );
        assert_eq!(serde_json::to_string(&response(metrics.clone())).unwrap(), json);
        metrics.end_secs = Some(1_759_926_890);
        let json = json.replace(r#""window_sec":10,"#, r#""window_sec":10,"end":"2025-10-08T12:34:50.000Z","#);
        assert_eq!(serde_json::to_string(&response(metrics)).unwrap(), json);
    }

    #[tokio::test]
    async fn a_query_with_an_end_queues_with_the_scans_and_a_query_of_now_does_not() {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
        let app = Arc::new(App::new(Arc::new(engine), HttpConfig::default()));
        // One scan runs for a long time, and the queue behind it is full.
        let scans = (0..limits::CONCURRENT_SCANS * (1 + limits::SCANS_QUEUED_PER_PERMIT)).map(|_| {
            let (app, (release, released)) = (Arc::clone(&app), std::sync::mpsc::channel::<()>());
            tokio::spawn(async move { app.scan_limiter.run(&Client::default(), move || released.recv()).await });
            release
        });
        let scans: Vec<_> = scans.collect();
        tokio::task::yield_now().await;
        let past = Query { end_secs: Some(0), ..Query::window(1) };
        let refused = json(&app, &Client::default(), past.clone()).await;
        assert!(matches!(refused, Err(Problem::Overloaded(Overload::QueueFull))));
        assert!(json(&app, &Client::default(), Query::window(1)).await.is_ok());
        drop(scans);
        while json(&app, &Client::default(), past.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
