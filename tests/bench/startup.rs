//! `cargo bench --bench startup`: how long a container takes to start, beside podman and crun, as root.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod measure;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use measure::{Contender, compare, dhow, output, podman, rounds};
use serde_json::{Value, json};
use support::census;
use support::image::{Image, busybox_entries};
use support::tar::archive;

const NAME: &str = "localhost/bench:latest";

fn main() {
    let place = measure::enter();
    let image = Image::busybox();
    let file = place.join("image.tar");
    std::fs::write(&file, image.docker_archive(&[NAME])).unwrap();
    let load = ["load", "-q", "-i", file.to_str().unwrap()];
    for command in [dhow(&place, &load), podman(&place, &load)] {
        let program = command.get_program().to_os_string();
        if let Err(error) = output(command) {
            eprintln!("{program:?} load: {error}");
        }
    }
    // What does nothing is fast.
    let works = output(dhow(&place, &["run", "--rm", "--network", "none", NAME, "echo", "works"]));
    assert_eq!(works, Ok("works".to_owned()), "dhow does not run a container");
    let seccomp = podmans_seccomp(&place);
    bundle(&place, "plain", None);
    bundle(&place, "seccomp", seccomp);
    measure::head();
    run(&place);
    exec(&place);
    many(&place);
}

fn crun(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("crun");
    command.arg("--root").arg(place.join("crun")).arg("--cgroup-manager=cgroupfs").args(arguments);
    command
}

fn run(place: &Path) {
    let rounds = rounds(31);
    let bundle = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let (plain, filtered) = (bundle("plain"), bundle("seccomp"));
    let none = ["run", "--rm", "--network", "none", NAME, "/bin/true"];
    compare(
        "run --rm --network none",
        rounds,
        &[
            Contender::new("dhow", || dhow(place, &none)),
            Contender::new("crun run, no seccomp", || crun(place, &["run", "-b", &plain, "plain"])),
            Contender::new("crun run, podman's seccomp", || crun(place, &["run", "-b", &filtered, "filtered"])),
            Contender::new("podman", || podman(place, &none)),
        ],
    );
    let bridge = ["run", "--rm", NAME, "/bin/true"];
    compare(
        "run --rm",
        rounds,
        &[Contender::new("dhow", || dhow(place, &bridge)), Contender::new("podman", || podman(place, &bridge))],
    );
}

fn exec(place: &Path) {
    let start = ["run", "-d", "--name", "long", "--network", "none", NAME, "/bin/sleep", "10000"];
    let started = [output(dhow(place, &start)), output(podman(place, &start))];
    let bundle = place.join("long");
    copy_bundle(place, "seccomp", "long", &["/bin/sleep", "10000"]);
    // Detached, crun's child keeps no pipe of ours.
    let mut detached = crun(place, &["run", "-d", "-b", bundle.to_str().unwrap(), "long"]);
    let crun_started = detached.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
    let command = ["exec", "long", "/bin/true"];
    compare(
        "exec /bin/true",
        rounds(31),
        &[
            Contender::new("dhow", || dhow(place, &command)),
            Contender::new("crun", || crun(place, &command)),
            Contender::new("podman", || podman(place, &command)),
        ],
    );
    drop((started, crun_started));
    for pid in census::pids().into_iter().filter(|pid| monitor(*pid)) {
        let (own, proportional) = memory(pid);
        println!("| monitor, private memory | dhow | {own} KiB | | | PSS {proportional} KiB |");
    }
    for pid in census::pids()
        .into_iter()
        .filter(|pid| census::command_line(*pid).split(' ').next().is_some_and(|word| word.ends_with("/conmon")))
    {
        let (own, proportional) = memory(pid);
        println!("| monitor, private memory | conmon | {own} KiB | | | PSS {proportional} KiB |");
    }
    for command in [dhow(place, &["rm", "-f", "-t", "0", "long"]), podman(place, &["rm", "-f", "-t", "0", "long"])] {
        drop(output(command));
    }
    drop(output(crun(place, &["delete", "-f", "long"])));
}

fn monitor(pid: u32) -> bool {
    census::command_line(pid).split(' ').nth(1) == Some("monitor")
}

/// Anonymous and proportional memory of a process in KiB. Pages of the program's file count as private when nobody else
/// maps them just now, and are not the process's own.
fn memory(pid: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0)
    };
    (field("Anonymous:"), field("Pss:"))
}

fn many(place: &Path) {
    for n in 0..200 {
        if let Err(error) =
            output(dhow(place, &["create", "--name", &format!("c{n}"), "--network", "none", NAME, "true"]))
        {
            eprintln!("create: {error}");
            break;
        }
    }
    compare("ps -a, 200 containers", rounds(31), &[Contender::new("dhow", || dhow(place, &["ps", "-a"]))]);
    compare(
        "--version",
        rounds(31),
        &[
            Contender::new("dhow", || dhow(place, &["--version"])),
            Contender::new("crun", || crun(place, &["--version"])),
            Contender::new("podman", || podman(place, &["--version"])),
        ],
    );
}

/// The filter that podman gives its containers, from a specification that it wrote.
fn podmans_seccomp(place: &Path) -> Option<Value> {
    let id = output(podman(place, &["create", "--network", "none", NAME, "true"])).ok()?;
    output(podman(place, &["init", &id])).ok()?;
    let file = place.join("podman/store/overlay-containers").join(&id).join("userdata/config.json");
    let spec: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    drop(output(podman(place, &["rm", "-f", &id])));
    Some(spec["linux"]["seccomp"].clone())
}

/// A bundle of the same image with the namespaces that dhow gives.
fn bundle(place: &Path, name: &str, seccomp: Option<Value>) {
    let directory = place.join(name);
    std::fs::create_dir_all(directory.join("rootfs")).unwrap();
    let bytes = archive(&busybox_entries());
    tar::Archive::new(&bytes[..]).unpack(directory.join("rootfs")).unwrap();
    let mut spec = Command::new("crun");
    drop(output({
        spec.arg("spec").current_dir(&directory);
        spec
    }));
    let Ok(text) = std::fs::read(directory.join("config.json")) else { return };
    let mut config: Value = serde_json::from_slice(&text).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/true"]);
    config["root"]["readonly"] = json!(false);
    // The limits of crun's template are above what an unprivileged machine grants.
    config["process"]["rlimits"] = json!([]);
    config["linux"]["namespaces"] =
        ["pid", "network", "ipc", "uts", "mount", "cgroup"].iter().map(|kind| json!({"type": kind})).collect();
    if let Some(seccomp) = seccomp {
        config["linux"]["seccomp"] = seccomp;
    }
    std::fs::write(directory.join("config.json"), config.to_string()).unwrap();
}

/// The same bundle with another command.
fn copy_bundle(place: &Path, from: &str, to: &str, arguments: &[&str]) {
    std::fs::create_dir_all(place.join(to)).unwrap();
    std::fs::rename(place.join(from).join("rootfs"), place.join(to).join("rootfs")).unwrap();
    let Ok(text) = std::fs::read(place.join(from).join("config.json")) else { return };
    let mut config: Value = serde_json::from_slice(&text).unwrap();
    config["process"]["args"] = json!(arguments);
    std::fs::write(place.join(to).join("config.json"), config.to_string()).unwrap();
}
