//! User-mode networking for ordinary users: an installed `pasta` as a managed process.
//!
//! pasta is told the namespace by a file of ours, which it watches: it ends when the file goes. So nothing can leak: the
//! end of a container removes the file, and who heals too. Its pid is recorded, for the case that it does not listen. The namespace is bound on the file in a mount namespace that only
//! pasta is in (it gives up the capabilities that `/proc/PID/ns/net` asks for before it opens it), so no mount is seen.
//!
//! The profile of AppArmor that distributions give pasta names the places where it may open a namespace and write its
//! pid; both files are there:
//!
//! ```text
//! /run/user/UID/netns/dhow-<id>           what pasta watches; empty for everyone else; where the runtime directory is
//!                                         another, in that of the container
//! <directory of the container>/pasta.pid  written by pasta when it is ready
//! ```

use std::fs::{self, DirBuilder};
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::link::Links;
use crate::model::error::Error;
use crate::model::network::{Endpoint, EndpointAddress};
use crate::model::port::{PortMapping, Protocol};
use crate::state::installed;
use crate::sys::mount;

/// Where queries for names go inside; pasta forwards them to the host's resolver.
pub(crate) const DNS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 1, 1));

/// Helpers come from here and nowhere else.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/bin", "/usr/libexec/podman"];
/// How long pasta may take to end by itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// A network that pasta serves.
#[derive(Debug)]
pub(crate) struct Pasta {
    pub(crate) endpoints: Vec<Endpoint>,
}

/// Finds pasta: a file of root (or of ourselves) that nobody else may write.
fn find() -> Result<PathBuf> {
    let own = rustix::process::geteuid().as_raw();
    // Inside a user namespace the host's root may have no number.
    installed::find("pasta", &DIRECTORIES, &[0, own, installed::UNMAPPED]).ok_or_else(|| {
        Error::unsupported("could not find pasta, the network namespace can't be configured")
            .hint("install passt, or use --network none or host")
            .into()
    })
}

/// The files of one container's pasta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    link: PathBuf,
    pid: PathBuf,
}

impl Files {
    /// Of the container with the directories `dir` for its records and `run_dir` for its sockets, which end in its id.
    pub(crate) fn of(dir: &Path, run_dir: &Path) -> Self {
        let id = run_dir.file_name().unwrap_or_default().to_string_lossy();
        let logind = run_dir.strip_prefix("/run/user").ok().and_then(|rest| rest.iter().next());
        let link = match logind {
            Some(uid) => Path::new("/run/user").join(uid).join("netns").join(format!("dhow-{id}")),
            None => run_dir.join("netns"),
        };
        Self { link, pid: dir.join("pasta.pid") }
    }
}

/// The arguments, as podman makes them.
fn arguments(options: &[String], ports: &[PortMapping], link: &Path, pid: &Path) -> Result<Vec<String>, Error> {
    let mut arguments: Vec<String> = vec!["--config-net".into(), "--quiet".into()];
    let has = |names: &[&str]| options.iter().any(|o| names.contains(&o.as_str()));
    for (protocol, flag, long) in [(Protocol::Tcp, "-t", "--tcp-ports"), (Protocol::Udp, "-u", "--udp-ports")] {
        let mut any = false;
        for mapping in ports.iter().filter(|m| m.protocol == protocol) {
            let place = match mapping.host_address() {
                Some(ip) => format!("{ip}/"),
                None => String::new(),
            };
            let (first, last) = (mapping.host_port, mapping.last_host_port());
            let inside = mapping.container_port;
            let inside_last = inside.saturating_add(mapping.range.saturating_sub(1));
            arguments.extend([flag.to_owned(), format!("{place}{first}-{last}:{inside}-{inside_last}")]);
            any = true;
        }
        if !any && !has(&[flag, long]) {
            arguments.extend([flag.to_owned(), "none".to_owned()]);
        }
    }
    if let Some(mapping) = ports.iter().find(|m| m.protocol == Protocol::Sctp) {
        return Err(Error::unsupported(format!("can't forward protocol: {}", mapping.protocol)));
    }
    for (flag, long) in [("-T", "--tcp-ns"), ("-U", "--udp-ns")] {
        if !has(&[flag, long]) {
            arguments.extend([flag.to_owned(), "none".to_owned()]);
        }
    }
    if !has(&["-D", "--dns", "--dns-forward"]) {
        arguments.extend(["--dns-forward".to_owned(), DNS.to_string()]);
    }
    if !has(&["--map-gw", "--no-map-gw"]) {
        arguments.push("--no-map-gw".to_owned());
    }
    arguments.extend(options.iter().filter(|o| *o != "--map-gw").cloned());
    for (name, path) in [("--pid", pid), ("--netns", link)] {
        let text = path.to_str().ok_or_else(|| Error::invalid("the runtime directory is not UTF-8"))?;
        arguments.extend([name.to_owned(), text.to_owned()]);
    }
    Ok(arguments)
}

/// Serves the network namespace that `namespace` refers to. Returns when the network works.
pub(crate) fn start(
    namespace: BorrowedFd<'_>,
    options: &[String],
    ports: &[PortMapping],
    files: &Files,
) -> Result<Pasta> {
    let program = find()?;
    stop(files)?;
    let arguments = arguments(options, ports, &files.link, &files.pid)?;
    let directory = files.link.parent().context("pasta's file has no directory")?;
    // Others that use namespaces by name have theirs there too.
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory)
        .with_context(|| format!("create {}", directory.display()))?;
    let started = (|| {
        fs::File::create(&files.link).with_context(|| format!("create {}", files.link.display()))?;
        let mut command = Command::new(&program);
        command.args(&arguments).env_clear().current_dir("/").stdin(Stdio::null());
        if is_host_root() {
            // As the host's root it would become nobody, who may not enter the namespace.
            command.args(["--runas", "0:0"]);
        }
        let output =
            execute(namespace, &files.link, command).with_context(|| format!("execute {}", program.display()))?;
        if !output.status.success() {
            return Err(refusal(&String::from_utf8_lossy(&output.stderr)).into());
        }
        endpoints(namespace)
    })();
    match started {
        Ok(endpoints) => Ok(Pasta { endpoints }),
        Err(error) => {
            let undone = stop(files);
            Err(undone.err().into_iter().fold(error, |error, more| error.context(format!("undo: {more:#}"))))
        }
    }
}

/// Executes pasta where `target` is the namespace, and waits until it has gone to the background or failed. A thread of
/// its own has the mount namespace and hands it on.
fn execute(namespace: BorrowedFd<'_>, target: &Path, mut command: Command) -> io::Result<Output> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, move || {
            use rustix::mount::{MountPropagationFlags as Propagation, mount_change};
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
            mount_change("/", Propagation::PRIVATE | Propagation::REC)?;
            // Opened here: a mount goes only on what is in its own mount namespace.
            mount::attach(mount::clone_tree(namespace, "", false)?, fs::File::open(target)?)?;
            command.output()
        })?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts pasta panicked")))
    })
}

/// Whether we are root without a user namespace around us.
fn is_host_root() -> bool {
    rustix::process::geteuid().is_root()
        && fs::read_to_string("/proc/self/uid_map")
            .is_ok_and(|map| map.split_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"])
}

/// pasta's own words, without what it says about its log.
fn refusal(stderr: &str) -> Error {
    let lines: Vec<&str> =
        stderr.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("Failed to send")).collect();
    let said = lines.join("; ");
    let message = format!("pasta failed: {}", if said.is_empty() { "it did not say why" } else { &said });
    match () {
        () if said.contains("already in use") => Error::conflict(message),
        () if said.contains("tun socket") => Error::unavailable(message)
            .hint("see that /dev/net/tun is there and that this user may open it, or use --network none or host"),
        () => Error::unavailable(message),
    }
}

/// What pasta made inside.
fn endpoints(namespace: BorrowedFd<'_>) -> Result<Vec<Endpoint>> {
    let links = Links::open().context("open netlink for links")?;
    let found = links.addresses(namespace).context("read the addresses in the container")?;
    Ok(found
        .into_iter()
        .map(|(interface, mac, addresses)| Endpoint {
            network: "pasta".to_owned(),
            network_id: String::new(),
            interface,
            host_interface: String::new(),
            mac: crate::model::network::MacAddress(mac),
            addresses: addresses.into_iter().map(|address| EndpointAddress { address, gateway: None }).collect(),
            aliases: Vec::new(),
        })
        .collect())
}

/// Ends the pasta of a container, if there is one. That it is gone already is success.
pub(crate) fn stop(files: &Files) -> Result<()> {
    let remove =
        |file: &Path| crate::state::paths::remove_file(file).with_context(|| format!("remove {}", file.display()));
    let process = recorded(files);
    remove(&files.link)?;
    if let Some(pidfd) = process {
        let deadline = Instant::now() + PATIENCE;
        while !has_ended(&pidfd, deadline)? {
            match pidfd_send_signal(&pidfd, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(errno) => return Err(io::Error::from(errno)).context("end pasta"),
            }
        }
    }
    remove(&files.pid)
}

/// The process that wrote the pid file, if it is still that: it names our link among its arguments.
fn recorded(files: &Files) -> Option<std::os::fd::OwnedFd> {
    let text = fs::read_to_string(&files.pid).ok()?;
    let pid = Pid::from_raw(text.trim().parse().ok()?)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let arguments = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    let ours = arguments.split(|b| *b == 0).any(|argument| argument == files.link.as_os_str().as_encoded_bytes());
    ours.then_some(pidfd)
}

fn has_ended(pidfd: &std::os::fd::OwnedFd, deadline: Instant) -> Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(50));
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&timeout)).context("wait for pasta")? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_podmans() {
        let ports: Vec<PortMapping> =
            ["127.0.0.1:8080:80", "7000-7009:8000-8009"].iter().map(|s| s.parse().unwrap()).collect();
        let made = |options: &[&str]| {
            let options: Vec<String> = options.iter().map(|s| (*s).to_owned()).collect();
            arguments(&options, &ports, Path::new("/r/netns"), Path::new("/r/pid")).unwrap().join(" ")
        };
        assert_eq!(
            made(&[]),
            "--config-net --quiet -t 127.0.0.1/8080-8080:80-80 -t 7000-7009:8000-8009 -u none -T none -U none \
             --dns-forward 169.254.1.1 --no-map-gw --pid /r/pid --netns /r/netns"
        );
        assert_eq!(
            made(&["--map-gw", "-T", "5000"]),
            "--config-net --quiet -t 127.0.0.1/8080-8080:80-80 -t 7000-7009:8000-8009 -u none -U none \
             --dns-forward 169.254.1.1 -T 5000 --pid /r/pid --netns /r/netns"
        );
    }

    #[test]
    fn files_are_where_pasta_may_open_them() {
        let files = |run: &str| Files::of(Path::new("/home/u/.local/share/dhow/containers/abc"), Path::new(run));
        let usual = files("/run/user/1000/dhow/containers/abc");
        assert_eq!(usual.link, Path::new("/run/user/1000/netns/dhow-abc"));
        assert_eq!(usual.pid, Path::new("/home/u/.local/share/dhow/containers/abc/pasta.pid"));
        assert_eq!(files("/x/containers/abc").link, Path::new("/x/containers/abc/netns"));
    }

    #[test]
    fn the_log_is_no_reason() {
        let error = refusal("Failed to send 12 bytes to syslog\nFailed to bind port 80 (Address already in use) \n\n");
        assert_eq!(error.message, "pasta failed: Failed to bind port 80 (Address already in use)");
    }
}
