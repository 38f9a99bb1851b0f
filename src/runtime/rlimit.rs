//! Resource limits: names, dhow's defaults, and what the host allows of them.

use std::os::unix::fs::MetadataExt;

use anyhow::Result;
use oci_spec::runtime::{PosixRlimit, PosixRlimitBuilder, PosixRlimitType as Kind};
use rustix::process::{Resource, Rlimit, getrlimit};

use super::capability::CapSet;
use crate::model::error::Error;
use crate::sys::cap;

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

/// The limits of a container, and what people should know of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) limits: Vec<PosixRlimit>,
    /// A line for each limit that had to be lowered.
    pub(crate) warnings: Vec<String>,
}

/// Gives the limits of a container for which `asked` was given: name, soft and hard limit, -1 being none. The defaults
/// fill up, and all are lowered to what the host allows.
pub(crate) fn limits(asked: &[(&str, i64, i64)]) -> Result<Limits> {
    let mut limits = asked.iter().map(|(name, soft, hard)| named(name, *soft, *hard)).collect::<Result<Vec<_>>>()?;
    for default in defaults()? {
        if limits.iter().all(|limit| limit.typ() != default.typ()) {
            limits.push(default);
        }
    }
    let may_raise = may_raise();
    clamp_to(&limits, |kind| most(kind, may_raise))
}

/// Checks one limit.
fn named(name: &str, soft: i64, hard: i64) -> Result<PosixRlimit> {
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_prefix("rlimit_").unwrap_or(&lower);
    let (_, kind, _) = NAMES
        .iter()
        .find(|(known, ..)| *known == plain)
        .ok_or_else(|| Error::invalid(format!("invalid ulimit type: {name}")))?;
    let value = |value: i64| match value {
        -1 => Ok(INFINITY),
        value => u64::try_from(value).map_err(|_| Error::invalid(format!("ulimit {name}: {value} is not a limit"))),
    };
    let (soft, hard) = (value(soft)?, value(hard)?);
    if soft > hard {
        return Err(Error::invalid(format!("ulimit {name}: the soft limit is above the hard one")).into());
    }
    Ok(limit(*kind, soft, hard)?)
}

/// Says whether we may raise hard limits: with CAP_SYS_RESOURCE, in the first user namespace, whose inode the kernel
/// fixes (`PROC_USER_INIT_INO`).
fn may_raise() -> bool {
    let resource = CapSet::named("SYS_RESOURCE").unwrap_or_default();
    let has = cap::current().is_ok_and(|sets| CapSet::from_mask(sets.effective).contains(resource));
    has && std::fs::metadata("/proc/self/ns/user").is_ok_and(|namespace| namespace.ino() == 0xefff_fffd)
}

/// Gives the limits of a container for which nothing was asked: open files alone; processes are counted by its cgroup.
fn defaults() -> Result<Vec<PosixRlimit>> {
    Ok(vec![limit(Kind::RlimitNofile, 1024, 524_288)?])
}

/// Gives the highest hard limit that can be set.
fn most(kind: Kind, may_raise: bool) -> u64 {
    if may_raise {
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

fn clamp_to(limits: &[PosixRlimit], most: impl Fn(Kind) -> u64) -> Result<Limits> {
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
    Ok(Limits { limits: clamped, warnings })
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

    #[test]
    fn names_and_values_are_checked() {
        for (name, soft, hard, expected) in [
            ("nofile", 1024, 2048, Ok((Kind::RlimitNofile, 1024, 2048))),
            ("RLIMIT_CORE", 0, -1, Ok((Kind::RlimitCore, 0, INFINITY))),
            ("Stack", -1, -1, Ok((Kind::RlimitStack, INFINITY, INFINITY))),
            ("stack", -1, 5, Err("the soft limit is above the hard one")),
            ("nofile", 2, 1, Err("the soft limit is above the hard one")),
            ("nofile", -2, 1, Err("-2 is not a limit")),
            ("files", 1, 1, Err("invalid ulimit type: files")),
            ("", 1, 1, Err("invalid ulimit type")),
        ] {
            match (named(name, soft, hard), expected) {
                (Ok(limit), Ok(expected)) => assert_eq!((limit.typ(), limit.soft(), limit.hard()), expected, "{name}"),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{name}: {error}"),
                (given, _) => panic!("{name}: {given:?}"),
            }
        }
    }

    #[test]
    fn what_the_host_does_not_allow_is_lowered_and_said() {
        let limits =
            [defaults().unwrap(), vec![named("core", -1, -1).unwrap(), named("nproc", 5, 5).unwrap()]].concat();
        let most = |kind| match kind {
            Kind::RlimitNofile => 20_000,
            Kind::RlimitCore => 0,
            _ => INFINITY,
        };
        let Limits { limits: clamped, warnings } = clamp_to(&limits, most).unwrap();
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
        let all: Vec<_> = NAMES.iter().map(|(name, ..)| named(name, -1, -1).unwrap()).collect();
        for limit in &clamp_to(&all, |kind| most(kind, false)).unwrap().limits {
            let (resource, value) = resource(limit).unwrap();
            assert_eq!(value.maximum, getrlimit(resource).maximum);
        }
    }

    #[test]
    fn what_was_asked_for_stands_before_the_default() {
        let kinds = |asked: &[(&str, i64, i64)]| -> Vec<_> {
            limits(asked).unwrap().limits.iter().map(|limit| (limit.typ(), limit.soft())).collect()
        };
        assert_eq!(kinds(&[("core", 0, 0)]), [(Kind::RlimitCore, 0), (Kind::RlimitNofile, 1024)]);
        assert_eq!(kinds(&[("nofile", 64, 64)]), [(Kind::RlimitNofile, 64)]);
    }
}
