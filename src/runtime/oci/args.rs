//! The command line of an OCI runtime: what callers of runc and of crun pass, with options before or after the container.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::error::ErrorKind as Clap;
use clap::{Args, Command, FromArgMatches};

use crate::model::error::Error;

/// Options before the command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Globals {
    /// Keep the state of containers in DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Write errors to FILE as well
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Format of the log: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: String,
    /// How much to log; errors are always logged
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Log more
    #[arg(long)]
    pub(crate) debug: bool,
    /// Have systemd make the cgroup (cgroupsPath is SLICE:PREFIX:NAME)
    #[arg(long)]
    pub(crate) systemd_cgroup: bool,
    /// Who makes the cgroup: cgroupfs, systemd or disabled
    #[arg(long, value_name = "MANAGER")]
    pub(crate) cgroup_manager: Option<String>,
    /// Whether the caller is an ordinary user; found out by itself
    #[arg(long, value_name = "AUTO")]
    pub(crate) rootless: Option<String>,
    /// Ignored; for callers that pass it
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) criu: Option<PathBuf>,
}

/// What `create` and `run` make a container of.
#[derive(Args, Clone, Debug)]
pub(crate) struct BundleArgs {
    /// Name of the new container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    /// Directory with config.json
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) bundle: PathBuf,
    /// Send the terminal to the unix socket at PATH
    #[arg(long, value_name = "PATH")]
    pub(crate) console_socket: Option<PathBuf>,
    /// Send a pidfd of the first process to the unix socket at PATH
    #[arg(long, value_name = "PATH")]
    pub(crate) pidfd_socket: Option<PathBuf>,
    /// Write the number of the first process to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Pass on N more descriptors, from 3 on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) preserve_fds: u32,
    /// Change to the root without pivot_root, as an initial ramdisk needs it; less secure
    #[arg(long)]
    pub(crate) no_pivot: bool,
    /// Stay in the session keyring of the caller
    #[arg(long)]
    pub(crate) no_new_keyring: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) bundle: BundleArgs,
    /// Return when the command runs
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Do not delete the container when it has ended
    #[arg(long)]
    pub(crate) keep: bool,
    /// Ignored; for callers that pass it
    #[arg(long, hide = true)]
    pub(crate) no_subreaper: bool,
}

/// A container, and nothing else to say.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// Name of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct KillArgs {
    /// Name of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    /// Number or name of the signal
    #[arg(value_name = "SIGNAL", default_value = "SIGTERM")]
    pub(crate) signal: String,
    /// Signal all processes of the container
    #[arg(short, long)]
    pub(crate) all: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DeleteArgs {
    /// Name of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    /// Kill it first if it runs; it need not exist
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExecArgs {
    /// Name of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    /// Command and its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
    /// Take the process from the JSON in FILE
    #[arg(short, long, value_name = "FILE")]
    pub(crate) process: Option<PathBuf>,
    /// Return when the command runs
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Send the terminal to the unix socket at PATH
    #[arg(long, value_name = "PATH")]
    pub(crate) console_socket: Option<PathBuf>,
    /// Send a pidfd of the process to the unix socket at PATH
    #[arg(long, value_name = "PATH")]
    pub(crate) pidfd_socket: Option<PathBuf>,
    /// Write the number of the process to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Working directory
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// Set a variable, KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) env: Vec<String>,
    /// Become UID[:GID]
    #[arg(short, long, value_name = "UID[:GID]")]
    pub(crate) user: Option<String>,
    /// Further groups
    #[arg(short = 'g', long, value_name = "GID")]
    pub(crate) additional_gids: Vec<u32>,
    /// Add a capability
    #[arg(short, long, value_name = "CAPABILITY")]
    pub(crate) cap: Vec<String>,
    /// Forbid new privileges
    #[arg(long)]
    pub(crate) no_new_privs: bool,
    /// AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    pub(crate) apparmor: Option<String>,
    /// SELinux label
    #[arg(long, value_name = "LABEL")]
    pub(crate) process_label: Option<String>,
    /// Cgroup below the container's to run in, of all hierarchies or of those of CONTROLLER
    #[arg(long, value_name = "[CONTROLLER,...:]PATH")]
    pub(crate) cgroup: Vec<String>,
    /// Pass on N more descriptors, from 3 on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) preserve_fds: u32,
    /// Execute in a paused container too, where the command waits
    #[arg(long)]
    pub(crate) ignore_paused: bool,
    /// Ignored; for callers that pass it
    #[arg(long, hide = true)]
    pub(crate) no_subreaper: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Format: table or json
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: String,
    /// Only names
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PsArgs {
    /// Name of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    /// Format: table or json
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: String,
    /// Options of ps(1) (refused: nothing is executed)
    #[arg(value_name = "OPTION", trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(crate) options: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EventsArgs {
    /// Name of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    /// Time between statistics
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(crate) interval: String,
    /// Statistics once
    #[arg(long)]
    pub(crate) stats: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SpecArgs {
    /// Directory to write config.json to
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) bundle: PathBuf,
    /// For an ordinary user
    #[arg(long)]
    pub(crate) rootless: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UpdateArgs {
    /// Name of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    /// Take the limits from the JSON in FILE (-: standard input)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) resources: Option<PathBuf>,
    /// Weight of block I/O, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) blkio_weight: Option<u16>,
    /// Period of the processor quota, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_period: Option<u64>,
    /// Processor time in a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// Processor time that may be saved up, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_burst: Option<u64>,
    /// Weight of processor time
    #[arg(long, value_name = "SHARES")]
    pub(crate) cpu_share: Option<u64>,
    /// Period of realtime processes, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_rt_period: Option<u64>,
    /// Time of realtime processes in a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub(crate) cpu_rt_runtime: Option<i64>,
    /// Run only when nobody else wants to (1), or as usual (0)
    #[arg(long, value_name = "0|1")]
    pub(crate) cpu_idle: Option<i64>,
    /// Processors to use
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Memory nodes to use
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_mems: Option<String>,
    /// Most memory, in bytes
    #[arg(short = 'm', long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory: Option<String>,
    /// Memory that is left under pressure, in bytes
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory_reservation: Option<String>,
    /// Most memory and swap together, in bytes
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Most processes
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<i64>,
}

/// What `checkpoint` and `restore` tell criu.
#[derive(Args, Clone, Debug)]
pub(crate) struct ImagesArgs {
    /// Directory of the images
    #[arg(long, value_name = "DIR", default_value = "checkpoint")]
    pub(crate) image_path: PathBuf,
    /// Directory of criu's log and scratch files (default: that of the images)
    #[arg(long, value_name = "DIR")]
    pub(crate) work_path: Option<PathBuf>,
    /// Allow connections of TCP, which go on
    #[arg(long)]
    pub(crate) tcp_established: bool,
    /// Allow unix sockets whose other end is outside
    #[arg(long)]
    pub(crate) ext_unix_sk: bool,
    /// Allow a session whose leader is outside
    #[arg(long)]
    pub(crate) shell_job: bool,
    /// Allow locks of files
    #[arg(long)]
    pub(crate) file_locks: bool,
    /// What of cgroups is kept: soft, full, strict or ignore
    #[arg(long, value_name = "MODE")]
    pub(crate) manage_cgroups_mode: Option<String>,
    /// Keep nothing of this namespace (network)
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) empty_ns: Vec<String>,
    /// Take out of earlier images what a later one has
    #[arg(long)]
    pub(crate) auto_dedup: bool,
    /// Move memory when it is used
    #[arg(long)]
    pub(crate) lazy_pages: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CheckpointArgs {
    /// Name of the container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) images: ImagesArgs,
    /// Let the container run on
    #[arg(long)]
    pub(crate) leave_running: bool,
    /// Only copy memory, while the container runs on
    #[arg(long)]
    pub(crate) pre_dump: bool,
    /// Directory of earlier images, relative to that of these
    #[arg(long, value_name = "DIR")]
    pub(crate) parent_path: Option<PathBuf>,
    /// Send memory to a page server
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) page_server: Option<String>,
    /// Descriptor that is written to when memory can be asked for
    #[arg(long, value_name = "FD")]
    pub(crate) status_fd: Option<i32>,
    /// Allow files without a name
    #[arg(long)]
    pub(crate) link_remap: bool,
    /// Leave out connections of TCP that are being made
    #[arg(long)]
    pub(crate) tcp_skip_in_flight: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RestoreArgs {
    /// Name of the new container
    #[arg(value_name = "CONTAINER")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) images: ImagesArgs,
    /// Directory with config.json
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) bundle: PathBuf,
    /// Send the terminal to the unix socket at PATH
    #[arg(long, value_name = "PATH")]
    pub(crate) console_socket: Option<PathBuf>,
    /// Write the number of the first process to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Return when the container runs
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// AppArmor profile or SELinux label, TYPE:NAME
    #[arg(long, value_name = "TYPE:NAME")]
    pub(crate) lsm_profile: Option<String>,
    /// SELinux context of mounts
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) lsm_mount_context: Option<String>,
    /// Ignored; for callers that pass it
    #[arg(long, hide = true)]
    pub(crate) no_subreaper: bool,
    /// Ignored; for callers that pass it
    #[arg(long, hide = true)]
    pub(crate) no_pivot: bool,
}

/// A command with its arguments.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Checkpoint(CheckpointArgs),
    Restore(RestoreArgs),
    Create(BundleArgs),
    Run(RunArgs),
    Start(Target),
    State(Target),
    Kill(KillArgs),
    Delete(DeleteArgs),
    Exec(ExecArgs),
    List(ListArgs),
    Ps(PsArgs),
    Pause(Target),
    Resume(Target),
    Update(UpdateArgs),
    Events(EventsArgs),
    Spec(SpecArgs),
    Features,
}

/// What a command line asks for.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    /// A text, and nothing to do.
    Print(String),
    Version,
    Request(Box<Globals>, Box<Request>),
}

/// Reads a command's arguments.
type Reader = fn(&clap::ArgMatches) -> Result<Request, clap::Error>;
/// The commands: name, what `--help` says, definitions, reader. Only that of the one that is asked for is built.
const COMMANDS: [(&str, &str, fn(Command) -> Command, Reader); 17] = [
    ("checkpoint", "Write the processes of a container to images, with criu", CheckpointArgs::augment_args, |m| {
        CheckpointArgs::from_arg_matches(m).map(Request::Checkpoint)
    }),
    ("create", "Create a container from a bundle", BundleArgs::augment_args, |m| {
        BundleArgs::from_arg_matches(m).map(Request::Create)
    }),
    ("delete", "Delete a container that has ended", DeleteArgs::augment_args, |m| {
        DeleteArgs::from_arg_matches(m).map(Request::Delete)
    }),
    ("events", "Show what a container uses, and when it lacks memory", EventsArgs::augment_args, |m| {
        EventsArgs::from_arg_matches(m).map(Request::Events)
    }),
    ("exec", "Execute another command in a container", ExecArgs::augment_args, |m| {
        ExecArgs::from_arg_matches(m).map(Request::Exec)
    }),
    ("features", "Show what this runtime can do", |command| command, |_| Ok(Request::Features)),
    ("kill", "Send a signal to a container", KillArgs::augment_args, |m| {
        KillArgs::from_arg_matches(m).map(Request::Kill)
    }),
    ("list", "List containers", ListArgs::augment_args, |m| ListArgs::from_arg_matches(m).map(Request::List)),
    ("pause", "Stop all processes of a container", Target::augment_args, |m| {
        Target::from_arg_matches(m).map(Request::Pause)
    }),
    ("ps", "List the processes of a container", PsArgs::augment_args, |m| PsArgs::from_arg_matches(m).map(Request::Ps)),
    ("restore", "Create a container from images of its processes", RestoreArgs::augment_args, |m| {
        RestoreArgs::from_arg_matches(m).map(Request::Restore)
    }),
    ("resume", "Let all processes of a container go on", Target::augment_args, |m| {
        Target::from_arg_matches(m).map(Request::Resume)
    }),
    ("run", "Create and start a container", RunArgs::augment_args, |m| RunArgs::from_arg_matches(m).map(Request::Run)),
    ("spec", "Write a config.json to begin with", SpecArgs::augment_args, |m| {
        SpecArgs::from_arg_matches(m).map(Request::Spec)
    }),
    ("start", "Start the command of a created container", Target::augment_args, |m| {
        Target::from_arg_matches(m).map(Request::Start)
    }),
    ("state", "Show the state of a container", Target::augment_args, |m| {
        Target::from_arg_matches(m).map(Request::State)
    }),
    ("update", "Change the limits of a container", UpdateArgs::augment_args, |m| {
        UpdateArgs::from_arg_matches(m).map(Request::Update)
    }),
];

/// Reads a command line; `name` is how this program was called, `words` what follows.
pub(crate) fn parse(name: &str, words: &[OsString]) -> Result<Parsed> {
    if words.iter().any(|word| word == "--version" || word == "-v") && !words.iter().any(is_command) {
        return Ok(Parsed::Version);
    }
    let matches = match definition(name).try_get_matches_from_mut(words) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), Clap::DisplayHelp | Clap::DisplayHelpOnMissingArgumentOrSubcommand) => {
            return Ok(Parsed::Print(error.to_string()));
        }
        Err(error) => bail!(usage(&error)),
    };
    let globals = Globals::from_arg_matches(&matches).map_err(|error| usage(&error))?;
    let Some((name, inner)) = matches.subcommand() else { bail!(Error::invalid("no command")) };
    let Some((.., read)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
        bail!(Error::invalid(format!("unknown command {name}")));
    };
    let request = read(inner).map_err(|error| usage(&error))?;
    Ok(Parsed::Request(Box::new(globals), Box::new(request)))
}

/// The whole command line of the program that was called as `name`.
pub(crate) fn definition(name: &str) -> Command {
    let root = Command::new("oci")
        .bin_name(name.to_owned())
        .no_binary_name(true)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true);
    let root = Globals::augment_args(root).arg(
        clap::Arg::new("version").short('v').long("version").action(clap::ArgAction::SetTrue).help("Show the version"),
    );
    let commands = COMMANDS.map(|(name, about, define, _)| Command::new(name).about(about).defer(define));
    // The definition of the options brings a description of its own.
    root.about("Run containers from OCI bundles").long_about(None).subcommands(commands)
}

fn is_command(word: &OsString) -> bool {
    COMMANDS.iter().any(|(name, ..)| word == name)
}

/// The first lines of the parser's error, without the word `error:` that others put before it.
fn usage(error: &clap::Error) -> Error {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    Error::invalid(text.split("\n\nUsage").next().unwrap_or(text).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Globals, Request)> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match parse("runc", &words)? {
            Parsed::Request(globals, request) => Ok((*globals, *request)),
            other => bail!("{other:?}"),
        }
    }

    #[test]
    fn options_stand_before_and_after_the_container() {
        for line in ["--root /r create --bundle /b --pid-file /p c1", "--root=/r create c1 -b /b --pid-file=/p"] {
            let (globals, request) = parsed(line).unwrap();
            assert_eq!(globals.root.as_deref(), Some(std::path::Path::new("/r")));
            let Request::Create(args) = request else { panic!("{request:?}") };
            assert_eq!((args.id.as_str(), args.bundle.to_str(), args.pid_file.is_some()), ("c1", Some("/b"), true));
        }
        for line in ["kill c1 9 --all", "kill --all c1 9", "kill -a c1 9"] {
            let (_, Request::Kill(args)) = parsed(line).unwrap() else { panic!("{line}") };
            assert_eq!((args.id.as_str(), args.signal.as_str(), args.all), ("c1", "9", true));
        }
        let (_, Request::Delete(args)) = parsed("delete c1 -f").unwrap() else { panic!() };
        assert!(args.force);
    }

    #[test]
    fn what_follows_the_command_of_exec_is_its_own() {
        let (_, Request::Exec(args)) = parsed("exec -t --cwd /x c1 ls -l --cwd /y").unwrap() else { panic!() };
        assert_eq!(args.command, ["ls", "-l", "--cwd", "/y"]);
        assert!(args.tty && args.cwd.as_deref() == Some(std::path::Path::new("/x")));
        let (_, Request::Exec(args)) = parsed("exec --process /p --pid-file /q -d c1").unwrap() else { panic!() };
        assert!(args.process.is_some() && args.detach && args.command.is_empty());
    }

    #[test]
    fn flags_of_both_runtimes_are_known() {
        let line =
            "--debug --log /l --log-format json --systemd-cgroup --cgroup-manager=systemd --rootless=auto state c";
        let (globals, _) = parsed(line).unwrap();
        assert!(globals.debug && globals.systemd_cgroup && globals.log_format == "json");
        assert!(parsed("update --memory -1 --pids-limit -1 --cpu-quota=-1 c").is_ok());
        assert!(parsed("update -r - c").is_ok());
        for bad in ["frob x", "create", "kill", "create --no-such c"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_command_has_help_and_the_table_is_sorted() {
        assert!(COMMANDS.is_sorted_by_key(|(name, ..)| *name));
        for (name, ..) in COMMANDS {
            let words = [OsString::from(name), OsString::from("--help")];
            let Parsed::Print(text) = parse("runc", &words).unwrap() else { panic!("{name}") };
            assert!(text.contains("Usage: runc"), "{text}");
        }
        assert!(matches!(parse("runc", &["--version".into()]).unwrap(), Parsed::Version));
    }
}
