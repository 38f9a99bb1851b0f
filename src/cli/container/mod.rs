//! The commands of containers, at the top level and under the noun `container`.

mod attach;
mod confinement;
mod create;
mod environment;
mod exec;
mod exists;
mod filter;
mod inspect;
mod kill;
mod limit;
mod logs;
pub(crate) mod names;
mod namespace;
mod pause;
mod port;
mod prune;
mod ps;
mod request;
mod restart;
mod rm;
mod row;
mod run;
mod start;
mod startup;
mod stop;
mod top;
mod wait;

use std::os::fd::OwnedFd;

use anyhow::Result;

use super::context::Context;
use super::flags::tree::Entry;
use crate::model::error::Error;
use crate::sys::exec::passed_on;

const ATTACH: Entry<Context> = Entry::leaf::<attach::AttachArgs>("attach", "Attach to a running container");
const CREATE: Entry<Context> = Entry::leaf::<create::CreateArgs>("create", "Create a container without starting it");
const EXEC: Entry<Context> = Entry::leaf::<exec::ExecArgs>("exec", "Run a command in a running container");
const KILL: Entry<Context> = Entry::leaf::<kill::KillArgs>("kill", "Send a signal to one or more containers");
const LOGS: Entry<Context> = Entry::leaf::<logs::LogsArgs>("logs", "Show the output of one or more containers");
const PAUSE: Entry<Context> = Entry::leaf::<pause::PauseArgs>("pause", "Suspend one or more containers");
const PORT: Entry<Context> = Entry::leaf::<port::PortArgs>("port", "List the published ports of a container");
const PS: Entry<Context> = Entry::leaf::<ps::PsArgs>("ps", "List containers");
const RESTART: Entry<Context> = Entry::leaf::<restart::RestartArgs>("restart", "Stop and start one or more containers");
const RM: Entry<Context> = Entry::leaf::<rm::RmArgs>("rm", "Remove one or more containers");
const RUN: Entry<Context> = Entry::leaf::<run::RunArgs>("run", "Run a command in a new container");
const START: Entry<Context> = Entry::leaf::<start::StartArgs>("start", "Start one or more containers");
const STOP: Entry<Context> = Entry::leaf::<stop::StopArgs>("stop", "Stop one or more containers");
const TOP: Entry<Context> = Entry::leaf::<top::TopArgs>("top", "Show the processes of a container");
const UNPAUSE: Entry<Context> = Entry::leaf::<pause::UnpauseArgs>("unpause", "Let paused containers run again");
const WAIT: Entry<Context> = Entry::leaf::<wait::WaitArgs>("wait", "Wait until one or more containers have ended");

/// The commands of this folder.
pub(crate) const ENTRIES: &[Entry<Context>] = &[
    ATTACH,
    CREATE,
    EXEC,
    KILL,
    LOGS,
    PAUSE,
    PORT,
    PS,
    RESTART,
    RM,
    RUN,
    START,
    STOP,
    TOP,
    UNPAUSE,
    WAIT,
    Entry::noun("container", "Manage containers", CONTAINER),
];

const CONTAINER: &[Entry<Context>] = &[
    ATTACH,
    CREATE,
    EXEC,
    Entry::leaf::<exists::ExistsArgs>("exists", "Check whether a container exists"),
    Entry::leaf::<inspect::InspectArgs>("inspect", "Display the configuration and state of containers"),
    KILL,
    Entry::leaf::<ps::PsArgs>("list", "List containers").aliases(&["ls"]),
    LOGS,
    PAUSE,
    PORT,
    Entry::leaf::<prune::PruneArgs>("prune", "Remove all containers that do not run"),
    PS,
    RESTART,
    RM,
    RUN,
    START,
    STOP,
    TOP,
    UNPAUSE,
    WAIT,
];

/// The whole command line, for `inspect`.
fn words(context: &Context) -> Vec<String> {
    context.args.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The descriptors from 3 on that the caller hands on (`--preserve-fds`).
fn preserved(count: u32) -> Result<Vec<OwnedFd>> {
    let missing = |number| {
        let message = format!(
            "file descriptor {number} is not available - the preserve-fds option requires that file descriptors must be passed"
        );
        Error::invalid(message)
    };
    // No process has more; a number that is not open ends it long before.
    let last = i32::try_from(count).unwrap_or(i32::MAX - 3) + 3;
    (3..last).map(|number| passed_on(number).map_err(|_| missing(number).into())).collect()
}
