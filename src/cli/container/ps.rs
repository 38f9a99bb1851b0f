//! `dhow ps`: containers as rows of a table, as JSON, or by a template.

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::filter::Chosen;
use super::row::{self, Row};
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json, stdout};
use crate::engine::container::Container;
use crate::engine::list::Listed;
use crate::model::error::Error;
use crate::model::status::Status;

/// List containers
///
/// Only those that run, unless --all, --last, --latest or a filter by status says otherwise.
#[derive(clap::Args)]
pub(crate) struct PsArgs {
    /// All containers, whatever their state
    #[arg(short, long)]
    all: bool,
    /// Accepted; there are no containers of other tools
    #[arg(long, hide = true)]
    external: bool,
    /// List what the filter chooses: ancestor, before, command, exited, health, id, label, name, network,
    /// restart-policy, should-start-on-boot, since, status, until, volume
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// So many of the containers that were created last
    #[arg(short = 'n', long, value_name = "NUMBER", default_value = "-1")]
    last: i64,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Namespaces of the containers
    #[arg(long, alias = "namespace")]
    ns: bool,
    /// IDs in full, and whole commands
    #[arg(long)]
    no_trunc: bool,
    /// No headings
    #[arg(long)]
    noheading: bool,
    /// Accepted; there are no pods yet
    #[arg(short, long, hide = true)]
    pod: bool,
    /// IDs alone
    #[arg(short, long)]
    quiet: bool,
    /// Sizes of the writable layers too
    #[arg(short, long)]
    size: bool,
    /// Order: command, created, id, image, names, runningfor, size, status
    #[arg(long, value_name = "ORDER", default_value = "created", value_parser = order)]
    sort: String,
    /// Accepted; what is listed is always true
    #[arg(long, hide = true)]
    sync: bool,
    /// Show it again and again, every so many seconds
    #[arg(short, long, value_name = "SECONDS")]
    watch: Option<u64>,
}

const ORDERS: [&str; 8] = ["command", "created", "id", "image", "names", "runningfor", "size", "status"];

fn order(text: &str) -> Result<String, String> {
    if ORDERS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is not a valid value.  Choose from: {:?}", ORDERS.join(", ")))
}

impl Run<Context> for PsArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if self.last >= 0 && self.latest {
            return Err(Error::invalid("last and latest are mutually exclusive").into());
        }
        if self.quiet && (self.size || self.ns) {
            return Err(Error::invalid("quiet conflicts with size and namespace").into());
        }
        if self.size && self.ns {
            return Err(Error::invalid("size and namespace options conflict").into());
        }
        let Some(seconds) = self.watch else { return self.once(context) };
        loop {
            stdout::print("\x1b[2J\x1b[H")?;
            self.once(context)?;
            std::thread::sleep(std::time::Duration::from_secs(seconds.max(1)));
        }
    }
}

impl PsArgs {
    fn once(&self, context: &Context) -> Result<u8> {
        let now = Timestamp::now();
        let format = self.format.as_deref().filter(|format| !format.is_empty());
        let wants_size = self.size || format.is_some_and(|format| format.contains(".Size"));
        let wants_ns = self.ns
            || format.is_some_and(|f| {
                ["NS", "IPC", "MNT", "NET", "UTS", "Cgroup", "Namespaces"].iter().any(|n| f.contains(n))
            });
        let (containers, code) = self.containers(context)?;
        let mut rows = Vec::with_capacity(containers.len());
        for container in &containers {
            let size = if wants_size {
                Some(context.engine()?.container_size(container).context("measure the container")?)
            } else {
                None
            };
            rows.push(Row { container, size, now, no_trunc: self.no_trunc, namespaces: wants_ns });
        }
        self.sort(&mut rows);
        let text = match format {
            Some(format) if is_json(format) => {
                json::list(&rows.iter().map(Row::document).collect::<Vec<_>>(), context.terminal())
            }
            None if self.quiet => rows.iter().map(|row| format!("{}\n", row.id())).collect(),
            format => {
                let default = match (self.ns, self.size) {
                    (true, _) => row::NAMESPACES,
                    (false, true) => row::SIZED,
                    (false, false) => row::PLAIN,
                };
                let report = Report {
                    command: "ps",
                    type_name: "containers.psReporter",
                    default,
                    headings: row::HEADINGS,
                    methods: row::METHODS,
                    heading: !self.noheading,
                    terminal: context.terminal(),
                };
                let wanted = report.wanted(format);
                let values: Vec<_> = rows.iter().map(|row| row.fields(&wanted)).collect();
                report.rows(format, &values)?
            }
        };
        stdout::print(&text)?;
        Ok(code)
    }

    /// What is to be shown, the oldest first. A record that cannot be read is told and hides nobody else; the exit code
    /// says that there was one.
    fn containers(&self, context: &Context) -> Result<(Vec<Container>, u8)> {
        let engine = context.engine()?;
        let chosen = Chosen::parse(engine, &self.filter)?;
        let last = if self.latest { Some(1) } else { usize::try_from(self.last).ok() };
        let all = self.all || last.is_some() || chosen.has_status();
        let (mut containers, mut code) = (Vec::new(), 0);
        for listed in engine.list()? {
            match listed {
                Listed::Container(read) => {
                    if (all || read.state.status == Status::Running) && chosen.pass(&read) {
                        containers.push(*read);
                    }
                }
                Listed::Damaged { id, error } => {
                    code = 125;
                    let error = error.context(format!("container {}", id.short()));
                    exit::report(&error, &mut std::io::stderr().lock(), context.terminal());
                }
            }
        }
        // The newest come first.
        containers.truncate(last.filter(|last| *last > 0).unwrap_or(usize::MAX));
        containers.reverse();
        Ok((containers, code))
    }

    fn sort(&self, rows: &mut [Row<'_>]) {
        let started = |row: &Row<'_>| row.container.state.started_at;
        match self.sort.as_str() {
            "command" => rows.sort_by_cached_key(Row::command),
            "id" => rows.sort_by(|a, b| a.container.config.id.cmp(&b.container.config.id)),
            "image" => rows.sort_by_cached_key(Row::image),
            "names" => rows.sort_by(|a, b| a.container.config.name.cmp(&b.container.config.name)),
            "runningfor" => rows.sort_by_key(|row| started(row)),
            "size" => rows.sort_by_key(|row| row.size.map_or(0, |size| size.writable)),
            "status" => rows.sort_by_cached_key(Row::status),
            _ => {}
        }
    }
}
