//! The README's walk, run as it stands: each command in bash, each answer compared.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod common;

use common::Server;
use std::process::Command;
use weir::clock::SystemClock;

/// A command of the walk and what the README says it prints.
struct Step {
    command: String,
    prints: String,
}

fn steps(readme: &str) -> Vec<Step> {
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut steps: Vec<Step> = vec![];
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command: command.to_owned(), prints: String::new() }),
            None => steps.last_mut().unwrap().prints.push_str(line),
        }
    }
    steps
}

/// Timestamps differ from run to run; their form does not.
fn without_times(text: &str) -> String {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd.dddZ";
    let is_time = |bytes: &[u8]| {
        bytes.len() == FORM.len()
            && bytes
                .iter()
                .zip(FORM)
                .all(|(byte, form)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form })
    };
    let mut out = text.as_bytes().to_vec();
    for start in 0..out.len().saturating_sub(FORM.len() - 1) {
        if is_time(&out[start..start + FORM.len()]) {
            out[start..start + FORM.len()].copy_from_slice(FORM);
        }
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn the_walk_gives_the_answers_that_it_shows() {
    let server = Server::on(SystemClock, 2, |_, _| {});
    let steps = steps(&std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap());
    assert!(steps.iter().filter(|step| step.command.contains("curl ")).count() >= 12, "the walk was not found");
    let mut script = String::from("set -u\n");
    for step in &steps {
        let command = step.command.replace("http://127.0.0.1:3000", &format!("http://{}", server.address));
        script.push_str(&format!("{command}\nprintf '\\0'\n"));
    }
    let output = Command::new("bash").arg("-c").arg(script).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.split('\0').collect();
    assert_eq!(printed.len(), steps.len() + 1, "{}", String::from_utf8_lossy(&output.stderr));
    for (step, printed) in steps.iter().zip(printed) {
        assert_eq!(without_times(printed.trim_end()), without_times(&step.prints), "{}", step.command);
    }
}
