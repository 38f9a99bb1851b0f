//! Containers under a service manager, and service managers in containers: sd_notify, socket activation, cgroups of
//! units, what systemd wants inside.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::stage::{self, inspect};
use crate::support::env::{eventually, finished};
use crate::support::{TestEnv, isolated};

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { socket, name: path.display().to_string() }
    }

    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn hears_nothing(&self) {
        self.socket.set_nonblocking(true).unwrap();
        assert!(self.socket.recv(&mut [0; 64]).is_err(), "nobody had to say anything");
        self.socket.set_nonblocking(false).unwrap();
    }
}

fn start(env: &TestEnv, manager: &Manager, flags: &[&str], script: &str) {
    let words =
        [&["run", "-d", "--name", "box", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat();
    let mut command = env.dhow(&words);
    command.env("NOTIFY_SOCKET", &manager.name);
    finished(command, b"").ok();
}

fn monitor(env: &TestEnv) -> String {
    inspect(env, "box")["State"]["ConmonPid"].to_string()
}

fn remove(env: &TestEnv) {
    env.run(&["rm", "-f", "-t", "0", "box"]).ok();
}

#[test]
fn a_manager_hears_of_the_container() {
    isolated(|env| {
        stage::busybox(env);
        let manager = Manager::at(Path::new("/run/manager"));
        let printed = "env | grep -c NOTIFY_SOCKET; sleep 1000";
        start(env, &manager, &["--sdnotify", "conmon"], printed);
        assert_eq!(manager.hears(), format!("MAINPID={}\nREADY=1", monitor(env)));
        remove(env);

        start(env, &manager, &["--sdnotify", "ignore"], printed);
        manager.hears_nothing();
        assert_eq!(inspect(env, "box")["Config"]["sdNotifyMode"], "ignore");
        remove(env);

        // The container's own words: busybox has one program that sends datagrams. Any user may speak.
        let speak = "mkdir -p /tmp/d && ln -s $NOTIFY_SOCKET /dev/log 2>/dev/null
            logger \"$(printf 'x\\nREADY=1\\nMAINPID=1\\nSTATUS=up')\"; exec sleep 1000";
        start(env, &manager, &[], speak);
        assert_eq!(manager.hears(), format!("MAINPID={}", monitor(env)));
        assert_eq!(manager.hears(), "READY=1\nSTATUS=up");
        env.run(&["exec", "-u", "1000", "box", "logger", "x\nSTATUS=still"]).ok();
        assert_eq!(manager.hears(), "STATUS=still");
        remove(env);
        env.run(&["create", "--sdnotify", "x", "busybox"]).fails(125, "must be container, conmon, healthy or ignore");
        std::fs::remove_file("/run/manager").unwrap();
    });
}

#[test]
fn listening_sockets_are_handed_on() {
    isolated(|env| {
        stage::busybox(env);
        let script = "echo $LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES; cat <&3 | wc -l";
        let run = env.dhow(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", script]);
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec 3</etc/hostname; export LISTEN_PID=$$; exec \"$@\"", "sh"])
            .arg(run.get_program())
            .args(run.get_args());
        command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "web");
        assert_eq!(finished(command, b"").lines(), ["1 1 web", "1"]);
        // Those of another process are not ours.
        let mut command =
            env.dhow(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", "echo ${LISTEN_FDS:-none}"]);
        command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
        assert_eq!(finished(command, b"").ok(), "none");
    });
}

#[test]
fn cgroups_are_made_as_asked() {
    isolated(|env| {
        stage::busybox(env);
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let of = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let begin = |mode: &str| {
            let flags =
                ["run", "-d", "--name", "box", "--network", "none", "--cgroups", mode, "busybox", "sleep", "1000"];
            env.run(&flags).ok();
            let seen = inspect(env, "box");
            assert_eq!(seen["HostConfig"]["Cgroups"], if mode == "disabled" { mode } else { "default" });
            (seen["State"]["Pid"].to_string(), seen["State"]["ConmonPid"].to_string())
        };
        let (init, monitor) = begin("disabled");
        assert_eq!(of(&init), own);
        assert!(monitor != "0");
        remove(env);
        let (init, monitor) = begin("no-conmon");
        assert_ne!(of(&init), own);
        assert_eq!(of(&monitor), own);
        remove(env);
        let (init, _) = begin("enabled");
        assert_ne!(of(&init), own);
        remove(env);
        env.run(&["create", "--cgroups", "disabled", "-m", "64m", "busybox"])
            .fails(125, "cannot specify resource limits when cgroups are disabled");
        env.run(&["create", "--cgroups", "x", "busybox"]).fails(125, "invalid cgroup mode \"x\"");
        if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            env.run(&["run", "--rm", "--cgroups", "split", "busybox"]).fails(125, "--cgroups=split needs cgroup v2");
        }
    });
}

#[test]
fn a_systemd_finds_what_it_wants() {
    isolated(|env| {
        stage::busybox(env);
        let script = "for d in /run /run/lock /tmp /var/log/journal; do grep -c \" $d tmpfs \" /proc/mounts; done
            echo $container_uuid | wc -c; test -e /run/.containerenv && echo there";
        let words = ["run", "--rm", "--network", "none", "--systemd", "always", "busybox", "sh", "-c", script];
        assert_eq!(env.run(&words).lines(), ["1", "1", "1", "1", "33", "there"]);
        // By the name of the command.
        let signal = |flags: &[&str], word: &str| {
            env.run(&[&["create", "--name", "box", "--network", "none"], flags, &["busybox", word]].concat()).ok();
            let seen = inspect(env, "box")["Config"]["StopSignal"].clone();
            remove(env);
            seen
        };
        assert_eq!(signal(&[], "/sbin/init"), "SIGRTMIN+3");
        assert_eq!(signal(&["--systemd=false"], "/sbin/init"), "SIGTERM");
        assert_eq!(signal(&[], "/lib/systemd/systemd"), "SIGRTMIN+3");
        assert_eq!(signal(&["--stop-signal", "2"], "/sbin/init"), "SIGINT");
        env.run(&["create", "--systemd", "x", "busybox"]).fails(125, "--systemd values must be one of");
    });
}

#[test]
fn another_init_may_be_named() {
    isolated(|env| {
        stage::busybox(env);
        // It is called as podman calls its own: with `--` and the command.
        std::fs::write("/run/other", "#!/bin/sh\nshift; echo init $$; exec \"$@\"\n").unwrap();
        std::fs::set_permissions("/run/other", std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let words =
            ["run", "--rm", "--network", "none", "--init", "--init-path", "/run/other", "busybox", "echo", "ran"];
        assert_eq!(env.run(&words).lines(), ["init 1", "ran"]);
        std::fs::remove_file("/run/other").unwrap();
    });
}

#[test]
fn a_manager_hears_when_the_container_is_healthy() {
    isolated(|env| {
        stage::busybox(env);
        let manager = Manager::at(Path::new("/run/manager"));
        let flags = ["--sdnotify", "healthy", "--health-cmd", "test -e /well", "--health-interval", "20ms"];
        // Who starts it waits for that too.
        std::thread::scope(|scope| {
            let script = "env | grep -c NOTIFY_SOCKET; sleep 1000";
            let started = scope.spawn(|| start(env, &manager, &flags, script));
            let main = manager.hears();
            eventually("it runs", || env.run(&["exec", "box", "true"]).code == 0);
            assert_eq!(main, format!("MAINPID={}", monitor(env)));
            assert!(!started.is_finished());
            manager.hears_nothing();
            env.run(&["exec", "box", "touch", "/well"]).ok();
            assert_eq!(manager.hears(), "READY=1");
            started.join().unwrap();
        });
        assert_eq!(env.run(&["logs", "box"]).text(), "0");
        remove(env);
        env.run(&["create", "--sdnotify", "healthy", "busybox"]).fails(125, "requires a healthcheck to be set");
        std::fs::remove_file("/run/manager").unwrap();
    });
}
