//! What becomes of a container's output: the driver, the file, how large it may grow.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// Default size at which a log file is rotated.
pub(crate) const MAX_SIZE: u64 = 16 << 20;
/// Default number of log files, the current one included.
pub(crate) const MAX_FILES: u32 = 5;
/// No more rotated files than this: each rotation renames all of them.
const FILES_LIMIT: u32 = 1000;

/// Who keeps the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogDriver {
    /// Lines as the kubelet reads them, podman's file format.
    #[default]
    K8sFile,
    /// Docker's JSON lines.
    JsonFile,
    /// The file of the default, and a copy for the journal.
    Journald,
    /// Nobody.
    None,
    /// The container has the caller's own streams, none of which is a terminal.
    Passthrough,
    /// The same, terminals included.
    PassthroughTty,
}

impl LogDriver {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::K8sFile => "k8s-file",
            Self::JsonFile => "json-file",
            Self::Journald => "journald",
            Self::None => "none",
            Self::Passthrough => "passthrough",
            Self::PassthroughTty => "passthrough-tty",
        }
    }

    /// Whether the container has the caller's own streams.
    pub(crate) fn is_passthrough(self) -> bool {
        matches!(self, Self::Passthrough | Self::PassthroughTty)
    }

    /// Whether there is something to read for `logs`.
    pub(crate) fn keeps(self) -> bool {
        matches!(self, Self::K8sFile | Self::JsonFile | Self::Journald)
    }
}

impl std::str::FromStr for LogDriver {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "" | "k8s-file" => Self::K8sFile,
            "json-file" => Self::JsonFile,
            "journald" => Self::Journald,
            "none" => Self::None,
            "passthrough" => Self::Passthrough,
            "passthrough-tty" => Self::PassthroughTty,
            _ => {
                return Err(Error::invalid(format!("invalid log driver \"{}\"", text.escape_debug()))
                    .hint("drivers are k8s-file, json-file, journald, none, passthrough and passthrough-tty"));
            }
        })
    }
}

/// The log of one container, as asked for by `--log-driver` and `--log-opt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogConfig {
    #[serde(default)]
    pub(crate) driver: LogDriver,
    /// The file; without it `log/ctr.log` in the container's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathBuf>,
    /// Rotate before a file grows beyond this; `None` never.
    pub(crate) max_size: Option<u64>,
    /// Files kept, the current one included.
    pub(crate) max_files: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { driver: LogDriver::default(), path: None, max_size: Some(MAX_SIZE), max_files: MAX_FILES, tag: None }
    }
}

impl LogConfig {
    /// Reads one `--log-opt`: `path=`, `tag=`, `max-size=` or `max-file=`.
    pub(crate) fn option(&mut self, option: &str) -> Result<(), Error> {
        let Some((key, value)) = option.split_once('=') else {
            return Err(
                Error::invalid(format!("invalid log option \"{}\"", option.escape_debug())).hint("want KEY=VALUE")
            );
        };
        let bad = || Error::invalid(format!("invalid log option {key}=\"{}\"", value.escape_debug()));
        match key {
            "path" if value.starts_with('/') && !value.contains(['\0', '\n']) => self.path = Some(value.into()),
            "tag" if !value.contains(char::is_control) => self.tag = Some(value.to_owned()),
            "max-size" if value == "-1" => self.max_size = None,
            "max-size" => self.max_size = Some(size(value).filter(|size| *size > 0).ok_or_else(bad)?),
            "max-file" => {
                let files = value.parse().ok().filter(|files| (1..=FILES_LIMIT).contains(files));
                self.max_files = files.ok_or_else(bad)?;
            }
            "path" | "tag" => return Err(bad()),
            _ => {
                return Err(Error::invalid(format!("unknown log option \"{}\"", key.escape_debug()))
                    .hint("options are path, tag, max-size and max-file"));
            }
        }
        Ok(())
    }
}

/// `10`, `10b`, `10k`, `10kb`, `10KiB`, `1.5m`, `2g`: binary multiples, as podman reads them.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > 9 {
        return None;
    }
    let unit = 1_u64 << shift;
    let part = match fraction {
        "" => 0,
        some => {
            let scale = 10_u128.pow(u32::try_from(some.len()).ok()?);
            u64::try_from(u128::from(some.parse::<u64>().ok()?) * u128::from(unit) / scale).ok()?
        }
    };
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        for (text, want) in [
            ("10", Some(10)),
            ("10b", Some(10)),
            ("1k", Some(1024)),
            ("1.5mb", Some(3 << 19)),
            ("2GiB", Some(2 << 30)),
            ("", None),
            ("k", None),
            ("-1", None),
            ("1x", None),
            ("1.2.3", None),
            ("99999999999t", None),
        ] {
            assert_eq!(size(text), want, "{text}");
        }
    }

    #[test]
    fn reads_options() {
        let mut config = LogConfig::default();
        for option in ["path=/var/log/x", "tag=web", "max-size=1m", "max-file=3"] {
            config.option(option).unwrap();
        }
        assert_eq!((config.max_size, config.max_files), (Some(1 << 20), 3));
        config.option("max-size=-1").unwrap();
        assert_eq!(config.max_size, None);
        for option in ["", "path", "path=relative", "tag=a\nb", "max-size=0", "max-size=-2", "max-file=0", "colour=red"]
        {
            assert!(config.option(option).is_err(), "{option}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_option_is_read_or_refused(text in "(max-size|max-file|tag|path)=[-0-9a-zA-Z./]{0,12}|\\PC{0,30}") {
            let mut log = LogConfig::default();
            if log.option(&text).is_ok() {
                proptest::prop_assert!(log.max_size.is_none_or(|size| size > 0) && log.max_files > 0, "{text:?}");
            }
            drop(text.parse::<LogDriver>());
        }
    }
}
