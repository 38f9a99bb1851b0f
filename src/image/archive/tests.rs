//! Round trips between our archives and those of other tools, where they are installed.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::image::{Outgoing, OutgoingLayer, select};
use super::tree::Tree;
use super::{docker, oci, read};
use crate::image::manifest::{Compression, DOCKER_CONFIG, DOCKER_MANIFEST, Descriptor, Manifest};
use crate::model::digest::Digest;
use crate::model::platform::Platform;
use crate::sys::cancel::Cancel;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("dhow-archive-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// An image of two layers, one plain and one gzip, as docker's media types name them.
struct Sample {
    blobs: Vec<Vec<u8>>,
    diff_ids: Vec<Digest>,
    config: Vec<u8>,
    manifest: Manifest,
}

fn tar_with(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

impl Sample {
    fn new() -> Self {
        let tars = [tar_with("etc/one", b"1"), tar_with("etc/two", &vec![b'2'; 100_000])];
        let diff_ids: Vec<Digest> = tars.iter().map(|tar| Digest::of(tar)).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tars[1]).unwrap();
        let blobs = vec![tars[0].clone(), gzip.finish().unwrap()];
        let config = serde_json::to_vec(&json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": [{"created_by": "a"}, {"created_by": "b"}]}))
        .unwrap();
        let layer = |index: usize, suffix: &str| Descriptor {
            media_type: format!("application/vnd.docker.image.rootfs.diff.tar{suffix}"),
            digest: Digest::of(&blobs[index]),
            size: blobs[index].len() as u64,
            urls: Vec::new(),
        };
        let manifest = Manifest {
            media_type: DOCKER_MANIFEST.into(),
            config: Descriptor {
                media_type: DOCKER_CONFIG.into(),
                digest: Digest::of(&config),
                size: config.len() as u64,
                urls: Vec::new(),
            },
            layers: vec![layer(0, ""), layer(1, ".gzip")],
        };
        Self { blobs, diff_ids, config, manifest }
    }

    fn write(
        &self,
        names: &[&str],
        writer: fn(&mut dyn std::io::Write, &[Outgoing<'_>]) -> anyhow::Result<()>,
    ) -> Vec<u8> {
        let opens: Vec<_> = self
            .blobs
            .iter()
            .map(|blob| {
                move || -> anyhow::Result<Box<dyn Read + Send>> { Ok(Box::new(std::io::Cursor::new(blob.clone()))) }
            })
            .collect();
        let bytes = self.manifest.to_json().unwrap();
        let layers = (0..2)
            .map(|index| OutgoingLayer {
                descriptor: &self.manifest.layers[index],
                diff_id: &self.diff_ids[index],
                compression: [Compression::None, Compression::Gzip][index],
                tar_size: None,
                open: &opens[index],
            })
            .collect();
        let image = Outgoing {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            manifest: &self.manifest,
            manifest_bytes: &bytes,
            config: &self.config,
            layers,
        };
        let mut out = Vec::new();
        writer(&mut out, &[image]).unwrap();
        out
    }
}

fn installed(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: {tool} is not installed");
    }
    there
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn open(scratch: &Scratch, path: &Path) -> Vec<super::image::Archived> {
    let tree = Tree::open(path, &scratch.0, 1 << 30, &Cancel::new().unwrap()).unwrap();
    read(&tree, &"linux/amd64".parse::<Platform>().unwrap()).unwrap()
}

fn check(scratch: &Scratch, path: &Path, sample: &Sample, name: Option<&str>) {
    let images = open(scratch, path);
    let image = select(images, None).unwrap();
    assert_eq!(image.config.diff_ids, sample.diff_ids, "{}", path.display());
    assert_eq!(image.names.first().map(String::as_str), name, "{}", path.display());
    for (layer, diff_id) in image.layers.iter().zip(&image.config.diff_ids) {
        let mut raw = Vec::new();
        layer.blob.rewound().read_to_end(&mut raw).unwrap();
        assert_eq!(Digest::of(&raw), layer.descriptor.digest);
        let mut plain = Vec::new();
        super::tree::inflate(layer.blob.compression().unwrap(), layer.blob.rewound())
            .unwrap()
            .read_to_end(&mut plain)
            .unwrap();
        assert_eq!(Digest::of(&plain), *diff_id);
    }
}

#[test]
fn what_is_written_is_read_again() {
    let scratch = Scratch::new("own");
    let sample = Sample::new();
    let docker_bytes = sample.write(&["a.b/c:1"], docker::write);
    assert_eq!(docker_bytes, sample.write(&["a.b/c:1"], docker::write), "equal input, equal bytes");
    std::fs::write(scratch.path("d.tar"), &docker_bytes).unwrap();
    check(&scratch, &scratch.path("d.tar"), &sample, Some("a.b/c:1"));
    std::fs::write(scratch.path("o.tar"), sample.write(&["a.b/c:1"], oci::write)).unwrap();
    check(&scratch, &scratch.path("o.tar"), &sample, Some("a.b/c:1"));
    // Through a pipe, compressed.
    let packed = zstd::encode_all(&docker_bytes[..], 1).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let feeder = std::thread::spawn(move || {
        let mut writer = writer;
        writer.write_all(&packed).unwrap();
    });
    let tree =
        Tree::from_file(File::from(std::os::fd::OwnedFd::from(reader)), &scratch.0, 1 << 30, &Cancel::new().unwrap())
            .unwrap();
    feeder.join().unwrap();
    let images = read(&tree, &Platform::host()).unwrap();
    assert_eq!(images[0].config.diff_ids, sample.diff_ids);
    assert!(select(images, Some("@1")).is_err());
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 2, "the spool leaves no name");
}

#[test]
fn a_wrong_layer_is_noticed_when_writing() {
    let mut sample = Sample::new();
    sample.diff_ids[0] = Digest::of(b"other");
    let open =
        || -> anyhow::Result<Box<dyn Read + Send>> { Ok(Box::new(std::io::Cursor::new(sample.blobs[0].clone()))) };
    let image = Outgoing {
        names: Vec::new(),
        manifest: &sample.manifest,
        manifest_bytes: b"{}",
        config: &sample.config,
        layers: vec![OutgoingLayer {
            descriptor: &sample.manifest.layers[0],
            diff_id: &sample.diff_ids[0],
            compression: Compression::None,
            tar_size: None,
            open: &open,
        }],
    };
    let error = docker::write(&mut Vec::new(), &[image]).unwrap_err();
    assert!(format!("{error:#}").contains("digest is"), "{error:#}");
}

#[test]
fn others_read_ours_and_we_read_theirs() {
    if !installed("skopeo") {
        return;
    }
    let scratch = Scratch::new("skopeo");
    let sample = Sample::new();
    std::fs::write(scratch.path("d.tar"), sample.write(&["a.b/c:1"], docker::write)).unwrap();
    std::fs::write(scratch.path("o.tar"), sample.write(&["a.b/c:1"], oci::write)).unwrap();
    for (from, to, kind) in [
        ("docker-archive:d.tar", "docker-archive:d2.tar:x.y/z:2", "d2.tar"),
        ("docker-archive:d.tar", "oci-archive:o2.tar:x.y/z:2", "o2.tar"),
        ("oci-archive:o.tar:a.b/c:1", "docker-archive:d3.tar:x.y/z:2", "d3.tar"),
        ("oci-archive:o.tar", "oci:layout:x.y/z:2", "layout"),
    ] {
        run(Command::new("skopeo").args(["copy", "--insecure-policy", from, to]).current_dir(&scratch.0));
        check(&scratch, &scratch.path(kind), &sample, Some("x.y/z:2"));
    }
}

#[test]
fn podman_loads_ours() {
    if !installed("podman") || rustix::process::geteuid().as_raw() != 0 {
        println!("skipped: needs podman and root");
        return;
    }
    let scratch = Scratch::new("podman");
    let sample = Sample::new();
    std::fs::write(scratch.path("d.tar"), sample.write(&["a.b/c:1"], docker::write)).unwrap();
    std::fs::write(scratch.path("o.tar"), sample.write(&["a.b/d:1"], oci::write)).unwrap();
    let podman = || {
        let mut command = Command::new("podman");
        command.args(["--storage-driver", "vfs", "--root"]).arg(scratch.path("root"));
        command.arg("--runroot").arg(scratch.path("run")).current_dir(&scratch.0);
        command
    };
    run(podman().args(["load", "-q", "-i", "d.tar"]));
    run(podman().args(["load", "-q", "-i", "o.tar"]));
    for (name, format, file) in [("a.b/c:1", "docker-archive", "d2.tar"), ("a.b/d:1", "oci-archive", "o2.tar")] {
        run(podman().args(["save", "-q", "--format", format, "-o", file, name]));
        check(&scratch, &scratch.path(file), &sample, Some(name));
    }
}
