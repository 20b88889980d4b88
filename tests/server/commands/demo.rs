//! `weir demo`, and everything that is generated from the definition of the command line.

use crate::common::{BINARY, Certificate, Running, Scratch, agent, eventually, failure, program, run, success, weir};
use clap::ValueEnum as _;
use clap_complete::Shell;
use serde_json::Value;

const DEMO: [&str; 7] = ["demo", "--listen", "127.0.0.1:0", "--rate", "500", "--users", "50"];

fn metrics(server: &Running) -> Value {
    let mut answer = agent().get(format!("{}/metrics", server.url())).call().unwrap();
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

#[test]
fn the_demo_sends_events_and_ends_with_success() {
    let demo = Running::start(&mut weir(&DEMO));
    let invitation = format!("open {}/ in a browser; press Ctrl-C to stop", demo.url());
    assert_eq!(demo.stdout.line_with(""), invitation);
    let mut before = 0;
    for _ in 0..3 {
        eventually("50 more events", || metrics(&demo)["total_events"].as_u64().unwrap() > before + 50);
        before = metrics(&demo)["total_events"].as_u64().unwrap();
    }
    eventually("events of all kinds", || {
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
fn a_demo_with_a_journal_goes_on_after_a_kill() {
    let scratch = Scratch::new();
    let start = || Running::start(weir(&DEMO).args(["--journal", &scratch.path("journal")]));
    let demo = start();
    let is_at = |demo: &Running, generation: u64| {
        agent().get(format!("{}/readyz", demo.url())).call().unwrap().status() == 200 && {
            let metrics = metrics(demo);
            metrics["generation"] == generation && metrics["total_events"].as_u64().unwrap() > 100
        }
    };
    eventually("events and a table", || is_at(&demo, 1));
    let before = metrics(&demo)["total_events"].as_u64().unwrap();
    demo.signal("KILL");
    demo.end();
    let demo = start();
    eventually("the next table", || is_at(&demo, 2));
    assert!(metrics(&demo)["total_events"].as_u64().unwrap() >= before, "the events are still there");
    demo.signal("TERM");
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn the_demo_uses_the_configured_attributes_and_types_and_ends_on_an_interrupt() {
    let mut command = weir(&DEMO);
    command.args(["--attributes", "tier,colour", "--event-types", "sip,gulp"]);
    let demo = Running::start(&mut command);
    eventually("events", || {
        let metrics = metrics(&demo);
        metrics["by_colour"].get("colour-1").is_some() && metrics["by_type"].get("gulp").is_some()
    });
    demo.signal("INT");
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn the_demo_uses_the_tokens_and_the_certificate_of_its_own_server() {
    let certificate = Certificate::new();
    let mut command = weir(&DEMO);
    command.args(["--tls-cert", &certificate.path, "--tls-key", &certificate.key_path]);
    command.envs(["INGEST", "ADMIN", "READ"].map(|role| (format!("WEIR_{role}_TOKEN"), "s3cret")));
    let demo = Running::start(&mut command);
    let url = format!("https://localhost:{}", demo.address.port());
    eventually("the table and events", || {
        let mut top = weir(&["top", "--once", "--url", &url, "--ca", &certificate.path]);
        let output = run(top.env("WEIR_READ_TOKEN", "s3cret"));
        success(&output).contains("generation 1 ") && success(&output).contains("█")
    });
    demo.signal("TERM");
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn a_port_in_use_is_an_error_of_one_line() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let output = run(&mut weir(&["demo", "--listen", &address]));
    assert!(failure(&output).starts_with(&format!("cannot listen on {address}: ")), "{output:?}");
}

#[test]
fn every_shell_has_completions() {
    for shell in Shell::value_variants() {
        let output = run(&mut weir(&["completions", &shell.to_string()]));
        let script = success(&output);
        for word in ["weir", "reference", "batch-bytes"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // bash reads its own completions.
    let check = "source <(\"$0\" completions bash) && complete -p weir";
    let bash = run(&mut program("bash", &["-c", check, BINARY]));
    assert!(success(&bash).contains("weir"), "{bash:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let scratch = Scratch::new();
    success(&run(&mut weir(&["man", "--out", &scratch.path("man1")])));
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
        let text = scratch.read(&format!("man1/{page}.1"));
        assert!(text.contains(".TH ") && text.contains("Exit codes"), "{page}: {text}");
    }
    let output = run(&mut weir(&["man"]));
    assert!(success(&output).contains(".TH weir 1"), "{output:?}");
    let output = run(&mut weir(&["man", "--out", "/proc/nowhere"]));
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
        let output = run(&mut weir(&[command, &["--help"]].concat()));
        let help = success(&output);
        assert!(help.contains("\nExamples:\n") && help.contains("\nExit codes:\n"), "{command:?}: {help}");
    }
}
