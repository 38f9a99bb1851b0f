//! `storage.conf` (containers-storage.conf(5)): where the store is. Of it dhow takes the two roots and the driver's name, and
//! `layer_format` of `[storage.options.overlay]`, which is our own.
//!
//! The files are shared with podman, whose layers and records have another shape. So dhow keeps a directory `dhow` of its
//! own below the roots that they name; where they name podman's usual places, dhow stays with its own usual ones.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{is_missing, says_something, wrong};
use crate::state::privilege::Privilege;

/// Our directory below a root that we share.
const OWN: &str = "dhow";
/// Where podman keeps things unless told otherwise.
const USUAL: [&str; 3] = ["/var/lib/containers/storage", "/run/containers/storage", "/var/run/containers/storage"];

/// What the files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) root: Option<PathBuf>,
    pub(crate) run: Option<PathBuf>,
    /// The driver's name, and who names it.
    pub(crate) driver: Option<(String, String)>,
    /// How new layers are kept, and who says so.
    pub(crate) layer_format: Option<(String, String)>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    storage: Table,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Table {
    driver: Option<String>,
    graphroot: Option<String>,
    runroot: Option<String>,
    rootless_storage_path: Option<String>,
    options: Options,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    overlay: Overlay,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Overlay {
    layer_format: Option<String>,
}

impl Storage {
    /// Reads what this process is to read.
    pub(crate) fn of_process(privilege: &Privilege) -> Result<Self> {
        Self::load(&|name| std::env::var_os(name), privilege.ordinary_user(), Path::new("/"))
    }

    /// Reads the environment through `var`, and the system's files below `top`; `user` is the id of an ordinary user.
    fn load(var: &dyn Fn(&str) -> Option<OsString>, user: Option<u32>, top: &Path) -> Result<Self> {
        let path = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut storage = Self::default();
        let expand = |text: &str| PathBuf::from(expand(text, var, user));
        if let Some(file) = path("CONTAINERS_STORAGE_CONF") {
            let table = read(&file)?.with_context(|| format!("open {}: no such file or directory", file.display()))?;
            storage.take(&file, table, &expand);
        } else {
            let system = [top.join("etc/containers/storage.conf"), top.join("usr/share/containers/storage.conf")];
            for file in system {
                let Some(mut table) = read(&file)? else { continue };
                if user.is_some() {
                    // The roots of that file are root's; an ordinary user has one of their own in it.
                    table.graphroot = table.rootless_storage_path.take();
                    table.runroot = None;
                }
                storage.take(&file, table, &expand);
                break;
            }
            let own = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
            if let (Some(dir), Some(_)) = (own.filter(|dir| dir.is_absolute()), user) {
                let file = dir.join("containers/storage.conf");
                if let Some(table) = read(&file)? {
                    storage.take(&file, table, &expand);
                }
            }
        }
        if let Some(driver) = var("STORAGE_DRIVER").filter(|name| !name.is_empty()) {
            storage.driver = Some((driver.to_string_lossy().into_owned(), "STORAGE_DRIVER".to_owned()));
        }
        let home = path("XDG_DATA_HOME").or_else(|| path("HOME").map(|home| home.join(".local/share")));
        let usual = home.map(|home| home.join("containers/storage"));
        let usual_run = path("XDG_RUNTIME_DIR").map(|dir| dir.join("containers"));
        let below = |root: PathBuf| {
            let podmans = USUAL.iter().any(|usual| root == Path::new(usual));
            let own = usual.as_ref() == Some(&root) || usual_run.as_ref() == Some(&root);
            (!podmans && !own).then(|| root.join(OWN))
        };
        storage.root = storage.root.and_then(below);
        storage.run = storage.run.and_then(below);
        Ok(storage)
    }

    fn take(&mut self, file: &Path, table: Table, expand: &dyn Fn(&str) -> PathBuf) {
        let root = |text: Option<String>| text.filter(|text| !text.is_empty()).map(|text| expand(&text));
        self.root = root(table.graphroot).or(self.root.take());
        self.run = root(table.runroot).or(self.run.take());
        let driver = table.driver.filter(|name| !name.is_empty());
        self.driver = driver.map(|name| (name, file.display().to_string())).or(self.driver.take());
        let format = table.options.overlay.layer_format;
        self.layer_format = format.map(|word| (word, file.display().to_string())).or(self.layer_format.take());
    }
}

fn read(file: &Path) -> Result<Option<Table>> {
    let text = match std::fs::read_to_string(file) {
        Err(error) if is_missing(&error) => return Ok(None),
        text => text.with_context(|| format!("read {}", file.display()))?,
    };
    if !text.lines().any(says_something) {
        return Ok(Some(Table::default()));
    }
    let document: Document = toml::from_str(&text).map_err(|error| wrong(file, &text, &error))?;
    Ok(Some(document.storage))
}

/// Replaces `$HOME`, `$USER`, `$UID` and what else the environment has.
fn expand(text: &str, var: &dyn Fn(&str) -> Option<OsString>, user: Option<u32>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, tail) = braced.unwrap_or_else(|| {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        });
        match (name, user) {
            ("UID", Some(uid)) => out.push_str(&uid.to_string()),
            _ => out.push_str(&var(name).unwrap_or_default().to_string_lossy()),
        }
        rest = tail;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_ours_below_what_the_files_name() {
        let top = std::env::temp_dir().join(format!("dhow-storage-conf-{}", std::process::id()));
        let etc = top.join("etc/containers");
        let home = top.join("home/.config/containers");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::create_dir_all(&home).unwrap();
        let system = "[storage]\ndriver = 'overlay'\ngraphroot = '/big'\nrunroot = '/run/containers/storage'\n\
                      rootless_storage_path = '/users/$UID/${USER}$NONE'\n[storage.options]\nsize = 'x'\n";
        std::fs::write(etc.join("storage.conf"), system).unwrap();
        let own = top.join("home").into_os_string();
        let vars = |name: &str| match name {
            "HOME" => Some(own.clone()),
            "USER" => Some("me".into()),
            _ => None,
        };
        let root = Storage::load(&vars, None, &top).unwrap();
        let file = etc.join("storage.conf").display().to_string();
        assert_eq!(root.driver, Some(("overlay".to_owned(), file)));
        assert_eq!((root.root, root.run), (Some("/big/dhow".into()), None), "podman's usual place is not ours");
        let user = Storage::load(&vars, Some(7), &top).unwrap();
        assert_eq!((user.root, user.run), (Some("/users/7/me/dhow".into()), None));
        std::fs::write(home.join("storage.conf"), "[storage]\ngraphroot = '$HOME/x'\n").unwrap();
        let user = Storage::load(&vars, Some(7), &top).unwrap();
        assert_eq!(user.root, Some(top.join("home/x/dhow")));
        assert_eq!(
            Storage::load(&vars, None, &top).unwrap().root,
            Some("/big/dhow".into()),
            "root has no file at home"
        );
        std::fs::write(home.join("storage.conf"), "[storage]\ngraphroot = 1\n").unwrap();
        let error = Storage::load(&vars, Some(7), &top).unwrap_err().to_string();
        assert!(error.ends_with("storage.conf:2: graphroot: invalid type: integer `1`, expected a string"), "{error}");
        let named = |name: &str| match name {
            "CONTAINERS_STORAGE_CONF" => Some("/no/such".into()),
            _ => None,
        };
        assert!(Storage::load(&named, None, &top).is_err(), "what the environment names must be there");
        std::fs::remove_dir_all(&top).unwrap();
    }
}
