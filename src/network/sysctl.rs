//! Kernel settings of the network namespace of the calling thread, through the host's procfs.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

/// Opens `/proc/sys/net`, which shows the namespace of whoever looks, and checks that it is procfs.
fn root() -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
    let root = rustix::fs::open("/proc/sys/net", flags, Mode::empty())?;
    if rustix::fs::fstatfs(&root)?.f_type != rustix::fs::PROC_SUPER_MAGIC {
        return Err(io::Error::other("/proc/sys/net is not procfs"));
    }
    Ok(root)
}

fn write_at(root: &OwnedFd, path: &str, value: &str) -> io::Result<()> {
    let file = rustix::fs::openat(root, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    std::fs::File::from(file).write_all(value.as_bytes())
}

fn read_at(root: &OwnedFd, path: &str) -> io::Result<String> {
    let file = rustix::fs::openat(root, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(io::read_to_string(std::fs::File::from(file))?.trim().to_owned())
}

/// Lets `interface` (or `default`, for those to come) ignore router advertisements and skip duplicate detection; with
/// `ipv6` false it has no IPv6 at all. A kernel without IPv6 is silent already.
pub(crate) fn quiet_ipv6(interface: &str, ipv6: bool) -> io::Result<()> {
    let root = root()?;
    let settings: &[(&str, &str)] =
        if ipv6 { &[("disable_ipv6", "0"), ("accept_ra", "0"), ("accept_dad", "0")] } else { &[("disable_ipv6", "1")] };
    for (name, value) in settings {
        match write_at(&root, &format!("ipv6/conf/{interface}/{name}"), value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}

/// Lets the kernel forward packets between links. Says whether it had to be changed.
pub(crate) fn enable_forwarding(ipv6: bool) -> io::Result<bool> {
    let root = root()?;
    let mut changed = false;
    if read_at(&root, "ipv4/ip_forward")? != "1" {
        write_at(&root, "ipv4/ip_forward", "1")?;
        changed = true;
    }
    if ipv6 && read_at(&root, "ipv6/conf/all/forwarding")? != "1" {
        keep_router_advertisements(&root)?;
        write_at(&root, "ipv6/conf/all/forwarding", "1")?;
        changed = true;
    }
    Ok(changed)
}

/// Where the host listens to its routers, lets it go on: with forwarding on, `accept_ra` 1 would mean no.
fn keep_router_advertisements(root: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let conf = rustix::fs::openat(root, "ipv6/conf", flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&conf)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if [".", "..", "all", "default", "lo"].contains(&name) {
            continue;
        }
        let path = format!("ipv6/conf/{name}/accept_ra");
        if read_at(root, &path).is_ok_and(|value| value == "1") {
            write_at(root, &path, "2")?;
        }
    }
    Ok(())
}
