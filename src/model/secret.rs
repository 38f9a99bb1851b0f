//! Text that must not be printed, logged or stored by accident; and the secrets that users keep for their containers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::Error;

/// A password or token. It has neither `Display` nor `Serialize`; its memory is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text to the code that sends it; the name makes each use visible.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Secret {
    /// Structures that hold a secret stay printable; the secret itself does not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Keeps the compiler from dropping the fill as a dead store.
        drop(std::hint::black_box(bytes));
    }
}

/// What a user's secret says. As [`Secret`], of bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Value(Vec<u8>);

impl Value {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.fill(0);
        drop(std::hint::black_box(bytes));
    }
}

/// The record of a user's secret: all but its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretRecord {
    pub(crate) version: u32,
    /// 25 hexadecimal digits.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(flatten)]
    pub(crate) unknown: serde_json::Map<String, serde_json::Value>,
}

/// A secret that a container has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretUse {
    pub(crate) name: String,
    /// Empty in a request.
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) shown: Shown,
}

/// Where a container sees a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shown {
    /// A file: below `/run/secrets` unless the path is absolute.
    File { target: String, uid: u32, gid: u32, mode: u32 },
    /// A variable.
    Variable(String),
}

/// Refuses names that secrets cannot have.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let plain = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if plain && bytes.len() <= 64 && end(bytes.first()) && end(bytes.last()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]: {}: invalid \
         secret name",
        name.escape_debug()
    )))
}

impl SecretUse {
    /// Reads `NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]` (podman-run(1), `--secret`).
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = |what: String| Error::invalid(format!("{what}: parsing secret"));
        let (mut name, mut target, mut kind) = (None, None, None);
        let (mut uid, mut gid, mut mode) = (None, None, None);
        for (index, part) in text.split(',').enumerate() {
            let Some((key, value)) = part.split_once('=') else {
                if index > 0 {
                    return Err(bad(format!("option {} must be in form option=value", part.escape_debug())));
                }
                name = Some(part);
                continue;
            };
            let number = |word: &str, radix: u32, most: u32| {
                let plain = value.bytes().all(|byte| byte.is_ascii_digit());
                let number = u32::from_str_radix(value, radix).ok().filter(|number| plain && *number <= most);
                number.ok_or_else(|| bad(format!("{word} {} invalid", value.escape_debug())))
            };
            match key {
                "source" => name = Some(value),
                "target" => target = Some(value),
                "type" if kind.is_some() => return Err(bad("cannot set more than one secret type".to_owned())),
                "type" if matches!(value, "mount" | "env") => kind = Some(value),
                "type" => return Err(bad(format!("type {} is invalid", value.escape_debug()))),
                "uid" => uid = Some(number("UID", 10, u32::MAX - 1)?),
                "gid" => gid = Some(number("GID", 10, u32::MAX - 1)?),
                "mode" => mode = Some(number("mode", 8, 0o7777)?),
                _ => return Err(bad(format!("option {} invalid", part.escape_debug()))),
            }
        }
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| bad(format!("no source found {}", text.escape_debug())))?;
        let target = target.filter(|target| !target.is_empty()).unwrap_or(name);
        if target.contains(['\0', '\n']) || target.split('/').any(|part| part == "..") {
            return Err(bad(format!("target {} invalid", target.escape_debug())));
        }
        let shown = if kind == Some("env") {
            if uid.or(gid).or(mode).is_some() {
                return Err(bad("UID, GID, Mode options cannot be set with secret type env".to_owned()));
            }
            if target.contains('=') {
                return Err(bad(format!("target {} invalid", target.escape_debug())));
            }
            Shown::Variable(target.to_owned())
        } else {
            let (uid, gid, mode) = (uid.unwrap_or(0), gid.unwrap_or(0), mode.unwrap_or(0o444));
            Shown::File { target: target.to_owned(), uid, gid, mode }
        };
        Ok(Self { name: name.to_owned(), id: String::new(), shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// R18.
    #[test]
    fn is_not_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "<secret>");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn uses_are_read_as_podman_reads_them() {
        let file = |name: &str, target: &str, uid, gid, mode| SecretUse {
            name: name.to_owned(),
            id: String::new(),
            shown: Shown::File { target: target.to_owned(), uid, gid, mode },
        };
        assert_eq!(SecretUse::parse("one").unwrap(), file("one", "one", 0, 0, 0o444));
        let text = "one,target=/x/y,uid=5,gid=6,mode=0400";
        assert_eq!(SecretUse::parse(text).unwrap(), file("one", "/x/y", 5, 6, 0o400));
        let shown = |text: &str| SecretUse::parse(text).unwrap().shown;
        assert_eq!(shown("one,type=env"), Shown::Variable("one".to_owned()));
        assert_eq!(shown("source=one,type=env,target=FOO"), Shown::Variable("FOO".to_owned()));
        for bad in [
            "",
            "one,foo=1",
            "one,foo",
            "one,type=x",
            "one,mode=999",
            "one,uid=-1",
            "one,uid=4294967295",
            "target=x",
            "one,type=env,uid=4",
            "one,type=env,type=env",
            "one,target=../x",
            "one,type=env,target=a=b",
        ] {
            assert!(SecretUse::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "a-b_c.d", &"x".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a,b", "a b", "-a", "a-", "a/b", "a=b", &"x".repeat(65), "\u{e9}"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// R39.
        #[test]
        fn any_use_is_read_or_refused(text in "([a-z0-9_.-]{1,8}(,(type|target|uid|gid|mode)=[a-z0-9/]{0,6}){0,4}|\\PC{0,30})") {
            if let Ok(read) = SecretUse::parse(&text) {
                let inside = |target: &str| target.split('/').all(|part| part != "..") && !target.contains(['\0', '\n']);
                let fine = match &read.shown {
                    Shown::File { target, uid, gid, mode } => inside(target) && *uid.max(gid) < u32::MAX && *mode <= 0o7777,
                    Shown::Variable(name) => inside(name) && !name.contains('='),
                };
                prop_assert!(fine, "{:?}", read);
            }
        }
    }
}
