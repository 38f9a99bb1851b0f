//! The commands of the built program and their flags, read from what `--help` says.

use std::cell::RefCell;
use std::collections::HashMap;
use std::process::Command as Process;

/// One flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    pub(crate) short: Option<char>,
    /// The name, then the others that it has.
    pub(crate) longs: Vec<String>,
    /// The next word is its value.
    pub(crate) wants: bool,
    /// Words that its value may begin with or be: keys of a filter, orders, kinds of formats, listed values.
    pub(crate) values: Vec<String>,
}

/// A command that does something.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// The shortest name.
    pub(crate) path: Vec<String>,
    /// Other names of the same thing.
    also: Vec<Vec<String>>,
    pub(crate) flags: Vec<Flag>,
    /// What help says but for the name.
    text: String,
}

/// The whole program.
pub(crate) struct Tree {
    pub(crate) commands: Vec<Command>,
    pub(crate) globals: Vec<Flag>,
    /// What was asked for under names that help does not list: `container ls`.
    aliases: RefCell<HashMap<Vec<String>, Option<usize>>>,
}

impl Command {
    fn is(&self, path: &[String]) -> bool {
        self.path == path || self.also.iter().any(|also| also == path)
    }

    pub(crate) fn name(&self) -> String {
        self.path.join(" ")
    }
}

impl Tree {
    /// Asks the program for all of its help.
    pub(crate) fn read() -> Self {
        let mut tree = Self { commands: Vec::new(), globals: flags(&help(&[]).unwrap()), aliases: RefCell::default() };
        tree.below(&[]);
        tree
    }

    fn below(&mut self, path: &[String]) {
        let text = help(path).unwrap();
        let names = section(&text, "Commands:");
        if names.is_empty() {
            return self.add(path.to_vec(), &text);
        }
        for line in names {
            let name = line.split_whitespace().next().unwrap();
            // Lines about a command that go on are further in.
            if line.starts_with("  ") && !line.starts_with("   ") {
                self.below(&[path, &[name.to_owned()]].concat());
            }
        }
    }

    /// The command of this name, if it is the whole name of one.
    pub(crate) fn find(&self, path: &[String]) -> Option<&Command> {
        if let Some(known) = self.commands.iter().find(|command| command.is(path)) {
            return Some(known);
        }
        let mut aliases = self.aliases.borrow_mut();
        let at = *aliases.entry(path.to_vec()).or_insert_with(|| {
            let text = nameless(&help(path)?);
            self.commands.iter().position(|command| command.text == text)
        });
        at.map(|at| &self.commands[at])
    }

    fn add(&mut self, path: Vec<String>, help: &str) {
        // The same text about the same flags is the same command: `ps` and `container list`.
        let text = nameless(help);
        if let Some(known) = self.commands.iter_mut().find(|known| known.text == text) {
            let longer = if path.len() < known.path.len() { std::mem::replace(&mut known.path, path) } else { path };
            known.also.push(longer);
            return;
        }
        self.commands.push(Command { path, also: Vec::new(), flags: flags(help), text });
    }
}

/// What help says about a command; `None` where there is none of that name.
fn help(path: &[String]) -> Option<String> {
    let output = Process::new(env!("CARGO_BIN_EXE_dhow")).args(path).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Help without the name of the command.
fn nameless(help: &str) -> String {
    help.lines().filter(|line| !line.starts_with("Usage:")).collect()
}

/// The lines below `heading`, to the next heading. A program has several headings of commands.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let commands = heading == "Commands:";
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        let is_heading = !line.starts_with(' ') && line.ends_with(':');
        if is_heading {
            let other = line == "Options:" || line == "Arguments:";
            inside = line == heading || commands && !other && text.contains("[options] COMMAND");
        } else if inside && !line.trim().is_empty() {
            found.push(line);
        }
    }
    found
}

fn flags(text: &str) -> Vec<Flag> {
    let mut found: Vec<(Flag, String)> = Vec::new();
    for line in section(text, "Options:") {
        let words = line.trim_start();
        if line.len() - words.len() >= 10 || !words.starts_with('-') {
            let (_, about) = found.last_mut().unwrap();
            about.push_str(words);
            about.push(' ');
            continue;
        }
        let mut flag = Flag {
            short: None,
            longs: Vec::new(),
            wants: words.contains('<') && !words.contains("[=<"),
            values: Vec::new(),
        };
        for name in words.split([' ', ',', '=', '[']).filter(|word| word.starts_with('-')) {
            match name.strip_prefix("--") {
                Some(long) => flag.longs.push(long.to_owned()),
                None => flag.short = name.chars().nth(1),
            }
        }
        found.push((flag, String::new()));
    }
    let with_values = found.into_iter().map(|(mut flag, about)| {
        let listed = |from: &str, to: &str| -> Vec<String> {
            let Some((_, list)) = about.split_once(from) else { return Vec::new() };
            list.split(to).next().unwrap().split(", ").map(|word| word.trim().to_owned()).collect()
        };
        flag.longs.extend(listed("[aliases: ", "]").iter().map(|name| name.trim_start_matches('-').to_owned()));
        flag.values = match flag.longs[0].as_str() {
            "filter" | "sort" => listed(": ", "[").into_iter().flat_map(|words| word_list(&words)).collect(),
            "format" if about.contains("emplate") => vec!["{{".to_owned()],
            _ => listed("[possible values: ", "]"),
        };
        if flag.longs[0] == "format" {
            flag.values.extend(["json", "table"].into_iter().filter(|kind| about.contains(kind)).map(str::to_owned));
        }
        // `--flag` alone is true.
        if flag.values == ["true", "false"] {
            flag.wants = false;
            flag.values.clear();
        }
        flag
    });
    with_values.filter(|flag| flag.longs[0] != "help").collect()
}

/// The word at the beginning of `text`; further sentences are no keys.
fn word_list(text: &str) -> Option<String> {
    let word = text.split([' ', '.', ';', '=', '!']).next().unwrap();
    let named = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    named.then(|| word.to_owned())
}

#[test]
fn help_is_read() {
    let text = "List\n\nUsage: dhow ps\n\nOptions:\n  -a, --all\n          All\n\n  -f, --filter <FILTER>\n          Choose: id, label,\n          name\n\n      --format <FORMAT>\n          json, or a Go template\n\n      --sig <SIG>\n          Pass\n\n          [possible values: true, false]\n\n  -h, --help\n          Print\n";
    let read: Vec<String> = flags(text)
        .iter()
        .map(|f| format!("{:?} {} {} {}", f.short, f.longs.join(","), f.wants, f.values.join(",")))
        .collect();
    assert_eq!(
        read,
        ["Some('a') all false ", "Some('f') filter true id,label,name", "None format true {{,json", "None sig false "]
    );
}
