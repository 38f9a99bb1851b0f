//! Containers that another OCI runtime makes for an ordinary user.

use crate::support::env::UID;
use crate::support::isolated;
use crate::{require, user};

#[test]
fn a_users_containers_are_made_by_another_runtime() {
    require!(root, newuidmap, busybox, crun, runc);
    isolated(|env| {
        // crun refuses this tree where hierarchies of version 1 are beside it.
        let unified = std::path::Path::new("/sys/fs/cgroup/unified");
        if unified.join("cgroup.controllers").exists() {
            nix::mount::umount2(unified, nix::mount::MntFlags::MNT_DETACH).unwrap();
            env.rebase();
        }
        user::busybox(env);
        for runtime in ["crun", "runc"] {
            let with = |words: &[&str]| env.user.run(&[&["--runtime", runtime], words].concat());
            let outcome = with(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", "id -u; exit 4"]);
            outcome.exits(4);
            assert_eq!(outcome.text(), "0");
            let outcome = with(&["run", "--rm", "--userns", "keep-id", "--network", "none", "busybox", "id", "-u"]);
            assert_eq!(outcome.ok(), UID.to_string());
            with(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]).ok();
            assert_eq!(env.user.run(&["exec", "box", "echo", "here"]).ok(), "here");
            env.user.run(&["stop", "-t", "0", "box"]).ok();
            env.user.run(&["start", "box"]).ok();
            env.user.run(&["rm", "-f", "-t", "0", "box"]).ok();
        }
    });
}

#[test]
fn a_users_device_may_have_another_path() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        user::busybox(env);
        let run = ["run", "--rm", "--network", "none"];
        let words = ["--device", "/dev/zero:/dev/other", "busybox", "sh", "-c", "head -c 2 /dev/other | wc -c"];
        assert_eq!(env.user.run(&[&run[..], &words].concat()).ok(), "2");
        let dir = env.user.home.join("cdi");
        std::fs::create_dir(&dir).unwrap();
        let text = "cdiVersion: 0.6.0\nkind: v.com/d\ndevices:\n- name: one\n  containerEdits:\n    deviceNodes:\n    \
                    - {path: /dev/one, hostPath: /dev/zero}\n    - {path: /dev/full}\n";
        std::fs::write(dir.join("v.yaml"), text).unwrap();
        let with = ["--cdi-spec-dir", dir.to_str().unwrap()];
        let words = ["--device", "v.com/d=one", "busybox", "sh", "-c", "head -c 2 /dev/one | wc -c; test -c /dev/full"];
        assert_eq!(env.user.run(&[&with[..], &run, &words].concat()).ok(), "2");
    });
}
