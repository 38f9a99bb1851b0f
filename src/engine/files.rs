//! Files that the engine makes and others see: a container its own, scripts the pids that they asked for.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::state::paths;

/// Writes a file that the container sees: 0644, in place, because it may be mounted already.
pub(crate) fn write_shared(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
        let mut file = paths::open_over(&options, path)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.write_all(bytes)
    })();
    written.with_context(|| format!("write {}", path.display()))
}

/// Writes a pid where the user asked for it: whole or not at all, for who watches the file.
pub(crate) fn write_pid(path: &Path, pid: i32) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{pid}.tmp"));
    let written = fs::write(&temporary, pid.to_string()).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell.
        fs::remove_file(&temporary).ok();
    }
    written.with_context(|| format!("write the pid to {}", path.display()))
}
