//! What a container may not do, unless it is told.

use super::stage;
use crate::support::isolated;

/// R23, Defaults.
#[test]
fn rights_are_few_and_asked_for() {
    isolated(|env| {
        stage::busybox(env);
        let run = |flags: &[&str], script: &str| {
            let base = ["run", "--rm", "--network", "none"];
            env.run(&[&base, flags, &["busybox", "sh", "-c", script]].concat())
        };
        let status = |field: &str| format!("awk '$1 == \"{field}:\" {{print $2}}' /proc/self/status");
        for (flags, field, value) in [
            (&[][..], "CapEff", "00000000800405fb"),
            (&[], "CapBnd", "00000000800405fb"),
            (&["-u", "1000"], "CapEff", "0000000000000000"),
            (&["--cap-drop", "all", "--cap-add", "net_raw"], "CapEff", "0000000000002000"),
            (&[], "Seccomp", "2"),
            (&["--security-opt", "seccomp=unconfined"], "Seccomp", "0"),
            (&["--privileged"], "Seccomp", "0"),
            (&[], "NoNewPrivs", "0"),
            (&["--security-opt", "no-new-privileges"], "NoNewPrivs", "1"),
        ] {
            assert_eq!(run(flags, &status(field)).ok(), value, "{flags:?} {field}");
        }
        run(&["--cap-add", "bogus"], "true").fails(125, "unknown capability");
        run(&["--security-opt", "bogus=1"], "true").fails(125, "invalid --security-opt");
        // The filter says no, whatever the rights.
        let denied = run(&[], "unshare -m true");
        assert!(denied.code == 1 && denied.stderr.contains("Operation not permitted"), "{denied}");
        run(&["--privileged"], "unshare -m true").ok();
        run(&[], "echo x > /proc/sys/kernel/hostname").exits(1);
        assert_eq!(run(&[], "ls /proc/acpi /sys/firmware | grep -v : | grep -c .").text(), "0");
        assert_eq!(run(&[], "cat /proc/keys /proc/timer_list 2>/dev/null | wc -c").ok(), "0");
    });
}

#[test]
fn devices_limits_and_settings_are_given() {
    isolated(|env| {
        stage::busybox(env);
        let run = |flag: &str, value: &str, script: &str| {
            env.run(&["run", "--rm", "--network", "none", flag, value, "busybox", "sh", "-c", script])
        };
        assert_eq!(run("--device", "/dev/null:/dev/mine", "stat -c '%t %T' /dev/mine").ok(), "1 3");
        run("--device", "/dev/none", "true").exits(125);
        assert_eq!(run("--ulimit", "nofile=100:200", "ulimit -n; ulimit -Hn").ok(), "100\n200");
        run("--ulimit", "nofile=9:5", "true").fails(125, "ulimit soft limit must be less than or equal to hard limit");
        assert_eq!(run("--sysctl", "net.ipv4.ip_forward=1", "cat /proc/sys/net/ipv4/ip_forward").ok(), "1");
        run("--sysctl", "kernel.bogus=1", "true").fails(125, "sysctl 'kernel.bogus' is not allowed");
        assert_eq!(run("--shm-size", "8m", "df -k /dev/shm | tail -n 1 | awk '{print $2}'").ok(), "8192");
        assert_eq!(run("--init=true", "--quiet", "true").ok(), "");
    });
}

/// R30: what was asked for and cannot be had is an error, not silence.
#[test]
fn confinement_that_cannot_be_had_is_refused() {
    isolated(|env| {
        stage::busybox(env);
        let profile = env.place.join("seccomp.json");
        let name = profile.to_str().unwrap();
        let seccomp = format!("seccomp={name}");
        for (text, words) in [
            ("{", "seccomp"),
            (r#"{"defaultAction": "SCMP_ACT_BOGUS"}"#, "SCMP_ACT_BOGUS"),
            (
                r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 9, "value": 1, "op": "SCMP_CMP_EQ"}]}]}"#,
                "no argument 9",
            ),
            (r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_BOGUS"]}"#, "FLAG_BOGUS"),
        ] {
            std::fs::write(&profile, text).unwrap();
            let outcome = env.run(&["run", "--rm", "--network", "none", "--security-opt", &seccomp, "busybox", "true"]);
            assert!(outcome.code == 125 && outcome.stderr.contains(words), "{text}: {outcome}");
        }
        std::fs::remove_file(&profile).unwrap();
        for (flag, value) in [
            ("--security-opt", seccomp.as_str()),
            ("--security-opt", "apparmor=no-such-profile"),
            ("--security-opt", "label=type:no_such_t"),
            ("--security-opt", "mask"),
            ("--security-opt", "proc-opts=bogus"),
            ("--userns", "bogus"),
            ("--uidmap", "0:0:0"),
            ("--sysctl", "net.ipv4.no_such=1"),
            ("--ulimit", "nosuch=1"),
            ("--cap-drop", "nosuch"),
            ("--memory", "1"),
        ] {
            let outcome = env.run(&["run", "--rm", "--network", "none", flag, value, "busybox", "true"]);
            assert!(
                [125, 126].contains(&outcome.code) && outcome.stderr.contains("Error"),
                "{flag} {value}: {outcome}"
            );
        }
    });
}
