//! What the shells are told about a command line that is being typed.

use std::process::Command;

use super::stage;
use crate::support::env::finished;
use crate::support::isolated;

#[test]
fn names_flags_and_values_are_offered() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["create", "--name", "web1", "--network=none", "-v", "data:/d", "busybox"]).ok();
        env.run(&["create", "--name", "db", "--network=none", "busybox"]).ok();
        let file = env.place.join("file");
        std::fs::write(&file, "text").unwrap();
        env.run(&["artifact", "add", "thing", file.to_str().unwrap()]).ok();
        env.ignore(&format!("file: {}", env.root.store.join("images/artifacts").display()));
        let (store, runtime) = (env.root.store.display().to_string(), env.root.runtime.display().to_string());
        let ask = |words: &[&str]| {
            let mut command = env.root.command(&env.root.binary);
            command.args([&["__complete", "--root", &store, "--runroot", &runtime], words].concat());
            let words: Vec<String> =
                finished(command, b"").lines().iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
            words.join(" ")
        };
        for (words, want) in [
            (&["unp"][..], "unpause :none"),
            (&["volume", "pr"], "prune :none"),
            (&["start", ""], "db web1 :none"),
            (&["start", "db", "w"], "web1 :none"),
            (&["rm", "-f", "w"], "web1 :none"),
            (&["stop", "-t", "5", "w"], "web1 :none"),
            (&["cp", "w"], "web1: :files"),
            (&["run", "--network", "no"], "none :none"),
            (&["run", "--network=ho"], "--network=host :none"),
            (&["run", "--rm", "--hostn"], "--hostname :none"),
            (&["run", "-it", "--rm", "busy"], "busybox:latest :none"),
            (&["run", "busybox", "--hostn"], ":none"),
            (&["run", "--cidfile", "x"], ":files"),
            (&["volume", "rm", "d"], "data :files"),
            (&["artifact", "rm", ""], "localhost/thing:latest :none"),
            (&["completion", "z"], "zsh :none"),
            (&["--log-level", "deb"], "debug :none"),
            (&["nonsense", "x"], ":none"),
        ] {
            assert_eq!(ask(words), want, "{words:?}");
        }
        // bash cuts words where names of images have colons.
        let script = env.root.run(&["completion", "bash"]).ok();
        let test = r#"COMP_LINE="$1" COMP_POINT=${#1}; IFS=' ' read -ra COMP_WORDS <<<"${1//:/ : }"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _dhow; echo "${COMPREPLY[@]}""#;
        let bin = env.root.binary.parent().unwrap().display().to_string();
        let typed = |line: &str| {
            let line = format!("dhow --root {store} --runroot {runtime} {line}");
            let mut command: Command = env.root.command("bash");
            command.env("PATH", format!("{bin}:/usr/bin:/bin"));
            command.args(["-c", &format!("{script}\n{test}"), "bash", &line]);
            finished(command, b"").ok()
        };
        assert_eq!(typed("run busybox:la"), "latest");
        assert_eq!(typed("start w"), "web1");
        env.run(&["rm", "web1", "db"]).ok();
        env.run(&["volume", "rm", "data"]).ok();
        env.run(&["artifact", "rm", "thing"]).ok();
    });
}
