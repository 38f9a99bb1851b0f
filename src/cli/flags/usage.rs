//! The error of someone who typed a command wrongly.

use std::fmt;

/// A wrong command line: one line, and where to read more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageError {
    message: String,
    see: Option<String>,
}

impl UsageError {
    /// Makes an error that stands for itself.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), see: None }
    }

    /// Adds the command whose help explains more.
    pub(crate) fn see(mut self, path: &str) -> Self {
        let see = format!("See '{path} --help'");
        self.see = Some(match self.see {
            Some(before) => format!("{before}\n{see}"),
            None => see,
        });
        self
    }

    /// Adds a line of its own after the message.
    pub(crate) fn trailer(mut self, line: impl Into<String>) -> Self {
        self.see = Some(line.into());
        self
    }

    /// Returns what is printed below the message.
    pub(crate) fn below(&self) -> Option<&str> {
        self.see.as_deref()
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

/// Counts the edits between two words (Levenshtein).
pub(super) fn distance(a: &str, b: &str) -> usize {
    // A long word is near to no command.
    if a.len() > 64 {
        return a.len();
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let step = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = step.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
