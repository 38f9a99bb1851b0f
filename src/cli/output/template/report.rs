//! Lists of rows by `--format`: `json`, `table {{.ID}} {{.Names}}`, or a template for each row.

use serde_json::Value;

use super::Template;
use super::eval::Method;
use super::failure::Failure;
use super::value::{Data, Escape};
use crate::cli::output::{json, table};

/// How a command shows its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    /// The name of the command, for errors: `ps`.
    pub(crate) command: &'a str,
    /// The Go type of a row, for errors: `containers.psReporter`.
    pub(crate) type_name: &'a str,
    /// The format where none was asked for: `table {{.ID}}\\t{{.Image}}`.
    pub(crate) default: &'a str,
    /// Headings that are not the field's name in capitals: `("ID", "CONTAINER ID")`.
    pub(crate) headings: &'a [(&'a str, &'a str)],
    /// Methods of a row: `("Label", label)`.
    pub(crate) methods: &'static [(&'static str, Method)],
    /// Tables begin with their headings, unless `--noheading`.
    pub(crate) heading: bool,
    /// Standard output is a terminal.
    pub(crate) terminal: bool,
}

/// Which fields a format may ask of a row, so that a long list is not made of fields that nobody sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    format: &'a str,
    /// The row is taken as a whole somewhere.
    whole: bool,
}

impl<'a> Wanted<'a> {
    fn of(format: &'a str) -> Self {
        // A dot that begins no name, or a variable, may be the row itself.
        let names = |rest: &str| rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let whole = format.contains('$') || format.match_indices('.').any(|(at, _)| !names(&format[at + 1..]));
        Self { format, whole }
    }

    /// Tells whether the field of this name may be asked for.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.whole || self.format.contains(name)
    }
}

impl<'a> Report<'a> {
    /// Tells which fields the rows must have for a format, or for the default one.
    pub(crate) fn wanted(&self, format: Option<&'a str>) -> Wanted<'a> {
        Wanted::of(self.format(format))
    }

    fn format(&self, asked: Option<&'a str>) -> &'a str {
        match asked {
            None | Some("table" | "") => self.default,
            Some(format) => format,
        }
    }

    /// Renders rows by the format that was asked for, else by the default one.
    pub(crate) fn rows(&self, format: Option<&'a str>, rows: &[Value]) -> Result<String, Failure> {
        let format = self.format(format);
        if is_json(format) {
            return Ok(json::list(rows, self.terminal));
        }
        let (text, is_table) = normalize(format);
        let template = self.template(&ranged(&text))?;
        if !is_table {
            return template.render_rows(rows);
        }
        let mut lines = String::new();
        if self.heading {
            let headings = self.headings.iter().map(|(field, heading)| ((*field).to_owned(), (*heading).to_owned()));
            lines = template.render_data(&Data::List([Data::Headings(headings.collect())].into()))?;
        }
        lines.push_str(&template.render_rows(rows)?);
        Ok(table::align(&lines))
    }

    /// Renders one document (`info`, `version`) by a template.
    pub(crate) fn one(&self, format: &str, value: &Value) -> Result<String, Failure> {
        let (text, is_table) = normalize(format);
        let rendered = self.template(&text)?.render(value)?;
        Ok(if is_table { table::align(&rendered) } else { rendered })
    }

    fn template(&self, text: &str) -> Result<Template, Failure> {
        let escape = if self.terminal { Escape::Line } else { Escape::No };
        Ok(Template::parse(self.command, text)?.typed(self.type_name, self.methods).escaped(escape))
    }
}

/// Tells whether a format asks for JSON: `json`, and as podman has it `{{json .}}` of a list.
pub(crate) fn is_json(format: &str) -> bool {
    let format = format.trim();
    let inside = format.strip_prefix("{{").and_then(|f| f.strip_suffix("}}")).unwrap_or(format).trim();
    inside.strip_prefix("json").is_some_and(|rest| match rest.trim() {
        "" => true,
        "." => inside != format && rest.starts_with(char::is_whitespace),
        _ => false,
    })
}

/// Makes a template do for each row what it says, unless it ranges itself.
fn ranged(text: &str) -> String {
    let own = text.trim_start().strip_prefix("{{").map(|t| t.trim_start_matches('-').trim_start());
    let own = own.and_then(|t| t.strip_prefix("range")).map(str::trim_start).and_then(|t| t.strip_prefix('.'));
    if own.is_some_and(|t| t.trim_start().trim_start_matches('-').starts_with("}}")) {
        return text.to_owned();
    }
    format!("{{{{range .}}}}{text}{{{{end}}}}")
}

/// Replaces `\\t` and `\\n` outside of actions, in a table also spaces by tabs, and ends it with a newline; tells
/// whether it is a table.
fn normalize(format: &str) -> (String, bool) {
    let (mut rest, is_table) = format.strip_prefix("table ").map_or((format, false), |rest| (rest.trim_start(), true));
    let mut out = String::with_capacity(rest.len() + 1);
    while let Some(c) = rest.chars().next() {
        let used = if rest.starts_with("{{") {
            let length = action(rest);
            out.push_str(&rest[..length]);
            length
        } else if let Some(escape) = ["\\t", "\\n"].iter().position(|e| rest.starts_with(e)) {
            out.push(['\t', '\n'][escape]);
            2
        } else {
            out.push(if is_table && c == ' ' { '\t' } else { c });
            c.len_utf8()
        };
        rest = &rest[used..];
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    (out, is_table)
}

/// Returns the length of the action that the text begins with.
fn action(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(2) {
        match quote {
            _ if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if open == c => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`') => quote = Some(c),
            None if text[at..].starts_with("}}") => return at + 2,
            None => {}
        }
    }
    text.len()
}
