//! Copies of layers with other owners, for user namespaces whose maps the kernel does not put on a mount: an ordinary
//! user's own containers with `keep-id` and the like.
//!
//! ```text
//! layers/<chain hex>/shift-<16 hex of the maps' digest>/   the layer with every owner as it is outside
//! ```
//!
//! One is made once for a layer and maps. The data is shared where the file system can.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::layer::Layers;
use super::staging::Staging;
use super::{derived, replica, tree};
use crate::model::idmap::IdMaps;
use crate::state::paths::Paths;

/// The name of the copies for containers with `maps`.
pub(crate) fn name(maps: &IdMaps) -> String {
    derived::name(derived::SHIFT, Some(maps))
}

/// The directories of the layers `chains` with their owners shifted by `maps`, in the same order; missing ones are made.
pub(crate) fn ensure(paths: &Paths, chains: &[String], maps: &IdMaps) -> Result<Vec<PathBuf>> {
    let layers = Layers::new(paths);
    let name = name(maps);
    let place = |chain: &String| layers.dir(chain).with_file_name(&name);
    let there: Vec<bool> = {
        let _lock = derived::lock(paths)?;
        chains.iter().map(|chain| place(chain).is_dir()).collect()
    };
    let mut staging: Option<Staging> = None;
    let mut shifted = Vec::with_capacity(chains.len());
    for (chain, there) in chains.iter().zip(there) {
        let (source, target) = (layers.dir(chain), place(chain));
        if !there {
            let staging = match &mut staging {
                Some(staging) => &*staging,
                none => &*none.insert(Staging::new(paths)?),
            };
            let what = || format!("copy layer {} for the ids of the container", &chain[..12.min(chain.len())]);
            make(&source, &target, &staging.join(chain), maps).with_context(what)?;
        }
        shifted.push(target);
    }
    Ok(shifted)
}

fn make(source: &Path, target: &Path, staged: &Path, maps: &IdMaps) -> Result<()> {
    std::fs::create_dir(staged).with_context(|| format!("create directory {}", staged.display()))?;
    let (from, to) = (tree::open(source)?, tree::open(staged)?);
    replica::copy(from.as_fd(), to.as_fd(), Some(maps))?;
    derived::publish(&to, staged, target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::IdRange;
    use rustix::fs::{CWD, FileType, Mode, XattrFlags};
    use std::collections::HashSet;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

    #[test]
    fn owners_are_shifted_and_all_else_is_the_same() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let root = std::env::temp_dir().join(format!("dhow-shift-{}", std::process::id()));
        let paths = Paths::new(root.join("data"), root.join("run"));
        paths.prepare().unwrap();
        let chain = "a".repeat(64);
        let diff = Layers::new(&paths).dir(&chain);
        std::fs::create_dir_all(diff.join("deep/er")).unwrap();
        std::fs::write(diff.join("deep/file"), vec![7; 10_000]).unwrap();
        std::os::unix::fs::chown(diff.join("deep/file"), Some(1000), Some(5)).unwrap();
        std::fs::set_permissions(diff.join("deep/file"), PermissionsExt::from_mode(0o4755)).unwrap();
        std::fs::hard_link(diff.join("deep/file"), diff.join("second")).unwrap();
        symlink("/etc/passwd", diff.join("link")).unwrap();
        rustix::fs::mknodat(CWD, diff.join("gone"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
        rustix::fs::setxattr(diff.join("deep"), "user.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
        std::fs::set_permissions(diff.join("deep"), PermissionsExt::from_mode(0o1555)).unwrap();
        let ranges = vec![
            IdRange { inside: 0, outside: 1, size: 1000 },
            IdRange { inside: 1000, outside: 0, size: 1 },
            IdRange { inside: 1001, outside: 1001, size: 64_536 },
        ];
        let maps = IdMaps { uids: ranges.clone(), gids: ranges };

        let shifted = ensure(&paths, std::slice::from_ref(&chain), &maps).unwrap();
        let copy = &shifted[0];
        let meta = |path: &Path| std::fs::symlink_metadata(path).unwrap();
        for (path, owner) in [
            ("", (1, 1)),
            ("deep", (1, 1)),
            ("deep/er", (1, 1)),
            ("deep/file", (0, 6)),
            ("link", (1, 1)),
            ("gone", (1, 1)),
        ] {
            let (before, after) = (meta(&diff.join(path)), meta(&copy.join(path)));
            assert_eq!((after.uid(), after.gid()), owner, "{path}");
            assert_eq!(
                (before.mode(), before.mtime(), before.mtime_nsec(), before.rdev()),
                (after.mode(), after.mtime(), after.mtime_nsec(), after.rdev()),
                "{path}"
            );
        }
        assert_eq!(meta(&copy.join("second")).ino(), meta(&copy.join("deep/file")).ino());
        assert_ne!(meta(&copy.join("second")).ino(), meta(&diff.join("second")).ino());
        assert!(meta(&copy.join("gone")).file_type().is_char_device());
        assert_eq!(std::fs::read(copy.join("second")).unwrap(), vec![7; 10_000]);
        let mut value = [0_u8; 4];
        assert_eq!(rustix::fs::getxattr(copy.join("deep"), "user.overlay.opaque", &mut value).unwrap(), 1);
        // Made once, found from then on; nothing is left where it was made.
        let made = meta(copy).ctime_nsec();
        assert_eq!(ensure(&paths, std::slice::from_ref(&chain), &maps).unwrap(), shifted);
        assert_eq!(meta(copy).ctime_nsec(), made);
        assert_eq!(std::fs::read_dir(paths.tmp()).unwrap().count(), 2, "the reserve");
        // It goes when nobody names it, and is made again.
        derived::collect(&paths, &mut || Ok([(chain.clone(), name(&maps))].into())).unwrap();
        assert!(copy.exists());
        derived::collect(&paths, &mut || Err(anyhow::anyhow!("a damaged record"))).unwrap_err();
        assert!(copy.exists(), "who is not known to be unused stays");
        derived::collect(&paths, &mut || Ok(HashSet::new())).unwrap();
        assert!(!copy.exists());
        derived::collect(&paths, &mut || panic!("there is nothing to ask for")).unwrap();
        assert_eq!(ensure(&paths, std::slice::from_ref(&chain), &maps).unwrap(), shifted);
        assert_eq!(std::fs::read_dir(paths.tmp()).unwrap().count(), 2, "the reserve");
        // It is part of its layer.
        Layers::new(&paths).discard(&chain, &paths.tmp()).unwrap();
        assert!(!copy.exists());

        let narrow = |outside| IdMaps { uids: vec![IdRange { inside: 0, outside, size: 10 }], gids: maps.gids.clone() };
        std::fs::create_dir_all(diff.join("x")).unwrap();
        std::os::unix::fs::chown(diff.join("x"), Some(10), None).unwrap();
        let error = ensure(&paths, std::slice::from_ref(&chain), &narrow(0)).unwrap_err();
        assert!(format!("{error:#}").contains("requested 10:0"), "{error:#}");
        assert_eq!(std::fs::read_dir(diff.parent().unwrap()).unwrap().count(), 1);
        let shifted = ensure(&paths, std::slice::from_ref(&chain), &narrow(1)).unwrap();
        assert_eq!((meta(&shifted[0]).uid(), meta(&shifted[0].join("x")).uid()), (1, 0));
        tree::remove_path(&root).unwrap();
    }
}
