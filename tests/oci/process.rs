//! exec, descriptors, terminals.

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use serde_json::json;

use super::bundle::{Bundle, Runtime, read};
use crate::require;
use crate::support::descriptor::received;
use crate::support::env::{UID, eventually, finished, program};
use crate::support::{TestEnv, isolated};

fn sleeping(env: &TestEnv) -> (Runtime<'_>, Bundle) {
    let (oci, bundle) = (Runtime::dhow(env), Bundle::new(env, "b"));
    bundle.config("exec sleep 100", json!({"process": {"env": ["A=1"]}}));
    oci.with(&bundle, &["run", "-d", "c1"]).ok();
    (oci, bundle)
}

#[test]
fn exec_runs_in_the_container_as_whom_it_is_told() {
    isolated(|env| {
        let (oci, bundle) = sleeping(env);
        assert_eq!(oci.run(&["exec", "c1", "hostname"]).ok(), "box");
        assert_eq!(oci.run(&["exec", "c1", "sh", "-c", "exit 3"]).code, 3);
        assert_eq!(oci.run(&["exec", "-e", "A=2", "-e", "B=3", "c1", "sh", "-c", "echo $A$B"]).ok(), "23");
        assert_eq!(oci.run(&["exec", "--cwd", "/tmp", "c1", "pwd"]).ok(), "/tmp");
        let words = ["exec", "-u", "33:34", "-g", "7", "c1", "sh", "-c", "id; echo $HOME"];
        assert_eq!(oci.run(&words).lines(), ["uid=33(web) gid=34 groups=7", "/srv"]);
        let capabilities =
            |words: &[&str]| oci.run(&[words, &["c1", "grep", "CapEff", "/proc/self/status"]].concat()).ok();
        assert_eq!(capabilities(&["exec"]), "CapEff:\t00000000000000e3");
        assert_eq!(capabilities(&["exec", "--cap", "CAP_NET_RAW"]), "CapEff:\t00000000000020e3");
        assert_eq!(capabilities(&["exec", "-u", "33", "--cap", "CAP_NET_RAW"]), "CapEff:\t0000000000002000");
        oci.run(&["exec", "c1", "nosuch"]).fails(127, "exec: \"nosuch\": executable file not found in $PATH");
        oci.run(&["exec", "c1", "/etc"]).fails(126, "exec: \"/etc\": permission denied");
        oci.run(&["exec", "c1", "/nosuch"]).fails(127, "exec: \"/nosuch\": stat /nosuch: no such file or directory");
        oci.run(&["exec", "-u", "+7", "c1", "id"]).fails(1, "not the number");
        oci.run(&["exec", "c2", "id"]).fails(1, "does not exist");

        let process = env.place.join("process.json");
        let text = json!({"cwd": "/tmp", "args": ["sh", "-c", "pwd; echo $C"], "env": ["PATH=/bin", "C=5"], "user": {"uid": 0, "gid": 0}});
        std::fs::write(&process, text.to_string()).unwrap();
        assert_eq!(oci.run(&["exec", "--process", process.to_str().unwrap(), "c1"]).lines(), ["/tmp", "5"]);
        std::fs::remove_file(process).unwrap();

        // Left alone it goes on, and is known by its file.
        let pid_file = env.place.join("exec-pid");
        let words = [
            "exec",
            "-d",
            "--pid-file",
            pid_file.to_str().unwrap(),
            "c1",
            "sh",
            "-c",
            "echo done > /mark; exec sleep 100",
        ];
        oci.run(&words).ok();
        eventually("it has written", || read(&bundle.root().join("mark")) == "done");
        let pid: i64 = read(&pid_file).parse().unwrap();
        let pids = oci.run(&["ps", "-f", "json", "c1"]).json();
        assert!(pids.as_array().unwrap().contains(&json!(pid)), "{pids}");
        oci.run(&["kill", "--all", "c1", "9"]).ok();
        eventually("it is stopped", || oci.status("c1") == "stopped");
        oci.run(&["delete", "c1"]).ok();
        std::fs::remove_file(pid_file).unwrap();
    });
}

/// R9: whoever is in a container and may trace meets our binary in the process that waits to become the command, and
/// in one that joins (CVE-2019-5736). That it runs keeps it from being written, so a change of its mode shows what can be.
#[test]
fn the_installed_binary_cannot_be_changed_by_what_runs_from_it() {
    isolated(|env| {
        let (oci, bundle) = (Runtime::dhow(env), Bundle::new(env, "b"));
        bundle.config("exec sleep 100", json!({}));
        let unchangeable = |pid: u32| {
            let exe = std::path::PathBuf::from(format!("/proc/{pid}/exe"));
            let program = std::fs::read(&exe).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&exe).unwrap().permissions());
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            let error = std::fs::set_permissions(&exe, mode).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem, "{error}");
            program
        };
        oci.with(&bundle, &["create", "c1"]).ok();
        let pid = oci.run(&["state", "c1"]).json()["pid"].as_u64().unwrap();
        let waiting = unchangeable(u32::try_from(pid).unwrap());
        assert!(waiting == std::fs::read(&env.root.binary).unwrap(), "another program waits");
        oci.run(&["start", "c1"]).ok();

        // One that joins: it reads what it is to become from a pipe, while we look at it.
        let fifo = env.place.join("process.json");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let mut joining = oci.command(&["exec", "--process", fifo.to_str().unwrap(), "c1"]).spawn().unwrap();
        let mut pipe = std::fs::File::options().write(true).open(&fifo).unwrap();
        unchangeable(joining.id());
        let text = json!({"cwd": "/", "args": ["true"], "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}});
        std::io::Write::write_all(&mut pipe, text.to_string().as_bytes()).unwrap();
        drop(pipe);
        assert!(joining.wait().unwrap().success());
        std::fs::remove_file(fifo).unwrap();
        oci.run(&["delete", "-f", "c1"]).ok();
    });
}

#[test]
fn a_root_is_changed_without_exchange_where_asked() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let script = "ls -d /bin /proc/self /dev/null; ls /usr 2>&1; cat /proc/self/mountinfo | wc -l; pwd";
        let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "cat > /dev/null; echo hooked"]}]);
        let seen = ["/bin", "/dev/null", "/proc/self", "ls: /usr: No such file or directory"];
        for change in [json!({}), json!({"hooks": {"createContainer": hook}})] {
            bundle.config(script, change);
            let pivoted = oci.with(&bundle, &["run", "c1"]).lines();
            let lines = oci.with(&bundle, &["run", "--no-pivot", "c1"]).lines();
            // The same tree, and of the host's no mount more than is seen by the usual way.
            assert_eq!(lines, pivoted);
            assert_eq!(lines.iter().filter(|line| seen.contains(&line.as_str())).count(), seen.len(), "{lines:?}");
        }
        assert!(oci.is_empty());
    });
}

#[test]
fn a_link_of_the_host_moves_with_its_addresses() {
    isolated(|env| {
        require!(ip);
        let ip = |words: &str| {
            let mut command = env.root.command("ip");
            command.args(words.split(' '));
            finished(command, b"").ok()
        };
        ip("link add host0 type veth peer name host1");
        ip("link set host1 up");
        ip("address add 10.9.8.7/24 dev host0");
        ip("address add fd00::7/64 dev host0 nodad");
        ip("address add 169.254.9.9/16 dev host0 scope link");
        ip("link set host0 up");
        let (oci, bundle) = (Runtime::dhow(env), Bundle::new(env, "b"));
        bundle.config(
            "busybox ip -o address show dev lan0; busybox ip link show dev lan0",
            json!({"linux": {"netDevices": {"host0": {"name": "lan0"}}}}),
        );
        let seen = oci.with(&bundle, &["run", "c1"]).text();
        let has = |text: &str| seen.contains(text);
        assert!(has("inet 10.9.8.7/24") && has("inet6 fd00::7/64") && !has("169.254") && has("UP,"), "{seen}");
        // It went with the namespace, as all links do that are not hardware.
        assert!(!ip("-o link").contains("host0"));
        assert!(oci.is_empty());
    });
}

#[test]
fn a_session_keyring_is_shared_only_when_asked_for() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let mut probe = env.root.command(program("probe").to_str().unwrap());
        probe.arg("session");
        let host = finished(probe, b"").ok();
        bundle.config("exec sleep 100", json!({}));
        for (name, option) in [("own", None), ("kept", Some("--no-new-keyring"))] {
            let words: Vec<&str> = ["run", "-d"].into_iter().chain(option).chain([name]).collect();
            let path = bundle.path.display().to_string();
            oci.run(&[&words[..], &["--bundle", &path]].concat()).ok();
            let seen = oci.run(&["exec", name, "probe", "session"]).ok();
            assert!(seen.parse::<i64>().is_ok_and(|id| id > 0), "{seen}");
            assert_eq!(seen == host, option.is_some(), "{name}: {seen:?}, the host {host:?}");
            oci.run(&["delete", "-f", name]).ok();
        }
    });
}

#[test]
fn descriptors_are_passed_on_only_when_asked_for() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let script =
            "ls /proc/self/fd | tr '\\n' ' '; cat <&3 2>/dev/null; cat <&4 2>/dev/null; echo $LISTEN_FDS $LISTEN_PID";
        bundle.config(script, json!({}));
        let (first, second) = (env.place.join("first"), env.place.join("second"));
        std::fs::write(&first, "one ").unwrap();
        std::fs::write(&second, "two ").unwrap();
        // A shell opens 3 and 4 and leaves them open.
        let run = |environment: &[(&str, &str)], words: &str| {
            let mut command = env.root.command("/bin/sh");
            let line = format!(
                "exec 3<{} 4<{}; exec {} oci --root {} run {words} -b {} c1",
                first.display(),
                second.display(),
                env.root.binary.display(),
                oci.root.display(),
                bundle.path.display()
            );
            command.args(["-c", &line]).envs(environment.iter().copied());
            finished(command, b"").ok()
        };
        // The listing has a descriptor of its own.
        assert_eq!(run(&[], ""), "0 1 2 3 ");
        assert_eq!(run(&[], "--preserve-fds 1"), "0 1 2 3 4 one ");
        assert_eq!(run(&[], "--preserve-fds 2"), "0 1 2 3 4 5 one two ");
        assert_eq!(run(&[("LISTEN_FDS", "2")], ""), "0 1 2 3 4 5 one two 2 1");
        assert_eq!(run(&[("LISTEN_FDS", "2"), ("LISTEN_PID", "1")], ""), "0 1 2 3 ");
        oci.with(&bundle, &["run", "--preserve-fds", "9", "c1"]).fails(1, "descriptor");
        for file in [first, second] {
            std::fs::remove_file(file).unwrap();
        }
        assert!(oci.is_empty());
    });
}

#[test]
fn who_listens_decides_the_calls_of_a_profile() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let socket = env.place.join("listener");
        let calls = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]);
        let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls, "listenerPath": socket, "listenerMetadata": "mine"});
        bundle.config("mkdir /tmp/x 2>/dev/null || echo refused", json!({"linux": {"seccomp": profile}}));
        let listener = UnixListener::bind(&socket).unwrap();
        oci.with(&bundle, &["create", "c1"]).ok();
        let pid = oci.run(&["state", "c1"]).json()["pid"].clone();
        oci.run(&["start", "c1"]).ok();
        let (text, fd) = received(&listener);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&told["fds"], &told["metadata"], &told["pid"]), (&json!(["seccompFd"]), &json!("mine"), &pid));
        assert_eq!((&told["state"]["id"], &told["state"]["status"]), (&json!("c1"), &json!("created")));
        let kind = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
        assert_eq!(kind.to_str(), Some("anon_inode:seccomp notify"));
        // It waits for the verdict; where nobody is left to give one, the kernel does: ENOSYS.
        assert_eq!(oci.status("c1"), "running");
        drop(fd);
        eventually("it is stopped", || oci.status("c1") == "stopped");
        assert!(!bundle.root().join("tmp/x").exists());
        oci.run(&["delete", "c1"]).ok();

        bundle.config("exec sleep 100", json!({"linux": {"seccomp": profile}}));
        oci.with(&bundle, &["run", "-d", "c1"]).ok();
        drop(received(&listener));
        oci.run(&["exec", "-d", "c1", "sh", "-c", "mkdir /tmp/x || touch /tmp/refused"]).ok();
        let (text, fd) = received(&listener);
        assert!(text.contains("\"status\":\"running\""), "{text}");
        drop(fd);
        eventually("it is refused", || bundle.root().join("tmp/refused").exists());
        drop(listener);
        oci.run(&["exec", "c1", "true"]).fails(1, "linux.seccomp.listenerPath");
        oci.run(&["delete", "-f", "c1"]).ok();
        std::fs::remove_file(socket).unwrap();
    });
}

#[test]
fn exec_has_processors_of_its_own() {
    isolated(|env| {
        let (oci, _bundle) = sleeping(env);
        let process = env.place.join("process.json");
        let last = std::thread::available_parallelism().unwrap().get() - 1;
        let text = json!({"cwd": "/", "args": ["grep", "Cpus_allowed_list", "/proc/self/status"], "env": ["PATH=/bin"],
            "user": {"uid": 0, "gid": 0}, "execCPUAffinity": {"initial": "0", "final": last.to_string()}});
        std::fs::write(&process, text.to_string()).unwrap();
        let said = oci.run(&["exec", "--process", process.to_str().unwrap(), "c1"]).ok();
        assert_eq!(said, format!("Cpus_allowed_list:\t{last}"));
        std::fs::remove_file(process).unwrap();
        oci.run(&["delete", "-f", "c1"]).ok();
    });
}

#[test]
fn a_terminal_goes_to_the_callers_socket() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let size = json!({"process": {"terminal": true, "consoleSize": {"height": 33, "width": 77}}});
        bundle.config("tty; stty size; test -c /dev/console && echo console", size);
        let place = env.place.join("a-long-name-for-a-directory".repeat(4));
        std::fs::create_dir(&place).unwrap();
        let short = env.place.join("s");
        std::os::unix::fs::symlink(&place, &short).unwrap();
        let listener = UnixListener::bind(short.join("socket")).unwrap();
        let socket = place.join("socket").display().to_string();
        let text = |master: OwnedFd| {
            let mut bytes = Vec::new();
            // A terminal ends with an error when its last user is gone.
            drop(std::fs::File::from(master).read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
        };
        oci.with(&bundle, &["create", "c1"]).fails(1, "--console-socket");
        oci.with(&bundle, &["create", "--console-socket", "/nowhere/x", "c1"]).fails(1, "connect to /nowhere/x");
        assert!(oci.is_empty());
        oci.with(&bundle, &["create", "c1", "--console-socket", &socket]).ok();
        let (name, master) = received(&listener);
        assert_eq!(name, "/dev/ptmx");
        oci.run(&["start", "c1"]).ok();
        assert_eq!(text(master), "/dev/pts/0\n33 77\nconsole\n");
        eventually("it is stopped", || oci.status("c1") == "stopped");
        oci.run(&["delete", "c1"]).ok();

        bundle.config("exec sleep 100", json!({}));
        oci.with(&bundle, &["create", "c1", "--console-socket", &socket]).fails(1, "without process.terminal");
        let pidfd_socket = ["run", "-d", "c1", "--pidfd-socket", &socket];
        oci.with(&bundle, &pidfd_socket).ok();
        let (_, pidfd) = received(&listener);
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
        let pid = oci.run(&["state", "c1"]).json()["pid"].to_string();
        assert!(info.contains(&format!("Pid:\t{pid}\n")), "{info}");
        oci.run(&["exec", "-d", "-t", "--console-socket", &socket, "c1", "tty"]).ok();
        assert_eq!(text(received(&listener).1), "/dev/pts/0\n");
        oci.run(&["exec", "-d", "-t", "c1", "tty"]).fails(1, "--console-socket");
        oci.run(&["delete", "-f", "c1"]).ok();
        std::fs::remove_dir_all(place).unwrap();
        std::fs::remove_file(short).unwrap();
    });
}

#[test]
fn an_ordinary_user_runs_and_executes() {
    isolated(|env| {
        let bundle = Bundle::new(env, "b");
        let path = bundle.path.display().to_string();
        let mut chown = env.root.command("chown");
        chown.args(["-R", &format!("{UID}:{UID}"), &path]);
        finished(chown, b"").ok();
        let run = |words: &[&str]| {
            let mut command = env.user.command(&env.user.binary);
            command.arg("oci").args(words);
            finished(command, b"")
        };
        run(&["spec", "--rootless", "-b", &path]).ok();
        let file = bundle.path.join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = json!(["sleep", "100"]);
        config["process"]["env"] = json!(["PATH=/bin"]);
        std::fs::write(&file, config.to_string()).unwrap();
        run(&["run", "-d", "-b", &path, "c1"]).ok();
        assert_eq!(
            run(&["exec", "c1", "sh", "-c", "id -u; hostname; echo /proc/[0-9]*"]).text(),
            "0\ndhow\n/proc/1 /proc/2"
        );
        assert_eq!(run(&["exec", "-u", "1", "c1", "id"]).code, 1);
        run(&["delete", "-f", "c1"]).ok();
        std::fs::remove_dir_all(env.user.runtime.join("dhow")).unwrap();
    });
}
