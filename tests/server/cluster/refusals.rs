//! Starts that are refused, in one line.

use super::{Cluster, nats::Nats, until_taken};
use crate::common::requests::{end, get, now_ms, post, put, readiness, total_events};
use crate::common::{Running, Scratch, event, failure, problem, repository, run, success, table, user, weir};

/// The one line of a start that is refused.
fn refusal(args: &[&str]) -> String {
    let output = run(weir(&[&["serve", "--listen", "127.0.0.1:0"], args].concat()).env("WEIR_LOG", "error"));
    failure(&output).to_owned()
}

#[test]
fn a_start_that_does_not_fit_the_cluster_is_refused_and_changes_nothing() {
    let Some(cluster) = Cluster::start(1) else { return };
    let args = cluster.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let refusal = |more: &[&str]| refusal(&[&args, more].concat());
    // An empty account looks like this, and so does a wrong one.
    let line = refusal(&[]);
    assert!(line.contains("has no stream WEIR") && line.contains("--cluster-init"), "{line}");
    let node = cluster.node("n1", &[]);
    assert_eq!(post(&node, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
    for (more, named) in [
        (&["--retention", "60"][..], "retention is 1800 in the stream and 60 now"),
        (&["--attributes", "plan"], "attributes is plan,region in the stream and plan now"),
        (&["--dedup-horizon", "unbounded"], "--dedup-horizon unbounded cannot be used with --cluster"),
        (&["--journal", "d"], "'--journal <DIR>'"),
        (&["--cluster-max", "1MiB"], "cluster-max must be 67108864 to"),
    ] {
        let line = refusal(more);
        assert!(line.contains(named), "{more:?}: {line}");
    }
    let scratch = Scratch::new();
    let (url, secret) = (cluster.nats.url(), scratch.file("secret", "5f".repeat(32)));
    let with_secret = |file: &str, more: &[&str]| {
        let args = ["--cluster", &url, "--cluster-secret-file", file];
        self::refusal(&[&args, more].concat())
    };
    let line = with_secret(&secret, &["--cluster-unsafe-r1"]);
    assert!(line.contains("the secret is another one"), "{line}");
    let line = with_secret(&cluster.scratch.path("secret"), &[]);
    assert!(line.contains("replicas is 1 in the stream and must be at least 3"), "{line}");
    let line = with_secret(&scratch.file("short", "5f"), &["--cluster-unsafe-r1"]);
    assert!(line.contains("must have 64 hexadecimal digits"), "{line}");
    assert_eq!(total_events(&node), 1);
}

#[test]
fn a_node_proves_who_it_is_to_the_servers() {
    let Some(nats) = Nats::start(1, "authorization { user: weir, password: \"a pass\" }") else { return };
    let scratch = Scratch::new();
    let (url, secret) = (nats.url(), scratch.file("secret", "5e".repeat(32)));
    let password = scratch.file("password", "a pass\n");
    let base = ["--cluster", &url, "--cluster-secret-file", &secret, "--cluster-init", "--cluster-unsafe-r1"];
    let login = ["--cluster-max", "64MiB", "--cluster-user", "weir", "--cluster-password-file", &password];
    let node = Running::serve(&[&base[..], &login].concat());
    readiness(&node, 200);
    assert_eq!(post(&node, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
    let line = refusal(&[&base[..], &["--cluster-user", "weir", "--cluster-password-file", &secret]].concat());
    assert!(line.contains("authorization") && !line.contains("5e5e"), "{line}");
}

#[test]
fn the_documented_permissions_are_enough() {
    let permissions = std::fs::read_to_string(repository("deploy/cluster/permissions.conf")).unwrap();
    let Some(nats) = Nats::start(1, &permissions.replace("$WEIR_NATS_PASSWORD", "secret")) else { return };
    let scratch = Scratch::new();
    let (url, secret) = (nats.url(), scratch.file("secret", "5e".repeat(32)));
    let password = scratch.file("password", "secret");
    let args = ["--cluster", &url, "--cluster-secret-file", &secret, "--cluster-init", "--cluster-unsafe-r1"];
    let login = ["--cluster-max", "64MiB", "--cluster-user", "weir", "--cluster-password-file", &password];
    let node = Running::serve(&[&args[..], &login].concat());
    readiness(&node, 200);
    assert_eq!(post(&node, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
    // A table that is too large for a message.
    let large = table((0..20_000).map(|id| user(&format!("u-{id}"), "pro", "eu")), weir::format_ms(now_ms()));
    assert_eq!(put(&node, large).status, 200);
    let other = Running::serve(&[&args[..], &login].concat());
    readiness(&other, 200);
    assert_eq!((total_events(&other), get(&other, "/reference/users").json()["users"].as_u64()), (1, Some(20_000)));
    let refused = nats.log(0);
    let refused: Vec<_> = refused.lines().filter(|line| line.contains("Violation")).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn an_event_type_is_appended_when_an_operator_allows_it() {
    let Some(cluster) = Cluster::start(1) else { return };
    let old = cluster.node("n1", &[]);
    let refund = || event("a").kind("refund").at_ms(now_ms());
    assert_eq!(post(&old, refund()).tally(), [0, 0, 1]);
    let types = ["--event-types", "click,view,purchase,refund"];
    let new = cluster.node("n1", &types);
    assert_eq!(post(&new, refund()).problem(), problem(503, "overloaded"), "the old node would stop at it");
    end(old, "TERM");
    let args = cluster.args();
    let args: Vec<&str> = ["cluster", "allow-event-types"].into_iter().chain(args.iter().map(String::as_str)).collect();
    let wrong = run(&mut weir(&[&args[..], &["--event-types", "click,refund"]].concat()));
    assert!(failure(&wrong).contains("event-types is click,view,purchase in the stream"), "{wrong:?}");
    let output = run(&mut weir(&[&args[..], &types].concat()));
    assert!(success(&output).starts_with("allowed: "), "{output:?}");
    assert_eq!(until_taken(|| post(&new, refund())).tally(), [1, 0, 0]);
    let mut frames = args;
    frames[1] = "allow-frames";
    assert!(success(&run(&mut weir(&[&frames[..], &types].concat()))).starts_with("allowed: "));
    assert_eq!(failure(&run(&mut weir(&["cluster", "allow-frames"]))).split(';').next(), Some("no cluster is named"));
}
