//! The environment of this process, changed while nobody else can read it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::clone::single_threaded;

/// Sets a variable of this process. Refuses a name that is none, and a process that has other threads: they could read
/// the environment meanwhile.
pub(crate) fn set(name: &str, value: &OsStr) -> io::Result<()> {
    if name.is_empty() || name.contains(['=', '\0']) || value.as_bytes().contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if !single_threaded()? {
        return Err(io::Error::other("this process has other threads"));
    }
    // SAFETY: this process has one thread, so nobody reads the environment while it changes; the name and the value are
    // what setenv(3) takes.
    unsafe { std::env::set_var(name, value) };
    Ok(())
}
