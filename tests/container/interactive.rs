//! A terminal: raw mode, sizes, keys that detach, ctrl-c.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::termios::{LocalModes, Winsize};

use super::stage::{self, code};
use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::{TestEnv, isolated};

/// Our side of a terminal on which a command runs.
struct Terminal {
    master: File,
    slave: OwnedFd,
    child: Child,
    seen: String,
}

impl Terminal {
    fn run(env: &TestEnv, words: &[&str]) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::termios::tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        // The terminal is a shell's own, so that a new size is told to what runs in it, and it tells how it was left.
        let dhow = env.dhow(words);
        let script = "\"$@\"; code=$?; stty -a | grep -o -e '-*icanon'; exit $code";
        let mut command = Command::new("setsid");
        command
            .args(["-c", "sh", "-c", script, "sh"])
            .arg(dhow.get_program())
            .args(dhow.get_args())
            .env("TERM", "xterm");
        let end = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().unwrap();
        Self { master: File::from(master), slave, child, seen: String::new() }
    }

    fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until `text` was shown; what came before is done with.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let mut polled = [rustix::event::PollFd::new(&self.master, rustix::event::PollFlags::IN)];
            let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
            assert_ne!(rustix::event::poll(&mut polled, Some(&limit)).unwrap(), 0, "{text:?} not in {:?}", self.seen);
            let length = self.master.read(&mut buffer).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }

    fn is_raw(&self) -> bool {
        !rustix::termios::tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    fn ends(self) -> i32 {
        code(self.child)
    }
}

#[test]
fn a_terminal_is_raw_while_it_lasts_and_its_size_follows() {
    isolated(|env| {
        stage::busybox(env);
        let mut terminal = Terminal::run(env, &["run", "-it", "--rm", "--network", "none", "busybox", "sh"]);
        terminal.shows("# ");
        assert!(terminal.is_raw());
        terminal.types("stty size\r");
        terminal.shows("\n24 80\r\n");
        let size = Winsize { ws_row: 50, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&terminal.slave, size).unwrap();
        // The size travels on its own: the shell looks until it is there.
        terminal.types("until stty size | grep '50 120'; do :; done\r");
        terminal.shows("\n50 120\r\n");
        // The program itself says that it runs: until then ctrl-c could reach the shell alone.
        terminal.types("sh -c \"echo be''fore; exec sleep 1000\"\r");
        terminal.shows("before");
        terminal.types("\x03");
        terminal.shows("# ");
        terminal.types("echo code=$?.\r");
        terminal.shows("code=130.");
        terminal.types("exit 5\r");
        // The terminal is as it was.
        terminal.shows("\nicanon");
        assert_eq!(terminal.ends(), 5);
    });
}

#[test]
fn keys_detach_and_attach_comes_back() {
    isolated(|env| {
        stage::busybox(env);
        let mut terminal = Terminal::run(env, &["run", "-it", "--name", "box", "--network", "none", "busybox", "sh"]);
        terminal.shows("# ");
        terminal.types("\x10\x11");
        assert_eq!(terminal.ends(), 0);
        assert_eq!(env.run(&["ps", "--format", "{{.Names}} {{.State}}"]).ok(), "box running");
        let mut terminal = Terminal::run(env, &["attach", "--detach-keys", "ctrl-x,a", "box"]);
        terminal.types("echo ba''ck\r");
        terminal.shows("back");
        terminal.types("\x18");
        terminal.types("a");
        assert_eq!(terminal.ends(), 0);
        let mut terminal = Terminal::run(env, &["exec", "-it", "box", "sh"]);
        terminal.shows("# ");
        terminal.types("test -t 0 && exit 9\r");
        assert_eq!(terminal.ends(), 9);
        let mut terminal = Terminal::run(env, &["attach", "box"]);
        terminal.types("exit 3\r");
        assert_eq!(terminal.ends(), 3);
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn a_short_name_is_chosen_once() {
    isolated(|env| {
        let (first, second) = (Registry::beside(env), Registry::beside(env));
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        second.add("app", "latest", &image, Flavor::Oci);
        let (one, two) = (first.address(), second.address());
        let insecure = |at: &str| format!("[[registry]]\nlocation = \"{at}\"\ninsecure = true\n");
        let configuration =
            format!("unqualified-search-registries = [\"{one}\", \"{two}\"]\n{}{}", insecure(&one), insecure(&two));
        drop(std::fs::remove_dir_all("/etc/containers/registries.conf.d"));
        std::fs::create_dir_all("/etc/containers").unwrap();
        std::fs::write("/etc/containers/registries.conf", configuration).unwrap();
        let mut terminal = Terminal::run(env, &["pull", "app"]);
        terminal.shows(&format!("1) {one}/app:latest\r\n  2) {two}/app:latest\r\n1-2 [1]: "));
        terminal.types("7\r");
        terminal.shows("\"7\" is none of them\r\n1-2 [1]: ");
        terminal.types("2\r");
        terminal.shows(&image.id());
        assert_eq!(terminal.ends(), 0);
        assert!(first.requests().is_empty(), "who was not chosen is not asked");
        // It is remembered, and holds where nobody can be asked.
        env.run(&["rmi", "-af"]).ok();
        env.run(&["pull", "-q", "app:latest"]).ok();
        assert_eq!(env.run(&["images", "--format", "{{.Repository}}"]).ok(), format!("{two}/app"));
        env.run(&["rmi", "-af"]).ok();
        env.nothing_is_left();
    });
}
