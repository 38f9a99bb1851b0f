//! Copies of layers with other owners, for user namespaces whose maps the kernel does not put on a mount: an ordinary
//! user's own containers with `keep-id` and the like.
//!
//! ```text
//! layers/<chain hex>/shift-<16 hex of the maps' digest>/   the layer with every owner as it is outside
//! ```
//!
//! One is made once for a layer and maps, in a staging directory, and renamed when its bytes are on the disk. The data is
//! shared where the file system can. It stays for the next container with these maps, and goes with its layer, or when
//! images are pruned and no container needs it ([`collect`]). A container's record is written before it looks for its
//! copies, and who collects reads the records after he has listed the copies; `layers/shift.lock` keeps the look and the
//! collection apart, so a copy that was found stays.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::layer::Layers;
use super::staging::Staging;
use super::tree;
use crate::model::container::IdRange;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::idmap::IdMaps;
use crate::state::lock::{Lock, Rank};
use crate::state::paths::Paths;

/// What the names of copies begin with.
const PREFIX: &str = "shift-";

/// A copy of a layer: its chain id (hex) and the name that its maps give.
pub(crate) type Copied = (String, String);

/// The name of the copies for containers with `maps`.
pub(crate) fn name(maps: &IdMaps) -> String {
    format!("{PREFIX}{}", &Digest::of(maps.canonical().as_bytes()).hex()[..16])
}

fn lock(paths: &Paths) -> Result<Lock> {
    Lock::exclusive(Rank::Images, &paths.layers().join("shift.lock"))
}

/// Removes the copies that `used` does not name; it is asked once, after the copies were listed.
pub(crate) fn collect(paths: &Paths, used: &mut dyn FnMut() -> Result<HashSet<Copied>>) -> Result<()> {
    // Emptied after the lock; a kill leaves it to the next command.
    let trash = Staging::new(paths)?;
    let _lock = lock(paths)?;
    let mut found = Vec::new();
    for chain in Layers::new(paths).list()? {
        let dir = paths.layers().join(&chain);
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("list {}", dir.display()))?,
        };
        for entry in entries {
            let name = entry.with_context(|| format!("list {}", dir.display()))?.file_name();
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX));
            found.extend(name.map(|name| (chain.clone(), name)));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let used = used()?;
    for (chain, name) in found.iter().filter(|copy| !used.contains(*copy)) {
        let place = paths.layers().join(chain).join(name);
        match std::fs::rename(&place, trash.join(format!("{chain}-{name}"))) {
            // With its layer, meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            done => done.with_context(|| format!("remove {}", place.display()))?,
        }
    }
    Ok(())
}

/// The directories of the layers `chains` with their owners shifted by `maps`, in the same order; missing ones are made.
pub(crate) fn ensure(paths: &Paths, chains: &[String], maps: &IdMaps) -> Result<Vec<PathBuf>> {
    let layers = Layers::new(paths);
    let name = name(maps);
    let place = |chain: &String| layers.dir(chain).with_file_name(&name);
    let there: Vec<bool> = {
        let _lock = lock(paths)?;
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
    Copy { from: from.as_fd(), to: to.as_fd(), maps, linked: HashMap::new(), clones: true }.run()?;
    rustix::fs::syncfs(&to).context("sync the copy")?;
    match rustix::fs::renameat_with(CWD, staged, CWD, target, RenameFlags::NOREPLACE) {
        // Somebody else was faster.
        Ok(()) | Err(Errno::EXIST | Errno::NOTEMPTY) => {}
        Err(errno) => return Err(errno).context("publish the copy"),
    }
    let parent = target.parent().context("find the layer")?;
    File::open(parent).and_then(|dir| dir.sync_all()).context("sync the layer")
}

/// One copy of a tree.
struct Copy<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    maps: &'a IdMaps,
    /// Files with several names, by inode: the directory and the name of the first.
    linked: HashMap<u64, (OsString, OsString)>,
    /// Whether the file system shares data, as far as we know.
    clones: bool,
}

impl Copy<'_> {
    /// Directories wait as paths from the top: their depth is the image's. They get their attributes when they are full.
    fn run(&mut self) -> Result<()> {
        let mut directories = vec![OsString::from(".")];
        let mut next = 0;
        while let Some(path) = directories.get(next).cloned() {
            next += 1;
            let (from, to) = self.both(&path)?;
            for (name, kind) in tree::entries(from.as_fd()).context("list a directory")? {
                let describe = || format!("copy {}/{}", path.display(), name.display());
                if kind == FileType::Directory {
                    rustix::fs::mkdirat(&to, &name, Mode::RWXU).with_context(describe)?;
                    let mut inner = path.clone();
                    inner.push("/");
                    inner.push(&name);
                    directories.push(inner);
                } else {
                    self.entry(&from, &to, &path, &name, kind).with_context(describe)?;
                }
            }
        }
        for path in directories.iter().rev() {
            let (from, to) = self.both(path)?;
            self.attributes(&from, &to).with_context(|| format!("set the attributes of {}", path.display()))?;
        }
        Ok(())
    }

    fn both(&self, path: &OsStr) -> Result<(OwnedFd, OwnedFd)> {
        let open = |dir| tree::open_child(dir, path).with_context(|| format!("open directory {}", path.display()));
        Ok((open(self.from)?, open(self.to)?))
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, path: &OsStr, name: &OsStr, kind: FileType) -> Result<()> {
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if stat.st_nlink > 1 {
            if let Some((first, known)) = self.linked.get(&stat.st_ino) {
                let first = tree::open_child(self.to, first).context("open the directory of the first name")?;
                return Ok(rustix::fs::linkat(&first, known, to, name, AtFlags::empty())?);
            }
            self.linked.insert(stat.st_ino, (path.to_owned(), name.to_owned()));
        }
        match kind {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let copy = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
                let (source, copy) = self.data(source, copy)?;
                self.attributes(&source, &copy)
            }
            FileType::Symlink => {
                let text = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(&text, to, name)?;
                self.own_name(to, name, &stat)
            }
            FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice | FileType::Socket => {
                rustix::fs::mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev)?;
                self.own_name(to, name, &stat)?;
                // The umask took its part when the node was made.
                Ok(rustix::fs::chmodat(to, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?)
            }
            FileType::Directory | FileType::Unknown => Ok(()),
        }
    }

    fn data(&mut self, source: OwnedFd, copy: OwnedFd) -> Result<(OwnedFd, OwnedFd)> {
        if self.clones {
            match rustix::fs::ioctl_ficlone(&copy, &source) {
                Ok(()) => return Ok((source, copy)),
                Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::INVAL) => self.clones = false,
                Err(errno) => return Err(errno).context("share data"),
            }
        }
        let (mut source, mut copy) = (File::from(source), File::from(copy));
        std::io::copy(&mut source, &mut copy).context("copy data")?;
        Ok((source.into(), copy.into()))
    }

    fn owner(&self, stat: &Stat) -> Result<(Uid, Gid)> {
        // Who is not mapped is nobody inside, as on a mapped mount: ours, where the container does not have us.
        let nobody =
            |ranges: &[IdRange]| (!ranges.iter().any(|range| range.outside == 0 && range.size > 0)).then_some(0);
        let uid = self.maps.outside_uid(stat.st_uid).or_else(|| nobody(&self.maps.uids));
        let gid = self.maps.outside_gid(stat.st_gid).or_else(|| nobody(&self.maps.gids));
        let (Some(uid), Some(gid)) = (uid, gid) else {
            let message = format!(
                "potentially insufficient UIDs or GIDs available in user namespace (requested {}:{})",
                stat.st_uid, stat.st_gid
            );
            bail!(Error::invalid(message).hint("give the user namespace more ids"));
        };
        Ok((Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    fn own_name(&self, dir: &OwnedFd, name: &OsStr, stat: &Stat) -> Result<()> {
        let (uid, gid) = self.owner(stat)?;
        rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).context("chown")?;
        let set = rustix::fs::utimensat(dir, name, &tree::times(stat), AtFlags::SYMLINK_NOFOLLOW);
        set.context("set times")
    }

    /// Owner first: the change of owner takes set-user-id bits and capabilities away.
    fn attributes(&self, from: &OwnedFd, to: &OwnedFd) -> Result<()> {
        let stat = rustix::fs::fstat(from).context("stat")?;
        let (uid, gid) = self.owner(&stat)?;
        rustix::fs::fchown(to, Some(uid), Some(gid)).context("chown")?;
        for (name, value) in tree::all_attributes(from.as_fd())? {
            match rustix::fs::fsetxattr(to, name.as_bytes(), &value, XattrFlags::empty()) {
                Ok(()) => {}
                // Without overlay's own the layer would mean something else.
                Err(Errno::OPNOTSUPP | Errno::PERM) if !super::whiteout::internal(name.as_bytes()) => {}
                Err(errno) => return Err(errno).context("set extended attribute"),
            }
        }
        rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777)).context("chmod")?;
        rustix::fs::futimens(to, &tree::times(&stat)).context("set times")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        collect(&paths, &mut || Ok([(chain.clone(), name(&maps))].into())).unwrap();
        assert!(copy.exists());
        collect(&paths, &mut || Err(anyhow::anyhow!("a damaged record"))).unwrap_err();
        assert!(copy.exists(), "who is not known to be unused stays");
        collect(&paths, &mut || Ok(HashSet::new())).unwrap();
        assert!(!copy.exists());
        collect(&paths, &mut || panic!("there is nothing to ask for")).unwrap();
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
