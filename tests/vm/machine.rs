//! One start of the guest: what it is to run, QEMU, and what it said.
//!
//! The guest writes to two serial ports, which are files here: its console, and the output of the suite, in which each
//! program's output stands between `== NAME` and `== NAME CODE`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

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

/// How long one guest may live: without hardware support, beside other tests, it is slow.
const LIMIT: Duration = Duration::from_secs(1800);

/// A guest takes all processors that there are: one at a time.
static MACHINE: Mutex<()> = Mutex::new(());

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
    let system = match System::get() {
        Ok(system) => system,
        // Without the packages of Debian there is no guest: another machine's test.
        Err(why) if asked.is_none() => {
            let last = why.trim_end().lines().next_back().unwrap_or_default();
            return skip(&format!("a_guest_with_linux_{}", version.replace('.', "_")), last);
        }
        Err(why) => panic!("{why}"),
    };
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("guest-{}-{version}", std::process::id()));
    std::fs::create_dir_all(&place).expect("make the guest's directory");
    let mut names: Vec<&str> = runs.iter().map(|(program, _)| *program).collect();
    names.dedup();
    let programs = Programs::pack(&place, &names, &script(&runs));
    let started = Instant::now();
    let said = boot(&system, version, &programs, &place);
    if asked.is_some() {
        println!("{}\n{:?}", said.suite, started.elapsed());
    }
    let wrong = judge(&said.suite, &runs);
    std::fs::remove_dir_all(&place).expect("remove the guest's directory");
    let tail: Vec<&str> = said.console.lines().rev().take(20).collect();
    let tail: String = tail.iter().rev().map(|line| format!("  {line}\n")).collect();
    assert!(
        wrong.is_empty(),
        "Linux {version}: {}\nits output:\n{}\nits console:\n{tail}",
        wrong.join(", "),
        said.suite
    );
}

/// What the guest's unit executes, with the second disk mounted at /suite.
fn script(runs: &[(&str, Vec<&str>)]) -> String {
    let exe = Path::new(env!("CARGO_BIN_EXE_dhow"));
    let (target, scratch) = (exe.parent().expect("a target directory").display(), env!("CARGO_TARGET_TMPDIR"));
    // The programs know their places of the build.
    let mut script = format!(
        "export LC_ALL=C.UTF-8 HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         export DHOW_TEST_STRICT=1 RUST_BACKTRACE=0\n\
         mkdir -p {scratch} {target} && mount --bind /suite {target} && cp /suite/dhow /usr/local/bin/dhow\n"
    );
    for (program, arguments) in runs {
        let words = arguments.join(" ");
        script += &format!("echo '== {program}'\n/suite/deps/{program} {words}\necho \"== {program} $?\"\n");
    }
    // What systemd or the kernel complained of.
    script + "journalctl --no-pager -q -b -p warning | tail -n 30\n"
}

struct Said {
    suite: String,
    console: String,
}

/// Starts the guest and waits for its end. Nothing that it writes stays.
fn boot(system: &System, version: &str, programs: &Programs, place: &Path) -> Said {
    let (console, suite, errors) = (place.join("console"), place.join("suite"), place.join("errors"));
    let drive = |file: &Path| format!("file={},format=raw,if=virtio,cache=unsafe,snapshot=on", file.display());
    let serial = |file: &Path| format!("file:{}", file.display());
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"]);
    qemu.arg("-kernel").arg(system.kernel(version)).arg("-initrd").arg(system.initrd(version));
    qemu.args(["-append", "console=ttyS0 root=LABEL=root rw quiet systemd.show_status=0 panic=-1"]);
    qemu.args(["-drive", &drive(&system.disk()), "-drive", &drive(&programs.disk)]);
    qemu.args(["-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot"]);
    qemu.args(["-serial", &serial(&console), "-serial", &serial(&suite)]);
    // Where QEMU keeps what the guest writes.
    qemu.env("TMPDIR", place).stdin(Stdio::null()).stdout(Stdio::null());
    qemu.stderr(std::fs::File::create(&errors).expect("make a file for QEMU's errors"));
    let mut child = qemu.spawn().expect("run QEMU");
    let status = wait(&mut child, LIMIT);
    let read = |file: &Path| String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).replace('\r', "");
    let mut said = Said { suite: read(&suite), console: read(&console) };
    match status {
        Some(status) if status.success() => {}
        Some(status) => said.suite += &format!("\nQEMU: {status}: {}", read(&errors)),
        None => said.suite += &format!("\nthe guest did not end in {LIMIT:?}"),
    }
    said
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
