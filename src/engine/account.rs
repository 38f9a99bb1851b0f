//! Users of the host as lines for a container's passwd file (`--hostuser`), and the host's time zones: what a container
//! gets of the host's own files, read once when it is asked for.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::model::error::Error;
use crate::model::mount::Mount;

/// Where the zones of the host are.
const ZONES: &str = "/usr/share/zoneinfo";
/// No zone is larger.
const MAX_ZONE: u64 = 1 << 20;

/// The lines of the host's users `names` (or numbers), as podman writes them: with their home where it is mounted, else
/// with `workdir`.
pub(super) fn host_users(names: &[String], mounts: &[Mount], workdir: &str) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("read the host's passwd file")?;
    let line = |name: &String| {
        host_user(&passwd, name, mounts, workdir).ok_or_else(|| {
            anyhow::Error::from(Error::not_found(format!(
                "unable to find user {name} on the host: no matching entries in passwd file"
            )))
        })
    };
    names.iter().map(line).collect()
}

/// The line and the group's line for the user who keeps his ids, as podman has them: he has a name inside, too. Nothing
/// where the host's own file does not know him.
pub(super) fn kept_user(uid: u32, mounts: &[Mount], workdir: &str) -> Option<(String, String)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = host_user(&passwd, &uid.to_string(), mounts, workdir)?;
    let name = line.split(':').next()?.to_owned();
    Some((line, format!("{name}:x:$GID:{name}")))
}

fn host_user(passwd: &str, wanted: &str, mounts: &[Mount], workdir: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, full, home, ..] = fields[..] else { return None };
        let known = !name.is_empty() && (name == wanted || uid == wanted);
        let numbers = [uid, gid].iter().all(|number| number.parse::<u32>().is_ok());
        let mounted = mounts.iter().any(|mount| Path::new(home).starts_with(&mount.target));
        let home = if mounted { home } else { workdir };
        (known && numbers).then(|| format!("{name}:*:{uid}:{gid}:{full}:{home}:/bin/sh"))
    })
}

/// Refuses a zone that the host does not have.
pub(super) fn check_zone(zone: &str) -> Result<()> {
    let path = zone_file(zone);
    let found = std::fs::metadata(&path).with_context(|| format!("stat {}", path.display()));
    found.map(drop).context("running container create option")
}

/// What the file of `zone` says.
pub(super) fn zone(zone: &str) -> Result<Vec<u8>> {
    let path = zone_file(zone);
    let mut bytes = Vec::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(MAX_ZONE).read_to_end(&mut bytes))
        .with_context(|| format!("read time zone {}", path.display()))?;
    Ok(bytes)
}

fn zone_file(zone: &str) -> PathBuf {
    match zone {
        "local" => PathBuf::from("/etc/localtime"),
        zone => Path::new(ZONES).join(zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_of_the_host_is_one_line() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbad:x:a:0::/:\nkim:x:1000:100:Kim:/home/kim:/bin/zsh\n";
        let kim = |home| Some(format!("kim:*:1000:100:Kim:{home}:/bin/sh"));
        let mounts = [Mount::parse_tmpfs("/home").unwrap()];
        assert_eq!(host_user(passwd, "kim", &mounts, "/w"), kim("/home/kim"));
        assert_eq!(host_user(passwd, "1000", &[], "/w"), kim("/w"));
        for none in ["", "bad", "a", "x", "7"] {
            assert_eq!(host_user(passwd, none, &mounts, "/"), None, "{none}");
        }
    }
}
