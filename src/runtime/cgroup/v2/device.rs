//! Device rules of a cgroup v2: a program attached to the directory.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use oci_spec::runtime::LinuxDeviceCgroup;

use crate::runtime::cgroup::device;
use crate::sys::bpf;

/// The inode of the first user namespace, which the kernel fixes (`PROC_USER_INIT_INO`).
const FIRST_USER_NAMESPACE: u64 = 0xefff_fffd;

/// Puts the rules in force, in place of those before.
pub(super) fn apply(dir: &Path, devices: &[LinuxDeviceCgroup]) -> Result<()> {
    let (base, rules) = device::rules(devices)?;
    let cgroup = File::open(dir).with_context(|| format!("open cgroup {}", dir.display()))?;
    // Everything allowed and nothing attached: nothing to say.
    if base && rules.is_empty() && bpf::attached(&cgroup).is_ok_and(|attached| attached.is_empty()) {
        return Ok(());
    }
    let attached = bpf::load(&device::program(base, &rules)).and_then(|program| bpf::replace(&cgroup, &program));
    match attached {
        // Below a user namespace no device can be made, and what can be opened is the user's own already.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && !is_first_user_namespace() => Ok(()),
        other => other.with_context(|| format!("attach the device rules to cgroup {}", dir.display())),
    }
}

fn is_first_user_namespace() -> bool {
    use std::os::unix::fs::MetadataExt;
    let root = rustix::process::geteuid().is_root();
    root && std::fs::metadata("/proc/self/ns/user").is_ok_and(|namespace| namespace.ino() == FIRST_USER_NAMESPACE)
}
