//! `/reference/users`: the table of users, changed and shown.

use crate::common::{NOON, NOON_MS, Reply, Server, array, event_of, gzip, problem, table, user, zstd};
use weir::format_ms;

const IF_MATCH: &str = "if-match";
const IF_NONE_MATCH: &str = "if-none-match";

type Change = fn(&Server, &[(&str, &str)], String) -> Reply;

/// Both ways to change the table, where it makes no difference which.
const CHANGES: [Change; 2] = [Server::put_users, Server::patch_users];

/// A table of one user.
fn of(plan: &str, ts: &str) -> String {
    table(user("u", plan, "eu"), ts)
}

/// A time so many milliseconds after noon.
fn after(ms: i64) -> String {
    format_ms(NOON_MS + ms)
}

/// The table in force, without its users.
fn shown(server: &Server) -> String {
    server.get("/reference/users").text().to_owned()
}

/// Checks the answer to a change that was made, or was not needed.
fn assert_updated(reply: &Reply, generation: u64, users: usize) {
    let expected =
        format!(r#"{{"message":"Reference table updated successfully","generation":{generation},"users":{users}}}"#);
    assert_eq!((reply.status, reply.text()), (200, expected.as_str()));
    assert_eq!(reply.header("etag"), format!("\"{generation}\""));
    assert_eq!(reply.header("content-type"), "application/json");
}

#[test]
fn a_put_replaces_the_whole_table() {
    let server = Server::start();
    assert_eq!(shown(&server), r#"{"generation":0,"ts":null,"users":0,"attributes":["plan","region"]}"#);
    assert_eq!(server.get("/reference/users").header("etag"), "\"0\"");
    let two = [user("u-1", "pro", "eu"), user("u-2", "free", "us")].join(",");
    assert_updated(&server.put_users(&[], table(two, "2025-10-08t14:00:00.0009+02:00")), 1, 2);
    let summary = format!(r#"{{"generation":1,"ts":"{NOON}","users":2,"attributes":["plan","region"]}}"#);
    assert_eq!(shown(&server), summary);
    assert_eq!(server.get("/reference/users").header("etag"), "\"1\"");
    assert_eq!(server.get("/reference/users/u-2").text(), r#"{"user_id":"u-2","plan":"free","region":"us"}"#);
    let json = [("content-type", "application/json")];
    assert_updated(&server.put_users(&json, table(user("u-1", "any value", "\\u00e9"), &after(1))), 2, 1);
    assert_eq!(server.get("/reference/users/u-1").text(), r#"{"user_id":"u-1","plan":"any value","region":"é"}"#);
    assert_eq!(server.get("/reference/users/u-2").problem(), problem(404, "unknown_user"));
    assert_updated(&server.put_users(&[], table("", &after(2))), 3, 0);
}

#[test]
fn other_keys_are_ignored_whatever_they_hold() {
    let server = Server::start();
    let body = format!(
        r#"{{"x":1,"x":1e999,"ts":"{NOON}","user_metadata":{{"u":{{"a":[{{}}],"region":"eu","a":2,"plan":"pro"}}}},"y":{}{}}}"#,
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
    assert_updated(&server.put_users(&[], table([&*a, &b].join(","), NOON)), 1, 2);
    let escaped = r#""b":{"region":"us","plan":"fr\u0065e"},"\u0061":{"other":7,"plan":"pro","region":"eu"}"#;
    for same in [table([&*b, &a].join(" , "), "2025-10-08T12:00:00Z"), table(escaped, NOON)] {
        assert_updated(&server.put_users(&[], same), 1, 2);
    }
    assert_updated(&server.put_users(&[], table([&*a, &b].join(","), &after(1))), 2, 2);
}

#[test]
fn a_table_that_is_not_newer_is_stale() {
    let server = Server::start();
    assert_eq!(server.put_users(&[], of("pro", NOON)).status, 200);
    let before = shown(&server);
    let more = table([user("u", "pro", "eu"), user("v", "pro", "eu")].join(","), NOON);
    for stale in [of("pro", &after(-1)), of("free", NOON), more, table("", NOON), of("pro", "1970-01-01T00:00:00Z")] {
        let reply = server.put_users(&[], &stale);
        assert_eq!(reply.problem(), problem(409, "stale_reference"), "{stale}");
        assert!(reply.text().ends_with(&format!(r#","current_ts":"{NOON}","current_generation":1}}"#)), "{reply:?}");
        assert_eq!(shown(&server), before);
    }
    for stale in [of("pro", &after(-1)), of("free", NOON), table(r#""u":null"#, NOON), table("", &after(-1))] {
        let reply = server.patch_users(&[], &stale);
        assert_eq!(reply.problem(), problem(409, "stale_reference"), "{stale}");
        assert_eq!((&reply.json()["current_ts"], &reply.json()["current_generation"]), (&NOON.into(), &1.into()));
        assert_eq!(shown(&server), before);
    }
    assert_eq!(server.get("/reference/users/u").json()["plan"], "pro");
}

#[test]
fn a_table_may_be_ahead_of_the_clock_by_the_skew_and_no_more() {
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
fn the_checks_of_a_change_come_in_order() {
    let server = Server::with(|_, http| http.max_body_bytes = 200);
    assert_eq!(server.put_users(&[], of("pro", NOON)).status, 200);
    let before = shown(&server);
    let wrong = (IF_MATCH, "\"7\"");
    let (stale, future) = (of("pro", &after(-1)), of("pro", &after(120_001)));
    let misshapen = format!(r#"{{"ts":"{}","user_metadata":{{"u":7}}}}"#, after(120_001));
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
fn changes_take_their_own_types_only() {
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
fn changes_come_compressed_too() {
    let server = Server::start();
    let users: Vec<_> = (0..5_000).map(|i| user(&format!("u-{i}"), "pro", "eu")).collect();
    let (gz, zs) = ([("content-encoding", "gzip")], [("content-encoding", "zstd")]);
    assert_updated(&server.put_users(&gz, gzip(table(users.join(","), NOON))), 1, 5_000);
    assert_updated(&server.put_users(&zs, zstd(table(users.join(","), NOON))), 1, 5_000);
    assert_updated(&server.patch_users(&gz, gzip(table(r#""u-7":null"#, &after(1)))), 2, 4_999);
    assert_updated(&server.patch_users(&zs, zstd(table(r#""u-8":null"#, &after(2)))), 3, 4_998);
    let reply = server.put_users(&gz, &gzip(of("pro", &after(3)))[..20]);
    assert_eq!(reply.problem(), problem(400, "malformed_encoding"));
}

// Preconditions.

#[test]
fn preconditions_are_judged_by_the_generation_in_force() {
    // Whether a change goes through at generation 0, 1 and 2.
    for (headers, holds) in [
        (&[][..], [true, true, true]),
        (&[(IF_MATCH, "\"0\"")], [true, false, false]),
        (&[(IF_MATCH, "\"1\"")], [false, true, false]),
        (&[(IF_MATCH, "\"0\", \"2\"")], [true, false, true]),
        (&[(IF_MATCH, "\"7\""), (IF_MATCH, "\"2\"")], [false, false, true]),
        (&[(IF_MATCH, "*")], [false, true, true]),
        (&[(IF_MATCH, "W/\"1\"")], [false, false, false]),
        (&[(IF_MATCH, "1")], [false, false, false]),
        (&[(IF_MATCH, "\"01\"")], [false, false, false]),
        (&[(IF_MATCH, "")], [false, false, false]),
        (&[(IF_NONE_MATCH, "*")], [true, false, false]),
        (&[(IF_NONE_MATCH, "\"0\"")], [false, true, true]),
        (&[(IF_NONE_MATCH, "\"1\"")], [true, false, true]),
        (&[(IF_NONE_MATCH, "W/\"1\", \"2\"")], [true, false, false]),
        (&[(IF_NONE_MATCH, "\"x\"")], [true, true, true]),
        (&[(IF_MATCH, "*"), (IF_NONE_MATCH, "\"1\"")], [false, false, true]),
        (&[(IF_MATCH, "\"1\""), (IF_NONE_MATCH, "*")], [false, false, false]),
    ] {
        for (generation, holds) in (0..).zip(holds) {
            for change in CHANGES {
                let server = Server::start();
                for ms in 1..=generation {
                    assert_eq!(server.put_users(&[], of("pro", &after(ms))).status, 200);
                }
                let before = shown(&server);
                let reply = change(&server, headers, of("free", &after(3)));
                if holds {
                    assert_updated(&reply, generation as u64 + 1, 1);
                } else {
                    assert_eq!(reply.problem(), problem(412, "generation_mismatch"), "{headers:?} {generation}");
                    let extra = format!(r#","current_generation":{generation}}}"#);
                    assert!(reply.text().ends_with(&extra), "{reply:?}");
                    assert_eq!(shown(&server), before);
                }
            }
        }
    }
}

#[test]
fn a_retry_under_a_precondition_is_told_that_it_no_longer_holds() {
    let server = Server::start();
    for condition in [(IF_MATCH, "\"0\""), (IF_NONE_MATCH, "*")] {
        let first = server.put_users(&[condition], of("pro", NOON));
        assert!([200, 412].contains(&first.status));
        assert_eq!(server.put_users(&[condition], of("pro", NOON)).problem(), problem(412, "generation_mismatch"));
    }
    assert_updated(&server.put_users(&[(IF_MATCH, "\"1\"")], of("pro", NOON)), 1, 1);
}

#[test]
fn a_client_that_has_the_table_is_told_so() {
    let server = Server::start();
    let ask = |method: &str, headers: &[(&str, &str)]| server.request(method, "/reference/users", headers, None);
    for generation in [0, 1] {
        let current = format!("\"{generation}\"");
        for method in ["GET", "HEAD"] {
            for tags in [&current, &format!("W/{current}"), &format!("\"x\", {current}")] {
                let reply = ask(method, &[(IF_NONE_MATCH, tags)]);
                assert_eq!((reply.status, reply.header("etag"), reply.text()), (304, &*current, ""), "{tags}");
                assert_eq!((reply.header("content-length"), reply.header("content-type")), ("", ""), "{method} {tags}");
            }
            assert_eq!(ask(method, &[(IF_NONE_MATCH, "*")]).status, if generation == 0 { 200 } else { 304 });
            assert_eq!(ask(method, &[(IF_NONE_MATCH, "\"7\"")]).status, 200);
            assert_eq!(ask(method, &[(IF_MATCH, &current)]).status, 200);
            assert_eq!(ask(method, &[(IF_MATCH, "\"7\""), (IF_NONE_MATCH, &current)]).status, 412);
        }
        assert_eq!(ask("GET", &[(IF_NONE_MATCH, "\"7\"")]).text(), shown(&server));
        server.put_users(&[], of("pro", NOON));
    }
}

// Shape.

#[test]
fn malformed_json_is_not_judged_any_further() {
    let server = Server::start();
    let good = of("pro", NOON);
    let deep = format!(r#"{{"x":{}{},{}"#, "[".repeat(128), "]".repeat(128), &good[1..]);
    for (body, offset) in [
        (b"".to_vec(), 0),
        (good.as_bytes()[..good.len() - 1].to_vec(), good.len() - 1),
        (format!("{good}x").into_bytes(), good.len()),
        (format!("\u{feff}{good}").into_bytes(), 0),
        (b"{\"ts\":\"\xff\"}".to_vec(), 7),
        (b"{\"ts\":\"\\ud800\"}".to_vec(), 7),
        (b"[7,]".to_vec(), 3),
        (deep.into_bytes(), 5 + 127),
    ] {
        for reply in [server.put_users(&[], &body), server.patch_users(&[], &body)] {
            assert_eq!(reply.problem(), problem(400, "malformed_json"), "{}", String::from_utf8_lossy(&body));
            assert_eq!(reply.json()["offset"], offset, "{}", String::from_utf8_lossy(&body));
        }
    }
    assert!(shown(&server).starts_with(r#"{"generation":0,"#));
}

#[test]
fn the_first_fault_is_pointed_at() {
    let server = Server::start();
    let long_id = "x".repeat(257);
    let long_value = format!(r#""u":{{"plan":"{}","region":"eu"}}"#, "x".repeat(129));
    for (body, pointer) in [
        ("7".to_owned(), ""),
        ("[]".to_owned(), ""),
        ("null".to_owned(), ""),
        (format!(r#"{{"ts":"{NOON}"}}"#), "/user_metadata"),
        (r#"{"user_metadata":{}}"#.to_owned(), "/ts"),
        ("{}".to_owned(), "/user_metadata"),
        (format!(r#"{{"user_metadata":[],"ts":"{NOON}"}}"#), "/user_metadata"),
        (format!(r#"{{"user_metadata":null,"ts":"{NOON}"}}"#), "/user_metadata"),
        (r#"{"user_metadata":{},"ts":7}"#.to_owned(), "/ts"),
        (r#"{"user_metadata":{},"ts":null}"#.to_owned(), "/ts"),
        (table("", "yesterday"), "/ts"),
        (table("", ""), "/ts"),
        (format!(r#"{{"user_metadata":{{}},"ts":"{NOON}","\u0074s":"{NOON}"}}"#), "/ts"),
        (format!(r#"{{"user_metadata":{{}},"ts":"{NOON}","user_metadata":{{}}}}"#), "/user_metadata"),
        (table(r#""u":7"#, NOON), "/user_metadata/u"),
        (table(r#""u":["pro","eu"]"#, NOON), "/user_metadata/u"),
        (table(r#""u":null"#, NOON), "/user_metadata/u"),
        (table(r#""u":{"plan":"pro"}"#, NOON), "/user_metadata/u/region"),
        (table(r#""u":{}"#, NOON), "/user_metadata/u/plan"),
        (table(r#""u":{"plan":7,"region":"eu"}"#, NOON), "/user_metadata/u/plan"),
        (table(r#""u":{"region":null,"plan":"pro"}"#, NOON), "/user_metadata/u/region"),
        (table(r#""u":{"plan":"","region":"eu"}"#, NOON), "/user_metadata/u/plan"),
        (table(long_value, NOON), "/user_metadata/u/plan"),
        (table(r#""u":{"plan":"a","region":"b","pl\u0061n":"a"}"#, NOON), "/user_metadata/u/plan"),
        (table([user("u", "a", "b"), user("\\u0075", "a", "b")].join(","), NOON), "/user_metadata/u"),
        (table(user("", "a", "b"), NOON), "/user_metadata/"),
        (table(user(&long_id, "a", "b"), NOON), &format!("/user_metadata/{long_id}")),
        (table(r#""a/b~c \" é":{}"#, NOON), "/user_metadata/a~1b~0c \" é/plan"),
        (table(r#""a":{"plan":"x"},"b":7"#, "yesterday"), "/user_metadata/a/region"),
        (r#"{"ts":7,"user_metadata":7}"#.to_owned(), "/ts"),
    ] {
        let reply = server.put_users(&[], &body);
        assert_eq!(reply.problem(), problem(422, "invalid_reference"), "{body}");
        assert_eq!(reply.json()["pointer"], pointer, "{body}");
        assert!(reply.text().contains(r#","code":"invalid_reference","pointer":""#), "{reply:?}");
    }
    assert!(shown(&server).starts_with(r#"{"generation":0,"#));
}

#[test]
fn ids_and_values_may_have_up_to_their_limit() {
    let server = Server::start();
    let id = "é".repeat(128);
    let value = "é".repeat(64);
    assert_updated(
        &server.put_users(&[], table([user(&id, &value, "\\u0000"), user(" ", "p", "r")].join(","), NOON)),
        1,
        2,
    );
    let reply = server.get(&format!("/reference/users/{}", "%C3%A9".repeat(128)));
    assert_eq!(reply.text(), format!(r#"{{"user_id":"{id}","plan":"{value}","region":"\u0000"}}"#));
}

#[test]
fn more_than_a_table_holds_is_a_clear_fault() {
    let values = |count: usize| (0..count).map(|i| user(&i.to_string(), &format!("p-{i}"), "eu")).collect::<Vec<_>>();
    let server = Server::start();
    let reply = server.put_users(&[], table(values(4_097).join(","), NOON));
    assert_eq!(reply.problem(), problem(422, "invalid_reference"));
    assert_eq!(reply.json()["pointer"], "/user_metadata/4096/plan");
    assert_eq!(reply.json()["detail"], "the table would hold more than 4096 distinct values of an attribute");
    assert_updated(&server.put_users(&[], table(values(4_096).join(","), NOON)), 1, 4_096);

    let groups = |count: usize| {
        (0..count)
            .map(|i| user(&i.to_string(), &format!("p-{}", i / 128), &format!("r-{}", i % 128)))
            .collect::<Vec<_>>()
    };
    let reply = server.put_users(&[], table(groups(16_385).join(","), &after(1)));
    assert_eq!(reply.problem(), problem(422, "invalid_reference"));
    assert_eq!(reply.json()["pointer"], "/user_metadata/16384");
    let detail = "the table would hold more than 16384 distinct combinations of attribute values";
    assert_eq!(reply.json()["detail"], detail);
    assert_updated(&server.put_users(&[], table(groups(16_384).join(","), &after(1))), 2, 16_384);
}

#[test]
fn a_refused_change_leaves_the_table_and_the_figures() {
    let server = Server::start();
    server.post(event_of("e", "u", "view", NOON));
    server.put_users(&[], of("pro", NOON));
    let state =
        || [shown(&server), server.get("/reference/users/u").text().into(), server.get("/metrics").text().into()];
    let before = state();
    let half_good = [user("u", "free", "us"), "\"v\":7".to_owned()].join(",");
    for change in CHANGES {
        for (headers, body, status) in [
            (&[][..], table(&half_good, &after(1)), 422),
            (&[], of("free", &after(-1)), 409),
            (&[], of("free", NOON), 409),
            (&[], of("free", &after(120_001)), 422),
            (&[(IF_MATCH, "\"2\"")], of("free", &after(1)), 412),
            (&[], of("free", &after(1)) + "x", 400),
            (&[("content-encoding", "gzip")], of("free", &after(1)), 400),
        ] {
            assert_eq!(change(&server, headers, body).status, status);
            assert_eq!(state(), before);
        }
    }
}

// Merge patches.

#[test]
fn a_patch_merges_what_it_names() {
    let server = Server::start();
    let users = [user("a", "pro", "eu"), user("b", "free", "us"), user("c", "free", "eu")].join(",");
    assert_updated(&server.patch_users(&[], table(users, NOON)), 1, 3);
    let patch = r#""a":null,"b":{"plan":"pro","x":null},"c":{},"d":{"plan":"new","region":"ap"},"gone":null"#;
    assert_updated(&server.patch_users(&[], table(patch, &after(1))), 2, 3);
    for (id, plan, region) in [("b", "pro", "us"), ("c", "free", "eu"), ("d", "new", "ap")] {
        let expected = format!(r#"{{"user_id":"{id}","plan":"{plan}","region":"{region}"}}"#);
        assert_eq!(server.get(&format!("/reference/users/{id}")).text(), expected);
    }
    assert_eq!(server.get("/reference/users/a").problem(), problem(404, "unknown_user"));
    // A ts alone is a change too: it says that the table still holds.
    assert_updated(&server.patch_users(&[], format!(r#"{{"ts":"{}"}}"#, after(2))), 3, 3);
    assert!(shown(&server).contains(&after(2)));
}

#[test]
fn a_patch_that_changes_nothing_at_the_same_ts_is_a_safe_retry() {
    let server = Server::start();
    assert_updated(&server.put_users(&[], of("pro", NOON)), 1, 1);
    for patch in ["", r#""u":{}"#, r#""u":{"plan":"pro"}"#, r#""gone":null"#, r#""u":{"other":1}"#] {
        assert_updated(&server.patch_users(&[], table(patch, NOON)), 1, 1);
    }
    assert_updated(&server.patch_users(&[], format!(r#"{{"ts":"{NOON}"}}"#)), 1, 1);
    assert_updated(&server.patch_users(&[], table("", &after(1))), 2, 1);
}

#[test]
fn a_fault_of_a_patch_is_pointed_at() {
    let server = Server::start();
    server.put_users(&[], of("pro", NOON));
    for (body, pointer) in [
        (table("", NOON).replace("\"ts\"", "\"st\""), "/ts"),
        (r#"{"user_metadata":{},"ts":null}"#.to_owned(), "/ts"),
        (format!(r#"{{"user_metadata":null,"ts":"{}"}}"#, after(1)), "/user_metadata"),
        (table(r#""u":7"#, &after(1)), "/user_metadata/u"),
        (table(r#""u":{"plan":null}"#, &after(1)), "/user_metadata/u/plan"),
        (table(r#""u":{"plan":["pro"]}"#, &after(1)), "/user_metadata/u/plan"),
        (table(r#""v":{"plan":"pro"}"#, &after(1)), "/user_metadata/v/region"),
        (table(r#""v":{}"#, &after(1)), "/user_metadata/v/plan"),
        (table(r#""u":null,"u":null"#, &after(1)), "/user_metadata/u"),
        (table(r#""u":null,"\u0075":{}"#, &after(1)), "/user_metadata/u"),
        (table(r#""":null"#, &after(1)), "/user_metadata/"),
        ("7".to_owned(), ""),
    ] {
        let reply = server.patch_users(&[], &body);
        assert_eq!(reply.problem(), problem(422, "invalid_reference"), "{body}");
        assert_eq!(reply.json()["pointer"], pointer, "{body}");
    }
    assert!(shown(&server).starts_with(r#"{"generation":1,"#));
}

// Users.

#[test]
fn a_user_is_found_by_the_percent_encoded_id() {
    let server = Server::start();
    let ids = [
        ("u-1", "u-1"),
        ("a b", "a%20b"),
        ("a+b", "a+b"),
        ("a/b", "a%2Fb"),
        ("/", "%2f"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("é🦀", "%C3%A9%F0%9F%A6%80"),
        ("?#", "%3F%23"),
        ("..", "%2E%2E"),
        ("\\u0000", "%00"),
        ("\\\"", "%22"),
        ("A", "%41"),
    ];
    let users = ids.map(|(id, _)| user(id, "pro", "eu"));
    assert_updated(&server.put_users(&[], table(users.join(","), NOON)), 1, ids.len());
    for (id, path) in ids {
        let expected = format!(r#"{{"user_id":"{id}","plan":"pro","region":"eu"}}"#);
        let reply = server.get(&format!("/reference/users/{path}"));
        assert_eq!((reply.status, reply.text()), (200, &*expected), "{path}");
        let head = server.head(&format!("/reference/users/{path}"));
        assert_eq!((head.status, head.header("content-length")), (200, &*expected.len().to_string()), "{path}");
    }
    for path in ["u-2", "U-1", "u-1%20", "a", "a%2520b", "%C3%89", &"x".repeat(300)] {
        assert_eq!(server.get(&format!("/reference/users/{path}")).problem(), problem(404, "unknown_user"), "{path}");
    }
    assert_eq!(server.get("/reference/users/%ff").problem(), problem(400, "invalid_parameter"));
}

#[test]
fn nobody_is_known_before_the_first_table() {
    assert_eq!(Server::start().get("/reference/users/u-1").problem(), problem(404, "unknown_user"));
}

#[test]
fn the_attributes_are_the_configured_ones() {
    for attributes in [&["tier"][..], &["a", "b", "c", "d", "e", "f", "g", "plan"]] {
        let server = Server::with(|engine, _| engine.attributes = attributes.iter().map(ToString::to_string).collect());
        let members = |prefix: &str| {
            attributes.iter().map(|name| format!(r#""{name}":"{prefix}{name}""#)).collect::<Vec<_>>().join(",")
        };
        let listed = attributes.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
        let users = format!(r#""u":{{"region":7,{}}},"v":{{{}}}"#, members("x "), members("y "));
        assert_updated(&server.put_users(&[], table(users, NOON)), 1, 2);
        let summary = format!(r#"{{"generation":1,"ts":"{NOON}","users":2,"attributes":[{listed}]}}"#);
        assert_eq!(shown(&server), summary);
        assert_eq!(server.get("/reference/users/u").text(), format!(r#"{{"user_id":"u",{}}}"#, members("x ")));

        let events = ["u", "u", "v", "w"].into_iter().enumerate();
        server.post(array(events.map(|(id, user)| event_of(&id.to_string(), user, "view", NOON))));
        let maps: Vec<_> =
            attributes.iter().map(|name| format!(r#""by_{name}":{{"x {name}":2,"y {name}":1}}"#)).collect();
        let middle = format!(r#""unknown":1,{},"by_type":{{"view":4}},"total_events":4"#, maps.join(","));
        let reply = server.get("/metrics");
        assert!(reply.text().contains(&middle), "{middle}\n{}", reply.text());

        let last = attributes.last().unwrap();
        let reply = server.put_users(&[], table(r#""u":{}"#, &after(1)));
        assert_eq!(reply.json()["pointer"], format!("/user_metadata/u/{}", attributes[0]));
        let reply = server.patch_users(&[], table(format!(r#""u":{{"{last}":""}}"#), &after(1)));
        assert_eq!(reply.json()["pointer"], format!("/user_metadata/u/{last}"));
    }
}
