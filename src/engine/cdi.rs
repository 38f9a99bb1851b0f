//! Devices by the names of their vendors, `--device VENDOR/CLASS=NAME`: files of the administrator say what a container needs
//! for one. Container Device Interface, SPEC.md, versions 0.3 to 1.0.
//!
//! They are looked up at each start: what a driver brings changes with its updates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime::{Hook, LinuxDeviceBuilder, LinuxDeviceCgroupBuilder, LinuxDeviceType, MountBuilder, Spec};
use serde::Deserialize;

use crate::model::container::VendorDevices;
use crate::model::error::Error;
use crate::state::installed;

/// Where definitions are when nobody says otherwise; later ones win.
pub(crate) const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// The most that is read of a definition.
const MOST: u64 = 4 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    cdi_version: String,
    /// `VENDOR/CLASS`
    kind: String,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
    #[serde(default)]
    devices: Vec<Named>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Named {
    name: String,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
    #[serde(default)]
    container_edits: Edits,
}

/// What a container gets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Edits {
    env: Vec<String>,
    device_nodes: Vec<NodeEdit>,
    mounts: Vec<MountEdit>,
    hooks: Vec<HookEdit>,
    #[serde(rename = "additionalGids")]
    groups: Vec<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NodeEdit {
    path: String,
    host_path: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    major: Option<i64>,
    minor: Option<i64>,
    file_mode: Option<u32>,
    permissions: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MountEdit {
    host_path: String,
    container_path: String,
    #[serde(default)]
    options: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HookEdit {
    hook_name: String,
    path: PathBuf,
    args: Option<Vec<String>>,
    env: Option<Vec<String>>,
    timeout: Option<i64>,
}

/// Whether `text` is the name of a device and not the path of a node.
pub(crate) fn is_name(text: &str) -> bool {
    !text.starts_with('/') && text.split_once('=').is_some_and(|(kind, _)| kind.contains('/'))
}

/// Refuses what is no name: `VENDOR/CLASS=NAME`.
pub(crate) fn check_name(text: &str) -> Result<(), Error> {
    let inner = |part: &str, more: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        edge(part.chars().next())
            && edge(part.chars().last())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let parts = text.split_once('=').and_then(|(kind, name)| Some((kind.split_once('/')?, name)));
    match parts {
        Some(((vendor, class), name)) if inner(vendor, "_-.") && inner(class, "_-") && inner(name, "_-.:") => Ok(()),
        _ => Err(Error::invalid(format!("invalid device {text:?}: a device of a vendor is VENDOR/CLASS=NAME"))),
    }
}

/// What the devices of a container ask beside its specification.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Further groups of its user.
    pub(super) groups: Vec<String>,
}

/// Adds to `spec` what the files say of `asked`. `bound`: nodes cannot be made, they are the host's own. `checked`: what
/// strangers could change is refused (R5).
///
/// # Errors
/// A device that no file defines, or that two of the same directory define.
pub(super) fn apply(asked: &VendorDevices, spec: &mut Spec, bound: bool, checked: bool) -> Result<Beside> {
    let mut beside = Beside::default();
    if asked.names.is_empty() {
        return Ok(beside);
    }
    for edits in found(asked, checked)? {
        beside.groups.extend(edits.groups.iter().map(u32::to_string));
        edit(&edits, spec, bound, checked)?;
    }
    if let Some(hooks) = spec.hooks() {
        crate::runtime::hook::check(hooks)?;
    }
    Ok(beside)
}

/// The edits for the devices that are asked for: those of a file once, before those of its devices.
fn found(asked: &VendorDevices, checked: bool) -> Result<Vec<Edits>> {
    let mut known: BTreeMap<String, Option<(usize, Edits)>> = BTreeMap::new();
    let (mut shared, mut bad) = (Vec::new(), Vec::new());
    for dir in &asked.dirs {
        let mut here = BTreeSet::new();
        for path in files(dir)? {
            let document = match read(&path, checked).with_context(|| format!("read {}", path.display())) {
                Ok(document) => document,
                // Of no concern to devices of other files.
                Err(error) => {
                    bad.push(format!("{error:#}"));
                    continue;
                }
            };
            shared.push(document.container_edits);
            for device in document.devices {
                let name = format!("{}={}", document.kind, device.name);
                let is_first = here.insert(name.clone());
                known.insert(name, is_first.then_some((shared.len() - 1, device.container_edits)));
            }
        }
    }
    let mut edits = Vec::new();
    let mut used = BTreeSet::new();
    let mut missing = Vec::new();
    for name in &asked.names {
        match known.get(name) {
            Some(Some((of, own))) => {
                if used.insert(*of) {
                    edits.extend(shared.get(*of).cloned());
                }
                edits.push(own.clone());
            }
            Some(None) => bad.push(format!("{name} is defined twice")),
            None => {}
        }
        if !matches!(known.get(name), Some(Some(_))) {
            missing.push(name.as_str());
        }
    }
    if missing.is_empty() {
        return Ok(edits);
    }
    let message = format!("setting up CDI devices: unresolvable CDI devices {}", missing.join(", "));
    let dirs = asked.dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ");
    let hint = if bad.is_empty() { format!("devices are defined in {dirs}") } else { bad.join("; ") };
    Err(Error::not_found(message).hint(hint).into())
}

/// The definitions in `dir`, by their names.
fn files(dir: &Path) -> Result<BTreeSet<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.with_context(|| format!("list devices in {}", dir.display()))?,
    };
    let mut files = BTreeSet::new();
    for entry in entries {
        let path = entry.with_context(|| format!("list devices in {}", dir.display()))?.path();
        if path.extension().is_some_and(|end| end == "json" || end == "yaml" || end == "yml") {
            files.insert(path);
        }
    }
    Ok(files)
}

fn read(path: &Path, checked: bool) -> Result<Document> {
    if checked {
        installed::refuse_strangers(path, &[0])?;
    }
    let length = path.metadata().context("stat")?.len();
    if length > MOST {
        return Err(Error::invalid(format!("{length} bytes are too many for a definition")).into());
    }
    let text = fs::read_to_string(path).context("read")?;
    let document: Document = if path.extension().is_some_and(|end| end == "json") {
        serde_json::from_str(&text).map_err(|error| Error::invalid(error.to_string()))?
    } else {
        serde_saphyr::from_str(&text).map_err(|error| {
            // The lines after the first show the place.
            let text = error.to_string();
            Error::invalid(text.lines().next().unwrap_or_default().trim_start_matches("error: "))
        })?
    };
    let version = document.cdi_version.trim_start_matches('v');
    if !version.starts_with("0.") && !version.starts_with("1.") {
        return Err(Error::unsupported(format!("cdiVersion {version:?} is not known")).into());
    }
    for device in &document.devices {
        check_name(&format!("{}={}", document.kind, device.name))?;
    }
    Ok(document)
}

/// Makes one set of edits.
fn edit(edits: &Edits, spec: &mut Spec, bound: bool, checked: bool) -> Result<()> {
    if let (Some(mut process), false) = (spec.process().clone(), edits.env.is_empty()) {
        let mut env = process.env().clone().unwrap_or_default();
        for pair in &edits.env {
            let Some((name, _)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                return Err(Error::invalid(format!("invalid variable {pair:?} of a device")).into());
            };
            env.retain(|known| known.split_once('=').is_none_or(|(other, _)| other != name));
            env.push(pair.clone());
        }
        process.set_env(Some(env));
        spec.set_process(Some(process));
    }
    let mut mounts = edits.mounts.clone();
    for node in &edits.device_nodes {
        let host = node.host_path.as_deref().unwrap_or(&node.path);
        add_node(node, host, spec, bound && host != node.path)?;
        if bound && host != node.path {
            mounts.push(MountEdit {
                host_path: host.to_owned(),
                container_path: node.path.clone(),
                options: super::spec::DEVICE_BIND.map(str::to_owned).to_vec(),
                kind: None,
            });
        }
    }
    for mount in &mounts {
        add_mount(mount, spec)?;
    }
    for hook in &edits.hooks {
        if checked {
            installed::refuse_strangers(&hook.path, &[0])?;
        }
        add_hook(hook, spec)?;
    }
    Ok(())
}

/// Adds a node with the rule that allows it; only the rule for one that is bound.
fn add_node(node: &NodeEdit, host: &str, spec: &mut Spec, rule_only: bool) -> Result<()> {
    let meta = fs::metadata(host).with_context(|| format!("stat {host}"))?;
    let kind = match (node.kind.as_deref(), meta.file_type()) {
        (Some("c" | "u"), kind) | (None | Some(""), kind) if kind.is_char_device() => LinuxDeviceType::C,
        (Some("b"), kind) | (None | Some(""), kind) if kind.is_block_device() => LinuxDeviceType::B,
        (Some("p"), kind) | (None | Some(""), kind) if kind.is_fifo() => LinuxDeviceType::P,
        _ => return Err(Error::invalid(format!("{host} is not the device node that its definition says")).into()),
    };
    let rdev = meta.rdev();
    let major = node.major.unwrap_or_else(|| i64::from(rustix::fs::major(rdev)));
    let minor = node.minor.unwrap_or_else(|| i64::from(rustix::fs::minor(rdev)));
    let Some(mut linux) = spec.linux().clone() else { return Ok(()) };
    if !rule_only {
        let device = LinuxDeviceBuilder::default()
            .path(&node.path)
            .typ(kind)
            .major(major)
            .minor(minor)
            .file_mode(node.file_mode.unwrap_or(meta.mode()) & 0o777)
            .uid(node.uid.unwrap_or(0))
            .gid(node.gid.unwrap_or(0))
            .build()
            .with_context(|| format!("describe {}", node.path))?;
        let mut devices = linux.devices().clone().unwrap_or_default();
        devices.retain(|known| known.path() != device.path());
        devices.push(device);
        linux.set_devices(Some(devices));
    }
    // Without a cgroup there are no rules, and all that the host allows is allowed.
    if let Some(mut resources) = linux.resources().clone()
        && let Some(mut rules) = resources.devices().clone()
        && kind != LinuxDeviceType::P
    {
        let access = node.permissions.clone().unwrap_or_else(|| "rwm".to_owned());
        let rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).major(major).minor(minor).access(access);
        rules.push(rule.build().context("build a device rule")?);
        resources.set_devices(Some(rules));
        linux.set_resources(Some(resources));
    }
    spec.set_linux(Some(linux));
    Ok(())
}

fn add_mount(mount: &MountEdit, spec: &mut Spec) -> Result<()> {
    if !mount.host_path.starts_with('/') && mount.kind.as_deref().is_none_or(|kind| kind == "bind") {
        return Err(Error::invalid(format!("mount source {:?} of a device is not absolute", mount.host_path)).into());
    }
    let mut options = mount.options.clone();
    let kind = mount.kind.clone().unwrap_or_else(|| "bind".to_owned());
    if kind == "bind" && !options.iter().any(|option| option == "bind" || option == "rbind") {
        options.push("rbind".to_owned());
    }
    let built = MountBuilder::default()
        .destination(crate::model::mount::clean(&mount.container_path))
        .source(&mount.host_path)
        .typ(kind)
        .options(options)
        .build()
        .with_context(|| format!("build the mount of {}", mount.container_path))?;
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    mounts.retain(|known| known.destination() != built.destination());
    mounts.push(built);
    spec.set_mounts(Some(mounts));
    Ok(())
}

fn add_hook(edit: &HookEdit, spec: &mut Spec) -> Result<()> {
    let mut hook = Hook::default();
    hook.set_path(edit.path.clone());
    hook.set_args(edit.args.clone());
    hook.set_env(edit.env.clone());
    hook.set_timeout(edit.timeout);
    let mut hooks = spec.hooks().clone().unwrap_or_default();
    super::hook::add_to(&mut hooks, &edit.hook_name, hook)?;
    spec.set_hooks(Some(hooks));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_told_from_paths() {
        for (text, is, ok) in [
            ("nvidia.com/gpu=all", true, true),
            ("vendor.com/class=gpu0:1", true, true),
            ("/dev/a=b", false, false),
            ("/dev/null:/dev/x", false, false),
            ("vendor/=x", true, false),
            ("vendor/class=", true, false),
            ("-v/class=x", true, false),
            ("v/cl.ass=x", true, false),
        ] {
            assert_eq!((is_name(text), check_name(text).is_ok()), (is, ok), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_definition_or_an_error(text in "(\\PC|\n|[-:{}\\[\\]&*!|> ]){0,200}") {
            drop(serde_saphyr::from_str::<Document>(&text));
        }
    }
}
