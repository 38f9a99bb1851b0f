//! Which namespaces a container gets of its own, which it joins, and which it shares with the host.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use rustix::fs::{Mode, OFlags};

use crate::model::error::Error;
use crate::sys::clone::{Namespaces, enter};
use crate::sys::proc::Proc;

/// A namespace that already exists.
pub(crate) struct Joined {
    pub(crate) kind: Namespaces,
    pub(crate) fd: OwnedFd,
}

/// The namespaces of a container.
pub(crate) struct Plan {
    /// Those that are made for it.
    pub(crate) new: Namespaces,
    /// Those of others that it joins.
    pub(crate) joined: Vec<Joined>,
}

/// The magic of the file system of namespaces.
const NSFS: i64 = 0x6e73_6673;

impl Plan {
    /// Reads the plan from `spec` and opens what is joined. What the caller holds `open` already is taken before a path.
    pub(crate) fn new(spec: &Spec, mut open: Vec<Joined>) -> Result<Self> {
        let mut plan = Self { new: Namespaces::default(), joined: Vec::new() };
        let mut seen = Namespaces::default();
        for namespace in spec.linux().iter().filter_map(|linux| linux.namespaces().as_ref()).flatten() {
            let kind = kind(namespace.typ());
            if seen.contains(kind) {
                bail!(Error::invalid(format!("duplicate namespace {}", name(kind))));
            }
            seen = seen.with(kind);
            if let Some(place) = open.iter().position(|joined| joined.kind == kind) {
                plan.joined.push(open.swap_remove(place));
                continue;
            }
            let Some(path) = namespace.path().as_ref().filter(|path| !path.as_os_str().is_empty()) else {
                plan.new = plan.new.with(kind);
                continue;
            };
            let describe = || format!("open namespace {}", path.display());
            let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).with_context(describe)?;
            if rustix::fs::fstatfs(&fd)?.f_type != NSFS {
                bail!(Error::invalid(format!("{} is not a namespace", path.display())));
            }
            plan.joined.push(Joined { kind, fd });
        }
        if !plan.new.contains(Namespaces::MOUNT) {
            bail!(Error::invalid("a container needs a mount namespace of its own"));
        }
        Ok(plan)
    }

    /// All that are not the host's, whose numbers are `host`: a path may lead to one of those too.
    pub(crate) fn private(&self, host: &Numbers) -> Result<Namespaces> {
        self.joined.iter().try_fold(self.new, |kinds, joined| {
            let number = rustix::fs::fstat(&joined.fd).context("look at a namespace")?.st_ino;
            Ok(if host.of(joined.kind) == Some(number) { kinds } else { kinds.with(joined.kind) })
        })
    }

    /// All that are new or joined.
    pub(crate) fn separate(&self) -> Namespaces {
        self.joined.iter().fold(self.new, |kinds, joined| kinds.with(joined.kind))
    }

    /// The namespace of `kind` that is joined.
    pub(crate) fn join_of(&self, kind: Namespaces) -> Option<&Joined> {
        self.joined.iter().find(|joined| joined.kind == kind)
    }

    /// Whether a process in between must join before the last one is made: its namespaces must belong to a user
    /// namespace that is joined, or it joins what a new user namespace has no rights over.
    pub(crate) fn needs_middle(&self) -> bool {
        self.join_of(Namespaces::USER).is_some() || (self.new.contains(Namespaces::USER) && !self.joined.is_empty())
    }

    /// Joins everything but the user and process id namespaces.
    pub(crate) fn join_others(&self) -> Result<()> {
        for joined in &self.joined {
            if joined.kind != Namespaces::USER && joined.kind != Namespaces::PID {
                join(joined)?;
            }
        }
        Ok(())
    }

    /// Refuses when this process is not where the plan says: `before` are the numbers of the parent's namespaces.
    pub(crate) fn verify(&self, this: &Proc, before: &Numbers) -> Result<()> {
        // The cgroup namespace is entered later.
        for (kind, name, number) in before.0.iter().filter(|(kind, ..)| *kind != Namespaces::CGROUP) {
            let now = this.namespace(name)?;
            let wanted = if let Some(joined) = self.join_of(*kind) {
                rustix::fs::fstat(&joined.fd)?.st_ino == now
            } else {
                self.new.contains(*kind) == (now != *number)
            };
            if !wanted {
                bail!("the {name} namespace is not the one that was asked for");
            }
        }
        Ok(())
    }
}

/// Enters one existing namespace.
pub(crate) fn join(joined: &Joined) -> Result<()> {
    enter(joined.fd.as_fd(), joined.kind).with_context(|| format!("join the {} namespace", name(joined.kind)))
}

/// The namespaces of a process by number.
pub(crate) struct Numbers(Vec<(Namespaces, &'static str, u64)>);

impl Numbers {
    /// Reads those of the process whose directory in proc is `this`.
    pub(crate) fn read(this: &Proc) -> Result<Self> {
        let kinds = [
            Namespaces::MOUNT,
            Namespaces::CGROUP,
            Namespaces::UTS,
            Namespaces::IPC,
            Namespaces::PID,
            Namespaces::NETWORK,
            Namespaces::USER,
        ];
        let read = |kind| Ok((kind, name(kind), this.namespace(name(kind)).context("look at the namespaces")?));
        Ok(Self(kinds.into_iter().map(read).collect::<Result<_>>()?))
    }

    /// The number of the namespace of `kind`.
    pub(crate) fn of(&self, kind: Namespaces) -> Option<u64> {
        self.0.iter().find(|(known, ..)| *known == kind).map(|(.., number)| *number)
    }

    /// Refuses when the process whose directory in proc is `this` is not in the namespaces of `joined` for `kinds`, and
    /// in ours for all others.
    pub(crate) fn verify_joined(&self, this: &Proc, joined: &Self, kinds: Namespaces) -> Result<()> {
        let now = Self::read(this)?;
        for (kind, name, number) in &now.0 {
            let wanted = if kinds.contains(*kind) { joined } else { self };
            if wanted.of(*kind) != Some(*number) {
                bail!("the {name} namespace is not the container's");
            }
        }
        Ok(())
    }
}

/// The kernel's flag.
fn kind(typ: LinuxNamespaceType) -> Namespaces {
    match typ {
        LinuxNamespaceType::Mount => Namespaces::MOUNT,
        LinuxNamespaceType::Cgroup => Namespaces::CGROUP,
        LinuxNamespaceType::Uts => Namespaces::UTS,
        LinuxNamespaceType::Ipc => Namespaces::IPC,
        LinuxNamespaceType::User => Namespaces::USER,
        LinuxNamespaceType::Pid => Namespaces::PID,
        LinuxNamespaceType::Network => Namespaces::NETWORK,
        LinuxNamespaceType::Time => Namespaces::TIME,
    }
}

/// The name of the file in `/proc/PID/ns`.
pub(crate) fn name(kind: Namespaces) -> &'static str {
    match kind {
        Namespaces::MOUNT => "mnt",
        Namespaces::CGROUP => "cgroup",
        Namespaces::UTS => "uts",
        Namespaces::IPC => "ipc",
        Namespaces::USER => "user",
        Namespaces::PID => "pid",
        Namespaces::NETWORK => "net",
        _ => "time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_to_the_hosts_namespace_makes_none_private() {
        let spec = |path: &str| -> Spec {
            let namespaces = serde_json::json!([{"type": "mount"}, {"type": "uts"}, {"type": "network", "path": path}]);
            serde_json::from_value(serde_json::json!({"ociVersion": "1.0.0", "linux": {"namespaces": namespaces}}))
                .unwrap()
        };
        let before = Numbers::read(&Proc::host().unwrap().this().unwrap()).unwrap();
        let plan = Plan::new(&spec("/proc/self/ns/net"), Vec::new()).unwrap();
        let private = plan.private(&before).unwrap();
        assert!(private.contains(Namespaces::UTS) && !private.contains(Namespaces::NETWORK));
        assert!(plan.separate().contains(Namespaces::NETWORK));
        assert!(Plan::new(&spec("/dev/null"), Vec::new()).is_err());
    }

    /// R26.
    #[test]
    fn who_is_elsewhere_is_found_out() {
        let this = Proc::host().unwrap().this().unwrap();
        let before = Numbers::read(&this).unwrap();
        before.verify_joined(&this, &before, Namespaces::MOUNT).unwrap();
        let mut other = Numbers::read(&this).unwrap();
        for (_, _, number) in &mut other.0 {
            *number += 1;
        }
        assert!(before.verify_joined(&this, &other, Namespaces::CGROUP).is_err());
        // Where the container has none of its own, we stay in ours.
        before.verify_joined(&this, &other, Namespaces::default()).unwrap();
        assert!(other.verify_joined(&this, &before, Namespaces::MOUNT).is_err());
    }
}
