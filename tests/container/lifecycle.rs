//! The life of a container: exit codes, states, and what each command says of them.

use super::stage::{self, inspect};
use crate::support::isolated;

#[test]
fn exit_codes_are_podmans() {
    isolated(|env| {
        stage::busybox(env);
        let run = |words: &[&str]| env.run(&[&["run", "--rm", "--network", "none"], words].concat());
        assert_eq!(run(&["busybox", "echo", "hi"]).ok(), "hi");
        run(&["busybox", "sh", "-c", "exit 7"]).exits(7);
        run(&["busybox", "sh", "-c", "sh -c 'kill -KILL $$'; exit $?"]).exits(137);
        run(&["busybox", "none"]).fails(127, "executable file `none` not found in $PATH: No such file or directory");
        run(&["busybox", "/etc/passwd"]).fails(126, "Permission denied");
        run(&["-w", "/none", "busybox", "true"]).fails(126, "workdir \"/none\" does not exist on container");
        run(&["-u", "none", "busybox", "true"])
            .fails(126, "unable to find user none: no matching entries in passwd file");
        run(&["--pull", "never", "none", "true"]).fails(125, "none: image not known");
        run(&["-v", "/none:/x", "busybox", "true"]).fails(125, "statfs /none: no such file or directory");
        assert!(env.run(&["ps", "-aq"]).ok().is_empty());
    });
}

#[test]
fn who_is_killed_can_be_started_at_once() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]).ok();
        for _ in 0..10 {
            env.run(&["kill", "box"]).ok();
            assert_eq!(inspect(env, "box")["State"]["Status"], "exited");
            env.run(&["start", "box"]).ok();
            assert_eq!(env.run(&["exec", "box", "echo", "up"]).ok(), "up");
        }
        env.run(&["pause", "box"]).ok();
        env.run(&["kill", "box"]).ok();
        assert_eq!(inspect(env, "box")["State"]["ExitCode"], 137);
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn a_container_goes_through_its_states() {
    isolated(|env| {
        stage::busybox(env);
        let state = |expected: &str| assert_eq!(inspect(env, "box")["State"]["Status"], expected);
        let id = env.run(&["create", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]).ok();
        state("created");
        for (words, after) in [
            (&["start", "box"][..], "running"),
            (&["pause", "box"], "paused"),
            (&["unpause", "box"], "running"),
            (&["restart", "-t", "0", "box"], "running"),
            (&["stop", "-t", "0", "box"], "exited"),
            (&["start", "box"], "running"),
            (&["kill", "box"], "exited"),
        ] {
            assert_eq!(env.run(words).ok(), "box");
            if words[0] == "kill" {
                assert_eq!(env.run(&["wait", "box"]).ok(), "137");
            }
            state(after);
        }
        // A prefix of the id is a name too.
        assert_eq!(env.run(&["rm", &id[..6]]).ok(), id[..6]);
        env.run(&["container", "exists", "box"]).exits(1);
    });
}

#[test]
fn what_a_state_does_not_allow_is_refused() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]).ok();
        env.run(&["rm", "box"]).fails(2, "running or paused containers cannot be removed without force");
        env.run(&["unpause", "box"]).fails(125, "is not paused, can't unpause: container state improper");
        env.run(&["run", "--name", "box", "busybox"]).fails(125, "the container name \"box\" is already in use by");
        env.run(&["pause", "box"]).ok();
        env.run(&["pause", "box"]).fails(125, "is already paused: container state improper");
        env.run(&["exec", "box", "true"]).fails(255, "can only create exec sessions on running containers");
        env.run(&["stop", "-t", "0", "box"]).ok();
        assert_eq!(env.run(&["stop", "box"]).ok(), "box");
        env.run(&["kill", "box"]).fails(125, "can only kill running containers.");
        env.run(&["attach", "box"]).fails(125, "you can only attach to running containers");
        env.run(&["top", "box"]).fails(125, "top can only be used on running containers");
        env.run(&["exec", "box", "true"]).fails(255, "can only create exec sessions on running containers");
        env.run(&["rm", "box"]).ok();
        env.run(&["rm", "box"]).fails(1, "no container with name or ID \"box\" found: no such container");
        assert!(env.run(&["rm", "-i", "box"]).ok().is_empty());
        assert!(env.run(&["rm", "-f", "box"]).ok().is_empty());
        for verb in ["start", "stop", "kill", "restart", "pause", "unpause", "wait", "logs", "top", "port", "attach"] {
            env.run(&[verb, "box"]).fails(125, "no container with name or ID \"box\" found: no such container");
        }
        env.run(&["exec", "box", "true"]).fails(125, "no such container");
    });
}

#[test]
fn a_stop_signal_is_heard_and_the_exit_code_kept() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--stop-signal", "USR1", "--network", "none"]);
        env.run(&["stop", "-t", "60", "box"]).ok();
        assert_eq!(inspect(env, "box")["State"]["ExitCode"], 7);
        assert_eq!(env.run(&["wait", "box"]).ok(), "7");
        env.run(&["start", "box"]).ok();
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn a_file_has_the_id_and_a_name_is_replaced() {
    isolated(|env| {
        stage::busybox(env);
        let file = env.place.join("id");
        let path = file.display().to_string();
        let words = ["create", "--replace", "--name", "box", "--network", "none", "--cidfile", &path, "busybox"];
        let id = env.run(&words).ok();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), id);
        env.run(&words).fails(125, "container id file exists");
        std::fs::remove_file(&file).unwrap();
        let second = env.run(&words).ok();
        assert_ne!(second, id);
        assert_eq!(env.run(&["ps", "-aq", "--no-trunc"]).ok(), second);
        assert_eq!(env.run(&["rm", "-a"]).ok(), second);
    });
}

#[test]
fn standard_input_arrives_to_its_end() {
    isolated(|env| {
        stage::busybox(env);
        let input = vec![b'x'; 3 << 20];
        let words = ["run", "-i", "--rm", "--network", "none", "busybox", "wc", "-c"];
        assert_eq!(env.root.run_with(&words, &input).ok(), (3 << 20).to_string());
        let without = ["run", "--rm", "--network", "none", "busybox", "wc", "-c"];
        assert_eq!(env.root.run_with(&without, b"unread").ok(), "0");
        env.run(&["create", "-i", "--name", "box", "--network", "none", "busybox", "cat"]).ok();
        assert_eq!(env.root.run_with(&["start", "-a", "-i", "box"], b"again\n").ok(), "again");
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn who_depends_on_a_container_goes_with_it() {
    isolated(|env| {
        stage::busybox(env);
        let run = |name: &str, flags: &[&str]| {
            let words = [&["run", "-d", "--name", name], flags, &["busybox", "sleep", "1000"]].concat();
            env.run(&words).ok()
        };
        let first = run("first", &["--network", "none"]);
        let second = run("second", &["--network", "container:first"]);
        let third = run("third", &["--network", "none", "--ipc", "container:second"]);
        let other = run("other", &["--network", "none"]);
        let gone = env.run(&["rm", "-f", "-t", "0", "--depend", "first"]).lines();
        assert_eq!(gone, [third.as_str(), &second, "first"]);
        assert_eq!(env.run(&["ps", "-aq", "--no-trunc"]).ok(), other);
        env.run(&["rm", "-f", "-t", "0", "other"]).ok();
        assert_ne!(first, other);
    });
}
