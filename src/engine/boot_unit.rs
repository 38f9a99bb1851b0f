//! The unit of a service manager that starts at each boot the containers whose restart policy says so, and ends them in
//! good time when the host goes down. One for the system, or one in a user's own manager.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Engine;
use crate::model::error::Error;
use crate::state::paths::remove_file;
use crate::state::privilege::Privilege;
use crate::state::record::{self, Durability};

/// Its name.
const NAME: &str = "dhow-boot.service";
/// Users whose manager starts at boot, not at login, have a file there.
const LINGER: &str = "/var/lib/systemd/linger";

/// The unit of one user, or of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootUnit {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// What makes it start at boot: a link, as `systemctl enable` makes it.
    link: PathBuf,
    /// Whose containers start only when that user logs in.
    pub(crate) without_linger: bool,
}

impl Engine {
    /// The unit for this store; `globals` are the words that choose it on a command line.
    pub(crate) fn boot_unit(&self, globals: &[OsString]) -> Result<BootUnit> {
        let exe = std::env::current_exe().context("find the own program")?;
        let text = |system| text(&exe, globals, self.paths.data(), system);
        match &self.privilege {
            Privilege::Rootless { .. } => {
                let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
                let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
                let config = config.ok_or_else(|| Error::invalid("neither HOME nor XDG_CONFIG_HOME is set"))?;
                let lingers = std::env::var("USER").is_ok_and(|user| Path::new(LINGER).join(user).exists());
                Ok(BootUnit::at(&config.join("systemd/user"), "default.target", text(false), !lingers))
            }
            _ => Ok(BootUnit::at(Path::new("/etc/systemd/system"), "multi-user.target", text(true), false)),
        }
    }
}

impl BootUnit {
    fn at(directory: &Path, target: &str, text: String, without_linger: bool) -> Self {
        let link = directory.join(format!("{target}.wants")).join(NAME);
        Self { path: directory.join(NAME), text, link, without_linger }
    }

    /// Writes the unit and enables it. What is there already is replaced.
    pub(crate) fn install(&self) -> Result<()> {
        let wants = self.link.parent().unwrap_or(&self.link);
        fs::create_dir_all(wants).with_context(|| format!("create directory {}", wants.display()))?;
        let context = || format!("write {}", self.path.display());
        record::write_bytes(&self.path, self.text.as_bytes(), Durability::Synced).with_context(context)?;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o644)).with_context(context)?;
        match std::os::unix::fs::symlink(&self.path, &self.link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.with_context(|| format!("link {}", self.link.display())),
        }
    }

    /// Takes the unit away. Whether there was one.
    pub(crate) fn remove(&self) -> Result<bool> {
        let there = self.path.exists();
        for path in [&self.link, &self.path] {
            remove_file(path).with_context(|| format!("remove {}", path.display()))?;
        }
        if let Some(wants) = self.link.parent() {
            // Other units' links keep it.
            fs::remove_dir(wants).ok();
        }
        Ok(there)
    }
}

fn text(exe: &Path, globals: &[OsString], data: &Path, system: bool) -> String {
    let words = std::iter::once(exe.as_os_str()).chain(globals.iter().map(OsString::as_os_str));
    let dhow = words.map(|word| quote(word.as_bytes())).collect::<Vec<_>>().join(" ");
    let (network, target) = match system {
        true => ("Wants=network-online.target\nAfter=network-online.target\n", "multi-user.target"),
        // A user's manager does not know of the system's targets; it starts after them.
        false => ("", "default.target"),
    };
    format!(
        "[Unit]
Description=Containers of dhow that start at boot
Documentation=man:dhow-system-boot-unit(1)
{network}RequiresMountsFor={}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={dhow} start --all --filter should-start-on-boot=true
# They are ended as their own stop signals and times say, and start again at the next boot.
ExecStop={dhow} stop --all --until-boot --filter should-start-on-boot=true
TimeoutStopSec=infinity

[Install]
WantedBy={target}
",
        quote(data.as_os_str().as_bytes())
    )
}

/// A word as systemd reads it, wherever it stands in a unit.
fn quote(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-=:,+@".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut quoted = String::from("\"");
    for &byte in word {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            // A specifier, a variable.
            b'%' | b'$' => quoted.extend([char::from(byte); 2]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => quoted += &format!("\\x{byte:02x}"),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        for (word, quoted) in [
            ("/usr/bin/dhow", "/usr/bin/dhow"),
            ("--root=/a b", "\"--root=/a b\""),
            ("100%\"$x\\", "\"100%%\\\"$$x\\\\\""),
            ("ü\n", "\"\\xc3\\xbc\\x0a\""),
            ("", "\"\""),
        ] {
            assert_eq!(quote(word.as_bytes()), quoted);
        }
    }

    #[test]
    fn the_unit_names_its_store() {
        let globals = ["--root".into(), "/my store".into()];
        let text = text(Path::new("/bin/dhow"), &globals, Path::new("/my store"), true);
        assert!(text.contains("\nRequiresMountsFor=\"/my store\"\n"), "{text}");
        assert!(text.contains("\nExecStart=/bin/dhow --root \"/my store\" start --all "), "{text}");
        assert!(text.ends_with("\nWantedBy=multi-user.target\n"), "{text}");
    }
}
