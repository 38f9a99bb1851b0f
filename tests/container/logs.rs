//! `logs` in both formats: order, tails, times, following, rotation.

use std::collections::BTreeMap;
use std::process::Stdio;

use super::stage::{self, code};
use crate::support::isolated;

#[test]
fn both_formats_tell_the_same() {
    isolated(|env| {
        stage::busybox(env);
        for driver in ["k8s-file", "json-file"] {
            let script = "echo one; printf 'three \\\"x\\\"\\tü'";
            let words =
                ["run", "--name", "box", "--network", "none", "--log-driver", driver, "busybox", "sh", "-c", script];
            env.run(&words).ok();
            let logs = |flags: &[&str]| env.run(&[&["logs"], flags, &["box"]].concat());
            let all = logs(&[]);
            assert_eq!(all.ok(), "one\nthree \\\"x\\\"\tü", "{driver}");
            assert_eq!(logs(&["--tail", "1"]).ok(), "three \\\"x\\\"\tü", "{driver}");
            assert_eq!(logs(&["--tail", "0"]).ok(), "");
            assert_eq!(logs(&["--since", "1h"]).ok(), all.ok());
            assert_eq!(logs(&["--until", "2000-01-01T00:00:00Z"]).ok(), "");
            assert_eq!(logs(&["--since", "2100-01-01T00:00:00Z"]).ok(), "");
            let first = logs(&["-t"]).lines().remove(0);
            let (time, text) = first.split_once(' ').unwrap();
            assert!(time.len() >= 20 && time.contains('T') && text == "one", "{driver}: {first}");
            assert_eq!(logs(&["-f"]).ok(), all.ok(), "a follower of what has ended ends");
            env.run(&["rm", "box"]).ok();
        }
    });
}

/// What a record for the journal says: its fields, each with a length.
fn fields(mut record: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while let Some(at) = record.iter().position(|byte| *byte == b'\n') {
        let (key, rest) = (String::from_utf8_lossy(&record[..at]).into_owned(), &record[at + 1..]);
        let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
        fields.insert(key, String::from_utf8_lossy(&rest[8..8 + length]).into_owned());
        record = &rest[8 + length + 1..];
    }
    fields
}

#[test]
fn the_journal_gets_a_copy() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "--name", "box", "--network", "none", "--log-driver", "journald", "--log-opt", "tag=mark"];
        let run = || env.run(&[&words[..], &["busybox", "sh", "-c", "echo one; printf two >&2"]].concat());
        run().fails(125, "there is no journal on this host");
        let directory = std::path::Path::new("/run/systemd/journal");
        std::fs::create_dir_all(directory).unwrap();
        let journal = std::os::unix::net::UnixDatagram::bind(directory.join("socket")).unwrap();
        journal.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        assert_eq!(run().ok(), "one");
        let id = env.run(&["inspect", "box", "--format", "{{.Id}} {{.HostConfig.LogConfig.Type}}"]).ok();
        let (id, driver) = id.split_once(' ').unwrap();
        assert_eq!(driver, "journald");
        let mut records: Vec<_> = (0..2)
            .map(|_| {
                let mut buffer = [0; 4096];
                let length = journal.recv(&mut buffer).unwrap();
                fields(&buffer[..length])
            })
            .collect();
        records.sort_by_key(|record| record["MESSAGE"].clone());
        for (record, message, priority, partial) in
            [(&records[0], "one", "6", None), (&records[1], "two", "3", Some("true"))]
        {
            assert_eq!(record["MESSAGE"], message);
            assert_eq!(record["PRIORITY"], priority);
            assert_eq!(record.get("CONTAINER_PARTIAL_MESSAGE").map(String::as_str), partial);
            assert_eq!(record["CONTAINER_ID_FULL"], id);
            assert_eq!(record["CONTAINER_ID"], id[..12]);
            assert_eq!(record["CONTAINER_NAME"], "box");
            assert_eq!((&record["CONTAINER_TAG"], &record["SYSLOG_IDENTIFIER"]), (&"mark".into(), &"mark".into()));
        }
        assert_eq!(env.run(&["logs", "box"]).ok(), "one");
        // A journal that is gone, or does not read, costs nothing but its copy.
        drop(journal);
        assert_eq!(env.run(&["start", "-a", "box"]).ok(), "one");
        env.run(&["rm", "box"]).ok();
        std::fs::remove_dir_all("/run/systemd").unwrap();
    });
}

#[test]
fn nothing_is_lost_under_the_cap_and_the_cap_holds() {
    isolated(|env| {
        stage::busybox(env);
        let numbers: Vec<String> = (1..=200_000).map(|n: u32| n.to_string()).collect();
        let run = |options: &[&str]| {
            let base = ["run", "--name", "box", "--network", "none"];
            env.run(&[&base, options, &["busybox", "seq", "1", "200000"]].concat()).lines()
        };
        assert_eq!(run(&[]), numbers);
        assert_eq!(env.run(&["logs", "box"]).lines(), numbers);
        env.run(&["rm", "box"]).ok();
        assert_eq!(run(&["--log-opt", "max-size=1m"]), numbers);
        let kept = env.run(&["logs", "box"]).lines();
        assert!(kept.len() < numbers.len() && numbers.ends_with(&kept), "the newest lines stay: {}", kept.len());
        env.run(&["rm", "box"]).ok();
        assert_eq!(run(&["--log-driver", "none"]), numbers);
        env.run(&["logs", "box"]).exits(125);
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn a_follower_hears_all_until_the_end() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none"]);
        let out = env.place.join("followed");
        let mut command = env.dhow(&["logs", "-f", "box"]);
        command.stdin(Stdio::null()).stdout(std::fs::File::create(&out).unwrap());
        let follower = command.spawn().unwrap();
        let heard = || std::fs::read_to_string(&out).unwrap();
        crate::support::env::eventually("the follower hears", || heard() == "ready\n");
        env.run(&["kill", "-s", "USR1", "box"]).ok();
        assert_eq!(code(follower), 0);
        assert_eq!(heard(), "ready\n");
        std::fs::remove_file(out).unwrap();
        env.run(&["rm", "box"]).ok();
    });
}
