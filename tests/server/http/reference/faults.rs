//! Tables and patches that are refused.

use super::{CHANGES, IF_MATCH, assert_updated, of, shown};
use crate::common::{NOON, Server, after_noon, event, problem, table, user};

#[test]
fn malformed_json_is_refused_with_the_offset_of_the_fault() {
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
fn the_pointer_names_the_first_fault() {
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
        (table([""], "yesterday"), "/ts"),
        (table([""], ""), "/ts"),
        (format!(r#"{{"user_metadata":{{}},"ts":"{NOON}","\u0074s":"{NOON}"}}"#), "/ts"),
        (format!(r#"{{"user_metadata":{{}},"ts":"{NOON}","user_metadata":{{}}}}"#), "/user_metadata"),
        (table([r#""u":7"#], NOON), "/user_metadata/u"),
        (table([r#""u":["pro","eu"]"#], NOON), "/user_metadata/u"),
        (table([r#""u":null"#], NOON), "/user_metadata/u"),
        (table([r#""u":{"plan":"pro"}"#], NOON), "/user_metadata/u/region"),
        (table([r#""u":{}"#], NOON), "/user_metadata/u/plan"),
        (table([r#""u":{"plan":7,"region":"eu"}"#], NOON), "/user_metadata/u/plan"),
        (table([r#""u":{"region":null,"plan":"pro"}"#], NOON), "/user_metadata/u/region"),
        (table([r#""u":{"plan":"","region":"eu"}"#], NOON), "/user_metadata/u/plan"),
        (table([long_value], NOON), "/user_metadata/u/plan"),
        (table([r#""u":{"plan":"a","region":"b","pl\u0061n":"a"}"#], NOON), "/user_metadata/u/plan"),
        (table([user("u", "a", "b"), user("\\u0075", "a", "b")], NOON), "/user_metadata/u"),
        (table([user("", "a", "b")], NOON), "/user_metadata/"),
        (table([user(&long_id, "a", "b")], NOON), &format!("/user_metadata/{long_id}")),
        (table([r#""a/b~c \" é":{}"#], NOON), "/user_metadata/a~1b~0c \" é/plan"),
        (table([r#""a":{"plan":"x"},"b":7"#], "yesterday"), "/user_metadata/a/region"),
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
fn the_pointer_names_the_first_fault_of_a_patch() {
    let server = Server::start();
    server.put_users(&[], of("pro", NOON));
    for (body, pointer) in [
        (table([""], NOON).replace("\"ts\"", "\"st\""), "/ts"),
        (r#"{"user_metadata":{},"ts":null}"#.to_owned(), "/ts"),
        (format!(r#"{{"user_metadata":null,"ts":"{}"}}"#, after_noon(1)), "/user_metadata"),
        (table([r#""u":7"#], after_noon(1)), "/user_metadata/u"),
        (table([r#""u":{"plan":null}"#], after_noon(1)), "/user_metadata/u/plan"),
        (table([r#""u":{"plan":["pro"]}"#], after_noon(1)), "/user_metadata/u/plan"),
        (table([r#""v":{"plan":"pro"}"#], after_noon(1)), "/user_metadata/v/region"),
        (table([r#""v":{}"#], after_noon(1)), "/user_metadata/v/plan"),
        (table([r#""u":null,"u":null"#], after_noon(1)), "/user_metadata/u"),
        (table([r#""u":null,"\u0075":{}"#], after_noon(1)), "/user_metadata/u"),
        (table([r#""":null"#], after_noon(1)), "/user_metadata/"),
        ("7".to_owned(), ""),
    ] {
        let reply = server.patch_users(&[], &body);
        assert_eq!(reply.problem(), problem(422, "invalid_reference"), "{body}");
        assert_eq!(reply.json()["pointer"], pointer, "{body}");
    }
    assert!(shown(&server).starts_with(r#"{"generation":1,"#));
}

#[test]
fn ids_and_values_may_have_exactly_their_maximum_size() {
    let server = Server::start();
    let id = "é".repeat(128);
    let value = "é".repeat(64);
    let users = [user(&id, &value, "\\u0000"), user(" ", "p", "r")];
    assert_updated(&server.put_users(&[], table(users, NOON)), 1, 2);
    let reply = server.get(&format!("/reference/users/{}", "%C3%A9".repeat(128)));
    assert_eq!(reply.text(), format!(r#"{{"user_id":"{id}","plan":"{value}","region":"\u0000"}}"#));
}

#[test]
fn a_table_with_too_many_values_or_combinations_is_refused() {
    let values = |count: usize| (0..count).map(|i| user(&i.to_string(), &format!("p-{i}"), "eu"));
    let server = Server::start();
    let reply = server.put_users(&[], table(values(4_097), NOON));
    assert_eq!(reply.problem(), problem(422, "invalid_reference"));
    assert_eq!(reply.json()["pointer"], "/user_metadata/4096/plan");
    assert_eq!(reply.json()["detail"], "the table would hold more than 4096 distinct values of an attribute");
    assert_updated(&server.put_users(&[], table(values(4_096), NOON)), 1, 4_096);

    let groups =
        |count: usize| (0..count).map(|i| user(&i.to_string(), &format!("p-{}", i / 128), &format!("r-{}", i % 128)));
    let reply = server.put_users(&[], table(groups(16_385), after_noon(1)));
    assert_eq!(reply.problem(), problem(422, "invalid_reference"));
    assert_eq!(reply.json()["pointer"], "/user_metadata/16384");
    let detail = "the table would hold more than 16384 distinct combinations of attribute values";
    assert_eq!(reply.json()["detail"], detail);
    assert_updated(&server.put_users(&[], table(groups(16_384), after_noon(1))), 2, 16_384);
}

#[test]
fn a_refused_change_leaves_the_table_and_the_metrics() {
    let server = Server::start();
    server.post(event("e").user("u").kind("view"));
    server.put_users(&[], of("pro", NOON));
    let state =
        || [shown(&server), server.get("/reference/users/u").text().into(), server.get("/metrics").text().into()];
    let before = state();
    let half_valid = [user("u", "free", "us"), "\"v\":7".to_owned()];
    for change in CHANGES {
        for (headers, body, status) in [
            (&[][..], table(&half_valid, after_noon(1)), 422),
            (&[], of("free", after_noon(-1)), 409),
            (&[], of("free", NOON), 409),
            (&[], of("free", after_noon(120_001)), 422),
            (&[(IF_MATCH, "\"2\"")], of("free", after_noon(1)), 412),
            (&[], of("free", after_noon(1)) + "x", 400),
            (&[("content-encoding", "gzip")], of("free", after_noon(1)), 400),
        ] {
            assert_eq!(change(&server, headers, body).status, status);
            assert_eq!(state(), before);
        }
    }
}
