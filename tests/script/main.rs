//! Scripts that users of podman have, in `cases/`: each is run as it is by root and by an ordinary user, with dhow under
//! podman's name, and must print what stands beside it (`NAME.out`) and leave nothing behind.
//!
//! podman itself wrote those outputs: the third run of each is podman's, where it is installed. An output is recorded by
//!
//! ```text
//! DHOW_TEST_TRANSCRIPT=record cargo test --test script podman::NAME
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use support::env::{Seat, finished, finished_within};
use support::image::Image;
use support::tools::Tools;
use support::{TestEnv, isolated};

/// Who runs a script, and by what.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Root,
    User,
    Podman,
}

/// How long a script may take here, beside other tests.
const LIMIT: Duration = Duration::from_secs(120);
/// The containers of the test framework: podman needs half a second for each, and more for one with a port.
const COUNT: u32 = 200;
const COUNT_PODMAN: u32 = 24;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/script/cases")
}

/// Writes `path`, which everybody may execute.
fn program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs the script `name` with `words` as its podman.
fn run(env: &TestEnv, name: &str, mut shell: Command, words: &str, count: u32) -> (String, Duration) {
    let (bin, here) = (env.place.join("bin"), env.place.join("here"));
    for directory in [&bin, &here] {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    }
    program(&bin.join("podman"), &format!("#!/bin/sh\nexec {words} \"$@\"\n"));
    let archive = Image::busybox().docker_archive(&["docker.io/library/busybox:latest"]);
    std::fs::write(here.join("busybox.tar"), archive).unwrap();
    let script = here.join("script");
    std::fs::copy(directory().join(format!("{name}.sh")), &script).unwrap();
    let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    // What goes wrong is said by the programs in it, where the output shows it.
    shell.args(["-c", "exec sh ./script 2>&1"]).env("PATH", path).env("COUNT", count.to_string()).current_dir(&here);
    let started = Instant::now();
    let outcome = finished_within(shell, b"", LIMIT);
    let mut said = outcome.text();
    said.push('\n');
    if outcome.code != 0 {
        said += &format!("= {}\n", outcome.code);
    }
    (said, started.elapsed())
}

/// What dhow's script says in a seat.
fn dhow(env: &TestEnv, name: &str, seat: &Seat) -> (String, Duration) {
    let (store, runtime) = (seat.store.display(), seat.runtime.display());
    let words = format!("{} --root {store} --runroot {runtime}", seat.binary.display());
    let said = run(env, name, seat.command("sh"), &words, COUNT);
    seat.run(&["rmi", "-a", "-f"]).ok();
    said
}

/// Gives the user the device of network taps, which udev makes everybody's; this machine may have no udev.
fn open_tun(env: &TestEnv) {
    let node = env.place.join("tun");
    let closed = nix::sys::stat::Mode::empty();
    nix::sys::stat::mknod(&node, nix::sys::stat::SFlag::S_IFCHR, closed, libc::makedev(10, 200)).unwrap();
    std::fs::set_permissions(&node, PermissionsExt::from_mode(0o666)).unwrap();
    let flags = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some(&node), "/dev/net/tun", None::<&str>, flags, None::<&str>).unwrap();
}

fn check(name: &str, who: Who) {
    let path = directory().join(format!("{name}.out"));
    let recording = std::env::var("DHOW_TEST_TRANSCRIPT").as_deref() == Ok("record");
    isolated(|env| {
        let (said, took) = match who {
            Who::Root => dhow(env, name, &env.root),
            Who::User => {
                open_tun(env);
                // pasta takes its address and its route from a link that leads somewhere.
                let uplink = "ip link add up0 type veth peer name up1 && ip link set up1 up && ip addr add 192.0.2.2/24 dev up0 && ip link set up0 up && \
                              ip route add default via 192.0.2.1";
                let mut ip = env.root.command("sh");
                ip.args(["-c", uplink]);
                finished(ip, b"").ok();
                env.rebase();
                dhow(env, name, &env.user)
            }
            Who::Podman => {
                let tools = Tools::new(env);
                let mut shell = tools.command(&["sh"]);
                shell.env("CONTAINERS_CONF", tools.podman_config());
                run(
                    env,
                    name,
                    shell,
                    &tools.podman_words().join(" ").replacen("podman", "/usr/bin/podman", 1),
                    COUNT_PODMAN,
                )
            }
        };
        println!("{name} took {took:?}");
        if who == Who::Podman {
            // What podman leaves is not what is tested.
            env.rebase();
        }
        // What remembers rather than holds: compiled filters, the network that is always there.
        for store in [env.root.store.clone(), env.user.store.clone()] {
            for kept in ["cache/", "networks/podman"] {
                env.ignore(&format!("file: {}/{kept}", store.display()));
            }
        }
        if recording && who == Who::Podman {
            std::fs::write(&path, &said).unwrap();
            return;
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert!(said == expected, "{}", difference(&expected, &said));
    });
}

/// The first lines that differ, with the line before them.
fn difference(expected: &str, said: &str) -> String {
    let (expected, said): (Vec<_>, Vec<_>) = (expected.lines().collect(), said.lines().collect());
    let at = expected.iter().zip(&said).take_while(|(one, other)| one == other).count();
    let from = |lines: &[&str]| {
        lines.iter().skip(at.saturating_sub(1)).take(12).fold(String::new(), |text, line| text + line + "\n")
    };
    format!("line {} differs; expected:\n{}got:\n{}", at + 1, from(&expected), from(&said))
}

macro_rules! scripts {
    ($($name:ident)*; without_podman $($alone:ident)*; without_podman_of_root $($of_root:ident)*) => {
        mod root {
            $(#[test] fn $name() { super::check(stringify!($name), super::Who::Root); })*
            $(#[test] fn $alone() { super::check(stringify!($alone), super::Who::Root); })*
            $(#[test] fn $of_root() { super::check(stringify!($of_root), super::Who::Root); })*
        }
        mod user {
            $(#[test] fn $name() {
                crate::require!(root, newuidmap, pasta, tun, ip);
                super::check(stringify!($name), super::Who::User);
            })*
            $(#[test] fn $alone() {
                crate::require!(root, newuidmap, pasta, tun, ip);
                super::check(stringify!($alone), super::Who::User);
            })*
        }
        mod podman {
            $(#[test] fn $name() {
                crate::require!(root, podman, crun, podman_scripts);
                super::check(stringify!($name), super::Who::Podman);
            })*
        }

        #[test]
        fn every_file_is_a_test() {
            let files = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut files: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
            files.sort();
            let names = [$(stringify!($name),)* $(stringify!($alone),)* $(stringify!($of_root)),*];
            let mut due: Vec<String> = names.iter().flat_map(|name| [format!("{name}.out"), format!("{name}.sh")]).collect();
            due.sort();
            assert_eq!(files, due);
        }
    };
}

// podman's follower loses lines when the log that it reads is truncated, and its --since lines of the same moment; on cgroup v1 podman does not know of a death
// by memory; an ordinary user has a cgroup only where a service manager gives one.
scripts! { ci backup testing ship configure supervise; without_podman resume rotate; without_podman_of_root oom }
