//! `exec --cgroup`: a further process in a cgroup below the container's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::bundle::{Bundle, Runtime, read};
use crate::support::isolated;

const ROOT: &str = "/sys/fs/cgroup";

/// Where a process is in each hierarchy that is mounted here: the controllers and the directory.
fn places(pid: &str) -> BTreeMap<String, PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let place = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let tree = if Path::new(ROOT).join("cgroup.controllers").exists() { "" } else { "unified" };
        let name = if controllers.is_empty() { tree } else { controllers.trim_start_matches("name=") };
        let dir = Path::new(ROOT).join(name).join(path.trim_start_matches('/'));
        dir.is_dir().then(|| (controllers.to_owned(), dir))
    };
    text.lines().filter_map(place).collect()
}

#[test]
fn a_process_is_born_below_the_containers_cgroup() {
    isolated(|env| {
        crate::require!(cgroup);
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        bundle.config("exec sleep 100", json!({"linux": {"resources": {"memory": {"limit": 67_108_864}}}}));
        oci.with(&bundle, &["run", "-d", "c1"]).ok();
        let pid = oci.run(&["state", "c1"]).json()["pid"].to_string();
        let own: BTreeMap<String, PathBuf> = places(&pid).into_iter().filter(|(_, dir)| dir.ends_with("c1")).collect();
        assert!(!own.is_empty(), "{:?}", places(&pid));
        let unified = own.contains_key("") && own.len() == 1;
        let exec = |words: &[&str]| {
            let file = env.place.join("pid");
            let pid_file = file.display().to_string();
            let all = [&["exec", "-d", "--pid-file", &pid_file], words, &["c1", "sleep", "100"]].concat();
            oci.run(&all).ok();
            let pid = read(&file);
            std::fs::remove_file(file).unwrap();
            places(&pid)
        };
        // None is there yet: a process that found none would be outside the limits.
        oci.run(&["exec", "--cgroup", "sub", "c1", "true"]).fails(1, "sub does not exist");
        for dir in own.values() {
            std::fs::create_dir(dir.join("sub")).unwrap();
        }
        for words in ["sub", "/sub/"] {
            let seen = exec(&["--cgroup", words]);
            for (controllers, dir) in &own {
                assert_eq!(seen[controllers], dir.join("sub"), "{words}");
            }
        }
        let seen = exec(&["--cgroup", "/"]);
        assert!(own.iter().all(|(controllers, dir)| seen[controllers] == *dir), "{seen:?}");
        for (word, why) in [
            ("../..", "not a place for a cgroup"),
            ("nowhere:sub", "unknown controller nowhere"),
            (":sub", "a controller has no name"),
            ("memory,memory:sub", "named twice"),
        ] {
            oci.run(&["exec", "--cgroup", word, "c1", "true"]).fails(1, why);
        }
        oci.run(&["exec", "--cgroup", "sub", "--cgroup", "sub", "c1", "true"]).fails(1, "a controller is missing");
        if unified {
            oci.run(&["exec", "--cgroup", "memory:sub", "c1", "true"]).fails(1, "cgroup v2 has one tree");
        } else {
            let seen = exec(&["--cgroup", "memory:sub", "--cgroup", "pids:/"]);
            for (controllers, dir) in &own {
                let below = if controllers == "memory" { dir.join("sub") } else { dir.clone() };
                assert_eq!(seen[controllers], below, "{seen:?}");
            }
            // In one of them it is missing.
            let some = own.iter().find(|(controllers, _)| *controllers == "memory").unwrap().1;
            let words = ["exec", "--cgroup", "memory:other", "c1", "true"];
            oci.run(&words).fails(1, "other does not exist");
            std::fs::create_dir(some.join("other")).unwrap();
            oci.run(&words).ok();
            oci.run(&["exec", "--cgroup", "other", "c1", "true"]).fails(1, "other does not exist");
        }
        oci.run(&["delete", "-f", "c1"]).ok();
        assert!(own.values().all(|dir| !dir.exists()));
    });
}
