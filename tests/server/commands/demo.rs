//! `weir demo` as a process, and what is made of the command line's definition.

use crate::common::command::{Running, Scratch, failure, success, wait_until, weir};
use clap::ValueEnum as _;
use clap_complete::Shell;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const DEMO: [&str; 7] = ["demo", "--listen", "127.0.0.1:0", "--rate", "500", "--users", "50"];

fn metrics(server: &Running) -> Value {
    let mut answer = crate::common::agent().get(format!("{}/metrics", server.url())).call().unwrap();
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

#[test]
fn figures_rise_and_the_end_is_a_success() {
    let mut demo = Running::start(weir(&DEMO).stdout(Stdio::piped()));
    let mut said = String::new();
    BufReader::new(demo.child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, format!("open {}/ in a browser; ctrl-c ends the demo\n", demo.url()));
    let mut before = 0;
    for _ in 0..3 {
        wait_until("events come", || metrics(&demo)["total_events"].as_u64().unwrap() > before + 50);
        before = metrics(&demo)["total_events"].as_u64().unwrap();
    }
    wait_until("all kinds of events come", || {
        let metrics = metrics(&demo);
        let has = |map: &str, value: &str| metrics[map].get(value).is_some();
        metrics["generation"] == 1
            && metrics["unknown"].as_u64().unwrap() > 0
            && has("by_plan", "pro")
            && has("by_region", "eu")
            && has("by_type", "purchase")
    });
    demo.signal("TERM");
    let (code, log) = demo.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped") && !log.contains("panicked"), "{log}");
}

#[test]
fn it_suits_any_attributes_and_types_and_an_interrupt_ends_it_too() {
    let mut command = weir(&DEMO);
    command.args(["--attributes", "tier,colour", "--event-types", "sip,gulp"]).stdout(Stdio::null());
    let demo = Running::start(&mut command);
    wait_until("events come", || {
        let metrics = metrics(&demo);
        metrics["by_colour"].get("colour-1").is_some() && metrics["by_type"].get("gulp").is_some()
    });
    demo.signal("INT");
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn it_knows_the_tokens_and_the_certificate_of_its_own_server() {
    let scratch = Scratch::new("demo-tls");
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = scratch.file("cert.pem", certified.cert.pem());
    let key = scratch.file("key.pem", certified.signing_key.serialize_pem());
    let mut command = weir(&DEMO);
    command.args(["--tls-cert", &certificate, "--tls-key", &key]).stdout(Stdio::null());
    command.envs(["INGEST", "ADMIN", "READ"].map(|role| (format!("WEIR_{role}_TOKEN"), "s3cret")));
    let demo = Running::start(&mut command);
    let url = format!("https://localhost:{}", demo.address.port());
    wait_until("the table and events come", || {
        let mut top = weir(&["top", "--once", "--url", &url, "--ca", &certificate]);
        let output = top.env("WEIR_READ_TOKEN", "s3cret").output().unwrap();
        success(&output).contains("generation 1 ") && success(&output).contains("█")
    });
    demo.signal("TERM");
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn a_taken_port_is_one_line() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let output = weir(&["demo", "--listen", &address]).output().unwrap();
    assert!(failure(&output).starts_with(&format!("cannot listen on {address}: ")), "{output:?}");
}

#[test]
fn every_shell_has_completions() {
    for shell in Shell::value_variants() {
        let output = weir(&["completions", &shell.to_string()]).output().unwrap();
        let script = success(&output);
        for word in ["weir", "reference", "batch-bytes"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // What bash is given is bash.
    let check = "source <(\"$0\" completions bash) && complete -p weir";
    let bash = Command::new("bash").args(["-c", check, env!("CARGO_BIN_EXE_weir")]).output().unwrap();
    assert!(success(&bash).contains("weir"), "{bash:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let scratch = Scratch::new("man");
    let directory = scratch.path().join("man1");
    success(&weir(&["man", "--out", directory.to_str().unwrap()]).output().unwrap());
    for page in [
        "weir",
        "weir-serve",
        "weir-send",
        "weir-reference",
        "weir-reference-put",
        "weir-reference-show",
        "weir-top",
        "weir-demo",
    ] {
        let text = std::fs::read_to_string(directory.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".TH ") && text.contains("Exit codes"), "{page}: {text}");
    }
    let output = weir(&["man"]).output().unwrap();
    assert!(success(&output).contains(".TH weir 1"), "{output:?}");
    let output = weir(&["man", "--out", "/proc/nowhere"]).output().unwrap();
    assert!(failure(&output).starts_with("cannot write to /proc/nowhere: "), "{output:?}");
}

#[test]
fn every_help_has_examples_and_exit_codes() {
    for command in [
        &["serve"][..],
        &["send"],
        &["reference"],
        &["reference", "put"],
        &["reference", "show"],
        &["top"],
        &["demo"],
        &["load"],
        &["completions"],
        &["man"],
        &[],
    ] {
        let output = weir(&[command, &["--help"]].concat()).output().unwrap();
        let help = success(&output);
        assert!(help.contains("\nExamples:\n") && help.contains("\nExit codes:\n"), "{command:?}: {help}");
    }
}
