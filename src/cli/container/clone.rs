//! `dhow container clone`.

use anyhow::Result;

use super::limit;
use crate::cli::context::Context;
use crate::cli::flags::create::CreateFlags;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::progress;
use crate::engine::clone::CloneRequest;
use crate::model::error::Error;

/// Make another container of the same configuration
///
/// It is called like the first one with -clone behind, shares its volumes, and has none of the files that the first one
/// wrote elsewhere. With an image it has that one's files; the command, environment and all else are the first one's.
#[derive(clap::Args)]
pub(crate) struct CloneArgs {
    /// Relative weight of block input and output, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<u16>,
    /// The same for one device, DEVICE:WEIGHT
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    blkio_weight_device: Vec<String>,
    /// Length of the scheduler's period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// Microseconds of processor time in a period
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_quota: Option<i64>,
    /// Length of the realtime scheduler's period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_period: Option<u64>,
    /// Microseconds of realtime in a period
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_runtime: Option<i64>,
    /// Relative weight of processor time
    #[arg(short = 'c', long, value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// Number of processors, with a fraction
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<f64>,
    /// Processors that may be used: 0-3,5
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that may be used
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Remove the first container
    #[arg(long)]
    destroy: bool,
    /// Bytes in a second that are read from a device at most, DEVICE:SIZE
    #[arg(long, value_name = "DEVICE:SIZE", value_delimiter = ',')]
    device_read_bps: Vec<String>,
    /// Bytes in a second that are written to a device at most, DEVICE:SIZE
    #[arg(long, value_name = "DEVICE:SIZE", value_delimiter = ',')]
    device_write_bps: Vec<String>,
    /// With --destroy: stop the first container where it runs
    #[arg(short, long)]
    force: bool,
    /// Memory limit, with a unit: b, k, m, g
    #[arg(short, long, value_name = "SIZE")]
    memory: Option<String>,
    /// Memory that is kept under pressure
    #[arg(long, value_name = "SIZE")]
    memory_reservation: Option<String>,
    /// Limit of memory and swap together; -1 is unlimited
    #[arg(long, value_name = "SIZE")]
    memory_swap: Option<String>,
    /// How readily memory is swapped, 0 to 100
    #[arg(long, value_name = "NUMBER")]
    memory_swappiness: Option<i64>,
    /// Name of the new container
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Start the new container
    #[arg(long)]
    run: bool,
    /// The container, a name for the new one, and its image
    #[arg(value_name = "CONTAINER")]
    words: Vec<String>,
}

impl Run<Context> for CloneArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let (typed, name, image) = match &self.words[..] {
            [typed] => (typed, self.name.clone(), None),
            [typed, name] => (typed, Some(name.clone()), None),
            [typed, name, image] => (typed, Some(name.clone()), Some(image.clone())),
            words => {
                let message = format!("accepts between 1 and 3 arg(s), received {}", words.len());
                return Err(Error::invalid(message).into());
            }
        };
        if self.force && !self.destroy {
            return Err(Error::invalid("cannot set --force without --destroy: invalid argument").into());
        }
        // The same words as of `create`, read by the same rules.
        let flags = CreateFlags {
            blkio_weight: self.blkio_weight,
            blkio_weight_device: self.blkio_weight_device,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpu_rt_period: self.cpu_rt_period,
            cpu_rt_runtime: self.cpu_rt_runtime,
            cpu_shares: self.cpu_shares,
            cpus: self.cpus,
            cpuset_cpus: self.cpuset_cpus,
            cpuset_mems: self.cpuset_mems,
            device_read_bps: self.device_read_bps,
            device_write_bps: self.device_write_bps,
            memory: self.memory,
            memory_reservation: self.memory_reservation,
            memory_swap: self.memory_swap,
            memory_swappiness: self.memory_swappiness,
            ..CreateFlags::default()
        };
        let resources = limit::resources(&flags)?;
        let request = CloneRequest { name, image, resources, destroy: self.destroy, force: self.force };
        let engine = context.engine()?;
        let id = engine.clone_container(typed, &request, progress::for_pull(false).as_mut())?;
        if self.run {
            engine.start_detached(&id)?;
        }
        stdout::print(&format!("{id}\n"))?;
        Ok(0)
    }
}
