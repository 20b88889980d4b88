//! Changes of the table: PUT and PATCH.

use super::{CHANGES, IF_MATCH, assert_updated, of, shown};
use crate::common::{NOON, Server, after_noon, gzip, problem, table, user, zstd};

#[test]
fn a_put_replaces_the_whole_table() {
    let server = Server::start();
    assert_eq!(shown(&server), r#"{"generation":0,"ts":null,"users":0,"attributes":["plan","region"]}"#);
    assert_eq!(server.get("/reference/users").header("etag"), "\"0\"");
    let two = table([user("u-1", "pro", "eu"), user("u-2", "free", "us")], "2025-10-08t14:00:00.0009+02:00");
    assert_updated(&server.put_users(&[], two), 1, 2);
    let summary = format!(r#"{{"generation":1,"ts":"{NOON}","users":2,"attributes":["plan","region"]}}"#);
    assert_eq!(shown(&server), summary);
    assert_eq!(server.get("/reference/users").header("etag"), "\"1\"");
    assert_eq!(server.get("/reference/users/u-2").text(), r#"{"user_id":"u-2","plan":"free","region":"us"}"#);
    let json = [("content-type", "application/json")];
    assert_updated(&server.put_users(&json, table([user("u-1", "any value", "\\u00e9")], after_noon(1))), 2, 1);
    assert_eq!(server.get("/reference/users/u-1").text(), r#"{"user_id":"u-1","plan":"any value","region":"é"}"#);
    assert_eq!(server.get("/reference/users/u-2").problem(), problem(404, "unknown_user"));
    assert_updated(&server.put_users(&[], table([""], after_noon(2))), 3, 0);
}

#[test]
fn other_keys_are_ignored_whatever_they_contain() {
    let server = Server::start();
    let users = r#"{"u":{"a":[{}],"region":"eu","a":2,"plan":"pro"}}"#;
    let body = format!(
        r#"{{"x":1,"x":1e999,"ts":"{NOON}","user_metadata":{users},"y":{}{}}}"#,
        "[".repeat(127),
        "]".repeat(127),
    );
    assert_updated(&server.put_users(&[], &body), 1, 1);
    assert_eq!(server.get("/reference/users/u").text(), r#"{"user_id":"u","plan":"pro","region":"eu"}"#);
}

#[test]
fn the_same_table_with_the_same_ts_is_a_safe_retry() {
    let server = Server::start();
    let (a, b) = (user("a", "pro", "eu"), user("b", "free", "us"));
    assert_updated(&server.put_users(&[], table([&a, &b], NOON)), 1, 2);
    let escaped = r#""b":{"region":"us","plan":"fr\u0065e"},"\u0061":{"other":7,"plan":"pro","region":"eu"}"#;
    for same in [table([format!("{b} , {a}")], "2025-10-08T12:00:00Z"), table([escaped], NOON)] {
        assert_updated(&server.put_users(&[], same), 1, 2);
    }
    assert_updated(&server.put_users(&[], table([&a, &b], after_noon(1))), 2, 2);
}

#[test]
fn a_table_that_is_not_newer_is_stale() {
    let server = Server::start();
    assert_eq!(server.put_users(&[], of("pro", NOON)).status, 200);
    let before = shown(&server);
    let more = table([user("u", "pro", "eu"), user("v", "pro", "eu")], NOON);
    for stale in
        [of("pro", after_noon(-1)), of("free", NOON), more, table([""], NOON), of("pro", "1970-01-01T00:00:00Z")]
    {
        let reply = server.put_users(&[], &stale);
        assert_eq!(reply.problem(), problem(409, "stale_reference"), "{stale}");
        assert!(reply.text().ends_with(&format!(r#","current_ts":"{NOON}","current_generation":1}}"#)), "{reply:?}");
        assert_eq!(shown(&server), before);
    }
    for stale in
        [of("pro", after_noon(-1)), of("free", NOON), table([r#""u":null"#], NOON), table([""], after_noon(-1))]
    {
        let reply = server.patch_users(&[], &stale);
        assert_eq!(reply.problem(), problem(409, "stale_reference"), "{stale}");
        assert_eq!((&reply.json()["current_ts"], &reply.json()["current_generation"]), (&NOON.into(), &1.into()));
        assert_eq!(shown(&server), before);
    }
    assert_eq!(server.get("/reference/users/u").json()["plan"], "pro");
}

#[test]
fn a_table_may_be_ahead_of_the_clock_by_at_most_the_skew() {
    let server = Server::start();
    for change in CHANGES {
        let reply = change(&server, &[], of("pro", "2025-10-08T12:02:00.001Z"));
        assert_eq!(reply.problem(), problem(422, "timestamp_in_future"));
        let detail = "ts is 120001 ms ahead of the server's clock; at most 120000 ms are accepted";
        assert_eq!(reply.json()["detail"], detail);
        assert_eq!(change(&server, &[], of("pro", "9999-12-31T23:59:59Z")).problem().1, "timestamp_in_future");
    }
    assert_updated(&server.put_users(&[], of("pro", "2025-10-08T12:02:00Z")), 1, 1);
    server.clock.advance(1);
    assert_updated(&server.patch_users(&[], of("pro", "2025-10-08T12:02:00.001Z")), 2, 1);
    let old = Server::start();
    assert_updated(&old.put_users(&[], of("pro", "1970-01-01T00:00:00Z")), 1, 1);
}

#[test]
fn the_checks_of_a_change_have_an_order() {
    let server = Server::builder().http(|http| http.max_body_bytes = 200).start();
    assert_eq!(server.put_users(&[], of("pro", NOON)).status, 200);
    let before = shown(&server);
    let wrong = (IF_MATCH, "\"7\"");
    let (stale, future) = (of("pro", after_noon(-1)), of("pro", after_noon(120_001)));
    let misshapen = format!(r#"{{"ts":"{}","user_metadata":{{"u":7}}}}"#, after_noon(120_001));
    let large = "x".repeat(201);
    for change in CHANGES {
        for (headers, body, refusal) in [
            (&[wrong, ("content-encoding", "br")][..], &large, (415, "unsupported_encoding")),
            (&[wrong], &large, (413, "payload_too_large")),
            (&[wrong], &large[..200].to_owned(), (400, "malformed_json")),
            (&[wrong], &misshapen, (422, "invalid_reference")),
            (&[wrong], &future, (422, "timestamp_in_future")),
            (&[wrong], &stale, (412, "generation_mismatch")),
            (&[(IF_MATCH, "\"1\"")], &stale, (409, "stale_reference")),
        ] {
            let reply = change(&server, headers, body.clone());
            assert_eq!(reply.problem(), problem(refusal.0, refusal.1), "{body}");
            assert_eq!(shown(&server), before);
        }
    }
}

#[test]
fn each_method_accepts_its_own_media_type_only() {
    let server = Server::start();
    for content_type in ["application/x-ndjson", "application/merge-patch+json", "text/plain"] {
        let reply = server.put_users(&[("content-type", content_type)], of("pro", NOON));
        assert_eq!(reply.problem(), problem(415, "unsupported_media_type"), "{content_type}");
        assert_eq!(reply.header("accept"), "application/json", "{content_type}");
    }
    for headers in [
        &[][..],
        &[("content-type", "application/json")],
        &[("content-type", "application/json-patch+json")],
        &[("content-type", "application/merge-patch+json; charset=latin1")],
    ] {
        let reply = server.request("PATCH", "/reference/users", headers, Some(of("pro", NOON).as_bytes()));
        assert_eq!(reply.problem(), problem(415, "unsupported_media_type"), "{headers:?}");
        assert_eq!(reply.header("accept-patch"), "application/merge-patch+json", "{headers:?}");
    }
    let reply = server.request("DELETE", "/reference/users", &[], None);
    assert_eq!((reply.problem(), reply.header("allow")), (problem(405, "method_not_allowed"), "GET,HEAD,PUT,PATCH"));
    let merge = [("content-type", "Application/Merge-Patch+JSON; charset=utf-8")];
    assert_updated(&server.request("PATCH", "/reference/users", &merge, Some(of("pro", NOON).as_bytes())), 1, 1);
}

#[test]
fn changes_may_be_compressed() {
    let server = Server::start();
    let users: Vec<_> = (0..5_000).map(|i| user(&format!("u-{i}"), "pro", "eu")).collect();
    let (gz, zs) = ([("content-encoding", "gzip")], [("content-encoding", "zstd")]);
    assert_updated(&server.put_users(&gz, gzip(table(&users, NOON))), 1, 5_000);
    assert_updated(&server.put_users(&zs, zstd(table(&users, NOON))), 1, 5_000);
    assert_updated(&server.patch_users(&gz, gzip(table([r#""u-7":null"#], after_noon(1)))), 2, 4_999);
    assert_updated(&server.patch_users(&zs, zstd(table([r#""u-8":null"#], after_noon(2)))), 3, 4_998);
    let reply = server.put_users(&gz, &gzip(of("pro", after_noon(3)))[..20]);
    assert_eq!(reply.problem(), problem(400, "malformed_encoding"));
}

#[test]
fn a_patch_merges_its_members() {
    let server = Server::start();
    let users = [user("a", "pro", "eu"), user("b", "free", "us"), user("c", "free", "eu")];
    assert_updated(&server.patch_users(&[], table(users, NOON)), 1, 3);
    let patch = r#""a":null,"b":{"plan":"pro","x":null},"c":{},"d":{"plan":"new","region":"ap"},"gone":null"#;
    assert_updated(&server.patch_users(&[], table([patch], after_noon(1))), 2, 3);
    for (id, plan, region) in [("b", "pro", "us"), ("c", "free", "eu"), ("d", "new", "ap")] {
        let expected = format!(r#"{{"user_id":"{id}","plan":"{plan}","region":"{region}"}}"#);
        assert_eq!(server.get(&format!("/reference/users/{id}")).text(), expected);
    }
    assert_eq!(server.get("/reference/users/a").problem(), problem(404, "unknown_user"));
    // A ts alone is a change too: the table is still valid at that time.
    assert_updated(&server.patch_users(&[], format!(r#"{{"ts":"{}"}}"#, after_noon(2))), 3, 3);
    assert!(shown(&server).contains(&after_noon(2)));
}

#[test]
fn a_patch_that_changes_nothing_at_the_same_ts_is_a_safe_retry() {
    let server = Server::start();
    assert_updated(&server.put_users(&[], of("pro", NOON)), 1, 1);
    for patch in ["", r#""u":{}"#, r#""u":{"plan":"pro"}"#, r#""gone":null"#, r#""u":{"other":1}"#] {
        assert_updated(&server.patch_users(&[], table([patch], NOON)), 1, 1);
    }
    assert_updated(&server.patch_users(&[], format!(r#"{{"ts":"{NOON}"}}"#)), 1, 1);
    assert_updated(&server.patch_users(&[], table([""], after_noon(1))), 2, 1);
}
