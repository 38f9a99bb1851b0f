//! Programs of others that we execute: from places that the caller names, never by PATH, and only where nobody but their
//! owners could have put or changed them (R5).

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::model::error::{Error, ErrorKind};

/// The user id that a user namespace shows for those it does not map, the host's root among them.
pub(crate) const UNMAPPED: u32 = 65534;

/// Finds `program` in the first of `directories` where it is a regular file that only `owners` can change. The path that
/// is given has no links in it.
pub(crate) fn find(program: &str, directories: &[&str], owners: &[u32]) -> Option<PathBuf> {
    directories.iter().find_map(|directory| {
        let path = Path::new(directory).join(program).canonicalize().ok()?;
        (path.is_file() && is_safe(&path, owners).ok()?).then_some(path)
    })
}

/// Whether only `owners` could change what `path` names: the file, what it is a link to, and the directories above both.
pub(crate) fn is_safe(path: &Path, owners: &[u32]) -> io::Result<bool> {
    let real = path.canonicalize()?;
    for part in path.ancestors().chain(real.ancestors()).filter(|part| !part.as_os_str().is_empty()) {
        if !is_guarded(&part.metadata()?, owners) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses what others than `owners` could have put or changed.
pub(crate) fn refuse_strangers(path: &Path, owners: &[u32]) -> Result<()> {
    if is_safe(path, owners).with_context(|| format!("stat {}", path.display()))? {
        return Ok(());
    }
    let message = format!("{} can be changed by others than root", path.display());
    Err(Error::new(ErrorKind::Denied, message).into())
}

/// Written by its owner alone; in a sticky directory as `/tmp` nobody replaces what is another's.
fn is_guarded(meta: &Metadata, owners: &[u32]) -> bool {
    let sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
    owners.contains(&meta.uid()) && (meta.mode() & 0o022 == 0 || sticky)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// R5: a program that strangers could have put there is none.
    #[test]
    fn what_strangers_could_have_put_there_is_not_found() {
        let top = std::env::temp_dir().join(format!("dhow-installed-{}", std::process::id()));
        let (good, bad) = (top.join("good"), top.join("bad"));
        for directory in [&good, &bad] {
            fs::create_dir_all(directory).unwrap();
            fs::write(directory.join("program"), "").unwrap();
        }
        let set = |path: &Path, mode: u32| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let (good_name, bad_name) = (good.to_str().unwrap().to_owned(), bad.to_str().unwrap().to_owned());
        let seek = |directories: &[&str]| find("program", directories, &[0, own]);
        for (directory, program) in [(0o757, 0o755), (0o775, 0o755), (0o755, 0o757), (0o755, 0o775)] {
            set(&bad, directory);
            set(&bad.join("program"), program);
            assert_eq!(seek(&[&bad_name]), None, "{directory:o} {program:o}");
            assert_eq!(seek(&[&bad_name, "/nowhere", &good_name]), Some(good.join("program")));
        }
        // In a sticky directory the owner decides.
        set(&bad, 0o1777);
        set(&bad.join("program"), 0o755);
        assert_eq!(seek(&[&bad_name]), Some(bad.join("program")));
        assert_eq!(find("program", &[&good_name], &[own + 1]), None);
        // A link is as good as where it lies and where it leads.
        set(&bad, 0o777);
        symlink(bad.join("program"), good.join("out")).unwrap();
        symlink(good.join("program"), bad.join("in")).unwrap();
        for link in [good.join("out"), bad.join("in")] {
            assert!(!is_safe(&link, &[0, own]).unwrap(), "{}", link.display());
        }
        assert!(is_safe(&good.join("program"), &[0, own]).unwrap());
        assert_eq!(find("../good/nothing", &[&bad_name], &[0, own]), None);
        fs::remove_dir_all(top).unwrap();
    }
}
