//! `weir reference`.

use crate::common::{NOON, Scratch, Script, Server, Step, failure, gzip, run, success, table, weir, with_input, zstd};
use std::process::{Command, Output};
use weir_api::Role;

/// `weir reference` for a server, with further arguments.
fn reference<C>(server: &Server<C>, args: &[&str]) -> Command {
    let mut command = weir(&["reference"]);
    command.args(args).env("WEIR_URL", server.url());
    command
}

/// Puts a table from standard input, with the time of the server's clock.
fn put(server: &Server, args: &[&str], input: &str) -> Output {
    with_input(&mut reference(server, &[&["put", "-", "--ts", NOON], args].concat()), input)
}

const CSV: &str = "user_id,plan,region\nu-1,pro,eu\n\"u,2\",free,us\n";

#[test]
fn csv_and_json_make_the_same_table() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let csv = scratch.file("users.csv", CSV);
    let output = run(&mut reference(&server, &["put", &csv, "--ts", NOON]));
    assert_eq!(success(&output), "generation 1, 2 users\n");
    assert_eq!(server.get("/reference/users/u%2C2").json()["region"], "us");
    // Equal time and equal content is a safe retry: the generation stays.
    let users = r#""u-1":{"plan":"pro","region":"eu"},"u,2":{"plan":"free","region":"us"}"#;
    assert_eq!(success(&put(&server, &[], &format!("{{{users}}}"))), "generation 1, 2 users\n");
    let file = scratch.file("users.json", table([users], NOON));
    let output = run(&mut reference(&server, &["put", &file]));
    assert_eq!(success(&output), "generation 1, 2 users\n");
    assert_eq!(success(&put(&server, &["--format", "csv"], CSV)), "generation 1, 2 users\n");
}

#[test]
fn compressed_files_have_the_format_of_their_names() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let json = r#"{"u-1":{"plan":"pro","region":"eu"},"u,2":{"plan":"free","region":"us"}}"#;
    let skip = b"\x50\x2a\x4d\x18\x04\0\0\0size";
    for (name, bytes) in [
        ("users.csv.gz", gzip(CSV)),
        ("users.csv.zst", zstd(CSV)),
        ("users.json.gz", gzip(json)),
        ("users.json.zst", [&skip[..], &zstd(json)].concat()),
        ("users", [&gzip(json)[..], &[0; 512]].concat()),
    ] {
        let output = run(&mut reference(&server, &["put", &scratch.file(name, bytes), "--ts", NOON]));
        assert_eq!(success(&output), "generation 1, 2 users\n", "{name}");
    }
    let mut cut = gzip(CSV);
    cut.truncate(cut.len() - 4);
    for (name, bytes, error) in [
        ("cut.csv.gz", cut, "cannot read "),
        ("utf-16.csv", b"\xff\xfeu\0s\0".to_vec(), "it is UTF-16, which weir does not read"),
        ("latin-1.csv", b"user_id,plan,region\nu-1,pro,\xe9u\n".to_vec(), ": line 2 is not UTF-8"),
        ("users.xlsx", b"PK\x03\x04\x14\0".to_vec(), "a spreadsheet"),
    ] {
        let output = run(&mut reference(&server, &["put", &scratch.file(name, bytes), "--ts", NOON]));
        assert!(failure(&output).contains(error), "{name}: {output:?}");
    }
    assert_eq!(server.get("/reference/users").json()["generation"], 1);
}

#[test]
fn no_user_is_lost_in_a_file_with_a_stray_quote_or_a_repeated_user() {
    let server = Server::start();
    success(&put(&server, &["--format", "csv"], CSV));
    for (rows, error) in [
        ("u-1,pro,\"eu\nu-2,free,us\nu-3,free,us\n", "line 2: a quote opens a field here"),
        ("u-1,pro,\"eu\nu-2,free,\"us\"\nu-3,free,us\n", "line 2: a quote opens a field here"),
        ("u-1,\"pro\"x,eu\n", "line 2: a quote opens a field here"),
        ("u-1,pro,e\"u\n", "line 2: a quote within a field"),
        ("u-1,pro,eu\ru-2,free,us\n", "line 2: a carriage return without a line feed"),
        ("u-1,pro,eu\nu-1,free,us\n", "line 3: user \"u-1\" is already on line 2"),
    ] {
        let output = put(&server, &["--format", "csv"], &format!("user_id,plan,region\n{rows}"));
        assert!(failure(&output).starts_with(&format!("standard input: {error}")), "{output:?}");
    }
    let user = r#""u-1":{"plan":"pro","region":"eu"}"#;
    for json in [format!("{{{user},{user}}}"), format!(r#"{{"user_metadata":{{{user},{user}}},"ts":"{NOON}"}}"#)] {
        let output = put(&server, &[], &json);
        assert!(failure(&output).ends_with("(422 invalid_reference), at /user_metadata/u-1"), "{output:?}");
    }
    let table = server.get("/reference/users").json();
    assert_eq!((&table["generation"], &table["users"]), (&1.into(), &2.into()));
}

#[test]
fn the_default_ts_is_the_present() {
    let server = Server::builder().clock(weir::SystemClock).start();
    let put = |input: &str| with_input(&mut reference(&server, &["put", "-"]), input);
    assert_eq!(success(&put("{}")), "generation 1, 0 users\n");
    assert_eq!(success(&put(r#"{"u":{"plan":"pro","region":"eu"}}"#)), "generation 2, 1 users\n");
}

#[test]
fn a_precondition_is_sent() {
    let server = Server::start();
    assert_eq!(success(&put(&server, &["--if-match", "0"], "{}")), "generation 1, 0 users\n");
    let output = put(&server, &["--if-match", "7"], "{}");
    assert!(failure(&output).contains("412 generation_mismatch"), "{output:?}");
}

#[test]
fn a_fault_is_reported_with_its_place() {
    let server = Server::start();
    let output = put(&server, &["--format", "csv"], "user_id,plan,region\nu-1,pro,eu\nu/2,,us\n");
    let line = failure(&output);
    assert!(line.starts_with("standard input, line 3: ") && line.ends_with("at /user_metadata/u~12/plan"), "{line}");
    let output = put(&server, &[], r#"{"u-1":{"plan":7}}"#);
    assert!(failure(&output).ends_with("(422 invalid_reference), at /user_metadata/u-1/plan"), "{output:?}");
    let output = put(&server, &["--format", "csv"], "user_id,plan\nu-1,pro,eu\n");
    assert_eq!(failure(&output), "standard input: line 2: 3 columns, but the header has 2");
    let output = put(&server, &[], "{\"u-1\":{},\n!");
    assert!(failure(&output).ends_with("at line 2 column 1"), "{output:?}");
    assert_eq!(server.get("/reference/users").json()["generation"], 0);
}

#[test]
fn a_stale_table_is_refused() {
    let server = Server::start();
    success(&put(&server, &[], "{}"));
    let older = ["put", "-", "--ts", "2025-10-08T11:59:00Z"];
    let output = with_input(&mut reference(&server, &older), "{}");
    let line = failure(&output);
    assert!(line.contains("409 stale_reference") && line.ends_with(&format!("timestamp {NOON}")), "{line}");
}

#[test]
fn the_table_and_a_user_are_shown() {
    let server = Server::start();
    let show = |args: &[&str]| run(&mut reference(&server, &[&["show"], args].concat()));
    let no_table = "generation  0\nts          -\nusers       0\nattributes  plan, region\n";
    assert_eq!(success(&show(&[])), no_table);
    success(&put(&server, &["--format", "csv"], CSV));
    assert_eq!(success(&show(&["u,2"])), "user_id  u,2\nplan     free\nregion   us\n");
    assert_eq!(success(&show(&["u-1", "--json"])), "{\"user_id\":\"u-1\",\"plan\":\"pro\",\"region\":\"eu\"}\n");
    let output = show(&["a/b"]);
    assert!(failure(&output).contains("404 unknown_user"), "{output:?}");
}

#[test]
fn each_command_sends_the_token_of_its_role() {
    let server = Server::builder().tokens(&[(Role::Admin, "changes"), (Role::Read, "reads")]).start();
    let mut put = reference(&server, &["put", "-", "--ts", NOON]);
    assert!(failure(&with_input(&mut put, "{}")).ends_with("set WEIR_ADMIN_TOKEN or --token-file"));
    success(&with_input(put.env("WEIR_ADMIN_TOKEN", "changes"), "{}"));
    let mut show = reference(&server, &["show"]);
    assert!(failure(&run(&mut show)).ends_with("set WEIR_READ_TOKEN or --token-file"));
    success(&run(show.env("WEIR_READ_TOKEN", "reads")));
}

#[test]
fn a_table_whose_answer_is_lost_is_put_again_unless_it_has_a_precondition() {
    let answer = || Step::Answer("200 OK", "", r#"{"message":"","generation":7,"users":0}"#.to_owned());
    let put = |script: &Script, args: &[&str]| {
        with_input(&mut weir(&[&["reference", "put", "-", "--url", &script.url()], args].concat()), "{}")
    };
    let script = Script::start(vec![Step::Hangup, answer()]);
    assert_eq!(success(&put(&script, &[])), "generation 7, 0 users\n");
    let bodies: Vec<_> = script.bodies.try_iter().collect();
    assert!(bodies.len() == 2 && bodies[0] == bodies[1], "the same table of the same time: {bodies:?}");

    let script = Script::start(vec![Step::Hangup, answer()]);
    let output = put(&script, &["--if-match", "6"]);
    assert!(failure(&output).ends_with("may have been replaced: check with `weir reference show`"), "{output:?}");
    assert_eq!(script.bodies.try_iter().count(), 1);
}
