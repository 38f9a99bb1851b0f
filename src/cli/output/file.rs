//! A file that a command writes: it has its name only when it is whole.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The file in the making, beside its place; dropped without [`Self::keep`], it goes.
pub(crate) struct OutputFile {
    pub(crate) writer: BufWriter<File>,
    path: PathBuf,
    /// The name in the making; `None` where the place is no plain file (a pipe, a device) and is written directly.
    partial: Option<PathBuf>,
}

impl OutputFile {
    /// Begins to write what will be at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let creating = || format!("open {}", path.display());
        let special = fs::metadata(path).is_ok_and(|meta| !meta.is_file())
            || fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
        let (file, partial) = if special {
            (File::options().write(true).create(true).truncate(true).open(path).with_context(creating)?, None)
        } else {
            let mut name = path.file_name().with_context(creating)?.to_owned();
            name.push(format!(".{}.partial", std::process::id()));
            let partial = path.with_file_name(name);
            (File::create_new(&partial).with_context(creating)?, Some(partial))
        };
        Ok(Self { writer: BufWriter::with_capacity(1 << 20, file), path: path.to_owned(), partial })
    }

    /// Gives the file its name.
    pub(crate) fn keep(mut self) -> Result<()> {
        self.writer.flush().with_context(|| format!("write {}", self.path.display()))?;
        if let Some(partial) = self.partial.take() {
            fs::rename(&partial, &self.path).with_context(|| format!("rename to {}", self.path.display()))?;
        }
        Ok(())
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // The first error is the one to tell.
            drop(fs::remove_file(partial));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let dir = std::env::temp_dir().join(format!("dhow-output-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("x.tar");
        let mut file = OutputFile::create(&path).unwrap();
        file.writer.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        let mut file = OutputFile::create(&path).unwrap();
        file.writer.write_all(b"whole").unwrap();
        file.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(OutputFile::create(&dir.join("none/x")).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
