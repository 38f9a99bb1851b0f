//! Ctrl-C, wherever a command waits: it ends at once and leaves nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::TestEnv;
use crate::support::env::{eventually, wait};
use crate::support::image::{Flavor, Image, Layer, Packing, digest};
use crate::support::isolated;
use crate::support::registry::{Fault, Part, Registry};
use crate::support::tar::Entry;

const PLAIN: &str = "--tls-verify=false";
/// A fifth of a second is what the user is promised; the rest is for a machine that does other things too.
const AT_ONCE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(5);

fn begun(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn noise(words: u32) -> Vec<u8> {
    (0..words).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// Interrupts a command at the same place until it once ends within what is promised: a busy machine may take longer
/// now and then, a command that waits for a tick or for the registry always does.
fn ends_at_once(env: &TestEnv, what: &str, mut reach: impl FnMut() -> Child) {
    let mut taken = Vec::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGINT] {
        let mut child = reach();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        let sent = Instant::now();
        nix::sys::signal::kill(pid, signal).unwrap();
        let status = wait(&mut child, PATIENCE).unwrap_or_else(|| panic!("{what}: goes on after {signal}"));
        taken.push(sent.elapsed());
        assert_eq!(status.code(), Some(128 + signal as i32), "{what}");
        env.nothing_is_left();
        if taken.len() > 1 && taken.iter().any(|time| *time < AT_ONCE) {
            println!("{what}: {taken:?}");
            return;
        }
    }
    panic!("{what}: never within {AT_ONCE:?}: {taken:?}");
}

/// R21.
#[test]
fn a_pull_ends_at_every_stage() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(vec![
            Layer::new(&[Entry::file("small", 0o644, "small")], Packing::Gzip),
            Layer::new(&[Entry::file("noise", 0o644, noise(200_000))], Packing::None),
        ]);
        let big = format!("/blobs/{}", digest(&image.layers[1].blob));
        let config = format!("/blobs/sha256:{}", image.id());
        let slow = Fault::Slow { bytes: 10_000, pause: Duration::from_millis(100) };
        let silent = || Fault::Silent;
        for (stage, part, fault, asked) in [
            ("silent manifest", Part::Manifest, silent(), "/manifests/1"),
            ("slow manifest", Part::Manifest, Fault::Slow { bytes: 1, pause: Duration::from_secs(1) }, "/manifests/1"),
            ("silent configuration", Part::Blob, silent(), config.as_str()),
            ("slow layer", Part::Blob, slow, &big),
            ("back-off", Part::Manifest, Fault::TooMany { times: usize::MAX, retry_after: 60 }, "/manifests/1"),
        ] {
            let repository = stage.replace(' ', "-");
            registry.add(&repository, "1", &image, Flavor::Oci);
            registry.fault(&repository, part, fault);
            let name = registry.reference(&format!("{repository}:1"));
            ends_at_once(env, stage, || {
                registry.requests();
                let child = begun(env.dhow(&["pull", PLAIN, &name]));
                eventually(stage, || registry.requests().iter().any(|request| request.path.ends_with(asked)));
                child
            });
        }
        let name = registry.reference("slow-layer:1");
        registry.heal();
        assert_eq!(env.run(&["pull", "-q", PLAIN, &name]).ok(), image.id());
    });
}

/// All has come, and is unpacked: files without number.
#[test]
fn a_pull_ends_while_it_unpacks() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let entries: Vec<Entry> = (0..60_000).map(|number| Entry::file(format!("file{number}"), 0o644, "")).collect();
        let image = Image::of(vec![Layer::new(&entries, Packing::Zstd)]);
        registry.add("app", "1", &image, Flavor::Oci);
        let name = registry.reference("app:1");
        let unpacking = || {
            let stages = std::fs::read_dir(env.root.store.join("tmp")).into_iter().flatten().flatten();
            stages
                .flat_map(|stage| std::fs::read_dir(stage.path()).into_iter().flatten().flatten())
                .any(|layer| std::fs::read_dir(layer.path().join("diff")).is_ok_and(|mut files| files.nth(1).is_some()))
        };
        ends_at_once(env, "unpacking", || {
            let child = begun(env.dhow(&["pull", PLAIN, &name]));
            eventually("files appear", unpacking);
            child
        });
    });
}

#[test]
fn a_push_ends_at_every_stage() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(vec![Layer::new(&[Entry::file("noise", 0o644, noise(1_000_000))], Packing::None)]);
        registry.add("from", "1", &image, Flavor::Oci);
        let name = registry.reference("from:1");
        env.run(&["pull", "-q", PLAIN, &name]).ok();
        env.keep_images();
        for (stage, method, fault) in [
            ("ask", "HEAD", Fault::Silent),
            ("send", "PATCH", Fault::Deaf { times: usize::MAX }),
            ("back-off", "POST", Fault::TooMany { times: usize::MAX, retry_after: 60 }),
        ] {
            let part = if stage == "ask" { Part::Blob } else { Part::Upload };
            registry.fault(stage, part, fault);
            if stage != "ask" {
                registry.fault(stage, Part::Blob, Fault::Missing);
            }
            let target = registry.reference(&format!("{stage}:1"));
            ends_at_once(env, stage, || {
                registry.requests();
                let child = begun(env.dhow(&["push", PLAIN, &name, &target]));
                eventually(stage, || registry.requests().iter().any(|request| request.method == method));
                child
            });
        }
        // Before the first byte is sent, the layer is packed.
        let target = registry.reference("pack:1");
        ends_at_once(env, "pack", || {
            let child =
                begun(env.dhow(&["push", PLAIN, "--compression-format=gzip", "--compression-level=9", &name, &target]));
            eventually("the signal is taken", || blocks_interrupts(child.id()));
            child
        });
    });
}

#[test]
fn a_load_and_an_import_end_while_nobody_writes() {
    isolated(|env| {
        // The heal of a store that is new would look like a leak.
        env.run(&["images"]).ok();
        env.rebase();
        for words in [&["load"][..], &["import", "-"]] {
            ends_at_once(env, words[0], || {
                let mut command = env.dhow(words);
                let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
                let child = child.spawn().unwrap();
                eventually("the signal is taken", || blocks_interrupts(child.id()));
                child
            });
        }
    });
}

/// Whether a process hears SIGINT by a descriptor.
fn blocks_interrupts(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & (1 << (Signal::SIGINT as u32 - 1)) != 0)
}

#[test]
fn a_login_ends_while_the_registry_is_silent() {
    isolated(|env| {
        let registry = Registry::beside(env);
        registry.fault("", Part::Any, Fault::Silent);
        let address = registry.address();
        ends_at_once(env, "login", || {
            registry.requests();
            let child = begun(env.dhow(&["login", PLAIN, "-u", "u", "-p", "p", &address]));
            eventually("the registry is asked", || !registry.requests().is_empty());
            child
        });
    });
}

/// A helper may wait for its user; when the command ends, so does it.
#[test]
fn a_helper_that_hangs_ends_too() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        registry.add("app", "1", &image, Flavor::Oci);
        let (address, name) = (registry.address(), registry.reference("app:1"));
        let bin = env.place.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let asked = env.place.join("asked");
        let program = bin.join("docker-credential-slow");
        std::fs::write(
            &program,
            format!("#!/bin/sh\necho $$ >{}.new\nmv {0}.new {0}\nexec sleep 1000\n", asked.display()),
        )
        .unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let auth = env.place.join("auth.json").display().to_string();
        std::fs::write(&auth, format!("{{\"credHelpers\": {{\"{address}\": \"slow\"}}}}")).unwrap();
        for words in [&["pull", PLAIN, &name][..], &["login", "--get-login", &address], &["logout", &address]] {
            ends_at_once(env, words[0], || {
                drop(std::fs::remove_file(&asked));
                let mut command = env.dhow(words);
                command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("REGISTRY_AUTH_FILE", &auth);
                let child = begun(command);
                eventually("the helper runs", || asked.exists());
                child
            });
            let helper = std::fs::read_to_string(&asked).unwrap();
            assert!(!Path::new(&format!("/proc/{}", helper.trim())).exists(), "the helper of {words:?} lives on");
        }
    });
}
