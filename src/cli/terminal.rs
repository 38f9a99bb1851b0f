//! The user's terminal in the foreground client: raw while attached, its size, and the keys that detach.

use std::fmt;
use std::io::{self, IsTerminal, Stdin};

use crate::sys::tty::{self, RawMode};

/// Makes the terminal on standard input raw until the guard is dropped; `None` where it is no terminal.
pub(crate) fn raw_stdin() -> io::Result<Option<RawMode<Stdin>>> {
    let stdin = io::stdin();
    if stdin.is_terminal() { RawMode::enter(stdin).map(Some) } else { Ok(None) }
}

/// Whether one of our three streams is a terminal.
pub(crate) fn is_any() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// Returns rows and columns of the user's terminal, on whichever of our three streams it is.
pub(crate) fn window_size() -> Option<(u16, u16)> {
    tty::size(io::stdout()).or_else(|_| tty::size(io::stdin())).or_else(|_| tty::size(io::stderr())).ok()
}

/// The bytes that detach; empty disables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys(Vec<u8>);

/// Detach keys that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeysError(String);

impl fmt::Display for DetachKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid detach keys: unknown character: '{}'", self.0)
    }
}

impl std::error::Error for DetachKeysError {}

impl std::str::FromStr for DetachKeys {
    type Err = DetachKeysError;

    /// Reads `ctrl-p,ctrl-q`, single characters and `DEL`, separated by commas.
    fn from_str(text: &str) -> Result<Self, DetachKeysError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let key = |name: &str| match name.as_bytes() {
            [byte] => Ok(*byte),
            b"DEL" => Ok(0x7f),
            [b'c', b't', b'r', b'l', b'-', c @ (b'a'..=b'z')] => Ok(c - b'a' + 1),
            b"ctrl-@" => Ok(0),
            [b'c', b't', b'r', b'l', b'-', c @ (b'['..=b'_')] => Ok(c - b'[' + 0x1b),
            _ => Err(DetachKeysError(name.to_owned())),
        };
        text.split(',').map(key).collect::<Result<_, _>>().map(Self)
    }
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self(vec![0x10, 0x11])
    }
}

/// Finds the detach keys in what the user types, however it is cut in pieces.
///
/// What may be the start of them is held back until the next key decides.
#[derive(Debug)]
pub(crate) struct Detector {
    keys: Vec<u8>,
    /// For each matched length, the longest shorter match that the same bytes also are (Knuth, Morris, Pratt).
    fallback: Vec<usize>,
    matched: usize,
}

impl Detector {
    /// Makes a detector of these keys.
    pub(crate) fn new(keys: &DetachKeys) -> Self {
        let keys = keys.0.clone();
        let mut fallback = vec![0; keys.len() + 1];
        let mut length = 0;
        for at in 1..keys.len() {
            while length > 0 && keys[at] != keys[length] {
                length = fallback[length];
            }
            length += usize::from(keys[at] == keys[length]);
            fallback[at + 1] = length;
        }
        Self { keys, fallback, matched: 0 }
    }

    /// Appends to `out` what goes to the container; tells whether the keys were completed (the rest of `input` is
    /// dropped then).
    pub(crate) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        if self.keys.is_empty() {
            out.extend_from_slice(input);
            return false;
        }
        for &byte in input {
            while self.matched > 0 && self.keys[self.matched] != byte {
                // The bytes that no longer can be part of a match are the user's.
                let shorter = self.fallback[self.matched];
                out.extend_from_slice(&self.keys[..self.matched - shorter]);
                self.matched = shorter;
            }
            if self.keys[self.matched] == byte {
                self.matched += 1;
            } else {
                out.push(byte);
            }
            if self.matched == self.keys.len() {
                self.matched = 0;
                return true;
            }
        }
        false
    }

    /// Appends what is held back, at the end of the input.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.keys[..self.matched]);
        self.matched = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_read_as_podman_reads_them() {
        for (text, want) in [
            ("ctrl-p,ctrl-q", &[0x10, 0x11][..]),
            ("", &[]),
            ("a,B,;", b"aB;"),
            ("ctrl-a", &[1]),
            ("ctrl-z,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", &[26, 0, 27, 28, 29, 30, 31]),
            ("DEL", &[0x7f]),
        ] {
            assert_eq!(text.parse::<DetachKeys>().unwrap().0, want, "{text}");
        }
        assert_eq!("ctrl-p,ctrl-q".parse(), Ok(DetachKeys::default()));
        for text in ["ctrl-", "ctrl-P", "ctrl-pp", "ab", "a,,b", "a,", "ä"] {
            assert!(text.parse::<DetachKeys>().is_err(), "{text}");
        }
    }

    #[test]
    fn partial_keys_pass_once_they_fail() {
        let mut detector = Detector::new(&DetachKeys::default());
        let mut out = Vec::new();
        assert!(!detector.feed(b"ls\x10", &mut out));
        assert_eq!(out, b"ls");
        assert!(!detector.feed(b"x", &mut out));
        assert_eq!(out, b"ls\x10x");
        assert!(detector.feed(b"\x10\x10\x11rest", &mut out));
        assert_eq!(out, b"ls\x10x\x10");
    }

    proptest! {
        #[test]
        fn pieces_do_not_hide_the_keys(
            keys in proptest::collection::vec(0u8..3, 0..5),
            input in proptest::collection::vec(0u8..3, 0..40),
            size in 1usize..5,
        ) {
            let mut detector = Detector::new(&DetachKeys(keys.clone()));
            let mut out = Vec::new();
            let detached = input.chunks(size).any(|piece| detector.feed(piece, &mut out));
            let at = input.windows(keys.len().max(1)).position(|w| !keys.is_empty() && w == keys);
            prop_assert_eq!(detached, at.is_some());
            if !detached {
                detector.finish(&mut out);
            }
            prop_assert_eq!(&out[..], &input[..at.unwrap_or(input.len())]);
        }
    }
}
