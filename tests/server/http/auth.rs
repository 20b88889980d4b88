//! Who may do what, over HTTP.

use crate::common::{Reply, Server, event, problem, table, user};
use weir_api::Role;
use weir_server::Tokens;

fn server(tokens: &[(Role, &str)]) -> Server {
    let server = Server::start();
    server.set_tokens(tokens);
    server
}

/// Sends a request with a token, if there is one.
fn ask(server: &Server, token: Option<&str>, method: &str, path: &str, body: Option<&str>) -> Reply {
    let field = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = field.iter().map(|field| ("authorization", field.as_str())).collect();
    server.request(method, path, &headers, body.map(str::as_bytes))
}

/// A request for every role, and what it is answered with.
fn statuses(server: &Server, token: Option<&str>) -> [u16; 3] {
    let users = table(user("u-1", "pro", "eu"), crate::common::NOON);
    [
        ask(server, token, "POST", "/events", Some(&event("a"))).status,
        ask(server, token, "PUT", "/reference/users", Some(&users)).status,
        ask(server, token, "GET", "/metrics", None).status,
    ]
}

const ALL: [(Role, &str); 3] = [(Role::Ingest, "i"), (Role::Admin, "a"), (Role::Read, "r")];

#[test]
fn each_role_has_its_routes() {
    let server = server(&ALL);
    assert_eq!(statuses(&server, None), [401; 3]);
    assert_eq!(statuses(&server, Some("x")), [401; 3]);
    assert_eq!(statuses(&server, Some("i")), [200, 403, 403]);
    assert_eq!(statuses(&server, Some("a")), [403, 200, 403]);
    assert_eq!(statuses(&server, Some("r")), [403, 403, 200]);
}

#[test]
fn a_role_without_a_token_is_open() {
    let server = server(&[(Role::Admin, "a")]);
    assert_eq!(statuses(&server, None), [200, 401, 200]);
    assert_eq!(statuses(&server, Some("nonsense")), [200, 401, 200]);
    assert_eq!(statuses(&server, Some("a")), [200, 200, 200]);
}

#[test]
fn health_is_open_and_everything_else_that_is_read_is_not() {
    let server = server(&ALL);
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!((server.get(path).status, server.head(path).status), (200, 200), "{path}");
    }
    for path in ["/metrics", "/reference/users", "/reference/users/u-1", "/nowhere", "/healthz/x", "//healthz"] {
        assert_eq!((server.get(path).status, server.head(path).status), (401, 401), "{path}");
    }
}

#[test]
fn refusals_say_what_is_missing() {
    let server = server(&ALL);
    let missing = ask(&server, None, "GET", "/metrics", None);
    assert_eq!(missing.problem(), problem(401, "unauthorized"));
    assert_eq!(missing.header("www-authenticate"), r#"Bearer realm="weir""#);
    let wrong = ask(&server, Some("wrong"), "GET", "/metrics", None);
    assert_eq!(wrong.problem(), problem(401, "unauthorized"));
    assert_eq!(wrong.header("www-authenticate"), r#"Bearer realm="weir", error="invalid_token""#);
    let other = ask(&server, Some("i"), "GET", "/metrics", None);
    assert_eq!(other.problem(), problem(403, "forbidden"));
    for reply in [missing, wrong, other] {
        assert!(!reply.text().contains("wrong"), "{reply:?}");
    }
}

#[test]
fn tokens_are_asked_for_before_anything_else_is_judged() {
    let server = server(&ALL);
    assert_eq!(ask(&server, None, "PUT", "/events", Some("")).status, 401, "before 405");
    assert_eq!(ask(&server, Some("a"), "PUT", "/events", Some("")).status, 405);
    assert_eq!(ask(&server, None, "POST", "/events", Some("not JSON")).status, 401);
    assert_eq!(ask(&server, Some("i"), "POST", "/events", Some("not JSON")).status, 400);
    assert_eq!(ask(&server, None, "GET", "/metrics?window=0", None).status, 401);
    assert_eq!(ask(&server, None, "DELETE", "/events", None).status, 405, "no role can do what nobody can");
    let refused = server.request("POST", "/events", &[("authorization", "Bearer r")], Some(event("a").as_bytes()));
    assert_eq!(refused.problem(), problem(403, "forbidden"));
    assert_eq!(ask(&server, Some("i"), "POST", "/events", Some(&event("a"))).verdicts(), ["success"]);
}

#[test]
fn tokens_change_from_one_request_to_the_next() {
    let server = server(&[(Role::Read, "old")]);
    let status = |token| ask(&server, Some(token), "GET", "/metrics", None).status;
    assert_eq!([status("old"), status("new")], [200, 401]);
    server.set_tokens(&[(Role::Read, "old"), (Role::Read, "new")]);
    assert_eq!([status("old"), status("new")], [200, 200]);
    server.set_tokens(&[(Role::Read, "new")]);
    assert_eq!([status("old"), status("new")], [401, 200]);
    server.set_tokens(&[]);
    assert_eq!([status("old"), status("new")], [200, 200]);
}

#[test]
fn what_is_no_token_is_not_taken_for_one() {
    assert!(Tokens::default().add(Role::Read, "two words").is_err());
}
