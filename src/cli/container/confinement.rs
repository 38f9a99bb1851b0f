//! `--security-opt`, capabilities, `--sysctl`: what a container may do.

use std::collections::BTreeMap;

use crate::cli::flags::create::CreateFlags;
use crate::engine::request::NamespaceRequest;
use crate::model::container::Security;
use crate::model::error::Error;
use crate::model::network::NetworkMode;

/// Reads the confinement; a profile's relative path is joined to `cwd`.
pub(super) fn security(flags: &CreateFlags, cwd: &str) -> Result<Security, Error> {
    let mut security = Security {
        privileged: flags.privileged == Some(true),
        cap_add: flags.cap_add.clone(),
        cap_drop: flags.cap_drop.clone(),
        ..Security::default()
    };
    for option in &flags.security_opt {
        security_option(&mut security, option, cwd)?;
    }
    Ok(security)
}

/// Reads one `KEY=VALUE` (or, as Docker wrote it, `KEY:VALUE`).
fn security_option(security: &mut Security, option: &str, cwd: &str) -> Result<(), Error> {
    if option == "no-new-privileges" {
        security.no_new_privileges = true;
        return Ok(());
    }
    let split = option.split_once('=').or_else(|| option.split_once(':'));
    let (key, value) = split.ok_or_else(|| Error::invalid(format!("invalid --security-opt 1: {option:?}")))?;
    match key {
        "apparmor" => security.apparmor = Some(value.to_owned()),
        "label" if value == "disable" => {}
        // What was asked for and cannot be had is not passed over in silence.
        "label" => {
            return Err(Error::unsupported(format!(
                "invalid --security-opt 2: {option:?}: there are no SELinux labels"
            )));
        }
        "seccomp" => {
            security.seccomp = match value {
                "" => return Err(Error::invalid(format!("invalid --security-opt 1: {option:?}"))),
                "unconfined" | "strict" => Some(value.to_owned()),
                "default" | "builtin" => None,
                path if path.starts_with('/') => Some(path.to_owned()),
                path => Some(crate::model::mount::clean(&format!("{cwd}/{path}"))),
            }
        }
        "no-new-privileges" => {
            security.no_new_privileges = match value {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(Error::invalid(format!("invalid --security-opt 2: {option:?}"))),
            }
        }
        "mask" => security.mask.extend(paths(option, value)?),
        "unmask" if value.eq_ignore_ascii_case("all") => security.unmask.push("ALL".to_owned()),
        "unmask" => security.unmask.extend(paths(option, value)?),
        "proc-opts" => security.proc_options = proc_options(option, value)?,
        "systempaths" if value == "unconfined" => security.unmask.push("ALL".to_owned()),
        _ => return Err(Error::invalid(format!("invalid --security-opt 2: {option:?}"))),
    }
    Ok(())
}

/// Options of procfs that hide more: nothing that would lift what every container has.
fn proc_options(option: &str, value: &str) -> Result<Vec<String>, Error> {
    let known = |word: &str| match word.split_once('=') {
        Some(("hidepid", value)) => {
            matches!(value, "0" | "1" | "2" | "4" | "off" | "noaccess" | "invisible" | "ptraceable")
        }
        Some(("subset", value)) => value == "pid",
        Some(("gid", value)) => value.parse::<u32>().is_ok_and(|gid| gid != u32::MAX),
        _ => false,
    };
    match value.split(',').find(|word| !known(word)) {
        Some(word) => {
            Err(Error::invalid(format!("invalid --security-opt {option:?}: {word:?} is no option of procfs"))
                .hint("hidepid=, gid= and subset=pid are known"))
        }
        None => Ok(value.split(',').map(str::to_owned).collect()),
    }
}

/// Splits `PATH[:PATH…]`, all absolute.
fn paths(option: &str, value: &str) -> Result<Vec<String>, Error> {
    let path = |path: &str| match path.starts_with('/') {
        true => Ok(path.to_owned()),
        false => Err(Error::invalid(format!("invalid --security-opt {option:?}: {path:?} is not an absolute path"))),
    };
    value.split(':').map(path).collect()
}

/// Kernel parameters of the IPC namespace.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// Reads `--sysctl`: only what belongs to a namespace of the container's own.
pub(super) fn sysctls(
    texts: &[String],
    ipc: &NamespaceRequest,
    network: &NetworkMode,
) -> Result<BTreeMap<String, String>, Error> {
    let bad = |text: &str| format!("{text} is invalid, sysctl values must be in the form of KEY=VALUE");
    let all = super::environment::pairs(texts, bad)?;
    for (key, value) in &all {
        // sysctl(8) also takes slashes.
        let key = key.replace('/', ".");
        let namespace = if IPC.contains(&key.as_str()) || key.starts_with("fs.mqueue.") {
            matches!(ipc, NamespaceRequest::Host).then_some("IPC")
        } else if key.starts_with("net.") {
            matches!(network, NetworkMode::Host).then_some("Network")
        } else {
            return Err(Error::invalid(format!("sysctl '{key}' is not allowed")));
        };
        if let Some(namespace) = namespace {
            return Err(Error::invalid(format!(
                "sysctl {key}={value} can't be set since {namespace} Namespace set to host: invalid argument"
            )));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_are_podmans() {
        let mut security = Security::default();
        for option in [
            "no-new-privileges",
            "seccomp=p.json",
            "apparmor=unconfined",
            "label=disable",
            "mask=/a:/b",
            "unmask=/c",
            "unmask=all",
        ] {
            security_option(&mut security, option, "/w").unwrap();
        }
        assert!(security.no_new_privileges);
        assert_eq!(security.seccomp.as_deref(), Some("/w/p.json"));
        assert_eq!((security.mask, security.unmask), (vec!["/a".into(), "/b".into()], vec!["/c".into(), "ALL".into()]));
        for bad in [
            "bogus",
            "bogus=1",
            "seccomp=",
            "mask=a",
            "proc-opts=rw",
            "proc-opts=",
            "proc-opts=hidepid=9",
            "proc-opts=gid=-1",
            "no-new-privileges=maybe",
        ] {
            assert!(security_option(&mut Security::default(), bad, "/").is_err(), "{bad}");
        }
    }

    #[test]
    fn sysctls_belong_to_a_namespace() {
        let read = |text: &str, network| sysctls(&[text.to_owned()], &NamespaceRequest::Default, &network);
        assert!(read("net.ipv4.ip_forward=1", NetworkMode::Private).is_ok());
        assert!(read("kernel.shmmax=1", NetworkMode::Host).is_ok());
        assert!(read("net.ipv4.ip_forward=1", NetworkMode::Host).is_err());
        for bad in ["kernel.panic=1", "net.x", "=1", "vm.swappiness=1"] {
            assert!(read(bad, NetworkMode::Private).is_err(), "{bad}");
        }
    }

    proptest! {
        /// R39: no option makes a panic, and none but its own words lifts a filter.
        #[test]
        fn any_option_is_read_or_refused(
            key in "(apparmor|label|seccomp|mask|unmask|proc-opts|systempaths|no-new-privileges|[a-z]{1,5})",
            mark in "[=:]", value in "(\\PC{0,20}|[a-z/,:.]{0,20})",
        ) {
            let mut security = Security::default();
            if security_option(&mut security, &format!("{key}{mark}{value}"), "/here").is_ok()
                && let Some(seccomp) = &security.seccomp
            {
                prop_assert!(seccomp.starts_with('/') || ["unconfined", "strict"].contains(&value.as_str()));
            }
        }
    }
}
