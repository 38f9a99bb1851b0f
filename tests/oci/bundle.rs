//! Bundles of busybox, and runtimes to run them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::env::{finished, program};
use crate::support::require;
use crate::support::{Outcome, TestEnv};

/// A bundle below the test's directory.
pub(crate) struct Bundle {
    pub(crate) path: PathBuf,
}

impl Bundle {
    /// A root file system of busybox, without a configuration.
    pub(crate) fn new(env: &TestEnv, name: &str) -> Self {
        let path = env.place.join(name);
        let root = path.join("rootfs");
        for directory in ["bin", "proc", "sys", "dev", "etc", "tmp", "mnt"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        std::fs::copy(require::program("busybox").unwrap(), root.join("bin/busybox")).unwrap();
        std::fs::copy(program("probe"), root.join("bin/probe")).unwrap();
        for applet in [
            "sh", "true", "false", "cat", "ls", "id", "stat", "readlink", "hostname", "grep", "sleep", "tty", "stty",
            "touch", "mkdir", "echo", "env", "kill", "test", "mount", "tr", "pwd", "head", "uname", "wc", "date",
            "nice",
        ] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        std::fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n").unwrap();
        Self { path }
    }

    /// Writes the configuration: a shell command in namespaces of its own, with `change` merged in.
    pub(crate) fn config(&self, script: &str, change: Value) -> &Self {
        let mut config = config(script);
        merge(&mut config, change);
        std::fs::write(self.path.join("config.json"), config.to_string()).unwrap();
        self
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path.join("rootfs")
    }
}

/// A configuration as engines write it.
fn config(script: &str) -> Value {
    let capabilities = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"];
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": kind, "options": options});
    let namespaces = ["pid", "network", "ipc", "uts", "mount"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "hostname": "box",
        "root": {"path": "rootfs"},
        "process": {
            "cwd": "/", "args": ["/bin/sh", "-c", script], "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
            "noNewPrivileges": true,
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        ],
        "linux": {
            "namespaces": namespaces,
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "maskedPaths": ["/proc/keys", "/proc/acpi", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys", "/proc/bus"],
        },
    })
}

/// Objects are merged, lists are appended, all else is replaced; null takes a field away.
pub(crate) fn merge(value: &mut Value, change: Value) {
    match (value, change) {
        (Value::Object(map), Value::Object(changes)) => {
            for (key, change) in changes {
                if change.is_null() {
                    map.shift_remove(&key);
                } else {
                    merge(map.entry(key).or_insert(Value::Null), change);
                }
            }
        }
        (Value::Array(list), Value::Array(mut more)) => list.append(&mut more),
        (value, change) => *value = change,
    }
}

/// A runtime with a directory of its own for the state of containers.
pub(crate) struct Runtime<'a> {
    pub(crate) env: &'a TestEnv,
    /// The program and the words before its options.
    words: Vec<String>,
    pub(crate) root: PathBuf,
}

impl<'a> Runtime<'a> {
    /// The product.
    pub(crate) fn dhow(env: &'a TestEnv) -> Self {
        let words = vec![env.root.binary.display().to_string(), "oci".to_owned()];
        Self { env, words, root: env.root.runtime.join("oci") }
    }

    /// Another one that is installed here.
    pub(crate) fn other(env: &'a TestEnv, name: &str) -> Option<Self> {
        let program = require::program(name)?;
        // crun takes a hybrid hierarchy for version 2 where it sees the unified part; and when it fails in between it signals
        // more than is its own.
        let before = "umount /sys/fs/cgroup/unified 2>/dev/null; \"$@\"; exit $?";
        let words = ["unshare", "-m", "-p", "-f", "--mount-proc", "--propagation", "slave", "sh", "-c", before, "sh"];
        let words = words.map(str::to_owned);
        let words = words.into_iter().chain([program.display().to_string()]).collect();
        Some(Self { env, words, root: env.root.runtime.join(name) })
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.env.root.command(&self.words[0]);
        command.args(&self.words[1..]).arg("--root").arg(&self.root).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        finished(self.command(arguments), b"")
    }

    /// A command that is given a bundle.
    pub(crate) fn with(&self, bundle: &Bundle, arguments: &[&str]) -> Outcome {
        let path = bundle.path.display().to_string();
        self.run(&[arguments, &["--bundle", &path]].concat())
    }

    /// What `state` says of a container.
    #[track_caller]
    pub(crate) fn status(&self, id: &str) -> String {
        let outcome = self.run(&["state", id]);
        outcome.ok();
        outcome.json()["status"].as_str().unwrap().to_owned()
    }

    /// Whether nothing is left of any container.
    pub(crate) fn is_empty(&self) -> bool {
        let entries = std::fs::read_dir(&self.root).map(|entries| entries.flatten().collect::<Vec<_>>());
        entries.unwrap_or_default().iter().all(|entry| entry.file_name().to_string_lossy().starts_with('.'))
    }
}

impl Drop for Runtime<'_> {
    /// The state's own directory goes: with its cache of filters it is no leak of a container.
    fn drop(&mut self) {
        if self.is_empty() {
            drop(std::fs::remove_dir_all(&self.root));
        }
    }
}

/// The words of a file in a container, once it is there.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
