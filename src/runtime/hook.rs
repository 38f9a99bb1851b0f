//! Hooks of a bundle: programs of the caller's at fixed points of a container's life, with its state on standard input.
//!
//! `prestart`, `createRuntime`, `poststart` and `poststop` run in the namespaces of the runtime; `createContainer` in the
//! container's, where paths still are the host's; `startContainer` inside. What they print is kept for the error that
//! they cause. A bundle's hooks are the authority of who wrote the bundle; images never name any (R16).

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{ContainerState, Hook, Hooks, Spec, State, StateBuilder};
use rustix::fs::MemfdFlags;

use crate::model::error::Error;
use crate::sys::pidfd;

/// The most of a failed hook's output that its error quotes, in bytes.
const QUOTED: u64 = 2048;

/// A point in a container's life (runtime-spec, "Lifecycle").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

/// All points, in the order of the lifecycle.
pub(crate) const POINTS: [Point; 6] = [
    Point::Prestart,
    Point::CreateRuntime,
    Point::CreateContainer,
    Point::StartContainer,
    Point::Poststart,
    Point::Poststop,
];

impl Point {
    /// The name of its field.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    /// The hooks of this point.
    pub(crate) fn of(self, spec: &Spec) -> &[Hook] {
        let Some(hooks) = spec.hooks() else { return &[] };
        self.list(hooks)
    }

    fn list(self, hooks: &Hooks) -> &[Hook] {
        let list = match self {
            Self::Prestart => hooks.prestart(),
            Self::CreateRuntime => hooks.create_runtime(),
            Self::CreateContainer => hooks.create_container(),
            Self::StartContainer => hooks.start_container(),
            Self::Poststart => hooks.poststart(),
            Self::Poststop => hooks.poststop(),
        };
        list.as_deref().unwrap_or_default()
    }

    /// What the state says at this point. The spec's `creating` ends with step 2, before any hook.
    fn status(self) -> ContainerState {
        match self {
            Self::Poststart => ContainerState::Running,
            Self::Poststop => ContainerState::Stopped,
            _ => ContainerState::Created,
        }
    }
}

/// What hooks are told of the container, but for its process.
#[derive(Clone, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) id: &'a str,
    pub(crate) bundle: &'a Path,
    pub(crate) version: &'a str,
    pub(crate) annotations: Option<&'a HashMap<String, String>>,
}

impl Subject<'_> {
    /// The state; `pid` as who runs the hook sees it.
    pub(crate) fn state(&self, status: ContainerState, pid: Option<i32>) -> Result<State> {
        let mut state = StateBuilder::default()
            .version(self.version)
            .id(self.id)
            .status(status)
            .bundle(self.bundle)
            .annotations(self.annotations.cloned().unwrap_or_default())
            .build()
            .context("build the state of the container")?;
        state.set_pid(pid);
        Ok(state)
    }

    fn encoded(&self, status: ContainerState, pid: Option<i32>) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.state(status, pid)?).context("encode the state for hooks")
    }

    /// Runs the hooks of `point` one after the other; the first that fails ends it.
    pub(crate) fn run(&self, point: Point, spec: &Spec, pid: Option<i32>) -> Result<()> {
        let hooks = point.of(spec);
        if hooks.is_empty() {
            return Ok(());
        }
        let state = self.encoded(point.status(), pid)?;
        hooks.iter().try_for_each(|hook| one(hook, &state).with_context(|| describe(point, hook)))
    }

    /// As [`Self::run`], but all of them, for the point after the end: gives what went wrong.
    pub(crate) fn run_all(&self, point: Point, spec: &Spec, pid: Option<i32>) -> Vec<anyhow::Error> {
        let state = match self.encoded(point.status(), pid) {
            Ok(state) => state,
            Err(error) => return vec![error],
        };
        let failed = |hook: &Hook| one(hook, &state).with_context(|| describe(point, hook)).err();
        point.of(spec).iter().filter_map(failed).collect()
    }
}

fn describe(point: Point, hook: &Hook) -> String {
    format!("{} hook {}", point.name(), hook.path().display())
}

/// Refuses hooks that the specification does not allow.
pub(crate) fn check(hooks: &Hooks) -> Result<()> {
    for point in POINTS {
        for (at, hook) in point.list(hooks).iter().enumerate() {
            let field = |name: &str| format!("hooks.{}[{at}].{name}", point.name());
            if !hook.path().is_absolute() {
                bail!(Error::invalid(format!("{}: {:?} is not an absolute path", field("path"), hook.path())));
            }
            if hook.timeout().is_some_and(|seconds| seconds <= 0) {
                bail!(Error::invalid(format!("{}: must be greater than zero", field("timeout"))));
            }
            let texts = hook.args().iter().chain(hook.env().iter()).flatten();
            if texts.into_iter().any(|text| text.contains('\0')) {
                bail!(Error::invalid(format!("{}: a NUL byte", field("args"))));
            }
        }
    }
    Ok(())
}

/// Runs one hook to its end.
fn one(hook: &Hook, state: &[u8]) -> Result<()> {
    let mut input = memory("state")?;
    input.write_all(state).and_then(|()| input.rewind()).context("write the state")?;
    let mut output = memory("output")?;
    let copy = |file: &File| file.try_clone().context("copy a descriptor");
    let mut command = Command::new(hook.path());
    let args = hook.args().as_deref().unwrap_or_default();
    if let Some(name) = args.first() {
        command.arg0(name);
    }
    command.args(args.iter().skip(1)).env_clear();
    for entry in hook.env().iter().flatten() {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        command.env(key, value);
    }
    command.stdin(input).stdout(copy(&output)?).stderr(copy(&output)?);
    let mut child = command.spawn().context("execute")?;
    let pid = i32::try_from(child.id())?;
    // Our child and not reaped: the number is still its own.
    let watched: OwnedFd = pidfd::open(pid)?;
    let limit = hook.timeout().and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    if !pidfd::ended_within(watched.as_fd(), limit)? {
        child.kill().context("kill")?;
        child.wait().context("reap")?;
        bail!("timed out after {} s and was killed", limit.unwrap_or_default().as_secs());
    }
    let status = child.wait().context("reap")?;
    if status.success() {
        return Ok(());
    }
    let end = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let said = said(&mut output);
    if said.is_empty() { bail!(end) } else { bail!("{end}: {said}") }
}

/// The end of what a hook printed.
fn said(output: &mut File) -> String {
    let length = output.metadata().map_or(0, |meta| meta.len());
    let mut bytes = Vec::new();
    // What cannot be read back is not worth another error.
    let _read = output
        .seek(SeekFrom::Start(length.saturating_sub(QUOTED)))
        .and_then(|_| Read::by_ref(output).take(QUOTED).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// A file in memory: what is written to it needs nobody who reads meanwhile.
fn memory(name: &str) -> Result<File> {
    Ok(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC).context("make a file in memory")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(hooks: &serde_json::Value) -> Spec {
        serde_json::from_value(serde_json::json!({"ociVersion": "1.0.0", "hooks": hooks})).unwrap()
    }

    fn subject() -> Subject<'static> {
        Subject { id: "web", bundle: Path::new("/b"), version: "1.3.0", annotations: None }
    }

    fn shell(script: &str) -> serde_json::Value {
        serde_json::json!({"path": "/bin/sh", "args": ["hook", "-c", script], "env": ["PATH=/usr/bin:/bin", "A=b=c"]})
    }

    #[test]
    fn a_hook_gets_the_state_and_only_its_own_environment() {
        let script = r#"read state; echo "$state" | grep -q '"status":"running"' &&
            echo "$state" | grep -q '"pid":77' && test "$A" = b=c && test -z "$HOME" && test "$0" = hook"#;
        let script = script.replace("$0\" = hook", "$0\" = /x");
        let hook = serde_json::json!({"path": "/bin/sh", "args": ["hook", "-c", script, "/x"], "env": ["PATH=/usr/bin:/bin", "A=b=c"]});
        let spec = spec(&serde_json::json!({"poststart": [hook]}));
        subject().run(Point::Poststart, &spec, Some(77)).unwrap();
        subject().run(Point::Poststop, &spec, None).unwrap();
    }

    #[test]
    fn what_a_failed_hook_says_is_told_and_the_next_one_does_not_run() {
        let mark = std::env::temp_dir().join(format!("dhow-hook-{}", std::process::id()));
        let touch = shell(&format!("touch {}", mark.display()));
        let spec = spec(&serde_json::json!({"createRuntime": [shell("echo no luck >&2; exit 3"), touch]}));
        let error = subject().run(Point::CreateRuntime, &spec, Some(1)).unwrap_err();
        assert_eq!(format!("{error:#}"), "createRuntime hook /bin/sh: exit status 3: no luck");
        assert!(!mark.exists());
        let errors = subject().run_all(Point::CreateRuntime, &spec, None);
        assert_eq!(errors.len(), 1);
        assert!(mark.exists());
        std::fs::remove_file(mark).unwrap();
    }

    #[test]
    fn a_hook_that_takes_too_long_is_killed() {
        let mut slow = shell("exec sleep 100");
        slow["timeout"] = 1.into();
        let spec = spec(&serde_json::json!({"prestart": [slow]}));
        let error = subject().run(Point::Prestart, &spec, Some(1)).unwrap_err();
        assert_eq!(format!("{error:#}"), "prestart hook /bin/sh: timed out after 1 s and was killed");
    }

    #[test]
    fn bad_hooks_are_refused_by_their_field() {
        for (hook, text) in [
            (serde_json::json!({"path": "x"}), "hooks.poststop[0].path: \"x\" is not an absolute path"),
            (serde_json::json!({"path": "/x", "timeout": 0}), "hooks.poststop[0].timeout: must be greater than zero"),
        ] {
            let spec = spec(&serde_json::json!({"poststop": [hook]}));
            assert_eq!(check(spec.hooks().as_ref().unwrap()).unwrap_err().to_string(), text);
        }
    }
}
