//! The flags that `run` and `create` share. What they mean is decided in `cli::container::request`.

use std::path::PathBuf;

use super::value;

/// Everything that describes a container to be made.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct CreateFlags {
    /// Add a line to the hosts file: NAME[;NAME...]:ADDRESS, where host-gateway is the host
    #[arg(long, value_name = "HOST:IP", value_delimiter = ',')]
    pub(crate) add_host: Vec<String>,
    /// Add an annotation, KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) annotation: Vec<String>,
    /// Architecture of the image
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Option<String>,
    /// Attach only to these streams: stdin, stdout, stderr
    #[arg(short, long, value_name = "STREAM", value_delimiter = ',')]
    pub(crate) attach: Vec<String>,
    /// File of registry credentials
    #[arg(long, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,
    /// Relative weight of block input and output, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) blkio_weight: Option<u16>,
    /// The same for one device, DEVICE:WEIGHT
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    pub(crate) blkio_weight_device: Vec<String>,
    /// Add capabilities; all is every one
    #[arg(long, value_name = "CAP", value_delimiter = ',')]
    pub(crate) cap_add: Vec<String>,
    /// Drop capabilities; all is every one
    #[arg(long, value_name = "CAP", value_delimiter = ',')]
    pub(crate) cap_drop: Vec<String>,
    /// Directory of certificates for registries
    #[arg(long, value_name = "DIR")]
    pub(crate) cert_dir: Option<PathBuf>,
    /// Write a file of the unified cgroup hierarchy, FILE=VALUE
    #[arg(long, value_name = "FILE=VALUE")]
    pub(crate) cgroup_conf: Vec<String>,
    /// Cgroup below which the container's is made
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup_parent: Option<String>,
    /// Cgroup namespace: private, host, container:ID, ns:PATH
    #[arg(long, value_name = "MODE")]
    pub(crate) cgroupns: Option<String>,
    /// Which cgroups are made: enabled, disabled, no-conmon (the monitor stays with its starter), split (below the starter's)
    #[arg(long, value_name = "MODE")]
    pub(crate) cgroups: Option<String>,
    /// Directories inside that get the hosts file and the like too
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    pub(crate) chrootdirs: Vec<String>,
    /// Write the container's id to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<PathBuf>,
    /// Write the pid of the container's monitor to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) conmon_pidfile: Option<PathBuf>,
    /// Length of the scheduler's period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_period: Option<u64>,
    /// Microseconds of processor time in a period
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_quota: Option<i64>,
    /// Length of the realtime scheduler's period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_rt_period: Option<u64>,
    /// Microseconds of realtime in a period
    #[arg(long, value_name = "MICROSECONDS")]
    pub(crate) cpu_rt_runtime: Option<i64>,
    /// Relative weight of processor time
    #[arg(short = 'c', long, value_name = "SHARES")]
    pub(crate) cpu_shares: Option<u64>,
    /// Number of processors, with a fraction
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<f64>,
    /// Processors that may be used: 0-3,5
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Memory nodes that may be used
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_mems: Option<String>,
    /// Credentials for the registry, USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    pub(crate) creds: Option<String>,
    /// Keys that detach: characters and ctrl-a to ctrl-z, separated by commas; empty disables
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// Add a device of the host: HOST[:CONTAINER][:rwm]
    #[arg(long, value_name = "DEVICE", value_delimiter = ',')]
    pub(crate) device: Vec<String>,
    /// Allow devices without adding them: KIND MAJOR:MINOR ACCESS, as c 1:* rwm
    #[arg(long, value_name = "RULE")]
    pub(crate) device_cgroup_rule: Vec<String>,
    /// Bytes in a second that are read from a device at most, DEVICE:SIZE
    #[arg(long, value_name = "DEVICE:SIZE", value_delimiter = ',')]
    pub(crate) device_read_bps: Vec<String>,
    /// Reads in a second from a device at most, DEVICE:NUMBER
    #[arg(long, value_name = "DEVICE:NUMBER", value_delimiter = ',')]
    pub(crate) device_read_iops: Vec<String>,
    /// Bytes in a second that are written to a device at most, DEVICE:SIZE
    #[arg(long, value_name = "DEVICE:SIZE", value_delimiter = ',')]
    pub(crate) device_write_bps: Vec<String>,
    /// Writes in a second to a device at most, DEVICE:NUMBER
    #[arg(long, value_name = "DEVICE:NUMBER", value_delimiter = ',')]
    pub(crate) device_write_iops: Vec<String>,
    /// Has no effect, as in podman
    #[arg(long)]
    pub(crate) disable_content_trust: Option<bool>,
    /// Name servers; none leaves resolv.conf to the image
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    pub(crate) dns: Vec<String>,
    /// Options of resolv.conf
    #[arg(long, alias = "dns-opt", value_name = "OPTION", value_delimiter = ',')]
    pub(crate) dns_option: Vec<String>,
    /// Search domains of resolv.conf
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    pub(crate) dns_search: Vec<String>,
    /// Replace the image's entrypoint: a command, or a JSON array of words
    #[arg(long, value_name = "COMMAND")]
    pub(crate) entrypoint: Option<String>,
    /// Set a variable: NAME=VALUE, NAME for the caller's value, NAME* for all that begin so
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Pass all of the caller's variables on
    #[arg(long)]
    pub(crate) env_host: Option<bool>,
    /// Set a variable from those of the image: NAME=${NAME}:more
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env_merge: Vec<String>,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    pub(crate) expose: Vec<String>,
    /// Map group ids, INSIDE:OUTSIDE:SIZE
    #[arg(long, value_name = "MAP", value_delimiter = ',')]
    pub(crate) gidmap: Vec<String>,
    /// Add graphics processors of nvidia.com: all, or their names
    #[arg(long, value_name = "GPU", value_delimiter = ',')]
    pub(crate) gpus: Vec<String>,
    /// Add supplementary groups
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub(crate) group_add: Vec<String>,
    /// Line for the user's group in the container's group file, with $GROUPNAME, $GID and $USERLIST
    #[arg(long, value_name = "LINE")]
    pub(crate) group_entry: Option<String>,
    /// Command that tells whether the container is healthy: for its shell, or a JSON array of words; none is none
    #[arg(long, value_name = "COMMAND")]
    pub(crate) health_cmd: Option<String>,
    /// Time between checks (30s), or disable: checks are made only by healthcheck run
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) health_interval: Option<String>,
    /// Where the results of checks are kept: local, or also events_logger or a directory
    #[arg(long, value_name = "WHERE")]
    pub(crate) health_log_destination: Option<String>,
    /// Results that are kept (5); 0 is without limit
    #[arg(long, value_name = "NUMBER")]
    pub(crate) health_max_log_count: Option<u32>,
    /// Bytes of a check's output that are kept (500); 0 is without limit
    #[arg(long, value_name = "BYTES")]
    pub(crate) health_max_log_size: Option<u32>,
    /// What happens to a container that turned unhealthy: none, kill, restart, stop
    #[arg(long, value_name = "ACTION")]
    pub(crate) health_on_failure: Option<String>,
    /// Failures in a row that make the container unhealthy (3)
    #[arg(long, value_name = "NUMBER")]
    pub(crate) health_retries: Option<u32>,
    /// Time from the start on in which failures do not count (0s)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) health_start_period: Option<String>,
    /// Command that runs in place of the check until it has succeeded
    #[arg(long, value_name = "COMMAND")]
    pub(crate) health_startup_cmd: Option<String>,
    /// Time between startup checks (30s), or disable
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) health_startup_interval: Option<String>,
    /// Failures of the startup check in a row after which the container is started again (0: never)
    #[arg(long, value_name = "NUMBER")]
    pub(crate) health_startup_retries: Option<u32>,
    /// Successes of the startup check in a row after which the regular checks begin (1)
    #[arg(long, value_name = "NUMBER")]
    pub(crate) health_startup_success: Option<u32>,
    /// How long a startup check may take (30s)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) health_startup_timeout: Option<String>,
    /// How long a check may take (30s)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) health_timeout: Option<String>,
    /// Host name of the container
    #[arg(short = 'h', long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// File that the container's hosts file begins with: a path, image or none
    #[arg(long, value_name = "FILE")]
    pub(crate) hosts_file: Option<String>,
    /// Add a user of the host to the container's passwd file
    #[arg(long, value_name = "USER")]
    pub(crate) hostuser: Vec<String>,
    /// Pass the caller's proxy variables on (the default)
    #[arg(long)]
    pub(crate) http_proxy: Option<bool>,
    /// What becomes of the image's volumes: anonymous, tmpfs, ignore
    #[arg(long, value_name = "KIND")]
    pub(crate) image_volume: Option<String>,
    /// Run an init that forwards signals and reaps processes
    #[arg(long)]
    pub(crate) init: Option<bool>,
    /// Refused: there are no pods yet
    #[arg(long, value_name = "KIND", hide = true)]
    pub(crate) init_ctr: Option<String>,
    /// Program of the host that is the init of --init, in place of dhow's own
    #[arg(long, value_name = "PATH")]
    pub(crate) init_path: Option<PathBuf>,
    /// Keep standard input open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Address on the network
    #[arg(long, value_name = "IP")]
    pub(crate) ip: Option<String>,
    /// IPv6 address on the network
    #[arg(long, value_name = "IP")]
    pub(crate) ip6: Option<String>,
    /// IPC namespace: private, shareable, none, host, container:ID, ns:PATH
    #[arg(long, value_name = "MODE")]
    pub(crate) ipc: Option<String>,
    /// Add a label, KEY=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) label_file: Vec<PathBuf>,
    /// Where output is kept: k8s-file, json-file, none, passthrough, passthrough-tty
    #[arg(long, value_name = "DRIVER")]
    pub(crate) log_driver: Option<String>,
    /// Options of the log: path=, max-size= (16m), max-file= (5), tag=
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) log_opt: Vec<String>,
    /// Hardware address on the network
    #[arg(long, value_name = "MAC")]
    pub(crate) mac_address: Option<String>,
    /// Memory limit, with a unit: b, k, m, g
    #[arg(short, long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Memory that is kept under pressure
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_reservation: Option<String>,
    /// Limit of memory and swap together; -1 is unlimited
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_swap: Option<String>,
    /// How readily memory is swapped, 0 to 100; -1 is the host's choice
    #[arg(long, value_name = "NUMBER")]
    pub(crate) memory_swappiness: Option<i64>,
    /// Mount a file system: type=bind|volume|tmpfs|image|artifact,src=...,dst=...
    #[arg(long, value_name = "MOUNT")]
    pub(crate) mount: Vec<String>,
    /// Name of the container
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Network: bridge, none, host, private, container:ID, ns:PATH, pasta, or names of networks
    #[arg(long, alias = "net", value_name = "MODE")]
    pub(crate) network: Vec<String>,
    /// Further names on the network
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) network_alias: Vec<String>,
    /// Make no health checks, whatever the image says
    #[arg(long)]
    pub(crate) no_healthcheck: bool,
    /// Leave the image's hosts file
    #[arg(long)]
    pub(crate) no_hosts: Option<bool>,
    /// Do not kill processes of the container when memory runs out
    #[arg(long)]
    pub(crate) oom_kill_disable: bool,
    /// How readily the kernel kills the container when memory runs out, -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) oom_score_adj: Option<i32>,
    /// Operating system of the image
    #[arg(long, value_name = "OS")]
    pub(crate) os: Option<String>,
    /// Add a line for the user to the container's passwd and group files (the default)
    #[arg(long)]
    pub(crate) passwd: Option<bool>,
    /// Line for the user in the container's passwd file, with $USERNAME, $UID, $GID, $NAME and $HOME
    #[arg(long, value_name = "LINE")]
    pub(crate) passwd_entry: Option<String>,
    /// Kind of machine that the container sees: LINUX or LINUX32
    #[arg(long, value_name = "PERSONALITY")]
    pub(crate) personality: Option<String>,
    /// PID namespace: private, host, container:ID, ns:PATH
    #[arg(long, value_name = "MODE")]
    pub(crate) pid: Option<String>,
    /// Write the pid of the container's first process to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,
    /// Number of processes; -1 and 0 are unlimited
    #[arg(long, value_name = "NUMBER")]
    pub(crate) pids_limit: Option<i64>,
    /// Platform of the image: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Refused: there are no pods yet
    #[arg(long, value_name = "POD", hide = true)]
    pub(crate) pod: Option<String>,
    /// Refused: there are no pods yet
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) pod_id_file: Option<PathBuf>,
    /// Give the rights of the caller: capabilities, devices, no filters
    #[arg(long)]
    pub(crate) privileged: Option<bool>,
    /// Publish a port: [[IP:][HOSTPORT]:]PORT[/PROTOCOL]
    #[arg(short, long, value_name = "PORT", value_delimiter = ',')]
    pub(crate) publish: Vec<String>,
    /// Publish every exposed port to a random port of the host
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
    /// When to pull the image: always, missing, never, newer
    #[arg(long, value_name = "POLICY")]
    pub(crate) pull: Option<String>,
    /// Say nothing while pulling
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Make the root file system read-only
    #[arg(long)]
    pub(crate) read_only: Option<bool>,
    /// With --read-only: tmpfs on /dev/shm, /run, /tmp and /var/tmp (the default)
    #[arg(long)]
    pub(crate) read_only_tmpfs: Option<bool>,
    /// Remove a container that has the name
    #[arg(long)]
    pub(crate) replace: bool,
    /// Containers that are started first
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    pub(crate) requires: Vec<String>,
    /// What happens when it ends: no, always, on-failure[:N], unless-stopped
    #[arg(long, value_name = "POLICY")]
    pub(crate) restart: Option<String>,
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    /// The first argument is a directory, with :O never written to, instead of an image
    #[arg(long)]
    pub(crate) rootfs: bool,
    /// Who says over NOTIFY_SOCKET that the container is ready: container, conmon, ignore
    #[arg(long, value_name = "MODE")]
    pub(crate) sdnotify: Option<String>,
    /// Where the system call filter comes from: default, or image (its label io.containers.seccomp.profile)
    #[arg(long, value_name = "POLICY")]
    pub(crate) seccomp_policy: Option<String>,
    /// Confinement: seccomp=, apparmor=, no-new-privileges, mask=, unmask=, proc-opts=, label=
    #[arg(long, value_name = "OPTION")]
    pub(crate) security_opt: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE")]
    pub(crate) shm_size: Option<String>,
    /// Signal that stops the container
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
    /// Seconds between the stop signal and the kill; -1 waits forever
    #[arg(long, value_name = "SECONDS", value_parser = value::seconds)]
    pub(crate) stop_timeout: Option<u32>,
    /// Take the maps of the user namespace from this owner's entries in /etc/subgid
    #[arg(long, value_name = "NAME")]
    pub(crate) subgidname: Option<String>,
    /// Take the maps of the user namespace from this owner's entries in /etc/subuid
    #[arg(long, value_name = "NAME")]
    pub(crate) subuidname: Option<String>,
    /// Set a kernel parameter, KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) sysctl: Vec<String>,
    /// What a systemd inside needs: true (if the command is one), false, always
    #[arg(long, value_name = "MODE")]
    pub(crate) systemd: Option<String>,
    /// Seconds after which the container is killed; 0 is never
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    pub(crate) timeout: u32,
    /// Require HTTPS and verify certificates
    #[arg(long)]
    pub(crate) tls_verify: Option<bool>,
    /// Mount a tmpfs: PATH[:OPTIONS]
    #[arg(long, value_name = "PATH")]
    pub(crate) tmpfs: Vec<String>,
    /// Allocate a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Time zone: a name as Europe/Berlin, or local for the host's
    #[arg(long, value_name = "ZONE")]
    pub(crate) tz: Option<String>,
    /// Map user ids, INSIDE:OUTSIDE:SIZE
    #[arg(long, value_name = "MAP", value_delimiter = ',')]
    pub(crate) uidmap: Vec<String>,
    /// Set a limit: NAME=SOFT[:HARD], or host
    #[arg(long, value_name = "LIMIT", value_delimiter = ',')]
    pub(crate) ulimit: Vec<String>,
    /// Mask of the modes of new files, in octal (0022)
    #[arg(long, value_name = "MASK")]
    pub(crate) umask: Option<String>,
    /// Leave out a variable of the image or of dhow
    #[arg(long, value_name = "NAME")]
    pub(crate) unsetenv: Vec<String>,
    /// Leave out all variables of the image and of dhow
    #[arg(long)]
    pub(crate) unsetenv_all: bool,
    /// User and perhaps group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// User namespace: host, keep-id[:uid=,gid=], auto[:size=], nomap, container:ID, ns:PATH
    #[arg(long, value_name = "MODE")]
    pub(crate) userns: Option<String>,
    /// UTS namespace: private, host, container:ID, ns:PATH
    #[arg(long, value_name = "MODE")]
    pub(crate) uts: Option<String>,
    /// Variant of the image's architecture
    #[arg(long, value_name = "VARIANT")]
    pub(crate) variant: Option<String>,
    /// Bind a directory or a volume: [[SOURCE:]TARGET[:OPTIONS]]
    #[arg(short, long, value_name = "VOLUME")]
    pub(crate) volume: Vec<String>,
    /// Mount the volumes of a container: CONTAINER[:OPTIONS]
    #[arg(long, value_name = "CONTAINER")]
    pub(crate) volumes_from: Vec<String>,
    /// Show a secret: NAME[,type=mount|env][,target=PATH or VARIABLE][,uid=N][,gid=N][,mode=OCTAL]
    #[arg(long, value_name = "SECRET")]
    pub(crate) secret: Vec<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// The image or directory, then the command with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "IMAGE")]
    pub(crate) words: Vec<String>,
}
