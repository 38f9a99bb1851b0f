//! The error that a caller may have to decide upon: a kind, one line for people, and a hint where we know the way out.
//!
//! `anyhow::Error` flows everywhere; where the kind matters its root is an [`Error`]. It is serializable, so that it
//! crosses from the monitor to the command unchanged.

use serde::{Deserialize, Serialize};

/// What went wrong, as far as a caller may decide upon it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorKind {
    /// No such object.
    NotFound,
    /// A name, port or object is in use.
    Conflict,
    /// The input is not valid.
    Invalid,
    /// The object is in a state that does not allow it.
    State,
    /// The caller may not do this.
    Denied,
    /// This host or this program cannot do it.
    Unsupported,
    /// Something outside (a registry, a peer) does not answer as it should.
    Unavailable,
    /// A deadline passed.
    Timeout,
    /// The command of a container exists and cannot be executed: exit code 126.
    NotExecutable,
    /// The command of a container does not exist: exit code 127.
    NoCommand,
}

/// One line for people with its kind and, perhaps, a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Error {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Error {
    /// Makes an error of `kind` that says `message`.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Adds the way out.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn state(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::State, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Whether something in the chain of an error is of that kind.
pub(crate) fn is_kind(error: &anyhow::Error, kind: ErrorKind) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<Error>()).any(|error| error.kind == kind)
}
