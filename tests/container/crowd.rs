//! Many commands at once on one store.

use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use super::stage::{self, code};
use crate::support::env::eventually;
use crate::support::image::{Flavor, Image};
use crate::support::{TestEnv, isolated};

/// Starts every command line, then waits for all; returns what they said and their exit codes.
fn at_once(env: &TestEnv, lines: &[Vec<String>]) -> Vec<(i32, String, String)> {
    let file = |name: String| env.place.join(name);
    let open = |path: &std::path::Path| std::fs::File::create(path).unwrap();
    let children: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(n, words)| {
            let (out, err) = (file(format!("out-{n}")), file(format!("err-{n}")));
            let mut command = env.dhow(words);
            command.stdin(Stdio::null()).stdout(open(&out)).stderr(open(&err));
            (command.spawn().unwrap(), out, err)
        })
        .collect();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        text
    };
    children.into_iter().map(|(child, out, err)| (code(child), read(out), read(err))).collect()
}

fn line(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn fifty_runs_at_once_all_succeed() {
    isolated(|env| {
        stage::busybox(env);
        let lines: Vec<_> = (0..50).map(|n| line(&["run", "--rm", "busybox", "echo", &n.to_string()])).collect();
        for (n, (code, out, err)) in at_once(env, &lines).into_iter().enumerate() {
            assert_eq!((code, out, err), (0, format!("{n}\n"), String::new()));
        }
    });
}

#[test]
fn ten_replacements_at_once_leave_one() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--replace", "--name", "same", "--stop-timeout", "0", "busybox", "sleep", "1000"];
        for (code, out, err) in at_once(env, &vec![line(&words); 10]) {
            assert_eq!((code, err.as_str()), (0, ""), "{out}");
            assert_eq!(out.trim().len(), 64);
        }
        let left = env.run(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
        assert_eq!(left.ok(), "same running");
        env.run(&["rm", "-f", "-t", "0", "same"]).ok();
    });
}

#[test]
fn pulls_removals_prunes_and_runs_at_once_do_each_other_no_harm() {
    isolated(|env| {
        let registry = stage::registry(env);
        registry.add("crowd", "1", &Image::busybox(), Flavor::Oci);
        let name = registry.reference("crowd:1");
        env.run(&["run", "--rm", "--tls-verify=false", &name, "true"]).ok();
        env.run(&["rmi", "-f", &name]).ok();
        stage::settle(env);
        env.rebase();
        let lines: Vec<Vec<String>> = (0..24)
            .map(|n| match n % 4 {
                0 => line(&["pull", "-q", "--tls-verify=false", &name]),
                1 => line(&["rmi", "-f", "-i", &name]),
                2 => line(&["image", "prune", "-a", "-f"]),
                _ => line(&["run", "--rm", "--tls-verify=false", &name, "echo", "ran"]),
            })
            .collect();
        for (words, (code, out, err)) in lines.iter().zip(at_once(env, &lines)) {
            assert_eq!(code, 0, "{words:?}: {out}{err}");
            if words[0] == "run" {
                assert_eq!(out, "ran\n");
            }
        }
        env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
        assert_eq!(env.run(&["run", "--rm", &name, "echo", "after"]).ok(), "after");
    });
}

/// Starts `words` and lets it come as far as the lock of the container that it replaces, which the caller holds.
fn replacing(env: &TestEnv, words: &[&str], lock: &std::fs::File) -> (std::process::Child, std::path::PathBuf) {
    let err = env.place.join("err");
    let mut command = env.dhow(words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&err).unwrap());
    let child = command.spawn().unwrap();
    let inode = format!(":{} ", lock.metadata().unwrap().ino());
    eventually("the command waits for the lock", || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&inode))
    });
    (child, err)
}

#[test]
fn an_image_that_goes_before_the_container_is_on_record_is_fetched_again_or_told() {
    isolated(|env| {
        let registry = stage::registry(env);
        registry.add("crowd", "1", &Image::busybox(), Flavor::Oci);
        let name = registry.reference("crowd:1");
        let rootfs = env.place.join("rootfs");
        std::fs::create_dir(&rootfs).unwrap();
        stage::settle(env);
        env.rebase();
        for (policy, says) in [("missing", None), ("never", Some("image not known"))] {
            env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
            env.run(&["create", "--name", "box", "--rootfs", rootfs.to_str().unwrap(), "true"]).ok();
            let lock = std::fs::File::open(stage::directory(env, "box").join("lock")).unwrap();
            lock.lock().unwrap();
            let pull = format!("--pull={policy}");
            let words = ["run", "--rm", "--replace", "--name", "box", &pull, "--tls-verify=false", &name, "true"];
            let (child, err) = replacing(env, &words, &lock);
            // Nobody uses it yet, so that it may go.
            env.run(&["rmi", &name]).ok();
            lock.unlock().unwrap();
            let (code, text) = (code(child), std::fs::read_to_string(&err).unwrap());
            match says {
                None => assert_eq!(code, 0, "{text}"),
                Some(says) => assert!(code == 125 && text.contains(says), "{code}: {text}"),
            }
            std::fs::remove_file(&err).unwrap();
            env.run(&["rmi", "-i", &name]).ok();
            env.nothing_is_left();
        }
        std::fs::remove_dir(&rootfs).unwrap();
    });
}
