//! Single users, and their attributes.

use super::{assert_updated, shown};
use crate::common::{NOON, Server, after_noon, array, event, problem, table, user};

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
    assert_updated(&server.put_users(&[], table(users, NOON)), 1, ids.len());
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
fn no_user_is_known_before_the_first_table() {
    assert_eq!(Server::start().get("/reference/users/u-1").problem(), problem(404, "unknown_user"));
}

#[test]
fn the_attributes_are_the_configured_ones() {
    for attributes in [&["tier"][..], &["a", "b", "c", "d", "e", "f", "g", "plan"]] {
        let server = Server::builder()
            .engine(|engine| engine.attributes = attributes.iter().map(ToString::to_string).collect())
            .start();
        let members = |prefix: &str| {
            attributes.iter().map(|name| format!(r#""{name}":"{prefix}{name}""#)).collect::<Vec<_>>().join(",")
        };
        let listed = attributes.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
        let users = format!(r#""u":{{"region":7,{}}},"v":{{{}}}"#, members("x "), members("y "));
        assert_updated(&server.put_users(&[], table([users], NOON)), 1, 2);
        let summary = format!(r#"{{"generation":1,"ts":"{NOON}","users":2,"attributes":[{listed}]}}"#);
        assert_eq!(shown(&server), summary);
        assert_eq!(server.get("/reference/users/u").text(), format!(r#"{{"user_id":"u",{}}}"#, members("x ")));

        let events = ["u", "u", "v", "w"].into_iter().enumerate();
        server.post(array(events.map(|(id, user)| event(id).user(user).kind("view"))));
        let maps: Vec<_> =
            attributes.iter().map(|name| format!(r#""by_{name}":{{"x {name}":2,"y {name}":1}}"#)).collect();
        let middle = format!(r#""unknown":1,{},"by_type":{{"view":4}},"total_events":4"#, maps.join(","));
        let reply = server.get("/metrics");
        assert!(reply.text().contains(&middle), "{middle}\n{}", reply.text());

        let last = attributes.last().unwrap();
        let reply = server.put_users(&[], table([r#""u":{}"#], after_noon(1)));
        assert_eq!(reply.json()["pointer"], format!("/user_metadata/u/{}", attributes[0]));
        let reply = server.patch_users(&[], table([format!(r#""u":{{"{last}":""}}"#)], after_noon(1)));
        assert_eq!(reply.json()["pointer"], format!("/user_metadata/u/{last}"));
    }
}
