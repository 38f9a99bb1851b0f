//! The file of a session: parsed, compared, written.
//!
//! ```text
//! # a comment
//! $ podman run --rm busybox sh -c 'echo out; echo err >&2; exit 3'
//!   out
//! ! err
//! = 3
//! ~ why podman's answer, which follows, is another
//!   other output
//! ```
//!
//! A command after `%` instead of `$` runs on a terminal, and lines `< WAIT => KEYS` below it are what is typed there and
//! when, as `tests/support/programs/terminal.rs` has it; its output is what the terminal shows.

use std::fmt;

/// What one command answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
    pub(crate) code: i32,
}

/// One command of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// Lines before it, as they are: comments and blank lines.
    before: Vec<String>,
    pub(crate) command: String,
    /// What is typed, where it runs on a terminal.
    pub(crate) keys: Option<Vec<String>>,
    answer: Answer,
    /// Podman's, with the reason, where it is another.
    other: Option<(String, Answer)>,
}

/// A session.
pub(crate) struct Case {
    pub(crate) steps: Vec<Step>,
}

/// The reason that stands where nobody has given one.
const UNEXPLAINED: &str = "?";

impl Case {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps: Vec<Step> = Vec::new();
        let mut before = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let wrong = || format!("line {}: {line}", number + 1);
            let (plain, terminal) = (line.strip_prefix("$ "), line.strip_prefix("% "));
            if let Some(command) = plain.or(terminal) {
                let (before, keys) = (std::mem::take(&mut before), terminal.map(|_| Vec::new()));
                steps.push(Step { before, command: command.to_owned(), keys, ..Step::default() });
                continue;
            }
            if line.is_empty() || line.starts_with('#') {
                before.push(line.to_owned());
                continue;
            }
            let step = steps.last_mut().ok_or_else(wrong)?;
            if let Some(more) = line.strip_prefix("> ") {
                step.command = format!("{}\n{more}", step.command);
                continue;
            }
            if let Some(typed) = line.strip_prefix("< ") {
                step.keys.as_mut().ok_or_else(wrong)?.push(typed.to_owned());
                continue;
            }
            if let Some(reason) = line.strip_prefix("~ ") {
                step.other = Some((reason.to_owned(), Answer::default()));
                continue;
            }
            let answer = step.other.as_mut().map_or(&mut step.answer, |(_, other)| other);
            if let Some(out) = line.strip_prefix("  ") {
                answer.stdout.push(out.to_owned());
            } else if let Some(err) = line.strip_prefix("! ") {
                answer.stderr.push(err.to_owned());
            } else if let Some(code) = line.strip_prefix("= ") {
                answer.code = code.parse().map_err(|_| wrong())?;
            } else {
                return Err(wrong());
            }
        }
        Ok(Self { steps })
    }

    /// What differs between this file and `answers`, one text per command.
    pub(crate) fn compare(&self, answers: &[Answer]) -> Vec<String> {
        assert_eq!(self.steps.len(), answers.len());
        let pairs = self.steps.iter().zip(answers).filter(|(step, answer)| step.answer != **answer);
        pairs.map(|(step, answer)| format!("$ {}\nexpected:\n{}got:\n{answer}", step.command, step.answer)).collect()
    }

    /// Takes new answers; a reason stays while there is a difference.
    pub(crate) fn record(&mut self, answers: Vec<Answer>, others: Vec<Answer>) {
        for (step, (answer, other)) in self.steps.iter_mut().zip(answers.into_iter().zip(others)) {
            let reason = step.other.take().map_or_else(|| UNEXPLAINED.to_owned(), |(reason, _)| reason);
            step.other = (answer.without_hints() != other).then_some((reason, other));
            step.answer = answer;
        }
    }

    /// The commands that podman answers in another way and nobody has said why.
    pub(crate) fn unexplained(&self) -> Vec<&str> {
        let open = |step: &&Step| step.other.as_ref().is_some_and(|(reason, _)| reason == UNEXPLAINED);
        self.steps.iter().filter(open).map(|step| step.command.as_str()).collect()
    }
}

impl Answer {
    fn without_hints(&self) -> Self {
        let stderr = self.stderr.iter().filter(|line| !line.starts_with("hint: ")).cloned().collect();
        Self { stderr, ..self.clone() }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.stdout {
            writeln!(f, "  {line}")?;
        }
        for line in &self.stderr {
            writeln!(f, "! {line}")?;
        }
        if self.code != 0 {
            writeln!(f, "= {}", self.code)?;
        }
        Ok(())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            for line in &step.before {
                writeln!(f, "{line}")?;
            }
            let mark = if step.keys.is_some() { '%' } else { '$' };
            writeln!(f, "{mark} {}", step.command.replace('\n', "\n> "))?;
            for typed in step.keys.iter().flatten() {
                writeln!(f, "< {typed}")?;
            }
            write!(f, "{}", step.answer)?;
            if let Some((reason, other)) = &step.other {
                write!(f, "~ {reason}\n{other}")?;
            }
        }
        Ok(())
    }
}
