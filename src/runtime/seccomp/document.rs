//! Reads a seccomp profile from a user's file: Docker's and podman's format, of which the runtime specification's is a
//! part. Entries that depend on capabilities, machine or kernel are decided here, for one container.
//!
//! A profile is a policy: keys and values that are not understood refuse it.

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompBuilder, LinuxSeccompFilterFlag, LinuxSyscall,
    LinuxSyscallBuilder,
};
use serde::Deserialize;

use crate::model::error::Error;
use crate::runtime::capability::CapSet;

/// What the conditions of a profile may ask about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    /// What the container's processes may have.
    pub(crate) capabilities: CapSet,
    /// The running kernel.
    pub(crate) kernel: (u32, u32),
}

impl Host {
    /// Asks the running kernel.
    pub(crate) fn current(capabilities: CapSet) -> Self {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Self { capabilities, kernel: version(&release).unwrap_or((0, 0)) }
    }
}

/// The name of this machine in profiles, which is Go's.
#[cfg(target_arch = "x86_64")]
const MACHINE: &str = "amd64";
#[cfg(target_arch = "aarch64")]
const MACHINE: &str = "arm64";
#[cfg(target_arch = "x86_64")]
const NATIVE: Arch = Arch::ScmpArchX86_64;
#[cfg(target_arch = "aarch64")]
const NATIVE: Arch = Arch::ScmpArchAarch64;

/// A profile is at most this long.
const LIMIT: usize = 4 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    architectures: Option<Vec<Arch>>,
    arch_map: Option<Vec<Architecture>>,
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    syscalls: Option<Vec<Entry>>,
    #[serde(rename = "$schema")]
    _schema: Option<serde_json::Value>,
    #[serde(rename = "comment")]
    _comment: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Architecture {
    architecture: Arch,
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    errno: Option<String>,
    args: Option<Vec<LinuxSeccompArg>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Parses a profile for a container on `host`.
pub(crate) fn parse(json: &[u8], host: &Host) -> Result<LinuxSeccomp> {
    if json.len() > LIMIT {
        bail!(Error::invalid(format!("the seccomp profile is longer than {LIMIT} bytes")));
    }
    let document: Document =
        serde_json::from_slice(json).map_err(|error| Error::invalid(format!("parse the seccomp profile: {error}")))?;
    if document.architectures.is_some() && document.arch_map.is_some() {
        bail!(Error::invalid("a seccomp profile has architectures or archMap, not both"));
    }
    let mut seccomp = LinuxSeccompBuilder::default().default_action(document.default_action).build()?;
    seccomp.set_default_errno_ret(errno(document.default_errno_ret, document.default_errno.as_deref())?);
    let mapped = document.arch_map.map(|map| {
        let native = map.into_iter().find(|entry| entry.architecture == NATIVE);
        native.map_or_else(Vec::new, |entry| {
            let mut list = vec![entry.architecture];
            list.extend(entry.sub_architectures.unwrap_or_default());
            list
        })
    });
    seccomp.set_architectures(document.architectures.or(mapped).filter(|list| !list.is_empty()));
    seccomp.set_flags(document.flags);
    seccomp.set_listener_path(document.listener_path.filter(|path| !path.is_empty()).map(Into::into));
    seccomp.set_listener_metadata(document.listener_metadata.filter(|data| !data.is_empty()));
    let mut entries = Vec::new();
    for (at, entry) in document.syscalls.unwrap_or_default().into_iter().enumerate() {
        entries.extend(resolve(entry, host).with_context(|| format!("entry {} of the seccomp profile", at + 1))?);
    }
    seccomp.set_syscalls(Some(entries));
    Ok(seccomp)
}

/// Gives the entry, if it is meant for this container.
fn resolve(entry: Entry, host: &Host) -> Result<Option<LinuxSyscall>> {
    let names = match (entry.name.filter(|name| !name.is_empty()), entry.names.filter(|names| !names.is_empty())) {
        (Some(_), Some(_)) => bail!(Error::invalid("name and names are both given")),
        (Some(name), None) => vec![name],
        (None, Some(names)) => names,
        (None, None) => bail!(Error::invalid("no name is given")),
    };
    let errno = errno(entry.errno_ret, entry.errno.as_deref())?;
    if !included(&entry.includes.unwrap_or_default(), host)? || excluded(&entry.excludes.unwrap_or_default(), host)? {
        return Ok(None);
    }
    let mut call = LinuxSyscallBuilder::default().names(names).action(entry.action).build()?;
    call.set_errno_ret(errno);
    call.set_args(entry.args.filter(|args| !args.is_empty()));
    Ok(Some(call))
}

/// All that is named must hold.
fn included(condition: &Condition, host: &Host) -> Result<bool> {
    let caps = condition.caps.as_deref().unwrap_or_default();
    let arches = condition.arches.as_deref().unwrap_or_default();
    let arch = arches.is_empty() || arches.iter().any(|arch| arch == MACHINE);
    let kernel = min_kernel(condition)?.is_none_or(|wanted| host.kernel >= wanted);
    Ok(caps.iter().all(|name| has(host, name)) && arch && kernel)
}

/// Any that is named suffices.
fn excluded(condition: &Condition, host: &Host) -> Result<bool> {
    let caps = condition.caps.as_deref().unwrap_or_default();
    let arches = condition.arches.as_deref().unwrap_or_default();
    let kernel = min_kernel(condition)?.is_some_and(|wanted| host.kernel >= wanted);
    Ok(caps.iter().any(|name| has(host, name)) || arches.iter().any(|arch| arch == MACHINE) || kernel)
}

/// A capability without a name here is one that nobody has.
fn has(host: &Host, name: &str) -> bool {
    CapSet::named(name).is_some_and(|set| host.capabilities.contains(set))
}

fn min_kernel(condition: &Condition) -> Result<Option<(u32, u32)>> {
    let Some(text) = condition.min_kernel.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = version(text).ok_or_else(|| Error::invalid(format!("minKernel {text:?} is not a version")))?;
    Ok(Some(parsed))
}

/// Parses the first two numbers of a kernel's version.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let minor = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Gives the error number of an entry: podman names it beside the number, and a name alone counts.
fn errno(number: Option<u32>, name: Option<&str>) -> Result<Option<u32>> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(number) };
    let named = match name {
        "EPERM" => libc::EPERM,
        "ENOENT" => libc::ENOENT,
        "EIO" => libc::EIO,
        "EBADF" => libc::EBADF,
        "EAGAIN" => libc::EAGAIN,
        "ENOMEM" => libc::ENOMEM,
        "EACCES" => libc::EACCES,
        "EFAULT" => libc::EFAULT,
        "EBUSY" => libc::EBUSY,
        "EEXIST" => libc::EEXIST,
        "ENODEV" => libc::ENODEV,
        "EINVAL" => libc::EINVAL,
        "ENOTTY" => libc::ENOTTY,
        "ENOSPC" => libc::ENOSPC,
        "EROFS" => libc::EROFS,
        "ENOSYS" => libc::ENOSYS,
        "EOPNOTSUPP" | "ENOTSUP" => libc::EOPNOTSUPP,
        "EAFNOSUPPORT" => libc::EAFNOSUPPORT,
        "EPROTONOSUPPORT" => libc::EPROTONOSUPPORT,
        _ => bail!(Error::invalid(format!("unknown errno {name:?}"))),
    }
    .unsigned_abs();
    if number.is_some_and(|number| number != named) {
        bail!(Error::invalid(format!("errno {name} and errnoRet {} differ", number.unwrap_or_default())));
    }
    Ok(Some(named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: &str = r#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}
        ],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "", "includes": {}, "excludes": {}},
            {"name": "bpf", "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}},
            {"name": "acct", "action": "SCMP_ACT_ERRNO", "errno": "EPERM", "excludes": {"caps": ["CAP_SYS_PACCT"]}},
            {"name": "s390_runtime_instr", "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
            {"name": "ptrace", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"name": "fsopen", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.1"}}
        ]
    }"#;

    fn host(mask: CapSet) -> Host {
        Host { capabilities: mask, kernel: (6, 1) }
    }

    fn names(seccomp: &LinuxSeccomp) -> Vec<&str> {
        seccomp.syscalls().iter().flatten().flat_map(|call| call.names()).map(String::as_str).collect()
    }

    #[test]
    fn conditions_are_decided_for_the_container() {
        let seccomp = parse(SAMPLE.as_bytes(), &host(CapSet::DEFAULT)).unwrap();
        assert_eq!(names(&seccomp), ["read", "acct", "ptrace"]);
        assert_eq!(seccomp.default_errno_ret(), Some(38));
        #[cfg(target_arch = "x86_64")]
        assert_eq!(
            seccomp.architectures().as_deref(),
            Some([Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32].as_slice())
        );
        let seccomp = parse(SAMPLE.as_bytes(), &host(CapSet::ALL)).unwrap();
        assert_eq!(names(&seccomp), ["read", "bpf", "ptrace"]);
    }

    #[test]
    fn the_runtime_specifications_format_is_read_as_it_is() {
        let json = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"flags":["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath":"/run/x","syscalls":[{"names":["mount"],"action":"SCMP_ACT_NOTIFY","args":[
            {"index":1,"value":2,"valueTwo":3,"op":"SCMP_CMP_MASKED_EQ"}]}]}"#;
        let seccomp = parse(json.as_bytes(), &host(CapSet::EMPTY)).unwrap();
        assert_eq!(seccomp, serde_json::from_str(json).unwrap());
    }

    /// R30.
    #[test]
    fn what_is_not_understood_is_refused() {
        for (json, message) in [
            (r#"{"defaultAction":"SCMP_ACT_ALLO"}"#, "parse the seccomp profile"),
            (r#"{"defaultAction":"SCMP_ACT_ALLOW","sycalls":[]}"#, "unknown field `sycalls`"),
            (r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":[],"archMap":[]}"#, "not both"),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ALLOW"}]}"#,
                "entry 1 of the seccomp profile: no name is given",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_ALLOW","includes":{"cap":[]}}]}"#,
                "unknown field `cap`",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"defaultErrno":"ENOSYS"}"#,
                "errno ENOSYS and errnoRet 1 differ",
            ),
        ] {
            let error = format!("{:#}", parse(json.as_bytes(), &host(CapSet::EMPTY)).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn versions() {
        for (text, expected) in [
            ("6.18.44-fc", Some((6, 18))),
            ("4.8", Some((4, 8))),
            ("5.15+", Some((5, 15))),
            ("5", None),
            ("x.y", None),
            ("5.", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(parse(&bytes, &host(CapSet::EMPTY)));
        }

        #[test]
        fn torn_profiles_are_refused(cut in 1..SAMPLE.len() - 1) {
            prop_assert!(parse(&SAMPLE.as_bytes()[..cut], &host(CapSet::EMPTY)).is_err());
        }
    }
}
