//! Hooks that directories define: run at each point of a container's life, for the containers that they are for.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::stage;
use crate::support::env::eventually;
use crate::support::{TestEnv, isolated};

/// Defines the hook `name`, which runs `script` with the stage as its second word.
fn define(dir: &Path, name: &str, stage: &str, when: &str, script: &str) {
    std::fs::create_dir_all(dir).unwrap();
    let definition = serde_json::json!({
        "version": "1.0.0",
        "hook": { "path": "/bin/sh", "args": ["sh", "-c", script, stage], "env": ["PATH=/usr/bin:/bin"] },
        "when": serde_json::from_str::<serde_json::Value>(when).unwrap(),
        "stages": [stage],
    });
    std::fs::write(dir.join(name), definition.to_string()).unwrap();
}

fn run(env: &TestEnv, dir: &Path, words: &[&str]) -> crate::support::Outcome {
    env.run(&[&["--hooks-dir", dir.to_str().unwrap(), "run", "--name", "box", "--network", "none"], words].concat())
}

#[test]
fn hooks_run_at_each_point_with_the_state_of_the_container() {
    isolated(|env| {
        stage::busybox(env);
        let (dir, log) = (env.place.join("hooks"), env.place.join("log"));
        let script = format!(
            "read state; echo \"$0 $(echo \"$state\" | grep -o '\"status\":\"[a-z]*\"')\" >> {}",
            log.display()
        );
        for stage in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
            define(&dir, &format!("{stage}.json"), stage, r#"{"always": true}"#, &script);
        }
        // In the container's namespaces, with the host's files and the root where the bundle has it.
        let inside = format!(
            "cd {}/containers/*/bundle/rootfs && test -e bin/busybox && hostname >> {}",
            env.root.store.display(),
            log.display()
        );
        define(&dir, "x.json", "createContainer", r#"{"commands": ["^sh$"]}"#, &inside);
        run(env, &dir, &["--hostname", "inside", "busybox", "sh", "-c", "exit 3"]).exits(3);
        let told = || std::fs::read_to_string(&log).unwrap_or_default().replace("\"status\":", "");
        let expected = "prestart \"created\"\ncreateRuntime \"created\"\ncreateContainer \"created\"\ninside\n\
                        poststart \"running\"\npoststop \"stopped\"\n";
        eventually("the hook of the end has run", || told() == expected);
        // They are the container's, whoever starts it again.
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::remove_file(&log).unwrap();
        env.run(&["start", "-a", "box"]).exits(3);
        eventually("all hooks have run again", || told() == expected);
        env.run(&["rm", "box"]).ok();
        // An exec runs none.
        define(
            &dir,
            "a.json",
            "createContainer",
            r#"{"annotations": {"^run$": "^once$"}}"#,
            &format!("echo x >> {}", log.display()),
        );
        std::fs::remove_file(&log).unwrap();
        run(env, &dir, &["-d", "--annotation", "run=once", "busybox", "sleep", "1000"]).ok();
        env.run(&["exec", "box", "true"]).ok();
        assert_eq!(told(), "x\n");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

/// R5.
#[test]
fn a_hook_that_fails_or_that_strangers_could_change_keeps_the_container_from_running() {
    isolated(|env| {
        stage::busybox(env);
        let dir = env.place.join("hooks");
        for stage in ["createRuntime", "createContainer", "poststart"] {
            define(&dir, "a.json", stage, r#"{"hasBindMounts": true}"#, "echo refused; exit 7");
            run(env, &dir, &["--rm", "busybox", "true"]).ok();
            let said = run(env, &dir, &["--rm", "-v", "/tmp:/x", "busybox", "sleep", "1000"]);
            said.fails(125, &format!("{stage} hook /bin/sh: exit status 7: refused"));
            assert!(env.run(&["ps", "-aq"]).ok().is_empty());
            env.nothing_is_left();
        }
        let file = dir.join("a.json");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        run(env, &dir, &["--rm", "busybox", "true"]).fails(125, "can be changed by others than root");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&file, r#"{"version": "0.1.0"}"#).unwrap();
        run(env, &dir, &["--rm", "busybox", "true"]).fails(125, "missing field");
        env.run(&["ps", "-aq"]).ok();
    });
}
