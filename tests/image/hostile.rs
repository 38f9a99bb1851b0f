//! Layers that were made to do harm: one clear line, exit code 125, nothing changed.

use std::os::unix::fs::FileTypeExt;
use std::process::Stdio;
use std::time::Duration;

use crate::require;
use crate::support::env::eventually;
use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::registry::{Fault, Part, Registry};
use crate::support::tar::Entry;
use crate::support::{census, isolated};

fn image(entries: &[Entry]) -> Image {
    Image::of(vec![Layer::new(entries, Packing::Gzip)])
}

/// R10, R11.
#[test]
fn what_leaves_the_layer_is_refused() {
    require!(root);
    isolated(|env| {
        let outside = env.place.join("outside");
        std::fs::write(&outside, "safe").unwrap();
        let outside = outside.to_str().unwrap().to_owned();
        let up = format!("../../../../../../../../..{outside}");
        let directory = env.place.to_str().unwrap().to_owned();
        let cases: Vec<(&str, Vec<Entry>)> = vec![
            ("leaves the layer", vec![Entry::file(&up, 0o644, "x")]),
            ("open parent", vec![Entry::symlink("l", &directory), Entry::file("l/outside", 0o644, "x")]),
            ("is not a file of this layer", vec![Entry::hardlink("h", &outside)]),
            ("leaves the layer", vec![Entry::hardlink("h", &up)]),
            ("is not a file of this layer", vec![Entry::symlink("l", &directory), Entry::hardlink("h", "l/outside")]),
            ("does not name a plain file", vec![Entry::file(".wh...", 0o644, "")]),
            ("does not name a plain file", vec![Entry::file("d/.wh.", 0o644, "")]),
            ("twice", vec![Entry::file("f", 0o644, "").pax("path", "a").pax("path", "b")]),
            ("bad user id", vec![Entry::file("f", 0o644, "").pax("uid", "4294967295")]),
            ("data of a member that has none", vec![Entry::hardlink("h", "f").claim_size(512)]),
            ("unknown type", vec![Entry::file("f", 0o644, "").kind(b'Q')]),
        ];
        for (words, entries) in cases {
            env.load(&image(&entries), "localhost/hostile:1").fails(125, words);
            env.nothing_is_left();
        }
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "safe");
        std::fs::remove_file(&outside).unwrap();
    });
}

/// R10.
#[test]
fn what_speaks_to_overlayfs_is_dropped() {
    require!(root);
    isolated(|env| {
        let base = [Entry::dir("d", 0o755), Entry::file("d/kept", 0o644, "x"), Entry::file("f", 0o644, "y")];
        let top = [
            Entry::dir("d", 0o755).xattr("trusted.overlay.opaque", "y").xattr("user.overlay.opaque", "y"),
            Entry::char_device("f", 0o644, 0, 0),
        ];
        let image = Image::of(vec![Layer::new(&base, Packing::Gzip)]).layer(&top, Packing::Gzip);
        env.load(&image, "localhost/odd:1").ok();
        for layer in std::fs::read_dir(env.root.store.join("layers")).unwrap() {
            let diff = layer.unwrap().path().join("diff");
            let mut names = [0_u8; 1024];
            assert_eq!(rustix::fs::llistxattr(diff.join("d"), &mut names[..]).unwrap(), 0);
            let device = std::fs::symlink_metadata(diff.join("f")).is_ok_and(|meta| meta.file_type().is_char_device());
            assert!(!device, "no whiteout but by its name");
        }
    });
}

/// R12.
#[test]
fn a_bomb_meets_its_ceiling() {
    require!(root);
    isolated(|env| {
        let archive = env.place.join("bomb.tar");
        std::fs::write(&archive, Image::of(vec![Layer::bomb(64)]).docker_archive(&["localhost/bomb:1"])).unwrap();
        let load = |key: &str, value: &str| {
            let mut command = env.dhow(&["load", "-q", "-i", archive.to_str().unwrap()]);
            command.env(key, value);
            crate::support::env::finished(command, b"")
        };
        load("DHOW_LAYER_BYTES", "16m").fails(125, "more than 16777216 bytes");
        load("DHOW_LAYER_INODES", "0").fails(125, "more than 0 files");
        load("DHOW_LAYER_BYTES", "plenty").fails(125, "DHOW_LAYER_BYTES");
        std::fs::remove_file(&archive).unwrap();
    });
}

/// R10: who unpacks a layer sees nothing but the directory that it fills, and has few rights.
#[test]
fn a_layer_is_unpacked_in_a_locked_room() {
    require!(root);
    isolated(|env| {
        let registry = Registry::beside(env);
        let noise: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        registry.add("app", "1", &image(&[Entry::file("first", 0o644, noise)]), Flavor::Oci);
        registry.fault("app", Part::Blob, Fault::Slow { bytes: 20_000, pause: Duration::from_millis(100) });
        let name = registry.reference("app:1");
        let mut pull = env.dhow(&["pull", "-q", "--tls-verify=false", &name]);
        let mut pull = pull.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut seen = None;
        eventually("a layer is unpacked", || {
            let unpacks = |pid: &u32| census::command_line(*pid).split(' ').nth(1) == Some("unpack");
            seen = census::pids().into_iter().find(unpacks).filter(|pid| {
                // It has locked itself up, and has begun to write.
                std::fs::metadata(format!("/proc/{pid}/root/first")).is_ok()
            });
            seen.is_some()
        });
        let place = format!("/proc/{}", seen.unwrap());
        let status = std::fs::read_to_string(format!("{place}/status")).unwrap();
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim_start_matches(':').trim().to_owned()
        };
        // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP.
        for set in ["CapEff", "CapPrm"] {
            assert_eq!(field(set), "000000008800001b", "{status}");
        }
        assert_eq!((field("CapInh").as_str(), field("NoNewPrivs").as_str()), ("0000000000000000", "1"));
        let root: Vec<_> =
            std::fs::read_dir(format!("{place}/root")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(root, ["first"]);
        assert_eq!(std::fs::read_to_string(format!("{place}/mountinfo")).unwrap().lines().count(), 1);
        assert_eq!(std::fs::read(format!("{place}/environ")).unwrap(), b"");
        for namespace in ["mnt", "net", "ipc"] {
            let of = |place: &str| std::fs::read_link(format!("{place}/ns/{namespace}")).unwrap();
            assert_ne!(of(&place), of("/proc/self"), "{namespace}");
        }
        // Beside the blob and the report, nothing of the host is open.
        let open: Vec<_> = std::fs::read_dir(format!("{place}/fd"))
            .unwrap()
            .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
            .filter(|target| target.starts_with('/') && !target.starts_with("/first") && target != "/")
            .collect();
        assert!(open.iter().all(|target| target == "/dev/null"), "{open:?}");
        pull.kill().unwrap();
        pull.wait().unwrap();
        registry.heal();
        env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
        env.run(&["rmi", &name]).ok();
    });
}
