//! Where configuration files are, lowest precedence first. containers-config(5).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A file, or a directory whose files `*.conf` are read by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// May be missing.
    File(PathBuf),
    /// The environment or the command line names it: must be there.
    Required(PathBuf),
    Directory(PathBuf),
    /// One of these two of a user's own, who must own it.
    OwnFile(PathBuf),
    OwnDirectory(PathBuf),
}

/// Where this process looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    pub(super) files: Vec<Place>,
    /// Directories of modules (`--module`), the first that has one wins.
    pub(super) modules: Vec<PathBuf>,
    /// Read after the modules.
    pub(super) last: Vec<Place>,
}

impl Places {
    /// Reads the environment through `var`; `user` is the id of an ordinary user, `None` for root.
    pub(crate) fn new(var: &dyn Fn(&str) -> Option<OsString>, user: Option<u32>) -> Self {
        let path = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let own = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
        let own = own.filter(|path| path.is_absolute()).map(|path| path.join("containers"));
        let mut files = Vec::new();
        match path("CONTAINERS_CONF") {
            Some(file) => files.push(Place::Required(file)),
            None => {
                for dir in ["/usr/share/containers", "/etc/containers"] {
                    let dir = Path::new(dir);
                    files.push(Place::File(dir.join("containers.conf")));
                    files.push(Place::Directory(dir.join("containers.conf.d")));
                    let Some(uid) = user else {
                        files.push(Place::Directory(dir.join("containers.rootful.conf.d")));
                        continue;
                    };
                    let rootless = dir.join("containers.rootless.conf.d");
                    files.push(Place::Directory(rootless.clone()));
                    files.push(Place::Directory(rootless.join(uid.to_string())));
                }
                if let Some(dir) = &own {
                    files.push(Place::OwnFile(dir.join("containers.conf")));
                    files.push(Place::OwnDirectory(dir.join("containers.conf.d")));
                }
            }
        }
        let shared = ["/etc/containers", "/usr/share/containers"].map(PathBuf::from);
        let modules = own.into_iter().chain(shared).map(|dir| dir.join("containers.conf.modules")).collect();
        Self { files, modules, last: path("CONTAINERS_CONF_OVERRIDE").map(Place::Required).into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(vars: &[(&str, &str)], user: Option<u32>) -> Vec<String> {
        let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let places = Places::new(&var, user);
        let name = |place: &Place| match place {
            Place::File(path) | Place::OwnFile(path) => path.display().to_string(),
            Place::Required(path) => format!("!{}", path.display()),
            Place::Directory(path) | Place::OwnDirectory(path) => format!("{}/", path.display()),
        };
        let files = places.files.iter().chain(&places.last).map(name);
        files.map(|name| name.replace("/usr/share/containers", "U").replace("/etc/containers", "E")).collect()
    }

    #[test]
    fn files_in_their_order() {
        assert_eq!(
            names(&[("HOME", "/root")], None),
            [
                "U/containers.conf",
                "U/containers.conf.d/",
                "U/containers.rootful.conf.d/",
                "E/containers.conf",
                "E/containers.conf.d/",
                "E/containers.rootful.conf.d/",
                "/root/.config/containers/containers.conf",
                "/root/.config/containers/containers.conf.d/"
            ]
        );
        let user = names(&[("HOME", "/home/u"), ("XDG_CONFIG_HOME", "/x")], Some(7));
        assert_eq!(user[2..4], ["U/containers.rootless.conf.d/", "U/containers.rootless.conf.d/7/"]);
        assert_eq!(user.last().unwrap(), "/x/containers/containers.conf.d/");
        assert_eq!(
            names(&[("HOME", "/root"), ("CONTAINERS_CONF", "/a"), ("CONTAINERS_CONF_OVERRIDE", "/b")], None),
            ["!/a", "!/b"]
        );
    }
}
