//! What a container has to do with a service manager: as one that starts it (`--sdnotify`, `--cgroups`), and as one that
//! runs inside (`--systemd`).

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Who tells the service manager that the container is ready (`--sdnotify`), over `NOTIFY_SOCKET`. sd_notify(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NotifyMode {
    /// The container, which gets a socket of its own.
    #[default]
    Container,
    /// dhow, when the container runs.
    Conmon,
    /// dhow, when a health check has succeeded.
    Healthy,
    /// Nobody.
    Ignore,
}

impl NotifyMode {
    /// Reads the value of `--sdnotify`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "" | "container" => Ok(Self::Container),
            "conmon" => Ok(Self::Conmon),
            "healthy" => Ok(Self::Healthy),
            "ignore" => Ok(Self::Ignore),
            other => Err(Error::invalid(format!(
                "invalid config provided: invalid argument: invalid sdnotify value {other:?}: must be container, conmon, healthy or ignore"
            ))),
        }
    }

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Conmon => "conmon",
            Self::Healthy => "healthy",
            Self::Ignore => "ignore",
        }
    }
}

/// Which cgroups are made for a container (`--cgroups`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CgroupsMode {
    /// One for it, and the monitor goes where monitors are.
    #[default]
    Enabled,
    /// None: it stays with its starter.
    Disabled,
    /// One for it, and the monitor stays with its starter: in the cgroup of the unit that runs the container.
    NoConmon,
    /// One for it below its starter's, where the monitor stays, in a part of its own.
    Split,
}

impl CgroupsMode {
    /// Reads the value of `--cgroups`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "" | "enabled" => Ok(Self::Enabled),
            "disabled" => Ok(Self::Disabled),
            "no-conmon" => Ok(Self::NoConmon),
            "split" => Ok(Self::Split),
            other => {
                let message =
                    format!("running container create option: invalid cgroup mode {other:?}: invalid argument");
                Err(Error::invalid(message).hint("enabled, disabled, no-conmon and split are known"))
            }
        }
    }
}

/// Whether a container is made for a systemd inside (`--systemd`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SystemdMode {
    /// If the command is one.
    #[default]
    Auto,
    Always,
    Never,
}

impl SystemdMode {
    /// Reads the value of `--systemd`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "" | "true" | "1" | "t" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "false" | "0" | "f" => Ok(Self::Never),
            _ => Err(Error::invalid(
                "invalid config provided: --systemd values must be one of \"true, false, always\": invalid configuration",
            )),
        }
    }

    /// Whether a container with this first word of its command gets what systemd wants.
    pub(crate) fn applies(self, word: Option<&str>) -> bool {
        match (self, word) {
            (Self::Always, _) => true,
            (Self::Never, _) | (Self::Auto, None) => false,
            (Self::Auto, Some(word)) => {
                matches!(word, "/sbin/init" | "/usr/sbin/init" | "/usr/local/sbin/init")
                    || word.rsplit('/').next() == Some("systemd")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_known_by_its_name() {
        for (mode, word, is) in [
            ("true", "/sbin/init", true),
            ("", "/usr/lib/systemd/systemd", true),
            ("true", "systemd", true),
            ("true", "init", false),
            ("true", "/bin/sh", false),
            ("always", "/bin/sh", true),
            ("false", "/sbin/init", false),
        ] {
            assert_eq!(SystemdMode::parse(mode).unwrap().applies(Some(word)), is, "{mode} {word}");
        }
        assert!(SystemdMode::parse("perhaps").is_err() && !SystemdMode::Auto.applies(None));
    }

    #[test]
    fn words_come_back() {
        for word in ["container", "conmon", "ignore"] {
            assert_eq!(NotifyMode::parse(word).unwrap().name(), word);
        }
        assert!(CgroupsMode::parse("x").is_err() && NotifyMode::parse("x").is_err());
    }
}
