//! `events`: each change is told once, by whoever made it, and as it comes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::image::Image;
use crate::support::{TestEnv, isolated};

/// What happened, as `type status name`.
fn told(env: &TestEnv, flags: &[&str]) -> Vec<String> {
    let mut words = vec!["events", "--stream=false", "--format", "{{.Type}} {{.Status}} {{.Name}}"];
    words.extend(flags);
    env.run(&words).text().lines().map(str::to_owned).collect()
}

fn load(env: &TestEnv) {
    env.load(&Image::busybox(), "busybox").ok();
}

#[test]
fn the_life_of_a_container_is_told_once_whoever_makes_it() {
    isolated(|env| {
        load(env);
        env.run(&["run", "--rm", "--name", "a", "--network", "none", "--label", "k=v", "busybox", "true"]).ok();
        let want =
            ["create", "init", "start", "attach", "died", "remove"].map(|status| format!("container {status} a"));
        assert_eq!(told(env, &["--filter", "container=a"]), want);
        let code = env.run(&["run", "--name", "b", "--network", "none", "busybox", "sh", "-c", "exit 3"]);
        code.exits(3);
        let died = env.run(&["events", "--stream=false", "--filter", "event=died", "--format", "json"]);
        let died: Vec<serde_json::Value> =
            died.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(died.len(), 2);
        assert_eq!((&died[0]["ContainerExitCode"], &died[0]["Attributes"]["k"]), (&0.into(), &"v".into()));
        assert_eq!((&died[1]["ContainerExitCode"], &died[1]["Name"]), (&3.into(), &"b".into()));
        env.run(&["start", "-a", "b"]).exits(3);
        env.run(&["rename", "b", "c"]).ok();
        env.run(&["rm", "c"]).ok();
        let want = [
            "create b",
            "init b",
            "start b",
            "attach b",
            "died b",
            "cleanup b",
            "init b",
            "start b",
            "attach b",
            "died b",
            "cleanup b",
            "rename c",
            "remove c",
        ];
        let all = told(env, &["--filter", "type=container", "--filter", "label!=k"]);
        assert_eq!(all, want.map(|text| format!("container {text}")));
    });
}

#[test]
fn what_users_do_to_a_running_container_is_told() {
    isolated(|env| {
        load(env);
        env.run(&["run", "-d", "--name", "up", "--network", "none", "-v", "data:/d", "busybox", "sleep", "1000"]).ok();
        env.run(&["exec", "up", "true"]).ok();
        env.run(&["pause", "up"]).ok();
        env.run(&["unpause", "up"]).ok();
        env.run(&["restart", "-t", "0", "up"]).ok();
        env.run(&["stop", "-t", "0", "up"]).ok();
        env.run(&["stop", "up"]).ok();
        env.run(&["start", "up"]).ok();
        env.run(&["kill", "up"]).ok();
        env.run(&["wait", "up"]).ok();
        // The end is written down by now, or by the next who looks.
        env.run(&["rm", "up"]).ok();
        let want = [
            "create",
            "init",
            "start",
            "exec",
            "exec_died",
            "pause",
            "unpause",
            "restart",
            "stop",
            "died",
            "cleanup",
            "init",
            "start",
            "stop",
            "died",
            "cleanup",
            "init",
            "start",
            "kill",
            "died",
            "cleanup",
            "remove",
        ];
        assert_eq!(told(env, &["--filter", "container=up"]), want.map(|status| format!("container {status} up")));
        env.run(&["volume", "rm", "data"]).ok();
        assert_eq!(told(env, &["--filter", "type=volume"]), ["volume create data", "volume remove data"]);
    });
}

#[test]
fn checks_and_sessions_are_told_by_who_watches_them() {
    isolated(|env| {
        load(env);
        let words = ["run", "-d", "--name", "up", "--network", "none", "--health-cmd", "test ! -e /ill"];
        let more = ["--health-interval", "100ms", "--health-retries", "1", "busybox", "sleep", "1000"];
        env.run(&[&words[..], &more].concat()).ok();
        env.run(&["wait", "--condition", "healthy", "up"]).ok();
        env.run(&["exec", "up", "sh", "-c", "touch /ill; exit 4"]).exits(4);
        env.run(&["wait", "--condition", "unhealthy", "up"]).ok();
        let ask = |event: &str, format: &str| {
            env.run(&["events", "--stream=false", "--filter", event, "--format", format]).lines()
        };
        assert_eq!(ask("event=exec_died", "{{.ContainerExitCode}} {{.Name}}"), ["4 up"]);
        // The change, not each check.
        assert_eq!(ask("event=health_status", "{{.HealthStatus}}"), ["healthy", "unhealthy"]);
        let line = env.run(&["events", "--stream=false", "--filter", "event=health_status"]).text();
        assert!(line.contains("name=up, health_status=unhealthy"), "{line}");
        env.run(&["rm", "-f", "-t", "0", "up"]).ok();
    });
}

#[test]
fn who_keeps_events_can_be_chosen() {
    isolated(|env| {
        load(env);
        let with = |backend: &str, words: &[&str]| env.run(&[&["--events-backend", backend][..], words].concat());
        let create = ["create", "--name", "box", "--network", "none", "busybox", "true"];
        let before = told(env, &[]).len();
        with("none", &create).ok();
        with("none", &["start", "-a", "box"]).ok();
        with("none", &["rm", "box"]).ok();
        assert_eq!(told(env, &[]).len(), before, "{:?}", told(env, &[]));
        with("none", &["events", "--stream=false"]).fails(125, "cannot read events with the \"none\" backend");
        with("foo", &["ps"]).fails(125, "\"foo\" is not a valid events backend");
        with("journald", &["ps"]).fails(125, "there is no journal on this host");
        for (backend, shown) in [("none", "none"), ("file", "file"), ("", "file")] {
            assert_eq!(with(backend, &["info", "--format", "{{.Host.EventLogger}}"]).ok(), shown);
        }
        let directory = std::path::Path::new("/run/systemd/journal");
        std::fs::create_dir_all(directory).unwrap();
        let journal = std::os::unix::net::UnixDatagram::bind(directory.join("socket")).unwrap();
        with("journald", &create).ok();
        let mut buffer = [0; 4096];
        let length = journal.recv(&mut buffer).unwrap();
        let record = String::from_utf8_lossy(&buffer[..length]).into_owned();
        for text in ["PODMAN_EVENT", "create", "PODMAN_NAME", "box", "PODMAN_TYPE", "container", "PODMAN_IMAGE"] {
            assert!(record.contains(text), "{text}: {record:?}");
        }
        assert_eq!(told(env, &[]).len(), before + 1);
        drop(journal);
        std::fs::remove_dir_all("/run/systemd").unwrap();
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn images_are_told() {
    isolated(|env| {
        load(env);
        env.run(&["tag", "busybox", "second"]).ok();
        env.run(&["untag", "busybox", "second"]).ok();
        env.run(&["create", "--name", "c", "--network", "none", "busybox"]).ok();
        env.run(&["commit", "-q", "c", "third"]).ok();
        env.run(&["rm", "c"]).ok();
        env.run(&["rmi", "third"]).ok();
        let all = told(env, &["--filter", "type=image"]);
        let statuses: Vec<&str> = all.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(statuses, ["loadfromarchive", "tag", "untag", "untag", "remove"], "{all:?}");
        assert_eq!(told(env, &["--filter", "event=commit"]), ["container commit c"]);
    });
}

#[test]
fn who_follows_gets_each_change_as_it_comes() {
    isolated(|env| {
        load(env);
        env.run(&["volume", "create", "before"]).ok();
        let mut command = env.root.dhow(&["events", "--filter", "type=volume", "--format", "{{.Status}} {{.Name}}"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It tells what comes after it began to look: the first of these that it tells says that it does.
        let mut seen = None;
        let mut made = 0;
        let begun = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let first = lines.next().unwrap().unwrap();
            begun.0.send(first).unwrap();
            lines.map(Result::unwrap).take_while(|line| line != "create end").collect::<Vec<_>>()
        });
        while seen.is_none() {
            env.run(&["volume", "create", &format!("v{made}")]).ok();
            made += 1;
            seen = begun.1.try_recv().ok();
        }
        let first: usize = seen.unwrap().strip_prefix("create v").unwrap().parse().unwrap();
        env.run(&["volume", "create", "end"]).ok();
        let rest = reader.join().unwrap();
        assert_eq!(rest, (first + 1..made).map(|number| format!("create v{number}")).collect::<Vec<_>>());
        child.kill().unwrap();
        child.wait().unwrap();
        // Until a moment that comes; since the beginning.
        let all = env.run(&["events", "--since", "0", "--until", "1ms", "--filter", "volume=before"]).text();
        assert!(all.trim_end().ends_with("volume create before"), "{all}");
        env.run(&["volume", "prune", "-f"]).ok();
    });
}
