//! The tools that other people use: podman, skopeo, buildah and umoci with stores of their own, and Debian's
//! docker-registry. They run in a mount namespace of their own, so that what they leave in /run is nobody's leak.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::env::{Seat, TestEnv, USER, eventually, finished};
use super::outcome::Outcome;

/// What is done before a tool starts; podman takes a hybrid hierarchy for version 2 where it sees the unified part.
const PREPARE: &str = "for d in /run /dev/shm /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs $d; done; \
     umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"";

/// What podman must be told on a machine where hard limits cannot be raised and no systemd runs.
const CONFIG: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
"#;

/// The tools of one test.
pub(crate) struct Tools<'a> {
    env: &'a TestEnv,
    seat: &'a Seat,
    place: PathBuf,
}

impl<'a> Tools<'a> {
    pub(crate) fn new(env: &'a TestEnv) -> Self {
        Self::of(env, &env.root)
    }

    /// The tools in the hands of root or of the ordinary user.
    pub(crate) fn of(env: &'a TestEnv, seat: &'a Seat) -> Self {
        let place = env.place.join(if seat.uid == 0 { "tools" } else { "tools-user" });
        for directory in [place.clone(), place.join("tmp"), place.join("xdg")] {
            std::fs::create_dir_all(&directory).expect("make the tools' directory");
            chown(&directory, Some(seat.uid), Some(seat.uid)).expect("give the tools' directory");
        }
        Self { env, seat, place }
    }

    /// A program in its own mount namespace, beside the files of the test.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = self.env.root.command("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", PREPARE, "tool"]);
        if self.seat.uid != 0 {
            let id = self.seat.uid.to_string();
            // As systemd makes it: podman warns an ordinary user otherwise.
            command.args(["sh", "-c", "mount --make-rshared /; exec \"$@\"", "shared"]);
            command.args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"]);
            command.env("HOME", &self.seat.home).env("USER", USER).env("LOGNAME", USER);
        }
        command.args(words);
        command.env("TMPDIR", self.place.join("tmp")).env("XDG_RUNTIME_DIR", self.place.join("xdg"));
        command.current_dir(&self.env.place);
        command
    }

    /// Runs words and expects that they succeed.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> String {
        finished(self.command(words), b"").ok()
    }

    /// The words that begin a command of podman on this test's store.
    pub(crate) fn podman_words(&self) -> Vec<String> {
        self.stored("podman")
    }

    /// The file that `CONTAINERS_CONF` names for a podman that starts containers.
    pub(crate) fn podman_config(&self) -> PathBuf {
        let config = self.place.join("containers.conf");
        std::fs::write(&config, CONFIG).expect("write podman's configuration");
        config
    }

    /// A command of podman.
    pub(crate) fn podman(&self, arguments: &[&str]) -> Outcome {
        let words: Vec<String> =
            self.podman_words().into_iter().chain(arguments.iter().map(|a| (*a).to_owned())).collect();
        finished(self.command(&words), b"")
    }

    /// A command of buildah; its store is podman's.
    #[track_caller]
    pub(crate) fn buildah(&self, arguments: &[&str]) -> String {
        let words: Vec<String> =
            self.stored("buildah").into_iter().chain(arguments.iter().map(|a| (*a).to_owned())).collect();
        finished(self.command(&words), b"").ok()
    }

    /// Copies an image from one place to another.
    #[track_caller]
    pub(crate) fn copy(&self, options: &[&str], from: &str, to: &str) {
        let mut words = vec!["skopeo", "--insecure-policy", "copy", "-q"];
        words.extend(["--src-tls-verify=false", "--dest-tls-verify=false"]);
        words.extend(options);
        words.extend([from, to]);
        self.run(&words);
    }

    fn stored(&self, program: &str) -> Vec<String> {
        let path = |name: &str| self.place.join(name).display().to_string();
        let mut words =
            vec![program.to_owned(), "--root".to_owned(), path("store"), "--runroot".to_owned(), path("run")];
        words.extend(["--storage-driver", "overlay"].map(str::to_owned));
        words
    }
}

/// Debian's docker-registry on a loopback of this test's own.
pub(crate) struct Distribution {
    child: Child,
}

impl Distribution {
    /// Where it listens: every test has its own network namespace.
    pub(crate) const ADDRESS: &'static str = "127.0.0.1:5000";

    /// Starts it over plain HTTP; with a certificate and its key over TLS. It is no leak of `env`'s test.
    pub(crate) fn beside(env: &mut TestEnv, tls: Option<(&str, &str)>) -> Self {
        env.ignore("address: tcp 0100007F:1388");
        env.ignore("process: docker-registry");
        // It shares the one of the test's thread, which the census does not see by itself.
        env.ignore("namespace: cgroup");
        env.rebase();
        let place = env.place.join("distribution");
        drop(std::fs::remove_dir_all(&place));
        std::fs::create_dir_all(&place).expect("make the registry's directory");
        let tls = tls.map_or(String::new(), |(cert, key)| format!(", tls: {{certificate: {cert}, key: {key}}}"));
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{}\"{tls}}}\n",
            place.display(),
            Self::ADDRESS
        );
        let file = place.join("config.yml");
        std::fs::write(&file, text).expect("write the registry's configuration");
        let mut command = env.root.command("docker-registry");
        command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("start docker-registry");
        let address: SocketAddr = Self::ADDRESS.parse().expect("an address");
        eventually("the registry listens", || TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok());
        Self { child }
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
