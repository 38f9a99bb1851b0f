//! Rust source as tokens: enough of the language to know a path from a word in a comment.
//!
//! Comments, strings and characters become nothing (strings leave a placeholder), and what `#[cfg(test)]` covers is cut
//! out afterwards, because tests may import what the code beside them may not.

/// One token with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    /// Whether this is an identifier or keyword.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Splits `source` into words, `::` and single characters of punctuation; literals become `"`.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { text: &text, at: 0, line: 1, out: Vec::new() };
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    text: &'a [char],
    at: usize,
    line: usize,
    out: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.text.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn step(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == '\n' {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn push(&mut self, text: impl Into<String>, line: usize) {
        self.out.push(Token { text: text.into(), line });
    }

    fn run(&mut self) {
        while self.at < self.text.len() {
            let line = self.line;
            match (self.peek(0), self.peek(1)) {
                (c, _) if c.is_whitespace() => self.step(1),
                ('/', '/') => {
                    while self.at < self.text.len() && self.peek(0) != '\n' {
                        self.step(1);
                    }
                }
                ('/', '*') => self.block_comment(),
                ('"', _) => {
                    self.string();
                    self.push("\"", line);
                }
                ('\'', _) => self.quote(line),
                (':', ':') => {
                    self.step(2);
                    self.push("::", line);
                }
                (c, _) if c.is_ascii_digit() => {
                    while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                        self.step(1);
                    }
                }
                (c, _) if c.is_alphabetic() || c == '_' => self.word(line),
                (c, _) => {
                    self.step(1);
                    self.push(c, line);
                }
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.step(2);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.step(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ if self.at >= self.text.len() => return,
                _ => self.step(1),
            }
        }
    }

    fn string(&mut self) {
        self.step(1);
        while self.at < self.text.len() && self.peek(0) != '"' {
            self.step(if self.peek(0) == '\\' { 2 } else { 1 });
        }
        self.step(1);
    }

    fn raw_string(&mut self, hashes: usize) {
        self.step(hashes + 1);
        while self.at < self.text.len() {
            if self.peek(0) == '"' && (1..=hashes).all(|n| self.peek(n) == '#') {
                self.step(hashes + 1);
                return;
            }
            self.step(1);
        }
    }

    /// A character or a lifetime.
    fn quote(&mut self, line: usize) {
        if self.peek(1) == '\\' {
            self.step(3);
            while self.at < self.text.len() && self.peek(0) != '\'' {
                self.step(1);
            }
            self.step(1);
            self.push("\"", line);
        } else if self.peek(2) == '\'' {
            self.step(3);
            self.push("\"", line);
        } else {
            self.step(1);
            while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                self.step(1);
            }
        }
    }

    fn word(&mut self, line: usize) {
        let start = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.step(1);
        }
        let word: String = self.text[start..self.at].iter().collect();
        let prefix = matches!(word.as_str(), "r" | "b" | "br" | "c" | "cr");
        let hashes = (0..).take_while(|&n| self.peek(n) == '#').count();
        if prefix && self.peek(0) == '"' {
            if word.contains('r') {
                self.raw_string(0)
            } else {
                self.string()
            }
            self.push("\"", line);
        } else if prefix && word.contains('r') && hashes > 0 && self.peek(hashes) == '"' {
            self.raw_string(hashes);
            self.push("\"", line);
        } else if word == "b" && self.peek(0) == '\'' {
            self.quote(line);
        } else if word == "r" && hashes == 1 {
            self.step(1);
            self.word(line);
        } else {
            self.push(word, line);
        }
    }
}

/// Cuts out the items under `#[cfg(test)]` (also `all(test, …)`).
pub(crate) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if let Some(end) = attribute_end(tokens, at) {
            let words: Vec<&str> = tokens[at..end].iter().map(|t| t.text.as_str()).collect();
            let test = words.contains(&"cfg") && words.contains(&"test") && !words.contains(&"not");
            if test {
                at = item_end(tokens, end);
                continue;
            }
        }
        out.push(tokens[at].clone());
        at += 1;
    }
    out
}

/// The end of the outer attribute at `at`, when one begins there.
fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    let open = tokens.get(at).is_some_and(|t| t.text == "#") && tokens.get(at + 1).is_some_and(|t| t.text == "[");
    open.then(|| balanced(tokens, at + 1))
}

/// The index after the bracket that closes the one at `open`.
pub(crate) fn balanced(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The index after the item (with further attributes) that begins at `at`.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while let Some(end) = attribute_end(tokens, at) {
        at = end;
    }
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" | "," => return at + 1,
            "{" => return balanced(tokens, at),
            "(" | "[" => at = balanced(tokens, at),
            "}" => return at,
            _ => at += 1,
        }
    }
    at
}

#[test]
fn literals_and_comments_are_no_tokens() {
    let source = r##"use a::b; // crate::x
        /* crate::y /* nested */ crate::z */ let s = "crate::q \" crate"; let r = r#"crate::"w" "#;
        let c = '"'; let l: &'static str = b'\''; fn r#type() {} let n = 0xffu8..10;"##;
    let words: Vec<String> = tokens(source).into_iter().filter(Token::is_word).map(|t| t.text).collect();
    assert_eq!(
        words,
        ["use", "a", "b", "let", "s", "let", "r", "let", "c", "let", "l", "str", "fn", "type", "let", "n"]
    );
}

#[test]
fn test_items_are_cut_out() {
    let source = "use a; #[cfg(test)] mod tests { use b; fn f() { if x { y } } } #[cfg(test)] use c::{d, e}; use f; \
                  #[cfg(all(test, x))] #[other] fn g(a: [u8; 3]) -> T { h } #[cfg(not(test))] use i;";
    let text: Vec<String> = without_tests(&tokens(source)).into_iter().filter(Token::is_word).map(|t| t.text).collect();
    assert_eq!(text, ["use", "a", "use", "f", "cfg", "not", "test", "use", "i"]);
}
