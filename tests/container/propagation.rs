//! Mount propagation: what is mounted below a bind after the start, on either side, and read-only trees.

use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::stage;
use crate::support::isolated;

fn tmpfs(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
}

#[test]
fn mounts_pass_as_they_were_asked_to() {
    isolated(|env| {
        stage::busybox(env);
        let source = env.place.join("source");
        tmpfs(&source);
        for name in ["host", "inner"] {
            std::fs::create_dir(source.join(name)).unwrap();
        }
        mount(None::<&str>, &source, None::<&str>, MsFlags::MS_SHARED, None::<&str>).unwrap();
        for (propagation, into, out) in [
            ("rshared", true, true),
            ("shared", true, true),
            ("rslave", true, false),
            ("slave", true, false),
            ("rprivate", false, false),
            ("private", false, false),
            ("", false, false),
        ] {
            env.rebase();
            let options = if propagation.is_empty() { String::new() } else { format!(":{propagation}") };
            let volume = format!("{}:/x{options}", source.display());
            let words = ["run", "-d", "--name", "box", "--network", "none", "--cap-add", "SYS_ADMIN"];
            let rest = ["--security-opt", "seccomp=unconfined", "-v", &volume, "busybox", "sleep", "1000"];
            env.run(&[&words[..], &rest].concat()).ok();
            mount(Some("tmpfs"), &source.join("host"), Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
            let seen = env.run(&["exec", "box", "grep", "-q", " /x/host ", "/proc/self/mountinfo"]).code == 0;
            assert_eq!(seen, into, "{propagation:?}: from the host into the container");
            env.run(&["exec", "box", "mount", "-t", "tmpfs", "inside", "/x/inner"]).ok();
            let seen = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
            let seen = seen.contains(&format!(" {} ", source.join("inner").display()));
            assert_eq!(seen, out, "{propagation:?}: from the container to the host");
            if seen {
                umount2(&source.join("inner"), MntFlags::MNT_DETACH).unwrap();
            }
            umount2(&source.join("host"), MntFlags::MNT_DETACH).unwrap();
            env.run(&["rm", "-f", "-t", "0", "box"]).ok();
            env.nothing_is_left();
        }
        umount2(&source, MntFlags::MNT_DETACH).unwrap();
        std::fs::remove_dir(&source).unwrap();
        env.rebase();
    });
}

#[test]
fn what_lies_below_a_bind_comes_along_read_only_where_asked() {
    isolated(|env| {
        stage::busybox(env);
        let source = env.place.join("source");
        tmpfs(&source);
        tmpfs(&source.join("sub"));
        let path = source.display().to_string();
        let run = |options: &str, script: &str| {
            let volume = format!("{path}:/x{options}");
            let script = format!("below() {{ grep -q ' /x/sub ' /proc/self/mountinfo; }}; {script}");
            let words = ["run", "--rm", "--network", "none", "-v", &volume, "busybox", "sh", "-c", &script];
            env.run(&words).code == 0
        };
        assert!(run("", "below && touch /x/a /x/sub/a"));
        assert!(run(":bind", "! below"));
        // As with podman, `ro` is of the mount itself; `rro` is of all below it.
        assert!(run(":ro", "! touch /x/b && touch /x/sub/b"));
        assert!(run(":rro", "! touch /x/c && ! touch /x/sub/c"));
        assert!(source.join("sub/b").exists() && !source.join("sub/c").exists());
        umount2(&source.join("sub"), MntFlags::MNT_DETACH).unwrap();
        umount2(&source, MntFlags::MNT_DETACH).unwrap();
        std::fs::remove_dir(&source).unwrap();
        env.rebase();
    });
}
