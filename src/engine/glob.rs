//! `--mount type=glob`: a pattern becomes the bind mounts of what it matches when the container is created. What comes to
//! match later is not mounted.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::image::pattern;
use crate::model::error::Error;
use crate::model::mount::{Mount, Source};

/// No pattern stands for more than this.
const MOST: usize = 4096;

/// `mounts` with each pattern replaced by what it matches.
pub(super) fn expanded(mounts: Vec<Mount>) -> Result<Vec<Mount>> {
    let mut all = Vec::with_capacity(mounts.len());
    for mount in mounts {
        let Source::Glob { pattern } = &mount.source else {
            all.push(mount);
            continue;
        };
        let found = matching(pattern)?;
        if found.is_empty() {
            return Err(Error::not_found(format!("no file paths matching glob {pattern:?}")).into());
        }
        for path in found {
            let text = path.to_str().with_context(|| format!("mount {}: the path is not UTF-8", path.display()))?;
            let name = text.rsplit('/').next().unwrap_or_default();
            let target = if mount.target.is_empty() { text.to_owned() } else { format!("{}/{name}", mount.target) };
            all.push(Mount { source: Source::Bind { path: text.to_owned() }, target, ..mount.clone() });
        }
    }
    Ok(all)
}

/// The paths that match, in order. Go's `filepath.Glob`: what cannot be listed has no matches.
fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let mut next = Vec::new();
        for dir in found {
            if part.contains(['*', '?', '[', '\\']) {
                next.extend(entries(&dir, part));
            } else {
                next.extend(Some(dir.join(part)).filter(|path| path.symlink_metadata().is_ok()));
            }
            if next.len() > MOST {
                return Err(Error::invalid(format!("more than {MOST} paths match {pattern:?}")).into());
            }
        }
        found = next;
    }
    Ok(found)
}

fn entries(dir: &Path, part: &str) -> Vec<PathBuf> {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_match = |name: &std::ffi::OsString| name.to_str().is_some_and(|name| pattern::matches(part, name));
    let mut found: Vec<_> = names.filter(is_match).map(|name| dir.join(name)).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_expanded_component_by_component() {
        let dir = std::env::temp_dir().join(format!("dhow-glob-{}", std::process::id()));
        for path in ["a/one.so", "a/two.so", "a/three.txt", "b/one.so"] {
            std::fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            std::fs::write(dir.join(path), "").unwrap();
        }
        let expand = |text: &str| {
            let mount = Mount::parse_mount(&text.replace("DIR", dir.to_str().unwrap()), "/").unwrap();
            expanded(vec![mount]).map(|all| {
                all.into_iter().map(|mount| mount.target.replace(dir.to_str().unwrap(), "DIR")).collect::<Vec<_>>()
            })
        };
        assert_eq!(expand("type=glob,src=DIR/a/*.so,dst=/lib").unwrap(), ["/lib/one.so", "/lib/two.so"]);
        assert_eq!(expand("type=glob,src=DIR/?/one.so").unwrap(), ["DIR/a/one.so", "DIR/b/one.so"]);
        assert_eq!(expand("type=glob,src=DIR/[^ab]/one.so").map_err(drop), Err(()));
        let error = expand("type=glob,src=DIR/none*").unwrap_err().to_string();
        assert!(error.starts_with("no file paths matching glob"), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
