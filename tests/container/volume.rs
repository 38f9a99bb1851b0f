//! Volumes with options of their own: `volume create -o type=… -o o=…`.

use super::stage;
use crate::support::isolated;

#[test]
fn a_tmpfs_volume_has_its_options() {
    isolated(|env| {
        stage::busybox(env);
        let create = ["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o"];
        env.run(&[&create[..], &["o=size=1m,mode=0711,uid=7,noexec", "small"]].concat()).ok();
        let run = |volume: &str, script: &str| {
            let words = ["run", "--rm", "--network", "none", "-v", volume, "busybox", "sh", "-c", script];
            env.run(&words).ok()
        };
        let look =
            "stat -c '%a %u' /v; df -k /v | tail -n 1 | awk '{print $2}'; grep -c ' /v .*noexec' /proc/self/mountinfo";
        assert_eq!(run("small:/v", look), "711 7\n1024\n1");
        // What is in it goes with the container; another mount may still be read-only.
        run("small:/v", "touch /v/file");
        assert_eq!(run("small:/v:ro", "ls /v; touch /v/no 2>/dev/null || echo refused"), "refused");
        // It begins with what the image has there.
        let mounted = "grep -q ' /etc ' /proc/self/mountinfo && test -f /etc/passwd && echo both";
        env.run(&["volume", "create", "-o", "type=tmpfs", "plain"]).ok();
        assert_eq!(run("plain:/etc", mounted), "both");
        assert_eq!(run("plain:/etc:nocopy", "ls /etc | grep -v -e host -e resolv || :"), "");
        assert_eq!(
            env.run(&["volume", "inspect", "-f", "{{.Options.o}}", "small"]).ok(),
            "size=1m,mode=0711,uid=7,noexec"
        );
        env.run(&["volume", "rm", "small", "plain"]).ok();
    });
}

#[test]
fn a_bind_volume_shows_its_device_as_it_says() {
    isolated(|env| {
        stage::busybox(env);
        let source = env.place.join("source");
        std::fs::create_dir_all(source.join("deep")).unwrap();
        std::fs::write(source.join("file"), "there").unwrap();
        let device = format!("device={}", source.display());
        let run = |volume: &str, script: &str| {
            env.run(&["run", "--rm", "--network", "none", "-v", volume, "busybox", "sh", "-c", script])
        };
        env.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "open"]).ok();
        env.run(&["volume", "create", "-o", "type=bind", "-o", "o=bind,ro", "-o", &device, "closed"]).ok();
        assert_eq!(run("open:/v", "cat /v/file; touch /v/new").ok(), "there");
        assert!(source.join("new").exists());
        // Who mounts it does not make it writable.
        run("closed:/v:rw", "touch /v/no").exits(1);
        assert!(!source.join("no").exists());
        // A removal leaves what is not the volume's.
        env.run(&["volume", "rm", "open", "closed"]).ok();
        assert!(source.join("file").exists());
        std::fs::remove_dir_all(&source).unwrap();
        env.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "gone"]).ok();
        run("gone:/v", "true").fails(125, "no such file or directory");
        env.run(&["volume", "rm", "gone"]).ok();
    });
}

#[test]
fn options_that_mean_nothing_are_refused() {
    isolated(|env| {
        stage::busybox(env);
        for options in [
            &["type=tmpfs", "o=size=huge,bogus"][..],
            &["type=tmpfs", "o=bind"],
            &["type=none", "o=size=1m", "device=/tmp"],
            &["type=none", "o=bind"],
            &["type=nfs"],
            &["o=size=1m"],
            &["bogus=1"],
        ] {
            let flags: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
            let outcome = env.run(&[&["volume", "create"], &flags[..], &["bad"]].concat());
            assert_eq!(outcome.code, 125, "{outcome}");
            env.nothing_is_left();
        }
    });
}

#[test]
fn what_is_in_a_volume_goes_out_and_comes_in() {
    isolated(|env| {
        stage::busybox(env);
        let archive = env.place.join("volume.tar").display().to_string();
        let run = |volume: &str, script: &str| {
            env.run(&["run", "--rm", "--network", "none", "-v", volume, "busybox", "sh", "-c", script]).ok()
        };
        run("from:/v", "mkdir -m 711 /v/dir; echo text >/v/dir/file; chown 7:8 /v/dir/file; ln -s dir/file /v/link");
        env.run(&["volume", "export", "from", "-o", &archive]).ok();
        env.run(&["volume", "create", "to"]).ok();
        run("to:/v", "echo old >/v/old");
        env.run(&["volume", "import", "to", &archive]).ok();
        let script = "stat -c '%a %u %g' /v/dir /v/dir/file; readlink /v/link; cat /v/link /v/old";
        assert_eq!(run("to:/v", script), "711 0 0\n644 7 8\ndir/file\ntext\nold");
        let mounted = env.run(&["volume", "mount", "to"]).ok();
        assert_eq!(std::fs::read_to_string(format!("{mounted}/dir/file")).unwrap(), "text\n");
        env.run(&["volume", "unmount", "to"]).ok();
        env.run(&["volume", "rm", "from", "to"]).ok();
        env.run(&["volume", "export", "to"]).fails(125, "no such volume to");
    });
}

/// R1, R4.
#[test]
fn a_link_in_a_volume_leads_no_import_out_of_it() {
    isolated(|env| {
        let outside = env.place.join("outside");
        std::fs::create_dir(&outside).unwrap();
        env.run(&["volume", "create", "trap"]).ok();
        let data = env.run(&["volume", "mount", "trap"]).ok();
        std::os::unix::fs::symlink(&outside, format!("{data}/out")).unwrap();
        let tree = env.place.join("tree");
        std::fs::create_dir_all(tree.join("out")).unwrap();
        std::fs::write(tree.join("out/file"), "in").unwrap();
        let archive = env.place.join("trap.tar").display().to_string();
        let tar =
            std::process::Command::new("tar").args(["-C"]).arg(&tree).args(["-cf", &archive, "out/file"]).status();
        assert!(tar.unwrap().success());
        // Whether it is refused or takes the link's place: nothing is written where the link leads.
        drop(env.run(&["volume", "import", "trap", &archive]));
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        env.run(&["volume", "rm", "trap"]).ok();
    });
}

#[test]
fn a_bind_volume_exports_its_device_and_a_tmpfs_nothing() {
    isolated(|env| {
        let source = env.place.join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("file"), "there").unwrap();
        let device = format!("device={}", source.display());
        env.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "bound"]).ok();
        assert_eq!(env.run(&["volume", "mount", "bound"]).ok(), source.display().to_string());
        let archive = env.place.join("bound.tar");
        env.run(&["volume", "export", "bound", "-o", &archive.display().to_string()]).ok();
        let bytes = std::fs::read(&archive).unwrap();
        assert!(bytes.windows(5).any(|window| window == b"there"));
        env.run(&["volume", "create", "-o", "type=tmpfs", "fleeting"]).ok();
        env.run(&["volume", "export", "fleeting"]).fails(125, "is a fresh tmpfs for each container");
        env.run(&["volume", "rm", "bound", "fleeting"]).ok();
    });
}

#[test]
fn a_new_volume_is_the_containers_users() {
    isolated(|env| {
        stage::busybox(env);
        let owner = |flags: &[&str]| {
            let words = [&["run", "--rm"], flags, &["busybox", "stat", "-c", "%u:%g", "/data"]].concat();
            env.run(&words).ok()
        };
        assert_eq!(owner(&["-u", "1234", "-v", "one:/data"]), "1234:0");
        // Who comes later takes it as it is.
        assert_eq!(owner(&["-u", "7", "-v", "one:/data"]), "1234:0");
        assert_eq!(owner(&["-u", "5:6", "-v", "/data"]), "5:6");
        assert_eq!(owner(&["-u", "5:6", "-v", "two:/data:nocopy"]), "5:6");
        assert_eq!(owner(&["-v", "three:/data"]), "0:0");
        // What the image has there decides.
        let words = ["run", "--rm", "-u", "9", "-v", "four:/tmp", "busybox", "stat", "-c", "%u %a", "/tmp"];
        assert_eq!(env.run(&words).ok(), "0 1777");
        assert_eq!(owner(&["--uidmap", "0:100000:5000", "-u", "3:4", "-v", "five:/data"]), "3:4");
        env.run(&["volume", "rm", "-a"]).ok();
    });
}
