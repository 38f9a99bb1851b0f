//! Secrets: kept for their owner alone, shown to the containers that ask, and nowhere else.

use std::os::unix::fs::PermissionsExt;

use super::stage::{self, inspect};
use crate::support::kill::Sweep;
use crate::support::{TestEnv, isolated};

/// How many points of each command are tried every day.
const SAMPLE: usize = 10;

const WORDS: &str = "hunter2-xyzzy";

/// Every file below `root` that has the secret in it.
fn holders(root: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(holders(&path));
        } else if std::fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(WORDS.len()).any(|part| part == WORDS.as_bytes()))
        {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077 & !0o044, 0, "{}", path.display());
            found.push(path.display().to_string());
        }
    }
    found
}

/// R18.
#[test]
fn a_container_sees_what_it_was_given_and_nobody_else_does() {
    isolated(|env| {
        stage::busybox(env);
        let id = env.root.run_with(&["secret", "create", "-l", "a=b", "one", "-"], WORDS.as_bytes()).ok();
        assert!(id.len() == 25 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        env.root.run_with(&["secret", "create", "two", "-"], b"other").ok();
        let run = |secret: &str, script: &str| {
            env.run(&["run", "--rm", "--network", "none", "--secret", secret, "busybox", "sh", "-c", script])
        };
        let script = "cat /run/secrets/one; stat -c ' %a %u %g' /run/secrets/one; : > /run/secrets/one";
        let outcome = run("one", script);
        assert_eq!(outcome.lines()[0], format!("{WORDS} 444 0 0"));
        assert!(outcome.code != 0 && outcome.stderr.contains("Read-only file system"), "{outcome}");
        assert_eq!(run("one,target=/x/y,uid=5,gid=6,mode=0400", "stat -c '%a %u %g' /x/y").ok(), "400 5 6");
        assert_eq!(run("one,type=env", "echo $one").ok(), WORDS);
        assert_eq!(run("source=one,type=env,target=FOO", "echo $FOO").ok(), WORDS);
        run("nope", "true").fails(125, "no secret with name or id \"nope\": no such secret");
        // Users of a namespace of their own get it as theirs.
        let words = [
            "run",
            "--rm",
            "--network",
            "none",
            "--uidmap",
            "0:100000:1000",
            "--secret",
            "one,uid=3,mode=0400",
            "-u",
            "3",
        ];
        assert_eq!(env.run(&[&words[..], &["busybox", "cat", "/run/secrets/one"]].concat()).ok(), WORDS);

        let words =
            ["create", "--name", "box", "--network", "none", "--secret", "one", "--secret", "two,type=env,target=T"];
        env.run(&[&words[..], &["busybox", "sh", "-c", "cat /run/secrets/one; echo; echo $T; sleep 100"]].concat())
            .ok();
        env.run(&["start", "box"]).ok();
        crate::support::env::eventually("it has said so", || env.run(&["logs", "box"]).text().contains("other"));
        assert_eq!(env.run(&["exec", "box", "sh", "-c", "echo $T"]).ok(), "other");
        let document = inspect(env, "box");
        assert_eq!(document["Config"]["Secrets"][0]["Name"], "one");
        assert!(document["Config"]["Env"].as_array().unwrap().contains(&"T=*******".into()), "{document}");
        assert!(!document.to_string().contains("other"), "{document}");
        env.run(&["commit", "-q", "box", "image"]).ok();
        assert!(!env.run(&["image", "inspect", "image"]).ok().contains("other"));
        assert!(!env.run(&["events", "--stream=false"]).text().contains(WORDS));

        // What is removed stays with whom it was given to; a variable is looked up again.
        assert_eq!(env.run(&["secret", "rm", "one"]).ok(), id);
        env.run(&["stop", "-t", "0", "box"]).ok();
        env.run(&["start", "box"]).ok();
        env.run(&["stop", "-t", "0", "box"]).ok();
        env.run(&["secret", "rm", "two"]).ok();
        env.run(&["start", "box"]).fails(125, "no such secret");
        let held = holders(&env.root.store);
        assert!(held.iter().all(|path| path.contains("/containers/")), "{held:?}");
        assert!(!held.is_empty(), "the search finds nothing at all");
        env.run(&["rm", "box"]).ok();
        assert_eq!(holders(&env.root.store), Vec::<String>::new());
        env.run(&["rmi", "image"]).ok();
        std::fs::remove_dir_all(env.root.store.join("secrets")).unwrap();
    });
}

#[test]
fn who_is_killed_leaves_one_secret_of_a_name_or_none() {
    isolated(|env| {
        let create = |env: &TestEnv, value: &str, flags: &[&str]| {
            env.root.run_with(&[&["secret", "create"], flags, &["one", "-"]].concat(), value.as_bytes())
        };
        create(env, "old", &[]).ok();
        let file = env.place.join("value");
        std::fs::write(&file, "new").unwrap();
        let path = file.to_str().unwrap();
        for words in [&["secret", "create", "--replace", "one", path][..], &["secret", "rm", "one"]] {
            let prepare = |env: &TestEnv| drop(create(env, "old", &["--replace"]).ok());
            let command = |env: &TestEnv| {
                let mut command = env.dhow(words);
                command.stdout(std::process::Stdio::null());
                command
            };
            let sample = Some(SAMPLE);
            Sweep { prepare: &prepare, command: &command, exits: 0, sample }.run(env, |env, _| {
                let listed = env.run(&["secret", "ls", "--format", "{{.Name}}"]).lines();
                assert!(listed == ["one"] || words[1] == "rm" && listed.is_empty(), "{listed:?}");
                if !listed.is_empty() {
                    let words = ["secret", "inspect", "--showsecret", "--format", "{{.SecretData}}", "one"];
                    let value = env.run(&words).ok();
                    assert!(value == "old" || value == "new", "{value}");
                }
                // Who makes the next one sweeps: beside the lock there is nothing but that.
                prepare(env);
                assert_eq!(std::fs::read_dir(env.root.store.join("secrets")).unwrap().count(), 2);
            });
        }
        std::fs::remove_file(file).unwrap();
        std::fs::remove_dir_all(env.root.store.join("secrets")).unwrap();
    });
}

#[test]
fn damage_is_named_and_goes_by_its_id() {
    isolated(|env| {
        env.root.run_with(&["secret", "create", "fine", "-"], b"x").ok();
        let id = env.root.run_with(&["secret", "create", "torn", "-"], b"x").ok();
        let record = env.root.store.join("secrets").join(&id).join("secret.json");
        for text in ["", "{", "[]"] {
            std::fs::write(&record, text).unwrap();
            let outcome = env.run(&["secret", "ls", "--format", "{{.Name}}"]);
            assert_eq!(outcome.lines(), ["fine"], "{outcome}");
            assert!(outcome.stderr.contains("secret.json"), "{outcome}");
        }
        std::fs::remove_file(&record).unwrap();
        let outcome = env.run(&["secret", "ls", "-q"]);
        assert!(outcome.lines().len() == 1 && outcome.stderr.contains(&format!("secret rm {id}")), "{outcome}");
        env.run(&["secret", "rm", &id]).ok();
        env.run(&["secret", "rm", "--all"]).ok();
        assert_eq!(env.run(&["secret", "ls", "-q"]).ok(), "");
        std::fs::remove_dir_all(env.root.store.join("secrets")).unwrap();
    });
}
