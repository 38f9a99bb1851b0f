//! Foreign text on a terminal: names, labels, errors and logs may hold what would move the cursor, set the title,
//! answer for the user or turn the reading direction (SECURITY_RULES R37). Here it is shown instead of obeyed.

use std::borrow::Cow;
use std::fmt::Write;

/// Tells whether a terminal would obey the character, or show others in another order because of it.
fn is_control(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}')
}

fn push_escaped(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a string cannot fail.
    let _ = if code < 0x100 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{code:04x}") };
}

fn escape_where(text: &str, keep: fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_control(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_control(c) && !keep(c) { push_escaped(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Escapes every control character: for a name, a cell of a table, a line of progress.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escape_where(text, |_| false)
}

/// Escapes control characters except newline and tab: for messages and documents.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| matches!(c, '\n' | '\t'))
}

/// Escapes a stream of bytes, such as logs on a terminal, whose pieces may end inside a character.
///
/// Newline, tab and CR before a newline pass; bytes that are not UTF-8 are shown as `\xNN`.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The start of a character, or a CR whose successor is unknown; at most three bytes.
    held: Vec<u8>,
}

impl Stream {
    /// Returns what of the stream may be shown after these bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> String {
        let mut input = std::mem::take(&mut self.held);
        input.extend_from_slice(bytes);
        self.run(&input, false)
    }

    /// Returns what is left at the end of the stream.
    pub(crate) fn finish(&mut self) -> String {
        let input = std::mem::take(&mut self.held);
        self.run(&input, true)
    }

    fn run(&mut self, input: &[u8], end: bool) -> String {
        let mut out = String::with_capacity(input.len() + 16);
        let mut rest = input;
        while !rest.is_empty() {
            let (valid, bad, partial) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), 0, false),
                Err(e) => {
                    (e.valid_up_to(), e.error_len().unwrap_or(rest.len() - e.valid_up_to()), e.error_len().is_none())
                }
            };
            let (good, tail) = rest.split_at(valid);
            // The length of valid UTF-8 was just measured.
            let good = std::str::from_utf8(good).unwrap_or_default();
            let mut chars = good.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '\n' | '\t' => out.push(c),
                    '\r' if chars.peek() == Some(&'\n') => out.push(c),
                    '\r' if chars.peek().is_none() && tail.is_empty() && !end => self.held.push(b'\r'),
                    _ if is_control(c) => push_escaped(&mut out, c),
                    _ => out.push(c),
                }
            }
            if partial && !end {
                self.held.extend_from_slice(tail);
                return out;
            }
            for byte in &tail[..bad] {
                let _ = write!(out, "\\x{byte:02x}");
            }
            rest = &tail[bad..];
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// R37.
    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (input, want) in [
            ("plain äöü 日本", "plain äöü 日本"),
            ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
            ("\u{9b}31m\x7f", "\\x9b31m\\x7f"),
            ("\u{202e}cod.exe\u{2066}", "\\u202ecod.exe\\u2066"),
        ] {
            assert_eq!(line(input), want);
        }
        assert_eq!(text("a\n\tb\r\x1b"), "a\n\tb\\x0d\\x1b");
        assert!(matches!(line("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_stream_keeps_lines_and_characters_whole() {
        let mut stream = Stream::default();
        assert_eq!(stream.feed(b"a\xe2\x82"), "a");
        assert_eq!(stream.feed(b"\xac b\r"), "€ b");
        assert_eq!(stream.feed(b"\nc\r"), "\r\nc");
        assert_eq!(stream.feed(b"d\xff\x9b"), "\\x0dd\\xff\\x9b");
        assert_eq!(stream.feed(b"\xe2\x80"), "");
        assert_eq!(stream.finish(), "\\xe2\\x80");
    }

    proptest! {
        #[test]
        fn pieces_do_not_change_a_stream(bytes in proptest::collection::vec(any::<u8>(), 0..40), cut in 0usize..40) {
            let mut whole = Stream::default();
            let want = whole.feed(&bytes) + &whole.finish();
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            let mut parts = Stream::default();
            let got = parts.feed(a) + &parts.feed(b) + &parts.finish();
            prop_assert_eq!(&got, &want);
            prop_assert!(!got.replace("\r\n", "").chars().any(|c| is_control(c) && !matches!(c, '\n' | '\t')));
            prop_assert!(parts.held.len() <= 3);
        }
    }
}
