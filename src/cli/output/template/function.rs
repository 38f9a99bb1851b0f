//! The functions of a template: Go's own and podman's. All pure.

use std::cmp::Ordering;

use super::printf;
use super::value::Data;
use crate::cli::output::json;

/// Why a function did not work.
pub(super) enum Fault {
    /// It cannot be called with so many arguments.
    Arguments(String),
    /// It cannot be called with the argument at this index.
    Type(usize, String),
    /// It was called and failed.
    Call(String),
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Call(why.into()))
}

/// Every function with the least and the most arguments that it takes.
const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("and", 1, usize::MAX),
    ("call", 1, usize::MAX),
    ("eq", 1, usize::MAX),
    ("ge", 2, 2),
    ("gt", 2, 2),
    ("html", 0, usize::MAX),
    ("index", 1, usize::MAX),
    ("join", 2, 2),
    ("js", 0, usize::MAX),
    ("json", 1, 1),
    ("le", 2, 2),
    ("len", 1, 1),
    ("lower", 1, 1),
    ("lt", 2, 2),
    ("ne", 2, 2),
    ("not", 1, 1),
    ("or", 1, usize::MAX),
    ("pad", 3, 3),
    ("print", 0, usize::MAX),
    ("printf", 1, usize::MAX),
    ("println", 0, usize::MAX),
    ("slice", 1, usize::MAX),
    ("split", 2, 2),
    ("title", 1, 1),
    ("truncate", 2, 2),
    ("upper", 1, 1),
    ("urlquery", 0, usize::MAX),
];

/// Tells whether there is such a function.
pub(super) fn exists(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, ..)| *known == name)
}

/// Calls a function; what it makes may have at most `limit` bytes.
pub(super) fn call(name: &str, args: &[Data], limit: usize) -> Result<Data, Fault> {
    let (least, most) =
        FUNCTIONS.iter().find(|(known, ..)| *known == name).map_or((0, usize::MAX), |&(_, least, most)| (least, most));
    if args.len() < least || args.len() > most {
        let want = if most == usize::MAX { format!("at least {least}") } else { least.to_string() };
        return Err(Fault::Arguments(format!("wrong number of args for {name}: want {want} got {}", args.len())));
    }
    // The heading of what is computed from a field is the field's.
    if let ("join" | "json" | "len" | "slice" | "split" | "truncate", Some(heading @ Data::Heading(_))) =
        (name, args.first())
    {
        return Ok(heading.clone());
    }
    Ok(match name {
        "and" => args.iter().find(|a| !a.truth()).or(args.last()).cloned().unwrap_or(Data::NoValue),
        "or" => args.iter().find(|a| a.truth()).or(args.last()).cloned().unwrap_or(Data::NoValue),
        "not" => Data::Bool(!args[0].truth()),
        "call" => return refuse(format!("non-function {} of type {}", args[0].printed(), args[0].type_name())),
        "eq" => return equal(args),
        "ne" => return equal(args).map(|is| Data::Bool(!is.truth())),
        "lt" => Data::Bool(order(&args[0], &args[1])?.is_lt()),
        "le" => Data::Bool(order(&args[0], &args[1])?.is_le()),
        "gt" => Data::Bool(order(&args[0], &args[1])?.is_gt()),
        "ge" => Data::Bool(order(&args[0], &args[1])?.is_ge()),
        "len" => return length(&args[0]),
        "index" => return index(args),
        "slice" => return slice(args),
        "print" => Data::text(print(args, limit)?),
        "println" => {
            let words: Vec<_> = args.iter().map(Data::printed).collect();
            bounded(words.iter().map(|w| w.len() + 1).sum(), limit)?;
            Data::text(words.join(" ") + "\n")
        }
        "printf" => {
            let format = string(args, 0)?;
            Data::text(printf::format(&format, &args[1..], limit).map_err(Fault::Call)?)
        }
        "html" => Data::text(html(&print(args, limit)?)),
        "js" => Data::text(js(&print(args, limit)?)),
        "urlquery" => Data::text(url_query(&print(args, limit)?)),
        "json" => Data::text(json::line(&args[0].to_json())),
        "lower" => Data::text(string(args, 0)?.to_lowercase()),
        "upper" => Data::text(string(args, 0)?.to_uppercase()),
        "title" => Data::text(title(&string(args, 0)?)),
        "join" => {
            let separator = string(args, 1)?;
            let list = match &args[0] {
                Data::List(list) => list.clone(),
                Data::NilList => [].into(),
                _ => return Err(wrong(args, 0, "[]string")),
            };
            let words: Option<Vec<&str>> = list.iter().map(|item| item.as_text().map(|text| &**text)).collect();
            let words = words.ok_or_else(|| wrong(args, 0, "[]string"))?;
            let size = words.iter().map(|w| w.len() + separator.len()).sum();
            bounded(size, limit)?;
            Data::text(words.join(&separator))
        }
        "split" => {
            let (text, separator) = (string(args, 0)?, string(args, 1)?);
            let part = |part: &str| Data::text(part);
            if separator.is_empty() {
                Data::List(text.chars().map(|c| part(c.encode_utf8(&mut [0; 4]))).collect())
            } else {
                Data::List(text.split(&separator).map(part).collect())
            }
        }
        "pad" => {
            let text = string(args, 0)?;
            let (before, after) = (size(args, 1)?, size(args, 2)?);
            bounded(before.saturating_add(after).saturating_add(text.len()), limit)?;
            if text.is_empty() {
                return Ok(Data::text(""));
            }
            Data::text(format!("{}{text}{}", " ".repeat(before), " ".repeat(after)))
        }
        "truncate" => {
            let (text, length) = (string(args, 0)?, size(args, 1)?);
            // Go cuts bytes; we keep characters whole.
            Data::text(text.chars().take(length).collect::<String>())
        }
        _ => return Err(Fault::Arguments(format!("{name:?} is not a defined function"))),
    })
}

fn bounded(size: usize, limit: usize) -> Result<(), Fault> {
    if size > limit { refuse("too much output") } else { Ok(()) }
}

fn wrong(args: &[Data], index: usize, expected: &str) -> Fault {
    let got = args[index].type_name();
    Fault::Type(index, format!("wrong type for value; expected {expected}; got {got}"))
}

fn string(args: &[Data], index: usize) -> Result<String, Fault> {
    args[index].as_text().map(|t| t.to_string()).ok_or_else(|| wrong(args, index, "string"))
}

fn size(args: &[Data], index: usize) -> Result<usize, Fault> {
    match &args[index] {
        Data::Int(n) => usize::try_from(*n).or_else(|_| refuse(format!("size out of range: {n}"))),
        _ => Err(wrong(args, index, "int")),
    }
}

/// Compares the first with each of the others, as Go's `eq`.
fn equal(args: &[Data]) -> Result<Data, Fault> {
    let Some((first, others)) = args.split_first().filter(|(_, others)| !others.is_empty()) else {
        return refuse("missing argument for comparison");
    };
    for other in others {
        let same = match (first, other) {
            (Data::Nil | Data::NoValue, Data::Nil | Data::NoValue) => true,
            (Data::Nil | Data::NoValue, _) | (_, Data::Nil | Data::NoValue) => false,
            (Data::Bool(a), Data::Bool(b)) => a == b,
            (Data::Int(a), Data::Int(b)) => a == b,
            (Data::Float(a), Data::Float(b)) => a == b,
            (a, b) => match (a.as_text(), b.as_text()) {
                (Some(a), Some(b)) => a == b,
                _ if a.type_name() == b.type_name() => {
                    return refuse(format!("non-comparable type {}: {}", a.printed(), a.type_name()));
                }
                _ => return refuse("incompatible types for comparison"),
            },
        };
        if same {
            return Ok(Data::Bool(true));
        }
    }
    Ok(Data::Bool(false))
}

fn order(a: &Data, b: &Data) -> Result<Ordering, Fault> {
    match (a, b) {
        (Data::Int(a), Data::Int(b)) => Ok(a.cmp(b)),
        // No order with NaN: it is neither less nor more, and that is what greater-than-itself cannot say.
        (Data::Float(a), Data::Float(b)) => Ok(a.partial_cmp(b).unwrap_or(Ordering::Greater)),
        (a, b) => match (a.as_text(), b.as_text()) {
            (Some(a), Some(b)) => Ok(a.cmp(b)),
            _ if a.type_name() == b.type_name() => refuse("invalid type for comparison"),
            _ => refuse("incompatible types for comparison"),
        },
    }
}

fn length(value: &Data) -> Result<Data, Fault> {
    let length = match value {
        Data::Text(t) | Data::Heading(t) => t.len(),
        Data::List(list) => list.len(),
        Data::Map(pairs) => pairs.len(),
        Data::NilList | Data::NilMap => 0,
        Data::Nil | Data::NoValue => return refuse("len of nil pointer"),
        other => return refuse(format!("len of type {}", other.type_name())),
    };
    Ok(Data::Int(length as i128))
}

fn index(args: &[Data]) -> Result<Data, Fault> {
    let mut value = args[0].clone();
    for key in &args[1..] {
        value = match (&value, key) {
            (Data::Heading(_), _) => value.clone(),
            (Data::List(list), Data::Int(i)) => match usize::try_from(*i).ok().and_then(|i| list.get(i)) {
                Some(item) => item.clone(),
                None => return refuse(format!("index out of range: {i}")),
            },
            (Data::Text(text), Data::Int(i)) => match usize::try_from(*i).ok().and_then(|i| text.as_bytes().get(i)) {
                Some(byte) => Data::Int((*byte).into()),
                None => return refuse(format!("index out of range: {i}")),
            },
            (Data::List(_) | Data::Text(_), Data::Nil | Data::NoValue) => {
                return refuse("cannot index slice/array with nil");
            }
            (Data::List(_) | Data::Text(_), other) => {
                return refuse(format!("cannot index slice/array with type {}", other.type_name()));
            }
            (Data::Map(pairs), key) => match key.as_text() {
                Some(name) => match value.field(name) {
                    Some(found) => found.clone(),
                    // The zero value of a map of strings is the empty string.
                    None if pairs.iter().all(|(_, v)| v.as_text().is_some()) => Data::text(""),
                    None => Data::NoValue,
                },
                None => return refuse(format!("value has type {}; should be string", key.type_name())),
            },
            // What JSON shows as a struct may be a map with such keys.
            (Data::Struct(_), key) if key.as_text().is_some() => {
                key.as_text().and_then(|name| value.field(name)).cloned().unwrap_or(Data::NoValue)
            }
            (Data::Nil | Data::NilMap, _) => Data::NoValue,
            (Data::NoValue, _) => return refuse("index of untyped nil"),
            (other, _) => return refuse(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(value)
}

fn slice(args: &[Data]) -> Result<Data, Fault> {
    let (value, bounds) = (&args[0], &args[1..]);
    let total = match value {
        Data::Text(text) | Data::Heading(text) => text.len(),
        Data::List(list) => list.len(),
        Data::Nil | Data::NoValue => return refuse("slice of untyped nil"),
        other => return refuse(format!("can't slice item of type {}", other.type_name())),
    };
    if bounds.len() > 3 {
        return refuse(format!("too many slice indexes: {}", bounds.len()));
    }
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Data::Int(n)) => match usize::try_from(*n).ok().filter(|n| *n <= total) {
            Some(n) => Ok(n),
            None => refuse(format!("index out of range: {n}")),
        },
        Some(other) => refuse(format!("cannot index slice/array with type {}", other.type_name())),
    };
    let (from, to) = (bound(0, 0)?, bound(1, total)?);
    if from > to {
        return refuse(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match value {
        Data::List(list) => Data::List(list[from..to].into()),
        other => {
            let bytes = other.as_text().map(|t| t.as_bytes()).unwrap_or_default();
            Data::text(String::from_utf8_lossy(&bytes[from..to]).into_owned())
        }
    })
}

/// Prints as Go's `Sprint`: a space between two operands of which neither is a string.
fn print(args: &[Data], limit: usize) -> Result<String, Fault> {
    let mut out = String::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 && arg.as_text().is_none() && args[i - 1].as_text().is_none() {
            out.push(' ');
        }
        arg.print(&mut out);
        bounded(out.len(), limit)?;
    }
    Ok(out)
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c)
        } else {
            out.extend(c.to_uppercase())
        }
        inside = c.is_alphanumeric() || c == '_' || c == '\'';
    }
    out
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' | '\x7f'..='\u{9f}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

fn url_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
