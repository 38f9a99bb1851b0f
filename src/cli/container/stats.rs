//! `dhow stats`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::names::latest;
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json, stdout};
use crate::engine::Engine;
use crate::engine::list::Listed;
use crate::engine::stats::Usage;
use crate::model::id::Id;
use crate::model::status::Status;
use crate::model::{size, time};

const COLUMNS: &str = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t\
                       {{.PIDS}}\t{{.UpTime}}\t{{.AVGCPU}}";
const HEADINGS: &[(&str, &str)] = &[
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemUsageBytes", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET IO"),
    ("BlockIO", "BLOCK IO"),
    ("UpTime", "CPU TIME"),
    ("AVGCPU", "AVG CPU %"),
];

/// Show what running containers use
///
/// Again and again until it is interrupted, unless --no-stream is given. Without names: all that run.
#[derive(clap::Args)]
pub(crate) struct StatsArgs {
    /// All containers, running or not
    #[arg(short, long)]
    all: bool,
    /// A Go template, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Seconds between two reports
    #[arg(short, long, value_name = "SECONDS", default_value_t = 5)]
    interval: u64,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Do not clear the screen between reports
    #[arg(long)]
    no_reset: bool,
    /// One report
    #[arg(long)]
    no_stream: bool,
    /// Whole ids
    #[arg(long)]
    no_trunc: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for StatsArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let chosen = [self.all, self.latest, !self.containers.is_empty()].iter().filter(|set| **set).count();
        if chosen > 1 {
            return Err(UsageError::new("--all, --latest and containers cannot be used together").into());
        }
        if self.interval == 0 {
            return Err(UsageError::new("invalid interval, must be a positive number greater zero").into());
        }
        let engine = context.engine()?;
        let mut before = BTreeMap::new();
        loop {
            let usages = self.measure(engine)?;
            let text = self.report(context, &usages, &before)?;
            let clears = !self.no_stream && !self.no_reset && std::io::stdout().is_terminal();
            stdout::print(&if clears { format!("\x1b[2J\x1b[H{text}") } else { text })?;
            if self.no_stream {
                return Ok(0);
            }
            before = usages.into_iter().map(|usage| (usage.id.clone(), usage)).collect();
            std::thread::sleep(Duration::from_secs(self.interval));
        }
    }
}

impl StatsArgs {
    fn measure(&self, engine: &Engine) -> Result<Vec<Usage>> {
        let mut usages = Vec::new();
        if self.latest || !self.containers.is_empty() {
            let newest = if self.latest { vec![latest(engine)?] } else { Vec::new() };
            let named = self.containers.iter().map(|name| engine.read(name)).collect::<Result<Vec<_>>>()?;
            for read in newest.iter().chain(&named) {
                usages.push(engine.usage(read)?.unwrap_or_else(|| Usage::none(read)));
            }
            return Ok(usages);
        }
        for listed in engine.list()? {
            let Listed::Container(read) = listed else { continue };
            if matches!(read.state.status, Status::Running | Status::Paused | Status::Stopping) {
                usages.extend(engine.usage(&read)?);
            } else if self.all {
                usages.push(Usage::none(&read));
            }
        }
        usages.reverse();
        Ok(usages)
    }

    fn report(&self, context: &Context, usages: &[Usage], before: &BTreeMap<Id, Usage>) -> Result<String> {
        let rows: Vec<Row<'_>> =
            usages.iter().map(|usage| Row { usage, before: before.get(&usage.id), no_trunc: self.no_trunc }).collect();
        let format = self.format.as_deref().filter(|format| !format.is_empty());
        if format.is_some_and(is_json) {
            let rows: Vec<Value> = rows.iter().map(Row::document).collect();
            return Ok(json::narrow(&rows, context.terminal()));
        }
        let rows: Vec<Value> = rows.iter().map(Row::fields).collect();
        let report = Report {
            command: "stats",
            type_name: "containers.containerStats",
            default: COLUMNS,
            headings: HEADINGS,
            methods: &[],
            heading: true,
            terminal: context.terminal(),
        };
        Ok(report.rows(format, &rows)?)
    }
}

/// A container as a row of podman's report.
struct Row<'a> {
    usage: &'a Usage,
    before: Option<&'a Usage>,
    no_trunc: bool,
}

impl Row<'_> {
    fn id(&self) -> &str {
        if self.no_trunc { self.usage.id.as_str() } else { self.usage.id.short() }
    }

    /// Percent of one processor since the last report, or since the start.
    fn cpu(&self) -> f64 {
        let cpu = |usage: &Usage| usage.cpu.unwrap_or_default();
        match self.before {
            None => self.average(),
            Some(before) => {
                let time = Duration::try_from(self.usage.measured.duration_since(before.measured)).unwrap_or_default();
                share(cpu(self.usage).saturating_sub(cpu(before)), time)
            }
        }
    }

    fn average(&self) -> f64 {
        share(self.usage.cpu.unwrap_or_default(), self.usage.up)
    }

    #[expect(clippy::cast_precision_loss, reason = "a percentage of two digits")]
    fn memory(&self) -> f64 {
        match (self.usage.memory, self.usage.memory_limit) {
            (Some(used), limit @ 1..) => used as f64 / limit as f64 * 100.0,
            _ => 0.0,
        }
    }

    fn cpu_time(&self) -> String {
        time::print_duration(i64::try_from(self.usage.cpu.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX))
    }

    fn document(&self) -> Value {
        json!({
            "id": self.id(),
            "name": self.usage.name,
            "cpu_time": self.cpu_time(),
            "cpu_percent": percent(self.cpu()),
            "avg_cpu": percent(self.average()),
            "mem_usage": pair(self.usage.memory, Some(self.usage.memory_limit), size::human),
            "mem_percent": percent(self.memory()),
            "net_io": self.net_io(),
            "block_io": self.block_io(),
            "pids": self.pids(),
        })
    }

    fn net_io(&self) -> String {
        let (received, sent) = self.usage.network.unzip();
        pair(received, sent, size::human)
    }

    fn block_io(&self) -> String {
        pair(self.usage.block_read, self.usage.block_written, size::human)
    }

    fn pids(&self) -> String {
        self.usage.processes.unwrap_or(0).to_string()
    }

    fn fields(&self) -> Value {
        let usage = self.usage;
        let nanoseconds = |time: Option<Duration>| time.unwrap_or_default().as_nanos().to_string();
        let (received, sent) = usage.network.unwrap_or_default();
        json!({
            "ID": self.id(),
            "ContainerID": usage.id.as_str(),
            "Name": usage.name,
            "CPU": self.cpu(),
            "CPUPerc": percent(self.cpu()),
            "AvgCPU": self.average(),
            "AVGCPU": percent(self.average()),
            "CPUNano": nanoseconds(usage.cpu),
            "CPUSystemNano": nanoseconds(usage.cpu_system),
            "MemUsage": pair(usage.memory, Some(usage.memory_limit), size::human),
            "MemUsageBytes": pair(usage.memory, Some(usage.memory_limit), size::binary),
            "MemLimit": usage.memory_limit,
            "MemPerc": percent(self.memory()),
            "NetIO": self.net_io(),
            "NetInput": received,
            "NetOutput": sent,
            "BlockIO": self.block_io(),
            "BlockInput": usage.block_read.unwrap_or(0),
            "BlockOutput": usage.block_written.unwrap_or(0),
            "PIDS": self.pids(),
            "PIDs": usage.processes.unwrap_or(0),
            "UpTime": self.cpu_time(),
            "Up": self.cpu_time(),
            "Duration": usage.up.as_nanos().to_string(),
        })
    }
}

fn share(used: Duration, of: Duration) -> f64 {
    if of.is_zero() { 0.0 } else { used.as_secs_f64() / of.as_secs_f64() * 100.0 }
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

fn pair(one: Option<u64>, other: Option<u64>, print: fn(u64) -> String) -> String {
    format!("{} / {}", print(one.unwrap_or(0)), print(other.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_podman_does() {
        assert_eq!((percent(0.0), percent(12.346)), ("0.00%".to_owned(), "12.35%".to_owned()));
        assert_eq!(pair(None, None, size::human), "0B / 0B");
        assert_eq!(pair(Some(0), Some(1_500_000), size::human), "0B / 1.5MB");
        assert_eq!(share(Duration::from_secs(1), Duration::from_secs(4)), 25.0);
        assert_eq!(share(Duration::from_secs(1), Duration::ZERO), 0.0);
    }
}
