//! One start of the guest: what it is to run, QEMU, and what it said.
//!
//! The guest writes to two serial ports, which are files here: its console, and the output of the suite, in which each
//! program's output stands between `== NAME` and `== NAME CODE`.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::disk::{Programs, System};
use crate::support::env::wait;
use crate::support::require::skip;

/// A program that runs in the guest.
#[derive(Clone, Copy)]
pub(crate) struct Suite {
    /// Its `[[test]]` in Cargo.toml.
    pub(crate) program: &'static str,
    /// Of libtest.
    pub(crate) arguments: &'static [&'static str],
}

/// A guest of the older kernel whose systemd keeps hierarchies of version 1 alone.
pub(crate) const LEGACY: &str = "v1";

/// How long one guest may live: without hardware support, beside other tests, it is slow.
const LIMIT: Duration = Duration::from_secs(1800);

/// A guest takes all processors that there are: one at a time.
pub(crate) static MACHINE: Mutex<()> = Mutex::new(());

/// Fails unless every suite passes in a guest with the kernel `version`: the `short` ones, or as `DHOW_TEST_VM` asks.
pub(crate) fn passes(version: &str, short: &[Suite], full: &[Suite]) {
    let asked = std::env::var("DHOW_TEST_VM").ok();
    let words: Vec<&str> = asked.iter().flat_map(|asked| asked.split(':').filter(|word| !word.is_empty())).collect();
    if words.first().is_some_and(|wanted| *wanted != version && *wanted != "all") {
        return;
    }
    let suites = if asked.is_some() { full } else { short };
    let one: Vec<String>;
    let runs: Vec<(&str, Vec<&str>)> = match words.as_slice() {
        [_, program, filter @ ..] => {
            one = vec![filter.join("::")];
            let mut arguments = vec!["--test-threads=1"];
            arguments.extend((*program == env!("CARGO_CRATE_NAME")).then_some("--ignored"));
            arguments.extend(one.iter().map(String::as_str));
            vec![(*program, arguments)]
        }
        _ => suites.iter().map(|suite| (suite.program, suite.arguments.to_vec())).collect(),
    };
    let _alone = MACHINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(system) = system(&format!("a_guest_with_linux_{}", version.replace('.', "_"))) else { return };
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("guest-{}-{version}", std::process::id()));
    std::fs::create_dir_all(&place).expect("make the guest's directory");
    let mut names: Vec<&str> = runs.iter().map(|(program, _)| *program).collect();
    names.dedup();
    let programs = Programs::pack(&place, &names, &script(&runs));
    let started = Instant::now();
    let said = Guest { version, ..Guest::new(&system, &programs, &place) }.run();
    if asked.is_some() {
        println!("{}\n{:?}", said.suite, started.elapsed());
    }
    assert_passed(version, &said, &runs);
    std::fs::remove_dir_all(&place).expect("remove the guest's directory");
}

/// Whether `DHOW_TEST_VM` leaves out what needs the kernel `version`.
pub(crate) fn left_out(version: &str) -> bool {
    let asked = std::env::var("DHOW_TEST_VM").unwrap_or_default();
    let first = asked.split(':').next().unwrap_or_default();
    !matches!(first, "" | "all") && first != version || asked.contains(':')
}

/// The disk of the guest and its kernels; None, a counted skip of `test`, without the packages of Debian.
pub(crate) fn system(test: &str) -> Option<System> {
    match System::get() {
        Ok(system) => Some(system),
        Err(why) if std::env::var_os("DHOW_TEST_VM").is_none() => {
            skip(test, why.trim_end().lines().next_back().unwrap_or_default());
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// Fails unless the output of `runs` shows that all is well.
pub(crate) fn assert_passed(version: &str, said: &Said, runs: &[(&str, Vec<&str>)]) {
    let wrong = judge(&said.suite, runs);
    assert!(wrong.is_empty(), "Linux {version}: {}\n{}", wrong.join(", "), said.all());
}

/// What the guest's unit executes, with the second disk mounted at /suite.
pub(crate) fn script(runs: &[(&str, Vec<&str>)]) -> String {
    let exe = Path::new(env!("CARGO_BIN_EXE_dhow"));
    let (target, scratch) = (exe.parent().expect("a target directory").display(), env!("CARGO_TARGET_TMPDIR"));
    // The programs know their places of the build.
    let mut script = format!(
        "export LC_ALL=C.UTF-8 HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         export DHOW_TEST_STRICT=1 RUST_BACKTRACE=0\n\
         mkdir -p {scratch} {target} && mount --bind /suite {target} && {{ cmp -s /suite/dhow /usr/local/bin/dhow || cp /suite/dhow /usr/local/bin/dhow; }}\n"
    );
    for (program, arguments) in runs {
        let words = arguments.join(" ");
        script += &format!("echo '== {program}'\n/suite/deps/{program} {words}\necho \"== {program} $?\"\n");
    }
    // What systemd or the kernel complained of.
    script + "journalctl --no-pager -q -b -p warning | tail -n 30\n"
}

/// What a guest said on its two ports.
pub(crate) struct Said {
    pub(crate) suite: String,
    pub(crate) console: String,
}

impl Said {
    /// For a message.
    pub(crate) fn all(&self) -> String {
        let tail: Vec<&str> = self.console.lines().rev().take(20).collect();
        let tail: String = tail.iter().rev().map(|line| format!("  {line}\n")).collect();
        format!("its output:\n{}\nits console:\n{tail}", self.suite)
    }
}

/// A third disk of the guest, and the file that gets all that is written to it.
pub(crate) struct Logged<'a> {
    pub(crate) disk: &'a Path,
    pub(crate) log: &'a Path,
}

/// How one start of the guest is.
pub(crate) struct Guest<'a> {
    pub(crate) system: &'a System,
    pub(crate) version: &'a str,
    pub(crate) programs: &'a Programs,
    pub(crate) place: &'a Path,
    /// A copy of the system's disk that keeps what the guest writes; without it nothing stays.
    pub(crate) kept: Option<&'a Path>,
    pub(crate) logged: Option<Logged<'a>>,
    /// What of the output makes QEMU be killed, and how long after.
    pub(crate) killed: Option<(&'a str, Duration)>,
}

impl<'a> Guest<'a> {
    pub(crate) fn new(system: &'a System, programs: &'a Programs, place: &'a Path) -> Self {
        Self { system, version: "6.12", programs, place, kept: None, logged: None, killed: None }
    }

    /// Starts the guest and waits for its end.
    pub(crate) fn run(&self) -> Said {
        let file = |name: &str| self.place.join(name);
        let (console, suite, errors) = (file("console"), file("suite"), file("errors"));
        let scratch = |file: &Path| format!("file={},format=raw,if=virtio,cache=unsafe,snapshot=on", file.display());
        let serial = |file: &Path| format!("file:{}", file.display());
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"]);
        let (kernel, further) = match self.version {
            LEGACY => ("6.1", " systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1"),
            version => (version, ""),
        };
        qemu.arg("-kernel").arg(self.system.kernel(kernel));
        qemu.arg("-initrd").arg(self.system.initrd(kernel));
        let parameters = "console=ttyS0 root=LABEL=root rw quiet systemd.show_status=0 panic=-1";
        qemu.args(["-append", &format!("{parameters}{further}")]);
        let root = match self.kept {
            // This machine lives on: what QEMU has written is in the file, whatever becomes of QEMU.
            Some(disk) => format!("file={},format=raw,if=virtio,cache=unsafe", disk.display()),
            None => scratch(&self.system.disk()),
        };
        qemu.args(["-drive", &root, "-drive", &scratch(&self.programs.disk)]);
        if let Some(Logged { disk, log }) = &self.logged {
            // The last of the disks by its place on the bus.
            let plain = |name: &str, path: &Path| {
                format!("driver=file,node-name={name},filename={},cache.no-flush=on", path.display())
            };
            qemu.args(["-blockdev", &plain("written", disk), "-blockdev", &plain("log", log)]);
            qemu.args(["-blockdev", "driver=blklogwrites,node-name=logged,file=written,log=log,log-sector-size=512"]);
            qemu.args(["-device", "virtio-blk-pci,drive=logged,write-cache=on,addr=0x1e"]);
        }
        qemu.args(["-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot"]);
        for port in [&console, &suite] {
            // What an earlier start said is not what this one says.
            std::fs::write(port, "").expect("make a file for a port");
            qemu.args(["-serial", &serial(port)]);
        }
        // Where QEMU keeps what the guest writes.
        qemu.env("TMPDIR", self.place).stdin(Stdio::null()).stdout(Stdio::null());
        qemu.stderr(File::create(&errors).expect("make a file for QEMU's errors"));
        let read = |file: &Path| String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).replace('\r', "");
        let mut child = qemu.spawn().expect("run QEMU");
        if let Some((words, later)) = self.killed {
            said(&mut child, &suite, words);
            std::thread::sleep(later);
            child.kill().expect("kill QEMU");
            let status = child.wait().expect("reap QEMU");
            assert!(!status.success(), "the guest ended before its power went: {}", read(&suite));
            return Said { suite: read(&suite), console: read(&console) };
        }
        let status = wait(&mut child, LIMIT);
        let mut said = Said { suite: read(&suite), console: read(&console) };
        match status {
            Some(status) if status.success() => {}
            Some(status) => said.suite += &format!("\nQEMU: {status}: {}", read(&errors)),
            None => said.suite += &format!("\nthe guest did not end in {LIMIT:?}"),
        }
        said
    }
}

/// Waits until the file of a port has `words`, or the guest has ended.
fn said(child: &mut std::process::Child, port: &Path, words: &str) {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).expect("watch files");
    watch.add_watch(port, AddWatchFlags::IN_MODIFY).expect("watch a port");
    let deadline = Instant::now() + LIMIT;
    while !String::from_utf8_lossy(&std::fs::read(port).expect("read a port")).contains(words) {
        assert!(Instant::now() < deadline, "the guest never said {words:?}");
        assert!(child.try_wait().expect("look at QEMU").is_none(), "the guest ended without saying {words:?}");
        let mut polled = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        if poll(&mut polled, PollTimeout::from(1000_u16)).expect("poll") > 0 {
            watch.read_events().expect("read what was written");
        }
    }
}

/// What is wrong with the output of the suites: each ran, ended well, and had tests.
fn judge(output: &str, runs: &[(&str, Vec<&str>)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rest = output;
    for (program, _) in runs {
        let begin = format!("== {program}\n");
        let found = rest.split_once(&begin).and_then(|(_, after)| after.split_once(&format!("== {program} ")));
        let Some((said, after)) = found else {
            wrong.push(format!("{program} did not end"));
            continue;
        };
        rest = after;
        let code = after.lines().next().unwrap_or_default();
        if code != "0" {
            let failed = said.lines().filter(|line| line.ends_with("... FAILED")).count();
            wrong.push(format!("{program} ended with {code}, {failed} tests failed"));
        }
        let passed = said.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next());
        if code == "0" && passed.is_none_or(|passed| passed == "0") {
            wrong.push(format!("{program} ran no test"));
        }
    }
    wrong
}

#[test]
fn what_did_not_pass_is_seen() {
    let runs = [("vm", Vec::new()), ("container", Vec::new())];
    let good = "== vm\ntest result: ok. 3 passed; 0 failed;\n== vm 0\n== container\ntest result: ok. 1 passed;\n== container 0\n";
    assert_eq!(judge(good, &runs), Vec::<String>::new());
    assert_eq!(judge("", &runs).len(), 2);
    assert_eq!(judge(&good.replace("vm 0", "vm 101"), &runs), ["vm ended with 101, 0 tests failed"]);
    assert_eq!(judge(&good.replace("3 passed", "0 passed"), &runs), ["vm ran no test"]);
    assert_eq!(judge(good.split("== container 0").next().unwrap(), &runs), ["container did not end"]);
}
