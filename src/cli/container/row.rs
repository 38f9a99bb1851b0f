//! One container as a row of `ps`: the fields of podman's `psReporter` for templates, and of its `ListContainer` for
//! JSON.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::filter;
use crate::cli::output::template::report::Wanted;
use crate::cli::output::template::{Data, Method};
use crate::engine::container::Container;
use crate::engine::health;
use crate::engine::inspect::Size;
use crate::model::network::NetworkMode;
use crate::model::port::PortMapping;
use crate::model::status::Status;
use crate::model::{size, time};

pub(super) const PLAIN: &str =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
pub(super) const SIZED: &str =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}";
pub(super) const NAMESPACES: &str = "table {{.ID}}\t{{.Names}}\t{{.Pid}}\t{{.Cgroup}}\t{{.IPC}}\t{{.MNT}}\t{{.NET}}\t\
                                     {{.PIDNS}}\t{{.USERNS}}\t{{.UTS}}";
pub(super) const HEADINGS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Cgroup", "CGROUPNS"),
    ("CreatedHuman", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("ImageID", "IMAGE ID"),
    ("RunningFor", "RUNNING FOR"),
    ("ExitCode", "EXIT CODE"),
    ("ExitedAt", "EXITED AT"),
    ("StartedAt", "STARTED AT"),
    ("AutoRemove", "AUTO REMOVE"),
    ("IsInfra", "IS INFRA"),
    ("Pod", "POD ID"),
];

/// `{{.Label "key"}}`.
fn label(row: &Data, arguments: &[Data]) -> Result<Data, String> {
    match arguments {
        [key] => {
            let key = key.as_text().ok_or("wrong type for value; expected string")?;
            let value = row.field("Labels").and_then(|labels| labels.field(key)).and_then(Data::as_text);
            Ok(Data::text(value.map_or("", |value| value)))
        }
        _ => Err(format!("wrong number of args for Label: want 1 got {}", arguments.len())),
    }
}

pub(super) const METHODS: &[(&str, Method)] = &[("Label", label)];

/// Seconds of the time that Go calls zero.
const ZERO: i64 = -62_135_596_800;

/// A container with what the table wants to know besides.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) container: &'a Container,
    pub(super) size: Option<Size>,
    pub(super) now: Timestamp,
    pub(super) no_trunc: bool,
    /// Whether the namespaces of the process are looked up.
    pub(super) namespaces: bool,
}

impl Row<'_> {
    pub(super) fn id(&self) -> &str {
        let id = &self.container.config.id;
        if self.no_trunc { id.as_str() } else { id.short() }
    }

    pub(super) fn image(&self) -> String {
        self.container.config.image.as_ref().map(|image| image.name.clone()).unwrap_or_default()
    }

    fn image_id(&self) -> &str {
        self.container.config.image.as_ref().map_or("", |image| &image.id)
    }

    pub(super) fn command(&self) -> String {
        filter::command(&self.container.config).join(" ")
    }

    fn short_command(&self) -> String {
        let command = self.command();
        if self.no_trunc || command.chars().count() <= 17 {
            return command;
        }
        command.chars().take(17).chain("...".chars()).collect()
    }

    /// What people read: `Up 3 minutes`, `Exited (0) 2 hours ago`, `Created`.
    pub(super) fn status(&self) -> String {
        let state = &self.container.state;
        let since = |then: Option<Timestamp>| {
            time::human_duration(self.now.as_second() - then.map_or(self.now.as_second(), Timestamp::as_second))
        };
        match state.status {
            Status::Running => match health::shown(self.container) {
                Some(health) => format!("Up {} ({})", since(state.started_at), health.as_str()),
                None => format!("Up {}", since(state.started_at)),
            },
            Status::Exited => {
                format!("Exited ({}) {} ago", state.exit_code.unwrap_or(-1), since(state.finished_at))
            }
            other => {
                let word = other.as_str();
                word[..1].to_uppercase() + &word[1..]
            }
        }
    }

    fn pid(&self) -> i32 {
        let state = &self.container.state;
        state.init.filter(|_| state.status.is_alive()).map_or(0, |init| init.pid)
    }

    fn networks(&self) -> Vec<String> {
        match &self.container.config.network {
            NetworkMode::Bridge(attachments) => {
                attachments.iter().map(|attachment| attachment.network.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn mounts(&self) -> Vec<String> {
        let image = |mount: &&crate::model::mount::Mount| !mount.source.is_fresh();
        self.container.config.mounts.iter().filter(image).map(|mount| mount.target.clone()).collect()
    }

    fn human_size(&self) -> String {
        let Some(Size { writable, image }) = self.size else { return String::new() };
        format!("{} (virtual {})", size::human_precise(writable, 3), size::human_precise(writable + image, 3))
    }

    fn namespace(&self, name: &str) -> String {
        if !self.namespaces || self.pid() == 0 {
            return String::new();
        }
        crate::engine::top::namespace(self.pid(), name).map(|number| number.to_string()).unwrap_or_default()
    }

    /// The row for templates: the fields that are `wanted`.
    pub(super) fn fields(&self, wanted: &Wanted<'_>) -> Value {
        let Container { config, state, .. } = self.container;
        let image_id = if self.no_trunc { self.image_id() } else { self.image_id().get(..12).unwrap_or_default() };
        let created = || json!(time::print_go(config.created, &TimeZone::system()));
        let age = || json!(time::human_ago(config.created, self.now));
        let mut fields = Map::new();
        let mut add = |name: &str, value: &dyn Fn() -> Value| {
            if wanted.has(name) {
                fields.insert(name.to_owned(), value());
            }
        };
        add("ID", &|| json!(self.id()));
        add("Id", &|| json!(config.id));
        add("Image", &|| json!(self.image()));
        add("ImageID", &|| json!(image_id));
        add("Command", &|| json!(self.short_command()));
        add("Created", &created);
        add("CreatedAt", &created);
        add("CreatedHuman", &age);
        add("RunningFor", &age);
        add("State", &|| json!(state.status.as_str()));
        add("Status", &|| json!(self.status()));
        add("Ports", &|| json!(ports(&config.publish, &config.exposed)));
        add("Names", &|| json!(config.name));
        add("Labels", &|| json!(config.labels));
        add("Mounts", &|| json!(self.mounts()));
        add("Networks", &|| json!(self.networks().join(",")));
        add("Pid", &|| json!(self.pid()));
        add("ExitCode", &|| json!(state.exit_code.unwrap_or_default()));
        add("Exited", &|| json!(state.status == Status::Exited));
        add("ExitedAt", &|| json!(seconds(state.finished_at)));
        add("StartedAt", &|| json!(seconds(state.started_at)));
        add("Size", &|| json!(self.human_size()));
        add("AutoRemove", &|| json!(config.remove));
        add("Restarts", &|| json!(state.restarts));
        add("IsInfra", &|| json!(false));
        add("Pod", &|| json!(""));
        add("PodName", &|| json!(""));
        add("Namespaces", &|| Value::Object(self.namespaces()));
        add("Cgroup", &|| json!(self.namespace("cgroup")));
        add("IPC", &|| json!(self.namespace("ipc")));
        add("MNT", &|| json!(self.namespace("mnt")));
        add("NET", &|| json!(self.namespace("net")));
        add("PIDNS", &|| json!(self.namespace("pid")));
        add("USERNS", &|| json!(self.namespace("user")));
        add("UTS", &|| json!(self.namespace("uts")));
        Value::Object(fields)
    }

    /// The namespaces of the process, by podman's names.
    fn namespaces(&self) -> Map<String, Value> {
        let known = [
            ("MNT", "mnt"),
            ("Cgroup", "cgroup"),
            ("IPC", "ipc"),
            ("NET", "net"),
            ("PIDNS", "pid"),
            ("UTS", "uts"),
            ("User", "user"),
        ];
        known.map(|(key, name)| (key.to_owned(), self.namespace(name).into())).into_iter().collect()
    }

    /// The row for `--format json`.
    pub(super) fn document(&self) -> Value {
        let Container { config, state, .. } = self.container;
        let or_null = |empty: bool, value: Value| if empty { Value::Null } else { value };
        let namespaces = if self.namespaces { self.namespaces() } else { Map::new() };
        json!({
            "AutoRemove": config.remove,
            "Command": filter::command(config),
            "CreatedAt": time::human_ago(config.created, self.now),
            "Exited": state.status == Status::Exited,
            "ExitedAt": seconds(state.finished_at),
            "ExitCode": state.exit_code.unwrap_or_default(),
            "ExposedPorts": or_null(config.exposed.is_empty(), json!(config.exposed)),
            "Id": config.id,
            "Image": self.image(),
            "ImageID": self.image_id(),
            "IsInfra": false,
            "Labels": or_null(config.labels.is_empty(), json!(config.labels)),
            "Mounts": self.mounts(),
            "Names": [config.name],
            "Namespaces": namespaces,
            "Networks": self.networks(),
            "Pid": self.pid(),
            "Pod": "",
            "PodName": "",
            "Ports": or_null(config.publish.is_empty(), config.publish.iter().map(port).collect()),
            "Restarts": state.restarts,
            "Size": self.size.map_or(Value::Null, |size| json!({
                "rootFsSize": size.writable + size.image,
                "rwSize": size.writable,
            })),
            "StartedAt": seconds(state.started_at),
            "State": state.status.as_str(),
            "Status": self.status(),
            "Created": config.created.as_second(),
        })
    }
}

fn seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(ZERO, Timestamp::as_second)
}

fn port(mapping: &PortMapping) -> Value {
    json!({
        "host_ip": mapping.host_ip,
        "container_port": mapping.container_port,
        "host_port": mapping.host_port,
        "range": mapping.range,
        "protocol": mapping.protocol,
    })
}

/// The ports as people read them: `0.0.0.0:8080->80/tcp, 443/tcp`.
fn ports(published: &[PortMapping], exposed: &[String]) -> String {
    let mut text = String::new();
    let mut add = |entry: String| {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&entry);
    };
    let run = |first: u16, range: u16| match range {
        0 | 1 => first.to_string(),
        range => format!("{first}-{}", u32::from(first) + u32::from(range) - 1),
    };
    for mapping in published {
        let ip = match mapping.host_ip.as_str() {
            "" => "0.0.0.0".to_owned(),
            ip if ip.contains(':') => format!("[{ip}]"),
            ip => ip.to_owned(),
        };
        let host = run(mapping.host_port, mapping.range);
        add(format!("{ip}:{host}->{}/{}", run(mapping.container_port, mapping.range), mapping.protocol));
    }
    let mut shown: Vec<String> = Vec::new();
    for text in exposed {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let number = port.split('-').next().and_then(|first| first.parse::<u16>().ok()).unwrap_or(0);
        let covers = |mapping: &PortMapping| {
            mapping.protocol.as_str() == protocol
                && (mapping.container_port..=mapping.container_port.saturating_add(mapping.range.saturating_sub(1)))
                    .contains(&number)
        };
        let entry = format!("{port}/{protocol}");
        if !published.iter().any(covers) && !shown.contains(&entry) {
            shown.push(entry);
        }
    }
    shown.into_iter().for_each(add);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_podmans() {
        let published = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<PortMapping>>();
        for (texts, exposed, want) in [
            (&["8080:80"][..], &[][..], "0.0.0.0:8080->80/tcp"),
            (&["127.0.0.1:1-3:11-13/udp"], &["12/udp", "80/tcp"], "127.0.0.1:1-3->11-13/udp, 80/tcp"),
            (&["[::1]:1:2"], &[], "[::1]:1->2/tcp"),
            (&[], &["80", "80/tcp", "53/udp"], "80/tcp, 53/udp"),
        ] {
            let exposed: Vec<String> = exposed.iter().map(|text: &&str| (*text).to_owned()).collect();
            assert_eq!(ports(&published(texts), &exposed), want);
        }
    }
}
