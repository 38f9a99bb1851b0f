//! Capabilities: names and numbers, dhow's default, and what `--cap-add`, `--cap-drop` and `--privileged` make of it.

use std::fmt;

use anyhow::Result;
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};

use crate::model::error::Error;
use crate::sys::cap::Sets;

/// The names, each at its number, without the prefix. capabilities(7), Linux 5.9 and later have all of them.
const NAMES: [(&str, Capability); 41] = [
    ("CHOWN", Capability::Chown),
    ("DAC_OVERRIDE", Capability::DacOverride),
    ("DAC_READ_SEARCH", Capability::DacReadSearch),
    ("FOWNER", Capability::Fowner),
    ("FSETID", Capability::Fsetid),
    ("KILL", Capability::Kill),
    ("SETGID", Capability::Setgid),
    ("SETUID", Capability::Setuid),
    ("SETPCAP", Capability::Setpcap),
    ("LINUX_IMMUTABLE", Capability::LinuxImmutable),
    ("NET_BIND_SERVICE", Capability::NetBindService),
    ("NET_BROADCAST", Capability::NetBroadcast),
    ("NET_ADMIN", Capability::NetAdmin),
    ("NET_RAW", Capability::NetRaw),
    ("IPC_LOCK", Capability::IpcLock),
    ("IPC_OWNER", Capability::IpcOwner),
    ("SYS_MODULE", Capability::SysModule),
    ("SYS_RAWIO", Capability::SysRawio),
    ("SYS_CHROOT", Capability::SysChroot),
    ("SYS_PTRACE", Capability::SysPtrace),
    ("SYS_PACCT", Capability::SysPacct),
    ("SYS_ADMIN", Capability::SysAdmin),
    ("SYS_BOOT", Capability::SysBoot),
    ("SYS_NICE", Capability::SysNice),
    ("SYS_RESOURCE", Capability::SysResource),
    ("SYS_TIME", Capability::SysTime),
    ("SYS_TTY_CONFIG", Capability::SysTtyConfig),
    ("MKNOD", Capability::Mknod),
    ("LEASE", Capability::Lease),
    ("AUDIT_WRITE", Capability::AuditWrite),
    ("AUDIT_CONTROL", Capability::AuditControl),
    ("SETFCAP", Capability::Setfcap),
    ("MAC_OVERRIDE", Capability::MacOverride),
    ("MAC_ADMIN", Capability::MacAdmin),
    ("SYSLOG", Capability::Syslog),
    ("WAKE_ALARM", Capability::WakeAlarm),
    ("BLOCK_SUSPEND", Capability::BlockSuspend),
    ("AUDIT_READ", Capability::AuditRead),
    ("PERFMON", Capability::Perfmon),
    ("BPF", Capability::Bpf),
    ("CHECKPOINT_RESTORE", Capability::CheckpointRestore),
];

/// A set of capabilities; bit N is capability number N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CapSet(u64);

impl CapSet {
    /// None.
    pub(crate) const EMPTY: Self = Self(0);
    /// All that this program knows.
    pub(crate) const ALL: Self = Self((1 << NAMES.len()) - 1);
    /// What a container has unless it was asked otherwise: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP
    /// NET_BIND_SERVICE SYS_CHROOT SETFCAP.
    pub(crate) const DEFAULT: Self =
        Self(1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 18 | 1 << 31);

    /// Gives the set of the one capability `name`, in any case, with or without `CAP_`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let plain = upper.strip_prefix("CAP_").unwrap_or(&upper);
        NAMES.iter().position(|(known, _)| *known == plain).map(|number| Self(1 << number))
    }

    /// Parses one word of `--cap-add` or `--cap-drop`; `ALL` is `all`.
    fn parse(word: &str, all: Self) -> Result<Self> {
        if word.eq_ignore_ascii_case("ALL") {
            return Ok(all);
        }
        Ok(Self::named(word).ok_or_else(|| {
            let upper = word.to_ascii_uppercase();
            let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
            Error::invalid(format!("\"CAP_{}\": unknown capability", name.escape_debug()))
                .hint("capabilities(7) has the names")
        })?)
    }

    /// Makes a set of a kernel's mask; bits without a name go.
    pub(crate) fn from_mask(mask: u64) -> Self {
        Self(mask & Self::ALL.0)
    }

    /// Gives the kernel's mask.
    pub(crate) fn mask(self) -> u64 {
        self.0
    }

    /// Says whether all of `other` are in.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Gives what is in either.
    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Gives what is in both.
    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Gives what is not in `other`.
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Gives the names with their prefix, in the order of the numbers.
    pub(crate) fn names(self) -> impl Iterator<Item = String> {
        self.members().map(|(name, _)| format!("CAP_{name}"))
    }

    /// Makes a set of the runtime specification's.
    pub(crate) fn from_oci(set: &Capabilities) -> Self {
        let number = |capability: &Capability| NAMES.iter().position(|(_, known)| known == capability);
        Self(set.iter().filter_map(number).fold(0, |mask, number| mask | 1 << number))
    }

    /// Gives the set in the runtime specification's shape.
    pub(crate) fn to_oci(self) -> Capabilities {
        self.members().map(|(_, capability)| capability).collect()
    }

    fn members(self) -> impl Iterator<Item = (&'static str, Capability)> {
        NAMES.into_iter().enumerate().filter(move |(number, _)| self.0 & 1 << number != 0).map(|(_, member)| member)
    }
}

impl fmt::Display for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}

/// Merges `--cap-add` and `--cap-drop` into `base` as podman does; `ALL` means the caller's `bounding` set.
pub(crate) fn merge(base: CapSet, add: &[String], drop: &[String], bounding: CapSet) -> Result<CapSet> {
    let all = |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case("ALL"));
    let union = |words: &[String]| -> Result<CapSet> {
        words.iter().try_fold(CapSet::EMPTY, |set, word| Ok(set.union(CapSet::parse(word, bounding)?)))
    };
    let (added, dropped) = (union(add)?, union(drop)?);
    match (all(add), all(drop)) {
        (true, true) => Err(Error::invalid("adding all caps and removing all caps not allowed").into()),
        // Only what was asked for.
        (false, true) => Ok(added),
        (true, false) => Ok(bounding.without(dropped)),
        (false, false) => match added.intersection(dropped).names().next() {
            Some(both) => Err(Error::invalid(format!("capability {both:?} cannot be dropped and added")).into()),
            None => Ok(base.without(dropped).union(added)),
        },
    }
}

/// Gives what `--cap-add` alone asks for: what a process that is not root keeps.
pub(crate) fn requested(add: &[String], bounding: CapSet) -> Result<CapSet> {
    merge(CapSet::EMPTY, add, &[], bounding)
}

/// Gives the five sets of a container's process. Root has the bounding set, without inheritable and ambient ones; another
/// user has only what was `requested`, in all five sets.
pub(crate) fn sets(bounding: CapSet, requested: CapSet, root: bool) -> Result<LinuxCapabilities> {
    let kept = requested.intersection(bounding);
    let (active, inherited) = if root { (bounding, CapSet::EMPTY) } else { (kept, kept) };
    Ok(LinuxCapabilitiesBuilder::default()
        .bounding(bounding.to_oci())
        .effective(active.to_oci())
        .permitted(active.to_oci())
        .inheritable(inherited.to_oci())
        .ambient(inherited.to_oci())
        .build()?)
}

/// Gives the kernel's masks of a specification's sets; an absent one is empty.
pub(crate) fn masks(capabilities: Option<&LinuxCapabilities>) -> Sets {
    let mask = |set: &Option<Capabilities>| set.as_ref().map_or(0, |set| CapSet::from_oci(set).mask());
    capabilities.map_or_else(Sets::default, |capabilities| Sets {
        bounding: mask(capabilities.bounding()),
        effective: mask(capabilities.effective()),
        permitted: mask(capabilities.permitted()),
        inheritable: mask(capabilities.inheritable()),
        ambient: mask(capabilities.ambient()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &str) -> CapSet {
        names.split_whitespace().fold(CapSet::EMPTY, |set, name| set.union(CapSet::named(name).unwrap()))
    }

    fn words(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn names_and_numbers_agree_with_the_kernel() {
        assert_eq!(set("chown").mask(), 1);
        assert_eq!(set("CAP_SYS_ADMIN").mask(), 1 << 21);
        assert_eq!(set("cap_checkpoint_restore").mask(), 1 << 40);
        assert_eq!(CapSet::named("CAP_CAP_CHOWN"), None);
        for (name, capability) in NAMES {
            assert_eq!(capability.to_string(), name);
        }
        assert_eq!(CapSet::from_oci(&CapSet::ALL.to_oci()), CapSet::ALL);
        assert_eq!(
            CapSet::DEFAULT,
            set("CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT")
        );
        assert_eq!(set("kill chown").to_string(), "CAP_CHOWN,CAP_KILL");
    }

    #[test]
    fn merges_as_podman_does() {
        let bounding = CapSet::ALL.without(set("sys_resource"));
        let base = set("chown kill");
        for (add, drop, expected) in [
            ("", "", Ok("chown kill")),
            ("net_raw", "", Ok("chown kill net_raw")),
            ("CAP_NET_RAW", "cap_kill", Ok("chown net_raw")),
            ("net_raw", "all", Ok("net_raw")),
            ("", "ALL", Ok("")),
            ("net_raw", "net_raw", Err("capability \"CAP_NET_RAW\" cannot be dropped and added")),
            ("all", "ALL", Err("adding all caps and removing all caps not allowed")),
            ("nonsense", "", Err("\"CAP_NONSENSE\": unknown capability")),
        ] {
            let merged = merge(base, &words(add), &words(drop), bounding);
            match expected {
                Ok(expected) => assert_eq!(merged.unwrap(), set(expected), "{add} {drop}"),
                Err(expected) => assert_eq!(merged.unwrap_err().to_string(), expected),
            }
        }
        assert_eq!(merge(base, &words("ALL"), &words("kill"), bounding).unwrap(), bounding.without(set("kill")));
    }

    #[test]
    fn only_what_was_asked_for_stays_with_another_user() {
        let root = masks(Some(&sets(set("chown kill"), set("kill"), true).unwrap()));
        assert_eq!(root, Sets { bounding: 33, effective: 33, permitted: 33, inheritable: 0, ambient: 0 });
        let user = masks(Some(&sets(set("chown kill"), set("kill net_raw"), false).unwrap()));
        assert_eq!(user, Sets { bounding: 33, effective: 32, permitted: 32, inheritable: 32, ambient: 32 });
        assert_eq!(masks(None), Sets::default());
    }

    proptest::proptest! {
        #[test]
        fn any_word_is_a_capability_or_refused(word in "(CAP_|cap_)?[A-Z_a-z]{0,16}|\\PC{0,20}") {
            let all = CapSet::DEFAULT;
            // Nothing is more than the bounding set but what is told to be missing.
            if let Ok(merged) = merge(CapSet::EMPTY, &[], std::slice::from_ref(&word), all) {
                proptest::prop_assert_eq!(merged, CapSet::EMPTY);
            }
            drop(requested(&[word], all));
        }
    }
}
