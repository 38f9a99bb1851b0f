//! The small world of one test: a store, a runtime directory, a home, a temporary directory, an ordinary user beside
//! root, and the product under test, run by its command line.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::census::{self, Census, Scope};
use super::image::Image;
use super::outcome::Outcome;

/// The ordinary user that every test has, with 65536 subordinate ids from [`SUBIDS`] on.
pub(crate) const USER: &str = "dhowtest";
pub(crate) const UID: u32 = 4217;
pub(crate) const SUBIDS: u32 = 200_000;

/// How long a command may take before the test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// Who runs a command, and with which directories.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) uid: u32,
    pub(crate) home: PathBuf,
    pub(crate) store: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) tmp: PathBuf,
    pub(crate) binary: PathBuf,
}

pub(crate) struct TestEnv {
    /// The test's own directory, on a tmpfs.
    pub(crate) place: PathBuf,
    /// Distinguishes tests that run at once.
    pub(crate) id: String,
    pub(crate) root: Seat,
    pub(crate) user: Seat,
    ignored: Vec<String>,
    base: Census,
    keep_images: bool,
}

impl TestEnv {
    pub(crate) fn new(place: PathBuf, id: &str) -> Self {
        let binary = place.join("dhow");
        std::fs::write(&binary, "").expect("make a place for the binary");
        // A bind, so that an ordinary user reaches it wherever the sources are.
        let flags = nix::mount::MsFlags::MS_BIND;
        nix::mount::mount(Some(env!("CARGO_BIN_EXE_dhow")), &binary, None::<&str>, flags, None::<&str>)
            .expect("bind the binary under test");
        let seat = |name: &str, uid: u32| {
            let top = place.join(name);
            let seat = Seat {
                uid,
                home: top.join("home"),
                store: top.join("store"),
                runtime: top.join("run"),
                tmp: top.join("tmp"),
                binary: binary.clone(),
            };
            for directory in [&top, &seat.home, &seat.runtime, &seat.tmp, &seat.store] {
                std::fs::create_dir(directory).expect("make a seat's directory");
                std::fs::set_permissions(directory, PermissionsExt::from_mode(0o700)).expect("close a directory");
                chown(directory, Some(uid), Some(uid)).expect("give a directory");
            }
            seat
        };
        let (root, user) = (seat("root", 0), seat("user", UID));
        append("/etc/passwd", &format!("{USER}:x:{UID}:{UID}:test:{}:/bin/sh", user.home.display()));
        append("/etc/group", &format!("{USER}:x:{UID}:"));
        append("/etc/subuid", &format!("{USER}:{SUBIDS}:65536"));
        append("/etc/subgid", &format!("{USER}:{SUBIDS}:65536"));
        let (base, id) = (Census::default(), id.to_owned());
        // Kept for removals on a full disk.
        let reserve = |seat: &Seat| format!("file: {}/tmp/reserve", seat.store.display());
        let ignored = vec![reserve(&root), reserve(&user)];
        Self { place, id, root, user, ignored, base, keep_images: false }
    }

    /// The product as root, with this test's store.
    pub(crate) fn dhow<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        self.root.dhow(arguments)
    }

    /// Runs the product as root and waits.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.root.run(arguments)
    }

    /// Writes an image as a docker-archive and loads it; it goes at the end of the test.
    pub(crate) fn load(&self, image: &Image, name: &str) -> Outcome {
        let archive = self.place.join("load.tar");
        std::fs::write(&archive, image.docker_archive(&[name])).expect("write an archive");
        let outcome = self.run(&["load", "-q", "-i", &archive.display().to_string()]);
        std::fs::remove_file(&archive).expect("remove an archive");
        outcome
    }

    /// Leaves lines of the census that begin so out of account; say why beside the call.
    pub(crate) fn ignore(&mut self, prefix: &str) {
        self.ignored.push(prefix.to_owned());
    }

    /// Declares that images stay: their store is then part of what the next count compares.
    pub(crate) fn keep_images(&mut self) {
        self.keep_images = true;
        self.rebase();
    }

    /// Takes what is there now as what must be there at the end.
    pub(crate) fn rebase(&mut self) {
        self.base = self.census();
    }

    /// Counts now. Idle networks go a second later by themselves; here at once.
    pub(crate) fn census(&self) -> Census {
        census::hurry();
        Census::take(&Scope { trees: &self.trees(), ignored: &self.ignored })
    }

    fn trees(&self) -> Vec<PathBuf> {
        let mut trees = Vec::new();
        for seat in [&self.root, &self.user] {
            trees.extend([seat.store.clone(), seat.runtime.clone(), seat.tmp.clone()]);
            trees.push(seat.home.join(".local/share"));
        }
        let shared = ["/run", "/dev/shm", "/var/tmp", "/var/lib/dhow"].map(PathBuf::from);
        trees.extend(shared.into_iter().filter(|place| !self.place.starts_with(place)));
        trees
    }

    /// What came and went since the last [`Self::rebase`], after a moment for what ends by itself.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(3);
        loop {
            let difference = self.base.difference(&self.census());
            if difference.is_empty() || Instant::now() > deadline {
                return difference;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fails the test when something was left behind.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "left behind (+) or gone (-):\n  {}", leaks.join("\n  "));
    }

    pub(crate) fn finish(self) {
        for seat in [&self.root, &self.user] {
            let used = std::fs::read_dir(&seat.store).is_ok_and(|mut entries| entries.next().is_some());
            if used && !self.keep_images {
                seat.run(&["rmi", "-a", "-f"]).ok();
            }
        }
        // The user logs out: who keeps their namespace ends with the directory.
        drop(std::fs::remove_dir_all(self.user.runtime.join("dhow")));
        self.nothing_is_left();
    }
}

impl Seat {
    /// Any program with this seat's clean environment.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null()).current_dir(&self.home);
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
        command.env("HOME", &self.home).env("TMPDIR", &self.tmp).env("XDG_RUNTIME_DIR", &self.runtime);
        // What this machine's files say is not what is tested.
        command.env("CONTAINERS_CONF", "/dev/null");
        if let Some(driver) = std::env::var_os("DHOW_TEST_DRIVER") {
            command.env("STORAGE_DRIVER", driver);
        }
        if self.uid != 0 {
            command.uid(self.uid).gid(self.uid).env("USER", USER).env("LOGNAME", USER);
        }
        command
    }

    /// The product with this seat's store and runtime directory.
    pub(crate) fn dhow<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.command(&self.binary);
        command.arg("--root").arg(&self.store).arg("--runroot").arg(&self.runtime).args(arguments);
        command
    }

    /// Runs the product and waits.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        finished(self.dhow(arguments), b"")
    }

    /// Runs the product with bytes on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        finished(self.dhow(arguments), input)
    }
}

fn append(file: &str, line: &str) {
    let mut text = std::fs::read_to_string(file).unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    std::fs::write(file, format!("{text}{line}\n")).unwrap_or_else(|error| panic!("write {file}: {error}"));
}

/// The words of a command, for messages.
pub(crate) fn words(command: &Command) -> String {
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    parts.map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs `command` to its end with `input`; fails the test when that takes too long.
pub(crate) fn finished(command: Command, input: &[u8]) -> Outcome {
    finished_within(command, input, LIMIT)
}

/// The same, for what may take longer than a command.
pub(crate) fn finished_within(mut command: Command, input: &[u8], limit: Duration) -> Outcome {
    let text = words(&command);
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    // Files, not pipes: a detached monitor that keeps one must not keep us.
    let capture = || {
        let fd = rustix::fs::memfd_create("output", rustix::fs::MemfdFlags::CLOEXEC).expect("a file for the output");
        std::fs::File::from(fd)
    };
    let (stdout, stderr) = (capture(), capture());
    command.stdout(stdout.try_clone().expect("dup")).stderr(stderr.try_clone().expect("dup"));
    let mut child = command.spawn().unwrap_or_else(|error| panic!("run {text}: {error}"));
    let writer = child.stdin.take().map(|mut pipe| {
        let input = input.to_vec();
        std::thread::spawn(move || drop(pipe.write_all(&input)))
    });
    let status = wait(&mut child, limit);
    drop(writer.map(std::thread::JoinHandle::join));
    let read = |file: std::fs::File| {
        let mut bytes = vec![0; usize::try_from(file.metadata().expect("stat").len()).expect("a length")];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0).expect("read the output");
        bytes
    };
    let (stdout, stderr) = (read(stdout), read(stderr));
    let Some(status) = status else {
        panic!(
            "`{text}` did not end in {limit:?}; stdout: {}\nstderr: {}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        );
    };
    Outcome::of(text, std::process::Output { status, stdout, stderr })
}

/// Waits for a child at most `limit`; kills and reaps it then.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait().expect("wait for a command") {
            return Some(status);
        }
        if Instant::now() > deadline {
            child.kill().expect("kill a command");
            child.wait().expect("reap a command");
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Waits until `condition` holds, at most ten seconds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The path of a program from `tests/support/programs`; `cargo test` builds them, `cargo test --test X` does not.
pub(crate) fn program(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("this program's path");
    let profile = exe.parent().and_then(Path::parent).expect("a target directory");
    let path = profile.join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/programs").join(format!("{name}.rs"));
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    // Inside the guest there are no sources, and what is there was just built.
    if changed(&path).is_none_or(|made| changed(&source).is_some_and(|written| written > made)) {
        let status = cargo().args(["build", "--quiet", "--offline", "--example", name]).status().expect("run cargo");
        assert!(status.success() && path.exists(), "build the example {name}");
    }
    path
}

/// The cargo that runs this test, for another build of the same.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo told this test of its own build would make it build every dependency again.
    for (key, _) in std::env::vars_os() {
        let kept = ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "CARGO_INCREMENTAL"];
        if key.to_str().is_some_and(|key| key.starts_with("CARGO") && !kept.contains(&key)) {
            cargo.env_remove(key);
        }
    }
    cargo
}
