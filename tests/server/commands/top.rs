//! `weir top`, printed once and live in a terminal.

use crate::common::{NOON, Script, Server, Step, array, event, failure, run, success, table, user, weir};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use weir_api::Role;

fn top(address: SocketAddr, args: &[&str]) -> Command {
    let mut command = weir(&["top"]);
    command.args(args).env("WEIR_URL", format!("http://{address}"));
    command
}

/// A server with four events of three users, of whom one is unknown.
fn server() -> Server {
    let server = Server::start();
    let users = [user("ann", "pro", "eu"), user("bob", "free", "eu")];
    assert_eq!(server.put_users(&[], table(users, NOON)).status, 200);
    let events = [("ann", "click"), ("ann", "view"), ("bob", "click"), ("cat", "click")];
    let events = events.iter().enumerate();
    let events = events.map(|(at, (user, kind))| event(format!("e-{at}")).user(user).kind(kind));
    assert_eq!(server.post(array(events)).tally(), [4, 0, 0]);
    server
}

#[test]
fn the_figures_are_printed_once_as_plain_text() {
    let server = server();
    // Where the output is not a terminal, --once is implied.
    for args in [&["--once", "--window", "60"][..], &["--window", "60"]] {
        let output = run(&mut top(server.address, args));
        let printed = success(&output);
        for part in ["window 60 s  generation 1", "3 unique users  4 events  25.0 % unknown", "75.0 %", "\nplan\n"] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
        assert!(printed.starts_with(&format!("weir  http://{}\n", server.address)), "{printed}");
        assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed:?}");
    }
}

#[test]
fn the_last_minute_is_drawn_if_the_server_has_a_series() {
    let metrics = r#"{"window_sec":300,"events_per_sec":0.1,"unique_users":1,"unknown":0,"by_type":{"click":3},
        "total_events":3,"generation":0,"as_of":"2025-10-08T12:00:00.000Z"}"#;
    let point = |events: u64| {
        format!(
            concat!(
                r#"{{"start":"2025-10-08T11:59:59.000Z","events":{events},"unique_users":1,"unknown":0,"#,
                r#""by_type":{{"click":{events}}}}}"#
            ),
            events = events
        )
    };
    let series = format!(
        r#"{{"window_sec":60,"step_sec":1,"points":[{},{}],"generation":0,"as_of":"2025-10-08T12:00:00.000Z"}}"#,
        point(1),
        point(2)
    );
    let answer = |body: &str| Step::Answer("200 OK", "", body.to_owned());
    let script = Script::start([answer(metrics), answer(&series)]);
    let output = run(&mut top(script.address, &["--once"]));
    assert!(success(&output).contains("\nlast minute  ▄█  max 2/s\n"), "{output:?}");
}

#[test]
fn a_refused_query_is_an_error_of_one_line() {
    let server = server();
    let output = run(&mut top(server.address, &["--once", "--window", "9999"]));
    assert!(failure(&output).contains("400 invalid_window"), "{output:?}");
    server.set_tokens(&[(Role::Read, "s3cret")]);
    let output = run(&mut top(server.address, &["--once"]));
    assert!(failure(&output).ends_with("set WEIR_READ_TOKEN or --token-file"), "{output:?}");
    success(&run(top(server.address, &["--once"]).env("WEIR_READ_TOKEN", "s3cret")));
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = run(&mut top(absent, &["--once"]));
    assert!(failure(&output).starts_with(&format!("cannot reach http://{absent}: ")), "{output:?}");
}

#[cfg(target_os = "linux")]
mod live {
    use super::*;
    use crate::common::{Capture, Process, eventually};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::process::{ExitStatus, Stdio};

    /// A terminal that runs a command.
    struct Terminal {
        keys: File,
        screen: Capture,
        device: File,
        before: Termios,
        process: Process,
    }

    impl Terminal {
        fn with(command: &mut Command) -> Self {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
            grantpt(&master).unwrap();
            unlockpt(&master).unwrap();
            let name = ptsname(&master, vec![]).unwrap().into_string().unwrap();
            let device = File::options().read(true).write(true).open(name).unwrap();
            let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&device, size).unwrap();
            let before = tcgetattr(&device).unwrap();
            let ends = || Stdio::from(device.try_clone().unwrap());
            let process = Process::spawn(command.stdin(ends()).stdout(ends()).stderr(ends()));
            let keys = File::from(master);
            let screen = Capture::of(keys.try_clone().unwrap());
            Self { keys, screen, device, before, process }
        }

        fn wait_for(&self, text: &str) {
            eventually(text, || self.screen.text().contains(text));
        }

        fn press(&mut self, keys: &str) {
            self.keys.write_all(keys.as_bytes()).unwrap();
        }

        /// Waits for the end, and checks that the terminal is as it was before.
        fn end(mut self) -> ExitStatus {
            let status = self.process.wait();
            let after = tcgetattr(self.device.as_fd()).unwrap();
            assert_eq!((after.local_modes, after.input_modes), (self.before.local_modes, self.before.input_modes));
            // The main screen, the cursor and the wrapping of lines are restored.
            for control in ["\u{1b}[?1049l", "\u{1b}[?25h", "\u{1b}[?7h"] {
                self.wait_for(control);
            }
            status
        }
    }

    #[test]
    fn each_of_its_keys_ends_it_and_restores_the_terminal() {
        let server = server();
        for key in ["q", "\u{1b}", "\u{3}"] {
            let mut terminal = Terminal::with(&mut top(server.address, &[]));
            terminal.wait_for("unique users");
            let raw = tcgetattr(&terminal.device).unwrap();
            assert_ne!(raw.local_modes, terminal.before.local_modes);
            terminal.press("x");
            terminal.press(key);
            assert!(terminal.end().success(), "{key:?}");
        }
    }

    #[test]
    fn a_signal_ends_it_and_restores_the_terminal() {
        let server = server();
        let terminal = Terminal::with(&mut top(server.address, &[]));
        terminal.wait_for("unique users");
        terminal.process.signal("TERM");
        assert!(terminal.end().success());
    }

    #[test]
    fn the_figures_follow_the_server_and_stay_when_it_is_gone() {
        let mut server = server();
        let mut terminal = Terminal::with(&mut top(server.address, &["--window", "60"]));
        terminal.wait_for("25.0 %");
        assert_eq!(server.post(event("e-9").user("dan").kind("view")).tally(), [1, 0, 0]);
        terminal.wait_for("40.0 %");
        server.begin_stop();
        terminal.wait_for("retrying");
        terminal.screen.clear();
        // The last figures stay, and the query is repeated.
        terminal.wait_for("retrying");
        terminal.press("q");
        assert!(terminal.end().success());
    }

    #[test]
    fn a_refused_query_ends_it() {
        let server = server();
        let terminal = Terminal::with(&mut top(server.address, &["--window", "9999"]));
        terminal.wait_for("400 invalid_window");
        assert_eq!(terminal.end().code(), Some(1));
    }
}
