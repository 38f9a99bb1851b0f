//! The commands of containers, at the top level and under the noun `container`.

mod attach;
mod cleanup;
mod clone;
mod commit;
mod confinement;
mod cp;
mod create;
mod defaults;
mod environment;
mod exec;
mod exists;
mod export;
pub(crate) mod filter;
mod health;
mod healthcheck;
mod init;
mod inspect;
mod kill;
mod limit;
mod logs;
mod mount;
pub(crate) mod names;
mod namespace;
mod pause;
mod port;
mod prune;
mod ps;
mod rename;
mod request;
mod restart;
mod rm;
mod row;
mod run;
mod start;
mod startup;
mod stats;
mod stop;
mod top;
mod update;
mod wait;

use anyhow::{Context as _, Result};

use super::context::Context;
use super::flags::tree::Entry;
use crate::engine::request::Preserved;
use crate::model::error::Error;
use crate::sys::exec::passed_on;
use std::fs::File;

const ATTACH: Entry<Context> = Entry::leaf::<attach::AttachArgs>("attach", "Attach to a running container");
const COMMIT: Entry<Context> = Entry::leaf::<commit::CommitArgs>("commit", "Make an image of what a container changed");
const CP: Entry<Context> =
    Entry::leaf::<cp::CpArgs>("cp", "Copy files between a container and the host, or two containers");
const CREATE: Entry<Context> = Entry::leaf::<create::CreateArgs>("create", "Create a container without starting it")
    .words("IMAGE [COMMAND [ARG...]]");
const EXEC: Entry<Context> =
    Entry::leaf::<exec::ExecArgs>("exec", "Run a command in a running container").words("CONTAINER COMMAND [ARG...]");
const EXPORT: Entry<Context> =
    Entry::leaf::<export::ExportArgs>("export", "Write the files of a container as a tar archive");
const INIT: Entry<Context> =
    Entry::leaf::<init::InitArgs>("init", "Prepare one or more containers without starting them");
const KILL: Entry<Context> = Entry::leaf::<kill::KillArgs>("kill", "Send a signal to one or more containers");
const LOGS: Entry<Context> = Entry::leaf::<logs::LogsArgs>("logs", "Show the output of one or more containers");
const MOUNT: Entry<Context> = Entry::leaf::<mount::MountArgs>("mount", "Mount the root file systems of containers");
const PAUSE: Entry<Context> = Entry::leaf::<pause::PauseArgs>("pause", "Suspend one or more containers");
const PORT: Entry<Context> = Entry::leaf::<port::PortArgs>("port", "List the published ports of a container");
const PS: Entry<Context> = Entry::leaf::<ps::PsArgs>("ps", "List containers");
const RENAME: Entry<Context> = Entry::leaf::<rename::RenameArgs>("rename", "Give a container another name");
const RESTART: Entry<Context> = Entry::leaf::<restart::RestartArgs>("restart", "Stop and start one or more containers");
const RM: Entry<Context> = Entry::leaf::<rm::RmArgs>("rm", "Remove one or more containers");
const RUN: Entry<Context> =
    Entry::leaf::<run::RunArgs>("run", "Run a command in a new container").words("IMAGE [COMMAND [ARG...]]");
const START: Entry<Context> = Entry::leaf::<start::StartArgs>("start", "Start one or more containers");
const STATS: Entry<Context> = Entry::leaf::<stats::StatsArgs>("stats", "Show what running containers use");
const STOP: Entry<Context> = Entry::leaf::<stop::StopArgs>("stop", "Stop one or more containers");
const TOP: Entry<Context> =
    Entry::leaf::<top::TopArgs>("top", "Show the processes of a container").words("CONTAINER [DESCRIPTOR...]");
const UNMOUNT: Entry<Context> =
    Entry::leaf::<mount::UnmountArgs>("unmount", "Unmount the root file systems of containers").aliases(&["umount"]);
const UNPAUSE: Entry<Context> = Entry::leaf::<pause::UnpauseArgs>("unpause", "Let paused containers run again");
const UPDATE: Entry<Context> = Entry::leaf::<update::UpdateArgs>(
    "update",
    "Change the limits, the restart policy and the health checks of a container",
);
const WAIT: Entry<Context> = Entry::leaf::<wait::WaitArgs>("wait", "Wait until one or more containers have ended");

/// The commands of this folder.
pub(crate) const ENTRIES: &[Entry<Context>] = &[
    ATTACH,
    COMMIT,
    CP,
    CREATE,
    EXEC,
    EXPORT,
    Entry::noun("healthcheck", "Check the health of containers", HEALTHCHECK),
    INIT,
    KILL,
    LOGS,
    MOUNT,
    PAUSE,
    PORT,
    PS,
    RENAME,
    RESTART,
    RM,
    RUN,
    START,
    STATS,
    STOP,
    TOP,
    UNMOUNT,
    UNPAUSE,
    UPDATE,
    WAIT,
    Entry::noun("container", "Manage containers", CONTAINER),
];

const HEALTHCHECK: &[Entry<Context>] =
    &[Entry::leaf::<healthcheck::HealthcheckRunArgs>("run", "Make the health check of a container now")];

const CONTAINER: &[Entry<Context>] = &[
    ATTACH,
    Entry::leaf::<cleanup::CleanupArgs>("cleanup", "Finish what was left of containers that have ended"),
    Entry::leaf::<clone::CloneArgs>("clone", "Make another container of the same configuration")
        .words("CONTAINER [NAME [IMAGE]]"),
    COMMIT,
    CP,
    CREATE,
    Entry::leaf::<super::diff::ContainerArgs>("diff", "Show what a container changed"),
    EXEC,
    EXPORT,
    Entry::leaf::<exists::ExistsArgs>("exists", "Check whether a container exists"),
    INIT,
    Entry::leaf::<inspect::InspectArgs>("inspect", "Display the configuration and state of containers"),
    KILL,
    Entry::leaf::<ps::PsArgs>("list", "List containers").aliases(&["ls"]),
    LOGS,
    MOUNT,
    PAUSE,
    PORT,
    Entry::leaf::<prune::PruneArgs>("prune", "Remove all containers that do not run"),
    PS,
    RENAME,
    RESTART,
    RM,
    RUN,
    START,
    STATS,
    STOP,
    TOP,
    UNMOUNT,
    UNPAUSE,
    UPDATE,
    WAIT,
];

/// The whole command line, for `inspect`.
fn words(context: &Context) -> Vec<String> {
    context.args.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The descriptors that the caller hands on: those of `--preserve-fds` and `--preserve-fd`, else the listening sockets of
/// the service manager.
fn handed_on(count: u32, list: &[u32]) -> Result<Preserved> {
    let count = if count == 0 && list.is_empty() { crate::engine::activation::listening() } else { count };
    preserved(count, list)
}

/// The descriptors from 3 on (`--preserve-fds`), or those of a list (`--preserve-fd`), each by its own number.
fn preserved(count: u32, list: &[u32]) -> Result<Preserved> {
    let missing = |number| {
        let message = format!(
            "file descriptor {number} is not available - the preserve-fds option requires that file descriptors must be passed"
        );
        Error::invalid(message)
    };
    if count > 0 && !list.is_empty() {
        return Err(Error::invalid("cannot specify both --preserve-fds and --preserve-fd").into());
    }
    let Some(last) = list.iter().max() else {
        // No process has more; a number that is not open ends it long before.
        let end = i32::try_from(count).unwrap_or(i32::MAX - 3) + 3;
        let fds =
            (3..end).map(|number| passed_on(number).map_err(|_| missing(number).into())).collect::<Result<_>>()?;
        return Ok(Preserved::from_three(fds));
    };
    // Before places are kept for all below it.
    let last = i32::try_from(*last).unwrap_or(i32::MAX);
    passed_on(last).map_err(|_| missing(last))?;
    let mut preserved = Preserved::default();
    for number in 3..=u32::try_from(last)? {
        let fd = if list.contains(&number) {
            let number = i32::try_from(number)?;
            passed_on(number).map_err(|_| missing(number))?
        } else {
            preserved.holes.push(number);
            File::open("/dev/null").context("open /dev/null")?.into()
        };
        preserved.fds.push(fd);
    }
    Ok(preserved)
}
