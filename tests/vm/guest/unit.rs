//! Containers that systemd's units start: what ends with the unit, and what does not.

use std::path::Path;

use super::{cgroup_file, cgroup_of, clean, command, dhow, eventually, init, load, shell};
use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::registry::Registry;
use crate::support::tar::Entry;

fn status(name: &str) -> String {
    dhow(&["inspect", "--format", "{{.State.Status}}", name]).ok()
}

#[test]
#[ignore = "runs in the guest"]
fn a_container_outlives_the_unit_that_started_it() {
    load();
    // When the unit ends, systemd kills what is left in its cgroup.
    let run = "dhow run -d --name box --network none busybox sh -c 'sleep 2; exit 7'";
    for flags in ["", "-p PrivateTmp=yes -p ProtectSystem=yes"] {
        shell(&format!("systemd-run --quiet --wait --collect {flags} --unit starter sh -c \"{run}\"")).ok();
        assert_eq!(status("box"), "running");
        let monitor = shell("pgrep -x dhow-monitor").ok();
        assert!(cgroup_of(&monitor).starts_with("/sys/fs/cgroup/dhow/"), "{}", cgroup_of(&monitor));
        // The code is known, so its monitor lived.
        assert_eq!(dhow(&["wait", "box"]).ok(), "7");
        clean();
    }
}

#[test]
#[ignore = "runs in the guest"]
fn a_unit_that_stops_stops_its_container() {
    load();
    let run = "dhow run --rm --name box --network none busybox sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'";
    std::fs::write("/run/start-box", format!("exec {run}\n")).unwrap();
    command(&["systemd-run", "--quiet", "--unit", "box", "sh", "/run/start-box"]).ok();
    eventually("the container runs", || dhow(&["ps", "-q"]).ok() != "" && status("box") == "running");
    command(&["systemctl", "stop", "box"]).ok();
    assert_eq!(dhow(&["ps", "-aq"]).ok(), "");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn systemd_leaves_the_controllers_that_a_container_needs() {
    load();
    dhow(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--memory",
        "64m",
        "--cpus",
        "1",
        "busybox",
        "sleep",
        "1000",
    ])
    .ok();
    command(&["systemctl", "daemon-reload"]).ok();
    // A unit with accounting comes and goes: systemd writes the controllers of the root again.
    shell("systemd-run --quiet --wait --collect -p CPUAccounting=yes -p IOAccounting=yes true").ok();
    let cgroup = cgroup_of(&init("box"));
    let read = |file: &str| std::fs::read_to_string(format!("{cgroup}/{file}")).unwrap();
    assert_eq!((read("memory.max").trim(), read("cpu.max").trim()), ("67108864", "100000 100000"));
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn a_unit_as_podman_generates_it_is_the_containers() {
    load();
    // What `podman generate systemd --new` writes, with another name in front.
    let unit = "[Service]
Type=notify
NotifyAccess=all
Restart=no
ExecStart=/usr/bin/env dhow run --cidfile=%t/%n.ctr-id --cgroups=no-conmon --rm --sdnotify=conmon --replace --name box \
-d --network none busybox sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'
ExecStop=/usr/bin/env dhow stop --ignore --cidfile=%t/%n.ctr-id
ExecStopPost=/usr/bin/env dhow rm -f --ignore -t 10 --cidfile=%t/%n.ctr-id
";
    std::fs::write("/run/systemd/system/box.service", unit).unwrap();
    command(&["systemctl", "daemon-reload"]).ok();
    for _ in 0..2 {
        shell("rm -f /run/box.service.ctr-id").ok();
        command(&["systemctl", "start", "box"]).ok();
        let monitor = dhow(&["inspect", "--format", "{{.State.ConmonPid}}", "box"]).ok();
        assert_eq!(shell("systemctl show -P MainPID box").ok(), monitor);
        assert!(cgroup_of(&monitor).ends_with("/box.service"), "{}", cgroup_of(&monitor));
        command(&["systemctl", "stop", "box"]).ok();
        assert_eq!(dhow(&["ps", "-aq"]).ok(), "");
    }
    // The end of the container is the end of the unit.
    shell("rm -f /run/box.service.ctr-id").ok();
    command(&["systemctl", "start", "box"]).ok();
    dhow(&["kill", "box"]).ok();
    eventually("the unit ends", || shell("systemctl is-active box").text() != "active");
    std::fs::remove_file("/run/systemd/system/box.service").unwrap();
    command(&["systemctl", "daemon-reload"]).ok();
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn a_container_says_itself_when_it_is_ready() {
    load();
    let run = "exec dhow run --rm --name box --cgroups=split -m 64m --network none -v /usr:/usr:ro -v /lib:/lib:ro \
-v /lib64:/lib64:ro busybox sh -c 'systemd-notify --ready --status=up; sleep 1000'";
    std::fs::write("/run/start-box", format!("{run}\n")).unwrap();
    let unit = "[Service]\nType=notify\nNotifyAccess=all\nDelegate=yes\nExecStart=/bin/sh /run/start-box\n";
    std::fs::write("/run/systemd/system/box.service", unit).unwrap();
    command(&["systemctl", "daemon-reload"]).ok();
    command(&["systemctl", "start", "box"]).ok();
    assert_eq!(shell("systemctl show -P StatusText box").ok(), "up");
    let monitor = dhow(&["inspect", "--format", "{{.State.ConmonPid}}", "box"]).ok();
    assert!(cgroup_of(&monitor).ends_with("/box.service/supervisor"), "{}", cgroup_of(&monitor));
    let cgroup = cgroup_of(&init("box"));
    assert!(cgroup.contains("/box.service/dhow-payload-"), "{cgroup}");
    assert_eq!(cgroup_file("box", "memory.max"), "67108864");
    command(&["systemctl", "stop", "box"]).ok();
    eventually("the container goes", || dhow(&["ps", "-aq"]).ok().is_empty());
    std::fs::remove_file("/run/systemd/system/box.service").unwrap();
    command(&["systemctl", "daemon-reload"]).ok();
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn a_systemd_runs_in_a_container() {
    load();
    // The guest's own system, as a container would have it.
    dhow(&["run", "-d", "--name", "box", "--network", "none", "--rootfs", "/:O", "/lib/systemd/systemd"]).ok();
    eventually("systemd is up", || {
        let state = dhow(&["exec", "box", "systemctl", "is-system-running"]);
        matches!(state.text().as_str(), "running" | "degraded")
    });
    assert!(Path::new(&format!("{}/init.scope", cgroup_of(&init("box")).trim_end_matches("/init.scope"))).exists());
    dhow(&["stop", "-t", "60", "box"]).ok();
    assert_ne!(dhow(&["inspect", "--format", "{{.State.ExitCode}}", "box"]).ok(), "137");
    clean();
}

/// Starts a unit, as podman generates them, that runs `image` and asks for updates by `policy`.
fn start_updated(name: &str, image: &str, policy: &str) {
    let unit = format!(
        "[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n
Type=notify
NotifyAccess=all
Restart=no
ExecStart=/usr/bin/env dhow run --cidfile=%t/%n.ctr-id --cgroups=no-conmon --rm --sdnotify=conmon --replace --name {name} \
-d --network none --label io.containers.autoupdate={policy} {image} sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'
ExecStop=/usr/bin/env dhow stop --ignore --cidfile=%t/%n.ctr-id
ExecStopPost=/usr/bin/env dhow rm -f --ignore -t 10 --cidfile=%t/%n.ctr-id
ExecStopPost=/bin/rm -f %t/%n.ctr-id
"
    );
    std::fs::write(format!("/run/systemd/system/{name}.service"), unit).unwrap();
    shell(&format!("rm -f /run/{name}.service.ctr-id; systemctl daemon-reload; systemctl start {name}")).ok();
}

/// Gives `name` to busybox with one more file.
fn commit(file: &str, name: &str) {
    dhow(&["run", "--name", "work", "--network", "none", "busybox", "touch", file]).ok();
    dhow(&["commit", "-q", "work", name]).ok();
    dhow(&["rm", "work"]).ok();
}

#[test]
#[ignore = "runs in the guest"]
fn containers_of_units_are_kept_up_to_date() {
    load();
    let registry = Registry::start();
    registry.add("web", "1", &Image::busybox(), Flavor::Oci);
    let web = registry.reference("web:1");
    dhow(&["pull", "-q", "--tls-verify=false", &web]).ok();
    dhow(&["tag", "busybox", "localhost/app:1"]).ok();
    start_updated("app", "localhost/app:1", "local");
    start_updated("web", &web, "registry");
    // Nobody restarts what no unit runs.
    dhow(&["run", "-d", "--name", "alone", "--network", "none", "busybox", "sleep", "1000"]).ok();
    let update = |flags: &[&str]| {
        let words =
            ["auto-update", "--tls-verify=false", "--format", "{{.ContainerName}} {{.Unit}} {{.Policy}} {{.Updated}}"];
        let outcome = dhow(&[&words[..], flags].concat());
        let mut lines: Vec<String> = outcome.text().lines().map(str::to_owned).collect();
        lines.sort();
        (lines, outcome)
    };
    let same = ["app app.service local false", "web web.service registry false"];
    assert_eq!(update(&[]).0, same);
    commit("/new", "localhost/app:1");
    registry.add("web", "1", &Image::of(Image::busybox().layers.into_iter().chain(marker()).collect()), Flavor::Oci);
    let pending = ["app app.service local pending", "web web.service registry pending"];
    assert_eq!(update(&["--dry-run"]).0, pending);
    let (lines, outcome) = update(&[]);
    assert_eq!(lines, ["app app.service local true", "web web.service registry true"], "{outcome}");
    dhow(&["exec", "app", "test", "-e", "/new"]).ok();
    dhow(&["exec", "web", "test", "-e", "/marker"]).ok();
    assert_eq!(update(&[]).0, same);
    // One that does not start: the old one comes back.
    shell("mkdir -p /var/tmp/none && tar -C /var/tmp/none -cf - . | dhow import -q - localhost/app:1").ok();
    let (lines, outcome) = update(&[]);
    assert_eq!(lines, ["app app.service local rolled back", "web web.service registry false"], "{outcome}");
    assert_eq!(outcome.code, 0, "{outcome}");
    dhow(&["exec", "app", "test", "-e", "/new"]).ok();
    shell("tar -C /var/tmp/none -cf - . | dhow import -q - localhost/app:1").ok();
    let (lines, outcome) = update(&["--rollback=false"]);
    assert_eq!((lines[0].as_str(), outcome.code), ("app app.service local failed", 125), "{outcome}");
    shell(
        "systemctl stop app web; systemctl reset-failed app web; rm -f /run/systemd/system/app.service \
           /run/systemd/system/web.service; systemctl daemon-reload; rmdir /var/tmp/none",
    )
    .ok();
    dhow(&["rmi", "-f", "localhost/app:1", &web]).ok();
    clean();
}

/// A layer with one file.
fn marker() -> Option<Layer> {
    Some(Layer::new(&[Entry::file("marker", 0o644, "x")], Packing::Gzip))
}
