//! Where everything is.
//!
//! ```text
//! data  /var/lib/dhow   or $XDG_DATA_HOME/dhow      survives a reboot
//!   containers/<id>/    config.json state.json init.json exit.json lock monitor.lock bundle/ log/ exec/<session>/ rootfs/
//!   content/sha256/     blobs by digest
//!   layers/<chain>/     unpacked layers
//!   images/             one record per image
//!   volumes/ networks/  one directory per object
//!   secrets/<id>/       secret.json data
//!   names/              a link per container name to its id
//!   cache/              what can be made again (compiled seccomp programs)
//!   tmp/                staging, swept when its owner is dead
//! run   /run/dhow       or $XDG_RUNTIME_DIR/dhow    gone after a reboot
//!   containers/<id>/    sockets and FIFOs
//!   events.log          what happened, a line for each change; events.log.1 before that
//! ```

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::model::error::{Error, ErrorKind};
use crate::model::id::Id;

/// The two roots of a store. Every other path is made from them here.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    data: PathBuf,
    run: PathBuf,
    /// Of volumes, where they are not in the data.
    volumes: Option<PathBuf>,
}

impl Paths {
    /// Takes the roots as they are and makes nothing.
    pub(crate) fn new(data: PathBuf, run: PathBuf) -> Self {
        Self { data: absolute(data), run: absolute(run), volumes: None }
    }

    /// Has the volumes at a place of their own.
    pub(crate) fn with_volumes(self, volumes: Option<PathBuf>) -> Self {
        Self { volumes: volumes.map(absolute), ..self }
    }

    /// Makes the directories that are missing, 0700, and refuses roots that are links, foreign or open to others.
    pub(crate) fn prepare(&self) -> Result<()> {
        // The last of them exists only when all do: one stat in the usual case.
        let made = |root: &Path, last: &str| root.join(last).is_dir();
        if !made(&self.data, "tmp") {
            for name in
                ["", "containers", "content/sha256", "layers", "images", "volumes", "networks", "names", "cache", "tmp"]
            {
                make_private(&self.data.join(name))?;
            }
        }
        if !made(&self.run, "containers") {
            for name in ["", "containers"] {
                make_private(&self.run.join(name))?;
            }
        }
        for root in [&self.data, &self.run] {
            check_private(root)?;
        }
        if let Some(volumes) = self.volumes.as_ref().filter(|volumes| !volumes.is_dir()) {
            make_private(volumes)?;
        }
        Ok(())
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    pub(crate) fn container(&self, id: &Id) -> PathBuf {
        self.data.join("containers").join(id.as_str())
    }

    /// Sockets and FIFOs of a container.
    pub(crate) fn container_run(&self, id: &Id) -> PathBuf {
        self.run.join("containers").join(id.as_str())
    }

    pub(crate) fn content(&self) -> PathBuf {
        self.data.join("content")
    }

    pub(crate) fn layers(&self) -> PathBuf {
        self.data.join("layers")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.data.join("images")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.volumes.clone().unwrap_or_else(|| self.data.join("volumes"))
    }

    pub(crate) fn networks(&self) -> PathBuf {
        self.data.join("networks")
    }

    pub(crate) fn names(&self) -> PathBuf {
        self.data.join("names")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.data.join("cache")
    }

    /// Staging, on the file system of the data.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.data.join("tmp")
    }
}

fn make_private(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("create directory {}", path.display()))
}

/// Refuses a root that somebody else could have planted (R15).
fn check_private(path: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(path).with_context(|| format!("stat {}", path.display()))?;
    let denied = |why: &str| Error::new(ErrorKind::Denied, format!("directory {} {why}", path.display()));
    if !meta.is_dir() {
        return Err(denied("is not a directory").into());
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(denied("belongs to another user").into());
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("close {} to others", path.display()))?;
    }
    Ok(())
}

/// Whoever keeps a container works in another directory than who started it.
fn absolute(path: PathBuf) -> PathBuf {
    if path.is_absolute() { path } else { std::path::absolute(&path).unwrap_or(path) }
}

/// Removes the file at `path`; that it is gone already is success. An empty directory in its place goes, too.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir(path),
        done => done,
    }
}

/// Opens a file of ours for writing. An empty directory in its place, which only damage puts there, goes.
pub(crate) fn open_over(options: &fs::OpenOptions, path: &Path) -> io::Result<fs::File> {
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory && fs::remove_dir(path).is_ok() => options.open(path),
        opened => opened,
    }
}

/// Renames the file `from` over `to`, and over an empty directory, which damage may have put there.
pub(crate) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            fs::remove_dir(to)?;
            fs::rename(from, to)
        }
        done => done,
    }
}
