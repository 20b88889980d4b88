//! The role that a request needs, and the check of its token. A request for a role without tokens is checked by the
//! browser guard instead.
//!
//! | role | allows |
//! |---|---|
//! | ingest | `POST` |
//! | admin | `PUT`, `PATCH` |
//! | read | `GET` and `HEAD`. Health, the dashboard and the OpenAPI document need no role. |

use crate::http::app::App;
use crate::http::browser_guard::BrowserGuard;
use crate::http::dashboard;
use crate::http::problem::Problem;
use crate::tokens::Grant;
use axum::extract::Request;
use axum::http::Method;
use weir_api::Role;

/// The role that a request needs, if any. A method that no resource supports needs no role, because the router rejects
/// it.
pub(super) fn role_needed_by(method: &Method, path: &str) -> Option<Role> {
    match *method {
        Method::POST => Some(Role::Ingest),
        Method::PUT | Method::PATCH => Some(Role::Admin),
        Method::GET | Method::HEAD if !is_open(path) => Some(Role::Read),
        _ => None,
    }
}

/// The paths that need no role to read, in addition to those of the dashboard.
const OPEN_PATHS: [&str; 4] = ["/healthz", "/livez", "/readyz", "/openapi.json"];

/// Whether everyone may read a path.
fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || dashboard::is_path(path)
}

/// Checks that the client has the role that the request needs.
///
/// # Errors
/// The token is missing or wrong; or the role needs no token, and the browser guard rejects the request.
pub(super) fn check(app: &App, guard: &BrowserGuard, request: &Request) -> Result<(), Problem> {
    let Some(role) = role_needed_by(request.method(), request.uri().path()) else { return Ok(()) };
    match app.tokens.check(role, request.headers())? {
        Grant::OpenRole => guard.check(request),
        Grant::Token => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_depends_on_the_method_and_the_path() {
        let needed = |method: Method, path: &str| role_needed_by(&method, path);
        assert_eq!(needed(Method::POST, "/events"), Some(Role::Ingest));
        assert_eq!(
            [Method::PUT, Method::PATCH].map(|method| needed(method, "/reference/users")),
            [Some(Role::Admin); 2]
        );
        for path in [
            "/metrics",
            "/metrics/stream",
            "/reference/users",
            "/reference/users/u",
            "/nowhere",
            "/healthz/",
            "/dashboard",
        ] {
            assert_eq!([Method::GET, Method::HEAD].map(|method| needed(method, path)), [Some(Role::Read); 2], "{path}");
        }
        for path in OPEN_PATHS.into_iter().chain(["/", "/dashboard/style.css"]) {
            assert_eq!(needed(Method::GET, path), None);
            assert_eq!(needed(Method::PUT, path), Some(Role::Admin));
        }
        assert_eq!(needed(Method::DELETE, "/events"), None);
    }
}
