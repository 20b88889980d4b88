//! Tokens and roles over HTTP.

use crate::common::{NOON, Reply, Server, event, problem, table, user};
use weir_api::Role;
use weir_server::Tokens;

fn server(tokens: &[(Role, &str)]) -> Server {
    Server::builder().tokens(tokens).start()
}

/// Sends a request with a token, if there is one.
fn ask(server: &Server, token: Option<&str>, method: &str, path: &str, body: Option<&str>) -> Reply {
    let field = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = field.iter().map(|field| ("authorization", field.as_str())).collect();
    server.request(method, path, &headers, body.map(str::as_bytes))
}

/// The statuses of three requests: of one for each role.
fn statuses(server: &Server, token: Option<&str>) -> [u16; 3] {
    let users = table([user("u-1", "pro", "eu")], NOON);
    [
        ask(server, token, "POST", "/events", Some(&event("a").to_string())).status,
        ask(server, token, "PUT", "/reference/users", Some(&users)).status,
        ask(server, token, "GET", "/metrics", None).status,
    ]
}

const ALL: [(Role, &str); 3] = [(Role::Ingest, "i"), (Role::Admin, "a"), (Role::Read, "r")];

#[test]
fn each_role_has_its_own_routes() {
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
fn only_health_can_be_read_without_a_token() {
    let server = server(&ALL);
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!((server.get(path).status, server.head(path).status), (200, 200), "{path}");
    }
    for path in ["/metrics", "/reference/users", "/reference/users/u-1", "/nowhere", "/healthz/x", "//healthz"] {
        assert_eq!((server.get(path).status, server.head(path).status), (401, 401), "{path}");
    }
}

#[test]
fn a_refusal_tells_a_missing_token_from_a_wrong_one() {
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
fn tokens_are_checked_before_anything_else() {
    let server = server(&ALL);
    assert_eq!(ask(&server, None, "PUT", "/events", Some("")).status, 401, "before 405");
    assert_eq!(ask(&server, Some("a"), "PUT", "/events", Some("")).status, 405);
    assert_eq!(ask(&server, None, "POST", "/events", Some("not JSON")).status, 401);
    assert_eq!(ask(&server, Some("i"), "POST", "/events", Some("not JSON")).status, 400);
    assert_eq!(ask(&server, None, "GET", "/metrics?window=0", None).status, 401);
    assert_eq!(ask(&server, None, "DELETE", "/events", None).status, 405, "no role may do it");
    let post = |token| ask(&server, Some(token), "POST", "/events", Some(&event("a").to_string()));
    assert_eq!(post("r").problem(), problem(403, "forbidden"));
    assert_eq!(post("i").verdicts(), ["success"]);
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
fn an_invalid_token_cannot_be_configured() {
    assert!(Tokens::default().add(Role::Read, "two words").is_err());
}
