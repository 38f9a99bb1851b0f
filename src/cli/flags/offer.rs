//! What may come next on a command line that is being typed, from the same definitions that read it.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command};

use super::pflag::{self, Flag};
use super::tree::{Entry, Tree};

/// What a word stands for, where the definitions cannot list the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Nothing,
    Files,
    Directories,
    Containers,
    Images,
    Volumes,
    Secrets,
    Artifacts,
    /// `CONTAINER:PATH`, or a file.
    ContainersAndFiles,
}

/// What may be typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Words with a line about each.
    pub(crate) words: Vec<(String, String)>,
    pub(crate) subject: Subject,
    /// What the word that is being typed begins with before the part that is completed: `--flag=`.
    pub(crate) before: String,
}

impl Offer {
    fn of(subject: Subject) -> Self {
        Self { words: Vec::new(), subject, before: String::new() }
    }
}

/// Words that flags take whose values are free text otherwise.
const KNOWN: [(&str, &[&str]); 14] = [
    ("cgroup-manager", &["cgroupfs", "systemd"]),
    ("cgroupns", &["private", "host"]),
    ("cgroups", &["enabled", "disabled", "no-conmon", "split"]),
    ("image-volume", &["anonymous", "tmpfs", "ignore"]),
    ("ipc", &["private", "shareable", "none", "host"]),
    ("log-driver", &["k8s-file", "json-file", "none", "passthrough", "passthrough-tty"]),
    ("log-level", &["trace", "debug", "info", "warn", "error", "fatal", "panic"]),
    ("network", &["bridge", "none", "host", "private", "pasta"]),
    ("pid", &["private", "host"]),
    ("pull", &["always", "missing", "never", "newer"]),
    ("restart", &["no", "always", "on-failure", "unless-stopped"]),
    ("storage-driver", &["overlay", "btrfs", "vfs"]),
    ("userns", &["host", "keep-id", "auto", "nomap"]),
    ("uts", &["private", "host"]),
];

impl<C: 'static> Tree<C> {
    /// Says what the last of `words` (without the program's name) may become.
    pub(crate) fn offer(&self, words: &[OsString]) -> Offer {
        let Some((current, before)) = words.split_last() else { return Offer::of(Subject::Nothing) };
        let current = current.to_string_lossy();
        let Some(place) = self.place(before) else { return Offer::of(Subject::Nothing) };
        if let Some(arg) = &place.pending {
            return values(arg);
        }
        if !place.ended && current.starts_with('-') {
            if let Some((name, _)) = current.split_once('=') {
                let arg = place.flag(name.trim_start_matches('-'));
                return arg
                    .map_or(Offer::of(Subject::Nothing), |arg| Offer { before: format!("{name}="), ..values(&arg) });
            }
            return Offer { words: place.flags(), ..Offer::of(Subject::Nothing) };
        }
        match (&place.leaf, place.entries) {
            (Some(command), _) => {
                let positionals: Vec<_> = command.get_positionals().collect();
                let arg = positionals.get(place.positionals).or(positionals.last().filter(|last| takes_many(last)));
                match arg {
                    // What follows the image or the container is a command inside.
                    Some(arg) if arg.is_trailing_var_arg_set() && place.positionals > 0 => Offer::of(Subject::Nothing),
                    Some(arg) => values(arg),
                    None => Offer::of(Subject::Nothing),
                }
            }
            (None, entries) => {
                let mut words: Vec<_> =
                    entries.iter().map(|entry| (entry.name.to_owned(), entry.about.to_owned())).collect();
                words.sort();
                Offer { words, ..Offer::of(Subject::Nothing) }
            }
        }
    }

    /// Reads the global flags among the words before the one that is typed, as far as they can be read.
    pub(crate) fn globals_of(&self, words: &[OsString]) -> Option<ArgMatches> {
        let mut command = self.global_command();
        command.build();
        let given = pflag::scan(None, &command, false, words).ok()?.global;
        self.global_command().no_binary_name(true).args_override_self(true).try_get_matches_from(given).ok()
    }

    /// Walks the words that are typed already; `None` where they lead nowhere.
    fn place(&self, words: &[OsString]) -> Option<Place<C>> {
        let mut globals = self.global_command();
        globals.build();
        let mut place =
            Place { entries: self.entries, leaf: None, globals, positionals: 0, pending: None, ended: false };
        let mut path = self.name.to_owned();
        for word in words {
            let word = word.to_string_lossy();
            if place.pending.take().is_some() {
                continue;
            }
            if !place.ended && word == "--" {
                place.ended = true;
            } else if !place.ended && word.starts_with('-') && word.len() > 1 {
                place.pending = place.wanting(&word);
            } else if place.leaf.is_some() {
                place.positionals += 1;
                let trailing = |command: &Command| command.get_positionals().any(Arg::is_trailing_var_arg_set);
                place.ended |= place.leaf.as_ref().is_some_and(trailing);
            } else {
                let entry = place.entries.iter().find(|entry| entry.is(&word))?;
                path = format!("{path} {}", entry.name);
                place.entries = entry.entries;
                if entry.entries.is_empty() {
                    let mut command = entry.command(&path);
                    command.build();
                    place.leaf = Some(command);
                }
            }
        }
        Some(place)
    }
}

/// Where the words lead.
struct Place<C: 'static> {
    entries: &'static [Entry<C>],
    /// The command, once its name is typed.
    leaf: Option<Command>,
    globals: Command,
    positionals: usize,
    /// The flag whose value comes next.
    pending: Option<Arg>,
    /// No flags any more.
    ended: bool,
}

impl<C> Place<C> {
    fn arguments(&self) -> impl Iterator<Item = &Arg> {
        self.leaf.iter().chain([&self.globals]).flat_map(Command::get_arguments).filter(|arg| !arg.is_positional())
    }

    /// The flag called `name`.
    fn flag(&self, name: &str) -> Option<Arg> {
        let called = |arg: &&Arg| Flag::of(arg).is_some_and(|flag| flag.longs.iter().any(|long| long == name));
        self.arguments().find(called).cloned()
    }

    /// The flag of `word` whose value is the next word.
    fn wanting(&self, word: &str) -> Option<Arg> {
        let wants = |arg: &Arg| Flag::of(arg).is_some_and(|flag| flag.bare.is_none());
        if let Some(name) = word.strip_prefix("--") {
            return self.flag(name).filter(wants);
        }
        let letters: Vec<char> = word.chars().skip(1).collect();
        for (index, letter) in letters.iter().enumerate() {
            let called = |arg: &&Arg| Flag::of(arg).is_some_and(|flag| flag.shorts.contains(letter));
            let arg = self.arguments().find(called)?;
            if wants(arg) {
                // What follows in the same word is the value.
                return (index + 1 == letters.len()).then(|| arg.clone());
            }
        }
        None
    }

    fn flags(&self) -> Vec<(String, String)> {
        let shown = self.arguments().filter(|arg| !arg.is_hide_set());
        let about = |arg: &Arg| arg.get_help().map(|help| help.to_string()).unwrap_or_default();
        let mut words: Vec<_> = shown.filter_map(|arg| Some((format!("--{}", arg.get_long()?), about(arg)))).collect();
        words.push(("--help".to_owned(), "Print this help".to_owned()));
        words.sort();
        words.dedup_by(|one, other| one.0 == other.0);
        words
    }
}

fn takes_many(arg: &Arg) -> bool {
    matches!(arg.get_action(), clap::ArgAction::Append) || arg.get_num_args().is_some_and(|n| n.max_values() > 1)
}

/// What an argument's value may be.
fn values(arg: &Arg) -> Offer {
    let listed: Vec<_> =
        arg.get_possible_values().iter().map(|value| (value.get_name().to_owned(), String::new())).collect();
    if !listed.is_empty() {
        return Offer { words: listed, ..Offer::of(Subject::Nothing) };
    }
    if let Some((_, words)) = KNOWN.iter().find(|(flag, _)| arg.get_long() == Some(flag)) {
        let words = words.iter().map(|word| ((*word).to_owned(), String::new())).collect();
        return Offer { words, ..Offer::of(Subject::Nothing) };
    }
    let name = arg.get_value_names().and_then(|names| names.first()).map(|name| name.to_string()).unwrap_or_default();
    Offer::of(match name.as_str() {
        "FILE" | "PATH" => Subject::Files,
        "DIR" => Subject::Directories,
        name if name.starts_with("CONTAINER") => Subject::Containers,
        name if name.starts_with("[CONTAINER:]") => Subject::ContainersAndFiles,
        name if name.starts_with("IMAGE") => Subject::Images,
        "VOLUME" => Subject::Volumes,
        "SECRET" => Subject::Secrets,
        "ARTIFACT" => Subject::Artifacts,
        _ => Subject::Nothing,
    })
}
