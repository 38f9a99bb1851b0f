//! The tree of commands: names, one line about each, and how to run it. A static table; nothing is built before it is
//! asked for.

use std::any::TypeId;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Args, Command};

use super::pflag::{self, Scanned};
use super::usage::{UsageError, distance};

/// What a command does with its arguments, in a context `C`; returns the exit code.
pub(crate) trait Run<C>: Args {
    fn run(self, context: &C) -> anyhow::Result<u8>;
}

/// One command or noun.
pub(crate) struct Entry<C: 'static> {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) about: &'static str,
    pub(crate) entries: &'static [Entry<C>],
    /// What follows the options, where the arguments alone do not tell.
    words: Option<&'static str>,
    augment: fn(Command) -> Command,
    run: Option<fn(&ArgMatches, &C) -> anyhow::Result<u8>>,
}

impl<C> Clone for Entry<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Entry<C> {}

impl<C: 'static> Entry<C> {
    /// Declares a command.
    pub(crate) const fn leaf<A: Run<C>>(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            about,
            entries: &[],
            words: None,
            augment: A::augment_args,
            run: Some(run_args::<A, C>),
        }
    }

    /// Declares a noun with its commands.
    pub(crate) const fn noun(name: &'static str, about: &'static str, entries: &'static [Self]) -> Self {
        Self { name, aliases: &[], about, entries, words: None, augment: unchanged, run: None }
    }

    /// Adds other names.
    pub(crate) const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Says what follows the options: `IMAGE [COMMAND [ARG...]]`.
    pub(crate) const fn words(mut self, words: &'static str) -> Self {
        self.words = Some(words);
        self
    }

    /// Runs the command with what [`Tree::parse`] found.
    pub(crate) fn run(&self, matches: &ArgMatches, context: &C) -> anyhow::Result<u8> {
        match self.run {
            Some(run) => run(matches, context),
            None => Err(UsageError::new(format!("missing command '{} COMMAND'", self.name)).into()),
        }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// Builds clap's definition of this command under the full name `path`.
    pub(super) fn command(&self, path: &str) -> Command {
        let command = (self.augment)(Command::new(self.name).about(self.about));
        let words = self.words.map_or_else(|| words(&command), |words| format!(" {words}"));
        let below = if self.entries.is_empty() { words.as_str() } else { " COMMAND" };
        let usage = format!("{path} [options]{below}");
        command
            .override_usage(usage)
            .bin_name(path)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .disable_help_subcommand(true)
    }

    /// Builds the definition with everything below it, for manual pages.
    #[cfg(test)]
    fn whole(&self, path: &str) -> Command {
        let path = format!("{path} {}", self.name);
        let below = self.entries.iter().map(|e| e.whole(&path));
        with_help(self.command(&path)).visible_aliases(self.aliases).subcommands(below)
    }
}

fn unchanged(command: Command) -> Command {
    command
}

fn run_args<A: Run<C>, C>(matches: &ArgMatches, context: &C) -> anyhow::Result<u8> {
    A::from_arg_matches(matches).map_err(|e| UsageError::new(line_of(&e)))?.run(context)
}

/// What follows the options, in the field's words: `CONTAINER [CONTAINER...]`.
fn words(command: &Command) -> String {
    let word = |arg: &Arg| {
        let name = arg.get_value_names().and_then(|names| names.first()).map_or("ARG", |name| name.as_str()).to_owned();
        let many = matches!(arg.get_action(), ArgAction::Append);
        match (arg.is_required_set(), many) {
            _ if name.contains(' ') => format!(" {name}"),
            (true, true) => format!(" {name} [{name}...]"),
            (true, false) => format!(" {name}"),
            (false, true) => format!(" [{name}...]"),
            (false, false) => format!(" [{name}]"),
        }
    };
    command.get_positionals().map(word).collect()
}

/// Adds `--help` for people to see; the scan finds it before clap.
fn with_help(command: Command) -> Command {
    // What can be switched off is a switch all the same.
    let command = command.mut_args(|arg| {
        let values: Vec<_> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        match values == ["true", "false"] && arg.get_action().takes_values() {
            true => arg.value_name("false").num_args(0..=1).require_equals(true).hide_possible_values(true),
            false => arg,
        }
    });
    let taken = command.get_arguments().any(|a| a.get_short() == Some('h'));
    let help = Arg::new("help").long("help").action(ArgAction::Help).help("Print this help");
    command.arg(if taken { help } else { help.short('h') })
}

/// The whole command line.
pub(crate) struct Tree<C: 'static> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// `GlobalArgs::augment_args`: flags that are understood everywhere.
    pub(crate) globals: fn(Command) -> Command,
    pub(crate) entries: &'static [Entry<C>],
    /// The same in groups with a heading, for the help of the whole program.
    pub(crate) groups: &'static [(&'static str, &'static [Entry<C>])],
    /// The last words of that help.
    pub(crate) after: &'static str,
    /// The last words of the help of a command, by its own.
    pub(crate) examples: fn(&str) -> String,
    /// Commands that people expect and that are not there, and what they can do instead.
    pub(crate) absent: &'static [(&'static [&'static str], &'static str)],
}

/// What the arguments ask for.
pub(crate) enum Parsed<C: 'static> {
    /// A command: its entry, the global and its own arguments.
    Run { entry: &'static Entry<C>, globals: ArgMatches, matches: ArgMatches },
    /// Help was asked for: print this.
    Help(String),
    /// No command, only global flags such as `--version`: the caller decides, else it is [`Tree::missing`].
    Bare { globals: ArgMatches },
}

impl<C: 'static> Tree<C> {
    /// Reads the arguments (without the program's name).
    pub(crate) fn parse(&self, args: &[OsString]) -> Result<Parsed<C>, UsageError> {
        let mut globals = self.global_command();
        globals.build();
        let mut path = self.name.to_owned();
        let mut entries = self.entries;
        let mut global_words = Vec::new();
        let mut rest = args.to_vec();
        let mut current: Option<&'static Entry<C>> = None;
        loop {
            let scanned = pflag::scan(None, &globals, false, &rest).map_err(|e| e.see(&path))?;
            global_words.extend(scanned.global);
            let words = scanned.positionals;
            if scanned.help {
                return Ok(Parsed::Help(self.help(current, &path)));
            }
            let Some(name) = words.first().map(|w| w.to_string_lossy().into_owned()) else {
                if current.is_none() {
                    return Ok(Parsed::Bare { globals: matches_of(globals, &path, global_words, vec![])? });
                }
                return Err(self.missing(&path));
            };
            if current.is_none() && name == "help" {
                return self.help_of(&words[1..]).map(Parsed::Help);
            }
            let Some(entry) = entries.iter().find(|e| e.is(&name)) else {
                return Err(self.unrecognized(entries, &path, &name));
            };
            path = format!("{path} {}", entry.name);
            rest = words[1..].to_vec();
            if entry.run.is_some() {
                return self.leaf(entry, path, globals, global_words, &rest);
            }
            entries = entry.entries;
            current = Some(entry);
        }
    }

    fn leaf(
        &self,
        entry: &'static Entry<C>,
        path: String,
        globals: Command,
        mut global_words: Vec<OsString>,
        rest: &[OsString],
    ) -> Result<Parsed<C>, UsageError> {
        let mut command = entry.command(&path);
        command.build();
        // As podman has it, the short forms of flags that choose a machine belong before the command.
        let after = globals.mut_args(|arg| if arg.is_hide_set() { arg.short(None) } else { arg });
        let interspersed = !command.get_positionals().any(Arg::is_trailing_var_arg_set);
        let Scanned { local, global, positionals, help } =
            pflag::scan(Some(&command), &after, interspersed, rest).map_err(|e| e.see(&path))?;
        if help {
            return Ok(Parsed::Help(self.help(Some(entry), &path)));
        }
        global_words.extend(global);
        check_count(&command, &path, positionals.len())?;
        // The scan has split the lists; clap must not do it again.
        let command = entry.command(&path).mut_args(|a| a.value_delimiter(None::<char>));
        let matches = matches_of(command, &path, local, positionals)?;
        let globals = matches_of(self.global_command(), &path, global_words, vec![])?;
        Ok(Parsed::Run { entry, globals, matches })
    }

    pub(super) fn global_command(&self) -> Command {
        // Afterwards: the definition of the flags brings a description of its own, which is not the program's.
        let command = (self.globals)(Command::new(self.name)).about(self.about).long_about(None).after_help(self.after);
        command.disable_help_flag(true).disable_version_flag(true).disable_help_subcommand(true)
    }

    /// Returns the error for a noun without a command.
    pub(crate) fn missing(&self, path: &str) -> UsageError {
        UsageError::new(format!("missing command '{path} COMMAND'"))
            .trailer(format!("Try '{path} --help' for more information"))
    }

    fn unrecognized(&self, entries: &[Entry<C>], path: &str, name: &str) -> UsageError {
        let error = UsageError::new(format!("unrecognized command `{path} {name}`"));
        let words = format!("{path} {name}").replacen(&format!("{} ", self.name), "", 1);
        if let Some((_, instead)) = self.absent.iter().find(|(names, _)| names.contains(&words.as_str())) {
            return error.trailer(format!("hint: {instead}"));
        }
        let lower = name.to_lowercase();
        let near = |e: &&Entry<C>| distance(&lower, e.name) <= 2 || e.name.starts_with(&lower);
        let names: Vec<_> = entries.iter().filter(near).map(|e| format!("\t{}\n", e.name)).collect();
        let hint = if names.is_empty() { String::new() } else { format!("\nDid you mean this?\n{}\n", names.concat()) };
        error.trailer(format!("{hint}Try '{path} --help' for more information"))
    }

    fn help_of(&self, words: &[OsString]) -> Result<String, UsageError> {
        let mut path = self.name.to_owned();
        let (mut entries, mut current) = (self.entries, None);
        for word in words {
            let name = word.to_string_lossy();
            let entry = entries.iter().find(|e| e.is(&name)).ok_or_else(|| self.unrecognized(entries, &path, &name))?;
            path = format!("{path} {}", entry.name);
            (entries, current) = (entry.entries, Some(entry));
        }
        Ok(self.help(current, &path))
    }

    /// Returns the help of `entry`, or of the whole program.
    pub(crate) fn help(&self, entry: Option<&Entry<C>>, path: &str) -> String {
        let (command, entries) = match entry {
            Some(entry) => (entry.command(path), entry.entries),
            None => (self.global_command(), self.entries),
        };
        let mut below: Vec<_> = entries.iter().collect();
        below.sort_by_key(|e| e.name);
        let below = below.into_iter().map(|e| Command::new(e.name).about(e.about));
        let groups = if entry.is_none() { self.grouped() } else { String::new() };
        let mut command = with_help(command);
        if groups.is_empty() {
            command = command.subcommands(below);
        }
        let template =
            format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{{all-args}}{{after-help}}");
        let mut command = command.help_template(template);
        if entry.is_some() {
            command = command.after_help((self.examples)(path.split_once(' ').map_or("", |(_, words)| words)));
        }
        if entry.is_none() {
            command = command.override_usage(format!("{path} [options] COMMAND"));
        }
        command.render_long_help().to_string()
    }

    /// The commands under the headings of their groups, sorted by name.
    fn grouped(&self) -> String {
        let width = self.entries.iter().map(|e| e.name.len()).max().unwrap_or_default();
        let mut text = String::new();
        let mut headings: Vec<&str> = Vec::new();
        for (heading, _) in self.groups.iter().filter(|(_, entries)| !entries.is_empty()) {
            if headings.contains(heading) {
                continue;
            }
            headings.push(heading);
            let mut below: Vec<_> =
                self.groups.iter().filter(|(other, _)| other == heading).flat_map(|(_, entries)| *entries).collect();
            below.sort_by_key(|e| e.name);
            text.push_str(&format!("{heading}:\n"));
            for entry in below {
                text.push_str(&format!("  {:width$}  {}\n", entry.name, entry.about));
            }
            text.push('\n');
        }
        text
    }

    /// Builds the whole definition, for manual pages.
    #[cfg(test)]
    pub(crate) fn command(&self) -> Command {
        let mut below: Vec<_> = self.entries.iter().collect();
        below.sort_by_key(|e| e.name);
        let below = below.into_iter().map(|e| e.whole(self.name));
        with_help(self.global_command()).subcommands(below)
    }
}

/// Checks the number of positionals with cobra's words.
fn check_count(command: &Command, path: &str, given: usize) -> Result<(), UsageError> {
    let (mut least, mut most) = (0, Some(0));
    for arg in command.get_positionals() {
        let range = arg.get_num_args().unwrap_or_else(|| 1.into());
        if arg.is_required_set() {
            least += range.min_values().max(1);
        }
        let many = range.max_values() == usize::MAX;
        most = if many { None } else { most.map(|most: usize| most + range.max_values()) };
    }
    let message = match most {
        Some(0) if given > 0 => format!("`{path}` takes no arguments"),
        Some(most) if most == least && given != least => format!("accepts {least} arg(s), received {given}"),
        Some(most) if given < least => format!("accepts between {least} and {most} arg(s), received {given}"),
        Some(most) if given > most && least == 0 => format!("accepts at most {most} arg(s), received {given}"),
        Some(most) if given > most => format!("accepts between {least} and {most} arg(s), received {given}"),
        _ if given < least => format!("requires at least {least} arg(s), only received {given}"),
        _ => return Ok(()),
    };
    Err(UsageError::new(message))
}

fn matches_of(
    command: Command,
    path: &str,
    flags: Vec<OsString>,
    positionals: Vec<OsString>,
) -> Result<ArgMatches, UsageError> {
    // Global flags may be given on both sides of the name.
    let command = command.no_binary_name(true).args_override_self(true);
    let titles: Vec<_> = command
        .get_arguments()
        .filter_map(|a| Some((a.get_long()?.to_owned(), pflag::title(a.get_short(), a.get_long()), reader(a))))
        .collect();
    let words = flags.into_iter().chain(std::iter::once("--".into())).chain(positionals);
    command.try_get_matches_from(words).map_err(|error| {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
            _ => None,
        };
        let (Some(arg), Some(value)) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue)) else {
            return UsageError::new(line_of(&error)).see(path);
        };
        let long = arg.strip_prefix("--").and_then(|a| a.split([' ', '=', '[']).next()).unwrap_or_default();
        let flag = titles.iter().find(|(l, ..)| l == long);
        let title = flag.map_or(arg.as_str(), |(_, title, _)| title);
        let why = match (error.kind(), text(ContextKind::ValidValue), std::error::Error::source(&error)) {
            (ErrorKind::InvalidValue, Some(valid), _) => format!("must be one of {valid}"),
            (_, _, Some(source)) => {
                let (reader, why) = (flag.and_then(|(.., reader)| *reader), source.to_string());
                match reader.zip(of_number(&why)) {
                    Some((reader, why)) => format!("{reader}: parsing {value:?}: {why}"),
                    None => why,
                }
            }
            _ => line_of(&error),
        };
        if arg.starts_with('<') {
            return UsageError::new(format!("invalid argument {value:?} for {path:?}"));
        }
        pflag::invalid(&value, title, &why).see(path)
    })
}

/// The function of Go that reads an argument which is a number and nothing else.
fn reader(arg: &Arg) -> Option<&'static str> {
    let of = arg.get_value_parser().type_id();
    if of == TypeId::of::<f64>() {
        Some("strconv.ParseFloat")
    } else if of == TypeId::of::<i64>() || of == TypeId::of::<i32>() {
        Some("strconv.ParseInt")
    } else if of == TypeId::of::<u64>() || of == TypeId::of::<u32>() || of == TypeId::of::<u16>() {
        Some("strconv.ParseUint")
    } else {
        None
    }
}

/// What Go says where a number cannot be read and Rust or clap says `why`.
fn of_number(why: &str) -> Option<&'static str> {
    match why {
        "invalid digit found in string" | "invalid float literal" => Some("invalid syntax"),
        "cannot parse integer from empty string" | "cannot parse float from empty string" => Some("invalid syntax"),
        why if why.contains(" is not in ") || why.starts_with("number too ") => Some("value out of range"),
        _ => None,
    }
}

/// Returns what clap says, as one line without its decoration.
fn line_of(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let line = lines.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use clap::FromArgMatches;

    use super::*;

    type Log = RefCell<String>;

    #[derive(Args)]
    struct GlobalArgs {
        /// Where the data is
        #[arg(long, value_name = "DIR")]
        root: Option<String>,
        /// Print the version
        #[arg(short = 'v', long)]
        version: bool,
    }

    /// Run a command in a new container
    #[derive(Args)]
    struct RunArgs {
        /// Keep stdin open
        #[arg(short, long)]
        interactive: bool,
        /// Allocate a terminal
        #[arg(short, long)]
        tty: bool,
        /// The name inside
        #[arg(short = 'h', long)]
        hostname: Option<String>,
        /// Environment
        #[arg(short, long)]
        env: Vec<String>,
        /// Capabilities
        #[arg(long, value_delimiter = ',')]
        cap_add: Vec<String>,
        /// Require HTTPS
        #[arg(long)]
        tls_verify: Option<bool>,
        /// Memory limit
        #[arg(short, long, value_parser = crate::model::size::parse_ram)]
        memory: Option<u64>,
        #[arg(long, value_parser = ["always", "missing"])]
        pull: Option<String>,
        #[arg(required = true)]
        image: String,
        #[arg(trailing_var_arg = true)]
        command: Vec<String>,
    }

    impl Run<Log> for RunArgs {
        fn run(self, log: &Log) -> anyhow::Result<u8> {
            *log.borrow_mut() = format!(
                "i={} t={} h={:?} e={:?} c={:?} tls={:?} m={:?} p={:?} {} {:?}",
                self.interactive,
                self.tty,
                self.hostname,
                self.env,
                self.cap_add,
                self.tls_verify,
                self.memory,
                self.pull,
                self.image,
                self.command
            );
            Ok(7)
        }
    }

    /// List volumes
    #[derive(Args)]
    struct LsArgs {
        /// Only names
        #[arg(short, long)]
        quiet: bool,
    }

    impl Run<Log> for LsArgs {
        fn run(self, log: &Log) -> anyhow::Result<u8> {
            *log.borrow_mut() = format!("q={}", self.quiet);
            Ok(0)
        }
    }

    const TREE: Tree<Log> = Tree {
        name: "dhow",
        about: "Manage containers",
        globals: GlobalArgs::augment_args,
        entries: &[
            Entry::leaf::<RunArgs>("run", "Run a command in a new container"),
            Entry::noun("volume", "Manage volumes", &[Entry::leaf::<LsArgs>("ls", "List volumes").aliases(&["list"])]),
        ],
        groups: &[],
        after: "",
        examples: |_| String::new(),
        absent: &[(&["volume lock"], "there are no locks")],
    };

    fn go(args: &[&str]) -> String {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        match TREE.parse(&args) {
            Ok(Parsed::Run { entry, globals, matches }) => {
                let log = Log::default();
                let code = entry.run(&matches, &log).unwrap();
                let globals = GlobalArgs::from_arg_matches(&globals).unwrap();
                format!("{}: {code} {} root={:?}", entry.name, log.into_inner(), globals.root)
            }
            Ok(Parsed::Help(text)) => text,
            Ok(Parsed::Bare { globals }) => {
                format!("bare {}", GlobalArgs::from_arg_matches(&globals).unwrap().version)
            }
            Err(error) => format!("{error}\n{}", error.below().unwrap_or("-")),
        }
    }

    #[test]
    fn a_command_gets_its_arguments() {
        assert_eq!(
            go(&[
                "--root",
                "/a",
                "run",
                "-it",
                "--root=/b",
                "-h",
                "h",
                "-eA=1",
                "-e",
                "-x",
                "--cap-add",
                "a,\"b,c\"",
                "--tls-verify=0",
                "-m1g",
                "--tty=false",
                "img",
                "-it",
                "--",
                "--foo"
            ]),
            "run: 7 i=true t=false h=Some(\"h\") e=[\"A=1\", \"-x\"] c=[\"a\", \"b,c\"] tls=Some(false) \
             m=Some(1073741824) p=None img [\"-it\", \"--\", \"--foo\"] root=Some(\"/b\")"
        );
        assert_eq!(go(&["volume", "list", "-q"]), "ls: 0 q=true root=None");
        assert_eq!(go(&["-v"]), "bare true");
    }

    #[test]
    fn wrong_command_lines_are_explained() {
        for (args, want) in [
            (&["run", "--foo"][..], "unknown flag: --foo\nSee 'dhow run --help'"),
            (&["--foo"], "unknown flag: --foo\nSee 'dhow --help'"),
            (&["run", "--hostnam", "x"], "unknown flag: --hostnam\nDid you mean --hostname?\nSee 'dhow run --help'"),
            (&["volume", "ls", "-x"], "unknown shorthand flag: 'x' in -x\nSee 'dhow volume ls --help'"),
            (&["volume"], "missing command 'dhow volume COMMAND'\nTry 'dhow volume --help' for more information"),
            (&["volume", "ls", "x"], "`dhow volume ls` takes no arguments\n-"),
            (&["run"], "requires at least 1 arg(s), only received 0\n-"),
            (
                &["rum"],
                "unrecognized command `dhow rum`\n\nDid you mean this?\n\trun\n\nTry 'dhow --help' for more information",
            ),
            (
                &["volume", "foo"],
                "unrecognized command `dhow volume foo`\nTry 'dhow volume --help' for more information",
            ),
            (&["volume", "lock", "x"], "unrecognized command `dhow volume lock`\nhint: there are no locks"),
            (
                &["run", "-m", "x", "i"],
                "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'\nSee 'dhow run --help'",
            ),
            (
                &["run", "--pull", "x", "i"],
                "invalid argument \"x\" for \"--pull\" flag: must be one of always, missing\nSee 'dhow run --help'",
            ),
        ] {
            assert_eq!(go(args), want, "{args:?}");
        }
    }

    #[test]
    fn help_shows_flags_and_commands() {
        let text = go(&["run", "--help"]);
        assert!(text.starts_with("Run a command in a new container\n\nUsage: dhow run"), "{text}");
        assert!(text.contains("--cap-add"), "{text}");
        let text = go(&["--help"]);
        assert!(text.contains("volume") && text.contains("--root"), "{text}");
        assert_eq!(go(&["help", "volume", "ls"]), go(&["volume", "ls", "-h"]));
        let whole = TREE.command();
        assert!(whole.find_subcommand("volume").and_then(|v| v.find_subcommand("ls")).is_some());
        whole.debug_assert();
    }
}
