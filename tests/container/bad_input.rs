//! What is wrong is told in one clear line with the right exit code, and nothing has changed.

use std::net::TcpListener;

use serde_json::json;

use super::stage;
use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::registry::{Fault, Part};
use crate::support::tar::Entry;
use crate::support::{TestEnv, isolated};

#[test]
fn an_image_that_cannot_be_had() {
    isolated(|env| {
        stage::busybox(env);
        let registry = stage::registry(env);
        let other = Layer::new(&[Entry::file("other", 0o644, "not yet in the store")], Packing::Gzip);
        registry.add("wrong", "1", &Image::of(vec![other]), Flavor::Oci);
        registry.fault("wrong", Part::Blob, Fault::WrongDigest);
        let mut foreign = Image::busybox();
        foreign.config["architecture"] = json!("s390x");
        registry.add("foreign", "1", &foreign, Flavor::Oci);
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for (name, words) in [
            (registry.reference("none:1"), "none:1"),
            (registry.reference("wrong:1"), "digest"),
            (format!("{refused}/some:1"), "refused"),
            ("no-such-host.invalid/some:1".to_owned(), "no-such-host.invalid"),
            ("UPPER".to_owned(), "must be lowercase"),
            ("a:b:c".to_owned(), "invalid reference format"),
            ("localhost/missing@sha256:12".to_owned(), "invalid reference format"),
        ] {
            // The lines that tell of the attempt are not errors.
            let outcome = env.run(&["run", "-q", "--rm", "--tls-verify=false", &name, "true"]);
            outcome.fails(125, words);
            env.nothing_is_left();
        }
        env.run(&["run", "--rm", "--pull", "never", "missing", "true"]).fails(125, "missing: image not known");
        env.run(&["create", "--pull", "never", "missing"]).fails(125, "missing: image not known");
    });
}

#[test]
fn a_command_that_cannot_be_run() {
    isolated(|env| {
        let image = Image::busybox().layer(
            &[
                Entry::file("plain", 0o644, "no program"),
                Entry::file("garbage", 0o755, "\x7fELFgarbage"),
                Entry::file("script", 0o755, "#!/no/such/interpreter\n"),
            ],
            Packing::Gzip,
        );
        env.load(&image, "busybox").ok();
        env.run(&["run", "--rm", "busybox", "true"]).ok();
        stage::settle(env);
        env.keep_images();
        env.run(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"]).ok();
        env.run(&["exec", "box", "true"]).ok();
        env.rebase();
        for (command, code, words) in [
            ("nosuch", 127, "nosuch"),
            ("/no/such", 127, "/no/such"),
            ("/plain", 126, "ermission denied"),
            ("/bin", 126, "ermission denied"),
            ("/garbage", 126, "xec format error"),
            ("/script", 127, "/script"),
        ] {
            env.run(&["run", "--rm", "busybox", command]).fails(code, words);
            env.run(&["exec", "box", command]).fails(code, words);
            env.nothing_is_left();
        }
        env.run(&["run", "--rm", "-w", "/plain", "busybox", "true"]).fails(126, "is not a directory");
        env.run(&["run", "--rm", "-u", "nobody-here", "busybox", "true"]).fails(126, "nobody-here");
        env.run(&["exec", "-u", "nobody-here", "box", "true"]).fails(126, "nobody-here");
        env.nothing_is_left();
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        env.rebase();
    });
}

#[test]
fn names_and_ports_in_use() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "-d", "--name", "box", "-p", "8080:80", "busybox", "sleep", "1000"]).ok();
        let listener = TcpListener::bind("127.0.0.1:9090").unwrap();
        env.rebase();
        for words in [&["run", "--rm", "--name", "box", "busybox", "true"][..], &["create", "--name", "box", "busybox"]]
        {
            env.run(words).fails(125, "the container name \"box\" is already in use by");
        }
        for port in ["8080:80", "0.0.0.0:8080:81", "127.0.0.1:9090:80", "9090:80"] {
            env.run(&["run", "--rm", "-p", port, "busybox", "true"]).fails(126, "ddress already in use");
        }
        for (words, code, told) in [
            (&["start", "none"][..], 125, "no container with name or ID \"none\" found: no such container"),
            (&["stop", "none"], 125, "no such container"),
            (&["kill", "none"], 125, "no such container"),
            (&["exec", "none", "true"], 125, "no such container"),
            (&["logs", "none"], 125, "no such container"),
            (&["rm", "none"], 1, "no such container"),
            (&["rm", "box"], 2, "running or paused containers cannot be removed without force"),
            (&["kill", "-s", "BOGUS", "box"], 125, "BOGUS"),
            (&["unpause", "box"], 125, "is not paused"),
            (&["volume", "rm", "none"], 1, "no such volume"),
            (&["volume", "inspect", "none"], 125, "no such volume"),
            (&["rmi", "none"], 1, "none: image not known"),
            (&["rmi", "busybox"], 2, "image"),
        ] {
            env.run(words).fails(code, told);
        }
        env.nothing_is_left();
        drop(listener);
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        env.rebase();
    });
}

/// Values of flags that nobody can mean.
const BAD: &[&[&str]] = &[
    &["--memory", "much"],
    &["--memory", "-1g"],
    &["--memory", "99999999999999999999"],
    &["--cpus", "many"],
    &["--cpus", "-1"],
    &["--cpuset-cpus", "9-"],
    &["--pids-limit", "x"],
    &["--shm-size", "lots"],
    &["-p", "99999:80"],
    &["-p", "1:2:3:4"],
    &["-p", "80-90:80-81"],
    &["-p", "8080:80/nope"],
    &["-p", "300.1.1.1:80:80"],
    &["-v", "relative:path:ro:x"],
    &["-v", "/a:relative"],
    &["-v", "/a:/b:nonsense"],
    &["-v", "/no/such/directory:/x"],
    &["-v", "bad/name:/x"],
    &["-v", ""],
    &["--mount", "type=nope,target=/x"],
    &["--mount", "type=bind,source=/tmp"],
    &["--mount", "nonsense"],
    &["--tmpfs", "relative"],
    &["--tmpfs", "/x:size=huge"],
    &["--network", "none-such"],
    &["--network", "container:none"],
    &["--pid", "container:none"],
    &["--pid", "bogus"],
    &["--ipc", "bogus"],
    &["--uts", "bogus"],
    &["--userns", "bogus"],
    &["--cgroupns", "bogus"],
    &["--name", "not a name"],
    &["--name", "../up"],
    &["--hostname", "not a host\n"],
    &["-e", "=x"],
    &["--env-file", "/no/such/file"],
    &["--cap-add", "CAP_FLY"],
    &["--cap-drop", "CAP_FLY"],
    &["--security-opt", "bogus"],
    &["--security-opt", "seccomp=/no/such/file"],
    &["--ulimit", "nofile"],
    &["--ulimit", "bogus=1:1"],
    &["--ulimit", "nofile=9:1"],
    &["--device", "/no/such/device"],
    &["--device", "/dev/null:/dev/null:rwx"],
    &["--sysctl", "net.ipv4.ip_forward"],
    &["--sysctl", "kernel.panic=1"],
    &["--restart", "sometimes"],
    &["--restart", "on-failure:x"],
    &["--stop-signal", "SIGFOO"],
    &["--stop-timeout", "soon"],
    &["--pull", "perhaps"],
    &["--platform", "plan9/amiga/x/y"],
    &["--log-driver", "carrier-pigeon"],
    &["--log-opt", "max-size=big"],
    &["--add-host", "nonsense"],
    &["--dns", "not-an-address"],
    &["--ip", "1.2.3"],
    &["--ip", "192.0.2.1"],
    &["--mac-address", "zz:zz"],
    &["--uidmap", "a:b:c"],
    &["--label-file", "/no/such/file"],
    &["--cidfile", "/no/such/directory/file"],
    &["--detach-keys", "ctrl-shift-q"],
    &["-a", "stdnull"],
    // Without the comma the list is empty, which podman takes for nothing.
    &["--group-add", ","],
    &["--log-driver", "passthrough", "-t"],
    &["--no-such-flag"],
    &["--rm=perhaps"],
];

#[test]
fn bad_values_of_flags() {
    isolated(|env| {
        stage::busybox(env);
        let mut wrong = Vec::new();
        for flags in BAD {
            let words = [&["run", "--rm", "--pull", "never"], *flags, &["busybox", "true"]].concat();
            let outcome = env.run(&words);
            let lines = outcome.stderr.lines().filter(|line| !line.starts_with("hint:") && !line.is_empty());
            let lines: Vec<_> = lines.filter(|line| !line.starts_with("See '")).collect();
            if outcome.code != 125 || lines.len() != 1 || !lines[0].starts_with("Error: ") {
                wrong.push(outcome.to_string());
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        env.nothing_is_left();
    });
}

/// A store on a small file system of its own.
fn small(env: &TestEnv, options: &str) -> crate::support::env::Seat {
    let place = env.place.join("small");
    std::fs::create_dir(&place).unwrap();
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), &place, Some("tmpfs"), flags, Some(options)).unwrap();
    crate::support::env::Seat { store: place.join("store"), ..env.root.clone() }
}

fn unmount(env: &TestEnv) {
    let place = env.place.join("small");
    crate::support::env::eventually("the small disk is free", || nix::mount::umount(&place).is_ok());
    std::fs::remove_dir(&place).unwrap();
}

#[test]
fn a_full_disk() {
    isolated(|env| {
        stage::busybox(env);
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["busybox"])).unwrap();
        let load = ["load", "-q", "-i", archive.to_str().unwrap()];
        for options in ["size=2500k", "size=64m,nr_inodes=40"] {
            let seat = small(env, options);
            seat.run(&load).fails(125, "o space left on device");
            for kind in ["tmp", "layers", "content/sha256", "images/names"] {
                let entries = std::fs::read_dir(seat.store.join(kind)).into_iter().flatten().flatten();
                let names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
                // What is kept for the next full disk stays.
                let left = names.iter().any(|name| !name.to_string_lossy().starts_with("reserve"));
                assert!(!left, "{options}: {kind} has {names:?}");
            }
            unmount(env);
        }
        let seat = small(env, "size=112m");
        seat.run(&load).ok();
        let fill = env.place.join("small/fill");
        let mut file = std::fs::File::create(&fill).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 1 << 20]).is_ok() {}
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
        for words in [
            &["run", "--rm", "--network", "none", "busybox", "true"][..],
            &["run", "-d", "--network", "none", "busybox", "true"],
            &["create", "--network", "none", "busybox"],
            &["volume", "create", "full"],
            &["tag", "busybox", "other"],
        ] {
            seat.run(words).fails(125, "o space left on device");
        }
        assert_eq!(seat.run(&["ps", "-aq"]).ok(), "");
        drop(file);
        std::fs::remove_file(&fill).unwrap();
        assert_eq!(seat.run(&["images", "-q"]).lines().len(), 1);
        assert_eq!(seat.run(&["volume", "ls", "-q"]).ok(), "");
        seat.run(&["run", "--rm", "--network", "none", "busybox", "true"]).ok();
        unmount(env);
    });
}
