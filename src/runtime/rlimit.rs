//! Resource limits: `--ulimit` words, dhow's defaults, and what the host allows of them.

use anyhow::Result;
use oci_spec::runtime::{PosixRlimit, PosixRlimitBuilder, PosixRlimitType as Kind};
use rustix::process::{Resource, Rlimit, getrlimit};

use crate::model::error::Error;

/// No limit.
const INFINITY: u64 = u64::MAX;

/// The names, without their prefix.
const NAMES: [(&str, Kind, Resource); 16] = [
    ("as", Kind::RlimitAs, Resource::As),
    ("core", Kind::RlimitCore, Resource::Core),
    ("cpu", Kind::RlimitCpu, Resource::Cpu),
    ("data", Kind::RlimitData, Resource::Data),
    ("fsize", Kind::RlimitFsize, Resource::Fsize),
    ("locks", Kind::RlimitLocks, Resource::Locks),
    ("memlock", Kind::RlimitMemlock, Resource::Memlock),
    ("msgqueue", Kind::RlimitMsgqueue, Resource::Msgqueue),
    ("nice", Kind::RlimitNice, Resource::Nice),
    ("nofile", Kind::RlimitNofile, Resource::Nofile),
    ("nproc", Kind::RlimitNproc, Resource::Nproc),
    ("rss", Kind::RlimitRss, Resource::Rss),
    ("rtprio", Kind::RlimitRtprio, Resource::Rtprio),
    ("rttime", Kind::RlimitRttime, Resource::Rttime),
    ("sigpending", Kind::RlimitSigpending, Resource::Sigpending),
    ("stack", Kind::RlimitStack, Resource::Stack),
];

/// What the host lets a container have at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceiling {
    /// Whether hard limits may be raised: CAP_SYS_RESOURCE in the first user namespace.
    pub(crate) may_raise: bool,
}

/// Parses `name=soft[:hard]`; -1 is no limit. `name` may have its prefix and any case.
pub(crate) fn parse(word: &str) -> Result<PosixRlimit> {
    let invalid = || Error::invalid(format!("invalid ulimit {word:?}")).hint("like nofile=1024:2048");
    let (name, values) = word.split_once('=').ok_or_else(invalid)?;
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_prefix("rlimit_").unwrap_or(&lower);
    let (_, kind, _) = NAMES
        .iter()
        .find(|(known, ..)| *known == plain)
        .ok_or_else(|| Error::invalid(format!("invalid ulimit type: {name}")))?;
    let value = |text: &str| match text {
        "-1" | "unlimited" => Ok(INFINITY),
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| invalid())
        }
        _ => Err(invalid()),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (value(soft)?, value(hard)?);
    if soft > hard {
        return Err(Error::invalid(format!("ulimit {word:?}: the soft limit is above the hard one")).into());
    }
    Ok(limit(*kind, soft, hard)?)
}

/// Gives the limits of a container for which nothing was asked: open files alone; processes are counted by its cgroup.
pub(crate) fn defaults() -> Result<Vec<PosixRlimit>> {
    Ok(vec![limit(Kind::RlimitNofile, 1024, 524_288)?])
}

/// Gives `limits` such that setting them succeeds here, and a line for people for each that had to be lowered.
pub(crate) fn clamp(limits: &[PosixRlimit], ceiling: Ceiling) -> Result<(Vec<PosixRlimit>, Vec<String>)> {
    clamp_to(limits, |kind| most(kind, ceiling))
}

/// Gives the highest hard limit that can be set.
fn most(kind: Kind, ceiling: Ceiling) -> u64 {
    if ceiling.may_raise {
        return match kind {
            // Not even root may have more open files than this.
            Kind::RlimitNofile => open_files().unwrap_or(1 << 20),
            _ => INFINITY,
        };
    }
    let resource = NAMES.iter().find(|(_, known, _)| *known == kind).map(|(.., resource)| *resource);
    resource.map(getrlimit).and_then(|Rlimit { maximum, .. }| maximum).unwrap_or(INFINITY)
}

fn open_files() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/fs/nr_open").ok()?.trim().parse().ok()
}

fn clamp_to(limits: &[PosixRlimit], most: impl Fn(Kind) -> u64) -> Result<(Vec<PosixRlimit>, Vec<String>)> {
    let mut clamped = Vec::with_capacity(limits.len());
    let mut warnings = Vec::new();
    for asked in limits {
        let most = most(asked.typ());
        let (soft, hard) = (asked.soft().min(most), asked.hard().min(most));
        if hard < asked.hard() {
            let name = NAMES.iter().find(|(_, kind, _)| *kind == asked.typ()).map_or("", |(name, ..)| name);
            warnings.push(format!("ulimit {name}: {} is above the host's {most}, which is used", shown(asked.hard())));
        }
        clamped.push(limit(asked.typ(), soft, hard)?);
    }
    Ok((clamped, warnings))
}

/// Gives what setrlimit(2) takes: the resource, the soft and the hard limit.
pub(crate) fn resource(limit: &PosixRlimit) -> Option<(Resource, Rlimit)> {
    let (.., resource) = NAMES.iter().find(|(_, kind, _)| *kind == limit.typ())?;
    let finite = |value: u64| (value != INFINITY).then_some(value);
    Some((*resource, Rlimit { current: finite(limit.soft()), maximum: finite(limit.hard()) }))
}

fn limit(kind: Kind, soft: u64, hard: u64) -> Result<PosixRlimit, oci_spec::OciSpecError> {
    PosixRlimitBuilder::default().typ(kind).soft(soft).hard(hard).build()
}

fn shown(value: u64) -> String {
    if value == INFINITY { "unlimited".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_parsed() {
        for (word, expected) in [
            ("nofile=1024:2048", Ok((Kind::RlimitNofile, 1024, 2048))),
            ("nofile=1024", Ok((Kind::RlimitNofile, 1024, 1024))),
            ("RLIMIT_CORE=0:-1", Ok((Kind::RlimitCore, 0, INFINITY))),
            ("core=unlimited", Ok((Kind::RlimitCore, INFINITY, INFINITY))),
            ("stack=-1:5", Err("the soft limit is above the hard one")),
            ("nofile=2:1", Err("the soft limit is above the hard one")),
            ("files=1", Err("invalid ulimit type: files")),
            ("nofile", Err("invalid ulimit")),
            ("nofile=", Err("invalid ulimit")),
            ("nofile=+1", Err("invalid ulimit")),
            ("nofile=1:2:3", Err("invalid ulimit")),
            ("nofile=18446744073709551616", Err("invalid ulimit")),
        ] {
            match (parse(word), expected) {
                (Ok(limit), Ok(expected)) => assert_eq!((limit.typ(), limit.soft(), limit.hard()), expected, "{word}"),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{word}: {error}"),
                (given, _) => panic!("{word}: {given:?}"),
            }
        }
    }

    #[test]
    fn what_the_host_does_not_allow_is_lowered_and_said() {
        let limits = [defaults().unwrap(), vec![parse("core=-1").unwrap(), parse("nproc=5").unwrap()]].concat();
        let most = |kind| match kind {
            Kind::RlimitNofile => 20_000,
            Kind::RlimitCore => 0,
            _ => INFINITY,
        };
        let (clamped, warnings) = clamp_to(&limits, most).unwrap();
        let values: Vec<_> = clamped.iter().map(|limit| (limit.soft(), limit.hard())).collect();
        assert_eq!(values, [(1024, 20_000), (0, 0), (5, 5)]);
        assert_eq!(
            warnings,
            [
                "ulimit nofile: 524288 is above the host's 20000, which is used",
                "ulimit core: unlimited is above the host's 0, which is used",
            ]
        );
    }

    #[test]
    fn what_is_clamped_can_be_set() {
        let all: Vec<_> = NAMES.iter().map(|(name, ..)| parse(&format!("{name}=-1")).unwrap()).collect();
        let (clamped, _) = clamp(&all, Ceiling { may_raise: false }).unwrap();
        for limit in &clamped {
            let (resource, value) = resource(limit).unwrap();
            assert_eq!(value.maximum, getrlimit(resource).maximum);
        }
    }

    proptest! {
        #[test]
        fn foreign_words_never_panic(word in "\\PC{0,40}") {
            drop(parse(&word));
        }
    }
}
