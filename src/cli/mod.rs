//! The command line: arguments in, text out, exit codes.
//!
//! The tree of commands is a static table; only the command that is asked for builds its definitions, and only a
//! command that asks for the engine opens the store.

pub(crate) mod complete;
mod container;
mod context;
mod diff;
pub(crate) mod example;
pub(crate) mod exit;
pub(crate) mod flags;
mod globals;
mod image;
mod inspect;
mod outcome;
pub(crate) mod output;
mod progress;
mod prompt;
pub(crate) mod relay;
mod secret;
mod system;
pub(crate) mod terminal;
mod volume;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, FromArgMatches};

use self::context::Context;
use self::flags::UsageError;
use self::flags::tree::{Entry, Parsed, Tree};
use self::globals::GlobalArgs;
use self::output::stdout;
use crate::engine::Privilege;

/// The commands by what they are about.
const GROUPS: &[(&str, &[Entry<Context>])] = &[
    ("Containers", container::ENTRIES),
    ("Containers", diff::ENTRIES),
    ("Images", image::ENTRIES),
    ("Volumes", volume::ENTRIES),
    ("Secrets", secret::ENTRIES),
    ("System", system::ENTRIES),
    ("System", inspect::ENTRIES),
    ("System", complete::ENTRIES),
];

const COUNT: usize = {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        count += GROUPS[group].1.len();
        group += 1;
    }
    count
};

/// The commands of all groups in one table.
const ENTRIES: [Entry<Context>; COUNT] = {
    let mut all = [GROUPS[0].1[0]; COUNT];
    let (mut at, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut index = 0;
        while index < GROUPS[group].1.len() {
            all[at] = GROUPS[group].1[index];
            at += 1;
            index += 1;
        }
        group += 1;
    }
    all
};

/// Everything that can be typed.
pub(crate) static TREE: Tree<Context> = Tree {
    name: "dhow",
    about: "Manage containers and images",
    globals: GlobalArgs::augment_args,
    entries: &ENTRIES,
    groups: GROUPS,
    after: "Engines run dhow as their OCI runtime: `dhow oci`, or dhow under the name runc, crun or dhow-runtime.\n\
            See dhow-oci(1).",
    examples: example::help,
    absent: ABSENT,
};

/// What podman or docker has and dhow has not.
const ABSENT: &[(&[&str], &str)] = &[
    (&["build", "buildx", "builder", "farm", "image build"], "dhow builds no images: load what a builder has made"),
    (
        &["network", "network create", "network ls"],
        "there is one bridge: publish ports, or give containers one network by --network container:NAME",
    ),
    (&["pod", "kube", "play"], "let containers share namespaces by --network, --ipc and --pid container:NAME"),
    (
        &["generate", "quadlet"],
        "`dhow system boot-unit` starts containers at boot; for a unit of your own see --sdnotify in dhow-run(1)",
    ),
    (
        &["compose", "swarm", "service", "stack", "context", "machine", "system connection", "system service"],
        "dhow works on this machine, without a service",
    ),
    (&["runlabel", "container runlabel"], "`dhow image inspect` shows the labels of an image"),
    (&["container checkpoint", "container restore"], "bundles can be saved: see dhow-oci-checkpoint(1)"),
];

/// Runs the command line `args`, the program's name first.
pub(crate) fn main(args: Vec<OsString>, privilege: Privilege) -> ExitCode {
    exit::finish(run(args, privilege))
}

fn run(args: Vec<OsString>, privilege: Privilege) -> anyhow::Result<u8> {
    let given = args.get(1..).unwrap_or_default();
    if given.first().is_some_and(|word| word == complete::ASK) {
        let words = given[1..].to_vec();
        let globals = TREE.globals_of(&words).and_then(|matches| global_args(&matches).ok()).unwrap_or_default();
        return complete::answer(&Context::new(&TREE, globals, privilege, args), &words);
    }
    let (entry, globals, matches) = match TREE.parse(given)? {
        Parsed::Help(text) => return stdout::print(&text).map(|()| 0),
        Parsed::Bare { globals } => return bare(&global_args(&globals)?),
        Parsed::Run { entry, globals, matches, .. } => (entry, globals, matches),
    };
    let globals = global_args(&globals)?;
    if globals.version {
        return bare(&globals);
    }
    globals.check()?;
    globals.apply()?;
    let context = Context::new(&TREE, globals, privilege, args);
    context.globals.without_effect().iter().for_each(|line| context.warn(line));
    if context.globals.runtime.is_some() {
        // Said whatever the command is.
        context.other_runtime()?;
    }
    entry.run(&matches, &context)
}

/// No command: the version, or the help and an error, as podman has it.
fn bare(globals: &GlobalArgs) -> anyhow::Result<u8> {
    if globals.version {
        return stdout::print(concat!("dhow version ", env!("CARGO_PKG_VERSION"), "\n")).map(|()| 0);
    }
    stdout::print(&TREE.help(None, TREE.name))?;
    Err(UsageError::new(format!("missing command '{} COMMAND'", TREE.name)).into())
}

fn global_args(matches: &clap::ArgMatches) -> anyhow::Result<GlobalArgs> {
    Ok(GlobalArgs::from_arg_matches(matches).map_err(|error| UsageError::new(error.to_string()))?)
}

/// The global options that take a value, as they are typed.
#[cfg(test)]
pub(crate) fn options_with_value() -> Vec<String> {
    let command = GlobalArgs::augment_args(clap::Command::new(TREE.name));
    let takes = |arg: &&clap::Arg| arg.get_action().takes_values();
    let names = |arg: &clap::Arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        long.into_iter().chain(arg.get_short().map(|short| format!("-{short}"))).collect::<Vec<_>>()
    };
    command.get_arguments().filter(takes).flat_map(names).collect()
}
