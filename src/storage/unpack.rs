//! The role `Unpack`: one process, with one thread, for one layer (R10).
//!
//! [`spawn`] starts it: the blob is its standard input, a SOCK_SEQPACKET pair its standard output, the staging directory
//! its working directory. It gives up every view of the rest (own mount, network and IPC namespaces, the staging
//! directory as its root), keeps six capabilities, then inflates, hashes and writes. What it reports: a packet for each
//! [`Note`], a last one with the diff id or the error. It dies with the thread that started it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use nix::sched::CloneFlags;
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

use super::compression;
use super::erofs::{self, Composer};
use super::extract::{Extractor, Limits, Note, Summary};
use super::member::Archive;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::image::LayerFormat;
use crate::sys::cancel::{self, Cancel};

/// The role's name, the first argument.
pub(crate) const ROLE: &str = "unpack";

/// No packet is larger: the longest path of a member and its tag.
const PACKET: usize = 16 << 10;

/// What unpacking a layer gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) diff_id: Digest,
    pub(crate) summary: Summary,
    pub(crate) notes: Vec<Note>,
}

/// The last packet.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Done { diff_id: Digest, summary: Summary },
    Failed(Error),
}

/// A running unpack process; dropping it kills and reaps it.
pub(crate) struct Unpacker {
    child: Child,
    report: OwnedFd,
}

/// Starts a process that unpacks `blob` (a file or the read end of a pipe) into the directory `staging`, or into an image
/// in it.
pub(crate) fn spawn(blob: OwnedFd, staging: &Path, format: LayerFormat, limits: &Limits) -> Result<Unpacker> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context("make a socket pair")?;
    let limits = serde_json::to_string(limits).context("encode limits")?;
    let child = Command::new("/proc/self/exe")
        .args([ROLE, &limits, format.name()])
        .env_clear()
        .current_dir(staging)
        // Ctrl-C is for the command, which ends this in order.
        .process_group(0)
        .stdin(Stdio::from(blob))
        .stdout(Stdio::from(theirs))
        .spawn()
        .context("start the process that unpacks")?;
    Ok(Unpacker { child, report: ours })
}

impl Unpacker {
    /// Waits for the end and returns what was unpacked; gives up as soon as one of `stops` is set.
    pub(crate) fn wait(mut self, stops: &[&Cancel]) -> Result<Unpacked> {
        let mut notes = Vec::new();
        let mut packet = vec![0; PACKET];
        loop {
            let hears =
                cancel::ready(&self.report, PollFlags::IN, stops).context("hear from the process that unpacks")?;
            if !hears {
                return Err(Error::state("cancelled").into());
            }
            let received = rustix::net::recv(&self.report, &mut packet[..], RecvFlags::empty());
            let length = received.context("hear from the process that unpacks")?.0;
            match packet[..length].split_first() {
                Some((b'o', path)) => notes.push(Note::Opaque(path.to_vec())),
                Some((b'i', path)) => notes.push(Note::Implied(path.to_vec())),
                Some((b'=', outcome)) => {
                    let outcome = serde_json::from_slice(outcome).context("understand the process that unpacks")?;
                    self.child.wait().context("wait for the process that unpacks")?;
                    return match outcome {
                        Outcome::Done { diff_id, summary } => Ok(Unpacked { diff_id, summary, notes }),
                        Outcome::Failed(error) => Err(error.into()),
                    };
                }
                _ => {
                    let status = self.child.wait().context("wait for the process that unpacks")?;
                    bail!("the process that unpacks a layer ended without a word: {status}");
                }
            }
        }
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        // Both fail only when it has ended and was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The process itself. `args` are those behind the role's name.
pub(crate) fn main(args: &[std::ffi::OsString]) -> ExitCode {
    let report = rustix::stdio::stdout();
    let outcome = match unpack(args, report) {
        Ok((diff_id, summary)) => Outcome::Done { diff_id, summary },
        Err(error) => Outcome::Failed(as_error(&error)),
    };
    let sent = serde_json::to_vec(&outcome).is_ok_and(|json| send(report, b'=', &json).is_ok());
    if sent { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn unpack(args: &[std::ffi::OsString], report: BorrowedFd<'_>) -> Result<(Digest, Summary)> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).context("bind to the parent")?;
    // A parent that died before that has closed its end, and whoever heals may be taking the directory away by now.
    let mut polled = [rustix::event::PollFd::from_borrowed_fd(report, PollFlags::empty())];
    rustix::event::poll(&mut polled, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }))
        .context("look for the parent")?;
    if polled[0].revents().contains(PollFlags::HUP) {
        bail!("who asked is gone");
    }
    let limits = args.first().and_then(|text| serde_json::from_slice(text.as_bytes()).ok());
    let limits: Limits = limits.ok_or_else(|| Error::invalid("the role `unpack` needs its limits"))?;
    let format = args.get(1).and_then(|word| LayerFormat::parse(word.to_str()?));
    let format = format.ok_or_else(|| Error::invalid("the role `unpack` needs the format of the layer"))?;
    lock_down()?;
    let root = rustix::fs::open("/", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .context("open the staging directory")?;
    let blob = File::from(rustix::stdio::stdin().try_clone_to_owned().context("open the blob")?);
    let mut archive = Archive::new(compression::reader(blob)?, limits.bytes, true);
    let (mut summary, notes) = match format {
        LayerFormat::Directory => Extractor::new(root.as_fd(), "/".into(), limits).run(&mut archive)?,
        LayerFormat::Erofs => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&root, erofs::FILE, flags, Mode::RUSR | Mode::WUSR);
            Composer::new(file.context("create the image of the layer")?.into(), limits)?.run(&mut archive)?
        }
    };
    let diff_id;
    (diff_id, summary.archive) = archive.finish()?;
    // Only now, when nobody waits any more to be read from: the reader of the report may be the writer of the blob.
    for note in &notes {
        match note {
            Note::Opaque(path) => send(report, b'o', path)?,
            Note::Implied(path) => send(report, b'i', path)?,
        }
    }
    Ok((diff_id, summary))
}

fn send(report: BorrowedFd<'_>, tag: u8, payload: &[u8]) -> Result<()> {
    let packet = [&[tag], payload].concat();
    rustix::net::send(report, &packet, SendFlags::NOSIGNAL).context("report")?;
    Ok(())
}

/// The whole chain as one line; the kind of its root.
fn as_error(error: &anyhow::Error) -> Error {
    let root = error.root_cause().downcast_ref::<Error>();
    let mut message = format!("{error:#}");
    message.truncate(message.floor_char_boundary(PACKET / 4));
    let mut whole = Error::new(root.map_or(ErrorKind::Unavailable, |root| root.kind), message);
    whole.hint = root.and_then(|root| root.hint.clone());
    whole
}

/// Leaves everything but the working directory, which is the staging directory, the blob and the report behind.
fn lock_down() -> Result<()> {
    rustix::process::umask(Mode::empty());
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none).context("limit core files")?;
    let alone = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    nix::sched::unshare(alone).context("leave the host's namespaces")?;
    rustix::mount::mount_change(
        "/",
        rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
    )
    .context("make mounts private")?;
    // Opened only now: a descriptor from before refers to the mounts that stayed behind.
    let root = rustix::fs::open(".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .context("open the staging directory")?;
    let tree = crate::sys::mount::clone_tree(&root, "", false).context("clone the staging directory")?;
    crate::sys::mount::attach(&tree, &root).context("mount the staging directory")?;
    // On an initial ramfs there is nothing to pivot from; a root without CAP_SYS_CHROOT holds as well then.
    if crate::sys::mount::pivot_root(&tree).is_err() {
        rustix::process::fchdir(&tree).context("enter the staging directory")?;
        rustix::process::chroot(".").context("change the root")?;
        rustix::process::chdir("/").context("enter the staging directory")?;
    }
    let kept = CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FOWNER
        | CapabilitySet::FSETID
        | CapabilitySet::MKNOD
        | CapabilitySet::SETFCAP;
    rustix::thread::set_no_new_privs(true).context("give up privileges")?;
    let own = rustix::thread::capabilities(None).context("read capabilities")?;
    let kept = kept & own.permitted;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).context("give up capabilities")?;
    Ok(())
}
