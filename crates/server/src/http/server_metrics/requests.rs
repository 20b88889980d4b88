//! Request counts by route, method and status, and request durations by route and method.

use crate::histogram::{Histogram, HistogramSnapshot, REQUEST_BOUNDS_NS};
use crate::limits;
use axum::http::{Method, StatusCode};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The label of an unknown route or method. All routes start with a slash, so no route has this name.
const OTHER: &str = "other";

/// The methods with a label of their own (RFC 9110, 9.1, and RFC 5789). The last label is for all other methods.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", OTHER];

/// The statuses of requests that never reach a resource. Their durations are not counted, because they would make the
/// other requests look fast. Also, strangers could otherwise fill the exposition with a histogram for each method that
/// they try.
const UNTIMED_STATUSES: [StatusCode; 3] =
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED];

/// The statuses of final responses.
const STATUSES: Range<u16> = 200..600;

/// Request counts and durations by route and method. A route takes the first free entry at its first request, and keeps
/// it. A lookup walks the entries from the first one: there are few, and no lock is needed.
#[derive(Debug)]
pub(in crate::http) struct RequestMetrics {
    routes: Box<[OnceLock<RouteMetrics>]>,
}

/// The counts of one route.
#[derive(Debug)]
struct RouteMetrics {
    template: Box<str>,
    methods: [OnceLock<MethodStats>; METHODS.len()],
}

/// The counts of one route and method.
#[derive(Debug)]
struct MethodStats {
    statuses: Box<[AtomicU64]>,
    durations: Histogram,
}

/// The counts of one route and method at one time.
#[derive(Debug)]
pub(in crate::http) struct MethodSnapshot<'a> {
    /// The path template of the route, or `other`.
    pub(in crate::http) route: &'a str,
    /// The method, or `other`.
    pub(in crate::http) method: &'static str,
    /// The statuses and their counts, without counts of zero.
    pub(in crate::http) statuses: Vec<(u16, u64)>,
    pub(in crate::http) durations: HistogramSnapshot,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self { routes: (0..limits::ROUTES_MAX).map(|_| OnceLock::new()).collect() }
    }
}

impl RequestMetrics {
    /// Counts a request. `template` is the path template of its route, if it has one. `elapsed` is the time until the
    /// response started.
    pub(in crate::http) fn count(
        &self,
        template: Option<&str>,
        method: &Method,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let known = METHODS.iter().position(|known| *known == method.as_str());
        let method = known.unwrap_or(METHODS.len() - 1);
        // There is an entry for each route, because the router has fewer routes than there are entries.
        let Some(route) = self.route(template.unwrap_or(OTHER)) else { return };
        let stats = route.methods[method].get_or_init(MethodStats::new);
        if STATUSES.contains(&status.as_u16()) {
            stats.statuses[usize::from(status.as_u16() - STATUSES.start)].fetch_add(1, Ordering::Relaxed);
        }
        if !UNTIMED_STATUSES.contains(&status) {
            stats.durations.observe(elapsed);
        }
    }

    /// The entry of a route. None if another route has taken the last free entry.
    fn route(&self, template: &str) -> Option<&RouteMetrics> {
        let mut entries = self.routes.iter().map(|entry| entry.get_or_init(|| RouteMetrics::new(template)));
        entries.find(|route| *route.template == *template)
    }

    /// The counts of every route and method that has had a request.
    pub(in crate::http) fn read(&self) -> impl Iterator<Item = MethodSnapshot<'_>> {
        self.routes.iter().filter_map(OnceLock::get).flat_map(RouteMetrics::read)
    }
}

impl RouteMetrics {
    fn new(template: &str) -> Self {
        Self { template: template.into(), methods: [const { OnceLock::new() }; METHODS.len()] }
    }

    fn read(&self) -> impl Iterator<Item = MethodSnapshot<'_>> {
        let snapshot = |(method, stats): (&'static str, &OnceLock<MethodStats>)| {
            let stats = stats.get()?;
            let statuses = STATUSES.zip(&stats.statuses).map(|(status, count)| (status, count.load(Ordering::Relaxed)));
            Some(MethodSnapshot {
                route: &self.template,
                method,
                statuses: statuses.filter(|(_, count)| *count > 0).collect(),
                durations: stats.durations.read(),
            })
        };
        METHODS.into_iter().zip(&self.methods).filter_map(snapshot)
    }
}

impl MethodStats {
    fn new() -> Self {
        Self { statuses: STATUSES.map(|_| AtomicU64::new(0)).collect(), durations: Histogram::new(REQUEST_BOUNDS_NS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line<'a> = (&'a str, &'static str, Vec<(u16, u64)>, u64);

    fn read(requests: &RequestMetrics) -> Vec<Line<'_>> {
        requests.read().map(|stats| (stats.route, stats.method, stats.statuses, stats.durations.count)).collect()
    }

    #[test]
    fn requests_are_counted_by_template_method_and_status() {
        let requests = RequestMetrics::default();
        let count = |template: Option<&str>, method: &str, status: u16| {
            let (method, status) = (method.parse().unwrap(), StatusCode::from_u16(status).unwrap());
            requests.count(template, &method, status, Duration::ZERO);
        };
        assert_eq!(read(&requests), []);
        for status in [200, 503, 200] {
            count(Some("/a/{b}"), "GET", status);
        }
        for template in [None, Some("/c")] {
            count(template, "BREW", 405);
        }
        count(Some("/c"), "PUT", 401);
        count(Some("/c"), "PUT", 403);
        count(None, "get", 404);
        count(Some("/a/{b}"), "POST", 599);
        count(Some("/a/{b}"), "CONNECT", 999);
        assert_eq!(
            read(&requests),
            [
                ("/a/{b}", "GET", vec![(200, 2), (503, 1)], 3),
                ("/a/{b}", "POST", vec![(599, 1)], 1),
                ("/a/{b}", "CONNECT", vec![], 1),
                ("other", "other", vec![(404, 1), (405, 1)], 1),
                ("/c", "PUT", vec![(401, 1), (403, 1)], 0),
                ("/c", "other", vec![(405, 1)], 0),
            ]
        );
    }

    #[test]
    fn concurrent_first_requests_of_a_route_get_one_entry() {
        let (requests, start) = (RequestMetrics::default(), std::sync::Barrier::new(4));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for route in ["/a", "/b", "/c"].iter().cycle().take(30_000) {
                        requests.count(Some(route), &Method::GET, StatusCode::OK, Duration::ZERO);
                    }
                });
            }
        });
        let mut all = read(&requests);
        all.sort_by_key(|(route, ..)| *route);
        assert_eq!(all, ["/a", "/b", "/c"].map(|route| (route, "GET", vec![(200, 40_000)], 40_000)));
    }

    #[test]
    fn routes_beyond_the_places_are_not_counted() {
        let requests = RequestMetrics::default();
        for route in 0..=limits::ROUTES_MAX {
            requests.count(Some(&format!("/{route}")), &Method::GET, StatusCode::OK, Duration::ZERO);
        }
        assert_eq!(read(&requests).len(), limits::ROUTES_MAX);
    }
}
