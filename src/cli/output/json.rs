//! JSON with the indents and escapes of podman's commands.

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

/// What `--format json` of lists indents by.
const LIST: &[u8] = b"  ";
/// What `stats` and `mount` indent by.
const NARROW: &[u8] = b" ";
/// What `inspect` indents by.
const INSPECT: &[u8] = b"     ";

/// What `manifest inspect` indents by.
const WIDE: &[u8] = b"    ";

fn pretty<T: Serialize + ?Sized>(value: &T, indent: &[u8]) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(indent));
    // What we print has string keys, and a vector takes every write.
    drop(value.serialize(&mut serializer));
    String::from_utf8(out).unwrap_or_default() + "\n"
}

/// Escapes what Go's encoder escapes, which is only ever inside of strings.
fn escape(text: String, html: bool, terminal: bool) -> String {
    let special = |c: char| match c {
        '\u{2028}' | '\u{2029}' => true,
        '<' | '>' | '&' => html,
        '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            terminal
        }
        _ => false,
    };
    if !text.contains(special) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if special(c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out
}

/// Prints rows as `--format json` does: two spaces, `<`, `>` and `&` escaped. On a terminal, controls are too.
pub(crate) fn list<T: Serialize + ?Sized>(rows: &T, terminal: bool) -> String {
    escape(pretty(rows, LIST), true, terminal)
}

/// Prints rows as `stats` does: one space.
pub(crate) fn narrow<T: Serialize + ?Sized>(rows: &T, terminal: bool) -> String {
    escape(pretty(rows, NARROW), true, terminal)
}

/// Prints documents as `inspect` does: five spaces, nothing escaped that need not be.
pub(crate) fn inspect<T: Serialize + ?Sized>(documents: &T, terminal: bool) -> String {
    escape(pretty(documents, INSPECT), false, terminal)
}

/// Prints a document of an image as `manifest inspect` does: four spaces, nothing escaped that need not be.
pub(crate) fn wide<T: Serialize + ?Sized>(document: &T, terminal: bool) -> String {
    escape(pretty(document, WIDE), false, terminal)
}

/// Prints a value in one line without a newline, as `{{json .}}` does.
pub(crate) fn line(value: &Value) -> String {
    escape(value.to_string(), false, false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn indents_and_escapes_are_podmans() {
        let value = json!([{"a": "<b>&\u{2028}\u{202e}", "l": {}, "n": []}]);
        assert_eq!(
            list(&value, true),
            "[\n  {\n    \"a\": \"\\u003cb\\u003e\\u0026\\u2028\\u202e\",\n    \"l\": {},\n    \"n\": []\n  }\n]\n"
        );
        assert_eq!(
            inspect(&value, false),
            "[\n     {\n          \"a\": \"<b>&\\u2028\u{202e}\",\n          \"l\": {},\n          \"n\": []\n     }\n]\n"
        );
        assert_eq!(line(&json!({"a": "<\u{1b}"})), r#"{"a":"<\u001b"}"#);
        assert_eq!(list(&json!([]), false), "[]\n");
    }
}
