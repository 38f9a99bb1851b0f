//! The foreground client and what happens to it: a reader that leaves, a removal by somebody else, a terminal without -t.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use super::stage::{self, code, inspect};
use crate::support::env::eventually;
use crate::support::isolated;

#[test]
fn a_reader_that_leaves_ends_the_client_not_the_container() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "--name", "box", "--network", "none", "busybox", "sh", "-c", "yes line"];
        let mut command = env.dhow(&words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "line\n");
        drop(reader);
        let mut stderr = child.stderr.take().unwrap();
        // As whoever writes into a closed pipe: no word, and SIGPIPE's code.
        assert_eq!(code(child), 141);
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
        assert_eq!(inspect(env, "box")["State"]["Status"], "running");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn a_removal_by_somebody_else_is_an_end_like_another() {
    isolated(|env| {
        stage::busybox(env);
        for flags in [&["--rm"][..], &[]] {
            let words = ["run", "--name", "box", "--network", "none"];
            let mut command =
                env.dhow(&[&words[..], flags, &["busybox", "sh", "-c", "echo up; exec sleep 1000"]].concat());
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            env.run(&["rm", "-f", "-t", "0", "box"]).ok();
            let mut stderr = child.stderr.take().unwrap();
            assert_eq!(code(child), 137, "{flags:?}");
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            assert_eq!(said, "", "{flags:?}");
            eventually("nothing is left of it", || env.run(&["ps", "-aq"]).ok().is_empty());
            env.nothing_is_left();
        }
    });
}

#[test]
fn a_terminal_without_tty_stays_as_it_is() {
    isolated(|env| {
        stage::busybox(env);
        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        use rustix::termios::{LocalModes, tcgetattr};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        let cooked = |when: &str| {
            let modes = tcgetattr(&slave).unwrap().local_modes;
            assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "{when}");
        };
        let script = "test -t 1 && echo terminal; read line; echo got $line";
        let words = ["run", "--rm", "-i", "--network", "none", "--detach-keys", "a,b", "busybox", "sh", "-c", script];
        let mut command = env.dhow(&words);
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut child = command.stdin(end()).stdout(Stdio::piped()).stderr(end()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        cooked("while it runs");
        // The keys that detach are for -t alone.
        rustix::io::write(&master, b"ab typed\n").unwrap();
        let mut said = Vec::new();
        stdout.read_to_end(&mut said).unwrap();
        assert_eq!(said, b"got ab typed\n", "{:?}", String::from_utf8_lossy(&said));
        assert_eq!(code(child), 0);
        cooked("after it");
    });
}
