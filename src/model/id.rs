//! Identifiers: 64 lower-case hexadecimal digits, shown short as the first twelve.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// The id of a container (and, in time, of a pod): 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Id(String);

impl Id {
    /// Makes an id from 32 random bytes.
    pub(crate) fn from_random(bytes: [u8; 32]) -> Self {
        Self(super::digest::Digest::sha256(&bytes).hex().to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, as listings show them.
    pub(crate) fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl std::str::FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Error::invalid(format!("invalid id \"{}\"", text.escape_debug())));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Id {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
