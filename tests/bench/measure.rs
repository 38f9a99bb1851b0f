//! What the benchmarks share: a private place to run in, interleaved rounds, and a table.
//!
//! The program starts itself again in mount, network, ipc and uts namespaces of its own, with a fresh tmpfs for all
//! stores, and without the unified hierarchy of a hybrid host, which crun and podman refuse: all contenders get the
//! same.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const INSIDE: &str = "DHOW_BENCH_INSIDE";

/// Enters the private place and returns its directory; the outer process never returns.
pub(crate) fn enter() -> PathBuf {
    if let Some(place) = std::env::var_os(INSIDE) {
        return PathBuf::from(place);
    }
    let place = std::env::temp_dir().join(format!("dhow-bench-{}", std::process::id()));
    std::fs::create_dir(&place).expect("make the benchmark's directory");
    // The shell stays as pid 1 and reaps what is orphaned.
    let script = r#"umount /sys/fs/cgroup/unified 2>/dev/null
        ip link set lo up && mount -t tmpfs -o mode=755 bench "$DHOW_BENCH_INSIDE" && mount -t tmpfs run /run && "$0" "$@"
        exit $?"#;
    let status = Command::new("unshare")
        .args(["-m", "-n", "-i", "-u", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", script])
        .arg(std::env::current_exe().expect("this program's path"))
        .args(std::env::args_os().skip(1))
        .env(INSIDE, &place)
        .stdin(Stdio::null())
        .status()
        .expect("run unshare");
    drop(std::fs::remove_dir(&place));
    std::process::exit(status.code().unwrap_or(1));
}

/// How often each contender runs.
pub(crate) fn rounds(default: usize) -> usize {
    std::env::var("DHOW_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a command to its end; its standard output, or what it said when it failed.
pub(crate) fn output(mut command: Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(text.lines().last().unwrap_or("failed without a word").to_owned())
}

/// What a command took.
struct Cost {
    time: Duration,
    /// Of it and all that it waited for, as the user and in the kernel.
    processor: Duration,
    /// The largest of them, KiB.
    peak: u64,
}

fn run(mut command: Command) -> Result<Cost, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut text = String::new();
    let mut stderr = child.stderr.take().expect("a pipe");
    std::io::Read::read_to_string(&mut stderr, &mut text).map_err(|error| error.to_string())?;
    let pid = libc::pid_t::try_from(child.id()).expect("a pid");
    let mut status = 0;
    // SAFETY: all-zero bytes are a valid rusage; the kernel fills both for a child that nobody else waits for.
    #[allow(unsafe_code, reason = "nobody else tells what one child took")]
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::wait4(pid, &raw mut status, 0, &raw mut usage), pid, "wait for a command");
        usage
    };
    let time = start.elapsed();
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        return Err(text.lines().last().unwrap_or("failed without a word").to_owned());
    }
    let duration = |time: libc::timeval| {
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_usec).unwrap_or(0) * 1000)
    };
    let processor = duration(usage.ru_utime) + duration(usage.ru_stime);
    Ok(Cost { time, processor, peak: u64::try_from(usage.ru_maxrss).unwrap_or(0) })
}

/// One of those that are compared.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'a str,
    /// Before each measured run; not measured.
    pub(crate) before: Box<dyn Fn() + 'a>,
    pub(crate) command: Box<dyn Fn() -> Command + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'a str, command: impl Fn() -> Command + 'a) -> Self {
        Self { name, before: Box::new(|| {}), command: Box::new(command) }
    }

    #[allow(dead_code, reason = "one of the two programs has nothing to do before a run")]
    pub(crate) fn before(mut self, before: impl Fn() + 'a) -> Self {
        self.before = Box::new(before);
        self
    }
}

/// Times every contender once a round, in turn, and prints the rows; the first one is what the others are held against.
pub(crate) fn compare(what: &str, rounds: usize, contenders: &[Contender<'_>]) {
    let mut times: Vec<Vec<Duration>> = contenders.iter().map(|_| Vec::new()).collect();
    let mut used: Vec<Vec<Duration>> = times.clone();
    let mut peaks: Vec<u64> = contenders.iter().map(|_| 0).collect();
    let mut errors: Vec<Option<String>> = contenders.iter().map(|_| None).collect();
    for round in 0..=rounds {
        for (n, contender) in contenders.iter().enumerate() {
            if errors[n].is_some() {
                continue;
            }
            (contender.before)();
            match run((contender.command)()) {
                Err(error) => errors[n] = Some(error),
                // The first round warms up.
                Ok(_) if round == 0 => {}
                Ok(cost) => {
                    times[n].push(cost.time);
                    used[n].push(cost.processor);
                    peaks[n] = peaks[n].max(cost.peak);
                }
            }
        }
    }
    let base = times.first_mut().and_then(|times| percentile(times, 50));
    for (n, contender) in contenders.iter().enumerate() {
        if let Some(error) = &errors[n] {
            println!("| {what} | {} | - | - | - | - | - | {error} |", contender.name);
            continue;
        }
        let (Some(median), Some(low)) = (percentile(&mut times[n], 50), percentile(&mut times[n], 10)) else {
            continue;
        };
        let ratio = base.map_or(String::new(), |base| format!("{:.2}", median.as_secs_f64() / base.as_secs_f64()));
        let processor = percentile(&mut used[n], 50).map_or(String::new(), show);
        println!(
            "| {what} | {} | {} | {} | {ratio} | {processor} | {} MiB | {} runs |",
            contender.name,
            show(median),
            show(low),
            peaks[n] >> 10,
            times[n].len()
        );
    }
}

/// The head of the table that [`compare`] fills.
pub(crate) fn head() {
    println!("| what | who | median | p10 | times dhow's | processor | peak | |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |");
}

fn percentile(times: &mut [Duration], percent: usize) -> Option<Duration> {
    times.sort();
    times.get(times.len() * percent / 100).copied()
}

fn show(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 10_000.0 { format!("{milliseconds:.1} ms") } else { format!("{:.1} s", milliseconds / 1000.0) }
}

/// The product with a store under `place`; `DHOW_BENCH_BINARY` names another build of it.
#[allow(dead_code, reason = "one of the programs starts others")]
pub(crate) fn dhow(place: &Path, arguments: &[&str]) -> Command {
    let built = std::ffi::OsString::from(env!("CARGO_BIN_EXE_dhow"));
    let mut command = Command::new(std::env::var_os("DHOW_BENCH_BINARY").unwrap_or(built));
    command.arg("--root").arg(place.join("dhow/store")).arg("--runroot").arg(place.join("dhow/run")).args(arguments);
    command
}

/// podman with a store under `place`, and limits that a machine without CAP_SYS_RESOURCE grants.
#[allow(dead_code, reason = "one of the programs starts others")]
pub(crate) fn podman(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("podman");
    command.arg("--root").arg(place.join("podman/store")).arg("--runroot").arg(place.join("podman/run"));
    command.args(["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
    let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];
    match arguments {
        [verb @ ("run" | "create"), rest @ ..] => command.arg(verb).args(limits).args(rest),
        other => command.args(other),
    };
    command
}
