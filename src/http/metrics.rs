//! `GET /metrics`.

use crate::event;
use crate::http::problem::Problem;
use crate::http::window_query::{self, Asked, Takes};
use crate::http::{App, NO_STORE, body, json_response};
use crate::timeline::{Group, Groups, Metrics, Query, Stats};
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::sync::Arc;

/// The figures of a window that ends now.
pub(super) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let Asked { query, .. } = window_query::parse(uri.query(), Takes::GroupBy, app.engine.config())?;
    let json = json(&app, query).await?;
    let mut response = json_response(body::answer(&app, json)?);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}

/// The answer to a query, when it is its turn.
pub(super) async fn json(app: &Arc<App>, query: Query) -> Result<Vec<u8>, Problem> {
    let gate = if query.needs_scan() { &app.scans } else { &app.reads };
    let engine = Arc::clone(&app.engine);
    let work = move || serde_json::to_vec(&Document(&engine.query(&query)));
    Ok(gate.run(work).await?.expect("strings and numbers always serialise"))
}

/// The figures as JSON, in the agreed order.
struct Document<'a>(&'a Metrics);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Metrics { window_secs, stats, groups, generation, as_of_ms } = self.0;
        let events_per_sec = stats.events as f64 / f64::from(*window_secs);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("window_sec", window_secs)?;
        map.serialize_entry("events_per_sec", &events_per_sec)?;
        serialize_counts(stats, &mut map)?;
        map.serialize_entry("total_events", &stats.events)?;
        map.serialize_entry("generation", generation)?;
        map.serialize_entry("as_of", &event::format_ms(*as_of_ms))?;
        if let Some(groups) = groups {
            map.serialize_entry("groups", &GroupList(groups))?;
        }
        map.end()
    }
}

/// The members that all figures have, from the unique users to the types.
pub(super) fn serialize_counts<M: SerializeMap>(stats: &Stats, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("unique_users", &stats.unique_users)?;
    map.serialize_entry("unknown", &stats.unknown)?;
    for (attribute, events) in &stats.by_attribute {
        map.serialize_entry(&format!("by_{attribute}"), events)?;
    }
    map.serialize_entry("by_type", &stats.by_type)
}

struct GroupList<'a>(&'a Groups);

impl Serialize for GroupList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Groups { attributes, groups } = self.0;
        let mut list = serializer.serialize_seq(Some(groups.len()))?;
        groups.iter().try_for_each(|group| list.serialize_element(&GroupDocument { attributes, group }))?;
        list.end()
    }
}

struct GroupDocument<'a> {
    attributes: &'a [String],
    group: &'a Group,
}

impl Serialize for GroupDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Group { values, events, unique_users } = self.group;
        let mut map = serializer.serialize_map(None)?;
        for (index, attribute) in self.attributes.iter().enumerate() {
            map.serialize_entry(attribute, &values.as_ref().map(|values| &values[index]))?;
        }
        map.serialize_entry("events", events)?;
        map.serialize_entry("unique_users", unique_users)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn members_come_in_order_with_a_map_for_every_attribute() {
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|&(k, v)| (k.to_owned(), v)).collect::<BTreeMap<_, _>>();
        let mut metrics = Metrics {
            window_secs: 10,
            stats: Stats {
                events: 7,
                unique_users: 2,
                unknown: 1,
                by_attribute: vec![("tier".into(), counts(&[("b", 1), ("a", 5)])), ("plan".into(), counts(&[]))],
                by_type: counts(&[("view", 7)]),
            },
            groups: None,
            generation: 3,
            as_of_ms: 1_759_926_896_789,
        };
        let json = concat!(
            r#"{"window_sec":10,"events_per_sec":0.7,"unique_users":2,"unknown":1,"by_tier":{"a":5,"b":1},"#,
            r#""by_plan":{},"by_type":{"view":7},"total_events":7,"generation":3,"as_of":"2025-10-08T12:34:56.789Z"}"#
        );
        assert_eq!(serde_json::to_string(&Document(&metrics)).unwrap(), json);
        let group = |values: Option<[&str; 2]>, events, unique_users| {
            let values = values.map(|values| values.map(str::to_owned).to_vec());
            Group { values, events, unique_users }
        };
        let groups = vec![group(Some(["eu", "x\"y"]), 6, 1), group(None, 1, 1)];
        metrics.groups = Some(Groups { attributes: vec!["region".into(), "plan".into()], groups });
        let groups = concat!(
            r#","groups":[{"region":"eu","plan":"x\"y","events":6,"unique_users":1},"#,
            r#"{"region":null,"plan":null,"events":1,"unique_users":1}]}"#
        );
        assert_eq!(serde_json::to_string(&Document(&metrics)).unwrap(), json.replace("Z\"}", "Z\"") + groups);
    }
}
