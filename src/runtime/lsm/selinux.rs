//! SELinux: the label that the container's process gets at execve.

use anyhow::{Context, Result, bail};

use crate::model::error::Error;
use crate::sys::proc::Proc;

/// Says whether the kernel has SELinux switched on.
pub(crate) fn enabled() -> bool {
    std::path::Path::new("/sys/fs/selinux/enforce").exists()
}

/// Asks for `label` at the next execve, and for the keys made from now on.
pub(crate) fn set(this: &Proc, label: &str) -> Result<()> {
    if label.is_empty() {
        return Ok(());
    }
    if !enabled() {
        bail!(Error::unsupported(format!("SELinux label {label:?} was asked for, and SELinux is not enabled")));
    }
    this.write("attr/exec", label.as_bytes()).with_context(|| format!("set SELinux label {label:?}"))?;
    this.write("attr/keycreate", label.as_bytes()).with_context(|| format!("set SELinux label {label:?} for keys"))
}
