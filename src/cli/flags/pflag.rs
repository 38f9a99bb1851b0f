//! Reads arguments as pflag does, by clap's definitions, and writes the one form that clap cannot misread.
//!
//! clap differs from pflag in what scripts rely on: a bool with `=false`, a scalar given twice, a value that begins
//! with `-`, where options end, and every word of every error. So the scan is ours; clap gets `--long=value` for each
//! value, then `--` and the positionals.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, ArgAction, Command};

use super::usage::{UsageError, distance};

/// What a flag does with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A switch of clap (`SetTrue`): present or absent.
    Switch,
    /// A bool that may be unset: its value is `true` or `false`.
    Bool,
    /// Counts its occurrences.
    Count,
    /// The last value wins.
    Scalar,
    /// Every occurrence is a value.
    Array,
    /// Every occurrence is a line of CSV.
    Slice,
}

/// One flag with the values that were given.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) longs: Vec<String>,
    pub(super) shorts: Vec<char>,
    kind: Kind,
    /// The value of a bare `--flag`, where it may stand bare.
    pub(super) bare: Option<OsString>,
    values: Vec<OsString>,
}

impl Flag {
    pub(super) fn of(arg: &Arg) -> Option<Self> {
        if arg.is_positional() {
            return None;
        }
        let boolean = arg.get_value_parser().type_id() == TypeId::of::<bool>();
        let kind = match arg.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => Kind::Switch,
            ArgAction::Count => Kind::Count,
            ArgAction::Append if arg.get_value_delimiter().is_some() => Kind::Slice,
            ArgAction::Append => Kind::Array,
            _ if boolean => Kind::Bool,
            _ => Kind::Scalar,
        };
        let bare = match kind {
            Kind::Switch | Kind::Bool => Some("true".into()),
            Kind::Count => Some("+1".into()),
            _ if arg.get_num_args().is_some_and(|n| n.min_values() == 0) => Some(OsString::new()),
            _ => None,
        };
        let longs = arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default());
        let shorts = arg.get_short().into_iter().chain(arg.get_all_short_aliases().unwrap_or_default());
        Some(Self {
            longs: longs.map(str::to_owned).collect(),
            shorts: shorts.collect(),
            kind,
            bare,
            values: Vec::new(),
        })
    }

    /// Returns the flag as pflag names it in errors: `-a, --all`.
    fn title(&self) -> String {
        title(self.shorts.first().copied(), self.longs.first().map(String::as_str))
    }

    fn set(&mut self, value: &OsStr) -> Result<(), String> {
        let text = || value.to_string_lossy();
        match self.kind {
            Kind::Switch | Kind::Bool => {
                let on = parse_bool(&text())
                    .ok_or_else(|| format!("strconv.ParseBool: parsing {:?}: invalid syntax", text()))?;
                self.values = vec![if on { "true" } else { "false" }.into()];
            }
            Kind::Count => self.values.push(OsString::new()),
            Kind::Scalar => self.values = vec![value.to_owned()],
            Kind::Array => self.values.push(value.to_owned()),
            Kind::Slice => self.values.extend(csv(value.as_bytes())?.into_iter().map(OsString::from_vec)),
        }
        Ok(())
    }

    /// Writes the canonical form.
    fn emit(&self, out: &mut Vec<OsString>) {
        let name = match (self.longs.first(), self.shorts.first()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => return,
        };
        for value in &self.values {
            match self.kind {
                Kind::Switch if value == "false" => {}
                Kind::Switch | Kind::Count => out.push(name.clone().into()),
                // A bare flag with an optional value is clap's to complete.
                Kind::Scalar | Kind::Array if value.is_empty() && self.bare.is_some() => out.push(name.clone().into()),
                _ => {
                    let mut word = OsString::from(format!("{name}="));
                    word.push(value);
                    out.push(word);
                }
            }
        }
    }
}

/// Returns `-a, --all`, `--all` or `-a`.
pub(super) fn title(short: Option<char>, long: Option<&str>) -> String {
    match (short, long) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("--{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, None) => String::new(),
    }
}

/// What a scan leaves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Canonical flags of the command itself.
    pub(super) local: Vec<OsString>,
    /// Canonical global flags.
    pub(super) global: Vec<OsString>,
    pub(super) positionals: Vec<OsString>,
    pub(super) help: bool,
}

/// Scans `args` by the flags of a built `local` command and of `global`; unless `interspersed`, options end at the
/// first positional.
pub(super) fn scan(
    local: Option<&Command>,
    global: &Command,
    interspersed: bool,
    args: &[OsString],
) -> Result<Scanned, UsageError> {
    let flags = |command: &Command| command.get_arguments().filter_map(Flag::of).collect::<Vec<_>>();
    let mut all = local.map(flags).unwrap_or_default();
    let locals = all.len();
    all.extend(flags(global));
    let mut scanner = Scanner { flags: all, rest: args, help: false };
    let mut positionals = Vec::new();
    while let Some((word, rest)) = scanner.rest.split_first() {
        scanner.rest = rest;
        match word.as_bytes() {
            b"--" => {
                // Where commands have words of their own, a `--` after the first of them is one of those.
                positionals.extend_from_slice(rest);
                break;
            }
            [b'-', b'-', name @ ..] => scanner.long(name)?,
            [b'-', cluster @ ..] if !cluster.is_empty() => scanner.short(cluster)?,
            _ => {
                positionals.push(word.clone());
                if !interspersed {
                    positionals.extend_from_slice(rest);
                    break;
                }
            }
        }
    }
    let mut scanned = Scanned { positionals, help: scanner.help, ..Scanned::default() };
    for (index, flag) in scanner.flags.iter().enumerate() {
        flag.emit(if index < locals { &mut scanned.local } else { &mut scanned.global });
    }
    Ok(scanned)
}

struct Scanner<'a> {
    flags: Vec<Flag>,
    rest: &'a [OsString],
    help: bool,
}

impl Scanner<'_> {
    fn next_value(&mut self) -> Option<OsString> {
        let (value, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(value.clone())
    }

    fn long(&mut self, body: &[u8]) -> Result<(), UsageError> {
        let whole = || String::from_utf8_lossy(body).into_owned();
        if matches!(body.first(), None | Some(b'-' | b'=')) {
            return Err(UsageError::new(format!("bad flag syntax: --{}", whole())));
        }
        let (name, attached) = match body.iter().position(|&b| b == b'=') {
            Some(at) => (&body[..at], Some(OsStr::from_bytes(&body[at + 1..]).to_owned())),
            None => (body, None),
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let Some(index) = self.flags.iter().position(|f| f.longs.contains(&name)) else {
            if name == "help" {
                self.help = attached.is_none_or(|v| parse_bool(&v.to_string_lossy()).unwrap_or(true));
                return Ok(());
            }
            let longs = self.flags.iter().flat_map(|flag| &flag.longs);
            let near = longs
                .filter(|long| distance(&name, long) <= 2.min(name.len() / 3))
                .min_by_key(|long| distance(&name, long));
            let error = UsageError::new(format!("unknown flag: --{name}"));
            return Err(match near {
                Some(near) => error.trailer(format!("Did you mean --{near}?")),
                None => error,
            });
        };
        let value = match attached.or_else(|| self.flags[index].bare.clone()) {
            Some(value) => value,
            None => {
                self.next_value().ok_or_else(|| UsageError::new(format!("flag needs an argument: --{}", whole())))?
            }
        };
        self.set(index, &value)
    }

    fn short(&mut self, cluster: &[u8]) -> Result<(), UsageError> {
        let mut cluster = cluster;
        while !cluster.is_empty() {
            let text = String::from_utf8_lossy(cluster).into_owned();
            let Some(letter) = text.chars().next() else { break };
            // An invalid byte reads as one replacement character and is one byte long.
            let width = if letter == char::REPLACEMENT_CHARACTER { 1 } else { letter.len_utf8() };
            let rest = cluster.get(width..).unwrap_or_default();
            let Some(index) = self.flags.iter().position(|f| f.shorts.contains(&letter)) else {
                if letter == 'h' {
                    self.help = true;
                    return Ok(());
                }
                return Err(UsageError::new(format!("unknown shorthand flag: '{letter}' in -{text}")));
            };
            let value = match (rest, &self.flags[index].bare) {
                ([b'=', value @ ..], _) if !value.is_empty() => OsStr::from_bytes(value).to_owned(),
                (_, Some(bare)) => {
                    let bare = bare.clone();
                    self.set(index, &bare)?;
                    cluster = rest;
                    continue;
                }
                ([], None) => self
                    .next_value()
                    .ok_or_else(|| UsageError::new(format!("flag needs an argument: '{letter}' in -{text}")))?,
                (value, None) => OsStr::from_bytes(value).to_owned(),
            };
            return self.set(index, &value);
        }
        Ok(())
    }

    fn set(&mut self, index: usize, value: &OsStr) -> Result<(), UsageError> {
        let flag = &mut self.flags[index];
        flag.set(value).map_err(|why| invalid(&value.to_string_lossy(), &flag.title(), &why))
    }
}

/// Returns pflag's error for a value that its flag refuses.
pub(super) fn invalid(value: &str, title: &str, why: &str) -> UsageError {
    UsageError::new(format!("invalid argument {value:?} for {title:?} flag: {why}"))
}

/// Reads a bool as Go's `strconv.ParseBool` does.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Splits one line of CSV as Go's `encoding/csv` does: a quoted field may hold commas, and `""` is a quote.
fn csv(line: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut fields = Vec::new();
    if line.is_empty() {
        return Ok(fields);
    }
    let mut rest = line;
    loop {
        let mut field = Vec::new();
        if let [b'"', quoted @ ..] = rest {
            rest = quoted;
            loop {
                match rest {
                    [b'"', b'"', tail @ ..] => {
                        field.push(b'"');
                        rest = tail;
                    }
                    [b'"', tail @ ..] => {
                        rest = tail;
                        break;
                    }
                    [byte, tail @ ..] => {
                        field.push(*byte);
                        rest = tail;
                    }
                    [] => {
                        let column = line.len() + 1;
                        return Err(format!(
                            "parse error on line 1, column {column}: extraneous or missing \" in quoted-field"
                        ));
                    }
                }
            }
            if !matches!(rest, [] | [b',', ..]) {
                let column = line.len() - rest.len();
                return Err(format!(
                    "parse error on line 1, column {column}: extraneous or missing \" in quoted-field"
                ));
            }
        } else {
            let end = rest.iter().position(|&b| b == b',').unwrap_or(rest.len());
            if let Some(at) = rest[..end].iter().position(|&b| b == b'"') {
                let column = line.len() - rest.len() + at + 1;
                return Err(format!("parse error on line 1, column {column}: bare \" in non-quoted-field"));
            }
            field.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
        fields.push(field);
        match rest {
            [b',', tail @ ..] => rest = tail,
            _ => return Ok(fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command() -> Command {
        let mut command = Command::new("x")
            .disable_help_flag(true)
            .arg(Arg::new("all").short('a').long("all").action(ArgAction::SetTrue))
            .arg(Arg::new("interactive").short('i').long("interactive").action(ArgAction::SetTrue))
            .arg(Arg::new("tty").short('t').long("tty").action(ArgAction::SetTrue))
            .arg(Arg::new("tls").long("tls-verify").value_parser(clap::value_parser!(bool)))
            .arg(Arg::new("env").short('e').long("env").action(ArgAction::Append))
            .arg(Arg::new("cap").long("cap-add").action(ArgAction::Append).value_delimiter(','))
            .arg(Arg::new("network").long("network").alias("net"))
            .arg(Arg::new("last").short('n').long("last"));
        command.build();
        command
    }

    fn globals() -> Command {
        let mut command = Command::new("dhow").disable_help_flag(true).arg(Arg::new("root").long("root"));
        command.build();
        command
    }

    fn run(interspersed: bool, args: &[&str]) -> Result<Scanned, String> {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        scan(Some(&command()), &globals(), interspersed, &args).map_err(|e| e.to_string())
    }

    fn flat(scanned: Scanned) -> String {
        let words = scanned.local.into_iter().chain(scanned.global).chain(["|".into()]).chain(scanned.positionals);
        words.map(|w| w.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn flags_are_read_as_pflag_reads_them() {
        for (args, want) in [
            (&["-it", "img"][..], "--interactive --tty | img"),
            (&["--all=true", "--all=false"], "|"),
            (&["--all=0", "-a"], "--all |"),
            (&["-a=f"], "|"),
            (&["--tls-verify"], "--tls-verify=true |"),
            (&["--tls-verify=F", "x"], "--tls-verify=false | x"),
            (&["-e", "A=1", "-eB=2", "--env=C=3", "-e=D=4"], "--env=A=1 --env=B=2 --env=C=3 --env=D=4 |"),
            (&["-ite", "A"], "--interactive --tty --env=A |"),
            (&["--last", "-1"], "--last=-1 |"),
            (&["-n", "3", "-n4"], "--last=4 |"),
            (&["--cap-add", "a,b", "--cap-add=\"c,d\",e"], "--cap-add=a --cap-add=b --cap-add=c,d --cap-add=e |"),
            (&["--cap-add="], "|"),
            (&["--net=host"], "--network=host |"),
            (&["x", "-a", "y", "--", "-t"], "--all | x y -t"),
            (&["--root", "/r", "-"], "--root=/r | -"),
            (&["--env="], "--env= |"),
        ] {
            assert_eq!(flat(run(true, args).unwrap()).trim(), want, "{args:?}");
        }
        assert_eq!(flat(run(false, &["-i", "img", "-t", "--", "--foo"]).unwrap()), "--interactive | img -t -- --foo");
        assert!(run(true, &["--help"]).unwrap().help);
        assert!(run(true, &["-ah"]).unwrap().help);
        assert!(!run(false, &["img", "--help"]).unwrap().help);
    }

    #[test]
    fn errors_have_the_words_of_pflag() {
        for (args, want) in [
            (&["--foo"][..], "unknown flag: --foo"),
            (&["--foo=1"], "unknown flag: --foo"),
            (&["-aZ"], "unknown shorthand flag: 'Z' in -Z"),
            (&["--last"], "flag needs an argument: --last"),
            (&["-n"], "flag needs an argument: 'n' in -n"),
            (&["-an"], "flag needs an argument: 'n' in -n"),
            (&["---x"], "bad flag syntax: ---x"),
            (&["--=x"], "bad flag syntax: --=x"),
            (&["-a="], "unknown shorthand flag: '=' in -="),
            (
                &["-a=x"],
                "invalid argument \"x\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
            (
                &["--cap-add", "\"x"],
                "invalid argument \"\\\"x\" for \"--cap-add\" flag: parse error on line 1, column 3: extraneous or missing \" in quoted-field",
            ),
        ] {
            assert_eq!(run(true, args).unwrap_err(), want, "{args:?}");
        }
    }

    proptest! {
        #[test]
        fn any_arguments_scan_without_panic(args in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..8), 0..8)) {
            let args: Vec<_> = args.into_iter().map(OsString::from_vec).collect();
            drop(scan(Some(&command()), &globals(), true, &args));
            drop(scan(Some(&command()), &globals(), false, &args));
        }

        #[test]
        fn csv_reads_what_was_quoted(fields in proptest::collection::vec("[a,\"b ]{0,5}", 1..5)) {
            let line = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
            let read = csv(line.as_bytes()).unwrap();
            prop_assert_eq!(read, fields.into_iter().map(String::into_bytes).collect::<Vec<_>>());
        }
    }
}
