//! The standard streams of a container's process.

use std::os::fd::OwnedFd;

/// Where standard input, output and error lead.
pub(crate) enum Stdio {
    /// To open files of the caller.
    Fds { stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd },
    /// To a new terminal, whose master the caller gets; rows and columns, if known.
    Terminal { size: Option<(u16, u16)> },
}
