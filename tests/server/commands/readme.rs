//! The tutorials of README.md and docs/cli.md: bash runs each command, and its output must be the one on the page.

use crate::common::{BINARY, Server, program, repository, run};
use std::path::Path;
use weir::SystemClock;

/// A command of a page, and its output on the page.
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

/// Replaces timestamps, which differ from run to run, by their format.
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

/// Runs the commands of a page, of which at least `count` contain `word`.
fn follow(page: &str, word: &str, count: usize) {
    let server = Server::builder().clock(SystemClock).start();
    let page = std::fs::read_to_string(repository(page)).unwrap();
    let steps = steps(&page.replace("http://127.0.0.1:3000", &server.url()));
    assert!(steps.iter().filter(|step| step.command.contains(word)).count() >= count, "commands are missing");
    let mut script = String::from("set -u\nexec 2>&1\n");
    for step in &steps {
        script.push_str(&format!("{}\nprintf '\\0'\n", step.command));
    }
    let folder = Path::new(BINARY).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let output = run(program("bash", &["-c", &script]).env("WEIR_URL", server.url()).env("PATH", path));
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.split('\0').collect();
    assert_eq!(printed.len(), steps.len() + 1, "{printed:?}");
    for (step, printed) in steps.iter().zip(printed) {
        assert_eq!(without_times(printed.trim_end()), without_times(step.prints.trim_end()), "{}", step.command);
    }
}

#[test]
fn the_tutorial_prints_what_the_readme_shows() {
    follow("README.md", "curl ", 12);
}

#[test]
fn the_tutorial_of_the_commands_prints_what_the_page_shows() {
    follow("docs/cli.md", "weir ", 6);
}
