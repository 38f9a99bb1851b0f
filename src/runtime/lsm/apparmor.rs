//! AppArmor: the profile that the container's process gets at execve.

use std::io;

use anyhow::{Result, bail};

use crate::model::error::Error;
use crate::sys::proc::Proc;

/// Says whether the kernel has AppArmor switched on.
pub(crate) fn enabled() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.first() == Some(&b'Y'))
}

/// Asks for `profile` at the next execve. `this` is this process's directory of a trusted procfs.
pub(crate) fn set(this: &Proc, profile: &str) -> Result<()> {
    if profile.is_empty() || profile == "unconfined" && !enabled() {
        return Ok(());
    }
    if profile.contains(['\n', '\0']) {
        bail!(Error::invalid(format!("invalid AppArmor profile {profile:?}")));
    }
    let text = format!("exec {profile}");
    let written = match this.write("attr/apparmor/exec", text.as_bytes()) {
        // Before Linux 5.8 there was one place for all modules.
        Err(error) if error.kind() == io::ErrorKind::NotFound => this.write("attr/exec", text.as_bytes()),
        done => done,
    };
    match written {
        Ok(()) => Ok(()),
        Err(_) if !enabled() => {
            bail!(Error::unsupported(format!(
                "AppArmor profile {profile:?} was asked for, and AppArmor is not enabled"
            )))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!(Error::not_found(format!("AppArmor profile {profile:?} is not loaded")))
        }
        Err(error) => Err(anyhow::Error::from(error).context(format!("set AppArmor profile {profile:?}"))),
    }
}
