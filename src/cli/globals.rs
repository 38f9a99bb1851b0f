//! The flags that are understood before and after every command's name.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::flags::UsageError;
use crate::model::error::Error;
use crate::model::image::{Driver, LayerFormat};

/// What podman's `--log-level` takes.
const LEVELS: [&str; 8] = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];

/// The global flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct GlobalArgs {
    /// Directories in which devices of vendors are defined (CDI)
    #[arg(long, value_name = "DIR")]
    pub(crate) cdi_spec_dir: Vec<PathBuf>,
    /// Who manages cgroups: cgroupfs or systemd
    #[arg(long, value_name = "MANAGER")]
    pub(crate) cgroup_manager: Option<String>,
    /// Directory of Docker's config.json, where credentials are looked for too
    #[arg(long, value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
    /// Has no effect: dhow watches over containers itself
    #[arg(long, value_name = "PATH", hide = true)]
    conmon: Option<PathBuf>,
    /// Refused: dhow does not work on other machines
    #[arg(short = 'c', long, value_name = "NAME", hide = true)]
    connection: Option<String>,
    /// The same as --log-level debug
    #[arg(short = 'D', long, hide = true)]
    debug: bool,
    /// Who keeps events: file, journald (a copy of them) or none
    #[arg(long, value_name = "BACKEND")]
    pub(crate) events_backend: Option<String>,
    /// Directories in which hooks are defined, oci-hooks(5)
    #[arg(long, value_name = "DIR")]
    pub(crate) hooks_dir: Vec<PathBuf>,
    /// Refused, as --url
    #[arg(short = 'H', long, value_name = "URL", hide = true)]
    host: Option<String>,
    /// Has no effect without --url
    #[arg(long, value_name = "FILE", hide = true)]
    identity: Option<PathBuf>,
    /// Say more or less: trace, debug, info, warn, error, fatal, panic
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Read this file of defaults too: a path, or a name below containers.conf.modules
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Vec<String>,
    /// Has no effect: all containers of a store are listed
    #[arg(long, value_name = "NAME", hide = true)]
    namespace: Option<String>,
    /// Has no effect: dhow moves packets itself
    #[arg(long, value_name = "PATH", hide = true)]
    network_cmd_path: Option<PathBuf>,
    /// Has no effect: networks are kept in the store
    #[arg(long, value_name = "DIR", hide = true)]
    network_config_dir: Option<PathBuf>,
    /// Print nothing on standard output
    #[arg(long)]
    noout: bool,
    /// Write standard output to this file
    #[arg(long, value_name = "FILE", hide = true)]
    out: Option<PathBuf>,
    /// File of registries, instead of those of the system and the user
    #[arg(long, value_name = "FILE", hide = true)]
    registries_conf: Option<PathBuf>,
    /// Refused, as --url
    #[arg(short = 'r', long, hide = true)]
    remote: bool,
    /// Directory of images, containers and volumes
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Directory of what is gone after a reboot
    #[arg(long, value_name = "DIR")]
    pub(crate) runroot: Option<PathBuf>,
    /// What runs the containers that are made: dhow itself, or another OCI runtime, by its name or path
    #[arg(long, value_name = "RUNTIME")]
    pub(crate) runtime: Option<String>,
    /// A global option for that runtime, without dashes
    #[arg(long, value_name = "FLAG")]
    pub(crate) runtime_flag: Vec<String>,
    /// Has no effect: there is no other machine to reach
    #[arg(long, value_name = "CLIENT", hide = true)]
    ssh: Option<String>,
    /// How the root of a container is made of layers: overlay, btrfs (a snapshot) or vfs (a copy)
    #[arg(long, value_name = "DRIVER")]
    pub(crate) storage_driver: Option<String>,
    /// How layers are kept: overlay.layer_format=auto|directory|erofs; others have no effect
    #[arg(long, value_name = "OPTION")]
    storage_opt: Vec<String>,
    /// Has no effect: nothing is logged
    #[arg(long, hide = true)]
    syslog: bool,
    /// Has no effect: what is gone after a reboot is below --runroot
    #[arg(long, value_name = "DIR", hide = true)]
    tmpdir: Option<PathBuf>,
    /// Has no effect: containers are always recorded
    #[arg(long, hide = true)]
    transient_store: bool,
    /// Refused: dhow does not work on other machines
    #[arg(long, value_name = "URL", hide = true)]
    url: Option<String>,
    /// Print the version
    #[arg(short, long)]
    pub(crate) version: bool,
    /// Directory of volumes
    #[arg(long, value_name = "DIR")]
    pub(crate) volumepath: Option<PathBuf>,
}

impl GlobalArgs {
    /// Whether only errors are to be told.
    pub(crate) fn is_quiet(&self) -> bool {
        let level = self.log_level.as_deref().unwrap_or_default().to_ascii_lowercase();
        !self.debug && matches!(level.as_str(), "error" | "fatal" | "panic")
    }

    /// Refuses what was asked for and cannot be given.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(level) = &self.log_level
            && !LEVELS.contains(&level.to_ascii_lowercase().as_str())
        {
            let message = format!("log level \"{level}\" is not supported, choose from: {}", LEVELS.join(", "));
            return Err(UsageError::new(message).into());
        }
        let given = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
        for (asked, flag) in [
            (self.remote, "remote"),
            (given(&self.url), "url"),
            (given(&self.connection), "connection"),
            (given(&self.host), "host"),
        ] {
            if asked {
                let message = format!("--{flag} is not supported: dhow works on this machine");
                return Err(Error::unsupported(message).hint("run dhow over there: ssh HOST dhow …").into());
            }
        }
        if let Some(driver) = self.storage_driver.as_deref() {
            parse_driver(driver, None)?;
        }
        if let Some(word) = self.layer_format() {
            parse_format(word, None)?;
        }
        match self.cgroup_manager.as_deref() {
            None | Some("" | "cgroupfs" | "systemd") => Ok(()),
            Some(other) => {
                let message = format!("cgroup manager \"{other}\" is not supported, choose from: cgroupfs, systemd");
                Err(Error::unsupported(message).into())
            }
        }
    }

    /// How new layers are to be kept, if it was said; the last word counts.
    pub(crate) fn layer_format(&self) -> Option<&str> {
        self.storage_opt.iter().rev().find_map(|option| option.strip_prefix(LAYER_FORMAT))
    }

    /// What was given without an effect, one line each.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |given: bool, flag: &str, why: &str| {
            if given {
                lines.push(format!("--{flag} has no effect: {why}"));
            }
        };
        say(self.conmon.is_some(), "conmon", "dhow watches over containers itself");
        say(self.identity.is_some(), "identity", "there is no other machine to reach");
        let named = self.namespace.as_ref().is_some_and(|name| !name.is_empty());
        say(named, "namespace", "all containers of a store are listed");
        say(self.network_cmd_path.is_some(), "network-cmd-path", "pasta is looked for where the system has it");
        say(self.network_config_dir.is_some(), "network-config-dir", "networks are kept in the store (--root)");
        say(self.ssh.is_some(), "ssh", "there is no other machine to reach");
        let other = self.storage_opt.iter().any(|option| !option.starts_with(LAYER_FORMAT));
        say(other, "storage-opt", "the options are those of podman's storage, but for overlay.layer_format");
        say(self.syslog, "syslog", "nothing is logged");
        say(self.tmpdir.is_some(), "tmpdir", "what is gone after a reboot is below --runroot");
        say(self.transient_store, "transient-store", "containers are always recorded");
        lines
    }

    /// Does what holds for the process as a whole, while it has one thread.
    pub(crate) fn apply(&self) -> Result<()> {
        for (name, value) in [("DOCKER_CONFIG", &self.config), ("CONTAINERS_REGISTRIES_CONF", &self.registries_conf)] {
            if let Some(value) = value {
                crate::sys::environment::set(name, value.as_os_str()).with_context(|| format!("set {name}"))?;
            }
        }
        let out = match (&self.out, self.noout) {
            (Some(path), _) => std::fs::File::create(path).with_context(|| format!("open {}", path.display()))?,
            (None, true) => std::fs::OpenOptions::new().write(true).open("/dev/null").context("open /dev/null")?,
            (None, false) => return Ok(()),
        };
        rustix::stdio::dup2_stdout(&out).context("replace standard output")
    }
}

/// The option of `--storage-opt` that we have.
const LAYER_FORMAT: &str = "overlay.layer_format=";

/// The format of layers that `word` asks for; `who` names it where no flag does. Who leaves it to us gets directories: an
/// image is mounted anew for each container, which costs its start more than one layer of directories does, and the kernel
/// keeps its files in memory once for each.
pub(crate) fn parse_format(word: &str, who: Option<&str>) -> Result<LayerFormat> {
    if matches!(word, "" | "auto") {
        return Ok(LayerFormat::Directory);
    }
    LayerFormat::parse(word).ok_or_else(|| {
        let who = who.map(|who| format!("{who}: ")).unwrap_or_default();
        let message = format!("{who}layer format \"{word}\" is not supported, choose from: auto, directory, erofs");
        Error::unsupported(message).into()
    })
}

/// The driver that a word asks for, `None` where it leaves the choice to us; `who` names it where no flag does.
pub(crate) fn parse_driver(word: &str, who: Option<&str>) -> Result<Option<Driver>> {
    let known = Driver::parse(word);
    if word.is_empty() || known.is_some() {
        return Ok(known);
    }
    let who = who.map(|who| format!("{who}: ")).unwrap_or_default();
    let drivers = Driver::ALL.map(Driver::name).join(", ");
    Err(Error::unsupported(format!("{who}storage driver \"{word}\" is not supported, choose from: {drivers}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_given_is_an_error() {
        let with = |change: fn(&mut GlobalArgs)| {
            let mut globals = GlobalArgs::default();
            change(&mut globals);
            globals.check().map_err(|error| error.to_string())
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|g| g.log_level = Some("DEBUG".into())), Ok(()));
        assert_eq!(with(|g| g.storage_driver = Some("overlay".into())), Ok(()));
        assert_eq!(with(|g| g.cgroup_manager = Some("cgroupfs".into())), Ok(()));
        assert_eq!(with(|g| g.storage_opt = vec!["overlay.layer_format=erofs".into()]), Ok(()));
        let error = with(|g| g.storage_opt = vec!["overlay.layer_format=tar".into()]).unwrap_err();
        assert_eq!(error, "layer format \"tar\" is not supported, choose from: auto, directory, erofs");
        let error = with(|g| g.log_level = Some("loud".into())).unwrap_err();
        assert!(error.starts_with("log level \"loud\" is not supported, choose from: trace, debug"), "{error}");
        let error = with(|g| g.storage_driver = Some("zfs".into())).unwrap_err();
        assert_eq!(error, "storage driver \"zfs\" is not supported, choose from: overlay, btrfs, vfs");
        assert_eq!(with(|g| g.cgroup_manager = Some("systemd".into())), Ok(()));
        assert!(with(|g| g.cgroup_manager = Some("nosuch".into())).unwrap_err().contains("cgroup manager"));
        assert!(with(|g| g.url = Some("ssh://x".into())).unwrap_err().starts_with("--url is not supported"));
    }
}
