//! What a user of podman types, and what comes back: sessions of commands with their exact output, messages and exit
//! codes, in `cases/`, one file per subject.
//!
//! Each session is written as it is typed, with `podman` as the program, and answered by dhow under that name. The
//! answers were recorded from podman and from dhow side by side:
//!
//! ```text
//! DHOW_TEST_TRANSCRIPT=record cargo test --test transcript
//! ```
//!
//! Where the two differ the file has both, and a line that begins with `~` says why; the test fails while a reason is
//! missing. A line that begins with `hint:` is dhow's own and no difference. What no two runs share (ids, ages, times) is replaced by names, the same id of an answer by the same name.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod coverage;
mod normal;
mod session;
mod tree;
mod words;

use std::path::PathBuf;

use case::Case;
use session::Who;
use support::env::finished;
use support::{TestEnv, isolated};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcript/cases")
}

/// Answers the session `name` and compares, or records it anew.
fn check(name: &str, who: Who) {
    let recording = std::env::var("DHOW_TEST_TRANSCRIPT").as_deref() == Ok("record");
    let path = directory().join(format!("{name}.txt"));
    let mut case =
        Case::parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    isolated(|env| {
        if who == Who::User {
            network(env);
        }
        let answers = session::dhow(env, &case, who);
        if recording {
            let others = session::podman(env, &case, who);
            case.record(answers, others);
            std::fs::write(&path, case.to_string()).unwrap();
            // What podman leaves is not what is tested.
            for seat in [&env.root, &env.user] {
                seat.run(&["rmi", "-a", "-f"]).ok();
            }
            drop(std::fs::remove_dir_all(env.user.runtime.join("dhow")));
            for gone in ["process: dhow-pause", "process: [dhow-pause]", "namespace: user"] {
                env.ignore(gone);
            }
            env.rebase();
            return;
        }
        let wrong = case.compare(&answers);
        assert!(wrong.is_empty(), "{} of {} answers differ:\n{}", wrong.len(), answers.len(), wrong.join("\n"));
    });
}

/// What a machine has where an ordinary user's containers reach the network: an open device of taps and a link.
fn network(env: &mut TestEnv) {
    let node = env.place.join("tun");
    let closed = nix::sys::stat::Mode::empty();
    nix::sys::stat::mknod(&node, nix::sys::stat::SFlag::S_IFCHR, closed, libc::makedev(10, 200)).unwrap();
    std::fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let flags = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some(&node), "/dev/net/tun", None::<&str>, flags, None::<&str>).unwrap();
    let uplink = "ip link add up0 type veth peer name up1 && ip link set up1 up && ip addr add 192.0.2.2/24 dev up0 && \
                  ip link set up0 up && ip route add default via 192.0.2.1";
    let mut ip = env.root.command("sh");
    ip.args(["-c", uplink]);
    finished(ip, b"").ok();
    env.rebase();
}

macro_rules! cases {
    ($($name:ident)*; as_user $($of_user:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name), Who::Root); })*
        $(#[test] fn $of_user() {
            crate::require!(root, newuidmap, pasta, tun, ip);
            check(stringify!($of_user), Who::User);
        })*

        #[test]
        fn every_file_is_a_test_with_its_reasons() {
            let mut files: Vec<String> = std::fs::read_dir(directory()).unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".txt").to_owned())
                .collect();
            files.sort();
            let mut names = vec![$(stringify!($name),)* $(stringify!($of_user)),*];
            names.sort_unstable();
            assert_eq!(files, names);
            for name in names {
                let case = Case::parse(&std::fs::read_to_string(directory().join(format!("{name}.txt"))).unwrap()).unwrap();
                assert!(case.unexplained().is_empty(), "{name}: say why podman differs: {:?}", case.unexplained());
            }
        }
    };
}

cases! {
    containers images run exec volumes startup limits service system
    clone create ps content archives commit mount lifecycle manifests templates errors habits inside health init
    accepted secrets terminal session prompt trust sizes;
    as_user user userns usermay userstore
}
