//! A disk without power loses what was not synced, and only that.

use std::io::Write;

use crate::require;
use crate::support::isolated;
use crate::support::powercut::Disk;

fn synced_stays(kind: &str, mebibytes: u64) {
    isolated(|env| {
        let disk = Disk::new(env, kind, mebibytes);
        let path = |name: &str| disk.path().join(name);
        let mut file = std::fs::File::create(path("synced")).unwrap();
        file.write_all(b"kept").unwrap();
        file.sync_all().unwrap();
        std::fs::File::open(disk.path()).unwrap().sync_all().unwrap();
        std::fs::write(path("unsynced"), "lost").unwrap();
        std::fs::rename(path("synced"), path("renamed")).unwrap();
        drop(file);
        disk.cut();
        assert_eq!(std::fs::read(path("synced")).unwrap(), b"kept");
        assert!(!path("renamed").exists() && !path("unsynced").exists());
    });
}

#[test]
fn ext4_loses_only_what_was_not_synced() {
    require!(loop_device, ext4);
    synced_stays("ext4", 32);
}

#[test]
fn xfs_loses_only_what_was_not_synced() {
    require!(loop_device, xfs);
    synced_stays("xfs", 320);
}
