//! Which process this is: the first argument says so. Roles bypass the command line's parser.
//!
//! Here, while the process has one thread, everything is done that all threads share: the umask, and an ordinary user's
//! namespaces. Descriptors 0 to 2 are open (Rust's start opens `/dev/null` for those that are missing), and SIGPIPE is
//! ignored: a closed pipe is an error of a write like any other.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use rustix::thread::CapabilitySet;

use crate::engine::network::NETWORKS;
use crate::engine::{Engine, Places};
use crate::runtime::oci;
use crate::state::privilege::Privilege;
use crate::state::{pause, rootless};

/// What this process is (ARCHITECTURE: "Processes").
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A whole command of a user.
    Cli,
    /// The process beside a container.
    Monitor,
    /// What a monitor becomes when its container has ended.
    Cleanup,
    /// One layer, unpacked behind a lock-down.
    Unpack,
    /// `--init` inside a container.
    Reaper,
    /// What keeps an ordinary user's namespace between commands.
    Pause,
    /// The OCI runtime as a program: a whole command of another engine.
    Oci,
}

impl Role {
    /// Reads the role from the arguments. Inside a container the program's own name tells: `/dev/init`.
    pub(crate) fn from_args(args: &[OsString]) -> Self {
        if args.first().is_some_and(|name| name == "/dev/init") {
            return Self::Reaper;
        }
        if oci::NAMES.contains(&called(args)) {
            return Self::Oci;
        }
        match args.get(1).and_then(|word| word.to_str()) {
            Some("monitor") => Self::Monitor,
            Some("cleanup") => Self::Cleanup,
            Some("unpack") => Self::Unpack,
            Some("oci") => Self::Oci,
            // Also a command, `pause CONTAINER`: the role has a name of its own.
            Some("pause") if args.first().is_some_and(|name| name == pause::PROGRAM) => Self::Pause,
            _ => Self::Cli,
        }
    }
}

/// The name by which this program was called.
fn called(args: &[OsString]) -> &str {
    args.first().and_then(|path| Path::new(path).file_name()).and_then(|name| name.to_str()).unwrap_or_default()
}

/// Runs the role that `args` ask for.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let role = Role::from_args(&args);
    if !matches!(role, Role::Reaper | Role::Pause) {
        // Modes are given where they matter (R15); for the rest, no caller's habit.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    }
    match role {
        Role::Monitor => crate::monitor::main(),
        Role::Cleanup => crate::cli::exit::finish(cleanup(&args[2..]).map(|()| 0)),
        Role::Unpack => crate::storage::unpack::main(&args[2..]),
        Role::Reaper => crate::cli::exit::finish(reaper(&args[1..])),
        Role::Pause => pause::main(&args[2..]),
        Role::Oci if oci::NAMES.contains(&called(&args)) => oci::main(called(&args), &args[1..]),
        Role::Oci => oci::main("dhow oci", &args[2..]),
        Role::Cli => match privilege(&args) {
            Ok(privilege) => crate::cli::main(args, privilege),
            Err(error) => crate::cli::exit::finish(Err(error)),
        },
    }
}

/// `--init`: the command follows `--`.
fn reaper(args: &[OsString]) -> Result<u8> {
    let command = if args.first().is_some_and(|word| word == "--") { &args[1..] } else { args };
    Ok(u8::try_from(crate::runtime::reaper::main(command)?).unwrap_or(u8::MAX))
}

/// `cleanup DATA RUN VOLUMES UID GID (ID RUN-NUMBER | networks)`, as `engine::policy` writes it; the ids are `root` for root.
fn cleanup(args: &[OsString]) -> Result<()> {
    let [data, run_dir, volumes, events, rest @ ..] = args else { anyhow::bail!("cleanup: wrong arguments") };
    let words: Vec<&str> = rest.iter().filter_map(|word| word.to_str()).collect();
    let [uid, gid, what @ ..] = words.as_slice() else { anyhow::bail!("cleanup: wrong arguments") };
    let privilege = match (uid.parse(), gid.parse()) {
        (Ok(uid), Ok(gid)) => Privilege::Rootless { uid, gid },
        _ => Privilege::Root,
    };
    let places = Places {
        root: Some(data.into()),
        run: Some(run_dir.into()),
        volumes: Some(volumes.into()),
        events: events.to_string_lossy().parse()?,
        ..Places::default()
    };
    let engine = Engine::open(privilege, places)?;
    match what {
        [id, run] => engine.clean_up(&id.parse()?, run.parse().context("cleanup: wrong run number")?),
        what if what == NETWORKS => engine.clean_up_networks(),
        _ => anyhow::bail!("cleanup: wrong arguments"),
    }
}

/// Decides with which rights this command works, and takes them where it needs them.
fn privilege(args: &[OsString]) -> Result<Privilege> {
    let uid = rustix::process::geteuid();
    let capabilities = rustix::thread::capabilities(None).context("read our capabilities")?;
    if uid.is_root() && capabilities.effective.contains(CapabilitySet::SYS_ADMIN) {
        return Ok(Privilege::unshared().unwrap_or(Privilege::Root));
    }
    let privilege = Privilege::Rootless { uid: uid.as_raw(), gid: rustix::process::getegid().as_raw() };
    let words = Words::read(args);
    if words.needs_store {
        for warning in rootless::enter(&privilege, words.root)? {
            // Where standard error is closed, there is nobody to tell.
            drop(writeln!(std::io::stderr(), "Warning: {warning}"));
        }
    }
    Ok(privilege)
}

/// What the first words of a command line tell before the parser has seen it.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    /// `--root`.
    root: Option<PathBuf>,
    /// Whether the command needs more than this program: only then are namespaces worth their time.
    needs_store: bool,
}

/// Global options that take a value, which may be the next word.
const WITH_VALUE: [&str; 28] = [
    "--cdi-spec-dir",
    "--cgroup-manager",
    "--config",
    "--conmon",
    "--connection",
    "--events-backend",
    "--hooks-dir",
    "--host",
    "--identity",
    "--log-level",
    "--module",
    "--namespace",
    "--network-cmd-path",
    "--network-config-dir",
    "--out",
    "--registries-conf",
    "--root",
    "--runroot",
    "--runtime",
    "--runtime-flag",
    "--ssh",
    "--storage-driver",
    "--storage-opt",
    "--tmpdir",
    "--url",
    "--volumepath",
    "-H",
    "-c",
];
/// Commands that only speak of this program.
const WITHOUT_STORE: [&str; 2] = ["help", "completion"];

impl Words {
    fn read(args: &[OsString]) -> Self {
        let mut root = None;
        let mut words = args.iter().skip(1);
        let needs_store = loop {
            let Some(word) = words.next() else { break false };
            let text = word.to_string_lossy();
            if matches!(&*text, "--help" | "-h" | "--version" | "-v") {
                break false;
            }
            if let Some(value) = text.strip_prefix("--root=") {
                root = Some(PathBuf::from(value));
            } else if WITH_VALUE.contains(&&*text) {
                let value = words.next();
                if text == "--root" {
                    root = value.map(PathBuf::from);
                }
            } else if !text.starts_with('-') {
                break !WITHOUT_STORE.contains(&&*text) && words.next().is_none_or(|next| next != "--help");
            }
        };
        Self { root, needs_store }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn roles() {
        for (line, role) in [
            ("dhow ps", Role::Cli),
            ("dhow", Role::Cli),
            ("dhow monitor id", Role::Monitor),
            (&format!("{} -- monitor", crate::runtime::reaper::PATH), Role::Reaper),
            ("dhow run unpack", Role::Cli),
            ("dhow pause web", Role::Cli),
            ("dhow oci state web", Role::Oci),
            ("/usr/local/bin/crun state web", Role::Oci),
            ("runc --version", Role::Oci),
            ("dhow run oci", Role::Cli),
            ("dhow-pause pause /run/user/1000/dhow", Role::Pause),
        ] {
            assert_eq!(Role::from_args(&args(line)), role, "{line}");
        }
    }

    #[test]
    fn global_options_with_a_value_are_known() {
        let mut defined = crate::cli::options_with_value();
        defined.sort();
        assert_eq!(defined, WITH_VALUE);
    }

    #[test]
    fn the_store_is_entered_only_by_those_who_need_it() {
        for (line, root, needs_store) in [
            ("dhow", None, false),
            ("dhow --version", None, false),
            ("dhow --root /x", Some("/x"), false),
            ("dhow help run", None, false),
            ("dhow run --help", None, false),
            ("dhow run --rm x --help", None, true),
            ("dhow completion bash", None, false),
            ("dhow ps", None, true),
            ("dhow --log-level help ps", None, true),
            ("dhow --root /x --runroot=/y run -v /a:/b x", Some("/x"), true),
            ("dhow --root=/x ps", Some("/x"), true),
        ] {
            let words = Words { root: root.map(PathBuf::from), needs_store };
            assert_eq!(Words::read(&args(line)), words, "{line}");
        }
    }
}
