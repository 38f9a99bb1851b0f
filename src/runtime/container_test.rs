//! Containers of a static busybox, made by [`create`] and [`exec`] as root. Each case runs in a process of its own: the
//! harness starts this very binary again with the name of one test.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use oci_spec::runtime::{Process, Spec};
use serde_json::{Value, json};

use super::cgroup::Cgroup;
use super::create::{CreateRequest, Init, Rootfs, create, sources};
use super::exec::{ExecRequest, exec};
use super::init::Ways;
use super::stdio::Stdio;
use crate::model::error::{Error, ErrorKind};
use crate::runtime::stdio::Preserved;
use crate::sys::{pidfd, process};

const BUSYBOX: &str = "/bin/busybox";

/// Runs `body` in a process of its own, or says why it cannot.
fn alone(name: &str, body: impl FnOnce()) {
    if !Path::new(BUSYBOX).exists() {
        eprintln!("skipped: needs a static {BUSYBOX}");
        return;
    }
    super::alone_test::alone(&format!("runtime::container_test::{name}"), body);
}

/// A bundle with a root of busybox.
struct Bundle(PathBuf);

impl Bundle {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("dhow-container-{}", std::process::id()));
        let root = path.join("rootfs");
        for name in ["bin", "etc", "data"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
        for name in [
            "sh", "true", "cat", "ls", "id", "stat", "readlink", "hostname", "grep", "sleep", "tty", "stty", "touch",
            "mkdir",
        ] {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        std::fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n").unwrap();
        std::fs::write(root.join("etc/text"), "no program\n").unwrap();
        Self(path)
    }

    fn root(&self) -> PathBuf {
        self.0.join("rootfs")
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ignored = std::fs::remove_dir_all(&self.0);
    }
}

/// A specification as engines write it, with `change` merged in.
fn spec(args: &[&str], change: Value) -> Spec {
    let capabilities = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"];
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": kind, "options": options});
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({"type": kind}));
    let mut value = json!({
        "ociVersion": "1.3.0",
        "hostname": "box",
        "root": {"path": "rootfs"},
        "process": {
            "cwd": "/", "args": args, "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, "noNewPrivileges": true,
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "ro"]),
        ],
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": ["/proc/keys", "/proc/acpi", "/sys/firmware", "/nowhere"],
            "readonlyPaths": ["/proc/sys", "/proc/bus"],
        },
    });
    merge(&mut value, change);
    serde_json::from_value(value).unwrap()
}

fn merge(value: &mut Value, change: Value) {
    match (value, change) {
        (Value::Object(map), Value::Object(changes)) => {
            changes.into_iter().for_each(|(key, change)| merge(map.entry(key).or_insert(Value::Null), change));
        }
        (Value::Array(list), Value::Array(mut more)) => list.append(&mut more),
        (value, change) => *value = change,
    }
}

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

/// Streams into a pipe, and its other end.
fn piped() -> (Stdio, OwnedFd) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (Stdio::Fds { stdin: null(), stdout: write.try_clone().unwrap(), stderr: write }, read)
}

fn text(fd: OwnedFd) -> String {
    let mut bytes = Vec::new();
    // A terminal ends with an error when its last user is gone.
    let _ended = std::fs::File::from(fd).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

fn made(bundle: &Bundle, spec: &Spec, stdio: Stdio) -> anyhow::Result<Init> {
    create(CreateRequest {
        spec,
        bundle: &bundle.0,
        rootfs: Rootfs::Path(bundle.root()),
        sources: sources(spec, &bundle.0)?,
        namespaces: Vec::new(),
        stdio,
        preserved: Preserved::default(),
        cgroup: &Cgroup::none(),
        resctrl: None,
        seccomp_cache: None,
        subject: None,
        gate: None,
        ways: Ways::default(),
    })
}

/// Runs a container to its end: what it wrote, and its exit code.
fn run(bundle: &Bundle, spec: &Spec) -> anyhow::Result<(String, i32)> {
    let (stdio, read) = piped();
    let mut init = made(bundle, spec, stdio)?;
    init.start()?;
    let text = text(read);
    Ok((text, pidfd::reap(init.pidfd.as_fd())?))
}

fn shell(bundle: &Bundle, script: &str, change: Value) -> String {
    run(bundle, &spec(&["sh", "-c", script], change)).map(|(text, _)| text).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn a_command_runs_and_its_exit_code_comes_back() {
    alone("a_command_runs_and_its_exit_code_comes_back", || {
        let bundle = Bundle::new();
        assert_eq!(run(&bundle, &spec(&["true"], json!({}))).unwrap(), (String::new(), 0));
        assert_eq!(run(&bundle, &spec(&["sh", "-c", "echo a; exit 7"], json!({}))).unwrap(), ("a\n".into(), 7));
        assert_eq!(run(&bundle, &spec(&["sh", "-c", "kill -9 $$; echo b"], json!({}))).unwrap().0, "b\n");
    });
}

#[test]
fn namespaces_and_ids_are_the_containers_own() {
    alone("namespaces_and_ids_are_the_containers_own", || {
        let bundle = Bundle::new();
        assert_eq!(shell(&bundle, "echo $$ $HOME; hostname; ls /sys/class/net", json!({})), "1 /root\nbox\nlo\n");
        let user = json!({"process": {"user": {"uid": 33, "gid": 34, "additionalGids": [5, 7], "umask": 0o77}}});
        assert_eq!(shell(&bundle, "id -u; id -g; id -G; umask; echo $HOME", user), "33\n34\n34 5 7\n0077\n/srv\n");
        let status = ["grep", "-E", "Cap(Inh|Prm|Eff|Bnd|Amb)|NoNew|SigIgn|SigBlk", "/proc/self/status"];
        let expected = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nCapInh:\t0000000000000000\n\
                        CapPrm:\t00000000000000e3\nCapEff:\t00000000000000e3\nCapBnd:\t00000000000000e3\n\
                        CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n";
        assert_eq!(run(&bundle, &spec(&status, json!({}))).unwrap().0, expected);
    });
}

#[test]
fn only_the_streams_are_open() {
    alone("only_the_streams_are_open", || {
        let bundle = Bundle::new();
        // 3 is the directory that ls reads.
        let _open = std::fs::File::open("/etc/passwd").unwrap();
        assert_eq!(shell(&bundle, "ls /proc/self/fd", json!({})), "0\n1\n2\n3\n");
    });
}

/// R2.
#[test]
fn devices_links_and_masks() {
    alone("devices_links_and_masks", || {
        let bundle = Bundle::new();
        let script = "stat -c '%n %F %t %T' /dev/null /dev/tty; readlink /dev/ptmx; readlink /dev/stdin; cat /proc/keys; \
                      ls /sys/firmware; touch /proc/sys/kernel/x /sys/firmware/x /sys/x 2>&1 | grep -c 'Read-only'";
        let expected = "/dev/null character special file 1 3\n/dev/tty character special file 5 0\npts/ptmx\n\
                        /proc/self/fd/0\n2\n";
        assert_eq!(shell(&bundle, script, json!({})), expected);
    });
}

#[test]
fn mounts_are_made_as_asked() {
    alone("mounts_are_made_as_asked", || {
        let bundle = Bundle::new();
        std::fs::create_dir(bundle.0.join("source")).unwrap();
        std::fs::write(bundle.0.join("source/file"), "content\n").unwrap();
        let mounts = json!({"root": {"readonly": true}, "mounts": [
            {"destination": "/data", "type": "bind", "source": "source", "options": ["rbind", "ro"]},
            {"destination": "/etc/text", "type": "bind", "source": "source/file", "options": ["bind"]},
            {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=1m"]},
        ]});
        let script =
            "cat /data/file; touch /data/x || touch /bin/x || touch /etc/x && cat /etc/text; grep -c web /etc/passwd";
        let text = shell(&bundle, &format!("({script}) 2>/dev/null"), mounts);
        assert_eq!(text, "content\ncontent\n1\n");
        assert_eq!(std::fs::read_to_string(bundle.root().join("etc/text")).unwrap(), "no program\n");
    });
}

/// R1.
#[test]
fn links_of_an_image_lead_nowhere_else() {
    alone("links_of_an_image_lead_nowhere_else", || {
        let bundle = Bundle::new();
        let outside = bundle.0.join("outside");
        std::fs::create_dir(&outside).unwrap();
        symlink(&outside, bundle.root().join("escape")).unwrap();
        let mount = |to: &str| json!({"mounts": [{"destination": to, "type": "tmpfs", "source": "tmpfs"}]});
        run(&bundle, &spec(&["true"], mount("/escape/new"))).unwrap();
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        for name in ["proc", "dev", "sys"] {
            let place = bundle.root().join(name);
            let _maybe = std::fs::remove_dir_all(&place);
            symlink("/data", &place).unwrap();
            assert!(run(&bundle, &spec(&["true"], json!({}))).is_err(), "{name}");
            std::fs::remove_file(&place).unwrap();
        }
        let bind = json!({"mounts": [{"destination": "/x", "type": "bind", "source": "/nowhere"}]});
        let error = run(&bundle, &spec(&["true"], bind)).unwrap_err();
        assert_eq!(error.to_string(), "statfs /nowhere: no such file or directory");
    });
}

#[test]
fn what_cannot_be_executed_says_so() {
    alone("what_cannot_be_executed_says_so", || {
        let bundle = Bundle::new();
        std::fs::copy(bundle.root().join("etc/text"), bundle.root().join("bin/text")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bundle.root().join("bin/text"), mode).unwrap();
        for (command, kind, message) in [
            ("none", ErrorKind::NoCommand, "executable file `none` not found in $PATH: No such file or directory"),
            ("/none", ErrorKind::NoCommand, "executable file `/none` not found: No such file or directory"),
            ("/etc/passwd", ErrorKind::NotExecutable, "open executable `/etc/passwd`: Permission denied"),
            ("/etc", ErrorKind::NotExecutable, "open executable `/etc`: Permission denied"),
            ("text", ErrorKind::NotExecutable, "exec container process `text`: Exec format error"),
        ] {
            for privileges in [true, false] {
                let change = json!({"process": {"noNewPrivileges": privileges}});
                let error = run(&bundle, &spec(&[command], change)).unwrap_err();
                let error = error.downcast_ref::<Error>().unwrap();
                assert_eq!((error.kind, error.message.as_str()), (kind, message));
            }
        }
        let error = run(&bundle, &spec(&["true"], json!({"process": {"cwd": "/none"}}))).unwrap_err();
        assert_eq!(error.to_string(), "workdir \"/none\" does not exist on container");
    });
}

#[test]
fn a_terminal_is_a_new_one() {
    alone("a_terminal_is_a_new_one", || {
        let bundle = Bundle::new();
        let spec = spec(&["sh", "-c", "tty; stty size; stat -c '%t' /dev/console"], json!({}));
        let mut init = made(&bundle, &spec, Stdio::Terminal { size: Some((33, 77)) }).unwrap();
        let master = init.terminal.take().unwrap();
        init.start().unwrap();
        assert_eq!(text(master), "/dev/pts/0\n33 77\n88\n");
        assert_eq!(pidfd::reap(init.pidfd.as_fd()).unwrap(), 0);
    });
}

fn user_namespace() -> Value {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    json!({"linux": {"namespaces": [{"type": "user"}], "uidMappings": map, "gidMappings": map}})
}

#[test]
fn a_user_namespace_of_its_own() {
    alone("a_user_namespace_of_its_own", || {
        let bundle = Bundle::new();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(bundle.root().join("data"), mode).unwrap();
        for name in ["proc", "dev", "sys"] {
            std::fs::create_dir(bundle.root().join(name)).unwrap();
        }
        let script = "id -u; touch /data/file; stat -c %u /data/file; stat -c '%t %T' /dev/null; echo x > /dev/null";
        assert_eq!(shell(&bundle, script, user_namespace()), "0\n0\n1 3\n");
        let meta = std::fs::metadata(bundle.root().join("data/file")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 100_000);
    });
}

#[test]
fn owners_of_a_mount_are_mapped() {
    alone("owners_of_a_mount_are_mapped", || {
        let bundle = Bundle::new();
        for name in ["proc", "dev", "sys", "source"] {
            std::fs::create_dir(bundle.root().join(name)).unwrap();
        }
        let file = bundle.root().join("source/file");
        std::fs::write(&file, "").unwrap();
        if Command::new("stat").args(["-f", "-c", "%T"]).arg(&file).output().unwrap().stdout == b"overlayfs\n" {
            eprintln!("skipped: overlayfs has no idmapped mounts");
            return;
        }
        let bind = |options: Value| json!({"destination": "/data", "type": "bind", "source": "rootfs/source", "options": options});
        let mut change = user_namespace();
        merge(&mut change, json!({"mounts": [bind(json!(["rbind", "idmap"]))]}));
        assert_eq!(shell(&bundle, "stat -c %u /data/file", change), "0\n");

        let map = json!([{"containerID": 0, "hostID": 5000, "size": 10}]);
        let mut mount = bind(json!(["rbind"]));
        merge(&mut mount, json!({"uidMappings": map, "gidMappings": map}));
        assert_eq!(shell(&bundle, "stat -c %u /data/file", json!({"mounts": [mount]})), "5000\n");

        let without = json!({"mounts": [bind(json!(["idmap"]))]});
        assert!(run(&bundle, &spec(&["true"], without)).is_err());
    });
}

#[test]
fn another_process_joins() {
    alone("another_process_joins", || {
        for change in [json!({}), user_namespace()] {
            let bundle = Bundle::new();
            for name in ["proc", "dev", "sys"] {
                std::fs::create_dir(bundle.root().join(name)).unwrap();
            }
            let spec = spec(&["sleep", "100"], change);
            let (stdio, _read) = piped();
            let mut init = made(&bundle, &spec, stdio).unwrap();
            init.start().unwrap();
            let seen = |init_pid: i32, args: &[&str], stdio| {
                let process: Process = serde_json::from_value(json!({
                    "cwd": "/data", "args": args, "env": ["PATH=/bin", "A=b"], "user": {"uid": 33, "gid": 34},
                }))
                .unwrap();
                let init = init.pidfd.as_fd();
                let cgroup = Cgroup::none();
                exec(ExecRequest {
                    spec: &spec,
                    process: &process,
                    init,
                    init_pid,
                    stdio,
                    preserved: Preserved::default(),
                    cgroup: &cgroup,
                    resctrl: None,
                    seccomp_cache: None,
                    subject: None,
                    bound: false,
                    keep_keyring: false,
                })
            };
            let joined = |args: &[&str], stdio| seen(init.pid, args, stdio);
            let script = "id -u; hostname; echo $A $HOME; readlink /proc/self/cwd; ls /proc/self/fd; \
                          grep CapBnd /proc/self/status; test -r /proc/1/comm && cat /proc/1/comm; exit 3";
            let (stdio, read) = piped();
            let child = joined(&["sh", "-c", script], stdio).unwrap();
            assert_eq!(text(read), "33\nbox\nb /srv\n/data\n0\n1\n2\n3\nCapBnd:\t0000000000000000\nsleep\n");
            assert_eq!(pidfd::reap(child.pidfd.as_fd()).unwrap(), 3);

            let child = joined(&["sh", "-c", "tty; stty size"], Stdio::Terminal { size: Some((4, 5)) }).unwrap();
            assert_eq!(text(child.terminal.unwrap()), "/dev/pts/0\n4 5\n");
            assert_eq!(pidfd::reap(child.pidfd.as_fd()).unwrap(), 0);

            let (stdio, _read) = piped();
            let error = joined(&["none"], stdio).map(drop).unwrap_err();
            assert_eq!(error.downcast_ref::<Error>().unwrap().kind, ErrorKind::NoCommand);

            // Seen in other namespaces than it joined, as when the container's process moves meanwhile.
            let (stdio, _read) = piped();
            let elsewhere = seen(std::process::id().try_into().unwrap(), &["true"], stdio).map(drop).unwrap_err();
            assert_eq!(format!("{elsewhere:#}"), "the mnt namespace is not the container's");

            assert!(process::is_alive(init.pid, init.start_time));
            process::signal(&init.pidfd, libc::SIGKILL).unwrap();
            assert_eq!(pidfd::reap(init.pidfd.as_fd()).unwrap(), 137);
        }
    });
}

#[test]
fn namespaces_of_another_container_are_joined() {
    alone("namespaces_of_another_container_are_joined", || {
        for change in [json!({}), user_namespace()] {
            let with_user = change != json!({});
            let bundle = Bundle::new();
            for name in ["proc", "dev", "sys"] {
                std::fs::create_dir(bundle.root().join(name)).unwrap();
            }
            let (stdio, _read) = piped();
            let mut first = made(&bundle, &spec(&["sleep", "100"], change), stdio).unwrap();
            first.start().unwrap();
            let mut second = spec(&["sh", "-c", "readlink /proc/self/ns/net; cat /proc/1/comm; id -u"], json!({}));
            let path = |kind: &str| format!("/proc/{}/ns/{kind}", first.pid);
            let mut namespaces = json!([
                {"type": "mount"}, {"type": "uts"}, {"type": "ipc"},
                {"type": "pid", "path": path("pid")}, {"type": "network", "path": path("net")},
            ]);
            if with_user {
                merge(&mut namespaces, json!([{"type": "user", "path": path("user")}]));
            }
            let mut linux = second.linux().clone().unwrap();
            linux.set_namespaces(serde_json::from_value(namespaces).unwrap());
            second.set_linux(Some(linux));
            let network = std::fs::read_link(path("net")).unwrap();
            let (text, code) = run(&bundle, &second).unwrap_or_else(|error| panic!("{with_user}: {error:#}"));
            assert_eq!(text, format!("{}\nsleep\n0\n", network.display()));
            assert_eq!(code, 0);
            pidfd::signal(first.pidfd.as_fd(), libc::SIGKILL).unwrap();
            pidfd::reap(first.pidfd.as_fd()).unwrap();
        }
    });
}

#[test]
fn settings_of_the_kernel() {
    alone("settings_of_the_kernel", || {
        let bundle = Bundle::new();
        let sysctl = json!({"linux": {"sysctl": {"net.ipv4.ip_forward": "1", "kernel.shmmni": "1234"}}});
        let script =
            "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni; ulimit -n; cat /proc/self/oom_score_adj";
        let mut change = sysctl;
        let limits = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
        merge(&mut change, json!({"process": {"rlimits": limits, "oomScoreAdj": 500}}));
        assert_eq!(shell(&bundle, script, change), "1\n1234\n100\n500\n");
    });
}
