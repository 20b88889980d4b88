//! The walks of the README and of docs/cli.md, run as they stand: each command in bash, each answer compared.

use crate::common::Server;
use std::process::Command;
use weir::SystemClock;

/// A command of a walk and what the page says it prints.
struct Step {
    command: String,
    prints: String,
}

fn steps(page: &str) -> Vec<Step> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut steps: Vec<Step> = vec![];
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command: command.to_owned(), prints: String::new() }),
            None => {
                let prints = &mut steps.last_mut().unwrap().prints;
                prints.push_str(line);
                prints.push('\n');
            }
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

/// Runs the walk of a page, in which so many commands have `word` in them.
fn walk(page: &str, word: &str, count: usize) {
    let server = Server::on(SystemClock, 2, |_, _| {});
    let url = format!("http://{}", server.address);
    let page = std::fs::read_to_string(format!("{}/{page}", crate::ROOT)).unwrap();
    let steps = steps(&page.replace("http://127.0.0.1:3000", &url));
    assert!(steps.iter().filter(|step| step.command.contains(word)).count() >= count, "the walk was not found");
    let mut script = String::from("set -u\nexec 2>&1\n");
    for step in &steps {
        script.push_str(&format!("{}\nprintf '\\0'\n", step.command));
    }
    let weir = std::path::Path::new(env!("CARGO_BIN_EXE_weir")).parent().unwrap();
    let path = format!("{}:{}", weir.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash").arg("-c").arg(script).env("WEIR_URL", &url).env("PATH", path).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.split('\0').collect();
    assert_eq!(printed.len(), steps.len() + 1, "{printed:?}");
    for (step, printed) in steps.iter().zip(printed) {
        assert_eq!(without_times(printed.trim_end()), without_times(step.prints.trim_end()), "{}", step.command);
    }
}

#[test]
fn the_walk_gives_the_answers_that_it_shows() {
    walk("README.md", "curl ", 12);
}

#[test]
fn the_walk_of_the_command_line_prints_what_it_shows() {
    walk("docs/cli.md", "weir ", 6);
}
