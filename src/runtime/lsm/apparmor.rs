//! AppArmor: the profile that the container's process gets at execve, and dhow's own one, which root's containers have by
//! default.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::model::error::Error;
use crate::state::installed;
use crate::sys::proc::Proc;

/// Says whether the kernel has AppArmor switched on.
pub(crate) fn enabled() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.first() == Some(&b'Y'))
}

/// The name of dhow's own profile.
pub(crate) const DEFAULT: &str = "dhow-default";

/// dhow's own profile, complete by itself. The namespaces, masks and read-only mounts say most of it already; this
/// holds also where a mistake in those would show the host's files. Mounts are for who asks for another profile.
const PROFILE: &str = "\
profile dhow-default flags=(attach_disconnected,mediate_deleted) {
  file,
  network,
  unix,
  capability,
  umount,
  deny mount,
  signal (receive) peer=unconfined,
  signal (send, receive) peer=dhow-default,
  ptrace (trace, read, tracedby, readby) peer=dhow-default,

  deny /proc/* w,
  deny /proc/{acpi,bus,driver,fs,irq,scsi,tty}/** w,
  deny /proc/sys/{abi,debug,dev,user,vm}/** w,
  deny /proc/sys/fs/[^m]** w,
  deny /proc/sys/kernel/[^dmns]** w,
  deny /proc/{kcore,kmem,mem,sysrq-trigger} rwklx,

  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
";

/// The profiles that the kernel knows; root alone may read it.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";
/// Where the program is that compiles profiles.
const DIRECTORIES: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/bin"];

/// Says whether the kernel knows `profile`; None where that cannot be read.
pub(crate) fn is_loaded(profile: &str) -> Option<bool> {
    let text = std::fs::read_to_string(LOADED).ok()?;
    Some(text.lines().any(|line| line.strip_prefix(profile).is_some_and(|rest| rest.starts_with(" ("))))
}

/// Sees to it that the kernel knows dhow's own profile, for root; what is loaded stays until the host restarts. An error
/// says why this host cannot give it.
pub(crate) fn load_default() -> Result<()> {
    match is_loaded(DEFAULT) {
        Some(true) => return Ok(()),
        Some(false) => {}
        None => bail!(Error::unsupported(format!("{LOADED} cannot be read"))),
    }
    let parser = installed::find("apparmor_parser", &DIRECTORIES, &[0]);
    let parser = parser.ok_or_else(|| Error::unsupported("apparmor_parser is not installed"))?;
    let mut child = Command::new(&parser)
        // Replaces what another start may have loaded meanwhile; nothing of the parser's cache is read or written.
        .args(["--replace", "--skip-cache", "--quiet"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("execute {}", parser.display()))?;
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(PROFILE.as_bytes()));
    let output = child.wait_with_output().with_context(|| format!("wait for {}", parser.display()))?;
    written.unwrap_or(Ok(())).with_context(|| format!("write a profile to {}", parser.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(Error::unsupported(format!(
            "{}: {}",
            parser.display(),
            said.lines().next().unwrap_or("it did not say why")
        )));
    }
    Ok(())
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
            bail!(Error::not_found(format!("AppArmor profile {profile:?} specified but not loaded")))
        }
        Err(error) => Err(anyhow::Error::from(error).context(format!("set AppArmor profile {profile:?}"))),
    }
}
