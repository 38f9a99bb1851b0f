//! Image references, as docker and podman read them (distribution/reference, "Grammar"): `[domain/]path[:tag][@digest]`.
//!
//! A reference without a domain is kept as the short name that it is, so that aliases and the search list can decide;
//! [`Reference::normalized`] and [`Reference::qualified`] give the full forms. Transports (`docker://`,
//! `oci-archive:`, …) are told apart by [`Source`], image ids by [`IdPrefix`].

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;
use super::error::Error;

/// The registry of names that docker users leave out.
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// The longest name, domain included.
const NAME_MAX: usize = 255;
/// The longest tag.
const TAG_MAX: usize = 128;

/// A parsed image reference; without a domain it is a short name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Reference {
    domain: Option<String>,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry, `None` for a short name.
    pub(crate) fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// The repository without the registry.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub(crate) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// True where no registry was named.
    pub(crate) fn is_short(&self) -> bool {
        self.domain.is_none()
    }

    /// Registry and repository, without tag and digest.
    pub(crate) fn name(&self) -> String {
        match &self.domain {
            Some(domain) => format!("{domain}/{}", self.path),
            None => self.path.clone(),
        }
    }

    /// The same image with the registry `domain` where it had none; `docker.io` also brings `library/`.
    pub(crate) fn qualified(&self, domain: &str) -> Result<Self, Error> {
        if self.domain.is_some() {
            return Ok(self.clone());
        }
        self.with_suffix(format!("{domain}/{}", self.path)).parse()
    }

    /// The same name with `tag` and without digest.
    pub(crate) fn with_tag(&self, tag: &str) -> Result<Self, Error> {
        if !is_tag(tag) {
            return Err(Error::invalid(format!("invalid tag \"{}\"", tag.escape_debug())));
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same name with `digest` and without tag.
    pub(crate) fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same reference, with the tag `latest` where it has neither tag nor digest.
    pub(crate) fn or_latest(&self) -> Self {
        let mut full = self.clone();
        if full.tag.is_none() && full.digest.is_none() {
            full.tag = Some("latest".to_owned());
        }
        full
    }

    fn with_suffix(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.name()))
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::invalid(format!("parsing reference \"{}\": {why}", text.escape_debug()));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse::<Digest>().map_err(|_| bad("invalid reference format"))?))
            }
            None => (text, None),
        };
        // A colon after the last slash begins a tag; one before it belongs to a port.
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].find(':') {
            Some(colon) => (&rest[..name_start + colon], Some(&rest[name_start + colon + 1..])),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("invalid reference format"));
        }
        let (domain, path) = split_domain(name);
        if domain.is_none() && path.len() == 64 && path.bytes().all(is_lower_hex) {
            return Err(bad("repository name cannot be a 64-byte hexadecimal string"));
        }
        if !is_path(path) {
            let lower = path.to_ascii_lowercase();
            return Err(bad(if is_path(&lower) {
                "invalid reference format: repository name must be lowercase"
            } else {
                "invalid reference format"
            }));
        }
        if domain.is_some_and(|domain| !is_domain(domain)) {
            return Err(bad("invalid reference format"));
        }
        let domain = domain.map(|domain| match domain {
            "index.docker.io" => DOCKER_HUB.to_owned(),
            other => other.to_owned(),
        });
        let mut path = path.to_owned();
        if domain.as_deref() == Some(DOCKER_HUB) {
            add_library(&mut path);
        }
        if domain.as_deref().map_or(0, |domain| domain.len() + 1) + path.len() > NAME_MAX {
            return Err(bad("repository name must not be more than 255 characters"));
        }
        Ok(Self { domain, path, tag: tag.map(str::to_owned), digest })
    }
}

/// The first component is a registry if it has a dot, a port or capitals, or is `localhost`.
fn split_domain(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase())
                || first.starts_with('[') =>
        {
            (Some(first), rest)
        }
        _ => (None, name),
    }
}

fn add_library(path: &mut String) {
    if !path.contains('/') {
        path.insert_str(0, "library/");
    }
}

fn is_lower_hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_MAX
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// Components of lower-case letters and digits, separated inside by one `.`, one or two `_`, or any number of `-`.
fn is_path(path: &str) -> bool {
    path.split('/').all(|component| {
        let alnum = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9');
        let bytes = component.as_bytes();
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
        if !alnum(*first) || !alnum(*last) {
            return false;
        }
        bytes.split(|b| alnum(*b)).all(|separator| match separator {
            [] | [b'.' | b'_'] | [b'_', b'_'] => true,
            dashes => dashes.iter().all(|b| *b == b'-'),
        })
    })
}

/// A host name, an IPv4 or a bracketed IPv6 address, with an optional port.
fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inner, after)) => {
                if inner.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                match after.strip_prefix(':') {
                    Some(port) => ("", Some(port)),
                    None if after.is_empty() => ("", None),
                    None => return false,
                }
            }
            None => return false,
        },
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    if port.is_some_and(|port| {
        port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err()
    }) {
        return false;
    }
    domain.starts_with('[')
        || host.split('.').all(|label| {
            let alnum = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
            alnum(label.bytes().next())
                && alnum(label.bytes().next_back())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

/// Where an image comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A registry, `docker://` or nothing before the name.
    Registry { reference: Reference, explicit: bool },
    /// `docker-archive:PATH[:REFERENCE|:@INDEX]`
    DockerArchive { path: String, selector: Option<String> },
    /// `oci-archive:PATH[:NAME|:@INDEX]`
    OciArchive { path: String, selector: Option<String> },
    /// `oci:PATH[:NAME|:@INDEX]`
    OciLayout { path: String, selector: Option<String> },
    /// `dir:PATH`
    Dir { path: String },
    /// `containers-storage:NAME`, the images of this store.
    Storage { name: String },
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let located = |rest: &str| -> Result<(String, Option<String>), Error> {
            let (path, selector) = match rest.split_once(':') {
                Some((path, selector)) => (path, Some(selector.to_owned()).filter(|s| !s.is_empty())),
                None => (rest, None),
            };
            if path.is_empty() {
                return Err(Error::invalid(format!("\"{}\" names no file", text.escape_debug())));
            }
            Ok((path.to_owned(), selector))
        };
        if let Some(rest) = text.strip_prefix("docker://") {
            return Ok(Self::Registry { reference: rest.parse()?, explicit: true });
        }
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            return located(rest).map(|(path, selector)| Self::DockerArchive { path, selector });
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            return located(rest).map(|(path, selector)| Self::OciArchive { path, selector });
        }
        // `oci:1.2` is also a short name with a tag; podman reads the transport too.
        if let Some(rest) = text.strip_prefix("oci:") {
            return located(rest).map(|(path, selector)| Self::OciLayout { path, selector });
        }
        if let Some(rest) = text.strip_prefix("dir:") {
            return match rest {
                "" => Err(Error::invalid("\"dir:\" names no directory")),
                path => Ok(Self::Dir { path: path.to_owned() }),
            };
        }
        if let Some(rest) = text.strip_prefix("containers-storage:") {
            return Ok(Self::Storage { name: rest.to_owned() });
        }
        if text.starts_with("docker-daemon:") {
            return Err(Error::unsupported("the transport docker-daemon: is not supported"));
        }
        Ok(Self::Registry { reference: text.parse()?, explicit: false })
    }
}

/// An image id or the beginning of one: hex digits, perhaps after `sha256:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdPrefix(String);

impl IdPrefix {
    /// Reads `text` as an id; a short one may as well be a name, so the caller tries names first.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        ((1..=64).contains(&hex.len()) && hex.bytes().all(is_lower_hex)).then(|| Self(hex.to_owned()))
    }

    /// True if `hex`, a whole id, begins with these digits.
    pub(crate) fn matches(&self, hex: &str) -> bool {
        hex.starts_with(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_what_docker_reads() {
        // text, domain, path, tag, has a digest
        let table = [
            ("busybox", None, "busybox", None, false),
            ("busybox:1.36", None, "busybox", Some("1.36"), false),
            ("foo/bar", None, "foo/bar", None, false),
            ("docker.io/busybox", Some("docker.io"), "library/busybox", None, false),
            ("index.docker.io/a/b:c", Some("docker.io"), "a/b", Some("c"), false),
            ("localhost/x", Some("localhost"), "x", None, false),
            ("127.0.0.1:5000/x/y:T_.-1", Some("127.0.0.1:5000"), "x/y", Some("T_.-1"), false),
            ("[::1]:5000/x", Some("[::1]:5000"), "x", None, false),
            ("localhost:5000/x", Some("localhost:5000"), "x", None, false),
            ("UPPER/x", Some("UPPER"), "x", None, false),
            ("a__b/c-----d/e.f", None, "a__b/c-----d/e.f", None, false),
            ("docker.io/library/a/b", Some("docker.io"), "library/a/b", None, false),
        ];
        for (text, domain, path, tag, digest) in table {
            let parsed: Reference = text.parse().unwrap();
            assert_eq!((parsed.domain(), parsed.path(), parsed.tag()), (domain, path, tag), "{text}");
            assert_eq!(parsed.digest().is_some(), digest, "{text}");
        }
        let both: Reference = format!("a.b/c:d@sha256:{HEX}").parse().unwrap();
        assert_eq!(both.tag(), Some("d"));
        assert_eq!(both.to_string(), format!("a.b/c:d@sha256:{HEX}"));
    }

    #[test]
    fn refuses_what_docker_refuses() {
        let long = format!("a.b/{}", "x".repeat(252));
        let tag = format!("a:{}", "t".repeat(129));
        for bad in [
            "",
            ":",
            "@",
            "/",
            "a:",
            "a@",
            "a//b",
            "/a",
            "a/",
            "A",
            "foo/Bar",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "_a",
            "a:-t",
            "a b",
            "a\n",
            "http://a/b",
            "a.b:x/c",
            "a.b:99999/c",
            "-a.b/c",
            "a@sha256:00",
            "[::1/x",
            "[zz]:1/x",
            HEX,
            &long,
            &tag,
            "ä",
            "a.b/../c",
            "../a",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?}");
        }
        let error = "foo/Bar".parse::<Reference>().unwrap_err();
        assert!(error.message.contains("must be lowercase"), "{error}");
        assert!(HEX[..63].parse::<Reference>().is_ok());
    }

    #[test]
    fn completes_short_names() {
        let short: Reference = "busybox".parse().unwrap();
        assert!(short.is_short());
        assert_eq!(short.qualified("docker.io").unwrap().to_string(), "docker.io/library/busybox");
        assert_eq!(short.qualified("a.b").unwrap().or_latest().to_string(), "a.b/busybox:latest");
        assert!(short.qualified("not a domain").is_err());
        let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
        assert_eq!(short.with_digest(digest).or_latest().tag(), None);
        assert!(short.with_tag("a/b").is_err());
    }

    #[test]
    fn tells_transports_apart() {
        let docker: Source = "docker-archive:/a/b.tar:x:y".parse().unwrap();
        assert_eq!(docker, Source::DockerArchive { path: "/a/b.tar".into(), selector: Some("x:y".into()) });
        assert_eq!("oci-archive:x".parse(), Ok(Source::OciArchive { path: "x".into(), selector: None }));
        assert_eq!("oci:/x:n".parse(), Ok(Source::OciLayout { path: "/x".into(), selector: Some("n".into()) }));
        assert_eq!("dir:/x".parse(), Ok(Source::Dir { path: "/x".into() }));
        assert!(matches!("docker://a/b".parse(), Ok(Source::Registry { explicit: true, .. })));
        assert!(matches!("a/b:c".parse(), Ok(Source::Registry { explicit: false, .. })));
        assert!("docker-archive:".parse::<Source>().is_err());
        assert!("dir:".parse::<Source>().is_err());
    }

    #[test]
    fn knows_ids() {
        assert!(IdPrefix::parse(HEX).unwrap().matches(HEX));
        assert!(IdPrefix::parse("sha256:e3b0").unwrap().matches(HEX));
        for bad in ["", "xyz", "E3B0", "sha256:", &format!("{HEX}0")] {
            assert!(IdPrefix::parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_again(text in "[a-zA-Z0-9._:@/\\[\\]-]{0,60}|\\PC{0,40}") {
            if let Ok(parsed) = text.parse::<Reference>() {
                let again: Reference = parsed.to_string().parse().unwrap();
                prop_assert_eq!(&again, &parsed);
                if let Ok(full) = parsed.qualified("docker.io") {
                    prop_assert_eq!(full.to_string().parse::<Reference>().unwrap(), full);
                }
            }
            drop(text.parse::<Source>());
            drop(IdPrefix::parse(&text));
        }

        #[test]
        fn valid_shapes_parse(
            domain in proptest::option::of("[a-z][a-z0-9]{0,8}\\.[a-z]{2,4}(:[1-9][0-9]{0,3})?"),
            path in "[a-z0-9]{1,8}([_-][a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}){0,2}",
            tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        ) {
            let name = match &domain { Some(d) => format!("{d}/{path}"), None => path.clone() };
            let text = match &tag { Some(t) => format!("{name}:{t}"), None => name };
            // A first component with a dot is a registry.
            let parsed: Reference = text.parse().unwrap();
            prop_assert_eq!(parsed.tag(), tag.as_deref());
            if domain.is_some() { prop_assert_eq!(parsed.domain(), domain.as_deref()); }
        }
    }
}
