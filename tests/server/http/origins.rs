//! Requests that browsers make for web pages: of this server, of other origins, and of origins that may use it.

use crate::common::{NOON, Raw, Reply, Server, array, event, problem, table, user};
use weir_api::Role;
use weir_server::{AllowedHosts, CorsOrigins};

const PAGE: &str = "https://app.example";

/// A server whose web pages at [`PAGE`] may use it.
fn sharing(tokens: &[(Role, &str)]) -> Server {
    let origins = CorsOrigins::parse(&[PAGE.to_owned()]).unwrap();
    Server::builder().http(|http| http.cors_origins = origins).tokens(tokens).start()
}

/// The answers to a request of each role, with these header fields.
fn replies(server: &Server, headers: &[(&str, &str)]) -> [Reply; 3] {
    let users = table([user("u-1", "pro", "eu")], NOON);
    [server.post_with(headers, event("a")), server.put_users(headers, users), server.get_with(headers, "/metrics")]
}

fn statuses(server: &Server, headers: &[(&str, &str)]) -> [u16; 3] {
    replies(server, headers).map(|reply| reply.status)
}

/// Sends a request with a `Host` of its own.
fn with_host(server: &Server, request_line: &str, host: &str) -> Reply {
    let mut connection = Raw::connect(server.address);
    connection.send(format!("{request_line} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n"));
    connection.reply()
}

#[test]
fn pages_of_other_origins_are_refused_where_a_role_needs_no_token() {
    let server = Server::start();
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", PAGE), ("content-type", "text/plain;charset=UTF-8"), ("sec-fetch-site", "cross-site")],
    ] {
        for reply in replies(&server, headers) {
            assert_eq!(reply.problem(), problem(403, "forbidden_origin"), "{headers:?}");
        }
        assert_eq!(server.get_with(headers, "/healthz").status, 200);
    }
    assert_eq!((server.total_events(), &server.get("/reference/users").json()["generation"]), (0, &0.into()));
    let own = format!("http://{}", server.address);
    assert_eq!(statuses(&server, &[("origin", &own), ("sec-fetch-site", "same-origin")]), [200; 3]);
    assert_eq!(statuses(&server, &[("sec-fetch-site", "none")]), [200; 3]);
}

#[test]
fn a_role_with_a_token_is_not_checked_for_origins() {
    let server = Server::builder().tokens(&[(Role::Admin, "a"), (Role::Read, "r")]).start();
    let foreign = ("origin", "https://evil.example");
    assert_eq!(statuses(&server, &[foreign]), [403, 401, 401]);
    assert_eq!(statuses(&server, &[foreign, ("authorization", "Bearer a")]), [403, 200, 403]);
    assert_eq!(statuses(&server, &[foreign, ("authorization", "Bearer r")]), [403, 403, 200]);
}

#[test]
fn a_loopback_server_has_only_loopback_names() {
    let server = Server::start();
    let port = server.address.port();
    for host in ["localhost", &format!("127.0.0.1:{port}"), "[::1]", "weir.localhost:80"] {
        assert_eq!(with_host(&server, "GET /metrics", host).status, 200, "{host}");
    }
    for host in ["evil.example", &format!("evil.example:{port}"), "10.0.0.1", "localhost.evil.example", "a b"] {
        for line in ["GET /metrics", "POST /events", "PUT /reference/users", "GET http://evil.example/metrics"] {
            assert_eq!(with_host(&server, line, host).problem(), problem(403, "forbidden_host"), "{line} {host}");
        }
        assert_eq!(with_host(&server, "GET /healthz", host).status, 200);
    }
    assert_eq!(with_host(&server, "GET /metrics", "").status, 200, "a browser always names a host");
    let mut old = Raw::connect(server.address);
    old.send("GET /metrics HTTP/1.0\r\n\r\n");
    assert_eq!(old.reply().status, 200, "a browser always names a host");
}

#[test]
fn further_hosts_can_be_allowed() {
    let hosts = AllowedHosts::parse(&["weir.example".to_owned()]).unwrap();
    let server = Server::builder().http(|http| http.allowed_hosts = hosts).start();
    assert_eq!(with_host(&server, "GET /metrics", "weir.example:8080").status, 200);
    assert_eq!(with_host(&server, "GET /metrics", "localhost").status, 200);
    assert_eq!(with_host(&server, "GET /metrics", "evil.example").problem(), problem(403, "forbidden_host"));
    let server = Server::builder().http(|http| http.allowed_hosts = AllowedHosts::Any).start();
    assert_eq!(with_host(&server, "GET /metrics", "evil.example").status, 200);
}

#[test]
fn configured_origins_may_post_and_read() {
    let server = sharing(&[]);
    let page = [("origin", PAGE), ("sec-fetch-site", "cross-site")];
    let [posted, put, read] = replies(&server, &page);
    assert_eq!((posted.status, read.status), (200, 200));
    assert_eq!(put.problem(), problem(403, "forbidden_origin"));
    for reply in [posted, read, server.get_with(&page, "/metrics?window=0")] {
        assert_eq!(reply.header("access-control-allow-origin"), PAGE);
        let vary: Vec<_> = reply.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(vary.join(", ").contains("origin"), "{vary:?}");
        assert!(reply.header("access-control-expose-headers").contains("retry-after"));
    }
    let other = server.get_with(&[("origin", "https://evil.example")], "/metrics");
    assert_eq!((other.status, other.header("access-control-allow-origin")), (403, ""));
}

#[test]
fn preflights_are_answered_for_posts_of_events_and_for_reads() {
    let server = sharing(&[(Role::Ingest, "i"), (Role::Read, "r")]);
    let ask = |path: &str, origin: &str, method: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        server.request("OPTIONS", path, &headers, None)
    };
    for (path, method) in [("/events", "POST"), ("/metrics", "GET"), ("/metrics/stream", "GET")] {
        let reply = ask(path, PAGE, method);
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, PAGE), "{path}");
        assert!(reply.header("access-control-allow-methods").contains(method));
        assert_eq!(reply.header("access-control-allow-headers"), "authorization,content-type");
        assert_eq!(reply.header("access-control-max-age"), "7200");
        assert_eq!(ask(path, "https://evil.example", method).header("access-control-allow-origin"), "");
    }
    for (path, method) in [("/reference/users", "PUT"), ("/reference/users", "PATCH"), ("/metrics", "POST")] {
        assert_eq!(ask(path, PAGE, method).problem(), problem(405, "method_not_allowed"), "{path}");
    }
    assert_eq!(server.request("OPTIONS", "/events", &[], None).status, 405, "not a preflight");
    assert_eq!(statuses(&server, &[("origin", PAGE)]), [401, 403, 401], "a page needs the tokens, too");
    let unauthorized = server.get_with(&[("origin", PAGE)], "/metrics");
    assert_eq!(unauthorized.header("access-control-allow-origin"), PAGE, "a page can read why it failed");
    assert_eq!(statuses(&server, &[("origin", PAGE), ("authorization", "Bearer r")])[2], 200);
}

#[test]
fn without_configured_origins_there_are_no_preflights() {
    let server = Server::start();
    let headers = [("origin", PAGE), ("access-control-request-method", "POST")];
    assert_eq!(server.request("OPTIONS", "/events", &headers, None).problem(), problem(405, "method_not_allowed"));
    assert_eq!(server.get("/metrics").header("vary"), "accept");
}

#[test]
fn pages_may_send_json_as_text() {
    let beacon = [("origin", PAGE), ("content-type", "text/plain;charset=UTF-8")];
    let server = sharing(&[]);
    assert_eq!(server.post_with(&beacon, array([event("a"), event("b")])).verdicts(), ["success", "success"]);
    assert_eq!(server.post_with(&beacon, "a,b").problem(), problem(400, "malformed_json"));
    let text = |server: &Server| {
        let content = &server.get("/openapi.json").json()["paths"]["/events"]["post"]["requestBody"]["content"];
        content.get("text/plain").cloned()
    };
    assert_eq!((text(&server).is_some(), text(&Server::start())), (true, None), "the description says so");
    let refused = server.post_with(&[("content-type", "text/csv")], "a,b");
    assert_eq!(refused.problem(), problem(415, "unsupported_media_type"));
    assert!(refused.header("accept").ends_with(", text/plain"));
    let server = Server::start();
    let refused = server.post_with(&[("content-type", "text/plain")], event("a"));
    assert_eq!(refused.problem(), problem(415, "unsupported_media_type"));
}

#[test]
fn all_origins_can_be_allowed() {
    let server = Server::builder().http(|http| http.cors_origins = CorsOrigins::Any).start();
    let page = [("origin", "null"), ("sec-fetch-site", "cross-site")];
    let [posted, put, read] = replies(&server, &page);
    assert_eq!([posted.status, put.status, read.status], [200, 403, 200]);
    assert_eq!(read.header("access-control-allow-origin"), "*");
}
