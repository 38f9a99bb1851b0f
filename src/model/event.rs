//! One change of the store or of a container, as `events` tells it: podman's words and names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::container::ContainerConfig;
use super::error::Error;
use super::health::HealthStatus;

/// Who keeps events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Logger {
    /// A file in the run directory.
    #[default]
    File,
    /// The same, and a copy for the journal.
    Journald,
    None,
}

impl Logger {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Journald => "journald",
            Self::None => "none",
        }
    }
}

impl std::str::FromStr for Logger {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Self::File, Self::Journald, Self::None];
        all.into_iter().find(|logger| logger.name() == text).ok_or_else(|| {
            let text = text.escape_debug();
            Error::invalid(format!("\"{text}\" is not a valid events backend: invalid argument"))
                .hint("file, journald and none are")
        })
    }
}

/// A change that was made. The names in JSON are podman's, and what has nothing to say is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Event {
    /// Of `died`: the exit code, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container_exit_code: Option<i32>,
    /// Of the container or image.
    #[serde(rename = "ID", default, skip_serializing_if = "String::is_empty")]
    pub(crate) id: String,
    /// The image of a container, as it was named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) image: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    /// What happened: `create`, `died`, `pull`.
    pub(crate) status: String,
    pub(crate) time: Timestamp,
    /// What it happened to: `container`, `image`, `volume`.
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    /// A container's labels.
    #[serde(default)]
    pub(crate) attributes: Option<BTreeMap<String, String>>,
    /// Of `health_status`: what a check found.
    #[serde(rename = "health_status", default, skip_serializing_if = "Option::is_none")]
    pub(crate) health_status: Option<HealthStatus>,
    #[serde(rename = "health_failing_streak", default, skip_serializing_if = "Option::is_none")]
    pub(crate) health_failing_streak: Option<u32>,
    /// The check as JSON, where events are the destination of its log.
    #[serde(rename = "health_log", default, skip_serializing_if = "Option::is_none")]
    pub(crate) health_log: Option<String>,
}

impl Event {
    /// What happened now to an object of `kind`.
    pub(crate) fn new(kind: &str, status: &str) -> Self {
        Self {
            container_exit_code: None,
            id: String::new(),
            image: String::new(),
            name: String::new(),
            status: status.to_owned(),
            time: Timestamp::now(),
            kind: kind.to_owned(),
            attributes: None,
            health_status: None,
            health_failing_streak: None,
            health_log: None,
        }
    }

    /// What happened now to a container.
    pub(crate) fn of_container(config: &ContainerConfig, status: &str) -> Self {
        Self {
            id: config.id.to_string(),
            image: config.image.as_ref().map(|image| image.name.clone()).unwrap_or_default(),
            name: config.name.clone(),
            attributes: Some(config.labels.clone()),
            ..Self::new("container", status)
        }
    }

    /// As podman prints it, with `time` and the length that ids have.
    pub(crate) fn line(&self, time: &str, digits: usize) -> String {
        let id = self.id.get(..digits).unwrap_or(&self.id);
        let mut line = format!("{time} {} {}", self.kind, self.status);
        match self.kind.as_str() {
            "container" => {
                line.push_str(&format!(" {id} (image={}, name={}", self.image, self.name));
                if let Some(status) = self.health_status {
                    line.push_str(&format!(", health_status={}", status.as_str()));
                }
                if let Some(streak) = self.health_failing_streak {
                    line.push_str(&format!(", health_failing_streak={streak}"));
                }
                if let Some(log) = &self.health_log {
                    line.push_str(&format!(", health_log={log}"));
                }
                for (key, value) in self.attributes.iter().flatten() {
                    line.push_str(&format!(", {key}={value}"));
                }
                line.push(')');
            }
            "image" => line.push_str(&format!(" {id} {}", self.name)),
            _ if self.name.is_empty() => {}
            _ => line.push_str(&format!(" {}", self.name)),
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_json_are_podmans() {
        let id = "0123456789abcdef";
        let time: Timestamp = "2026-11-22T21:53:35.5Z".parse().unwrap();
        let labels: BTreeMap<_, _> = [("k".to_owned(), "v".to_owned()), ("a".to_owned(), String::new())].into();
        let died = Event {
            container_exit_code: Some(3),
            id: id.to_owned(),
            image: "localhost/t1:latest".to_owned(),
            name: "f".to_owned(),
            attributes: Some(labels),
            time,
            ..Event::new("container", "died")
        };
        assert_eq!(died.line("T", 64), format!("T container died {id} (image=localhost/t1:latest, name=f, a=, k=v)"));
        let json = serde_json::to_string(&died).unwrap();
        assert_eq!(
            json,
            r#"{"ContainerExitCode":3,"ID":"0123456789abcdef","Image":"localhost/t1:latest","Name":"f","Status":"died","#
                .to_owned()
                + r#""Time":"2026-11-22T21:53:35.5Z","Type":"container","Attributes":{"a":"","k":"v"}}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), died);
        let tag = Event { id: id.to_owned(), name: "t3".to_owned(), ..Event::new("image", "tag") };
        assert_eq!(tag.line("T", 12), "T image tag 0123456789ab t3");
        let volume = Event { name: "v".to_owned(), time, ..Event::new("volume", "remove") };
        assert_eq!(volume.line("T", 12), "T volume remove v");
        assert_eq!(
            serde_json::to_string(&volume).unwrap(),
            r#"{"Name":"v","Status":"remove","Time":"2026-11-22T21:53:35.5Z","Type":"volume","Attributes":null}"#
        );
    }
}
