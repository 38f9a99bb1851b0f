//! What the store takes on the disk, by image, container and volume, and what of it nobody uses (`system df`).

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::Engine;
use super::container::Container;
use super::image::list::Summary;
use super::list::Listed;
use crate::image::store::ImageStore;
use crate::model::filter::Filters;
use crate::model::mount::Source;
use crate::storage::layer::Layers;
use crate::storage::tree;

/// An image and what it takes.
#[derive(Debug)]
pub(crate) struct ImageUsage {
    pub(crate) image: Summary,
    /// Bytes of layers that other images have too.
    pub(crate) shared: u64,
    /// Bytes that go with it.
    pub(crate) unique: u64,
}

/// A container and what it wrote.
#[derive(Debug)]
pub(crate) struct ContainerUsage {
    pub(crate) container: Container,
    /// Bytes of its writable layer.
    pub(crate) size: u64,
    /// How many volumes it mounts.
    pub(crate) volumes: usize,
}

/// A volume and what is in it.
#[derive(Debug)]
pub(crate) struct VolumeUsage {
    pub(crate) name: String,
    /// How many containers mount it.
    pub(crate) links: usize,
    pub(crate) size: u64,
}

/// The whole store.
#[derive(Debug, Default)]
pub(crate) struct DiskUsage {
    pub(crate) images: Vec<ImageUsage>,
    /// Bytes of all images, a layer that several have counted once.
    pub(crate) layers: u64,
    pub(crate) containers: Vec<ContainerUsage>,
    pub(crate) volumes: Vec<VolumeUsage>,
    /// What could not be read; the rest is told.
    pub(crate) damaged: Vec<anyhow::Error>,
}

impl Engine {
    /// Measures the store: slow, for it walks through what containers wrote and through volumes.
    pub(crate) fn disk_usage(&self) -> Result<DiskUsage> {
        let mut usage = DiskUsage::default();
        self.measure_images(&mut usage)?;
        for listed in self.list()? {
            match listed {
                Listed::Container(read) => {
                    let volume = |source: &Source| matches!(source, Source::Volume { .. });
                    let volumes = read.config.mounts.iter().filter(|mount| volume(&mount.source)).count();
                    let size = self.container_size(&read)?.writable;
                    usage.containers.push(ContainerUsage { container: *read, size, volumes });
                }
                Listed::Damaged { error, .. } => usage.damaged.push(error),
            }
        }
        let volumes = self.volumes(&Filters::default())?;
        usage.damaged.extend(volumes.damaged);
        for volume in volumes.volumes {
            let name = volume.config.name;
            let size = tree::open(&volume.mountpoint).and_then(|dir| tree::usage(std::os::fd::AsFd::as_fd(&dir)));
            let size = size.with_context(|| format!("measure volume {name}"))?.bytes;
            usage.volumes.push(VolumeUsage { name, links: volume.users.len(), size });
        }
        Ok(usage)
    }

    fn measure_images(&self, usage: &mut DiskUsage) -> Result<()> {
        let found = self.images(&Filters::default())?;
        usage.damaged = found.damaged;
        let (store, layers) = (ImageStore::new(&self.paths), Layers::new(&self.paths));
        let mut chains: Vec<Vec<String>> = Vec::with_capacity(found.images.len());
        // How many images have a layer, and its size.
        let mut known: BTreeMap<String, (usize, u64)> = BTreeMap::new();
        for image in &found.images {
            // One that cannot be opened is among the damaged already.
            let of = store.open(&image.record.id).map(|image| image.chain_ids()).unwrap_or_default();
            for chain in &of {
                let size = match known.get(chain) {
                    Some((_, size)) => *size,
                    None => layers.record(chain).ok().flatten().map_or(0, |record| record.size),
                };
                known.entry(chain.clone()).or_insert((0, size)).0 += 1;
            }
            chains.push(of);
        }
        usage.layers = known.values().map(|(_, size)| size).sum();
        for (image, chains) in found.images.into_iter().zip(chains) {
            let sizes = chains.iter().filter_map(|chain| known.get(chain));
            let sum = |shared: bool| {
                sizes.clone().filter(|(images, _)| (*images > 1) == shared).map(|(_, size)| size).sum::<u64>()
            };
            let (shared, unique) = (sum(true), sum(false));
            usage.images.push(ImageUsage { image, shared, unique });
        }
        Ok(())
    }
}
