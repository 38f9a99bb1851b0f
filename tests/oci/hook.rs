//! Hooks of all six kinds: when they run, where, with which state, and what their failure means.

use serde_json::{Value, json};

use super::bundle::{Bundle, Runtime, read};
use crate::support::env::eventually;
use crate::support::{TestEnv, isolated};

const POINTS: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A hook of the host's shell that writes its name, its mount namespace and the state as a line; then `then`.
fn writing(env: &TestEnv, point: &str, then: &str) -> Value {
    let log = env.place.join("log");
    let script = format!("echo {point} $(readlink /proc/self/ns/mnt) $(cat) >> {}; {then}", log.display());
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]})
}

/// What a hook wrote: its mount namespace and the state.
fn written(env: &TestEnv, point: &str) -> (String, Value) {
    let log = read(&env.place.join("log"));
    let line = log.lines().find(|line| line.starts_with(point)).unwrap_or_else(|| panic!("no {point} in {log}"));
    let mut words = line.splitn(3, ' ').skip(1);
    let namespace = words.next().unwrap().to_owned();
    (namespace, serde_json::from_str(words.next().unwrap()).unwrap())
}

#[test]
fn hooks_run_in_their_order_and_place_with_the_state() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let mut hooks = json!({});
        for point in POINTS.iter().filter(|point| **point != "startContainer") {
            hooks[point] = json!([writing(env, point, "true")]);
        }
        // Inside: of the container's own files.
        let inside = "cat > /state; readlink /proc/self/ns/mnt > /namespace";
        hooks["startContainer"] = json!([{"path": "/bin/sh", "args": ["sh", "-c", inside], "env": ["PATH=/bin"]}]);
        // Before the root is changed the bundle's rootfs has the container's mounts, in the container's namespace alone.
        let rootfs = bundle.root();
        let seen = format!("test -e {0}/proc/1 && echo yes > {0}/seen", rootfs.display());
        hooks["createContainer"] = json!([writing(env, "createContainer", &seen)]);
        bundle.config("exec sleep 100", json!({"hooks": hooks, "annotations": {"x": "y"}}));
        oci.with(&bundle, &["create", "c1"]).ok();
        let pid = oci.run(&["state", "c1"]).json()["pid"].clone();
        let host = std::fs::read_link("/proc/self/ns/mnt").unwrap().display().to_string();
        let container = std::fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap().display().to_string();
        assert_ne!(host, container);
        assert!(!rootfs.join("state").exists());
        oci.run(&["start", "c1"]).ok();
        oci.run(&["delete", "-f", "c1"]).ok();
        for (point, namespace, status, pid) in [
            ("prestart", &host, "created", &pid),
            ("createRuntime", &host, "created", &pid),
            ("createContainer", &container, "created", &json!(1)),
            ("poststart", &host, "running", &pid),
            ("poststop", &host, "stopped", &Value::Null),
        ] {
            let (place, state) = written(env, point);
            assert_eq!(&place, namespace, "{point}");
            assert_eq!((&state["status"], &state["pid"]), (&json!(status), pid), "{point}");
            assert_eq!((&state["id"], &state["annotations"]["x"]), (&json!("c1"), &json!("y")), "{point}");
            assert_eq!(state["bundle"], bundle.path.to_str().unwrap(), "{point}");
        }
        let state: Value = serde_json::from_str(&read(&rootfs.join("state"))).unwrap();
        assert_eq!((&state["status"], &state["pid"]), (&json!("created"), &json!(1)));
        assert_eq!(read(&rootfs.join("namespace")), container);
        assert_eq!(read(&rootfs.join("seen")), "yes");
        let log = read(&env.place.join("log"));
        let order: Vec<&str> = log.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(order, ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]);
        std::fs::remove_file(env.place.join("log")).unwrap();
    });
}

#[test]
fn a_hook_that_fails_fails_the_container_and_poststop_still_runs() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        for point in ["prestart", "createRuntime", "createContainer"] {
            let hooks = json!({point: [writing(env, point, "echo no luck; exit 3")], "poststop": [writing(env, "poststop", "true")]});
            bundle.config("exec sleep 100", json!({"hooks": hooks}));
            let words = format!("{point} hook /bin/sh: exit status 3: no luck");
            oci.with(&bundle, &["create", "c1"]).fails(1, &words);
            assert!(oci.is_empty(), "{point}");
            assert_eq!(written(env, "poststop").1["status"], "stopped", "{point}");
            std::fs::remove_file(env.place.join("log")).unwrap();
        }
        // Of the container's own shell.
        let failing = json!({"path": "/bin/sh", "args": ["sh", "-c", "echo inside; exit 4"]});
        bundle.config("touch /ran", json!({"hooks": {"startContainer": [failing]}}));
        oci.with(&bundle, &["create", "c1"]).ok();
        oci.run(&["start", "c1"]).fails(1, "startContainer hook /bin/sh: exit status 4: inside");
        eventually("it is stopped", || oci.status("c1") == "stopped");
        assert!(!bundle.root().join("ran").exists());
        oci.run(&["delete", "c1"]).ok();
        bundle.config("exec sleep 100", json!({"hooks": {"poststart": [writing(env, "poststart", "exit 5")]}}));
        oci.with(&bundle, &["create", "c1"]).ok();
        oci.run(&["start", "c1"]).fails(1, "poststart hook /bin/sh: exit status 5");
        eventually("it is stopped", || oci.status("c1") == "stopped");
        oci.run(&["delete", "c1"]).ok();
        oci.with(&bundle, &["run", "c1"]).fails(1, "poststart hook /bin/sh: exit status 5");
        assert!(oci.is_empty());
        // After the end it is a warning.
        bundle.config("true", json!({"hooks": {"poststop": [writing(env, "poststop", "exit 6")]}}));
        let outcome = oci.with(&bundle, &["run", "c1"]);
        outcome.ok();
        assert!(outcome.stderr.contains("warning: poststop hook /bin/sh: exit status 6"), "{outcome}");
        std::fs::remove_file(env.place.join("log")).unwrap();
        assert!(oci.is_empty());
    });
}
