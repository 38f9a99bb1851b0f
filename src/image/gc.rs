//! What nothing names any more goes: reachability is derived from records, never counted.
//!
//! Reachable is what images, lists of images and artifacts name, what containers name (the caller knows them), and what live leases list. Who removes
//! begins with a lease of its own, so that a kill in between is noticed by the next command ([`heal`]).

use std::collections::HashSet;

use anyhow::Result;

use super::store::{ImageStore, Listing};
use crate::state::lock::{Lock, Rank};
use crate::state::paths::Paths;
use crate::storage::content::Content;
use crate::storage::layer::Layers;
use crate::storage::staging::{self, Staging};

/// A collection that was announced. Dropping it removes the trees that it took, so drop the images' lock first.
pub(crate) struct Collection {
    paths: Paths,
    trash: Staging,
}

impl Collection {
    /// Announces a removal: from now on a dead lease tells that something may be left.
    pub(crate) fn announce(paths: &Paths) -> Result<Self> {
        Ok(Self { paths: paths.clone(), trash: Staging::for_removal(paths)? })
    }

    /// Takes the name of one layer away. The images' lock is held.
    pub(crate) fn take(&self, _lock: &Lock, chain: &str, layers: &Layers) -> Result<()> {
        layers.discard(chain, self.trash.dir())
    }

    /// Takes the names of unreachable blobs and layers away. `used` are the chain ids (hex) that containers use. The
    /// images' lock is held.
    pub(crate) fn collect(&self, _lock: &Lock, used: &HashSet<String>) -> Result<()> {
        let Listing { images, lists, artifacts, damaged } = ImageStore::new(&self.paths).list()?;
        if !damaged.is_empty() {
            // Nobody knows what a damaged record names; its removal brings the next collection.
            return Ok(());
        }
        let mut reachable = staging::protected(&self.paths)?;
        for image in &images {
            let record = &image.record;
            reachable
                .extend([&record.config, &record.manifest].into_iter().chain(&record.index).map(ToString::to_string));
            for layer in &record.layers {
                reachable.insert(layer.digest.to_string());
                reachable.insert(layer.chain_id.hex().to_owned());
            }
        }
        let instances = lists.iter().flat_map(|(list, _)| &list.instances);
        let instances = instances.chain(artifacts.iter().map(|artifact| &artifact.instance));
        reachable.extend(instances.flat_map(|instance| &instance.keeps).map(ToString::to_string));
        let content = Content::new(&self.paths);
        for digest in content.list()? {
            if !reachable.contains(digest.as_str()) {
                content.remove(&digest)?;
            }
        }
        let layers = Layers::new(&self.paths);
        for chain in layers.list()? {
            if !reachable.contains(&chain) && !used.contains(&chain) {
                layers.discard(&chain, self.trash.dir())?;
            }
        }
        layers.sync()
    }
}

/// Finishes what dead owners of leases left, if there are any: half-made images, half-done removals. Cheap when there is
/// nothing. `used` gives the chain ids that containers use.
pub(crate) fn heal(paths: &Paths, used: &mut dyn FnMut() -> Result<HashSet<String>>) -> Result<()> {
    if !staging::any_dead(paths)? {
        return Ok(());
    }
    let collection = Collection::announce(paths)?;
    // Busy: whoever holds it works on images, and the next command finds the lease again.
    let Some(lock) = Lock::try_exclusive(Rank::Images, &paths.images().join("lock"))? else { return Ok(()) };
    ImageStore::new(paths).sweep(&lock)?;
    collection.collect(&lock, &used()?)?;
    drop(lock);
    staging::sweep(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::storage::tree;

    #[test]
    fn spares_what_containers_and_leases_name() {
        let root = std::env::temp_dir().join(format!("dhow-gc-{}", std::process::id()));
        let paths = Paths::new(root.join("data"), root.join("run"));
        paths.prepare().unwrap();
        let chain = |seed: &str| Digest::of(seed.as_bytes()).hex().to_owned();
        for seed in ["used", "leased", "orphan"] {
            std::fs::create_dir_all(paths.layers().join(chain(seed)).join("diff/inner")).unwrap();
            std::fs::write(paths.content().join("sha256").join(chain(seed)), seed).unwrap();
        }
        let pull = Staging::new(&paths).unwrap();
        pull.protect([chain("leased").as_str(), Digest::of(b"leased").as_str()]).unwrap();
        std::fs::create_dir(paths.tmp().join("stage.dead")).unwrap();
        let used: HashSet<String> = [chain("used")].into();
        heal(&paths, &mut || Ok(used.clone())).unwrap();
        let mut left = Layers::new(&paths).list().unwrap();
        left.sort();
        let mut want = vec![chain("used"), chain("leased")];
        want.sort();
        assert_eq!(left, want);
        assert_eq!(Content::new(&paths).list().unwrap(), [Digest::of(b"leased")]);
        assert_eq!(
            std::fs::read_dir(paths.tmp()).unwrap().count(),
            4,
            "the live lease, the reserve, their directories"
        );
        // Without a dead lease nothing is looked at.
        heal(&paths, &mut || panic!("not asked")).unwrap();
        drop(pull);
        tree::remove_path(&root).unwrap();
    }
}
