//! `cargo bench --bench runtime`: the OCI runtime's command line beside crun and runc on the same bundles, as root.
//!
//! The seccomp profile denies some fifty calls; the limits, the mounts and the namespaces are those of `spec`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod measure;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use measure::{Contender, compare, output, rounds};
use serde_json::{Value, json};
use support::image::busybox_entries;
use support::tar::archive;

/// The runtimes, each with a directory for its state.
const RUNTIMES: [&str; 3] = ["dhow", "crun", "runc"];

fn main() {
    let place = measure::enter();
    bundle(&place, "plain", json!({}), "/bin/true");
    bundle(&place, "seccomp", seccomp(), "/bin/true");
    bundle(&place, "long", seccomp(), "/bin/sleep");
    for name in RUNTIMES {
        // What does nothing is fast.
        let run = output(runtime(&place, name, &["run", "-b", &path(&place, "seccomp"), "warm"]));
        assert_eq!(run, Ok(String::new()), "{name} does not run a container");
    }
    measure::head();
    let floor = support::env::program("floor");
    let root = path(&place, "seccomp") + "/rootfs";
    let bare = Contender::new("the kernel's part alone", || {
        let mut command = Command::new(&floor);
        command.args([&root, "/bin/true"]);
        command
    });
    let dhow = Contender::new("dhow", || runtime(&place, "dhow", &["run", "-b", &path(&place, "seccomp"), "one"]));
    compare("run, seccomp", rounds(31), &[dhow, bare]);
    for what in ["plain", "seccomp"] {
        contest(&place, &format!("run, {what}"), &["run", "-b", &path(&place, what), "one"]);
    }
    steps(&place);
    exec(&place);
    contest(&place, "--version", &["--version"]);
    for name in RUNTIMES {
        println!("| peak memory of run, seccomp | {name} | {} KiB | | | |", peak(&place, name));
        println!("| smallest memory limit that runs | {name} | {} | | | |", smallest(&place, name));
    }
}

fn path(place: &Path, bundle: &str) -> String {
    place.join(bundle).to_str().unwrap().to_owned()
}

/// A command of a runtime.
fn runtime(place: &Path, name: &str, arguments: &[&str]) -> Command {
    let built = std::ffi::OsString::from(env!("CARGO_BIN_EXE_dhow"));
    let built = std::env::var_os("DHOW_BENCH_BINARY").unwrap_or(built);
    let mut command = if name == "dhow" { Command::new(built) } else { Command::new(name) };
    if name == "dhow" {
        command.arg("oci");
    }
    command.arg("--root").arg(place.join("state").join(name)).args(arguments);
    command
}

fn contest(place: &Path, what: &str, arguments: &[&str]) {
    let contenders = RUNTIMES.map(|name| Contender::new(name, move || runtime(place, name, arguments)));
    compare(what, rounds(31), &contenders);
}

/// create + start + delete, as an engine calls them; the command has ended when it is deleted.
fn steps(place: &Path) {
    let bundle = path(place, "long");
    let contenders = RUNTIMES.map(|name| {
        let program = runtime(place, name, &[]);
        let words: Vec<String> = std::iter::once(program.get_program())
            .chain(program.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let words = words.join(" ");
        let script = format!(
            "{words} create -b {bundle} steps </dev/null >/dev/null 2>&1 && {words} start steps && {words} delete -f steps"
        );
        Contender::new(name, move || {
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            command
        })
    });
    compare("create + start + delete -f", rounds(31), &contenders);
}

fn exec(place: &Path) {
    let bundle = path(place, "long");
    for name in RUNTIMES {
        let mut command = runtime(place, name, &["run", "-d", "-b", &bundle, "long"]);
        // Detached, its command keeps no pipe of ours.
        let null = || std::process::Stdio::null();
        assert!(command.stdin(null()).stdout(null()).stderr(null()).status().unwrap().success(), "{name}");
    }
    for (what, words) in [
        ("exec", &["exec", "long", "/bin/true"][..]),
        ("state", &["state", "long"]),
        ("kill 0", &["kill", "long", "0"]),
    ] {
        contest(place, what, words);
    }
    for name in RUNTIMES {
        drop(output(runtime(place, name, &["delete", "-f", "long"])));
    }
}

/// The most memory that the runtime's own process had, in KiB.
fn peak(place: &Path, name: &str) -> String {
    let measured = runtime(place, name, &["run", "-b", &path(place, "seccomp"), "peak"]);
    let mut command = Command::new(support::env::program("probe"));
    command.arg("peak").arg(measured.get_program()).args(measured.get_args());
    output(command).map_or_else(|error| error, |text| text.trim().to_owned())
}

/// The smallest of a few memory limits with which /bin/true still runs.
fn smallest(place: &Path, name: &str) -> String {
    for kilobytes in [256, 512, 1024, 2048, 4096, 8192] {
        let change = json!({"linux": {"resources": {"memory": {"limit": kilobytes * 1024}}}});
        bundle(place, "small", change, "/bin/true");
        if output(runtime(place, name, &["run", "-b", &path(place, "small"), "small"])).is_ok() {
            return format!("{kilobytes} KiB");
        }
        drop(output(runtime(place, name, &["delete", "-f", "small"])));
    }
    "none".to_owned()
}

/// Calls that nobody misses, as engines forbid them.
fn seccomp() -> Value {
    let names = [
        "acct",
        "add_key",
        "bpf",
        "clock_adjtime",
        "clock_settime",
        "create_module",
        "delete_module",
        "finit_module",
        "get_kernel_syms",
        "get_mempolicy",
        "init_module",
        "ioperm",
        "iopl",
        "kcmp",
        "kexec_file_load",
        "kexec_load",
        "keyctl",
        "lookup_dcookie",
        "mbind",
        "mount",
        "move_pages",
        "name_to_handle_at",
        "nfsservctl",
        "open_by_handle_at",
        "perf_event_open",
        "pivot_root",
        "process_vm_readv",
        "process_vm_writev",
        "ptrace",
        "query_module",
        "quotactl",
        "reboot",
        "request_key",
        "set_mempolicy",
        "setns",
        "settimeofday",
        "stime",
        "swapoff",
        "swapon",
        "sysfs",
        "_sysctl",
        "umount",
        "umount2",
        "unshare",
        "uselib",
        "userfaultfd",
        "ustat",
        "vm86",
        "vm86old",
    ];
    let each: Vec<Value> = names.iter().map(|name| json!({"names": [name], "action": "SCMP_ACT_ERRNO"})).collect();
    json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": each}}})
}

fn bundle(place: &Path, name: &str, change: Value, program: &str) {
    let directory = place.join(name);
    drop(std::fs::remove_dir_all(&directory));
    std::fs::create_dir_all(directory.join("rootfs")).unwrap();
    let bytes = archive(&busybox_entries());
    tar::Archive::new(&bytes[..]).unpack(directory.join("rootfs")).unwrap();
    let mut spec = runtime(place, "dhow", &["spec"]);
    spec.current_dir(&directory);
    output(spec).unwrap();
    let file = directory.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    // The oldest of the three knows no later version.
    config["ociVersion"] = json!("1.0.2");
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = if program == "/bin/sleep" { json!([program, "1000"]) } else { json!([program]) };
    // The template's limits are above what a machine without CAP_SYS_RESOURCE grants.
    config["process"]["rlimits"] = json!([]);
    merge(&mut config, change);
    std::fs::write(&file, config.to_string()).unwrap();
}

fn merge(value: &mut Value, change: Value) {
    match (value, change) {
        (Value::Object(map), Value::Object(changes)) => {
            changes.into_iter().for_each(|(key, change)| merge(map.entry(key).or_insert(Value::Null), change));
        }
        (value, change) => *value = change,
    }
}
