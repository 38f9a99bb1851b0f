//! The user namespace of all commands: who keeps it, who heals it, its maps, and those of containers in it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::require;
use crate::support::env::{SUBIDS, TestEnv, UID, USER, eventually};
use crate::support::image::Image;
use crate::support::{self, Outcome, isolated};

/// The record of the keeper.
fn record(env: &TestEnv) -> serde_json::Value {
    let text = std::fs::read(env.user.runtime.join("dhow/pause.json")).expect("the keeper's record");
    serde_json::from_slice(&text).expect("the keeper's record is JSON")
}

fn keeper(env: &TestEnv) -> i32 {
    i32::try_from(record(env)["pid"].as_i64().expect("a pid")).expect("a pid")
}

fn map(pid: i32, file: &str) -> Vec<Vec<u32>> {
    numbers(&std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a map"))
}

fn numbers(text: &str) -> Vec<Vec<u32>> {
    text.lines().map(|line| line.split_whitespace().map(|word| word.parse().expect("a number")).collect()).collect()
}

fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .expect("kill the keeper");
    eventually("the keeper is gone", || !Path::new(&format!("/proc/{pid}")).exists());
}

fn give(file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("read the ids");
    assert!(text.contains(from), "{text}");
    std::fs::write(file, text.replace(from, to)).expect("write the ids");
}

/// A root file system of one program, the user's own.
fn root(env: &mut TestEnv) -> PathBuf {
    let root = env.user.home.join("root");
    for directory in ["", "bin", "dev", "etc", "proc", "run", "sys", "tmp"] {
        std::fs::create_dir_all(root.join(directory)).expect("make a root");
    }
    // Where the engine's own files go; with another map the container's root may not make them in this user's directory.
    for file in ["etc/hosts", "etc/resolv.conf", "etc/hostname", "run/.containerenv"] {
        std::fs::write(root.join(file), "").expect("make a file");
    }
    std::fs::copy(program_of_host("busybox"), root.join("bin/busybox")).expect("copy busybox");
    for name in ["sh", "cat", "id", "sleep"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).expect("link busybox");
    }
    // Compiled filters stay.
    env.ignore(&format!("file: {}/cache/", env.user.store.display()));
    std::process::Command::new("chown").arg("-R").arg(format!("{UID}:{UID}")).arg(&root).status().expect("chown");
    root
}

fn program_of_host(name: &str) -> PathBuf {
    support::require::program(name).expect("a program that was required")
}

/// `run --rm --network none ARGS --rootfs ROOT:O COMMAND`.
fn run(env: &TestEnv, args: &[&str], command: &[&str]) -> Outcome {
    let rootfs = format!("{}:O", env.user.home.join("root").display());
    let all = [&["run", "--rm", "--network", "none"][..], args, &["--rootfs", &rootfs], command].concat();
    env.user.run(&all)
}

#[test]
fn commands_share_one_namespace_whose_keeper_is_healed() {
    require!(root, newuidmap);
    isolated(|env| {
        env.user.run(&["ps"]).ok();
        let first = keeper(env);
        let expected = vec![vec![0, UID, 1], vec![1, SUBIDS, 65_536]];
        assert_eq!(map(first, "uid_map"), expected);
        assert_eq!(map(first, "gid_map"), expected);
        env.user.run(&["ps"]).ok();
        assert_eq!(keeper(env), first, "the second command uses the first one's namespace");
        kill(first);
        env.user.run(&["ps"]).ok();
        let second = keeper(env);
        assert_ne!(second, first);
        assert_eq!(map(second, "uid_map"), expected);
        std::fs::write(env.user.runtime.join("dhow/pause.json"), "{").unwrap();
        env.user.run(&["ps"]).ok();
        eventually("who is not named any more ends", || !Path::new(&format!("/proc/{second}")).exists());
        let third = keeper(env);
        std::fs::remove_dir_all(env.user.runtime.join("dhow")).unwrap();
        eventually("the keeper ends at logout", || !Path::new(&format!("/proc/{third}")).exists());
    });
}

#[test]
fn commands_without_a_store_make_no_namespace() {
    require!(root);
    isolated(|env| {
        for args in [&["--version"][..], &["help"], &["run", "--help"], &["completion", "bash"]] {
            env.user.run(args).ok();
        }
        assert!(!env.user.runtime.join("dhow").exists());
    });
}

#[test]
fn without_subordinate_ids_there_is_one_id_and_one_warning() {
    require!(root);
    isolated(|env| {
        for file in ["/etc/subuid", "/etc/subgid"] {
            give(file, &format!("{USER}:{SUBIDS}:65536\n"), "other:100000:65536\n");
        }
        let first = env.user.run(&["ps"]);
        first.ok();
        assert!(first.stderr.contains("one id only"), "{first}");
        assert!(first.stderr.contains(&format!("add to /etc/subuid: {USER}:165536:65536")), "{first}");
        assert_eq!(map(keeper(env), "uid_map"), vec![vec![0, UID, 1]]);
        let second = env.user.run(&["ps"]);
        second.ok();
        assert_eq!(second.stderr, "");
    });
}

#[test]
fn an_edit_of_the_ids_is_seen_when_nobody_is_in_the_namespace() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        root(env);
        let rootfs = format!("{}:O", env.user.home.join("root").display());
        let sleep = ["run", "-d", "--name", "s", "--network", "none", "--rootfs", &rootfs, "/bin/sleep", "60"];
        env.user.run(&sleep).ok();
        let first = keeper(env);
        give("/etc/subuid", &format!("{USER}:{SUBIDS}:65536"), &format!("{USER}:{SUBIDS}:70000"));
        env.user.run(&["exec", "s", "/bin/id"]).ok();
        assert_eq!(keeper(env), first, "a container lives in it");
        // The keeper's death takes the namespace from nobody: the monitor has it.
        kill(first);
        let inside = numbers(&env.user.run(&["exec", "s", "/bin/cat", "/proc/self/uid_map"]).ok());
        assert_eq!(inside, vec![vec![0, UID, 1], vec![1, SUBIDS, 65_536]]);
        assert_eq!(map(keeper(env), "uid_map"), inside);
        env.user.run(&["rm", "-f", "-t", "0", "s"]).ok();
        env.user.run(&["ps"]).ok();
        assert_eq!(map(keeper(env), "uid_map"), vec![vec![0, UID, 1], vec![1, SUBIDS, 70_000]]);
    });
}

#[test]
fn containers_have_the_maps_that_were_asked_for() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        root(env);
        let kept = vec![vec![0, 1, UID], vec![UID, 0, 1], vec![UID + 1, UID + 1, 65_536 - UID]];
        let cases: &[(&[&str], Vec<Vec<u32>>)] = &[
            (&[], vec![vec![0, UID, 1], vec![1, SUBIDS, 65_536]]),
            (&["--userns", "keep-id"], kept),
            (&["--userns", "auto:size=500"], vec![vec![0, 1, 500]]),
            (&["--userns", "auto:size=500,uidmapping=3:0:1"], vec![vec![0, 1, 3], vec![3, 0, 1], vec![4, 4, 496]]),
            (&["--userns", "keep-id:uid=2,gid=2,size=10"], vec![vec![0, 1, 2], vec![2, 0, 1], vec![3, 3, 7]]),
            (&["--uidmap", "0:5:10"], vec![vec![0, 5, 10]]),
        ];
        for (args, expected) in cases {
            let outcome = run(env, args, &["/bin/cat", "/proc/self/uid_map"]);
            assert_eq!(numbers(&outcome.ok()), *expected, "{args:?}");
        }
        assert_eq!(run(env, &["--userns", "keep-id"], &["/bin/id", "-u"]).ok(), UID.to_string());
        run(env, &["--uidmap", "0:1:100000"], &["/bin/id"]).fails(125, "needs ids that this user does not have");
        run(env, &["--uidmap", "0:1:10", "--uidmap", "5:20:10"], &["/bin/id"]).fails(125, "overlap");
        run(env, &["--userns", "auto:size=70000"], &["/bin/id"]).fails(125, "not enough unused IDs");
    });
}

/// R24.
#[test]
fn automatic_namespaces_never_overlap() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        root(env);
        let rootfs = format!("{}:O", env.user.home.join("root").display());
        let started = Instant::now();
        let create = ["create", "--userns", "auto:size=1000", "--network", "none", "--rootfs", &rootfs, "/bin/id"];
        let children: Vec<_> =
            (0..8).map(|_| env.user.dhow(&create).stdout(std::process::Stdio::null()).spawn().unwrap()).collect();
        for mut child in children {
            assert!(support::env::wait(&mut child, std::time::Duration::from_secs(60)).unwrap().success());
        }
        eprintln!("eight at once in {:?}", started.elapsed());
        let mut starts = Vec::new();
        for entry in std::fs::read_dir(env.user.store.join("containers")).unwrap() {
            let config = std::fs::read(entry.unwrap().path().join("config.json")).unwrap();
            let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
            starts.push(config["userns"]["uids"][0]["outside"].as_u64().unwrap());
        }
        starts.sort_unstable();
        assert_eq!(starts, (0..8).map(|n| 1 + n * 1000).collect::<Vec<_>>());
        env.user.run(&["rm", "-a", "-f"]).ok();
    });
}

#[test]
fn an_image_belongs_to_the_root_of_whatever_map() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        env.ignore(&format!("file: {}/cache/", env.user.store.display()));
        let archive = env.user.tmp.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["docker.io/library/busybox:latest"])).unwrap();
        env.user.run(&["load", "-q", "-i", &archive.display().to_string()]).ok();
        std::fs::remove_file(&archive).unwrap();
        for userns in ["host", "keep-id", "auto:size=2000", "keep-id:uid=7,gid=7"] {
            let script = "stat -c %u:%g / /bin /bin/busybox && touch /new && stat -c %u /new";
            let args =
                ["run", "--rm", "--network", "none", "--user", "0", "--userns", userns, "busybox", "sh", "-c", script];
            assert_eq!(env.user.run(&args).ok(), "0:0\n0:0\n0:0\n0", "{userns}");
        }
        let args = ["run", "--rm", "--network", "none", "--userns", "keep-id", "busybox", "id", "-u"];
        assert_eq!(env.user.run(&args).ok(), UID.to_string());
        env.user.run(&["run", "-d", "--name", "a", "--network", "none", "busybox", "sleep", "60"]).ok();
        let args = [
            "run",
            "--rm",
            "--network",
            "none",
            "--pid",
            "container:a",
            "busybox",
            "sh",
            "-c",
            "ps | grep -c 'sleep 6[0]'",
        ];
        assert_eq!(env.user.run(&args).ok(), "1");
        env.user.run(&["rm", "-f", "-t", "0", "a"]).ok();
    });
}
