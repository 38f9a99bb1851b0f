//! The Go types of podman's documents, as far as templates show them: a field's name where JSON has another, and the
//! type that an error names. Source: podman's `libpod/define`.

use super::document::{DOCUMENTS, Field, Type};
pub(super) use super::document::{DURATION, TIME, UNTYPED};

const TYPES: &[Type] = &[
    (
        "*define.Info",
        "*define.Info",
        &[
            ("host", "Host", "*define.HostInfo"),
            ("store", "Store", "*define.StoreInfo"),
            ("registries", "Registries", ""),
            ("plugins", "Plugins", "define.Plugins"),
            ("version", "Version", "define.Version"),
            ("warnings", "Warnings", ""),
        ],
    ),
    (
        "*define.HostInfo",
        "*define.HostInfo",
        &[
            ("arch", "Arch", ""),
            ("buildahVersion", "BuildahVersion", "string"),
            ("cgroupManager", "CgroupManager", ""),
            ("cgroupVersion", "CgroupsVersion", ""),
            ("cgroupControllers", "CgroupControllers", ""),
            ("conmon", "Conmon", "*define.ConmonInfo"),
            ("cpus", "CPUs", ""),
            ("cpuUtilization", "CPUUtilization", "*define.CPUUsage"),
            ("distribution", "Distribution", "define.DistributionInfo"),
            ("eventLogger", "EventLogger", ""),
            ("hostname", "Hostname", ""),
            ("idMappings", "IDMappings", "define.IDMappings"),
            ("kernel", "Kernel", ""),
            ("linkmode", "Linkmode", ""),
            ("logDriver", "LogDriver", ""),
            ("memFree", "MemFree", ""),
            ("memTotal", "MemTotal", ""),
            ("networkBackend", "NetworkBackend", ""),
            ("ociRuntime", "OCIRuntime", "*define.OCIRuntimeInfo"),
            ("os", "OS", ""),
            ("pasta", "Pasta", "define.PastaInfo"),
            ("remoteSocket", "RemoteSocket", "*define.RemoteSocket"),
            ("rootlessNetworkCmd", "RootlessNetworkCmd", ""),
            ("security", "Security", "define.SecurityInfo"),
            ("serviceIsRemote", "ServiceIsRemote", ""),
            ("slirp4netns", "Slirp4NetNS", "define.SlirpInfo"),
            ("swapFree", "SwapFree", ""),
            ("swapTotal", "SwapTotal", ""),
            ("uptime", "Uptime", ""),
            ("variant", "Variant", ""),
        ],
    ),
    (
        "*define.CPUUsage",
        "*define.CPUUsage",
        &[
            ("userPercent", "UserPercent", ""),
            ("systemPercent", "SystemPercent", ""),
            ("idlePercent", "IdlePercent", ""),
        ],
    ),
    (
        "define.DistributionInfo",
        "define.DistributionInfo",
        &[
            ("distribution", "Distribution", ""),
            ("variant", "Variant", ""),
            ("version", "Version", ""),
            ("codename", "Codename", ""),
        ],
    ),
    (
        "define.IDMappings",
        "define.IDMappings",
        &[("gidmap", "GIDMap", "[]idtools.IDMap"), ("uidmap", "UIDMap", "[]idtools.IDMap")],
    ),
    (
        "idtools.IDMap",
        "idtools.IDMap",
        &[("container_id", "ContainerID", "int"), ("host_id", "HostID", "int"), ("size", "Size", "int")],
    ),
    ("*define.ConmonInfo", "*define.ConmonInfo", PROGRAM),
    ("*define.OCIRuntimeInfo", "*define.OCIRuntimeInfo", PROGRAM),
    ("define.PastaInfo", "define.PastaInfo", PROGRAM),
    ("define.SlirpInfo", "define.SlirpInfo", PROGRAM),
    ("*define.RemoteSocket", "*define.RemoteSocket", &[("exists", "Exists", ""), ("path", "Path", "")]),
    (
        "define.SecurityInfo",
        "define.SecurityInfo",
        &[
            ("apparmorEnabled", "AppArmorEnabled", ""),
            ("capabilities", "DefaultCapabilities", ""),
            ("rootless", "Rootless", ""),
            ("seccompEnabled", "SECCOMPEnabled", ""),
            ("seccompProfilePath", "SECCOMPProfilePath", ""),
            ("selinuxEnabled", "SELinuxEnabled", ""),
        ],
    ),
    (
        "*define.StoreInfo",
        "*define.StoreInfo",
        &[
            ("configFile", "ConfigFile", ""),
            ("containerStore", "ContainerStore", "define.ContainerStore"),
            ("graphDriverName", "GraphDriverName", ""),
            ("graphOptions", "GraphOptions", ""),
            ("graphRoot", "GraphRoot", ""),
            ("graphRootAllocated", "GraphRootAllocated", ""),
            ("graphRootUsed", "GraphRootUsed", ""),
            ("graphStatus", "GraphStatus", ""),
            ("imageCopyTmpDir", "ImageCopyTmpDir", ""),
            ("imageStore", "ImageStore", "define.ImageStore"),
            ("runRoot", "RunRoot", ""),
            ("transientStore", "TransientStore", ""),
            ("volumePath", "VolumePath", ""),
        ],
    ),
    (
        "define.ContainerStore",
        "define.ContainerStore",
        &[("number", "Number", ""), ("paused", "Paused", ""), ("running", "Running", ""), ("stopped", "Stopped", "")],
    ),
    ("define.ImageStore", "define.ImageStore", &[("number", "Number", "")]),
    (
        "define.Plugins",
        "define.Plugins",
        &[
            ("volume", "Volume", ""),
            ("network", "Network", ""),
            ("log", "Log", ""),
            ("authorization", "Authorization", ""),
        ],
    ),
    ("define.Version", "define.Version", &[]),
];

/// What podman tells of a program that it runs.
const PROGRAM: &[Field] = &[
    ("executable", "Executable", "string"),
    ("name", "Name", "string"),
    ("package", "Package", "string"),
    ("path", "Path", "string"),
    ("version", "Version", "string"),
];

fn find(name: &str) -> Option<&'static Type> {
    TYPES.iter().chain(DOCUMENTS).find(|(known, ..)| *known == name)
}

/// The name of type `name` in errors.
pub(super) fn shown(name: &str) -> &str {
    find(name).map_or(name, |(_, shown, _)| shown)
}

/// The name in Go of the field that is `key` in JSON, and the type of what it holds.
pub(super) fn field<'a>(type_name: &str, key: &'a str) -> (&'a str, Option<&'static str>) {
    let known = find(type_name).and_then(|(.., fields)| fields.iter().find(|(json, ..)| *json == key));
    known.map_or((key, None), |(_, name, of)| (*name, Some(*of).filter(|of| !of.is_empty())))
}

/// What kind of nothing a field holds that JSON has left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Text,
    Bool,
    Int,
    Duration,
    List,
    Map,
    Time,
    /// A struct of this type without fields: each of them is the nothing of its own type.
    Struct(&'static str),
    Nil,
}

/// What the field called `name` in Go holds where JSON leaves it out; `None` where the type has no such field.
pub(super) fn absent(type_name: &str, name: &str) -> Option<Absent> {
    let (.., of) = find(type_name)?.2.iter().find(|(_, go, of)| *go == name && !of.is_empty())?;
    Some(nothing(of))
}

/// What kind of nothing a field of type `of` holds.
pub(super) fn nothing(of: &'static str) -> Absent {
    match of {
        "string" => Absent::Text,
        "bool" => Absent::Bool,
        "int" | "uint" => Absent::Int,
        DURATION => Absent::Duration,
        TIME => Absent::Time,
        of if of.starts_with("map[") => Absent::Map,
        of if of.starts_with("[]") => Absent::List,
        of if !of.starts_with('*') && find(of).is_some() => Absent::Struct(of),
        _ => Absent::Nil,
    }
}

/// The name in JSON of the field that is `name` in Go.
pub(super) fn key<'a>(type_name: &str, name: &'a str) -> &'a str {
    let known = find(type_name).and_then(|(.., fields)| fields.iter().find(|(_, go, _)| *go == name));
    known.map_or(name, |(key, ..)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_that_a_field_names_and_that_has_fields_of_its_own_is_there_once() {
        for (name, _, fields) in TYPES.iter().chain(DOCUMENTS) {
            assert_eq!(TYPES.iter().chain(DOCUMENTS).filter(|(other, ..)| other == name).count(), 1, "{name}");
            for (key, go, _) in *fields {
                assert_eq!(fields.iter().filter(|(other, ..)| other == key).count(), 1, "{name} {key}");
                assert!(go.starts_with(|c: char| c.is_ascii_uppercase()), "{name} {go}");
            }
        }
    }

    #[test]
    fn names_go_there_and_back() {
        assert_eq!(field("*define.Info", "store"), ("Store", Some("*define.StoreInfo")));
        assert_eq!(field("*define.HostInfo", "cgroupVersion"), ("CgroupsVersion", None));
        assert_eq!(key("*define.HostInfo", "CgroupsVersion"), "cgroupVersion");
        assert_eq!((field("nosuch", "a"), key("nosuch", "A")), (("a", None), "A"));
        assert_eq!(absent("define.InspectMount", "Name"), Some(Absent::Text));
        assert_eq!(absent("*define.InspectContainerHostConfig", "IDMappings"), Some(Absent::Nil));
        assert_eq!((absent("define.InspectMount", "NoSuch"), absent("*define.Info", "Warnings")), (None, None));
        assert_eq!((shown("inspect image"), shown("inspect")), (UNTYPED, "inspect"));
    }
}
