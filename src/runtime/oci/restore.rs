//! `restore`: images of processes become a container, which goes on where it was.
//!
//! criu makes the processes, their namespaces and mounts; the cgroup with its limits, and what comes from outside (the
//! root, mounts of the host's files, namespaces of others, streams, the terminal), is given to it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxNamespaceType, LinuxResources, Spec};
use rustix::io::FdFlags;
use rustix::mount::MountPropagationFlags;

use super::args::{Globals, RestoreArgs};
use super::checkpoint::{DESCRIPTORS, EXTERNAL_NAMESPACES, Images, binds, field, namespace_path};
use super::console::{self, Foreground};
use super::create;
use super::criu::wire::Message;
use super::criu::{Criu, Kind, Step};
use super::delete;
use super::notify as service;
use super::record::{Container, Record, Root};
use crate::model::container::ProcessRef;
use crate::runtime::cgroup::{Cgroup, systemd};
use crate::runtime::hook::Point;
use crate::runtime::notify::{INSIDE, make_directory};
use crate::runtime::resctrl::Group;
use crate::runtime::{bundle, validate};
use crate::sys::process;

/// Namespaces that criu enters by a path before it makes processes in them.
const JOINED: [(LinuxNamespaceType, &str); 3] =
    [(LinuxNamespaceType::Ipc, "ipc"), (LinuxNamespaceType::Uts, "uts"), (LinuxNamespaceType::Mount, "mnt")];

/// `restore`: gives the exit code of the command.
pub(crate) fn restore(root: &Root, globals: &Globals, args: &RestoreArgs) -> Result<u8> {
    let container = root.container(&args.id)?;
    let bundle = std::fs::canonicalize(&args.bundle).with_context(|| format!("bundle {}", args.bundle.display()))?;
    let (config, spec) = create::read_config(&bundle)?;
    validate::spec(&spec)?;
    let rootfs = bundle::root(&spec, &bundle)?;
    let rootfs = std::fs::canonicalize(&rootfs).with_context(|| format!("root.path {}", rootfs.display()))?;
    let mut images = Images::open(&args.images, "restore.log", false)?;
    let (cgroup, scope) = create::cgroup(&spec, &args.id, globals)?;
    let resctrl = Group::plan(create::intel_rdt(&spec), &args.id)?;
    let console = create::console_socket(&spec, args.console_socket.as_deref(), args.detach)?;
    let foreground = if args.detach { None } else { Some(Foreground::new()?) };
    root.make()?;
    container.claim()?;
    let mut work = Restoring {
        container: &container,
        spec: &spec,
        record: Record { keep_keyring: true, resctrl, ..Record::begun(&spec, bundle, rootfs)? },
        console,
        terminal: None,
        hooked: false,
    };
    let done = work.go(args, &mut images, cgroup, scope, &config);
    let command = match done {
        Ok(command) => command,
        Err(error) => {
            create::undo(&container, &work.record, &spec, work.hooked);
            return Err(error);
        }
    };
    let Some(foreground) = foreground else { return Ok(0) };
    let code = foreground.wait(&command, work.terminal.as_ref(), None);
    let lock = container.lock()?;
    delete::finish(&container, &work.record, &spec)?;
    drop(lock);
    Ok(u8::try_from(code?).unwrap_or(u8::MAX))
}

/// A container whose name is taken, and how far it came.
struct Restoring<'a> {
    container: &'a Container,
    spec: &'a Spec,
    record: Record,
    console: Option<OwnedFd>,
    /// Of a container in the foreground.
    terminal: Option<OwnedFd>,
    hooked: bool,
}

impl Restoring<'_> {
    /// Gives the first process.
    fn go(
        &mut self,
        args: &RestoreArgs,
        images: &mut Images,
        cgroup: Cgroup,
        scope: Option<systemd::Planned>,
        config: &[u8],
    ) -> Result<OwnedFd> {
        let lock = self.container.lock()?;
        self.container.write(&self.record)?;
        self.container.keep_config(config)?;
        let none = LinuxResources::default();
        let resources = self.spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()).unwrap_or(&none);
        let holder = match &scope {
            Some(scope) => Some(cgroup.create_in(scope, resources).context("make the cgroup")?),
            None => cgroup.create(resources).context("make the cgroup").map(|()| None)?,
        };
        self.record.cgroup = cgroup;
        self.record.cgroup.apply(resources).context("limit the cgroup")?;
        self.container.write(&self.record)?;
        if let (Some(group), Some(wanted)) = (&self.record.resctrl, create::intel_rdt(self.spec)) {
            group.make(wanted)?;
        }
        // criu wants its root to be a mount, which only criu sees.
        let place = self.container.directory.join("root");
        std::fs::create_dir(&place).with_context(|| format!("make {}", place.display()))?;
        let mut held = Vec::new();
        let options = self.options(args, images, &place, &mut held)?;
        let rootfs = self.record.rootfs.clone();
        let criu = Criu::start(|| {
            images.enter()?;
            mount_root(&rootfs, &place)
        })?;
        // What criu makes is born where criu is.
        self.record.cgroup.add_process(criu.pid()).context("put criu into the cgroup")?;
        self.record.resctrl.as_ref().map_or(Ok(()), |group| group.add(criu.pid()))?;
        drop(holder);
        let mut first = None;
        criu.call(Kind::Restore, &options, &images.log, &mut |step| {
            if let Some(process) = self.step(step)? {
                first = Some(process);
            }
            Ok(())
        })?;
        let Some((pid, command)) = first else { bail!("criu told of no process") };
        if let Some(path) = &args.pid_file {
            create::write_pid_file(path, pid)?;
        }
        self.container.subject(&self.record).run(Point::Poststart, self.spec, Some(pid))?;
        drop(lock);
        Ok(command)
    }

    /// What criu tells of, while the processes stand still.
    fn step(&mut self, step: Step) -> Result<Option<(i32, OwnedFd)>> {
        match (step.name.as_str(), step.pid, step.fd) {
            ("setup-namespaces", Some(pid), _) => {
                self.hooked = true;
                let subject = self.container.subject(&self.record);
                for point in [Point::Prestart, Point::CreateRuntime] {
                    subject.run(point, self.spec, Some(pid))?;
                }
                Ok(None)
            }
            ("post-restore", Some(pid), _) => {
                let start_time = process::start_time(pid).context("look at the first process")?;
                let fd = process::open(pid, start_time).context("open the first process")?;
                let fd = fd.context("the first process has ended")?;
                self.record.init = Some(ProcessRef { pid, start_time });
                self.container.write(&self.record)?;
                Ok(Some((pid, fd)))
            }
            ("orphan-pts-master", _, Some(master)) => {
                match &self.console {
                    Some(socket) => console::send(socket, master.as_fd(), console::TERMINAL)?,
                    None => self.terminal = Some(master),
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// What is asked of criu. It finds by number the descriptors in `held`, which it inherited.
    fn options(&self, args: &RestoreArgs, images: &Images, root: &Path, held: &mut Vec<OwnedFd>) -> Result<Message> {
        let text = |path: &Path| path.to_str().map(str::to_owned).context("a path is not UTF-8");
        let mut options = images
            .options(&args.images)?
            .text(field::ROOT, &text(root)?)
            .flag(field::RST_SIBLING, true)
            .flag(field::EVASIVE_DEVICES, true);
        if let Some(profile) = &args.lsm_profile {
            options = options.text(field::LSM_PROFILE, profile);
        }
        if let Some(context) = &args.lsm_mount_context {
            options = options.text(field::LSM_MOUNT_CONTEXT, context);
        }
        if let Some(path) = self.record.cgroup.path() {
            options = options.message(field::CG_ROOT, &Message::default().text(2, path));
        }
        for (destination, source) in binds(self.spec) {
            let source = if source.is_absolute() { source.to_owned() } else { self.record.bundle.join(source) };
            options = options.text(field::EXTERNAL, &format!("mnt[{destination}]:{}", text(&source)?));
        }
        if binds(self.spec).all(|(destination, _)| destination != INSIDE) {
            // It may have had a notification socket of its maker's.
            let source = service::directory(self.container);
            make_directory(&source)?;
            options = options.text(field::EXTERNAL, &format!("mnt[{INSIDE}]:{}", text(&source)?));
        }
        for (kind, _, key) in EXTERNAL_NAMESPACES {
            if let Some(path) = namespace_path(self.spec, kind) {
                let fd: OwnedFd = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?.into();
                rustix::io::fcntl_setfd(&fd, FdFlags::empty()).context("pass a namespace on")?;
                options = options.message(field::INHERIT_FD, &inherit(key, fd.as_raw_fd()));
                held.push(fd);
            }
        }
        for (kind, name) in JOINED {
            if let Some(path) = namespace_path(self.spec, kind) {
                let join = Message::default().text(1, name).text(2, &text(path)?);
                options = options.message(field::JOIN_NS, &join);
            }
        }
        let path = images.directory.join(DESCRIPTORS);
        let streams = create::read_input(&path)?;
        let streams: Vec<String> =
            serde_json::from_slice(&streams).with_context(|| format!("parse {}", path.display()))?;
        for (number, name) in (0..).zip(streams.iter().take(3)) {
            // Pipes to the caller: ours are in their place.
            if name.starts_with("pipe:[") {
                options = options.message(field::INHERIT_FD, &inherit(name, number));
            }
        }
        Ok(options)
    }
}

fn inherit(key: &str, fd: i32) -> Message {
    Message::default().text(1, key).number(2, u64::try_from(fd).unwrap_or_default())
}

/// Binds the root at `place`.
fn mount_root(rootfs: &Path, place: &PathBuf) -> Result<()> {
    rustix::mount::mount_bind_recursive(rootfs, place).with_context(|| format!("mount {}", rootfs.display()))?;
    rustix::mount::mount_change(place, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("make the root private")
}
