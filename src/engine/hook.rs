//! Hooks of the administrator: programs that run at fixed points in the life of the containers that they are for, by the
//! definitions in directories (oci-hooks(5), version 1.0.0). They are chosen when a container is created and kept in its
//! record; images never name any (R16).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime::{Hook, Hooks, Spec};
use regex_lite::Regex;
use serde::Deserialize;

use super::container::Locked;
use crate::model::error::Error;
use crate::runtime::bundle;
use crate::runtime::hook::{Point, Subject};
use crate::state::installed;

/// Where definitions are looked for when nobody says otherwise; later ones replace those of the same name.
pub(crate) const DIRECTORIES: [&str; 2] = ["/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"];
/// The most that is read of a definition.
const MOST: u64 = 1 << 20;

/// A definition.
#[derive(Debug, Deserialize)]
struct Definition {
    version: String,
    hook: Hook,
    when: When,
    stages: Vec<String>,
}

/// The containers that a hook is for: all that is said must hold, and something must be said.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct When {
    always: Option<bool>,
    annotations: BTreeMap<String, String>,
    commands: Vec<String>,
    has_bind_mounts: Option<bool>,
}

/// The container, as conditions see it.
pub(super) struct Candidate<'a> {
    pub(super) annotations: &'a BTreeMap<String, String>,
    pub(super) command: Option<&'a str>,
    pub(super) has_bind_mounts: bool,
}

impl When {
    fn holds(&self, candidate: &Candidate<'_>) -> Result<bool> {
        let mut said = false;
        let mut all = true;
        let mut add = |holds: bool| {
            said = true;
            all &= holds;
        };
        self.always.into_iter().for_each(&mut add);
        self.has_bind_mounts.into_iter().for_each(|wanted| add(wanted && candidate.has_bind_mounts));
        for (key, value) in &self.annotations {
            let (key, value) = (regex(key)?, regex(value)?);
            add(candidate.annotations.iter().any(|(name, text)| key.is_match(name) && value.is_match(text)));
        }
        if !self.commands.is_empty() {
            let commands = self.commands.iter().map(|text| regex(text)).collect::<Result<Vec<_>>>()?;
            add(candidate.command.is_some_and(|word| commands.iter().any(|command| command.is_match(word))));
        }
        Ok(said && all)
    }
}

fn regex(text: &str) -> Result<Regex> {
    Regex::new(text).with_context(|| format!("read the pattern {text:?}"))
}

/// The hooks of `dirs` that are for a container. A directory that is not there has none. `checked`: what strangers could
/// change is refused, the definition and the program (R5).
pub(super) fn chosen(dirs: &[PathBuf], candidate: &Candidate<'_>, checked: bool) -> Result<Option<Box<Hooks>>> {
    let mut files: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
    for dir in dirs {
        let entries = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("list hooks in {}", dir.display()))?,
        };
        for entry in entries {
            let path = entry.with_context(|| format!("list hooks in {}", dir.display()))?.path();
            if path.extension().is_some_and(|end| end == "json") {
                files.insert(path.file_name().unwrap_or_default().to_owned(), path);
            }
        }
    }
    let mut hooks = Hooks::default();
    let mut found = false;
    for path in files.values() {
        found |= add(path, candidate, checked, &mut hooks).with_context(|| format!("hook {}", path.display()))?;
    }
    Ok(found.then(|| Box::new(hooks)))
}

/// Adds the hook that a file defines, if it is for the container.
fn add(path: &Path, candidate: &Candidate<'_>, checked: bool, hooks: &mut Hooks) -> Result<bool> {
    if checked {
        installed::refuse_strangers(path, &[0])?;
    }
    let length = path.metadata().context("stat")?.len();
    if length > MOST {
        return Err(Error::invalid(format!("{length} bytes are too many for a definition")).into());
    }
    let text = std::fs::read(path).context("read")?;
    let definition: Definition = serde_json::from_slice(&text).map_err(|error| Error::invalid(error.to_string()))?;
    if definition.version != "1.0.0" {
        return Err(Error::unsupported(format!("unrecognized hook version: {:?}", definition.version)).into());
    }
    if definition.stages.is_empty() {
        return Err(Error::invalid("missing required property: stages").into());
    }
    if !definition.when.holds(candidate)? {
        return Ok(false);
    }
    if checked {
        installed::refuse_strangers(definition.hook.path(), &[0])?;
    }
    for stage in &definition.stages {
        add_to(hooks, stage, definition.hook.clone())?;
    }
    crate::runtime::hook::check(hooks)?;
    Ok(true)
}

/// Adds a hook to those of the point `stage`.
pub(super) fn add_to(hooks: &mut Hooks, stage: &str, hook: Hook) -> Result<()> {
    let list = |of: &Option<Vec<Hook>>| {
        let mut list = of.clone().unwrap_or_default();
        list.push(hook.clone());
        Some(list)
    };
    match stage {
        "prestart" => drop(hooks.set_prestart(list(hooks.prestart()))),
        "createRuntime" => drop(hooks.set_create_runtime(list(hooks.create_runtime()))),
        "createContainer" => drop(hooks.set_create_container(list(hooks.create_container()))),
        "startContainer" => drop(hooks.set_start_container(list(hooks.start_container()))),
        "poststart" => drop(hooks.set_poststart(list(hooks.poststart()))),
        "poststop" => drop(hooks.set_poststop(list(hooks.poststop()))),
        other => return Err(Error::unsupported(format!("hooks of stage {other:?} are not supported")).into()),
    }
    Ok(())
}

/// Tells the hooks of a container that its run is over. What goes wrong there keeps nothing from being cleaned up.
pub(super) fn after_stop(locked: &Locked) -> Result<()> {
    let bundle = locked.dir().join("bundle");
    if !bundle.join("config.json").exists() {
        return Ok(());
    }
    let spec: Spec = bundle::load(&bundle)?;
    let annotations = spec.annotations().as_ref();
    let subject = Subject { id: locked.id().as_str(), bundle: &bundle, version: spec.version(), annotations };
    match subject.run_all(Point::Poststop, &spec, None).into_iter().next() {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_for_containers_of_which_all_holds() {
        let annotations: BTreeMap<_, _> = [("io.key".to_owned(), "value".to_owned())].into();
        let candidate = Candidate { annotations: &annotations, command: Some("/bin/sh"), has_bind_mounts: false };
        for (when, holds) in [
            (r#"{"always": true}"#, true),
            (r#"{"always": false}"#, false),
            ("{}", false),
            (r#"{"annotations": {"^io\\.key$": "^val"}}"#, true),
            (r#"{"annotations": {"^io\\.key$": "^al"}}"#, false),
            (r#"{"commands": ["bash$", "/sh$"]}"#, true),
            (r#"{"commands": ["/sh$"], "always": false}"#, false),
            (r#"{"hasBindMounts": true}"#, false),
            (r#"{"always": true, "hasBindMounts": true}"#, false),
        ] {
            let when: When = serde_json::from_str(when).unwrap();
            assert_eq!(when.holds(&candidate).unwrap(), holds, "{when:?}");
        }
        let bad: When = serde_json::from_str(r#"{"commands": ["("]}"#).unwrap();
        assert!(bad.holds(&candidate).is_err());
    }
}
