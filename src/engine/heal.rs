//! What a dead owner left is finished or undone by whoever takes the container's lock next. Every step is idempotent and
//! "already gone" is success.
//!
//! | record says | found | then |
//! |---|---|---|
//! | `Removing` | its lock is free | the removal is finished |
//! | alive | another boot | it ended, its code is not known |
//! | alive | no monitor, `exit.json` of this run | it ended as that says |
//! | alive | no monitor, init lives | a successor adopts it |
//! | alive | no monitor, init is dead | it ended, its code is lost |
//! | `Stopping` | the stopper is dead | it runs again |
//! | any, `renaming` | its lock is free | the name that the record does not have is freed |
//! | not alive, with effects | the starter is dead | the start is adopted when the command runs, else undone |

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::Engine;
use super::container::{self, Locked, monitor_lock};
use super::event::{self, Event};
use super::{policy, successor, undo};
use crate::model::container::{EndCause, ExitRecord, InitRecord, ProcessRef};
use crate::model::status::{Action, Status};
use crate::state::record::Durability;
use crate::state::{boot, lock};
use crate::sys::process;

/// How long a monitor that lost its engine may take to undo its start.
const MONITOR_PATIENCE: Duration = Duration::from_secs(10);

/// Heals a locked container. `None` when that removed it. A restart policy goes on in a Cleanup of its own: a reader does
/// not wait for a back-off.
pub(crate) fn heal(engine: &Engine, locked: Locked) -> Result<Option<Locked>> {
    let lived = locked.state.status.is_alive();
    let healed = settle(engine, locked)?;
    if let Some(locked) = healed.as_ref().filter(|locked| lived && !locked.state.status.is_alive()) {
        policy::resume(engine, locked)?;
    }
    Ok(healed)
}

/// Makes the record of a locked container true. `None` when that removed it.
pub(crate) fn settle(engine: &Engine, mut locked: Locked) -> Result<Option<Locked>> {
    super::rename::finish(engine, &mut locked)?;
    let status = locked.state.status;
    if status == Status::Removing {
        super::remove::finish(engine, locked)?;
        return Ok(None);
    }
    let here = locked.state.boot == boot::id();
    if !status.is_alive() {
        if !locked.state.effects {
            return Ok(Some(locked));
        }
        if here && adopt_start(engine, &mut locked)? {
            return Ok(Some(locked));
        }
        undo_start(engine, &mut locked)?;
        return Ok(Some(locked));
    }
    if here && lock::is_held(&monitor_lock(&engine.paths, locked.id()))? {
        let stopped = |stopper: ProcessRef| !process::is_alive(stopper.pid, stopper.start_time);
        if status == Status::Stopping && locked.state.stopper.is_none_or(stopped) {
            locked.state.status = Status::Running;
            locked.state.stopper = None;
            locked.save(Durability::Lazy)?;
        }
        super::session::sweep(&locked.dir(), &locked.run_dir())?;
        return Ok(Some(locked));
    }
    if here && locked.snapshot().exit(&engine.paths)?.is_none() {
        let init = locked.state.init.or(locked.snapshot().init(&engine.paths)?.map(|record| record.init));
        if let Some(init) = init
            && process::is_alive(init.pid, init.start_time)
        {
            successor::succeed(engine, &mut locked, init)?;
            return Ok(Some(locked));
        }
    }
    let exit = if here { locked.snapshot().exit(&engine.paths)? } else { None };
    conclude(engine, &mut locked, exit)?;
    if !here {
        // The host's end was its end: who starts containers at boot does so, and not the first who looks.
        locked.state.cause = Some(EndCause::Terminated);
    }
    let died = died(&locked);
    // One whose health asks for another run goes with the end of that.
    if locked.config.remove && policy::restart_delay(locked.config.restart, &locked.state).is_none() {
        super::remove::finish_after(engine, locked, vec![died])?;
        return Ok(None);
    }
    locked.save(Durability::Synced)?;
    engine.note(&[died, event::of_container(&locked.config, "cleanup")]);
    Ok(Some(locked))
}

/// Writes down that the run ended, and takes away what it had outside.
pub(crate) fn end(engine: &Engine, locked: &mut Locked, exit: Option<ExitRecord>) -> Result<()> {
    conclude(engine, locked, exit)?;
    // A container that goes now needs no record of its end.
    locked.save(if locked.config.remove { Durability::Lazy } else { Durability::Synced })?;
    engine.note(&[died(locked), event::of_container(&locked.config, "cleanup")]);
    Ok(())
}

/// The end of a container, as `events` tells it.
fn died(locked: &Locked) -> Event {
    Event { container_exit_code: locked.state.exit_code, ..event::of_container(&locked.config, "died") }
}

/// As [`end`], unwritten: until the record is, or is gone, every reader comes to the same end.
fn conclude(engine: &Engine, locked: &mut Locked, exit: Option<ExitRecord>) -> Result<()> {
    locked.state.status = locked.check(Action::Exit)?;
    locked.state.exit_code = exit.as_ref().and_then(|exit| exit.exit_code);
    locked.state.oom_killed = exit.as_ref().is_some_and(|exit| exit.oom_killed);
    locked.state.finished_at = Some(exit.as_ref().map_or_else(Timestamp::now, |exit| exit.finished_at));
    locked.state.ended_by(exit.as_ref().and_then(|exit| exit.cause));
    if exit.as_ref().is_none_or(|exit| exit.exit_code.is_none()) {
        "its monitor was lost, and with it the exit code".clone_into(&mut locked.state.error);
    }
    undo::tidy(engine, locked)?;
    locked.state.init = None;
    locked.state.monitor = None;
    locked.state.stopper = None;
    locked.state.effects = false;
    Ok(())
}

/// A start whose engine was killed after the monitor let the command go: the container runs, only the record lags.
fn adopt_start(engine: &Engine, locked: &mut Locked) -> Result<bool> {
    let path = monitor_lock(&engine.paths, locked.id());
    let started = |record: &InitRecord| record.started && process::is_alive(record.init.pid, record.init.start_time);
    if let Some(record) = locked.snapshot().init(&engine.paths)?.filter(started)
        && lock::is_held(&path)?
    {
        locked.state.status = Status::Running;
        locked.state.init = Some(record.init);
        locked.state.monitor = record.monitor;
        locked.state.started_at.get_or_insert_with(Timestamp::now);
        locked.save(Durability::Lazy)?;
        engine.note_container(&locked.config, "start");
        return Ok(true);
    }
    // The command may have run and ended already.
    if let Some(exit) = locked.snapshot().exit(&engine.paths)? {
        locked.state.status = Status::Running;
        engine.note_container(&locked.config, "start");
        end(engine, locked, Some(exit))?;
        return Ok(true);
    }
    Ok(false)
}

/// A start that came to nothing: the monitor sees that its engine is gone, kills init and ends; then the rest is undone.
fn undo_start(engine: &Engine, locked: &mut Locked) -> Result<()> {
    let path = monitor_lock(&engine.paths, locked.id());
    if locked.state.boot == boot::id() {
        lock::wait_free(&path, MONITOR_PATIENCE)?;
    }
    undo::end_init(engine, locked)?;
    undo::tidy(engine, locked)?;
    locked.state.effects = false;
    locked.state.init = None;
    locked.state.monitor = None;
    locked.save(Durability::Lazy)
}

/// Heals the container that was read, if it needs it and nobody else works on it. Whether its record may have changed.
pub(crate) fn heal_one(engine: &Engine, read: &container::Container) -> Result<bool> {
    if !read.needs_healing(&engine.paths)? {
        return Ok(false);
    }
    let Some(locked) = Locked::try_acquire(&engine.paths, &read.config.id)? else { return Ok(false) };
    heal(engine, locked).with_context(|| format!("heal container {}", read.config.id.short()))?;
    Ok(true)
}
