//! The flags of `run` and `create` as a request to the engine. Everything that can be refused without the engine is
//! refused here, in podman's words.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{confinement, defaults, environment, health, limit, namespace, startup};
use crate::cli::flags::create::CreateFlags;
use crate::engine::auto_update::UNIT;
use crate::engine::request::{CreateRequest, NamespaceRequest, PullPolicy, RegistryOptions, RootRequest};
use crate::engine::{Config, Privilege, cdi};
use crate::model::container::{self, Names, RestartKind, RestartPolicy, VendorDevices};
use crate::model::error::Error;
use crate::model::log::{LogConfig, LogDriver};
use crate::model::mount::Mount;
use crate::model::network::{Attachment, DEFAULT, MacAddress, NetworkMode};
use crate::model::platform::Platform;
use crate::model::port::{self, PortMapping};
use crate::model::secret::{Secret, SecretUse};
use crate::model::service::{CgroupsMode, NotifyMode, SystemdMode};
use crate::model::{signal, size};

/// Makes the request; `words` is the whole command line, for `inspect`. `typed` are the flags before `config` filled them.
pub(super) fn of(
    typed: &CreateFlags,
    flags: &CreateFlags,
    words: Vec<String>,
    config: &Config,
    privilege: &Privilege,
) -> Result<CreateRequest> {
    read(flags, words, config, privilege).map_err(|error| {
        match read(typed, Vec::new(), &Config::default(), privilege) {
            // What was typed is well on its own.
            Ok(_) => error.context(config.blame()),
            Err(_) => error,
        }
    })
}

/// Refuses the flags without which the container would not be what was asked for.
/// The labels that were given, and the unit that runs the container, as the manager or whoever wrote the unit says.
fn labels(flags: &CreateFlags) -> Result<BTreeMap<String, String>> {
    let mut labels = environment::labels(&flags.label_file, &flags.label)?;
    if let Ok(unit) = std::env::var(UNIT) {
        labels.insert(UNIT.to_owned(), unit);
    }
    Ok(labels)
}

fn refuse_what_is_not_had(flags: &CreateFlags) -> Result<(), Error> {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    for (asked, flag, what) in [
        (given(&flags.pod), "pod", "there are no pods yet"),
        (flags.pod_id_file.is_some(), "pod-id-file", "there are no pods yet"),
        (given(&flags.init_ctr), "init-ctr", "there are no pods yet"),
    ] {
        if asked {
            return Err(Error::unsupported(format!("--{flag} is not supported: {what}")));
        }
    }
    Ok(())
}

/// The devices that are asked for by the names of their vendors, each once.
fn vendor_devices(flags: &CreateFlags) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    let gpus = flags.gpus.iter().map(|gpu| format!("nvidia.com/gpu={gpu}"));
    for name in flags.device.iter().filter(|text| cdi::is_name(text)).cloned().chain(gpus) {
        cdi::check_name(&name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn read(flags: &CreateFlags, words: Vec<String>, config: &Config, privilege: &Privilege) -> Result<CreateRequest> {
    let cwd = working_directory()?;
    let (first, command) = flags.words.split_first().context("no image was given")?;
    refuse_what_is_not_had(flags)?;
    let network = network(flags)?;
    let uts = namespace::parse(flags.uts.as_deref())?;
    if flags.hostname.is_some() && uts == NamespaceRequest::Host {
        return Err(Error::invalid("cannot set hostname when running in the host UTS namespace").into());
    }
    let pid = namespace::parse(flags.pid.as_deref())?;
    if flags.init == Some(true) && !matches!(pid, NamespaceRequest::Default | NamespaceRequest::Private) {
        let message = "cannot add init binary as PID 1 (PID namespace isn't private)";
        return Err(Error::invalid(message).into());
    }
    let ipc = namespace::parse_ipc(flags.ipc.as_deref())?;
    let restart = restart(flags.restart.as_deref())?;
    if flags.rm && restart.kind != RestartKind::No {
        let message = "the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\"";
        return Err(Error::invalid(message).into());
    }
    match flags.seccomp_policy.as_deref() {
        None | Some("" | "default") => {}
        Some("image") => {
            return Err(Error::unsupported("--seccomp-policy image is not supported")
                .hint("--security-opt seccomp=FILE takes the image's profile")
                .into());
        }
        Some(other) => {
            let message = format!("invalid seccomp policy {other:?}: valid policies are [\"default\" \"image\"]");
            return Err(Error::invalid(message).into());
        }
    }
    if flags.replace && flags.name.is_none() {
        return Err(Error::invalid("cannot replace container without --name being set").into());
    }
    let mut request = CreateRequest {
        root: root(flags, first)?,
        name: flags.name.clone().filter(|name| !name.is_empty()),
        replace: flags.replace,
        entrypoint: flags.entrypoint.as_deref().map(entrypoint).transpose()?,
        command: command.to_vec(),
        create_command: words,
        env: environment::with_host(
            flags.env_host == Some(true),
            flags.http_proxy.unwrap_or(true),
            environment::variables(&flags.env_file, &flags.env)?,
        ),
        default_env: Vec::new(),
        env_merge: flags.env_merge.clone(),
        unset_env: flags.unsetenv.clone(),
        unset_env_all: flags.unsetenv_all,
        workdir: workdir(flags.workdir.as_deref())?,
        user: flags.user.clone().filter(|user| !user.is_empty()),
        group_add: groups(&flags.group_add)?,
        accounts: startup::accounts(flags)?,
        host_users: flags.hostuser.clone(),
        umask: flags.umask.as_deref().map(startup::umask).transpose()?,
        oom_score_adj: startup::oom_score_adj(flags.oom_score_adj)?,
        personality32: flags.personality.as_deref().map(startup::personality32).transpose()?,
        timezone: flags.tz.as_deref().filter(|zone| !zone.is_empty()).map(startup::timezone).transpose()?,
        hostname: flags.hostname.clone().filter(|name| !name.is_empty()),
        tty: flags.tty,
        stdin: flags.interactive,
        stop_signal: flags.stop_signal.as_deref().map(stop_signal).transpose()?,
        stop_timeout: flags.stop_timeout,
        labels: labels(flags)?,
        annotations: annotations(flags)?,
        mounts: mounts(flags, &cwd)?,
        volumes_from: flags.volumes_from.clone(),
        secrets: flags.secret.iter().map(|text| SecretUse::parse(text)).collect::<Result<_, _>>()?,
        image_volumes: startup::image_volumes(flags.image_volume.as_deref())?,
        read_only: flags.read_only == Some(true),
        read_only_tmpfs: flags.read_only_tmpfs.unwrap_or(true),
        shm_size: flags.shm_size.as_deref().map(shm_size).transpose()?,
        init: flags.init == Some(true),
        init_path: flags.init_path.as_ref().map(|path| startup::path(path, &cwd)),
        systemd: SystemdMode::parse(flags.systemd.as_deref().unwrap_or_default())?,
        notify: NotifyMode::parse(flags.sdnotify.as_deref().unwrap_or_default())?,
        cgroups: CgroupsMode::parse(flags.cgroups.as_deref().unwrap_or_default())?,
        pid,
        uts,
        cgroup: namespace::parse(flags.cgroupns.as_deref())?,
        userns: namespace::parse_user(namespace::UserFlags {
            userns: flags.userns.as_deref(),
            uidmap: &flags.uidmap,
            gidmap: &flags.gidmap,
            subuidname: flags.subuidname.as_deref(),
            subgidname: flags.subgidname.as_deref(),
        })?,
        cgroup_parent: flags.cgroup_parent.clone().filter(|path| !path.is_empty()),
        systemd_cgroup: false,
        resources: limit::resources(flags)?,
        security: confinement::security(flags, &cwd)?,
        devices: flags
            .device
            .iter()
            .filter(|text| !cdi::is_name(text))
            .map(|text| limit::device(text))
            .collect::<Result<_, _>>()?,
        device_rules: flags.device_cgroup_rule.iter().map(|text| limit::device_rule(text)).collect::<Result<_, _>>()?,
        ulimits: limit::ulimits(&flags.ulimit)?,
        sysctls: confinement::sysctls(&flags.sysctl, &ipc, &network)?,
        ipc,
        names: names(flags, &cwd)?,
        network,
        publish: flags.publish.iter().map(|text| text.parse()).collect::<Result<Vec<PortMapping>, _>>()?,
        publish_all: flags.publish_all,
        expose: expose(&flags.expose)?,
        restart,
        health: health::request(flags, &cwd)?,
        log: log(flags)?,
        remove: flags.rm,
        detach_keys: flags.detach_keys.clone(),
        cidfile: flags.cidfile.clone(),
        pidfile: flags.pidfile.as_deref().map(|path| startup::path(path, &cwd)),
        monitor_pidfile: flags.conmon_pidfile.as_deref().map(|path| startup::path(path, &cwd)),
        timeout: flags.timeout,
        requires: flags.requires.clone(),
        remove_image: false,
        chroot_dirs: startup::chroot_dirs(&flags.chrootdirs)?,
        vendor_devices: VendorDevices { names: vendor_devices(flags)?, dirs: Vec::new() },
        runtime: None,
        hook_dirs: Vec::new(),
    };
    defaults::complete(&mut request, config, privilege, &cwd)?;
    Ok(request)
}

/// The image, or with `--rootfs` the directory.
fn root(flags: &CreateFlags, first: &str) -> Result<RootRequest> {
    if flags.rootfs {
        let (path, overlay) = match first.rsplit_once(':') {
            Some((path, "O")) => (path, true),
            Some((_, options @ ("idmap" | "idmapped"))) => {
                return Err(Error::unsupported(format!("--rootfs with :{options} is not supported")).into());
            }
            _ => (first, false),
        };
        return Ok(RootRequest::Directory { path: PathBuf::from(path), overlay });
    }
    let pull = match flags.pull.as_deref() {
        None | Some("missing" | "ifnotpresent" | "true" | "") => PullPolicy::Missing,
        Some("always") => PullPolicy::Always,
        Some("never" | "false") => PullPolicy::Never,
        Some("newer" | "ifnewer") => PullPolicy::Newer,
        Some(other) => return Err(Error::invalid(format!("unsupported pull policy {other:?}")).into()),
    };
    let registry = RegistryOptions {
        credentials: flags.creds.as_deref().map(Secret::new),
        authfile: flags.authfile.clone(),
        cert_dir: flags.cert_dir.clone(),
        tls_verify: flags.tls_verify,
        platform: platform(flags)?,
        quiet: flags.quiet,
        ..RegistryOptions::default()
    };
    Ok(RootRequest::Image { name: first.to_owned(), pull, registry })
}

fn platform(flags: &CreateFlags) -> Result<Option<Platform>, Error> {
    let parts = [&flags.os, &flags.arch, &flags.variant];
    match &flags.platform {
        Some(_) if parts.iter().any(|part| part.is_some()) => {
            Err(Error::invalid("--platform option can not be specified with --arch or --os"))
        }
        Some(text) => text.parse().map(Some),
        None if parts.iter().all(|part| part.is_none()) => Ok(None),
        None => {
            let host = Platform::host();
            let os = flags.os.as_deref().unwrap_or(&host.os);
            let architecture = flags.arch.as_deref().unwrap_or(&host.architecture);
            Ok(Some(Platform::new(os, architecture, flags.variant.as_deref())))
        }
    }
}

/// A JSON array of words, else one word, which may be empty to clear the image's.
fn entrypoint(text: &str) -> Result<Vec<String>> {
    match serde_json::from_str(text) {
        Ok(words) => Ok(words),
        Err(_) => Ok(vec![text.to_owned()]),
    }
}

fn workdir(text: Option<&str>) -> Result<Option<String>, Error> {
    match text {
        None | Some("") => Ok(None),
        Some(path) if path.starts_with('/') => Ok(Some(path.to_owned())),
        Some(path) => {
            Err(Error::invalid(format!("the working directory {path:?} is invalid, it needs to be an absolute path")))
        }
    }
}

fn shm_size(text: &str) -> Result<u64, Error> {
    size::parse_ram(text).map_err(|why| Error::invalid(format!("unable to translate --shm-size: {why}")))
}

/// Reads the name or number of a signal.
pub(super) fn stop_signal(text: &str) -> Result<i32, Error> {
    signal::parse(text).ok_or_else(|| Error::invalid(format!("invalid signal: {text}")))
}

fn mounts(flags: &CreateFlags, cwd: &str) -> Result<Vec<Mount>, Error> {
    let volumes = flags.volume.iter().map(|text| Mount::parse_volume(text, cwd));
    let mounts = flags.mount.iter().map(|text| Mount::parse_mount(text, cwd));
    volumes.chain(mounts).chain(flags.tmpfs.iter().map(|text| Mount::parse_tmpfs(text))).collect()
}

fn names(flags: &CreateFlags, cwd: &str) -> Result<Names, Error> {
    let no_hosts = flags.no_hosts == Some(true);
    if no_hosts && flags.hosts_file.is_some() {
        return Err(Error::invalid("--no-hosts and --hosts-file cannot be set together"));
    }
    if no_hosts && !flags.add_host.is_empty() {
        return Err(Error::invalid("--no-hosts and --add-host cannot be set together"));
    }
    for server in &flags.dns {
        if server == "none" && flags.dns.len() > 1 {
            return Err(Error::invalid("cannot specify any other dns options with the dns option \"none\""));
        }
        if server != "none" && server.parse::<IpAddr>().is_err() {
            return Err(Error::invalid(format!("{server} is not an ip address")));
        }
    }
    for text in &flags.add_host {
        let bad = || Error::invalid(format!("bad format for add-host: {text:?}"));
        let (names, address) = text.split_once(':').ok_or_else(bad)?;
        let plain = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        if names.split(';').any(|name| name.is_empty() || name.contains(char::is_whitespace)) {
            return Err(bad());
        }
        if plain != "host-gateway" && plain.parse::<IpAddr>().is_err() {
            return Err(Error::invalid(format!("invalid IP address in add-host: {address:?}")));
        }
    }
    Ok(Names {
        dns: flags.dns.clone(),
        dns_search: flags.dns_search.clone(),
        dns_option: flags.dns_option.clone(),
        add_host: flags.add_host.clone(),
        no_hosts,
        hosts_file: flags.hosts_file.as_deref().filter(|file| !file.is_empty()).map(|file| match file {
            "image" | "none" => file.to_owned(),
            path => startup::path(std::path::Path::new(path), cwd),
        }),
    })
}

/// Reads `--network` with the addresses and names that belong to the one network.
fn network(flags: &CreateFlags) -> Result<NetworkMode, Error> {
    let mut mode = NetworkMode::parse(&flags.network)?;
    let is_ip6 = |text: &String| text.parse::<Ipv6Addr>().is_ok();
    let mut ips = Vec::new();
    for (text, wants6) in flags.ip.iter().map(|ip| (ip, false)).chain(flags.ip6.iter().map(|ip| (ip, true))) {
        let ip = text.parse::<IpAddr>().map_err(|_| Error::invalid(format!("{text:?} is not an ip address")))?;
        if wants6 && !is_ip6(text) {
            return Err(Error::invalid(format!("{text} is not an IPv6 address")));
        }
        ips.push(ip);
    }
    let mac = flags.mac_address.as_deref().map(str::parse::<MacAddress>).transpose()?;
    if ips.is_empty() && mac.is_none() && flags.network_alias.is_empty() {
        return Ok(mode);
    }
    if mode == NetworkMode::Private {
        mode = NetworkMode::Bridge(vec![Attachment::to(DEFAULT)]);
    }
    let NetworkMode::Bridge(attachments) = &mut mode else {
        let flag = match (&flags.ip, &flags.ip6, &flags.mac_address) {
            (Some(_), ..) => "ip",
            (_, Some(_), _) => "ip6",
            (.., Some(_)) => "mac-address",
            _ => "network-alias",
        };
        let message = format!("--{flag} can only be set when the network mode is bridge: invalid argument");
        return Err(Error::invalid(message));
    };
    if let ([_, _, ..], true) = (attachments.as_slice(), !ips.is_empty() || mac.is_some()) {
        let message = "--ip, --ip6 and --mac-address can only be set for a single network";
        return Err(Error::invalid(message).hint("give them to one: --network NAME:ip=ADDRESS"));
    }
    for attachment in attachments {
        attachment.static_ips.extend_from_slice(&ips);
        attachment.static_mac = mac.or(attachment.static_mac);
        attachment.aliases.extend_from_slice(&flags.network_alias);
    }
    Ok(mode)
}

fn expose(texts: &[String]) -> Result<Vec<String>, Error> {
    for text in texts {
        port::parse_expose(text).map_err(|why| {
            let why = why.message.replace("invalid port number: strconv.Atoi", "strconv.ParseUint");
            Error::invalid(format!("invalid range format for --expose: {text}: {why}"))
        })?;
    }
    Ok(texts.to_vec())
}

/// Where relative paths begin.
pub(super) fn working_directory() -> Result<String> {
    Ok(std::env::current_dir().context("find the working directory")?.to_string_lossy().into_owned())
}

pub(super) fn restart(text: Option<&str>) -> Result<RestartPolicy, Error> {
    let text = text.unwrap_or_default();
    let (name, retries) = match text.split_once(':') {
        None => (text, None),
        Some((_, rest)) if rest.contains(':') => {
            return Err(Error::invalid("invalid restart policy: may specify retries at most once"));
        }
        Some((name, retries)) => (name, Some(retries)),
    };
    let kind = match name {
        "" | "no" => RestartKind::No,
        "always" => RestartKind::Always,
        "on-failure" => RestartKind::OnFailure,
        "unless-stopped" => RestartKind::UnlessStopped,
        _ => {
            return Err(Error::invalid(format!(
                "running container create option: {name:?} is not a valid restart policy: invalid argument"
            )));
        }
    };
    let retries = match retries {
        None => 0,
        Some(_) if kind != RestartKind::OnFailure => {
            return Err(Error::invalid("restart policy retries can only be specified with on-failure restart policy"));
        }
        Some(retries) => retries.parse().map_err(|_| {
            Error::invalid(format!(
                "parsing restart policy retry count: strconv.Atoi: parsing {retries:?}: invalid syntax"
            ))
        })?,
    };
    Ok(RestartPolicy { kind, retries })
}

fn log(flags: &CreateFlags) -> Result<LogConfig, Error> {
    let mut log =
        LogConfig { driver: flags.log_driver.as_deref().unwrap_or_default().parse()?, ..LogConfig::default() };
    for option in &flags.log_opt {
        log.option(option)?;
    }
    if log.driver == LogDriver::Journald && !crate::engine::has_journal() {
        return Err(Error::unavailable("--log-driver journald: there is no journal on this host")
            .hint("k8s-file keeps the same log in a file"));
    }
    if log.driver.is_passthrough() && flags.tty {
        return Err(Error::invalid(format!("--log-driver {} cannot be used with --tty", log.driver.name())));
    }
    // A process that has the terminal could type for who is at it (TIOCSTI) on hosts that allow it.
    if log.driver == LogDriver::Passthrough && crate::cli::terminal::is_any() {
        return Err(Error::invalid("the '--log-driver passthrough' option cannot be used on a TTY")
            .hint("passthrough-tty hands over a terminal"));
    }
    Ok(log)
}

/// `--group-add` of the caller's own groups, whatever they are inside.
const KEEP_GROUPS: &str = "keep-groups";

/// What the user says in `--annotation`, and what stands for `--group-add keep-groups`, as crun reads it.
fn annotations(flags: &CreateFlags) -> Result<BTreeMap<String, String>, Error> {
    let mut all = environment::pairs(&flags.annotation, |_| "annotations must be formatted KEY=VALUE".to_owned())?;
    if flags.group_add.iter().any(|group| group == KEEP_GROUPS) {
        all.insert(container::KEEP_GROUPS.to_owned(), "1".to_owned());
    }
    Ok(all)
}

/// The supplementary groups: names or numbers.
fn groups(texts: &[String]) -> Result<Vec<String>, Error> {
    if texts.iter().any(String::is_empty) {
        return Err(Error::invalid("invalid argument \"\" for \"--group-add\": a group is a name or a number"));
    }
    if texts.iter().any(|text| text == KEEP_GROUPS) {
        return match texts {
            [_] => Ok(Vec::new()),
            _ => Err(Error::invalid(
                "the '--group-add keep-groups' option is not allowed with any other --group-add options",
            )),
        };
    }
    Ok(texts.to_vec())
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn request(words: &[&str]) -> Result<CreateRequest, String> {
        let command = CreateFlags::augment_args(Command::new("run").disable_help_flag(true));
        let matches = command.try_get_matches_from(std::iter::once("run").chain(words.iter().copied()));
        let flags = CreateFlags::from_arg_matches(&matches.map_err(|error| error.to_string())?);
        let flags = flags.map_err(|error| error.to_string())?;
        of(&flags, &flags, Vec::new(), &Config::default(), &Privilege::Root).map_err(|error| error.to_string())
    }

    #[test]
    fn bad_values_are_refused_in_podmans_words() {
        for (words, want) in [
            (
                &["--restart=sometimes"][..],
                "running container create option: \"sometimes\" is not a valid restart policy: invalid argument",
            ),
            (&["--restart=always:3"], "restart policy retries can only be specified with on-failure restart policy"),
            (
                &["--rm=true", "--restart=always"],
                "the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\"",
            ),
            (&["--pull=perhaps"], "unsupported pull policy \"perhaps\""),
            (&["--stop-signal=FOO"], "invalid signal: FOO"),
            (&["--workdir=x"], "the working directory \"x\" is invalid, it needs to be an absolute path"),
            (&["--platform=linux/amd64", "--arch=arm"], "--platform option can not be specified with --arch or --os"),
            (&["--no-hosts=true", "--add-host=a:1.1.1.1"], "--no-hosts and --add-host cannot be set together"),
            (&["--dns=x"], "x is not an ip address"),
            (&["--add-host=x"], "bad format for add-host: \"x\""),
            (&["--add-host=x:y"], "invalid IP address in add-host: \"y\""),
            (
                &["--network=host", "--ip=10.0.0.1"],
                "--ip can only be set when the network mode is bridge: invalid argument",
            ),
            (&["--pod=x"], "--pod is not supported: there are no pods yet"),
            (&["--pid=x"], "unrecognized namespace mode x passed"),
            (&["--annotation=x"], "annotations must be formatted KEY=VALUE"),
            (&["--replace=true"], "cannot replace container without --name being set"),
            (&["--uts=host", "--hostname=x"], "cannot set hostname when running in the host UTS namespace"),
        ] {
            // The scan has made switches bare; flags with three values keep theirs.
            let bare = |word: &&str| match *word {
                "--no-hosts=true" => (*word).to_owned(),
                word => word.trim_end_matches("=true").to_owned(),
            };
            let mut words: Vec<String> = words.iter().map(bare).collect();
            words.push("image".to_owned());
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert_eq!(request(&words).map(drop), Err(want.to_owned()), "{words:?}");
        }
    }

    #[test]
    fn flags_become_a_request() {
        let request =
            request(&["--entrypoint=[\"a\", \"b\"]", "--ip=10.88.0.9", "--rootfs", "/dir:O", "-x", "--rm"]).unwrap();
        assert_eq!(request.entrypoint, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!((request.command, request.remove), (vec!["-x".to_owned(), "--rm".to_owned()], false));
        assert!(matches!(request.root, RootRequest::Directory { overlay: true, .. }));
        let NetworkMode::Bridge(attachments) = request.network else { panic!("a bridge was asked for") };
        assert_eq!(attachments[0].static_ips, ["10.88.0.9".parse::<IpAddr>().unwrap()]);
    }
}
