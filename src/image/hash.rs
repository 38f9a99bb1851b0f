//! Digests of content that streams by: sha256 as everywhere, sha512 where a manifest names it.

use anyhow::{Result, bail};
use sha2::Digest as _;

use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};

/// A digest in the making, by the algorithm of the one that is expected.
#[derive(Clone)]
pub(crate) enum Hash {
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
}

impl Hash {
    /// Begins a hash with the algorithm of `expected`.
    pub(crate) fn of_kind(expected: &Digest) -> Self {
        match expected.algorithm() {
            "sha512" => Self::Sha512(Box::default()),
            _ => Self::Sha256(sha2::Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// Ends the hash and compares.
    pub(crate) fn check(&self, expected: &Digest) -> Result<()> {
        let hex = match self.clone() {
            Self::Sha256(hash) => hex(&hash.finalize()),
            Self::Sha512(hash) => hex(&hash.finalize()),
        };
        if hex != expected.hex() {
            bail!(Error::new(
                ErrorKind::Unavailable,
                format!("digest is {}:{hex} instead of {expected}", expected.algorithm())
            ));
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
