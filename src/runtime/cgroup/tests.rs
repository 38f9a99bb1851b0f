//! Places as values, and the real hierarchies where this host lets us: below `/dhow-test-PID`, which goes again.

use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};

use super::*;

fn resources(json: &str) -> LinuxResources {
    serde_json::from_str(json).unwrap()
}

/// R28.
#[test]
fn places_stay_below_the_root() {
    let host = Host::V2 { mount: "/m".into(), anchor: "/u".into() };
    for (path, expected) in [
        ("/dhow/x", Some("/dhow/x")),
        ("dhow//./x/", Some("/dhow/x")),
        ("/dhow/../x", None),
        ("..", None),
        ("/", None),
        ("", None),
        ("/a\nb", None),
        ("/cgroup.procs", None),
    ] {
        match (host.at(path), expected) {
            (Ok(Cgroup::V2(tree)), Some(expected)) => assert_eq!(tree.path, expected),
            (Err(_), None) => {}
            (given, _) => panic!("{path}: {given:?}"),
        }
    }
    let Cgroup::V2(tree) = host.place(None, "id").unwrap() else { panic!() };
    assert_eq!(tree.dir(), std::path::Path::new("/m/u/dhow/id"));
    assert!(host.place(Some("/x/.."), "id").is_err());
}

#[test]
fn a_place_survives_its_record() {
    let mounts = [("memory".to_owned(), "/m".into())].into();
    for host in [
        Host::None(String::new()),
        Host::V2 { mount: "/m".into(), anchor: String::new() },
        Host::V1 { mounts, unified: Some("/u".into()) },
    ] {
        let cgroup = host.place(None, "id").unwrap();
        let json = serde_json::to_string(&cgroup).unwrap();
        assert_eq!(serde_json::from_str::<Cgroup>(&json).unwrap(), cgroup, "{json}");
    }
    assert_eq!(serde_json::to_string(&Cgroup::None).unwrap(), r#"{"layout":"none"}"#);
}

/// R30.
#[test]
fn without_a_cgroup_only_limits_are_missed() {
    for json in ["{}", r#"{"devices":[{"allow":false,"access":"rwm"}],"pids":{"limit":-1},"memory":{}}"#] {
        Cgroup::None.create(&resources(json)).unwrap();
    }
    let error = Cgroup::None.create(&resources(r#"{"memory":{"limit":5}}"#)).unwrap_err();
    assert!(error.to_string().contains("limits of memory"), "{error}");
    assert!(Cgroup::None.freeze().is_err());
    Cgroup::None.remove().unwrap();
}

/// A place of its own on this host, removed at the end.
struct Place(Cgroup, String);

impl Place {
    /// None where this host does not let us, which is said.
    fn new(name: &str) -> Option<Self> {
        let host = Host::detect(None).unwrap();
        if let Host::None(why) = &host {
            eprintln!("skipped: {why}");
            return None;
        }
        let parent = format!("/dhow-test-{}-{name}", std::process::id());
        Some(Self(host.place(Some(&parent), "c").unwrap(), parent))
    }

    fn dir(&self, controller: &str) -> Option<std::path::PathBuf> {
        match &self.0 {
            Cgroup::V1(tree) => Some(tree.mounts.get(controller)?.join(self.1.trim_start_matches('/')).join("c")),
            Cgroup::V2(tree) => Some(tree.dir()),
            Cgroup::None => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.0.kill_all());
        drop(self.0.remove());
        drop(Host::detect(None).unwrap().at(&self.1).unwrap().remove());
    }
}

/// A process that answers each line with itself.
fn cat() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

fn answers(child: &mut Child) -> bool {
    let stdout = child.stdout.as_mut().unwrap();
    let mut fds = [rustix::event::PollFd::new(&*stdout, rustix::event::PollFlags::IN)];
    let time = rustix::fs::Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    let ready = rustix::event::poll(&mut fds, Some(&time)).unwrap() == 1;
    if ready {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
    }
    ready
}

#[test]
fn limits_reach_the_kernel_and_can_be_changed() {
    let Some(place) = Place::new("limits") else { return };
    let Cgroup::V1(_) = &place.0 else {
        eprintln!("skipped: written for cgroup v1");
        return;
    };
    let asked = resources(
        r#"{"memory":{"limit":67108864,"swap":134217728},"cpu":{"quota":50000,"period":100000,"shares":512},
        "pids":{"limit":77},"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}]}"#,
    );
    place.0.create(&asked).unwrap();
    place.0.apply(&asked).unwrap();
    let value = |controller: &str, file: &str| tree::read(&place.dir(controller).unwrap(), file).unwrap();
    for (controller, file, expected) in [
        ("memory", "memory.limit_in_bytes", "67108864"),
        ("memory", "memory.memsw.limit_in_bytes", "134217728"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpu", "cpu.shares", "512"),
        ("pids", "pids.max", "77"),
    ] {
        assert_eq!(value(controller, file).trim(), expected, "{file}");
    }
    let devices = value("devices", "devices.list");
    assert!(devices.contains("c 10:229 rw\n") && !devices.contains("a *:*"), "{devices}");
    assert!(!place.dir("blkio").unwrap().exists(), "joined without need");

    let mut child = cat();
    place.0.add_process(pid(&child)).unwrap();
    assert_eq!(place.0.processes().unwrap(), [pid(&child)]);
    // More room needs memory and swap first, then memory; a controller that was not needed so far is joined.
    let more = resources(r#"{"memory":{"limit":268435456,"swap":536870912},"cpu":{"cpus":"0"}}"#);
    place.0.apply(&more).unwrap();
    assert_eq!(value("memory", "memory.limit_in_bytes").trim(), "268435456");
    assert_eq!(value("cpuset", "cgroup.procs").trim(), pid(&child).to_string());
    assert_eq!(value("cpuset", "cpuset.cpus").trim(), "0");

    let stats = place.0.stats().unwrap();
    assert_eq!((stats.processes, stats.memory_limit), (Some(1), Some(268_435_456)));
    assert!(stats.memory.is_some() && stats.cpu_nanoseconds.is_some(), "{stats:?}");
    assert_eq!(place.0.oom_kills().unwrap(), 0);

    let error = place.0.create(&asked).unwrap_err().to_string();
    assert!(error.contains("already has processes"), "{error}");
    place.0.kill_all().unwrap();
    place.0.remove().unwrap();
    assert!(!place.dir("memory").unwrap().exists());
    place.0.remove().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_missing_controller_is_named() {
    let Some(place) = Place::new("missing") else { return };
    let Cgroup::V1(_) = &place.0 else { return };
    let error = place.0.create(&resources(r#"{"network":{"classID":7}}"#)).unwrap_err().to_string();
    assert!(error.contains("net_cls is not available"), "{error}");
}

#[test]
fn processes_stop_go_on_and_die_together() {
    let Some(place) = Place::new("freeze") else { return };
    place.0.create(&resources("{}")).unwrap();
    let mut child = cat();
    place.0.add_process(pid(&child)).unwrap();
    place.0.freeze().unwrap();
    assert!(place.0.driver().unwrap().is_frozen().unwrap());
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    assert!(!answers(&mut child));
    place.0.thaw().unwrap();
    assert!(!place.0.driver().unwrap().is_frozen().unwrap());
    assert!(answers(&mut child));
    place.0.freeze().unwrap();
    place.0.kill_all().unwrap();
    assert!(!child.wait().unwrap().success());
    place.0.remove().unwrap();
}

#[test]
fn the_tree_of_v2_beside_v1_takes_huge_page_limits_and_device_rules() {
    let Some(place) = Place::new("unified") else { return };
    let Cgroup::V1(v1::Tree { unified: Some(unified), .. }) = &place.0 else {
        eprintln!("skipped: no tree of cgroup v2 beside v1");
        return;
    };
    let has_hugetlb = v2::controllers(&unified.mount, "cgroup.controllers").iter().any(|name| name == "hugetlb");
    let limit = resources(r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#);
    if has_hugetlb {
        place.0.create(&limit).unwrap();
        place.0.apply(&limit).unwrap();
        assert_eq!(tree::number(&unified.dir(), "hugetlb.2MB.max"), Some(4_194_304));
    } else {
        place.0.create(&resources("{}")).unwrap();
    }
    // The program is what cgroup v2 has for device rules: it loads, replaces the one before, and bites.
    let rules = |access: &str| {
        resources(&format!(
            r#"{{"devices":[{{"allow":true,"access":"rwm"}},{{"allow":false,"type":"c","major":1,"minor":5,"access":"{access}"}}]}}"#
        ))
    };
    let read_zero = || {
        let script = "read x; head -c1 /dev/zero >/dev/null";
        let mut child =
            Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        unified.add_process(pid(&child)).unwrap();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        child.wait().unwrap().success()
    };
    assert!(read_zero());
    unified.apply(&rules("r")).unwrap();
    assert!(!read_zero());
    unified.apply(&rules("w")).unwrap();
    assert!(read_zero());
    let dir = std::fs::File::open(unified.dir()).unwrap();
    assert_eq!(crate::sys::bpf::attached(&dir).unwrap().len(), 1);
    place.0.remove().unwrap();
}

#[test]
fn a_full_parent_in_v2_is_a_clear_error() {
    let Some(place) = Place::new("domain") else { return };
    let Cgroup::V1(v1::Tree { unified: Some(unified), .. }) = &place.0 else { return };
    if !v2::controllers(&unified.mount, "cgroup.controllers").iter().any(|name| name == "hugetlb") {
        eprintln!("skipped: no controller to share out");
        return;
    }
    place.0.create(&resources("{}")).unwrap();
    let mut child = cat();
    unified.add_process(pid(&child)).unwrap();
    let below = v2::Tree { path: format!("{}/below", unified.path), ..unified.clone() };
    let error = below.create(&resources(r#"{"hugepageLimits":[{"pageSize":"2MB","limit":1}]}"#)).unwrap_err();
    assert!(error.to_string().contains("hugetlb cannot be used: cgroup"), "{error}");
    place.0.kill_all().unwrap();
    child.wait().unwrap();
    place.0.remove().unwrap();
}
