//! `dhow events`.

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{escape, stdout};
use crate::engine::event::{Event, Wanted};
use crate::model::filter::Filters;
use crate::model::health::HealthStatus;
use crate::model::time::{self, Direction};

/// Digits of a short id.
const SHORT: usize = 12;

/// Show what happens to containers, images and volumes
///
/// Each change is told once, by whoever made it. The log is gone after a reboot, and holds at least the last megabyte.
#[derive(clap::Args)]
pub(crate) struct EventsArgs {
    /// Only what fits: container, event, image, label, pod, type, volume
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Whole ids (the default)
    #[arg(long)]
    no_trunc: Option<bool>,
    /// Only since this time: a time, or a duration before now
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Go on as more happens (the default)
    #[arg(long)]
    stream: Option<bool>,
    /// Only until this time: a time, or a duration from now
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Run<Context> for EventsArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let now = Timestamp::now();
        let moment = |text: &Option<String>, direction| {
            text.as_deref().map(|text| time::parse_moment(text, now, direction)).transpose()
        };
        let wanted = Wanted {
            since: moment(&self.since, Direction::Back)?,
            until: moment(&self.until, Direction::Ahead)?,
            follow: self.stream.unwrap_or(true),
            filters: Filters::parse(&self.filter)?,
        };
        let zone = TimeZone::UTC;
        let (terminal, digits) = (context.terminal(), if self.no_trunc.unwrap_or(true) { usize::MAX } else { SHORT });
        let show = |event: &Event| -> Result<String> {
            Ok(match self.format.as_deref() {
                None => {
                    let line = event.line(&time::print_go(event.time, &zone), digits);
                    format!("{}\n", if terminal { escape::line(&line) } else { line.into() })
                }
                Some(format) if is_json(format) => format!("{}\n", serde_json::to_string(event)?),
                Some(format) => {
                    let report = Report {
                        command: "events",
                        type_name: "*events.Event",
                        default: "",
                        headings: &[],
                        methods: &[],
                        heading: false,
                        terminal,
                    };
                    report.one(format, &fields(event, &zone))?
                }
            })
        };
        context.engine()?.events(&wanted, |event| stdout::print(&show(event)?))?;
        Ok(0)
    }
}

/// What a template sees.
fn fields(event: &Event, zone: &TimeZone) -> Value {
    let labels = || event.attributes.clone().unwrap_or_default();
    json!({
        "ContainerExitCode": event.container_exit_code.unwrap_or(0),
        "ID": event.id,
        "Image": event.image,
        "Name": event.name,
        "Network": "",
        "Status": event.status,
        "Time": time::print_go(event.time, zone),
        "Type": event.kind,
        "HealthStatus": event.health_status.map_or("", HealthStatus::as_str),
        "HealthFailingStreak": event.health_failing_streak.unwrap_or(0),
        "HealthLog": event.health_log.as_deref().unwrap_or_default(),
        "Attributes": labels(),
        "Details": { "ID": "", "Attributes": labels() },
    })
}
