//! `GET /` and `/dashboard/…`: the dashboard, a page that draws the live metrics. The page is code without data, so it
//! is open to everyone. It requests its data with the token of the reader.

use crate::http::entity_tags::{EntityTags, NO_CACHE, not_modified};
use crate::http::header;
use crate::http::openapi_errors::FileErrors;
use crate::http::problem::Problem;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use weir_api::parameters;

/// A file of the dashboard.
struct File {
    path: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

/// The file with this name in the folder `dashboard`, served at `$path`.
macro_rules! file {
    ($path:expr, $name:literal, $media_type:expr) => {
        File { path: $path, media_type: $media_type, content: include_bytes!(concat!("../../dashboard/", $name)) }
    };
}

macro_rules! module {
    ($name:literal) => {
        file!(concat!("/dashboard/", $name), $name, "text/javascript; charset=utf-8")
    };
}

static FILES: [File; 21] = [
    file!("/", "index.html", "text/html; charset=utf-8"),
    file!("/dashboard/style.css", "style.css", "text/css; charset=utf-8"),
    file!("/dashboard/icon.svg", "icon.svg", "image/svg+xml"),
    module!("api.js"),
    module!("breakdown.js"),
    module!("chart.js"),
    module!("cluster.js"),
    module!("connection.js"),
    module!("controls.js"),
    module!("dom.js"),
    module!("format.js"),
    module!("ingest.js"),
    module!("journal.js"),
    module!("live.js"),
    module!("main.js"),
    module!("panels.js"),
    module!("poll.js"),
    module!("scale.js"),
    module!("series.js"),
    module!("sse.js"),
    module!("view.js"),
];

/// The entity tag of each file: a hash of its content, as a number.
static VERSIONS: LazyLock<[u64; FILES.len()]> = LazyLock::new(|| {
    FILES.each_ref().map(|file| {
        let digest = Sha256::digest(file.content);
        u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
    })
});

/// The page may run and load only files of this server. So a value that ends up in the markup of the page can do
/// nothing.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// Whether a path belongs to the dashboard.
pub(super) fn is_path(path: &str) -> bool {
    path == "/" || path.starts_with("/dashboard/")
}

/// The dashboard.
#[utoipa::path(
    get, path = "/", tag = "service", operation_id = "dashboard", params(parameters::IfNoneMatchHeader),
    responses(
        (
            status = 200, description = "The dashboard page.", body = String, content_type = "text/html; charset=utf-8",
            headers(
                ("ETag" = String), ("Content-Security-Policy" = String), ("X-Content-Type-Options" = String),
                ("Referrer-Policy" = String)
            )
        ),
        (
            status = 304, description = "`If-None-Match` contains the tag of the current page.",
            headers(
                ("ETag" = String), ("Content-Security-Policy" = String), ("X-Content-Type-Options" = String),
                ("Referrer-Policy" = String)
            )
        )
    )
)]
pub(super) async fn page(headers: HeaderMap) -> Result<Response, Problem> {
    show("/", &headers)
}

/// A file of the dashboard.
#[utoipa::path(
    get, path = "/dashboard/{file}", tag = "service", operation_id = "dashboard_file",
    params(parameters::FileName, parameters::IfNoneMatchHeader),
    responses(
        (
            status = 200, description = "The file.",
            content(
                (String = "text/javascript; charset=utf-8"), (String = "text/css; charset=utf-8"),
                (String = "image/svg+xml")
            ),
            headers(
                ("ETag" = String), ("Content-Security-Policy" = String), ("X-Content-Type-Options" = String),
                ("Referrer-Policy" = String)
            )
        ),
        (
            status = 304, description = "`If-None-Match` contains the tag of the current file.",
            headers(
                ("ETag" = String), ("Content-Security-Policy" = String), ("X-Content-Type-Options" = String),
                ("Referrer-Policy" = String)
            )
        ),
        FileErrors
    )
)]
pub(super) async fn file(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    show(uri.path(), &headers)
}

/// The response for the file at a path.
fn show(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let index = FILES.iter().position(|file| file.path == path).ok_or(Problem::NotFound)?;
    let (file, version) = (&FILES[index], VERSIONS[index]);
    let mut response = Response::new(Body::from(Bytes::from_static(file.content)));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    // The tag is weak, because the bytes of a compressed response are others (RFC 9110, 8.8.1).
    fields.insert(ETAG, header::value(format!("W/\"{version}\"")));
    fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
    fields.insert(CACHE_CONTROL, NO_CACHE);
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    fields.insert(CONTENT_SECURITY_POLICY, POLICY);
    let is_known = EntityTags::if_none_match(headers).is_some_and(|tags| tags.matches(&version.to_string()));
    Ok(if is_known { not_modified(response) } else { response })
}
