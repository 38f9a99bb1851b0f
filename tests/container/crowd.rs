//! Many commands at once on one store.

use std::process::Stdio;

use super::stage::{self, code};
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
