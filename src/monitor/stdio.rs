//! The container's stdin, stdout and stderr: what the process gets, and what the monitor keeps.
//!
//! Without a terminal, stdout and stderr are FIFOs in the runtime directory. The process holds them open for reading
//! and writing, so the death of the monitor gives it no SIGPIPE and loses no byte, and a successor opens them again. An
//! exec session has pipes: it has no successor. stdin is `/dev/null`, or a pipe whose only write end is ours.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Room in a pipe: enough that a container which prints in bursts need not wait for us. The kernel takes the pages only
/// when they are written.
const PIPE_SIZE: usize = 256 << 10;

/// What the process gets as 0, 1 and 2.
#[derive(Debug)]
pub(crate) struct ProcessEnds {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// What the monitor keeps, all of it non-blocking.
#[derive(Debug)]
pub(crate) enum MonitorEnds {
    /// The master of the process's terminal.
    Terminal(OwnedFd),
    /// Pipes or FIFOs.
    Pipes { stdin: Option<OwnedFd>, stdout: OwnedFd, stderr: OwnedFd },
    /// The process has the caller's streams, or an adopted one's cannot be had.
    Nothing,
}

/// How long the ends of a container live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// FIFOs in this directory, which a successor can open again.
    Fifos(&'a Path),
    /// Pipes that nobody finds.
    Pipes,
}

/// Makes the ends of a process without a terminal. `owner` (as seen from here) is the user of the process, who may open
/// `/dev/stdout` again.
pub(crate) fn create(kind: Kind<'_>, stdin: bool, owner: (u32, u32)) -> Result<(ProcessEnds, MonitorEnds)> {
    let (theirs_in, ours_in) = if stdin {
        let (read, write) = pipe(owner).context("make the pipe for stdin")?;
        set_nonblocking(&write).context("make the pipe for stdin")?;
        (read, Some(write))
    } else {
        (OwnedFd::from(File::open("/dev/null").context("open /dev/null")?), None)
    };
    let output = |name: &str| -> Result<(OwnedFd, OwnedFd)> {
        match kind {
            Kind::Fifos(dir) => {
                let path = dir.join(name);
                fifo(&path, owner).with_context(|| format!("make fifo {}", path.display()))
            }
            Kind::Pipes => {
                let made = pipe(owner).and_then(|(read, write)| {
                    set_nonblocking(&read)?;
                    Ok((write, read))
                });
                made.with_context(|| format!("make the pipe for {name}"))
            }
        }
    };
    let (stdout, our_stdout) = output("stdout")?;
    let (stderr, our_stderr) = output("stderr")?;
    Ok((
        ProcessEnds { stdin: theirs_in, stdout, stderr },
        MonitorEnds::Pipes { stdin: ours_in, stdout: our_stdout, stderr: our_stderr },
    ))
}

/// Opens the FIFOs of a process whose monitor died. Its stdin had its end with that monitor.
pub(crate) fn reopen(dir: &Path) -> Result<MonitorEnds> {
    let open = |name: &str| -> Result<OwnedFd> {
        let path = dir.join(name);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty())
            .and_then(|fd| if is_fifo(&fd)? { Ok(fd) } else { Err(rustix::io::Errno::INVAL) });
        fd.with_context(|| format!("open fifo {}", path.display()))
    };
    Ok(MonitorEnds::Pipes { stdin: None, stdout: open("stdout")?, stderr: open("stderr")? })
}

/// The ends of a process with a terminal, by its master.
pub(crate) fn terminal(master: OwnedFd) -> Result<MonitorEnds> {
    set_nonblocking(&master).context("set up the terminal")?;
    Ok(MonitorEnds::Terminal(master))
}

fn pipe(owner: (u32, u32)) -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    give(&write, owner)?;
    enlarge(&write);
    Ok((read, write))
}

/// Makes a FIFO: the process's end, open both ways, and ours for reading.
fn fifo(path: &Path, owner: (u32, u32)) -> io::Result<(OwnedFd, OwnedFd)> {
    crate::state::paths::remove_file(path)?;
    rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let both = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(path, both, Mode::empty())?;
    if !is_fifo(&theirs)? {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    give(&theirs, owner)?;
    enlarge(&theirs);
    let read = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let ours = rustix::fs::open(crate::sys::path::fd_path(&theirs), read, Mode::empty())?;
    Ok((theirs, ours))
}

fn give(fd: &OwnedFd, (uid, gid): (u32, u32)) -> io::Result<()> {
    if (uid, gid) == (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()) {
        return Ok(());
    }
    Ok(rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

fn enlarge(fd: &OwnedFd) {
    // A user over the soft limit of pipe pages is refused; then it stays as it is.
    fcntl_setpipe_size(fd, PIPE_SIZE).ok();
}

fn is_fifo(fd: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) == FileType::Fifo)
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK)?)
}

/// What a read of the container's output gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Data(usize),
    /// Nothing now.
    Empty,
    /// Nobody has the other end open: for ever with a pipe, for now with a terminal.
    End,
}

/// Reads without waiting.
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Read {
    loop {
        match rustix::io::read(fd, &mut *buffer) {
            Ok(0) => return Read::End,
            Ok(length) => return Read::Data(length),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Read::Empty,
            // EIO: no process has the terminal open.
            Err(_) => return Read::End,
        }
    }
}

/// What is on its way to the container's stdin: at most one frame. While it waits, no client is read.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    done: usize,
    /// Close stdin once everything is written.
    closing: bool,
}

/// What became of a write to stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Everything; what comes next may come.
    All,
    /// The container does not read.
    Waits,
    /// stdin is to be closed, as the client asked, or because the container closed it.
    Close,
}

impl Input {
    /// Makes the buffer, once.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(super::frame::PAYLOAD), done: 0, closing: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.done == self.bytes.len()
    }

    /// Takes the payload of a frame. Only while it [`Self::is_empty`].
    pub(crate) fn fill(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.done = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// There will be nothing more.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// Writes what it holds, without waiting.
    pub(crate) fn write(&mut self, fd: BorrowedFd<'_>) -> Written {
        while self.done < self.bytes.len() {
            match rustix::io::write(fd, &self.bytes[self.done..]) {
                Ok(length) => self.done += length,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Written::Waits,
                Err(_) => {
                    self.done = self.bytes.len();
                    return Written::Close;
                }
            }
        }
        if self.closing { Written::Close } else { Written::All }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_fifo_outlives_its_reader() {
        let dir = std::env::temp_dir().join(format!("dhow-fifo-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (process, monitor) = create(Kind::Fifos(&dir), true, me).unwrap();
        let MonitorEnds::Pipes { stdout, .. } = &monitor else { panic!("pipes") };
        let mut buffer = [0; 64];
        assert_eq!(read(stdout.as_fd(), &mut buffer), Read::Empty);
        rustix::io::write(&process.stdout, b"one").unwrap();
        assert_eq!(read(stdout.as_fd(), &mut buffer), Read::Data(3));
        drop(monitor);
        rustix::io::write(&process.stdout, b"two").expect("no SIGPIPE without a monitor");
        let MonitorEnds::Pipes { stdout, .. } = reopen(&dir).unwrap() else { panic!("pipes") };
        assert_eq!(read(stdout.as_fd(), &mut buffer), Read::Data(3));
        assert_eq!(&buffer[..3], b"two");
        drop(process);
        assert_eq!(read(stdout.as_fd(), &mut buffer), Read::End);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn input_waits_for_the_container() {
        let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (process, monitor) = create(Kind::Pipes, true, me).unwrap();
        let MonitorEnds::Pipes { stdin: Some(stdin), .. } = &monitor else { panic!("pipes") };
        let mut input = Input::new();
        let block = vec![b'x'; super::super::frame::PAYLOAD];
        let mut written = 0;
        loop {
            input.fill(&block);
            match input.write(stdin.as_fd()) {
                Written::All => written += block.len(),
                Written::Waits => break,
                Written::Close => panic!("open"),
            }
        }
        assert!(written <= 1 << 20 && !input.is_empty());
        drop(process);
        assert_eq!(input.write(stdin.as_fd()), Written::Close);
        assert!(input.is_empty());
    }
}
