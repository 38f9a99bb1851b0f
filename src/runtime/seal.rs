//! Programs of the host that containers get to see, so that nothing which reaches one of them from a container changes
//! the installed file (R9, CVE-2019-5736).
//!
//! What enters a container is executed through a read-only detached bind of our own binary ([`binary`], [`enter`]): the
//! bind is in no namespace, and what is in none cannot be changed, cloned or mounted by anybody. What it executes later
//! inherits that. (A sealed overlay says the same and costs each start a fifth of a millisecond.)
//!
//! What lies in a container, as `--init` does, is in its mount namespace, where CAP_SYS_ADMIN lifts a read-only bind.
//! That is a file of an overlay without an upper directory ([`inside`]), which the kernel never makes writable.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Access, AtFlags, CWD, MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags};
use rustix::mount::{MountAttrFlags, MountPropagationFlags};

use super::errand;
use crate::sys::clone::Namespaces;
use crate::sys::mount::{self, FsOption, Lower, MountAttr, OverlayDirs};
use crate::sys::path::fd_path;

/// Opens our own binary through a mount that nothing can write through.
pub(crate) fn binary() -> io::Result<OwnedFd> {
    let own = own()?;
    // Sealed before: we are what a monitor executed. Or the installation itself is read-only.
    if is_read_only(&own)? { Ok(own) } else { bind(&own) }
}

fn own() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

fn is_read_only(file: &OwnedFd) -> io::Result<bool> {
    Ok(rustix::fs::fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn bind(own: &OwnedFd) -> io::Result<OwnedFd> {
    let tree = mount::clone_tree(own, "", false).or_else(|_| clone_by_name(own))?;
    mount::set_attr(&tree, false, MountAttr { set: libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() })?;
    Ok(tree)
}

/// The mount of our binary in this mount namespace: an ordinary user's command left the one that it was executed in. The
/// name may mean another file by now; then there is none.
fn clone_by_name(own: &OwnedFd) -> io::Result<OwnedFd> {
    let named = rustix::fs::open(installed()?, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let (ours, theirs) = (rustix::fs::fstat(own)?, rustix::fs::fstat(&named)?);
    if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino) {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    mount::clone_tree(&named, "", false)
}

/// Where our own binary is installed. What was executed from the bind has no path to read; it was told by its name.
pub(crate) fn installed() -> io::Result<PathBuf> {
    let path = std::fs::read_link("/proc/self/exe")?;
    if path != Path::new("/") {
        return Ok(path);
    }
    let name = std::env::args_os().next().map(PathBuf::from).filter(|name| name.is_absolute());
    name.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

/// Sees to it that this process, whose children enter containers, runs from what nobody can write: it executes itself
/// once more from there, with the same arguments, environment and descriptors. Returns where that is so already.
pub(crate) fn enter() -> Result<()> {
    let own = own().context("open our own binary")?;
    if is_read_only(&own)? || is_sealed() || !is_ours_to_change(&own) {
        return Ok(());
    }
    let sealed = match bind(&own) {
        // Who has no rights over mounts has a copy.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => copy().context("copy our own binary")?,
        bound => bound.context("bind our own binary")?,
    };
    match execute(&sealed)? {}
}

/// Whether we run from a copy that [`enter`] made.
fn is_sealed() -> bool {
    let seals = File::open("/proc/self/exe").map(rustix::fs::fcntl_get_seals);
    matches!(seals, Ok(Ok(seals)) if seals.contains(SealFlags::WRITE))
}

/// Whether somebody with our ids, as the root of an ordinary user's container has them, could write to the file or let
/// himself do so.
fn is_ours_to_change(own: &OwnedFd) -> bool {
    let user = rustix::process::geteuid();
    let owned = rustix::fs::fstat(own).is_ok_and(|stat| stat.st_uid == user.as_raw());
    user.is_root() || owned || rustix::fs::accessat(CWD, fd_path(own), Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// A copy of our binary in memory that nobody can change.
fn copy() -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("dhow", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut memory = File::from(memory);
    io::copy(&mut File::open("/proc/self/exe")?, &mut memory)?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(memory.into())
}

/// Becomes the program in `file`. execveat(2).
fn execute(file: &OwnedFd) -> Result<Infallible> {
    let texts = |texts: &mut dyn Iterator<Item = OsString>| {
        texts.map(|text| CString::new(text.into_vec())).collect::<Result<Vec<_>, _>>().context("a NUL byte")
    };
    let arguments = texts(&mut std::env::args_os())?;
    let environment = texts(&mut std::env::vars_os().map(|(mut key, value)| {
        key.push("=");
        key.push(value);
        key
    }))?;
    nix::unistd::execveat(file, c"", &arguments, &environment, nix::fcntl::AtFlags::AT_EMPTY_PATH)
        .context("execute our own binary")
}

/// The program at `path` as a detached mount for the inside of a container: whatever rights a process has there, it can
/// change a copy at most. `place` is a directory of the container's own on the host, where a copy may be kept.
pub(crate) fn inside(path: &Path, place: &Path) -> Result<OwnedFd> {
    let path = path.canonicalize().with_context(|| format!("statfs {}", path.display()))?;
    over(&path, place)
        .and_then(|tree| is_same(&path, &tree).then_some(tree).context("something is mounted on it"))
        .or_else(|_| copied(&path, place))
        .with_context(|| format!("mount {}", path.display()))
}

/// The file `path` of a read-only overlay. Two layers are the least that there can be without an upper one: below the
/// directory of the file lies nothing.
fn over(path: &Path, place: &Path) -> Result<OwnedFd> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
    };
    let attr = MountAttrFlags::MOUNT_ATTR_RDONLY;
    let empty = mount::fs_mount("tmpfs", &[FsOption::Text("nr_inodes", "1")], attr).context("make an empty layer")?;
    let layers = [open_directory(directory)?, empty];
    match mount::overlay_on(&layers, &read_only(Vec::new()), attr) {
        // Linux before 6.15 takes and clones only what is attached in the caller's mount namespace.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            errand::mount(Namespaces::MOUNT, || attached(directory, name, &layers[1], place))
        }
        overlay => Ok(mount::clone_tree(overlay.context("mount the overlay")?, name, false)?),
    }
}

/// Whether the overlay shows the file: what is mounted on a file of its lower directory it does not.
fn is_same(path: &Path, tree: &OwnedFd) -> bool {
    let facts = |stat: rustix::fs::Stat| (stat.st_ino, stat.st_size, stat.st_mode, stat.st_mtime, stat.st_mtime_nsec);
    let (named, shown) = (rustix::fs::stat(path), rustix::fs::fstat(tree));
    matches!((named, shown), (Ok(named), Ok(shown)) if facts(named) == facts(shown))
}

fn read_only(lower: Vec<Lower>) -> OverlayDirs {
    OverlayDirs { lower, upper: None, volatile: false, userxattr: false }
}

fn open_directory(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("open {}", path.display()))
}

/// The same by the name of `place`, where the layer `empty` and then the overlay are attached: in a mount namespace that
/// ends with this process.
fn attached(directory: &Path, name: &OsStr, empty: &OwnedFd, place: &Path) -> Result<OwnedFd> {
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", all).context("make all mounts private")?;
    mount::attach(empty, open_directory(place)?).context("attach the empty layer")?;
    let dirs = read_only([directory, place].map(|path| Lower::Directory(path.to_owned())).to_vec());
    let overlay = mount::overlay(&dirs, MountAttrFlags::MOUNT_ATTR_RDONLY).context("mount the overlay")?;
    mount::attach(&overlay, open_directory(place)?).context("attach the overlay")?;
    Ok(mount::clone_tree(CWD, place.join(name), false)?)
}

/// A copy of the container's own, where there can be no overlay.
fn copied(path: &Path, place: &Path) -> Result<OwnedFd> {
    let copy = place.join("init");
    // Whatever an earlier run of the container made of it.
    match std::fs::remove_file(&copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    std::fs::copy(path, &copy).and_then(|_| std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)))?;
    Ok(mount::clone_tree(CWD, &copy, false)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn errno(error: &io::Error) -> Option<Errno> {
        error.raw_os_error().map(Errno::from_raw_os_error)
    }

    /// R9: what is executed for a container is open to no writer.
    #[test]
    fn the_binary_is_opened_through_a_read_only_mount() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: mounts need root");
            return;
        }
        let file = binary().unwrap();
        assert!(is_read_only(&file).unwrap());
        let error = File::options().write(true).open(fd_path(&file)).unwrap_err();
        assert!(matches!(errno(&error), Some(Errno::ROFS | Errno::TXTBSY)), "{error}");
        let copy = copy().unwrap();
        let written = File::options().write(true).open(fd_path(&copy));
        let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, b"x"));
        assert_eq!(errno(&written.unwrap_err()), Some(Errno::PERM));
    }

    /// R9: who has CAP_SYS_ADMIN lifts a read-only bind, and changes nothing of the host's by that.
    #[test]
    fn what_lies_in_a_container_is_not_the_installed_file() {
        crate::runtime::alone_test::alone(
            "runtime::seal::tests::what_lies_in_a_container_is_not_the_installed_file",
            || {
                let top = PathBuf::from(format!("/dev/shm/dhow-seal-{}", std::process::id()));
                // One below the other, as a store may lie below the directory of the program.
                let (bin, place) = (top.join("bin"), top.join("bin/place"));
                std::fs::create_dir_all(&bin).unwrap();
                std::fs::create_dir_all(&place).unwrap();
                let program = bin.join("program");
                std::fs::write(&program, "installed").unwrap();
                let overwrite = |tree: &OwnedFd| {
                    assert_eq!(std::fs::read_to_string(fd_path(tree)).unwrap(), "installed");
                    let lift = MountAttr { clear: libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() };
                    mount::set_attr(tree, false, lift).unwrap();
                    std::fs::write(fd_path(tree), "changed").map_err(|error| errno(&error).unwrap())
                };
                assert_eq!(overwrite(&over(&program, &place).unwrap()), Err(Errno::ROFS));
                // As on Linux before 6.15.
                let empty = mount::fs_mount("tmpfs", &[], MountAttrFlags::empty()).unwrap();
                let older = || attached(&bin, OsStr::new("program"), &empty, &place);
                assert_eq!(overwrite(&errand::mount(Namespaces::MOUNT, older).unwrap()), Err(Errno::ROFS));
                for _ in 0..2 {
                    assert_eq!(overwrite(&copied(&program, &place).unwrap()), Ok(()));
                }
                assert_eq!(std::fs::read_to_string(&program).unwrap(), "installed");
                std::fs::remove_dir_all(top).unwrap();
            },
        );
    }
}
