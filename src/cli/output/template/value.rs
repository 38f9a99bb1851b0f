//! The values that a template works on: what reflection shows a Go template of podman's report structs, made of JSON.

use std::fmt::Write;
use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::shape::{self, Absent, UNTYPED};
use crate::cli::output::escape;
use crate::model::time;

/// Names of fields whose objects are maps in Go, where a missing key is `<no value>` and not an error.
const MAPS: &[&str] = &[
    "Annotations",
    "DriverOpts",
    "ExposedPorts",
    "GraphOptions",
    "GraphStatus",
    "IDMappings",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

/// One value.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// A key that a map does not have.
    NoValue,
    Nil,
    /// A list, or a map, that is nil: it prints as an empty one.
    NilList,
    NilMap,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    /// With its text in JSON.
    Time(Timestamp, Rc<str>),
    Text(Rc<str>),
    List(Rc<[Data]>),
    /// Keys are sorted.
    Map(Rc<[(Rc<str>, Data)]>),
    /// Fields are in order; the name is the Go type's, for errors.
    Struct(Rc<Fields>),
    /// The row above a table: each field is its heading.
    Headings(Rc<[(String, String)]>),
    /// One heading.
    Heading(Rc<str>),
}

/// The fields of a struct.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) type_name: String,
    pub(crate) fields: Vec<(Rc<str>, Data)>,
}

/// How foreign text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As it is: not a terminal.
    No,
    /// Every control character is shown: cells of a table.
    Line,
}

impl Escape {
    fn apply(self, text: &str) -> Rc<str> {
        match self {
            Self::No => text.into(),
            Self::Line => escape::line(text).as_ref().into(),
        }
    }
}

impl Data {
    /// Makes a value of a struct of type `type_name`, or of whatever else the JSON is.
    pub(crate) fn of(value: &Value, type_name: &str, escape: Escape) -> Self {
        match value {
            Value::Object(map) => {
                let field = |(key, value): (&String, &Value)| {
                    let (name, of) = shape::field(type_name, key);
                    let value = match (of, value) {
                        (Some(shape::DURATION), Value::Number(n)) => Self::Duration(n.as_i64().unwrap_or(i64::MAX)),
                        (Some(shape::TIME), Value::String(text)) => Self::time(text, escape),
                        (Some(of), Value::Null) => Self::nothing(&shape::nothing(of)),
                        (Some(of), Value::Array(list)) if of.starts_with("[]") => {
                            list.iter().map(|item| Self::of(item, &of[2..], escape)).collect()
                        }
                        (Some(of), Value::Object(_)) if !of.starts_with("map[") => Self::of(value, of, escape),
                        _ => Self::inner(value, name, escape),
                    };
                    (escape.apply(name), value)
                };
                let fields = map.iter().map(field).collect();
                Self::Struct(Rc::new(Fields { type_name: type_name.to_owned(), fields }))
            }
            other => Self::inner(other, "", escape),
        }
    }

    fn inner(value: &Value, field: &str, escape: Escape) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => Self::Int(i.into()),
                (None, Some(u)) => Self::Int(u.into()),
                (None, None) => Self::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(s) => Self::Text(escape.apply(s)),
            Value::Array(list) => Self::List(list.iter().map(|v| Self::inner(v, "", escape)).collect()),
            Value::Object(map) => {
                let exported = !map.is_empty() && map.keys().all(|k| k.starts_with(|c: char| c.is_ascii_uppercase()));
                if exported && !MAPS.contains(&field) {
                    return Self::of(value, UNTYPED, escape);
                }
                let mut pairs: Vec<_> = map.iter().map(|(k, v)| (escape.apply(k), Self::inner(v, k, escape))).collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                Self::Map(pairs.into())
            }
        }
    }

    /// Makes text.
    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Returns the text of text.
    pub(crate) fn as_text(&self) -> Option<&Rc<str>> {
        match self {
            Self::Text(text) | Self::Heading(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a field of a struct or a value of a map.
    pub(crate) fn field(&self, name: &str) -> Option<&Data> {
        match self {
            Self::Struct(s) => s.fields.iter().find(|(k, _)| &**k == name).map(|(_, v)| v),
            Self::Map(pairs) => pairs.iter().find(|(k, _)| &**k == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Returns what a struct's field holds that JSON has left out.
    pub(super) fn absent(&self, name: &str) -> Option<Self> {
        let Self::Struct(fields) = self else { return None };
        Some(Self::nothing(&shape::absent(&fields.type_name, name)?))
    }

    /// The zero value of a type.
    fn nothing(of: &Absent) -> Self {
        match of {
            Absent::Text => Self::text(""),
            Absent::Bool => Self::Bool(false),
            Absent::Int => Self::Int(0),
            Absent::Duration => Self::Duration(0),
            Absent::List => Self::NilList,
            Absent::Map => Self::NilMap,
            Absent::Time => Self::time("0001-01-01T00:00:00Z", Escape::No),
            Absent::Struct(of) => Self::Struct(Rc::new(Fields { type_name: (*of).to_owned(), fields: Vec::new() })),
            Absent::Nil => Self::Nil,
        }
    }

    /// A time as JSON has it; text that is none stays text.
    fn time(text: &str, escape: Escape) -> Self {
        text.parse().map_or_else(|_| Self::Text(escape.apply(text)), |at| Self::Time(at, text.into()))
    }

    /// Tells what `if` makes of it: false, zero, nil and what is empty are not true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::NoValue | Self::Nil | Self::NilList | Self::NilMap => false,
            Self::Bool(b) => *b,
            Self::Int(i) => *i != 0,
            Self::Float(f) => *f != 0.0,
            Self::Duration(nanos) => *nanos != 0,
            Self::Text(t) | Self::Heading(t) => !t.is_empty(),
            Self::List(l) => !l.is_empty(),
            Self::Map(m) => !m.is_empty(),
            // One without fields stands for what is not there.
            Self::Struct(s) => !s.fields.is_empty(),
            Self::Headings(_) | Self::Time(..) => true,
        }
    }

    /// Returns the name of its Go type.
    pub(super) fn type_name(&self) -> &str {
        match self {
            Self::NoValue | Self::Nil => "<nil>",
            Self::NilList => "[]interface {}",
            Self::NilMap => "map[string]interface {}",
            Self::Time(..) => shape::TIME,
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Duration(_) => shape::DURATION,
            Self::Text(_) | Self::Heading(_) => "string",
            Self::List(list) if !list.is_empty() && list.iter().all(|v| v.as_text().is_some()) => "[]string",
            Self::List(_) => "[]interface {}",
            Self::Map(map) if !map.is_empty() && map.iter().all(|(_, v)| v.as_text().is_some()) => "map[string]string",
            Self::Map(_) | Self::Headings(_) => "map[string]interface {}",
            Self::Struct(s) => shape::shown(&s.type_name),
        }
    }

    /// Prints it as Go's `%v`.
    pub(super) fn print(&self, out: &mut String) {
        match self {
            Self::NoValue => out.push_str("<no value>"),
            Self::Nil => out.push_str("<nil>"),
            Self::NilList => out.push_str("[]"),
            Self::NilMap => out.push_str("map[]"),
            Self::Time(at, _) => out.push_str(&time::print_go(*at, &TimeZone::system())),
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            // Writing to a string cannot fail.
            Self::Int(i) => drop(write!(out, "{i}")),
            Self::Float(f) => out.push_str(&float(*f)),
            Self::Duration(nanos) => out.push_str(&time::print_duration(*nanos)),
            Self::Text(t) | Self::Heading(t) => out.push_str(t),
            Self::List(list) => {
                out.push('[');
                for (i, item) in list.iter().enumerate() {
                    out.push_str(if i > 0 { " " } else { "" });
                    item.print(out);
                }
                out.push(']');
            }
            Self::Map(pairs) => {
                out.push_str("map[");
                for (i, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if i > 0 { " " } else { "" });
                    out.push_str(key);
                    out.push(':');
                    value.print(out);
                }
                out.push(']');
            }
            Self::Struct(s) => {
                out.push('{');
                for (i, (_, value)) in s.fields.iter().enumerate() {
                    out.push_str(if i > 0 { " " } else { "" });
                    value.print(out);
                }
                out.push('}');
            }
            Self::Headings(_) => out.push_str("map[]"),
        }
    }

    /// Returns it as `%v` prints it.
    pub(super) fn printed(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }

    /// Returns it as JSON.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::NoValue | Self::Nil | Self::NilList | Self::NilMap => Value::Null,
            Self::Time(_, text) => Value::String(text.to_string()),
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(i) => i64::try_from(*i)
                .map(Value::from)
                .or_else(|_| u64::try_from(*i).map(Value::from))
                .unwrap_or(Value::Null),
            Self::Float(f) => serde_json::Number::from_f64(*f).map_or(Value::Null, Value::Number),
            Self::Duration(nanos) => Value::from(*nanos),
            Self::Text(t) | Self::Heading(t) => Value::String(t.to_string()),
            Self::List(list) => Value::Array(list.iter().map(Self::to_json).collect()),
            Self::Map(pairs) => pairs.iter().map(|(k, v)| (k.to_string(), v.to_json())).collect(),
            Self::Struct(s) => {
                s.fields.iter().map(|(k, v)| (shape::key(&s.type_name, k).to_owned(), v.to_json())).collect()
            }
            Self::Headings(_) => Value::Object(serde_json::Map::new()),
        }
    }
}

impl FromIterator<Data> for Data {
    fn from_iter<I: IntoIterator<Item = Data>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

/// Prints a float as Go's `%v`: the shortest that reads back, with an exponent where it is far from one.
pub(super) fn float(f: f64) -> String {
    if f.is_nan() {
        return "NaN".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{f:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return format!("{f}");
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// Makes a heading of a field's name: `ImageID` is `IMAGE ID`.
pub(super) fn heading(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let after_lower = i > 0 && c.is_uppercase() && !chars[i - 1].is_uppercase();
        let before_lower = i > 0
            && c.is_uppercase()
            && chars[i - 1].is_uppercase()
            && chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        if after_lower || before_lower {
            out.push(' ');
        }
        out.extend(c.to_uppercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_print_as_in_go() {
        let data = Data::of(
            &json!({"A": [1, "b", true, null], "Labels": {"z": 1, "a": 2.5}, "S": {"X": 1e30, "Y": 0.00001}}),
            "t",
            Escape::No,
        );
        assert_eq!(data.printed(), "{[1 b true <nil>] map[a:2.5 z:1] {1e+30 1e-05}}");
        assert_eq!(
            data.to_json().to_string(),
            r#"{"A":[1,"b",true,null],"Labels":{"a":2.5,"z":1},"S":{"X":1e+30,"Y":0.00001}}"#
        );
    }

    #[test]
    fn headings_are_words_in_capitals() {
        for (name, want) in [
            ("ID", "ID"),
            ("ImageID", "IMAGE ID"),
            ("CreatedAt", "CREATED AT"),
            ("CPUPerc", "CPU PERC"),
            ("MemUsage", "MEM USAGE"),
        ] {
            assert_eq!(heading(name), want);
        }
    }
}
