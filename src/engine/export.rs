//! `export`: the root file system of a container as a tar stream, without volumes, running or not.

use std::io::Write;
use std::os::fd::AsFd;

use anyhow::{Context, Result};

use super::view::Scope;
use super::{Engine, container};
use crate::storage::pack::{PackOptions, Packer};
use crate::sys::apart;

impl Engine {
    /// Writes the files of the container that `name` means to `out`.
    pub(crate) fn export(&self, name: &str, out: impl Write + Send) -> Result<()> {
        let id = container::find(&self.paths, name)?;
        let view = self.view(&id, Scope::Root)?;
        let owner = |uid: u32, gid: u32| view.owner_inside(uid, gid);
        let options = PackOptions { owner: &owner, nanoseconds: false, skip: &[], upper: false };
        let pack = || {
            let mut packer = Packer::new(out, options);
            packer.contents(view.root.as_fd(), b"")?;
            packer.finish().map(drop)
        };
        apart::in_root(&view.root, pack).context("enter the files of the container")?
    }
}
