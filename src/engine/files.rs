//! Files that the engine makes and a container sees.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file that the container sees: 0644, in place, because it may be mounted already.
pub(crate) fn write_shared(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())
    })();
    written.with_context(|| format!("write {}", path.display()))
}
