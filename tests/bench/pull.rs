//! `cargo bench --bench pull`: pulling a large image (eight layers, 320 MiB packed unless `DHOW_BENCH_MIB` says
//! otherwise) from Debian's docker-registry on loopback, beside podman: into an empty store on tmpfs, into an empty store
//! on a new ext4 (in a file on the disk below the temporary directory, by a loop device), and where all of it is there.
//! `DHOW_BENCH_ONLY` names one of the three rows.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod measure;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use measure::{Contender, compare, dhow, output, podman, rounds};
use support::env::eventually;
use support::image::{Image, Layer, Packing};
use support::tar::Entry;

const LAYERS: u64 = 8;
const ADDRESS: &str = "127.0.0.1:5007";

fn main() {
    let place = measure::enter();
    let wanted = std::env::var("DHOW_BENCH_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(320_u64);
    let image = large(wanted << 20);
    let packed: usize = image.layers.iter().map(|layer| layer.blob.len()).sum();
    let unpacked: usize = image.layers.iter().map(|layer| layer.tar.len()).sum();
    println!("{LAYERS} layers, {} MiB packed, {} MiB unpacked\n", packed >> 20, unpacked >> 20);
    let archive = place.join("image.tar");
    std::fs::write(&archive, image.oci_archive("large")).unwrap();
    drop(image);
    let mut registry = registry(&place);
    let reference = format!("{ADDRESS}/large:1");
    push(&place, &archive, &reference);
    std::fs::remove_file(&archive).unwrap();
    let pull = ["pull", "-q", "--tls-verify=false", &reference];
    let wanted = |row: &str| std::env::var("DHOW_BENCH_ONLY").map_or(true, |only| only == row);
    let stores = ["dhow", "podman"];
    measure::head();
    if wanted("tmpfs") {
        let empty = |name: &str| drop(std::fs::remove_dir_all(place.join(name).join("store")));
        let dhow = Contender::new("dhow", || dhow(&place, &pull)).before(|| empty("dhow"));
        let podman = Contender::new("podman", || podman(&place, &pull)).before(|| empty("podman"));
        compare("tmpfs", rounds(5), &[dhow, podman]);
        stores.iter().for_each(|name| empty(name));
    }
    let disks = stores.map(Disk::new);
    let fresh = |number: usize| disks[number].fresh(&place.join(stores[number]).join("store"));
    if wanted("ext4") {
        let dhow = Contender::new("dhow", || dhow(&place, &pull)).before(|| fresh(0));
        let podman = Contender::new("podman", || podman(&place, &pull)).before(|| fresh(1));
        compare("ext4", rounds(5), &[dhow, podman]);
    }
    if wanted("again") {
        if !wanted("ext4") {
            (0..stores.len()).for_each(fresh);
        }
        let dhow = Contender::new("dhow", || dhow(&place, &pull));
        let podman = Contender::new("podman", || podman(&place, &pull));
        compare("again", rounds(5), &[dhow, podman]);
    }
    assert_eq!(
        output(dhow(&place, &["image", "exists", &reference])),
        Ok(String::new()),
        "dhow did not keep the image"
    );
    assert!(place.join("dhow/store").is_dir(), "dhow has no store");
    drop(disks);
    registry.kill().unwrap();
    registry.wait().unwrap();
}

/// A file on the real disk for a file system that is made anew for each pull: creating files in an old one costs what its
/// past has made of it.
struct Disk(PathBuf);

impl Disk {
    fn new(name: &str) -> Self {
        let file = std::env::temp_dir().join(format!("dhow-bench-{}-{name}", std::process::id()));
        std::fs::File::create(&file).unwrap().set_len(8 << 30).unwrap();
        Self(file)
    }

    /// Mounts an empty ext4 at `store`, instead of what is there.
    fn fresh(&self, store: &Path) {
        let script = r#"set -e
            if mountpoint -q "$2"; then umount "$2"; fi
            mkdir -p "$2"
            mke2fs -q -F -t ext4 -E nodiscard,lazy_itable_init=1,lazy_journal_init=1 "$1"
            mount -o loop,noinit_itable "$1" "$2"
            sync"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&self.0).arg(store);
        output(command).expect("make an ext4");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The mounts go with the namespace.
        drop(std::fs::remove_file(&self.0));
    }
}

fn registry(place: &Path) -> std::process::Child {
    let config = place.join("registry.yml");
    let storage = place.join("registry");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {ADDRESS}}}\n",
        storage.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("run docker-registry");
    eventually("the registry listens", || std::net::TcpStream::connect(ADDRESS).is_ok());
    child
}

fn push(place: &Path, archive: &Path, reference: &str) {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "--tmpdir", place.to_str().unwrap(), "copy", "-q", "--dest-tls-verify=false"]);
    command.arg(format!("oci-archive:{}", archive.display())).arg(format!("docker://{reference}"));
    output(command).expect("push by skopeo");
}

/// Words in a made order: text that packs to about a third, as programs and their data do.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        // xorshift64: the same image on every machine.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 16);
        while out.len() < length {
            let number = self.next();
            out.extend_from_slice(&number.to_le_bytes()[..5]);
            out.extend_from_slice(b"some words, ");
        }
        out.truncate(length);
        out
    }
}

fn large(packed: u64) -> Image {
    let mut words = Words(0x9e37_79b9_7f4a_7c15);
    let mut layers = Vec::new();
    for number in 0..LAYERS {
        let mut entries = vec![Entry::dir(format!("layer{number}/"), 0o755)];
        // Packs to about two fifths.
        let mut left = packed / LAYERS * 5 / 2;
        let mut file = 0;
        while left > 0 {
            if file % 64 == 0 {
                entries.push(Entry::dir(format!("layer{number}/{}/", file / 64), 0o755));
            }
            // Most files are small, most bytes are in large ones.
            let size = if file % 32 == 0 { 2 << 20 } else { 4096 + words.next() % 16384 }.min(left);
            let data = words.bytes(usize::try_from(size).unwrap());
            entries.push(Entry::file(format!("layer{number}/{}/f{file}", file / 64), 0o644, data));
            (left, file) = (left - size, file + 1);
        }
        layers.push(Layer::new(&entries, Packing::Gzip));
    }
    Image::of(layers)
}
