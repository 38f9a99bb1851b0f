//! `--filter` over containers: what `ps`, `stop`, `rm`, `prune` and others choose by.

use anyhow::Result;
use jiff::Timestamp;
use regex_lite::Regex;

use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::{health, policy};
use crate::model::container::{ContainerConfig, ImageRef, RestartKind};
use crate::model::error::Error;
use crate::model::filter::Filters;
use crate::model::health::HealthStatus;
use crate::model::mount::Source;
use crate::model::network::NetworkMode;
use crate::model::status::Status;
use crate::model::time::{self, Direction};

/// The keys that containers have.
const KEYS: [&str; 15] = [
    "ancestor",
    "before",
    "command",
    "exited",
    "health",
    "id",
    "label",
    "name",
    "network",
    "restart-policy",
    "should-start-on-boot",
    "since",
    "status",
    "until",
    "volume",
];

/// What `prune` has.
const PRUNE_KEYS: [&str; 2] = ["label", "until"];

/// Filters whose values are read and looked up.
#[derive(Debug)]
pub(crate) struct Chosen {
    filters: Filters,
    names: Vec<Regex>,
    commands: Vec<Regex>,
    ids: Vec<Regex>,
    exited: Vec<i32>,
    /// One of these must be later.
    before: Vec<Timestamp>,
    since: Vec<Timestamp>,
    until: Vec<Timestamp>,
}

impl Chosen {
    /// Reads filters; the containers that `before` and `since` name must be there.
    pub(crate) fn parse<S: AsRef<str>>(engine: &Engine, texts: &[S]) -> Result<Self> {
        Self::read(texts, &KEYS, &|name| Ok(engine.read(name)?.config.created))
    }

    /// As [`Self::parse`] with the fewer keys of `prune`.
    pub(crate) fn parse_prune<S: AsRef<str>>(texts: &[S]) -> Result<Self> {
        Self::read(texts, &PRUNE_KEYS, &|_| unreachable!("no such key"))
    }

    fn read<S: AsRef<str>>(texts: &[S], keys: &[&str], created: &dyn Fn(&str) -> Result<Timestamp>) -> Result<Self> {
        let filters = Filters::parse(texts).map_err(|_| {
            let bad = texts.iter().map(AsRef::as_ref).find(|text| !text.contains('=')).unwrap_or_default();
            Error::invalid(format!("invalid filter {bad:?}"))
        })?;
        filters.only(keys)?;
        for (key, conditions) in filters.iter() {
            if key != "label" && conditions.iter().any(|condition| condition.negated) {
                return Err(Error::invalid(format!("{key}! is an invalid filter")).into());
            }
        }
        let values = |key| filters.of(key).iter().map(|condition| condition.value.as_str());
        for value in values("status") {
            let known = Status::ALL.iter().any(|status| status.as_str() == value);
            if !known && !matches!(value, "stopped" | "unknown" | "configured") {
                return Err(Error::invalid(format!("unknown container state: {value}: invalid argument")).into());
            }
        }
        for value in values("should-start-on-boot") {
            boolean(value)?;
        }
        let regex =
            |text: &str| Regex::new(text).map_err(|why| Error::invalid(format!("invalid filter {text:?}: {why}")));
        let now = Timestamp::now();
        let moment = |text: &str| {
            let bad = |_| Error::invalid(format!("failed to parse value as time or duration: {text:?}"));
            time::parse_moment(text, now, Direction::Back).map_err(bad)
        };
        let exited = |text: &str| text.parse().map_err(|_| Error::invalid("exited code out of range"));
        Ok(Self {
            names: values("name").map(regex).collect::<Result<_, _>>()?,
            commands: values("command").map(regex).collect::<Result<_, _>>()?,
            ids: values("id").map(regex).collect::<Result<_, _>>()?,
            exited: values("exited").map(exited).collect::<Result<_, _>>()?,
            before: values("before").map(created).collect::<Result<_>>()?,
            since: values("since").map(created).collect::<Result<_>>()?,
            until: values("until").map(moment).collect::<Result<_, _>>()?,
            filters,
        })
    }

    /// Whether a status was asked for: then containers in every state are looked at.
    pub(crate) fn has_status(&self) -> bool {
        !self.filters.of("status").is_empty()
    }

    /// Whether a container is chosen: values of one key are alternatives, all keys must hold.
    pub(crate) fn pass(&self, container: &Container) -> bool {
        let Container { config, state, .. } = container;
        let filters = &self.filters;
        let labels = config.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let any =
            |regexes: &[Regex], text: &str| regexes.is_empty() || regexes.iter().any(|regex| regex.is_match(text));
        let id = config.id.as_str();
        let by_id = self.ids.is_empty()
            || filters.of("id").iter().any(|condition| id.starts_with(&condition.value))
            || self.ids.iter().any(|regex| regex.is_match(id));
        by_id
            && any(&self.names, &config.name)
            && any(&self.commands, command(config).first().map_or("", String::as_str))
            && filters.pass_labels(labels)
            && filters.pass("status", |status| {
                let word = if status == "stopped" { "exited" } else { status };
                state.status.as_str() == word
            })
            && (self.exited.is_empty()
                || (state.status == Status::Exited && state.exit_code.is_some_and(|code| self.exited.contains(&code))))
            && (self.before.is_empty() || self.before.iter().any(|at| config.created < *at))
            && (self.since.is_empty() || self.since.iter().any(|at| config.created > *at))
            && (self.until.is_empty() || self.until.iter().any(|at| config.created < *at))
            && filters.pass("ancestor", |wanted| config.image.as_ref().is_some_and(|image| is_image(image, wanted)))
            && filters.pass("volume", |wanted| has_volume(config, wanted))
            && filters.pass("network", |wanted| is_on(container, wanted))
            && filters.pass("health", |wanted| health::shown(container).map_or("none", HealthStatus::as_str) == wanted)
            && filters.pass("restart-policy", |wanted| restart(config.restart.kind) == wanted)
            && filters
                .pass("should-start-on-boot", |wanted| boolean(wanted) == Ok(policy::starts_on_boot(config, state)))
    }
}

/// A boolean as Go reads it.
fn boolean(text: &str) -> Result<bool, Error> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Error::invalid(format!("strconv.ParseBool: parsing {text:?}: invalid syntax"))),
    }
}

/// The command line of a container, its entrypoint first.
pub(super) fn command(config: &ContainerConfig) -> Vec<String> {
    config.entrypoint.iter().flatten().chain(&config.command).cloned().collect()
}

/// podman's word for a policy.
pub(super) fn restart(kind: RestartKind) -> &'static str {
    match kind {
        RestartKind::No => "no",
        RestartKind::OnFailure => "on-failure",
        RestartKind::Always => "always",
        RestartKind::UnlessStopped => "unless-stopped",
    }
}

/// Whether `wanted` is an image's id, the beginning of it, or its name with or without registry and `:latest`.
fn is_image(image: &ImageRef, wanted: &str) -> bool {
    let id = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    if !id.is_empty() && image.id.starts_with(id) {
        return true;
    }
    let short = image.name.strip_suffix(":latest").unwrap_or(&image.name);
    let is = |name: &str| name == wanted || name.strip_suffix(wanted).is_some_and(|rest| rest.ends_with('/'));
    !wanted.is_empty() && (is(&image.name) || is(short))
}

/// Whether a volume, a path of the host or a path inside, or `SOURCE:TARGET`, is mounted.
fn has_volume(config: &ContainerConfig, wanted: &str) -> bool {
    let (source, target) = wanted.split_once(':').map_or((wanted, None), |(source, target)| (source, Some(target)));
    config.mounts.iter().any(|mount| {
        let from = match &mount.source {
            Source::Bind { path } => path == source,
            Source::Volume { name, .. } => name.as_deref() == Some(source),
            Source::Tmpfs
            | Source::Ramfs
            | Source::Devpts
            | Source::Image { .. }
            | Source::Glob { .. }
            | Source::Artifact { .. } => false,
        };
        match target {
            Some(target) => from && mount.target == target,
            None => from || mount.target == source,
        }
    })
}

/// Whether a container is on the network, by its name, id or mode.
fn is_on(container: &Container, wanted: &str) -> bool {
    let attached = match &container.config.network {
        NetworkMode::Bridge(attachments) => attachments.iter().any(|attachment| attachment.network == wanted),
        mode => mode.as_str() == wanted,
    };
    let by_id = |id: &str| wanted.len() >= 3 && id.starts_with(wanted);
    attached || container.state.endpoints.iter().any(|endpoint| by_id(&endpoint.network_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_many_names() {
        let name = "docker.io/library/busybox:latest".to_owned();
        let image = ImageRef { id: "abcdef".into(), name, digest: None };
        for wanted in
            ["busybox", "busybox:latest", "library/busybox", "docker.io/library/busybox", "abc", "sha256:abcdef"]
        {
            assert!(is_image(&image, wanted), "{wanted}");
        }
        for wanted in ["box", "busybox:1", "", "bcd", "sha256:"] {
            assert!(!is_image(&image, wanted), "{wanted}");
        }
    }

    #[test]
    fn bad_filters_are_refused() {
        let none = |_: &str| -> Result<Timestamp> { unreachable!() };
        let read = |text: &str| Chosen::read(&[text], &KEYS, &none).map(drop).map_err(|error| error.to_string());
        assert_eq!(read("foo=1").unwrap_err(), "foo is an invalid filter");
        assert_eq!(read("foo").unwrap_err(), "invalid filter \"foo\"");
        assert_eq!(read("status=foo").unwrap_err(), "unknown container state: foo: invalid argument");
        assert!(read("exited=x").is_err() && read("name=(").is_err() && read("name!=x").is_err());
        assert_eq!(read("status=running"), Ok(()));
        assert_eq!(read("label!=x"), Ok(()));
    }
}
