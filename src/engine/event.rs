//! Events: written down by whoever made the change, once it is made; and read again, filtered, as they come.

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::Engine;
use crate::model::container::ContainerConfig;
use crate::model::error::Error;
pub(crate) use crate::model::event::{Event, Logger};
use crate::model::filter::Filters;
use crate::monitor::config::Told;
use crate::state::event::{self, Reader};
use crate::sys::watch::Watch;

/// What `events --filter` knows.
const FILTERS: [&str; 8] = ["container", "event", "image", "label", "pod", "status", "type", "volume"];

/// Which events somebody wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// Go on as more come.
    pub(crate) follow: bool,
    pub(crate) filters: Filters,
}

/// What happened now to a container.
pub(crate) fn of_container(config: &ContainerConfig, status: &str) -> Event {
    Event::of_container(config, status)
}

/// What a container's monitor tells, and where.
pub(super) fn told(engine: &Engine, config: &ContainerConfig) -> Option<Told> {
    let wanted = engine.events != Logger::None;
    wanted.then(|| Told { log: engine.event_log(), container: engine.paths.container(&config.id).join("config.json") })
}

impl Engine {
    /// Where events are written down.
    pub(super) fn event_log(&self) -> event::Log {
        event::Log { run: self.paths.run().to_owned(), logger: self.events }
    }

    /// Writes down what was done.
    pub(crate) fn note(&self, events: &[Event]) {
        self.event_log().tell(events);
    }

    /// Writes down what was done to a container.
    pub(crate) fn note_container(&self, config: &ContainerConfig, status: &str) {
        self.note(&[of_container(config, status)]);
    }

    /// Writes down what was done to an image.
    pub(crate) fn note_image(&self, status: &str, id: &str, name: &str) {
        self.note(&[Event { id: id.to_owned(), name: name.to_owned(), ..Event::new("image", status) }]);
    }

    /// Writes down what was done to a volume.
    pub(crate) fn note_volume(&self, status: &str, name: &str) {
        self.note(&[Event { name: name.to_owned(), ..Event::new("volume", status) }]);
    }

    /// Gives the events that are wanted to `sink`, the oldest first. Who follows, and names no beginning, gets only what
    /// comes from now on.
    pub(crate) fn events(&self, wanted: &Wanted, mut sink: impl FnMut(&Event) -> Result<()>) -> Result<()> {
        wanted.filters.only(&FILTERS)?;
        if self.events == Logger::None {
            return Err(Error::unsupported("cannot read events with the \"none\" backend").into());
        }
        let mut give = |events: Vec<Event>| -> Result<()> {
            events.iter().filter(|event| passes(event, wanted)).try_for_each(&mut sink)
        };
        // Before the first look: what is written after it wakes us.
        let watch = Watch::growth(self.paths.run(), event::NAME).context("watch the log of events")?;
        let mut reader = Reader::new(&self.paths);
        let past = reader.read()?;
        if !wanted.follow || wanted.since.is_some() {
            give(past)?;
        }
        if !wanted.follow {
            return Ok(());
        }
        loop {
            let limit = match wanted.until {
                Some(until) => {
                    let left = until.as_nanosecond() - Timestamp::now().as_nanosecond();
                    Some(std::time::Duration::from_nanos(u64::try_from(left.max(0)).unwrap_or(u64::MAX)))
                }
                None => None,
            };
            let more = watch.changed(&[], limit).context("wait for events")?;
            give(reader.read()?)?;
            // The store may be gone, by `system reset`.
            if !more || !self.paths.run().is_dir() {
                return Ok(());
            }
        }
    }
}

/// Whether an event is wanted: values of one key are alternatives, keys are not.
fn passes(event: &Event, wanted: &Wanted) -> bool {
    let is = |kind: &str| event.kind == kind;
    let means = |text: &str| event.name == text || !text.is_empty() && event.id.starts_with(text);
    let labels = event.attributes.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    let filters = &wanted.filters;
    wanted.since.is_none_or(|since| event.time >= since)
        && wanted.until.is_none_or(|until| event.time <= until)
        && filters.pass("container", |text| is("container") && means(text))
        && filters.pass("image", |text| is("image") && means(text))
        && filters.pass("volume", |text| is("volume") && event.name.starts_with(text))
        && filters.pass("pod", |text| is("pod") && means(text))
        && filters.pass("type", |text| is(text))
        && filters.pass("event", |text| event.status == text)
        && filters.pass("status", |text| event.status == text)
        && filters.pass_labels(labels)
}
