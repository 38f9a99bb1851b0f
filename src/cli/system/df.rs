//! `dhow system df`.

use std::io::IsTerminal;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json, stdout};
use crate::engine::disk::{ContainerUsage, DiskUsage, ImageUsage, VolumeUsage};
use crate::engine::image::pattern;
use crate::model::{size, time};

const SUMMARY: &str = "table {{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
const IMAGES: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ImageID}}\t{{.Created}}\t{{.Size}}\t{{.SharedSize}}\t\
                      {{.UniqueSize}}\t{{.Containers}}";
const CONTAINERS: &str = "table {{.ContainerID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.Created}}\t\
                          {{.Status}}\t{{.Names}}";
const VOLUMES: &str = "table {{.VolumeName}}\t{{.Links}}\t{{.Size}}";
const HEADINGS: &[(&str, &str)] = &[
    ("ImageID", "IMAGE ID"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("ContainerID", "CONTAINER ID"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("VolumeName", "VOLUME NAME"),
];

/// Show what images, containers and volumes take on the disk
///
/// A layer that several images have is counted once. What could go is what `dhow system prune -a --volumes` would remove.
#[derive(clap::Args)]
pub(crate) struct DfArgs {
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Each of them
    #[arg(short, long)]
    verbose: bool,
}

impl Run<Context> for DfArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if self.verbose && self.format.is_some() {
            return Err(UsageError::new("cannot combine --format and --verbose flags").into());
        }
        let usage = context.engine()?.disk_usage()?;
        for error in &usage.damaged {
            let mut out = std::io::stderr().lock();
            let terminal = out.is_terminal();
            exit::report(error, &mut out, terminal);
        }
        let report = |default| Report {
            command: "df",
            type_name: "system.dfSummary",
            default,
            headings: HEADINGS,
            methods: &[],
            heading: true,
            terminal: context.terminal(),
        };
        let text = if self.verbose {
            let now = Timestamp::now();
            let images: Vec<Value> = usage.images.iter().flat_map(|image| image_rows(image, now)).collect();
            let containers: Vec<Value> = usage.containers.iter().map(|one| container_row(one, now)).collect();
            let volumes: Vec<Value> = usage.volumes.iter().map(volume_row).collect();
            format!(
                "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}",
                report(IMAGES).rows(None, &images)?,
                report(CONTAINERS).rows(None, &containers)?,
                report(VOLUMES).rows(None, &volumes)?,
            )
        } else {
            let kinds = summary(&usage);
            match self.format.as_deref() {
                Some(format) if is_json(format) => {
                    json::list(&kinds.iter().map(Kind::document).collect::<Vec<_>>(), context.terminal())
                }
                format => report(SUMMARY).rows(format, &kinds.iter().map(Kind::fields).collect::<Vec<_>>())?,
            }
        };
        stdout::print(&text)?;
        Ok(0)
    }
}

/// One line of the summary.
struct Kind {
    name: &'static str,
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

impl Kind {
    fn reclaimable(&self) -> String {
        let percent = if self.size == 0 { 0 } else { u128::from(self.reclaimable) * 100 / u128::from(self.size) };
        format!("{} ({percent}%)", size::human(self.reclaimable))
    }

    fn fields(&self) -> Value {
        json!({
            "Type": self.name,
            "Total": self.total,
            "Active": self.active,
            "Size": size::human(self.size),
            "Reclaimable": self.reclaimable(),
        })
    }

    fn document(&self) -> Value {
        json!({
            "Type": self.name,
            "Total": self.total,
            "Active": self.active,
            "RawSize": self.size,
            "RawReclaimable": self.reclaimable,
            "TotalCount": self.total,
            "Size": size::human(self.size),
            "Reclaimable": self.reclaimable(),
        })
    }
}

fn summary(usage: &DiskUsage) -> [Kind; 3] {
    let running = |one: &&ContainerUsage| one.container.state.status.is_alive();
    let used = |image: &&ImageUsage| image.image.containers > 0;
    let linked = |volume: &&VolumeUsage| volume.links > 0;
    [
        Kind {
            name: "Images",
            total: usage.images.len(),
            active: usage.images.iter().filter(used).count(),
            size: usage.layers,
            reclaimable: usage.images.iter().filter(|image| !used(image)).map(|image| image.unique).sum(),
        },
        Kind {
            name: "Containers",
            total: usage.containers.len(),
            active: usage.containers.iter().filter(running).count(),
            size: usage.containers.iter().map(|one| one.size).sum(),
            reclaimable: usage.containers.iter().filter(|one| !running(one)).map(|one| one.size).sum(),
        },
        Kind {
            name: "Local Volumes",
            total: usage.volumes.len(),
            active: usage.volumes.iter().filter(linked).count(),
            size: usage.volumes.iter().map(|volume| volume.size).sum(),
            reclaimable: usage.volumes.iter().filter(|volume| !linked(volume)).map(|volume| volume.size).sum(),
        },
    ]
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn age(then: Timestamp, now: Timestamp) -> String {
    time::human_duration(now.as_second() - then.as_second())
}

/// One row for each name.
fn image_rows(usage: &ImageUsage, now: Timestamp) -> Vec<Value> {
    let image = &usage.image;
    let row = |repository: &str, tag: &str| {
        json!({
            "Repository": repository,
            "Tag": tag,
            "ImageID": short(&image.record.id),
            "Created": age(image.created(), now),
            "Size": size::human(usage.shared + usage.unique),
            "SharedSize": size::human(usage.shared),
            "UniqueSize": size::human(usage.unique),
            "Containers": image.containers,
        })
    };
    if image.names.is_empty() {
        return vec![row("<none>", "<none>")];
    }
    image.names.iter().map(|name| row(pattern::repository(name), pattern::tag(name))).collect()
}

fn container_row(usage: &ContainerUsage, now: Timestamp) -> Value {
    let config = &usage.container.config;
    let words: Vec<&str> = config.entrypoint.iter().flatten().chain(&config.command).map(String::as_str).collect();
    json!({
        "ContainerID": config.id.short(),
        "Image": config.image.as_ref().map_or("", |image| short(&image.id)),
        "Command": words.join(" "),
        "LocalVolumes": usage.volumes,
        "Size": size::human(usage.size),
        "Created": age(config.created, now),
        "Status": usage.container.state.status.to_string(),
        "Names": config.name,
    })
}

fn volume_row(usage: &VolumeUsage) -> Value {
    json!({ "VolumeName": usage.name, "Links": usage.links, "Size": size::human(usage.size) })
}
