//! `exec`: its user, directory and variables, its exit codes, its streams.

use super::stage;
use crate::support::isolated;

#[test]
fn a_session_has_its_own_user_directory_and_variables() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none", "-e", "A=container", "-w", "/home"]);
        let exec = |words: &[&str]| env.run(&[&["exec"], words].concat());
        assert_eq!(exec(&["box", "pwd"]).ok(), "/home");
        assert_eq!(exec(&["-w", "/tmp", "box", "pwd"]).ok(), "/tmp");
        assert_eq!(exec(&["box", "sh", "-c", "echo $A"]).ok(), "container");
        assert_eq!(exec(&["-e", "A=session", "box", "sh", "-c", "echo $A"]).ok(), "session");
        // The main group is among the further ones: a process cannot shed it.
        assert_eq!(exec(&["-u", "web", "box", "id"]).ok(), "uid=1000(web) gid=1001(web) groups=1001(web),1002(extra)");
        assert_eq!(exec(&["-u", "1000:5", "box", "id"]).ok(), "uid=1000(web) gid=5 groups=5");
        assert_eq!(env.root.run_with(&["exec", "-i", "box", "cat"], b"typed").ok(), "typed");
        let both = exec(&["box", "sh", "-c", "echo out; echo err >&2"]);
        assert_eq!((both.ok().as_str(), both.stderr.as_str()), ("out", "err\n"));
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn its_exit_code_comes_back() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none"]);
        let exec = |words: &[&str]| env.run(&[&["exec", "box"], words].concat());
        exec(&["sh", "-c", "exit 9"]).exits(9);
        exec(&["sh", "-c", "kill -TERM $$"]).exits(143);
        exec(&["none"]).fails(127, "executable file `none` not found in $PATH");
        exec(&["/etc/passwd"]).fails(126, "Permission denied");
        env.run(&["exec", "box"]).fails(125, "must provide a non-empty command to start an exec session");
        let rights = |flags: &[&str]| {
            env.run(&[&["exec"], flags, &["box", "grep", "CapEff", "/proc/self/status"]].concat()).ok()
        };
        assert_eq!(rights(&[]), "CapEff:\t00000000800405fb");
        assert_ne!(rights(&["--privileged"]), rights(&[]));
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}
