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
