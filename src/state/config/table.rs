//! The tables of containers.conf(5) and the keys that have a meaning here.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::value::{List, Merge};

/// Declares a table: its keys are the fields, all of them optional.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $key:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        pub(crate) struct $name {
            $($(#[$about])* pub(crate) $key: $kind,)*
        }

        impl $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }

        impl Merge for $name {
            fn merge(&mut self, later: Self) {
                $(Merge::merge(&mut self.$key, later.$key);)*
            }
        }
    };
}

table! {
    /// `[containers]`: what holds for a container where the command line is silent.
    Containers {
        /// `KEY=VALUE`
        annotations: List,
        apparmor_profile: Option<String>,
        /// A path, `image` or `none`; empty is the host's file.
        base_hosts_file: Option<String>,
        cgroup_conf: List,
        cgroupns: Option<String>,
        cgroups: Option<String>,
        default_capabilities: List,
        default_sysctls: List,
        default_ulimits: List,
        devices: List,
        dns_options: List,
        dns_searches: List,
        dns_servers: List,
        /// `NAME=VALUE`, below what images say.
        env: List,
        env_host: Option<bool>,
        http_proxy: Option<bool>,
        init: Option<bool>,
        init_path: Option<String>,
        ipcns: Option<String>,
        log_driver: Option<String>,
        /// Bytes; negative is without limit.
        log_size_max: Option<i64>,
        log_tag: Option<String>,
        mounts: List,
        netns: Option<String>,
        no_hosts: Option<bool>,
        oom_score_adj: Option<i32>,
        pidns: Option<String>,
        /// 0 and below are without limit.
        pids_limit: Option<i64>,
        privileged: Option<bool>,
        read_only: Option<bool>,
        seccomp_profile: Option<String>,
        shm_size: Option<String>,
        tz: Option<String>,
        umask: Option<String>,
        userns: Option<String>,
        utsns: Option<String>,
        volumes: List,
    }
}

table! {
    /// `[engine]`: how this program works.
    EngineTable {
        /// `cgroupfs` or `systemd`.
        cgroup_manager: Option<String>,
        cdi_spec_dirs: List,
        detach_keys: Option<String>,
        events_logger: Option<String>,
        /// `NAME=VALUE`, of this program.
        env: List,
        hooks_dir: List,
        image_volume_mode: Option<String>,
        init_path: Option<String>,
        pull_policy: Option<String>,
        retry: Option<u32>,
        /// A duration of Go's.
        retry_delay: Option<String>,
        /// A name, or a path.
        runtime: Option<String>,
        /// Paths of runtimes by their names.
        runtimes: BTreeMap<String, Vec<String>>,
        /// Seconds.
        stop_timeout: Option<u32>,
        volume_path: Option<String>,
    }
}

table! {
    /// `[network]`
    NetworkTable {
        default_network: Option<String>,
        pasta_options: List,
    }
}

/// Everything that a file says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    pub(super) containers: Containers,
    pub(super) engine: EngineTable,
    pub(super) network: NetworkTable,
}

/// Keys of podman that choose between ways of getting the same here, or speak of what there is none of: remote engines,
/// conmon, SELinux, lock tables. They are known, so nothing is said.
const WITHOUT_MEANING: [(&str, &[&str]); 3] = [
    ("containers", &["label", "label_users", "prepare_volume_on_create"]),
    (
        "engine",
        &[
            "active_service",
            "cgroup_check",
            "chown_copied_files",
            "compat_api_enforce_docker_hub",
            "compose_providers",
            "compose_warning_logs",
            "conmon_env_vars",
            "conmon_path",
            "conmonrs_path",
            "database_backend",
            "enable_port_reservation",
            "exit_command_delay",
            "helper_binaries_dir",
            "image_copy_tmp_dir",
            "image_parallel_copies",
            "infra_command",
            "infra_image",
            "kube_generate_type",
            "lock_type",
            "machine_enabled",
            "multi_image_archive",
            "namespace",
            "network_cmd_path",
            "no_pivot_root",
            "num_locks",
            "platform_to_oci_runtime",
            "pod_exit_policy",
            "podmansh_timeout",
            "remote",
            "remote_identity",
            "remote_uri",
            "runtime_path",
            "runtime_supports_json",
            "runtime_supports_kvm",
            "runtime_supports_nocgroup",
            "runtime_supports_nocgroups",
            "runtime_supports_nocgroupv2",
            "service_destinations",
            "service_timeout",
            "ssh_config",
            "volume_plugin_timeout",
            "volume_plugins",
        ],
    ),
    ("network", &["cni_plugin_dirs", "firewall_driver", "netavark_plugin_dirs", "network_backend"]),
];

/// A key whose wish dhow does not meet: table, key, when it is a wish that changes anything, what is so instead.
type Unmet = (&'static str, &'static str, fn(&toml::Value) -> bool, &'static str);

/// What would change what a user gets, and has no meaning here (yet).
const UNMET: [Unmet; 18] = [
    ("containers", "host_containers_internal_ip", is_filled, "the address of the bridge is used"),
    ("containers", "interface_name", is_filled, "interfaces are called eth0, eth1, …"),
    ("containers", "keyring", is_false, "each container has a keyring of its own"),
    ("containers", "log_path", is_filled, "logs are kept with the container"),
    ("containers", "userns_size", is_filled, "the size is what the container needs"),
    ("engine", "add_compression", is_filled, "images are pushed once"),
    (
        "engine",
        "compression_format",
        |value| value.as_str().is_some_and(|v| v != "gzip"),
        "layers are pushed as they are",
    ),
    ("engine", "compression_level", is_filled, "layers are pushed as they are"),
    (
        "engine",
        "image_default_format",
        |value| value.as_str().is_some_and(|v| !v.is_empty() && v != "oci"),
        "the format is OCI's",
    ),
    ("engine", "image_default_transport", |value| value.as_str() != Some("docker://"), "images come from registries"),
    ("engine", "network_cmd_options", is_filled, "pasta has options in pasta_options"),
    ("engine", "static_dir", is_filled, "records are kept in the store"),
    ("engine", "tmp_dir", is_filled, "what is gone after a reboot is below runroot"),
    ("network", "default_rootless_network_cmd", |value| value.as_str() == Some("slirp4netns"), "pasta is used"),
    ("network", "default_subnet", |value| value.as_str() != Some("10.88.0.0/16"), "a free subnet is taken"),
    ("network", "default_subnet_pools", is_filled, "a free subnet is taken"),
    ("network", "dns_bind_port", is_filled, "the port is 53"),
    ("network", "network_config_dir", is_filled, "networks are kept in the store"),
];

fn is_filled(value: &toml::Value) -> bool {
    match value {
        toml::Value::String(text) => !text.is_empty(),
        toml::Value::Array(list) => !list.is_empty(),
        toml::Value::Integer(number) => *number != 0,
        toml::Value::Boolean(is) => *is,
        _ => true,
    }
}

fn is_false(value: &toml::Value) -> bool {
    value.as_bool() == Some(false)
}

/// What a file asks for and is not given here.
pub(super) fn unmet(document: &toml::Table) -> Vec<String> {
    let asked = UNMET
        .iter()
        .filter(|(table, key, matters, _)| document.get(*table).and_then(|table| table.get(key)).is_some_and(matters));
    asked.map(|(_, key, _, instead)| format!("{key} has no effect: {instead}")).collect()
}

/// Tables of other programs' concern.
const FOREIGN: [&str; 4] = ["farms", "machine", "podmansh", "secrets"];

/// The keys of a file that nobody knows, `TABLE.KEY`.
pub(super) fn unknown(document: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (table, keys) in document {
        let known = match table.as_str() {
            "containers" => Containers::KEYS,
            "engine" => EngineTable::KEYS,
            "network" => NetworkTable::KEYS,
            name if FOREIGN.contains(&name) => continue,
            _ => {
                found.push(table.clone());
                continue;
            }
        };
        let silent = WITHOUT_MEANING.iter().find(|(name, _)| name == table).map_or(&[][..], |(_, keys)| keys);
        let is_unmet = |key: &str| UNMET.iter().any(|(of, name, ..)| of == table && *name == key);
        let is_known = |key: &String| known.contains(&key.as_str()) || silent.contains(&key.as_str()) || is_unmet(key);
        let keys = keys.as_table().into_iter().flat_map(toml::Table::keys);
        found.extend(keys.filter(|key| !is_known(key)).map(|key| format!("{table}.{key}")));
    }
    found
}
