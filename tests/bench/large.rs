//! A large image, a registry that has it, and file systems that are new: what the benchmarks of images share.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::output;
use crate::support::env::eventually;
use crate::support::image::{Image, Layer, Packing};
use crate::support::tar::Entry;

const LAYERS: u64 = 8;
const ARCHIVE: &str = "image.tar";
pub(crate) const ADDRESS: &str = "127.0.0.1:5007";

/// The argument with which a benchmark starts itself to make the image.
const WORD: &str = "archive";

/// The image as an OCI archive, its packed layers `DHOW_BENCH_MIB` large (320). Another process makes it: the kernel counts
/// what a program had in memory when it started others as theirs.
pub(crate) fn archive(place: &Path) -> PathBuf {
    let made = Command::new(std::env::current_exe().unwrap()).args([WORD.as_ref(), place]).status();
    assert!(made.unwrap().success(), "make an image");
    place.join(ARCHIVE)
}

/// Makes the image, where this process was started for that.
pub(crate) fn is_made() -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, word, place] = &arguments[..] else { return false };
    if word == WORD {
        make(place.as_ref());
    }
    word == WORD
}

fn make(place: &Path) {
    let wanted = std::env::var("DHOW_BENCH_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(320_u64);
    let image = large(wanted << 20);
    let packed: usize = image.layers.iter().map(|layer| layer.blob.len()).sum();
    let unpacked: usize = image.layers.iter().map(|layer| layer.tar.len()).sum();
    println!("{LAYERS} layers, {} MiB packed, {} MiB unpacked\n", packed >> 20, unpacked >> 20);
    std::fs::write(place.join(ARCHIVE), image.oci_archive("large")).unwrap();
}

/// Whether the row `row` is to be measured: `DHOW_BENCH_ONLY` names one.
pub(crate) fn is_wanted(row: &str) -> bool {
    std::env::var("DHOW_BENCH_ONLY").map_or(true, |only| only == row)
}

/// A file on the real disk for a file system that is made anew for each pull: creating files in an old one costs what its
/// past has made of it.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn new(name: &str) -> Self {
        let file = std::env::temp_dir().join(format!("dhow-bench-{}-{name}", std::process::id()));
        std::fs::File::create(&file).unwrap().set_len(8 << 30).unwrap();
        Self(file)
    }

    /// Mounts an empty ext4 at `store`, instead of what is there.
    pub(crate) fn fresh(&self, store: &Path) {
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

/// Debian's registry, with its store under `place`.
pub(crate) fn registry(place: &Path) -> std::process::Child {
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

/// Brings the archive to a registry, by another program.
pub(crate) fn push(place: &Path, archive: &Path, reference: &str) {
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
