//! Cgroups of a test's own: in every hierarchy a group below this process's (at the top in v2, where a group with
//! processes cannot have children with controllers), then a cgroup namespace, so that whatever the product names, it
//! lands below.

use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

/// A mounted hierarchy, as it was before the test left for its own.
pub(crate) struct Hierarchy {
    mountpoint: PathBuf,
    kind: String,
    options: String,
}

/// The hierarchies, and the links beside them (`cpu -> cpu,cpuacct`).
pub(crate) struct Before {
    hierarchies: Vec<Hierarchy>,
    links: Vec<(PathBuf, PathBuf)>,
}

fn group_name(id: &str) -> String {
    format!("dhow-test-{id}")
}

/// The hierarchies mounted under /sys/fs/cgroup.
fn hierarchies() -> Vec<Hierarchy> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("read mountinfo");
    let mut found = Vec::new();
    for line in text.lines() {
        let (left, right) = line.split_once(" - ").expect("mountinfo has a separator");
        let mountpoint = left.split(' ').nth(4).expect("mountinfo has a mount point");
        let mut right = right.split(' ');
        let (kind, options) = (right.next().unwrap_or(""), right.nth(1).unwrap_or(""));
        if kind.starts_with("cgroup") && mountpoint.starts_with("/sys/fs/cgroup") {
            // What the kernel wants for a second mount: the controllers or the name, without rw and the agent.
            let keep = |o: &&str| !matches!(*o, "rw" | "ro" | "xattr") && !o.starts_with("release_agent");
            let options = options.split(',').filter(keep).collect::<Vec<_>>().join(",");
            let options = if kind == "cgroup2" { String::new() } else { options };
            found.push(Hierarchy { mountpoint: mountpoint.into(), kind: kind.to_owned(), options });
        }
    }
    found
}

/// The group of this process in a hierarchy, from /proc/self/cgroup.
fn current(hierarchy: &Hierarchy) -> String {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next(), parts.next().unwrap_or(""), parts.next().unwrap_or("/"));
        let same =
            hierarchy.kind == "cgroup" && controllers.split(',').all(|c| hierarchy.options.split(',').any(|o| o == c));
        if same && !controllers.is_empty() {
            return path.trim_start_matches('/').to_owned();
        }
    }
    String::new()
}

/// Makes and enters the test's groups and leaves the cgroup namespace.
pub(crate) fn enter(id: &str) -> Before {
    let hierarchies = hierarchies();
    for hierarchy in &hierarchies {
        let parent = hierarchy.mountpoint.join(current(hierarchy));
        let group = parent.join(group_name(id));
        if hierarchy.kind == "cgroup2" {
            give_controllers(&parent);
        }
        if let Err(error) = std::fs::create_dir(&group) {
            panic!("make cgroup {}: {error}", group.display());
        }
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if hierarchy.kind == "cgroup" && group.join(file).exists() {
                let value = std::fs::read(parent.join(file)).expect("read the parent's cpuset");
                std::fs::write(group.join(file), value).expect("write the test's cpuset");
            }
        }
        std::fs::write(group.join("cgroup.procs"), "0").unwrap_or_else(|e| panic!("enter {}: {e}", group.display()));
    }
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP).expect("leave the cgroup namespace");
    for hierarchy in hierarchies.iter().filter(|h| h.kind == "cgroup2") {
        // A leaf for the test's own processes, so that the top can have children with controllers.
        let group = hierarchy.mountpoint.join(group_name(id));
        let leaf = group.join("tests");
        std::fs::create_dir(&leaf).expect("make the leaf cgroup");
        std::fs::write(leaf.join("cgroup.procs"), "0").expect("enter the leaf cgroup");
        give_controllers(&group);
    }
    let mut links = Vec::new();
    for entry in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        if let Ok(target) = std::fs::read_link(entry.path()) {
            links.push((entry.path(), target));
        }
    }
    Before { hierarchies, links }
}

/// Passes every controller of `group` on to its children, each by itself, since some may be refused.
fn give_controllers(group: &Path) {
    let controllers = std::fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        drop(std::fs::write(group.join("cgroup.subtree_control"), format!("+{controller}")));
    }
}

/// Mounts the hierarchies anew on a fresh sysfs; their roots are now the test's own groups.
pub(crate) fn mount_own(before: &Before) {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let top = Path::new("/sys/fs/cgroup");
    if before.hierarchies.iter().any(|h| h.mountpoint != top) {
        nix::mount::mount(Some("tmpfs"), top, Some("tmpfs"), flags, Some("mode=0755"))
            .expect("mount tmpfs for cgroups");
    }
    for hierarchy in &before.hierarchies {
        std::fs::create_dir_all(&hierarchy.mountpoint).expect("make a mount point for a hierarchy");
        let data = Some(hierarchy.options.as_str()).filter(|options| !options.is_empty());
        nix::mount::mount(Some("cgroup"), &hierarchy.mountpoint, Some(hierarchy.kind.as_str()), flags, data)
            .unwrap_or_else(|error| panic!("mount {} of a test: {error}", hierarchy.mountpoint.display()));
    }
    for (path, target) in &before.links {
        std::os::unix::fs::symlink(target, path).expect("link a hierarchy");
    }
}

/// Removes the groups of a test that is over; called outside.
pub(crate) fn remove(id: &str) {
    for hierarchy in hierarchies() {
        remove_tree(&hierarchy.mountpoint.join(current(&hierarchy)).join(group_name(id)));
    }
}

fn remove_tree(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    // The last process of the test may still be on its way out.
    for _ in 0..100 {
        match std::fs::remove_dir(group) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            _ => return,
        }
    }
}

/// Every group below the test's, `memory/dhow/…`.
pub(crate) fn groups() -> Vec<String> {
    fn walk(directory: &Path, prefix: &str, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
                walk(&entry.path(), &name, out);
                // The parent of all containers stays: making it anew at each start costs an RCU wait a hierarchy. So does
                // the one place of all monitors, which nobody in it could remove.
                let stays = if prefix.contains('/') {
                    prefix.ends_with("/dhow") && entry.file_name() == "monitors"
                } else {
                    entry.file_name() == "dhow"
                };
                if !stays {
                    out.push(name);
                }
            }
        }
    }
    let mut out = Vec::new();
    for hierarchy in hierarchies() {
        let name = hierarchy.mountpoint.file_name().unwrap_or_default().to_string_lossy().into_owned();
        walk(&hierarchy.mountpoint, &name, &mut out);
    }
    out.sort();
    out
}
