use super::*;
use crate::runtime::rootfs::layered;
use crate::sys::mount::OverlayDirs;
use oci_spec::runtime::Spec;
use rustix::fs::AtFlags;
use rustix::mount::MountAttrFlags;
use serde_json::json;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Runs `body` in a process of its own, or says why it cannot.
fn alone(name: &str, body: impl FnOnce()) {
    crate::runtime::alone_test::alone(&format!("runtime::rootfs::idmapped::tests::{name}"), body);
}

fn spec() -> Spec {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    serde_json::from_value(json!({
        "ociVersion": "1.2.0",
        "linux": {"namespaces": [{"type": "user"}], "uidMappings": map, "gidMappings": map},
    }))
    .unwrap()
}

/// Two layers, an upper and a work directory.
fn dirs(base: &Path) -> OverlayDirs {
    let path = |name: &str| base.join(name);
    for name in ["top", "bottom/sub", "upper", "work"] {
        std::fs::create_dir_all(path(name)).unwrap();
    }
    std::fs::write(path("top/root"), "root's").unwrap();
    std::fs::write(path("bottom/sub/web"), "web's").unwrap();
    std::os::unix::fs::chown(path("bottom/sub/web"), Some(33), Some(34)).unwrap();
    std::fs::write(path("bottom/far"), "not mapped").unwrap();
    std::os::unix::fs::chown(path("bottom/far"), Some(70_000), Some(0)).unwrap();
    std::os::unix::fs::chown(path("upper"), Some(100_000), Some(100_000)).unwrap();
    OverlayDirs {
        lower: ["top", "bottom"].map(|name| Lower::Directory(path(name))).to_vec(),
        upper: Some((path("upper"), path("work"))),
        volatile: false,
        userxattr: false,
    }
}

fn owner(root: &OwnedFd, path: &str) -> (u32, u32) {
    let stat = rustix::fs::statat(root, path, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    (stat.st_uid, stat.st_gid)
}

fn check(root: &OwnedFd, base: &Path) {
    for (path, expected) in [
        (".", (100_000, 100_000)),
        ("root", (100_000, 100_000)),
        ("sub", (100_000, 100_000)),
        ("sub/web", (100_033, 100_034)),
        ("far", (65_534, 100_000)),
    ] {
        assert_eq!(owner(root, path), expected, "{path}");
    }
    // A copy up keeps the owner; a mode is enough to cause one.
    rustix::fs::chmodat(root, "sub/web", Mode::from_raw_mode(0o600), AtFlags::empty()).unwrap();
    assert_eq!(owner(root, "sub/web"), (100_033, 100_034));
    let on_disk = |path: &str| {
        let meta = std::fs::symlink_metadata(base.join(path)).unwrap();
        (meta.uid(), meta.gid())
    };
    assert_eq!(on_disk("upper/sub/web"), (100_033, 100_034));
    assert_eq!(on_disk("bottom/sub/web"), (33, 34));
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(base.to_str().unwrap()), "{table}");
}

fn base(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dhow-idmapped-{name}-{}", std::process::id()))
}

#[test]
fn layers_have_the_containers_owners() {
    alone("layers_have_the_containers_owners", || {
        let base = base("overlay");
        let dirs = dirs(&base);
        let clock = std::time::Instant::now();
        let namespace = namespace(&spec()).unwrap();
        let made = clock.elapsed();
        let root = layered::mount(&dirs, Some(namespace.as_fd()), MountAttrFlags::empty()).unwrap();
        eprintln!("namespace {made:?}, overlay {:?}", clock.elapsed() - made);
        check(&root, &base);
        drop(root);
        std::fs::remove_dir_all(&base).unwrap();
    });
}

#[test]
fn older_kernels_get_the_same_overlay() {
    alone("older_kernels_get_the_same_overlay", || {
        let base = base("attached");
        let dirs = dirs(&base);
        let namespace = namespace(&spec()).unwrap();
        let trees: Vec<_> = dirs.lower.iter().map(|path| layer(path, namespace.as_fd()).unwrap()).collect();
        let clock = std::time::Instant::now();
        let root = layered::attached(&trees, &dirs, MountAttrFlags::empty()).unwrap();
        eprintln!("overlay {:?}", clock.elapsed());
        check(&root, &base);
        drop(root);
        std::fs::remove_dir_all(&base).unwrap();
    });
}

#[test]
fn what_is_written_into_a_directory_is_the_images_own() {
    alone("what_is_written_into_a_directory_is_the_images_own", || {
        let base = base("directory");
        let bottom = dirs(&base).lower[1].path().to_owned();
        let root = directory(&bottom, None, namespace(&spec()).unwrap().as_fd()).unwrap();
        assert_eq!(owner(&root, "sub/web"), (100_033, 100_034));
        let container = (rustix::fs::Uid::from_raw(100_007), rustix::fs::Gid::from_raw(100_000));
        rustix::fs::chownat(&root, "sub", Some(container.0), Some(container.1), AtFlags::empty()).unwrap();
        assert_eq!(std::fs::metadata(bottom.join("sub")).unwrap().uid(), 7);
        drop(root);
        std::fs::remove_dir_all(&base).unwrap();
    });
}

#[test]
fn a_file_system_without_maps_is_named() {
    alone("a_file_system_without_maps_is_named", || {
        let namespace = namespace(&spec()).unwrap();
        let error = layer(&Lower::Directory("/proc".into()), namespace.as_fd()).unwrap_err();
        assert!(format!("{error:#}").contains("the file system of /proc cannot map"), "{error:#}");
    });
}
