//! `If-Match` and `If-None-Match`.

use super::{CHANGES, IF_MATCH, IF_NONE_MATCH, assert_updated, of, shown};
use crate::common::{NOON, Server, after_noon, problem};

#[test]
fn preconditions_are_compared_with_the_current_generation() {
    // Whether a change succeeds at the generations 0, 1 and 2.
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
                    assert_eq!(server.put_users(&[], of("pro", after_noon(ms))).status, 200);
                }
                let before = shown(&server);
                let reply = change(&server, headers, of("free", after_noon(3)));
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
fn a_retry_fails_if_its_precondition_no_longer_holds() {
    let server = Server::start();
    for condition in [(IF_MATCH, "\"0\""), (IF_NONE_MATCH, "*")] {
        let first = server.put_users(&[condition], of("pro", NOON));
        assert!([200, 412].contains(&first.status));
        assert_eq!(server.put_users(&[condition], of("pro", NOON)).problem(), problem(412, "generation_mismatch"));
    }
    assert_updated(&server.put_users(&[(IF_MATCH, "\"1\"")], of("pro", NOON)), 1, 1);
}

#[test]
fn a_client_that_has_the_current_table_gets_304() {
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
