//! The work on the disk whose writes are logged.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use crate::guest::{assert_guest, command, shell};
use crate::support::image::Flavor;
use crate::support::registry::Registry;
use crate::work::{self, MARK, MARK_SECTOR, MOUNTPOINT, REGISTRY, STEPS};

const DISK: &str = "/dev/vdc";

/// A sector as the disk takes it without the page cache.
#[repr(align(4096))]
struct Sector([u8; 512]);

/// Says on the disk what is done: no flush comes of it.
fn mark(disk: &File, step: usize, ended: bool) {
    let mut sector = Sector([0; 512]);
    sector.0[..8].copy_from_slice(MARK);
    sector.0[8] = u8::try_from(step).expect("few steps");
    sector.0[9] = u8::from(ended);
    disk.write_all_at(&sector.0, MARK_SECTOR * 512).expect("write a mark");
}

#[test]
#[ignore = "runs in the guest"]
fn it_is_done_step_by_step() {
    assert_guest();
    std::fs::write("/run/one.tar", work::image("one").docker_archive(&["one"])).unwrap();
    std::fs::write("/run/six.tar", work::image("six").docker_archive(&["six"])).unwrap();
    let mut five = crate::support::image::busybox_entries();
    five.extend(work::own_entries("five"));
    std::fs::write("/run/five.tar", crate::support::tar::archive(&five)).unwrap();
    let registry = Registry::start();
    registry.add("three", "latest", &work::image("three"), Flavor::Oci);
    // Nothing reaches the disk of its own accord.
    shell(&format!("mount -o commit=900 {DISK} {MOUNTPOINT} && echo 90000 > /proc/sys/vm/dirty_expire_centisecs")).ok();
    let disk = File::options().write(true).custom_flags(libc::O_DIRECT).open(DISK).expect("open the disk");
    for (number, step) in STEPS.iter().enumerate() {
        let words: Vec<String> = step.words.iter().map(|word| word.replace(REGISTRY, &registry.address())).collect();
        let mut all = vec!["dhow", "--root", "/srv/store", "--runroot", "/run/cut"];
        all.extend(words.iter().map(String::as_str));
        mark(&disk, number, false);
        command(&all).exits(step.exits);
        mark(&disk, number, true);
    }
    std::io::stdout().flush().unwrap();
    shell(&format!("umount {MOUNTPOINT} && sync {DISK}")).ok();
}
