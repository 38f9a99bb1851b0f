//! Images made in memory are what other tools take for images.

use std::process::Command;

use serde_json::json;

use crate::require;
use crate::support::image::{Flavor, Image, Layer, Packing, digest};
use crate::support::isolated;
use crate::support::tar::{Entry, archive, pax_record};

#[test]
fn a_pax_record_counts_itself() {
    assert_eq!(pax_record("path", b"x"), b"9 path=x\n");
    assert_eq!(pax_record("a", &[b'y'; 94]).len(), 100 + 1);
    assert!(pax_record("a", &[b'y'; 94]).starts_with(b"101 a="));
}

#[test]
fn entries_are_read_back_by_the_tar_crate() {
    let long = "d/".repeat(70) + "file";
    let entries = [
        Entry::dir("etc/", 0o755),
        Entry::file(&long, 0o4755, "text").owner(1000, 2000).mtime(42),
        Entry::symlink("link", "../../outside"),
        Entry::hardlink("hard", "link"),
        Entry::char_device("null", 0o666, 1, 3),
        Entry::fifo("pipe", 0o600),
        Entry::file("caps", 0o755, "").xattr("security.capability", [1, 0, 0, 2]),
    ];
    let bytes = archive(&entries);
    let mut reader = tar::Archive::new(&bytes[..]);
    let mut seen = Vec::new();
    for entry in reader.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let xattrs = entry
            .pax_extensions()
            .unwrap()
            .map_or(0, |all| all.filter(|e| e.as_ref().unwrap().key().unwrap().starts_with("SCHILY")).count());
        seen.push((name, entry.header().entry_type().as_byte(), entry.header().mode().unwrap(), xattrs));
    }
    assert_eq!(seen[1], (long, b'0', 0o4755, 0));
    assert_eq!(seen[4].1, b'3');
    assert_eq!(seen[6], ("caps".to_owned(), b'0', 0o755, 1));
    assert_eq!(seen.len(), 7);
}

#[test]
fn a_bomb_is_small_and_its_digest_is_true() {
    let bomb = Layer::bomb(8);
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bomb.blob[..]), &mut tar).unwrap();
    assert_eq!(digest(&tar), bomb.diff_id);
    assert!(tar.len() > 8 << 20 && bomb.blob.len() < 64 << 10, "{} from {}", tar.len(), bomb.blob.len());
}

/// skopeo reads both forms of archive and copies them, all digests checked.
#[test]
fn another_tool_accepts_the_archives() {
    require!(skopeo, busybox);
    isolated(|env| {
        let image = Image::busybox()
            .with("Labels", json!({"a": "b"}))
            .layer(&[Entry::file("extra", 0o644, "1"), Entry::whiteout("etc/hostname")], Packing::None);
        std::fs::write(env.place.join("docker.tar"), image.docker_archive(&["localhost/a:1"])).unwrap();
        std::fs::write(env.place.join("oci.tar"), image.oci_archive("localhost/a:1")).unwrap();
        for form in ["docker-archive:docker.tar", "oci-archive:oci.tar"] {
            let mut command = Command::new("skopeo");
            command.args(["--insecure-policy", "--tmpdir", ".", "copy", "-q", form, "dir:out"]).current_dir(&env.place);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
            let name = format!("out/{}", image.id());
            assert_eq!(std::fs::read(env.place.join(name)).unwrap(), image.config_bytes());
        }
        assert_eq!(image.manifest(Flavor::Oci).iter().filter(|b| **b == b'{').count(), 4);
    });
}
