//! `dhow update`.

use anyhow::Result;

use super::names::one;
use super::request::restart;
use super::{health, limit};
use crate::cli::context::Context;
use crate::cli::flags::create::CreateFlags;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::engine::update::UpdateRequest;
use crate::model::error::Error;

/// Change the limits, the restart policy and the health checks of a container
///
/// A container that runs has them at once.
#[derive(clap::Args)]
pub(crate) struct UpdateArgs {
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Relative weight of block I/O, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<u16>,
    /// The same for one device, PATH:WEIGHT
    #[arg(long, value_name = "PATH:WEIGHT")]
    blkio_weight_device: Vec<String>,
    /// Length of the realtime scheduler's period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_period: Option<u64>,
    /// Microseconds for realtime tasks in a period
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_runtime: Option<i64>,
    /// Bytes a second that are read from a device, PATH:RATE
    #[arg(long, value_name = "PATH:RATE", value_delimiter = ',')]
    device_read_bps: Vec<String>,
    /// Reads a second from a device, PATH:NUMBER
    #[arg(long, value_name = "PATH:NUMBER", value_delimiter = ',')]
    device_read_iops: Vec<String>,
    /// Bytes a second that are written to a device, PATH:RATE
    #[arg(long, value_name = "PATH:RATE", value_delimiter = ',')]
    device_write_bps: Vec<String>,
    /// Writes a second to a device, PATH:NUMBER
    #[arg(long, value_name = "PATH:NUMBER", value_delimiter = ',')]
    device_write_iops: Vec<String>,
    /// Length of the scheduler's period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// Microseconds of processor time in a period
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_quota: Option<i64>,
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
    /// Command that tells whether the container is healthy; none is none
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Time between checks, or disable
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_interval: Option<String>,
    /// Where the results of checks are kept: local, or also events_logger or a directory
    #[arg(long, value_name = "PLACE")]
    health_log_destination: Option<String>,
    /// Results that are kept; 0 is without limit
    #[arg(long, value_name = "NUMBER")]
    health_max_log_count: Option<u32>,
    /// Bytes of a check's output that are kept; 0 is without limit
    #[arg(long, value_name = "NUMBER")]
    health_max_log_size: Option<u32>,
    /// What happens to a container that turned unhealthy: none, kill, restart, stop
    #[arg(long, value_name = "ACTION")]
    health_on_failure: Option<String>,
    /// Failures in a row that make the container unhealthy
    #[arg(long, value_name = "NUMBER")]
    health_retries: Option<u32>,
    /// Time after the start in which failures do not count
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_start_period: Option<String>,
    /// Command that tells whether the container has started
    #[arg(long, value_name = "COMMAND")]
    health_startup_cmd: Option<String>,
    /// Time between startup checks
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_startup_interval: Option<String>,
    /// Failures of startup checks after which the container starts again
    #[arg(long, value_name = "NUMBER")]
    health_startup_retries: Option<u32>,
    /// Successes in a row that end the startup checks
    #[arg(long, value_name = "NUMBER")]
    health_startup_success: Option<u32>,
    /// How long a startup check may take
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_startup_timeout: Option<String>,
    /// How long a check may take
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    health_timeout: Option<String>,
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
    /// Make no health checks any more
    #[arg(long)]
    no_healthcheck: bool,
    /// Number of processes; -1 and 0 are unlimited
    #[arg(long, value_name = "NUMBER")]
    pids_limit: Option<i64>,
    /// What happens when it ends: no, always, on-failure[:N], unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// The container
    #[arg(value_name = "CONTAINER")]
    container: Vec<String>,
}

impl Run<Context> for UpdateArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let (name, rest) = one(engine, self.latest, &self.container, "you must provide at least one name or id")?;
        if !rest.is_empty() {
            return Err(Error::invalid(format!("accepts 1 arg(s), received {}", self.container.len())).into());
        }
        let restart = match self.restart.as_deref() {
            None => None,
            given => Some(restart(given)?),
        };
        // The same words as of `create`, read by the same rules.
        let flags = CreateFlags {
            blkio_weight: self.blkio_weight,
            blkio_weight_device: self.blkio_weight_device,
            cpu_rt_period: self.cpu_rt_period,
            cpu_rt_runtime: self.cpu_rt_runtime,
            device_read_bps: self.device_read_bps,
            device_read_iops: self.device_read_iops,
            device_write_bps: self.device_write_bps,
            device_write_iops: self.device_write_iops,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpu_shares: self.cpu_shares,
            cpus: self.cpus,
            cpuset_cpus: self.cpuset_cpus,
            cpuset_mems: self.cpuset_mems,
            memory: self.memory,
            memory_reservation: self.memory_reservation,
            memory_swap: self.memory_swap,
            memory_swappiness: self.memory_swappiness,
            pids_limit: self.pids_limit,
            health_cmd: self.health_cmd,
            health_interval: self.health_interval,
            health_log_destination: self.health_log_destination,
            health_max_log_count: self.health_max_log_count,
            health_max_log_size: self.health_max_log_size,
            health_on_failure: self.health_on_failure,
            health_retries: self.health_retries,
            health_start_period: self.health_start_period,
            health_startup_cmd: self.health_startup_cmd,
            health_startup_interval: self.health_startup_interval,
            health_startup_retries: self.health_startup_retries,
            health_startup_success: self.health_startup_success,
            health_startup_timeout: self.health_startup_timeout,
            health_timeout: self.health_timeout,
            no_healthcheck: self.no_healthcheck,
            ..CreateFlags::default()
        };
        let cwd = super::request::working_directory()?;
        let request =
            UpdateRequest { resources: limit::resources(&flags)?, restart, health: health::update(&flags, &cwd)? };
        let id = engine.update(&name, &request)?;
        stdout::print(&format!("{id}\n"))?;
        Ok(0)
    }
}
