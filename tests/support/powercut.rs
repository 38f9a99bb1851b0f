//! A disk that can lose its power: a file system in a loop file, shut down without a log flush and mounted again.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::env::{Seat, TestEnv};

/// `FS_IOC_SHUTDOWN`, `_IOR('X', 125, __u32)` (linux/fs.h of 6.x, before that in each file system).
const FS_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587d;
/// Nothing is flushed, not even the journal.
static GOING_FLAGS_NOLOGFLUSH: u32 = 2;

/// A mounted loop file; unmounted and removed when dropped.
pub(crate) struct Disk {
    file: PathBuf,
    mountpoint: PathBuf,
    /// The mount point was made for it.
    made: bool,
}

impl Disk {
    /// Makes a file system of `kind` (ext4, btrfs or xfs) of `mebibytes` (xfs wants 300) and mounts it.
    pub(crate) fn new(env: &TestEnv, kind: &str, mebibytes: u64) -> Self {
        let (file, mountpoint) = (env.place.join(format!("{kind}.disk")), env.place.join(format!("{kind}.mount")));
        std::fs::File::create(&file).and_then(|f| f.set_len(mebibytes << 20)).expect("make a disk's file");
        let mut make = match kind {
            "ext4" => Command::new(super::require::program("mke2fs").expect("mke2fs")),
            "btrfs" => Command::new(super::require::program("mkfs.btrfs").expect("mkfs.btrfs")),
            _ => Command::new(super::require::program("mkfs.xfs").expect("mkfs.xfs")),
        };
        let quiet: &[&str] =
            if kind == "ext4" { &["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=1"] } else { &["-q"] };
        let output = make.args(quiet).arg(&file).output().expect("make a file system");
        assert!(output.status.success(), "make {kind}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::create_dir(&mountpoint).expect("make a mount point");
        let disk = Self { file, mountpoint, made: true };
        disk.mount();
        disk
    }

    /// Mounts `file`, which has a file system that recovers from whatever happened to it.
    pub(crate) fn of(file: &Path, mountpoint: &Path) -> Self {
        let disk = Self { file: file.to_owned(), mountpoint: mountpoint.to_owned(), made: false };
        disk.mount();
        disk
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mountpoint
    }

    /// `seat` with its store on this disk.
    pub(crate) fn seat(&self, seat: &Seat) -> Seat {
        Seat { store: self.mountpoint.join("store"), ..seat.clone() }
    }

    fn mount(&self) {
        let output = Command::new("mount").args(["-n", "-o", "loop"]).args([&self.file, &self.mountpoint]).output();
        let output = output.expect("run mount");
        assert!(output.status.success(), "mount a disk: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn is_btrfs(&self) -> bool {
        nix::sys::statfs::statfs(&self.mountpoint).expect("stat a disk").filesystem_type()
            == nix::sys::statfs::BTRFS_SUPER_MAGIC
    }

    fn unmount(&self) -> nix::Result<()> {
        // A process that is just ending may hold it for a moment.
        for _ in 0..100 {
            match nix::mount::umount2(&self.mountpoint, nix::mount::MntFlags::empty()) {
                Err(nix::errno::Errno::EBUSY) => std::thread::sleep(std::time::Duration::from_millis(10)),
                other => return other,
            }
        }
        Err(nix::errno::Errno::EBUSY)
    }

    /// Takes the power away now, and brings it back: what was not synced is gone.
    pub(crate) fn cut(&self) {
        if self.is_btrfs() {
            // It cannot be shut down: the disk goes back to what reached it until now.
            let reached = self.file.with_extension("reached");
            std::fs::copy(&self.file, &reached).expect("copy a disk");
            self.unmount().expect("unmount a disk");
            std::fs::rename(&reached, &self.file).expect("put a disk back");
            self.mount();
            return;
        }
        let directory = std::fs::File::open(&self.mountpoint).expect("open a disk");
        // SAFETY: the kernel reads one u32.
        let result = unsafe {
            let fd = std::os::fd::AsRawFd::as_raw_fd(&directory);
            libc::ioctl(fd, FS_IOC_SHUTDOWN as _, &raw const GOING_FLAGS_NOLOGFLUSH)
        };
        assert_eq!(result, 0, "shut a file system down: {}", std::io::Error::last_os_error());
        drop(directory);
        self.unmount().expect("unmount a dead disk");
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let gone = self.unmount();
        drop(std::fs::remove_file(&self.file));
        if self.made {
            drop(std::fs::remove_dir(&self.mountpoint));
        }
        if !std::thread::panicking() {
            gone.expect("unmount a disk");
        }
    }
}
