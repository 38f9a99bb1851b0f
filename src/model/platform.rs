//! Platforms of images, `os/arch[/variant]`, in the spelling of Go that the image-spec uses.

use std::fmt;
use std::str::FromStr;

use super::error::Error;

/// An operating system, a processor and perhaps its variant; normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
    pub(crate) variant: Option<String>,
}

impl Platform {
    /// Normalises the three parts, as written by a user or found in a manifest.
    pub(crate) fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let os = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let variant = variant.unwrap_or_default().to_ascii_lowercase();
        let mut variant = match variant.as_bytes().first() {
            Some(b'0'..=b'9') => format!("v{variant}"),
            _ => variant,
        };
        let architecture = match architecture.to_ascii_lowercase().as_str() {
            "i386" | "i486" | "i586" | "i686" | "x86" => "386",
            "x86_64" | "x86-64" => {
                if variant == "v1" {
                    variant.clear();
                }
                "amd64"
            }
            "amd64" => {
                if variant == "v1" {
                    variant.clear();
                }
                "amd64"
            }
            "aarch64" | "arm64" => {
                if variant == "v8" {
                    variant.clear();
                }
                "arm64"
            }
            "armhf" => {
                variant = "v7".to_owned();
                "arm"
            }
            "armel" => {
                variant = "v6".to_owned();
                "arm"
            }
            "arm" => {
                if variant.is_empty() {
                    variant = "v7".to_owned();
                }
                "arm"
            }
            "powerpc64le" => "ppc64le",
            "loongarch64" => "loong64",
            other => return Self { os, architecture: other.to_owned(), variant: some(variant) },
        }
        .to_owned();
        Self { os, architecture, variant: some(variant) }
    }

    /// The platform of this machine.
    pub(crate) fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// How well an image for `offered` runs where `self` is wanted: 0 is best, `None` not at all.
    pub(crate) fn rank(&self, offered: &Self) -> Option<usize> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        self.variants().iter().position(|variant| *variant == offered.variant)
    }

    /// The variants that serve this platform, best first: a processor runs what older ones run.
    fn variants(&self) -> Vec<Option<String>> {
        let wanted = self.variant.clone();
        let level = wanted.as_deref().and_then(|v| v.strip_prefix('v')).and_then(|v| v.parse::<u8>().ok());
        let lowest = match self.architecture.as_str() {
            "arm" => 5,
            "amd64" => 2,
            _ => u8::MAX,
        };
        let mut list = vec![wanted];
        if let Some(level) = level {
            list.extend((lowest..level).rev().map(|older| Some(format!("v{older}"))));
        }
        if !list.contains(&None) {
            list.push(None);
        }
        list
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(plain) {
            return Err(invalid(text));
        }
        match parts[..] {
            ["linux"] => Ok(Self::host()),
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(invalid(text)),
        }
    }
}

fn invalid(text: &str) -> Error {
    Error::invalid(format!("invalid platform \"{}\": must be os/arch[/variant]", text.escape_debug()))
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn normalises() {
        for (text, want) in [
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64/v1", "linux/amd64"),
            ("linux/aarch64/8", "linux/arm64"),
            ("linux/arm64/v9", "linux/arm64/v9"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/i686", "linux/386"),
            ("linux/s390x", "linux/s390x"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), want);
        }
        for bad in ["", "/", "linux/", "amd64", "a/b/c/d", "linux/a b", "li\nnux/amd64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn falls_back_to_older_variants() {
        let rank = |want: &str, offered: &str| want.parse::<Platform>().unwrap().rank(&offered.parse().unwrap());
        assert_eq!(rank("linux/amd64", "linux/amd64"), Some(0));
        assert_eq!(rank("linux/amd64", "linux/arm64"), None);
        assert_eq!(rank("linux/amd64", "windows/amd64"), None);
        assert_eq!(rank("linux/amd64", "linux/amd64/v3"), None);
        assert_eq!(rank("linux/amd64/v3", "linux/amd64/v2"), Some(1));
        assert_eq!(rank("linux/amd64/v3", "linux/amd64"), Some(2));
        assert_eq!(rank("linux/arm/v7", "linux/arm/v6"), Some(1));
        assert_eq!(rank("linux/arm/v6", "linux/arm/v7"), None);
        assert_eq!(rank("linux/arm64", "linux/arm64/v8"), Some(0));
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_again(text in "[a-zA-Z0-9/_.-]{0,30}|\\PC{0,20}") {
            if let Ok(platform) = text.parse::<Platform>() {
                prop_assert_eq!(platform.to_string().parse::<Platform>().unwrap(), platform);
            }
        }
    }
}
