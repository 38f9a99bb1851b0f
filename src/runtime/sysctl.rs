//! Kernel settings of a container: only namespaced ones, only where the namespace is its own.

use anyhow::{Context, Result, bail};
use oci_spec::runtime::Spec;

use crate::model::error::Error;
use crate::sys::clone::Namespaces;
use crate::sys::proc::Proc;

/// When a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// While the container is made.
    Create,
    /// When it starts: by then the network has its links.
    Start,
}

/// One checked setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) when: When,
    /// Below `/proc`.
    path: String,
    value: String,
}

/// The settings of `spec`, for which `private` are the container's own namespaces.
pub(crate) fn settings(spec: &Spec, private: Namespaces) -> Result<Vec<Setting>> {
    let all = spec.linux().iter().filter_map(|linux| linux.sysctl().as_ref()).flatten();
    let mut settings = all.map(|(key, value)| setting(key, value, private)).collect::<Result<Vec<_>>>()?;
    // "all" and "default" before single links, and the same order each time.
    settings.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(settings)
}

fn setting(key: &str, value: &str, private: Namespaces) -> Result<Setting> {
    let invalid = |why: &str| Error::invalid(format!("sysctl {key:?}: {why}"));
    // As sysctl(8): the first separator says which one separates, the other one is then part of a name.
    let slashes = key.find(['.', '/']).is_some_and(|place| key.as_bytes()[place] == b'/');
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path: String = if slashes { key.to_owned() } else { key.chars().map(swap).collect() };
    let named = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if !named || key.chars().any(char::is_control) {
        bail!(invalid("not a name"));
    }
    if value.contains(['\n', '\0']) {
        bail!(invalid("the value has more than one line"));
    }
    let (kind, when) = match path.as_str() {
        "kernel/msgmax"
        | "kernel/msgmnb"
        | "kernel/msgmni"
        | "kernel/sem"
        | "kernel/shmall"
        | "kernel/shmmax"
        | "kernel/shmmni"
        | "kernel/shm_rmid_forced"
        | "kernel/msg_next_id"
        | "kernel/sem_next_id"
        | "kernel/shm_next_id" => (Namespaces::IPC, When::Create),
        "kernel/hostname" | "kernel/domainname" => (Namespaces::UTS, When::Create),
        _ if path.starts_with("fs/mqueue/") => (Namespaces::IPC, When::Create),
        _ if path.starts_with("net/") => (Namespaces::NETWORK, When::Start),
        _ => bail!(invalid("is not in a separate kernel namespace")),
    };
    if !private.contains(kind) {
        let text = format!("not allowed in the host {} namespace", super::namespace::name(kind));
        bail!(invalid(&text));
    }
    Ok(Setting { when, path: format!("sys/{path}"), value: value.to_owned() })
}

/// Writes the settings whose time it is.
pub(crate) fn apply(proc: &Proc, settings: &[Setting], when: When) -> Result<()> {
    for setting in settings.iter().filter(|setting| setting.when == when) {
        proc.write(&setting.path, setting.value.as_bytes())
            .with_context(|| format!("set /proc/{} to {:?}", setting.path, setting.value))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R16.
    #[test]
    fn only_namespaced_settings_pass() {
        let all = Namespaces::IPC.with(Namespaces::NETWORK).with(Namespaces::UTS);
        for (key, private, path) in [
            ("net.ipv4.ip_forward", all, Some("sys/net/ipv4/ip_forward")),
            ("net/ipv4/conf/eth0.5/forwarding", all, Some("sys/net/ipv4/conf/eth0.5/forwarding")),
            ("net.ipv4.conf.eth0/5.forwarding", all, Some("sys/net/ipv4/conf/eth0.5/forwarding")),
            ("net.ipv4.ip_forward", Namespaces::IPC, None),
            ("kernel.shmmax", all, Some("sys/kernel/shmmax")),
            ("kernel.shmmax", Namespaces::NETWORK, None),
            ("kernel.core_pattern", all, None),
            ("fs.mqueue.msg_max", all, Some("sys/fs/mqueue/msg_max")),
            ("vm.overcommit_memory", all, None),
            ("net/../kernel/core_pattern", all, None),
            ("net..x", all, None),
            ("net.", all, None),
            ("", all, None),
        ] {
            let setting = setting(key, "1", private).ok().map(|setting| setting.path);
            assert_eq!(setting.as_deref(), path, "{key}");
        }
        assert!(setting("net.ipv4.ip_forward", "1\n2", all).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_passes_stays_below_its_directory(key: String, value: String) {
            if let Ok(setting) = setting(&key, &value, Namespaces(u32::MAX)) {
                proptest::prop_assert!(setting.path.starts_with("sys/"));
                proptest::prop_assert!(!setting.path.split('/').any(|part| part == ".." || part.is_empty()));
            }
        }
    }
}
