//! What a command said and how it ended.

use std::process::Output;

/// The result of a finished command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) command: String,
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(command: String, output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().or_else(|| output.status.signal().map(|s| 128 + s)).unwrap_or(-1);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { command, code, stdout: output.stdout, stderr }
    }

    /// Standard output as text, without the last line's end.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error} in the output of {self}"))
    }

    /// Fails the test unless the exit code is 0; returns standard output.
    #[track_caller]
    pub(crate) fn ok(&self) -> String {
        assert_eq!(self.code, 0, "{self}");
        self.text()
    }

    /// Fails the test unless the command failed as it should: this exit code, one line on standard error that contains
    /// `words`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &str) -> &Self {
        assert_eq!(self.code, code, "{self}");
        assert!(self.stderr.contains(words), "expected {words:?} of {self}");
        let errors = self.stderr.lines().filter(|line| !line.starts_with("hint:") && !line.is_empty()).count();
        assert_eq!(errors, 1, "one line is due of {self}");
        self
    }

    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(f, "`{}`\n  exit code {}\n  stdout: {stdout}\n  stderr: {}", self.command, self.code, self.stderr)
    }
}
