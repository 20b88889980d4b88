//! `weir top` as a process: printed once, and live in a terminal of the test's own.

use crate::common::command::{Script, Step, failure, success, weir};
use crate::common::{NOON, Server, array, event_of, table, user};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use weir_api::Role;

fn top(address: SocketAddr, args: &[&str]) -> Command {
    let mut command = weir(&["top"]);
    command.args(args).env("WEIR_URL", format!("http://{address}"));
    command
}

/// A server that has four events of three users, of whom it knows two.
fn server() -> Server {
    let server = Server::start();
    let users = [user("ann", "pro", "eu"), user("bob", "free", "eu")].join(",");
    assert_eq!(server.put_users(&[], table(users, NOON)).status, 200);
    let events = [("ann", "click"), ("ann", "view"), ("bob", "click"), ("cat", "click")];
    let events = events.iter().enumerate();
    let events = events.map(|(at, (user, kind))| event_of(&format!("e-{at}"), user, kind, NOON));
    assert_eq!(server.post(array(events)).tally(), [4, 0, 0]);
    server
}

#[test]
fn the_figures_are_printed_once_as_plain_text() {
    let server = server();
    // Its output is no terminal: it need not be asked to print once.
    for args in [&["--once", "--window", "60"][..], &["--window", "60"]] {
        let output = top(server.address, args).output().unwrap();
        let printed = success(&output);
        for part in ["window 60 s  generation 1", "3 unique users  4 events  25.0 % unknown", "75.0 %", "\nplan\n"] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
        assert!(printed.starts_with(&format!("weir  http://{}\n", server.address)), "{printed}");
        assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed:?}");
    }
}

#[test]
fn the_last_minute_is_drawn_if_the_server_tells_it() {
    let metrics = r#"{"window_sec":300,"events_per_sec":0.1,"unique_users":1,"unknown":0,"by_type":{"click":3},
        "total_events":3,"generation":0,"as_of":"2025-10-08T12:00:00.000Z"}"#;
    let answer = |body: &str| Step::Answer("200 OK", "", body.to_owned());
    let script = Script::start(vec![answer(metrics), answer(r#"{"points":[{"events":1},{"events":2}]}"#)]);
    let output = top(script.address, &["--once"]).output().unwrap();
    assert!(success(&output).contains("\nlast minute  ▄█  most 2/s\n"), "{output:?}");
}

#[test]
fn what_cannot_be_answered_is_one_line() {
    let server = server();
    let output = top(server.address, &["--once", "--window", "9999"]).output().unwrap();
    assert!(failure(&output).contains("400 invalid_window"), "{output:?}");
    server.set_tokens(&[(Role::Read, "s3cret")]);
    let output = top(server.address, &["--once"]).output().unwrap();
    assert!(failure(&output).ends_with("set WEIR_READ_TOKEN or --token-file"), "{output:?}");
    success(&top(server.address, &["--once"]).env("WEIR_READ_TOKEN", "s3cret").output().unwrap());
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = top(absent, &["--once"]).output().unwrap();
    assert!(failure(&output).starts_with(&format!("cannot reach http://{absent}: ")), "{output:?}");
}

#[cfg(target_os = "linux")]
mod live {
    use super::*;
    use crate::common::command::wait_until;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::process::{Child, ExitStatus, Stdio};
    use std::sync::{Arc, Mutex};

    /// A terminal with a command in it.
    struct Terminal {
        keys: File,
        screen: Arc<Mutex<Vec<u8>>>,
        device: File,
        before: Termios,
        child: Child,
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
            let child = command.stdin(ends()).stdout(ends()).stderr(ends()).spawn().unwrap();
            let keys = File::from(master);
            let (mut shown, screen) = (keys.try_clone().unwrap(), Arc::new(Mutex::new(vec![])));
            let seen = Arc::clone(&screen);
            std::thread::spawn(move || {
                let mut bytes = [0; 4_096];
                while let Ok(count @ 1..) = shown.read(&mut bytes) {
                    seen.lock().unwrap().extend_from_slice(&bytes[..count]);
                }
            });
            Self { keys, screen, device, before, child }
        }

        fn shows(&self, text: &str) -> bool {
            String::from_utf8_lossy(&self.screen.lock().unwrap()).contains(text)
        }

        fn wait_for(&self, text: &str) {
            wait_until(text, || self.shows(text));
        }

        fn forget(&self) {
            self.screen.lock().unwrap().clear();
        }

        fn press(&mut self, keys: &str) {
            self.keys.write_all(keys.as_bytes()).unwrap();
        }

        /// Waits for the end, and checks that the terminal is as it was.
        fn end(mut self) -> ExitStatus {
            let status = self.child.wait().unwrap();
            let after = tcgetattr(self.device.as_fd()).unwrap();
            assert_eq!((after.local_modes, after.input_modes), (self.before.local_modes, self.before.input_modes));
            // The main screen, the cursor and the wrapping of lines are back.
            for control in ["\u{1b}[?1049l", "\u{1b}[?25h", "\u{1b}[?7h"] {
                self.wait_for(control);
            }
            status
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn any_of_its_keys_ends_it_and_gives_the_terminal_back() {
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
    fn a_signal_ends_it_and_gives_the_terminal_back() {
        let server = server();
        let terminal = Terminal::with(&mut top(server.address, &[]));
        terminal.wait_for("unique users");
        let id = terminal.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        assert!(terminal.end().success());
    }

    #[test]
    fn the_picture_follows_the_server_and_survives_its_absence() {
        let mut server = server();
        let mut terminal = Terminal::with(&mut top(server.address, &["--window", "60"]));
        terminal.wait_for("25.0 %");
        assert_eq!(server.post(event_of("e-9", "dan", "view", NOON)).tally(), [1, 0, 0]);
        terminal.wait_for("40.0 %");
        server.begin_stop();
        terminal.wait_for("trying again");
        terminal.forget();
        // The last figures stay, and the question is asked again.
        terminal.wait_for("trying again");
        terminal.press("q");
        assert!(terminal.end().success());
    }

    #[test]
    fn what_will_never_be_answered_ends_it() {
        let server = server();
        let terminal = Terminal::with(&mut top(server.address, &["--window", "9999"]));
        terminal.wait_for("400 invalid_window");
        assert_eq!(terminal.end().code(), Some(1));
    }
}
