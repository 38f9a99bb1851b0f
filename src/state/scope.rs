//! A scope of the user's service manager, for a process of an ordinary user that starts what is to stay.
//!
//! A login session is a cgroup of the system's: no cgroup below it can be made, no process can be moved from it into what
//! was delegated to the user, and what stays in it keeps the session from ending. The manager can move a process: it
//! makes a scope around it, as `systemd-run --user --scope` does and as podman has it done.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::bus::{Body, Method, Peer};

/// How long the manager may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// How long a unit may take to stop and start: systemd's own limits end before.
const UNIT_PATIENCE: Duration = Duration::from_secs(600);

/// The cgroup of the manager of user `uid`, below the tree's root.
pub(crate) fn manager(uid: u32) -> String {
    format!("/user.slice/user-{uid}.slice/user@{uid}.service")
}

/// The socket on which the manager of user `uid` listens.
fn socket(uid: u32) -> PathBuf {
    PathBuf::from(format!("/run/user/{uid}/systemd/private"))
}

/// The socket on which the manager of the system listens.
const SYSTEM: &str = "/run/systemd/private";

/// Where the manager of the system, or of `user`, is to listen, when it does not.
pub(crate) fn missing(user: Option<u32>) -> Option<PathBuf> {
    let socket = user.map_or_else(|| PathBuf::from(SYSTEM), socket);
    (!socket.exists()).then_some(socket)
}

/// The value of a unit's property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    Text(String),
    Flag(bool),
    Number(u64),
    Small(u32),
    Pairs(Vec<(String, String)>),
}

/// A scope for processes of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) slice: String,
    pub(crate) properties: Vec<(String, Value)>,
}

impl Scope {
    /// Has the manager of the system, or of `user`, make the scope around process `pid`.
    pub(crate) fn start(&self, user: Option<u32>, pid: u32) -> Result<()> {
        let socket = user.map_or_else(|| PathBuf::from(SYSTEM), socket);
        ask(&socket, &self.name, &self.request(pid))
            .with_context(|| format!("ask the service manager at {} for the scope {}", socket.display(), self.name))
    }

    /// StartTransientUnit(name, mode, properties, auxiliary units), org.freedesktop.systemd1(5).
    fn request(&self, pid: u32) -> Body {
        let mut body = Body::default();
        body.string(&self.name);
        body.string("fail");
        body.array(8, |properties| {
            let text = |text: &str| Value::Text(text.to_owned());
            property(properties, "Description", &text("dhow container"));
            property(properties, "Slice", &text(&self.slice));
            property(properties, "CollectMode", &text("inactive-or-failed"));
            for (name, value) in &self.properties {
                property(properties, name, value);
            }
            properties.align(8);
            properties.string("PIDs");
            properties.signature("au");
            properties.array(4, |pids| pids.uint32(pid));
        });
        body.array(8, |_| {});
        body
    }

    /// Has the manager stop the scope, which nobody needs any more: it may never hear that a cgroup is empty that is removed
    /// right after.
    pub(crate) fn stop(user: Option<u32>, name: &str) -> Result<()> {
        let socket = user.map_or_else(|| PathBuf::from(SYSTEM), socket);
        let mut body = Body::default();
        body.string(name);
        body.string("replace");
        let mut peer = Peer::connect(&socket, PATIENCE)?;
        let call = peer.call(&method("StopUnit", "ss"), &body)?;
        peer.answer(call).with_context(|| format!("stop the scope {name}"))
    }

    /// Has the manager keep changed properties of the running scope.
    pub(crate) fn change(user: Option<u32>, name: &str, changed: &[(String, Value)]) -> Result<()> {
        let socket = user.map_or_else(|| PathBuf::from(SYSTEM), socket);
        let mut body = Body::default();
        body.string(name);
        body.boolean(true);
        body.array(8, |properties| {
            for (name, value) in changed {
                property(properties, name, value);
            }
        });
        let mut peer = Peer::connect(&socket, PATIENCE)?;
        let call = peer.call(&method("SetUnitProperties", "sba(sv)"), &body)?;
        peer.answer(call).with_context(|| format!("change the scope {name}"))
    }
}

fn property(body: &mut Body, name: &str, value: &Value) {
    body.align(8);
    body.string(name);
    match value {
        Value::Text(text) => {
            body.signature("s");
            body.string(text);
        }
        Value::Flag(flag) => {
            body.signature("b");
            body.boolean(*flag);
        }
        Value::Number(number) => {
            body.signature("t");
            body.uint64(*number);
        }
        Value::Small(number) => {
            body.signature("u");
            body.uint32(*number);
        }
        Value::Pairs(pairs) => {
            body.signature("a(ss)");
            body.array(8, |list| {
                for (one, other) in pairs {
                    list.align(8);
                    list.string(one);
                    list.string(other);
                }
            });
        }
    }
}

/// A method of the manager.
fn method(member: &'static str, signature: &'static str) -> Method<'static> {
    Method {
        destination: "org.freedesktop.systemd1",
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        member,
        signature,
    }
}

/// Says whether user `uid` has a manager that can be asked.
pub(crate) fn has_manager(uid: u32) -> bool {
    socket(uid).exists()
}

/// Says whether `memberships`, the text of /proc/PID/cgroup, is of a process below a user's manager.
fn is_inside(memberships: &str) -> bool {
    let unified = memberships.lines().find_map(|line| line.strip_prefix("0::"));
    unified.is_some_and(|path| path.split('/').any(|name| name.starts_with("user@") && name.ends_with(".service")))
}

/// Sees to it that this process, with all its threads, is below the manager of user `uid`. Without such a manager it
/// stays where it is, and so it does where there is no single tree of cgroups.
pub(crate) fn enter(uid: u32) -> Result<()> {
    let memberships = std::fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    let is_unified = memberships.lines().all(|line| line.starts_with("0::"));
    if !is_unified || is_inside(&memberships) {
        return Ok(());
    }
    let socket = socket(uid);
    let own = name();
    match ask(&socket, &own, &request(&own)) {
        Err(error) if error.root_cause().downcast_ref().is_some_and(is_nobody) => Ok(()),
        asked => asked.with_context(|| format!("ask the service manager at {} for a scope", socket.display())),
    }
}

/// The error of a socket that is not there, or behind which nobody is.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// A name that no other scope has: this process may ask once only.
fn name() -> String {
    let start = crate::sys::process::own().map_or(0, |(_, start)| start);
    format!("dhow-{}-{start}.scope", std::process::id())
}

/// Has the manager of the system, or of `user`, restart `unit`, and waits until it has started, which may take as long as
/// the unit may.
pub(crate) fn restart(user: Option<u32>, unit: &str) -> Result<()> {
    let socket = user.map_or_else(|| PathBuf::from(SYSTEM), socket);
    let mut body = Body::default();
    body.string(unit);
    body.string("replace");
    let restart = method("RestartUnit", "ss");
    job(&socket, UNIT_PATIENCE, &restart, unit, &body)
        .with_context(|| format!("ask the service manager at {}", socket.display()))
}

/// Has a scope made, and waits until it is.
fn ask(socket: &Path, unit: &str, request: &Body) -> Result<()> {
    job(socket, PATIENCE, &method("StartTransientUnit", "ssa(sv)a(sa(sv))"), unit, request)
}

/// Has the manager do something with `unit`, and waits until that is done.
fn job(socket: &Path, patience: Duration, method: &Method<'_>, unit: &str, request: &Body) -> Result<()> {
    let mut peer = Peer::connect(socket, patience)?;
    let call = peer.call(method, request)?;
    let ended = peer.answer_and_signal(call, "JobRemoved", |words| words.get(1).is_some_and(|name| name == unit))?;
    match ended.get(2).map(String::as_str) {
        Some("done") => Ok(()),
        result => bail!("the job for {unit} ended with {}", result.unwrap_or("nothing")),
    }
}

/// StartTransientUnit(name, mode, properties, auxiliary units), org.freedesktop.systemd1(5).
fn request(unit: &str) -> Body {
    let mut body = Body::default();
    body.string(unit);
    body.string("fail");
    let property = |body: &mut Body, name: &str, kind: &str| {
        body.align(8);
        body.string(name);
        body.signature(kind);
    };
    body.array(8, |properties| {
        property(properties, "Description", "s");
        properties.string("dhow");
        property(properties, "CollectMode", "s");
        properties.string("inactive-or-failed");
        property(properties, "PIDs", "au");
        // 0 is who asks, whatever its number where the manager is.
        properties.array(4, |pids| pids.uint32(0));
    });
    body.array(8, |_| {});
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_below_a_manager_is_known() {
        for (text, expected) in [
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope\n", true),
            ("0::/user.slice/user-1000.slice/session-1.scope\n", false),
            ("0::/\n", false),
            ("1:name=systemd:/user@1.service\n0::/\n", false),
        ] {
            assert_eq!(is_inside(text), expected, "{text}");
        }
    }

    #[test]
    fn without_a_manager_nothing_is_asked() {
        // No user has this number, so there is no socket.
        enter(u32::MAX - 7).unwrap();
        assert!(!has_manager(u32::MAX - 7));
    }
}
