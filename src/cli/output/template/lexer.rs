//! Cuts a template into tokens, as Go's text/template/parse/lex.go does.

use super::failure::Failure;

/// What a token is. Fields are without their dot, variables with their dollar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Text(String),
    Left,
    Right,
    Space,
    Field(String),
    Variable(String),
    Word(String),
    Dot,
    Literal(String),
    Int(i128),
    Float(f64),
    Pipe,
    Open,
    Close,
    Declare,
    Assign,
    Comma,
    End,
}

/// A token with where it begins and ends in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
    pub(super) end: usize,
}

/// Returns the tokens of a template, the last of which is [`Kind::End`], and what stopped the cutting early: the parser
/// meets its own mistakes first, as in Go, where both go hand in hand.
pub(super) fn tokens(name: &str, text: &str) -> (Vec<Token>, Option<Failure>) {
    let mut lexer = Lexer { name, text, at: 0, depth: 0, tokens: Vec::new() };
    let failure = lexer.run().err();
    lexer.push(Kind::End, text.len());
    (lexer.tokens, failure)
}

struct Lexer<'a> {
    name: &'a str,
    text: &'a str,
    at: usize,
    /// Open parentheses.
    depth: usize,
    tokens: Vec<Token>,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: Kind, end: usize) {
        self.tokens.push(Token { kind, at: self.at, end });
        self.at = end;
    }

    fn fail<T>(&self, at: usize, message: impl std::fmt::Display) -> Result<T, Failure> {
        Err(Failure::parse(self.name, self.text, at, message))
    }

    fn run(&mut self) -> Result<(), Failure> {
        let mut trim = false;
        loop {
            let rest = self.rest();
            let skipped = if trim { rest.len() - rest.trim_start_matches(SPACES).len() } else { 0 };
            let Some(found) = rest.find("{{") else {
                self.at += skipped.min(rest.len());
                if self.at < self.text.len() {
                    self.push(Kind::Text(self.rest().to_owned()), self.text.len());
                }
                return Ok(());
            };
            let after = &rest[found + 2..];
            let trims = trims_left(after);
            let mut text = rest.get(skipped..found).unwrap_or_default();
            if trims {
                text = text.trim_end_matches(SPACES);
            }
            if !text.is_empty() {
                let end = self.at + found;
                self.push(Kind::Text(text.to_owned()), end);
            }
            self.at = self.text.len() - rest[found..].len();
            let body = 2 + if trims { 2 } else { 0 };
            trim = if after[body - 2..].starts_with("/*") { self.comment(body)? } else { self.action(body)? };
        }
    }

    /// Skips a comment; tells whether it trims what follows.
    fn comment(&mut self, body: usize) -> Result<bool, Failure> {
        let start = self.at;
        let inside = &self.rest()[body..];
        let Some(close) = inside.find("*/") else {
            return self.fail(start, "unclosed comment");
        };
        let after = &inside[close + 2..];
        let (trims, length) = match (after.starts_with("}}"), trims_right(after)) {
            (true, _) => (false, 2),
            (_, true) => (true, after.len() - after.trim_start_matches(SPACES).len() + 3),
            _ => return self.fail(start, "comment ends before closing delimiter"),
        };
        self.at += body + close + 2 + length;
        Ok(trims)
    }

    /// Cuts what is between the braces; tells whether the right one trims what follows.
    fn action(&mut self, body: usize) -> Result<bool, Failure> {
        self.depth = 0;
        self.push(Kind::Left, self.at + body);
        loop {
            let rest = self.rest();
            if trims_right(rest) {
                let spaces = rest.len() - rest.trim_start_matches(SPACES).len();
                self.close()?;
                self.push(Kind::Right, self.at + spaces + 3);
                return Ok(true);
            }
            if rest.starts_with("}}") {
                self.close()?;
                self.push(Kind::Right, self.at + 2);
                return Ok(false);
            }
            let Some(first) = rest.chars().next() else {
                return self.fail(self.text.len(), "unclosed action");
            };
            self.token(first)?;
        }
    }

    fn close(&self) -> Result<(), Failure> {
        if self.depth > 0 { self.fail(self.at, "unclosed left paren") } else { Ok(()) }
    }

    fn token(&mut self, first: char) -> Result<(), Failure> {
        let rest = self.rest();
        let second = rest[first.len_utf8()..].chars().next();
        match first {
            c if SPACES.contains(&c) => {
                let mut spaces = rest.len() - rest.trim_start_matches(SPACES).len();
                // The last space belongs to a trimming right delimiter.
                if rest[spaces..].starts_with("-}}") && spaces > 0 {
                    spaces -= 1;
                }
                self.push(Kind::Space, self.at + spaces);
            }
            ':' if second == Some('=') => self.push(Kind::Declare, self.at + 2),
            ':' => return self.fail(self.at, "expected :="),
            '=' => self.push(Kind::Assign, self.at + 1),
            ',' => self.push(Kind::Comma, self.at + 1),
            '|' => self.push(Kind::Pipe, self.at + 1),
            '(' => {
                self.depth += 1;
                self.push(Kind::Open, self.at + 1);
            }
            ')' => {
                // One too many is for the parser to refuse.
                self.depth = self.depth.saturating_sub(1);
                self.push(Kind::Close, self.at + 1);
            }
            '"' => self.quoted()?,
            '`' => match rest[1..].find('`') {
                Some(end) => self.push(Kind::Literal(rest[1..=end].to_owned()), self.at + end + 2),
                None => return self.fail(self.at, "unterminated raw quoted string"),
            },
            '\'' => self.character()?,
            '.' if !second.is_some_and(|c| c.is_ascii_digit()) => {
                let name = word(&rest[1..]);
                let end = self.at + 1 + name.len();
                self.push(if name.is_empty() { Kind::Dot } else { Kind::Field(name.to_owned()) }, end);
                self.terminated()?;
            }
            '$' => {
                let name = word(&rest[1..]);
                self.push(Kind::Variable(format!("${name}")), self.at + 1 + name.len());
                self.terminated()?;
            }
            '+' | '-' | '.' | '0'..='9' => self.number()?,
            c if c == '_' || c.is_alphanumeric() => {
                let name = word(rest);
                self.push(Kind::Word(name.to_owned()), self.at + name.len());
                self.terminated()?;
            }
            c if c.is_ascii_graphic() => {
                return self.fail(self.at, format_args!("unexpected {c:?} in command"));
            }
            c => {
                return self
                    .fail(self.at, format_args!("unrecognized character in action: U+{:04X} {c:?}", u32::from(c)));
            }
        }
        Ok(())
    }

    /// Checks that a name ends where it may.
    fn terminated(&mut self) -> Result<(), Failure> {
        let rest = self.rest();
        match rest.chars().next() {
            None => Ok(()),
            Some(c) if SPACES.contains(&c) || ".,|:()=".contains(c) || rest.starts_with("}}") => Ok(()),
            Some(c) => {
                // The name was none.
                self.tokens.pop();
                self.fail(self.at, format_args!("bad character U+{:04X} {c:?}", u32::from(c)))
            }
        }
    }

    fn quoted(&mut self) -> Result<(), Failure> {
        let rest = self.rest();
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let Some(text) = unescape(&rest[1..at]) else {
                        return self.fail(self.at, "invalid syntax");
                    };
                    self.push(Kind::Literal(text), self.at + at + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        self.fail(self.at, "unterminated quoted string")
    }

    fn character(&mut self) -> Result<(), Failure> {
        let rest = self.rest();
        let skip = if rest[1..].starts_with('\\') { 3 } else { 2 };
        let end = rest.char_indices().skip(skip).find(|(_, c)| *c == '\'').map(|(at, _)| at);
        let text = end.and_then(|end| unescape(&rest[1..end]).map(|text| (end, text)));
        match text.map(|(end, text)| (end, text.chars().collect::<Vec<_>>())) {
            Some((end, chars)) if chars.len() == 1 => {
                self.push(Kind::Int(u32::from(chars[0]).into()), self.at + end + 1);
                Ok(())
            }
            Some(_) => self.fail(self.at, "malformed character constant"),
            None => self.fail(self.at, "unterminated character constant"),
        }
    }

    fn number(&mut self) -> Result<(), Failure> {
        let rest = self.rest();
        let mut end = 0;
        let mut previous = ' ';
        for (at, c) in rest.char_indices() {
            let hex = rest.trim_start_matches(['+', '-']).starts_with("0x");
            let sign = matches!(c, '+' | '-') && (at == 0 || !hex && matches!(previous, 'e' | 'E'));
            if !(sign || c == '.' || c == '_' || c.is_ascii_alphanumeric()) {
                break;
            }
            previous = c;
            end = at + c.len_utf8();
        }
        let text = &rest[..end];
        match number(text) {
            Some(kind) => {
                self.push(kind, self.at + end);
                self.terminated()
            }
            None => self.fail(self.at, format_args!("bad number syntax: {text:?}")),
        }
    }
}

fn trims_left(after: &str) -> bool {
    let mut chars = after.chars();
    chars.next() == Some('-') && chars.next().is_some_and(|c| SPACES.contains(&c))
}

fn trims_right(rest: &str) -> bool {
    let trimmed = rest.strip_prefix(SPACES);
    trimmed.is_some_and(|r| r.starts_with("-}}"))
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

fn number(text: &str) -> Option<Kind> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let plain = digits.replace('_', "");
    let radix = |prefix: &str, base| {
        let body = plain.strip_prefix(prefix).or_else(|| plain.strip_prefix(&prefix.to_uppercase()))?;
        i128::from_str_radix(body, base).ok().filter(|_| !body.starts_with(['+', '-']))
    };
    let whole = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2));
    let decimal = plain.bytes().all(|b| b.is_ascii_digit()).then(|| plain.parse::<i128>().ok()).flatten();
    if let Some(n) = whole.or(decimal).filter(|n| *n <= i128::from(u64::MAX)) {
        return Some(Kind::Int(if negative { -n } else { n }));
    }
    let float = plain.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let f = plain.parse::<f64>().ok().filter(|f| float && f.is_finite())?;
    Some(Kind::Float(if negative { -f } else { f }))
}

/// Reads the escapes of a Go string.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let tail = &rest[at + 1..];
        let letter = tail.chars().next()?;
        let code = |from: usize, length: usize, radix| {
            let digits = tail.get(from..from + length)?;
            u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))
        };
        let simple = match letter {
            'n' => Some(b'\n'),
            't' => Some(b'\t'),
            'r' => Some(b'\r'),
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'v' => Some(11),
            '\\' | '"' | '\'' => u8::try_from(letter).ok(),
            _ => None,
        };
        let used = if let Some(byte) = simple {
            out.push(byte);
            1
        } else {
            let wide = |length| code(1, length, 16).and_then(char::from_u32).map(|c| (c, length + 1));
            match letter {
                'x' => {
                    out.push(u8::try_from(code(1, 2, 16)?).ok()?);
                    3
                }
                '0'..='7' => {
                    out.push(u8::try_from(code(0, 3, 8)?).ok()?);
                    3
                }
                'u' | 'U' => {
                    let (c, used) = wide(if letter == 'u' { 4 } else { 8 })?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    used
                }
                _ => return None,
            }
        };
        rest = &tail[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_are_gos() {
        assert_eq!(unescape(r#"a\n\t\x41\101\u20ac\"\\"#).unwrap(), "a\n\tAA€\"\\");
        assert_eq!(unescape(r"\q"), None);
        assert_eq!(unescape(r"\x4"), None);
        assert_eq!(number("-0x1F"), Some(Kind::Int(-31)));
        assert_eq!(number("1_000"), Some(Kind::Int(1000)));
        assert_eq!(number("1e3"), Some(Kind::Float(1000.0)));
        assert_eq!(number(".5"), Some(Kind::Float(0.5)));
        for bad in ["1x", "+", "1.2.3", "0xg", "inf"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn delimiters_trim() {
        let texts = |text| -> Vec<String> {
            let tokens = tokens("t", text).0;
            tokens.into_iter().filter_map(|t| if let Kind::Text(t) = t.kind { Some(t) } else { None }).collect()
        };
        assert_eq!(texts("a {{- 1 -}} b"), ["a", "b"]);
        assert_eq!(texts("a {{-1}} b"), ["a ", " b"]);
        assert_eq!(texts("a {{- /* x */ -}} b"), ["a", "b"]);
        assert_eq!(texts("a{{/* x */}}b"), ["a", "b"]);
        assert_eq!(texts(" \n{{- 1 -}}\n "), Vec::<String>::new());
    }
}
