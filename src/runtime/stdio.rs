//! The standard streams of a container's process.

use std::os::fd::{BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::model::error::Error;
use crate::sys::path::open_beneath;

/// Where standard input, output and error lead.
pub(crate) enum Stdio {
    /// To open files of the caller.
    Fds { stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd },
    /// To a new terminal, whose master the caller gets; rows and columns, if known.
    Terminal { size: Option<(u16, u16)> },
}

/// The descriptors of a process beyond its streams: 3 and following.
#[derive(Debug, Default)]
pub(crate) struct Preserved {
    pub(crate) fds: Vec<OwnedFd>,
    /// Numbers of which only the place is kept: the process finds them closed.
    pub(crate) holes: Vec<u32>,
}

impl Preserved {
    /// Descriptors without a hole between them.
    pub(crate) fn from_three(fds: Vec<OwnedFd>) -> Self {
        Self { fds, holes: Vec::new() }
    }
}

impl Stdio {
    /// Puts the null device of the container, whose root is `root`, in the place of the host's: by a descriptor of the
    /// host's node the container's root could change that node's mode for everybody.
    pub(crate) fn replace_null(&mut self, root: BorrowedFd<'_>) -> Result<()> {
        let Self::Fds { stdin, stdout, stderr } = self else { return Ok(()) };
        for (stream, is_input) in [(stdin, true), (stdout, false), (stderr, false)] {
            if !is_null(stream)? {
                continue;
            }
            *stream = match container_null(root) {
                Some(null) => null,
                // Who took the device away still gets an end of file.
                None if is_input => pipe_with(PipeFlags::CLOEXEC).context("make an empty standard input")?.0,
                None => return Err(Error::invalid("/dev/null of the container is not the null device").into()),
            };
        }
        Ok(())
    }
}

fn is_null(fd: &OwnedFd) -> Result<bool> {
    let stat = rustix::fs::fstat(fd).context("look at a stream")?;
    let character = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    Ok(character && stat.st_rdev == rustix::fs::makedev(1, 3))
}

/// The container's own null device, if what lies there is one.
fn container_null(root: BorrowedFd<'_>) -> Option<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    let null = open_beneath(root, "dev/null", flags, Mode::empty()).ok()?;
    rustix::fs::fcntl_setfl(&null, OFlags::empty()).ok()?;
    is_null(&null).ok().filter(|real| *real).map(|_| null)
}
