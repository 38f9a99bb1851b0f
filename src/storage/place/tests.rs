//! What is placed where, and what is refused.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::*;
use crate::storage::pack::{PackOptions, Packer};

fn own(_: u32, _: u32) -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Packs `from/name` and places it in `base` of `root`.
fn copy(from: &Path, name: &str, root: &Path, base: &str, overwrite: bool) -> Result<u64> {
    let mut packer = Packer::new(Vec::new(), PackOptions { owner: &own, nanoseconds: true, skip: &[], upper: false });
    packer.tree(tree::open(from).unwrap().as_fd(), OsStr::new(name), name.as_bytes()).unwrap();
    let bytes = packer.finish().unwrap();
    place(&bytes, root, base, overwrite)
}

fn place(bytes: &[u8], root: &Path, base: &str, overwrite: bool) -> Result<u64> {
    let root = tree::open(root).unwrap();
    let options = PlaceOptions { owner: &own, overwrite, special: false };
    Placer::new(root.as_fd(), base.as_bytes().to_vec(), options).run(&mut Archive::new(bytes, u64::MAX, false))
}

/// R1.
#[test]
fn links_of_the_tree_lead_nowhere_else() {
    let top = std::env::temp_dir().join(format!("dhow-place-{}", std::process::id()));
    let (from, root, out) = (top.join("from"), top.join("root"), top.join("outside"));
    for dir in [&from.join("d/sub"), &root.join("inner"), &out] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::fs::write(from.join("d/sub/file"), "new").unwrap();
    symlink(&out, root.join("d")).unwrap();
    std::fs::create_dir_all(root.join(out.strip_prefix("/").unwrap())).unwrap();
    // The link's target is looked for inside.
    copy(&from, "d", &root, "", false).unwrap();
    assert!(std::fs::read_dir(&out).unwrap().next().is_none());
    assert!(root.join(out.strip_prefix("/").unwrap()).join("sub/file").exists());
    // What has the name of a file goes; what it leads to stays.
    std::fs::write(out.join("kept"), "kept").unwrap();
    std::fs::write(from.join("f"), "file").unwrap();
    symlink(out.join("kept"), root.join("f")).unwrap();
    copy(&from, "f", &root, "", false).unwrap();
    assert_eq!(std::fs::read_to_string(root.join("f")).unwrap(), "file");
    assert_eq!(std::fs::read_to_string(out.join("kept")).unwrap(), "kept");
    assert!(!root.join("f").is_symlink());
    std::fs::remove_dir_all(&top).unwrap();
}

#[test]
fn kinds_replace_each_other_only_when_told() {
    let top = std::env::temp_dir().join(format!("dhow-place-kinds-{}", std::process::id()));
    let (from, root) = (top.join("from"), top.join("root"));
    for dir in [&from.join("a/x"), &root.join("b/y")] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::fs::write(from.join("b"), "").unwrap();
    std::fs::write(root.join("a"), "").unwrap();
    for (name, words) in [("a", "mkdir /a: file exists"), ("b", "error creating \"/b\": file exists")] {
        assert!(format!("{:#}", copy(&from, name, &root, "", false).unwrap_err()).contains(words), "{name}");
        copy(&from, name, &root, "", true).unwrap();
    }
    assert!(root.join("a/x").is_dir() && root.join("b").is_file());
    // Missing parents are made; a tree that is there already takes what is new.
    copy(&from, "a", &root, "deep/er", false).unwrap();
    copy(&from, "a", &root, "deep/er", false).unwrap();
    assert_eq!(root.join("deep/er/a").metadata().unwrap().mtime(), from.join("a").metadata().unwrap().mtime());
    std::fs::remove_dir_all(&top).unwrap();
}

#[test]
fn paths_that_climb_are_refused() {
    let root = std::env::temp_dir().join(format!("dhow-place-climb-{}", std::process::id()));
    std::fs::create_dir_all(root.join("base")).unwrap();
    for path in ["../x", "a/../../x", ".."] {
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        let bytes = [header.as_bytes(), &[0; 1024][..]].concat();
        let error = place(&bytes, &root, "base", true).unwrap_err();
        assert!(error.to_string().contains("leaves its directory"), "{path}: {error}");
    }
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
    std::fs::remove_dir_all(&root).unwrap();
}
