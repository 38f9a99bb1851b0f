//! What is wrong with a template, in Go's words.

use std::fmt;

/// A template that cannot be parsed or executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    text: String,
    executing: bool,
}

impl Failure {
    /// Says what is wrong with the text at a byte.
    pub(super) fn parse(name: &str, text: &str, at: usize, message: impl fmt::Display) -> Self {
        Self { text: format!("template: {name}:{}: {message}", line(text, at)), executing: false }
    }

    /// Says what went wrong while a node was executed; Go names the place of a chain by its second link.
    pub(super) fn execute(name: &str, text: &str, place: usize, context: &str, message: impl fmt::Display) -> Self {
        let before = text.get(..place).unwrap_or(text);
        let column = before.rfind('\n').map_or(place, |newline| place - newline - 1);
        let line = line(text, place);
        let text = format!("template: {name}:{line}:{column}: executing {name:?} at <{context}>: {message}");
        Self { text, executing: true }
    }

    /// Says that a template would never end.
    pub(super) fn limit(name: &str, what: &str) -> Self {
        Self { text: format!("template: {name}: {what}"), executing: true }
    }

    /// The template is one, but does not fit what it is executed on.
    pub(crate) fn is_of_execution(&self) -> bool {
        self.executing
    }
}

fn line(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|&&b| b == b'\n').count()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
