//! A container's terminal: a new pty from its own devpts. Runs in init or in the child of exec.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::Process;
use rustix::fs::{Mode, OFlags, Uid};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::rootfs::target::{Leaf, ensure};
use crate::sys::mount::{attach, clone_tree};
use crate::sys::path::open_in_root;

/// The magic of devpts.
const DEVPTS: i64 = 0x1cd1;

/// Both ends of a pty.
pub(crate) struct Terminal {
    pub(crate) master: OwnedFd,
    pub(crate) slave: OwnedFd,
}

/// Rows and columns that the specification asks for.
pub(crate) fn size(process: &Process) -> Option<(u16, u16)> {
    let size = process.console_size()?;
    let small = |value: u64| u16::try_from(value).ok().filter(|value| *value > 0);
    small(size.height()).zip(small(size.width()))
}

/// Makes a pty in the tree `root` for user `uid`. Its slave is never opened by path: the name could lead elsewhere.
pub(crate) fn open(root: BorrowedFd<'_>, size: Option<(u16, u16)>, uid: u32) -> Result<Terminal> {
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let master = open_in_root(root, "dev/pts/ptmx", flags, Mode::empty()).context("open /dev/pts/ptmx")?;
    let stat = rustix::fs::fstat(&master)?;
    if rustix::fs::fstatfs(&master)?.f_type != DEVPTS || stat.st_rdev != rustix::fs::makedev(5, 2) {
        bail!("/dev/pts/ptmx is not the multiplexer of a devpts");
    }
    rustix::pty::unlockpt(&master).context("unlock the terminal")?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).context("open the other end of the terminal")?;
    rustix::fs::fchown(&slave, Some(Uid::from_raw(uid)), None).context("give the terminal to its user")?;
    if let Some((rows, columns)) = size {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&slave, size).context("set the size of the terminal")?;
    }
    Ok(Terminal { master, slave })
}

/// Makes `slave` the controlling terminal of this process, which leads its session.
pub(crate) fn control(slave: BorrowedFd<'_>) -> Result<()> {
    rustix::process::ioctl_tiocsctty(slave).context("take the terminal")
}

/// Binds `slave` on `/dev/console` of the tree `root`.
pub(crate) fn bind_console(root: BorrowedFd<'_>, slave: BorrowedFd<'_>) -> Result<()> {
    let (target, _) = ensure(root, std::path::Path::new("/dev/console"), Leaf::File)
        .context("find the place /dev/console in the root")?;
    let tree = clone_tree(slave, "", false).context("clone the terminal")?;
    attach(tree, target.as_fd()).context("mount the terminal on /dev/console")
}
