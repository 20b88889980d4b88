//! The way of a request to its resource.
//!
//! `POST /events` has a short way: it is found by its method and path, and its handler is called directly. All other
//! requests go through the router of axum, which allocates memory several times for each request. The work around the
//! resources is the same for both.

use crate::client::Client;
use crate::http::app::App;
use crate::http::around::Around;
use crate::http::problem::Problem;
use crate::http::{
    dashboard, events, exposition, health, metrics, openapi, reference, rejected, series, status, stream,
};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt as _;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The whole HTTP API of one listener.
pub(crate) struct Api {
    around: Arc<Around>,
    router: Router,
}

impl Api {
    /// The API of a server that listens on `listen`. `HEAD` works wherever `GET` does.
    pub(crate) fn new(app: Arc<App>, listen: SocketAddr) -> Self {
        let around = Arc::new(Around::new(Arc::clone(&app), listen));
        let (router, description) = routes().split_for_parts();
        let description = openapi::describe(&description, app.engine.config(), !app.config.cors_origins.is_none());
        let router = router
            .route(openapi::PATH, get(openapi::show).with_state(description))
            .fallback(async || Problem::NotFound)
            .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
            .layer(from_fn_with_state(Arc::clone(&around), around_route))
            .with_state(app);
        Self { around, router }
    }

    /// Answers a request of a client.
    pub(crate) fn respond(&self, mut request: Request, client: &Client) -> impl Future<Output = Response> + use<> {
        if request.method() == Method::POST && request.uri().path() == events::PATH {
            let app = Arc::clone(self.around.app());
            // In a box, because the other futures of the request are moved several times.
            let ingest = |request| Box::pin(events::ingest(State(app), request)).map(IntoResponse::into_response);
            return Either::Left(Arc::clone(&self.around).respond(request, Some(events::PATH), ingest));
        }
        request.extensions_mut().insert(client.clone());
        let routed = self.router.clone().oneshot(request);
        Either::Right(routed.map(|response| response.unwrap_or_else(|never| match never {})))
    }
}

/// The middleware of the router.
async fn around_route(State(around): State<Arc<Around>>, request: Request, next: Next) -> Response {
    let route: Option<MatchedPath> = request.extensions().get().cloned();
    around.respond(request, route.as_ref().map(MatchedPath::as_str), |request| next.run(request)).await
}

/// Every resource but the OpenAPI document, and the description of all resources for this document.
fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::BaseDocument::openapi())
        .routes(routes!(events::ingest))
        .routes(routes!(rejected::show))
        .routes(routes!(reference::show, reference::replace, reference::merge))
        .routes(routes!(reference::show_user))
        .routes(routes!(metrics::show))
        .routes(routes!(exposition::show))
        .routes(routes!(status::show))
        .routes(routes!(series::show))
        .routes(routes!(stream::subscribe))
        .routes(routes!(health::healthy))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(dashboard::page))
        .routes(routes!(dashboard::file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::HttpConfig;
    use axum::body::to_bytes;
    use axum::http::HeaderMap;
    use weir::{Engine, EngineConfig, ManualClock};

    fn api(config: HttpConfig) -> (Arc<App>, Api) {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
        let app = Arc::new(App::new(Arc::new(engine), config));
        (Arc::clone(&app), Api::new(app, "127.0.0.1:3000".parse().unwrap()))
    }

    type Fields<'a> = &'a [(&'a str, &'a str)];

    fn request(method: &str, target: &str, fields: Fields<'_>, body: &str) -> Request {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(body.to_owned().into()).unwrap()
    }

    async fn parts(response: Response) -> (u16, HeaderMap, String) {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let mut fields = head.headers;
        // hyper adds it to every response that has none.
        fields.remove("content-length");
        (head.status.as_u16(), fields, String::from_utf8(body.to_vec()).unwrap())
    }

    fn counted(app: &App) -> Vec<String> {
        let count = |stats: crate::http::server_metrics::MethodSnapshot<'_>| {
            format!("{} {} {:?} {}", stats.route, stats.method, stats.statuses, stats.durations.count)
        };
        app.server_metrics.requests.read().map(count).collect()
    }

    /// Requests for events, and for paths that are nearly the path of events.
    const REQUESTS: [(&str, &str, Fields<'_>, &str); 20] = [
        ("POST", "/events", &[], "[]"),
        ("POST", "/events?detail=full", &[], "[{}]"),
        ("POST", "/events?", &[("prefer", "return=minimal")], "[{}]"),
        ("POST", "http://localhost/events", &[("host", "other.example")], "[]"),
        ("POST", "http://evil.example/events", &[("host", "localhost")], "[]"),
        ("POST", "/events", &[("content-type", "text/html")], "[]"),
        ("POST", "/events", &[("content-encoding", "br")], "[]"),
        ("POST", "/events", &[("host", "evil.example")], "[]"),
        ("POST", "/events", &[("origin", "https://evil.example")], "[]"),
        ("POST", "/events", &[], "["),
        ("POST", "/events", &[], "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]"),
        ("POST", "/events/", &[], "[]"),
        ("POST", "/Events", &[], "[]"),
        ("POST", "/%65vents", &[], "[]"),
        ("POST", "//events", &[], "[]"),
        ("post", "/events", &[], "[]"),
        ("HEAD", "/events", &[], ""),
        ("GET", "/events", &[], ""),
        ("OPTIONS", "/events", &[("access-control-request-method", "POST")], ""),
        ("BREW", "/events", &[], ""),
    ];

    #[tokio::test]
    async fn the_short_way_to_events_differs_from_the_router_in_nothing() {
        let long = format!("/events?{}", "x".repeat(crate::limits::TARGET_BYTES_MAX));
        let config = || HttpConfig { max_body_bytes: 40, ..HttpConfig::default() };
        let ((short, api_short), (routed, api_routed)) = (api(config()), api(config()));
        for (method, target, fields, body) in REQUESTS.into_iter().chain([("POST", &*long, &[][..], "[]")]) {
            let direct = api_short.respond(request(method, target, fields, body), &Client::default()).await;
            let by_router = api_routed.router.clone().oneshot(request(method, target, fields, body)).await.unwrap();
            assert_eq!(parts(direct).await, parts(by_router).await, "{method} {target} {fields:?} {body}");
            assert_eq!(counted(&short), counted(&routed), "{method} {target}");
        }
        let posts = "/events POST [(200, 4), (400, 1), (403, 3), (413, 1), (414, 1), (415, 2)] 9";
        assert!(counted(&short).contains(&posts.to_owned()), "{:?}", counted(&short));
    }

    #[tokio::test]
    async fn only_posts_to_the_very_path_take_the_short_way() {
        let (_, mut api) = api(HttpConfig::default());
        // With this router, each request that takes the other way is not found.
        api.router = Router::new();
        for (method, target, status) in [
            ("POST", "/events", 200),
            ("POST", "/events?a=b", 200),
            ("POST", "http://127.0.0.1/events", 200),
            ("POST", "/events/", 404),
            ("POST", "/%65vents", 404),
            ("GET", "/events", 404),
            ("OPTIONS", "/events", 404),
        ] {
            let response = api.respond(request(method, target, &[], "[]"), &Client::default()).await;
            assert_eq!(response.status(), status, "{method} {target}");
        }
    }
}
