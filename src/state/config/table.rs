//! The tables of containers.conf(5) and the keys that have a meaning here.

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
                $(self.$key.merge(later.$key);)*
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
        detach_keys: Option<String>,
        image_volume_mode: Option<String>,
        init_path: Option<String>,
        pull_policy: Option<String>,
        /// Seconds.
        stop_timeout: Option<u32>,
    }
}

/// Everything that a file says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    pub(super) containers: Containers,
    pub(super) engine: EngineTable,
}

/// Keys of podman that choose between ways of getting the same here, or speak of what there is none of: remote engines,
/// conmon, SELinux, lock tables. They are known, so nothing is said.
const WITHOUT_MEANING: [(&str, &[&str]); 3] = [
    ("containers", &["host_containers_internal_ip", "label", "label_users", "prepare_volume_on_create", "userns_size"]),
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

/// Tables of other programs' concern.
const FOREIGN: [&str; 4] = ["farms", "machine", "podmansh", "secrets"];

/// The keys of a file that nobody knows, `TABLE.KEY`.
pub(super) fn unknown(document: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (table, keys) in document {
        let known = match table.as_str() {
            "containers" => Containers::KEYS,
            "engine" => EngineTable::KEYS,
            "network" => &[],
            name if FOREIGN.contains(&name) => continue,
            _ => {
                found.push(table.clone());
                continue;
            }
        };
        let silent = WITHOUT_MEANING.iter().find(|(name, _)| name == table).map_or(&[][..], |(_, keys)| keys);
        let is_known = |key: &String| known.contains(&key.as_str()) || silent.contains(&key.as_str());
        let keys = keys.as_table().into_iter().flat_map(toml::Table::keys);
        found.extend(keys.filter(|key| !is_known(key)).map(|key| format!("{table}.{key}")));
    }
    found
}
