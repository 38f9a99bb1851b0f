//! YAML in block style, as `podman info` prints it: sequences at the indent of their key, strings quoted where another
//! reader would take them for something else.

use std::fmt::Write;

use serde_json::Value;

/// Prints a document.
pub(crate) fn print(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(map, 0, &mut out),
        Value::Array(list) if !list.is_empty() => sequence(list, 0, &mut out),
        other => {
            scalar(other, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', depth));
}

fn mapping(map: &serde_json::Map<String, Value>, depth: usize, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first key of an element of a sequence stands beside its dash.
        if index > 0 || out.is_empty() || out.ends_with('\n') {
            indent(depth, out);
        }
        // A key is one line, whatever is in it.
        if key.contains('\n') {
            double_quoted(key, out)
        } else {
            string(key, depth, out)
        }
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                mapping(inner, depth + 2, out);
            }
            Value::Array(list) if !list.is_empty() => {
                out.push('\n');
                sequence(list, depth, out);
            }
            other => {
                out.push(' ');
                scalar(other, depth + 2, out);
                out.push('\n');
            }
        }
    }
}

fn sequence(list: &[Value], depth: usize, out: &mut String) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 || out.is_empty() || out.ends_with('\n') {
            indent(depth, out);
        }
        out.push_str("- ");
        match value {
            Value::Object(inner) if !inner.is_empty() => mapping(inner, depth + 2, out),
            Value::Array(inner) if !inner.is_empty() => sequence(inner, depth + 2, out),
            other => {
                scalar(other, depth + 2, out);
                out.push('\n');
            }
        }
    }
}

fn scalar(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        // Writing to a string cannot fail.
        Value::Number(n) => drop(write!(out, "{n}")),
        Value::String(text) => string(text, depth, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// Tells whether a character may stand outside of double quotes.
fn printable(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
            | '\u{fffe}' | '\u{ffff}'))
}

fn string(text: &str, depth: usize, out: &mut String) {
    let multiline = text.contains('\n');
    let plain_characters = text.chars().all(|c| printable(c) || c == '\n' || c == '\t');
    if !plain_characters || text.is_empty() || resolves(text) || !multiline && text.contains('\t') {
        double_quoted(text, out);
    } else if multiline {
        // Lines that begin or end with spaces would need an indentation indicator or lose them.
        let spaced = text.starts_with([' ', '\n', '\t']) || text.split('\n').any(|l| l.ends_with([' ', '\t']));
        if spaced { double_quoted(text, out) } else { literal(text, depth, out) }
    } else if plain(text) {
        out.push_str(text);
    } else {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    }
}

/// Writes a literal block; its chomping says how many newlines end it.
fn literal(text: &str, depth: usize, out: &mut String) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    // The caller writes the newline that ends the last line.
    let body = if text.len() - body.len() > 1 { &text[..text.len() - 1] } else { body };
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(depth, out);
            out.push_str(line);
        }
    }
}

fn double_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\x1b' => out.push_str("\\e"),
            c if printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => drop(write!(out, "\\x{:02X}", u32::from(c))),
            c => drop(write!(out, "\\u{:04X}", u32::from(c))),
        }
    }
    out.push('"');
}

/// Tells whether a plain scalar of one line reads back as the same string.
fn plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let next_is_space = |at: usize| bytes.get(at + 1).is_none_or(|b| *b == b' ');
    let first = match bytes.first() {
        None => return false,
        Some(
            b'#' | b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@'
            | b'`',
        ) => false,
        Some(b'-' | b'?' | b':') => !next_is_space(0),
        Some(_) => true,
    };
    first
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !bytes.iter().enumerate().any(|(at, b)| match b {
            b':' => next_is_space(at),
            b'#' => at > 0 && bytes[at - 1] == b' ',
            _ => false,
        })
}

/// Tells whether a reader of YAML 1.1 or 1.2 would take a plain scalar for another type.
fn resolves(text: &str) -> bool {
    const WORDS: &[&str] =
        &["~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", "<<", "="];
    let lower = text.to_ascii_lowercase();
    let body = lower.trim_start_matches(['+', '-']);
    if WORDS.contains(&lower.as_str()) || WORDS.contains(&body) {
        return true;
    }
    if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let digits = body.replace('_', "");
    let based = ["0x", "0o", "0b"]
        .iter()
        .any(|p| digits.strip_prefix(p).is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_hexdigit())));
    let sexagesimal = digits.contains(':') && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'));
    based || digits.parse::<f64>().is_ok() || sexagesimal || timestamp(body)
}

/// Tells whether text begins with a date, as a timestamp does.
fn timestamp(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let digits = |part: Option<&str>, most: usize| {
        part.is_some_and(|p| (1..=most).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    let (year, month, rest) = (parts.next(), parts.next(), parts.next());
    let day = rest.map(|r| r.split(['t', ' ']).next().unwrap_or_default());
    year.is_some_and(|y| y.len() == 4) && digits(year, 4) && digits(month, 2) && digits(day, 2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_podmans() {
        let value = json!({
            "host": {
                "arch": "amd64",
                "cgroupControllers": ["cpuset", "cpu"],
                "conmon": {"version": "conmon version 2.1.6, commit: unknown"},
                "cpuUtilization": {"idlePercent": 81.03},
                "distribution": {"version": "12"},
                "idMappings": {"gidmap": null, "uidmap": [{"container_id": 0, "size": 1}, {"container_id": 1, "size": 2}]},
                "ociRuntime": {"version": "crun version 1.8.1\ncommit: f8a"},
                "empty": "",
            },
            "registries": {},
            "list": [],
            "nested": [["a", "b"], []],
        });
        let want = "host:\n  arch: amd64\n  cgroupControllers:\n  - cpuset\n  - cpu\n  conmon:\n    \
                    version: 'conmon version 2.1.6, commit: unknown'\n  cpuUtilization:\n    idlePercent: 81.03\n  \
                    distribution:\n    version: \"12\"\n  idMappings:\n    gidmap: null\n    uidmap:\n    \
                    - container_id: 0\n      size: 1\n    - container_id: 1\n      size: 2\n  ociRuntime:\n    \
                    version: |-\n      crun version 1.8.1\n      commit: f8a\n  empty: \"\"\nregistries: {}\nlist: []\n\
                    nested:\n- - a\n  - b\n- []\n";
        assert_eq!(print(&value), want);
        assert_eq!(print(&json!({})), "{}\n");
    }

    #[test]
    fn strings_are_quoted_where_they_must_be() {
        for (text, want) in [
            ("plain text", "plain text"),
            ("a:b", "a:b"),
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            ("it's", "it's"),
            ("'x", "'''x'"),
            ("- x", "'- x'"),
            ("-x", "-x"),
            ("@x", "'@x'"),
            (" x", "' x'"),
            ("x:", "'x:'"),
            ("", "\"\""),
            ("true", "\"true\""),
            ("No", "\"No\""),
            ("null", "\"null\""),
            ("~", "\"~\""),
            ("1.5", "\"1.5\""),
            ("0x1f", "\"0x1f\""),
            ("1e3", "\"1e3\""),
            ("-.inf", "\"-.inf\""),
            ("10:20", "\"10:20\""),
            ("2024-01-02", "\"2024-01-02\""),
            ("2024-01-02T03:04:05Z", "\"2024-01-02T03:04:05Z\""),
            ("1.2.3", "1.2.3"),
            ("6.18.44-fc", "6.18.44-fc"),
            ("0h 24m 33.00s", "0h 24m 33.00s"),
            ("a\u{1b}[0m\u{202e}", "\"a\\e[0m\\u202E\""),
            ("a\tb", "\"a\\tb\""),
        ] {
            assert_eq!(print(&json!(text)), format!("{want}\n"), "{text}");
        }
        assert_eq!(print(&json!({"a": "x\ny\n"})), "a: |\n  x\n  y\n");
        assert_eq!(print(&json!({"a": "x\n\ny\n\n"})), "a: |+\n  x\n\n  y\n\n");
        assert_eq!(print(&json!({"a": " x\ny"})), "a: \" x\\ny\"\n");
    }
}
