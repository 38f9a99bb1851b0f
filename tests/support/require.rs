//! What a test needs of the machine. A test that cannot run writes why into a file of its own, which the last step of
//! `.ci/run` counts and prints; with `DHOW_TEST_STRICT=1` it fails instead.

use std::path::{Path, PathBuf};

/// Returns from the test, recorded as skipped, unless the machine has everything that is named.
#[macro_export]
macro_rules! require {
    ($($need:ident),+ $(,)?) => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here);
        let name = name.trim_end_matches("::here").split_once("::").map_or(name, |(_, rest)| rest);
        if !$crate::support::require::met(name.trim_end_matches("::here"), &[$(stringify!($need)),+]) {
            return;
        }
    }};
}

/// Where the reasons are written.
pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("skips")
}

/// Whether every need is met; if not, records the skip of `test`.
pub(crate) fn met(test: &str, needs: &[&str]) -> bool {
    let missing: Vec<String> = needs.iter().filter_map(|need| missing(need)).collect();
    if missing.is_empty() {
        drop(std::fs::remove_file(record(test)));
        return true;
    }
    skip(test, &missing.join(", "));
    false
}

/// The file that says why `test` was skipped.
fn record(test: &str) -> PathBuf {
    directory().join(format!("{}-{}", env!("CARGO_CRATE_NAME"), test.replace("::", ".")))
}

/// Records that `test` cannot run, and why.
pub(crate) fn skip(test: &str, why: &str) {
    let reason = format!("{}::{test}: {why}\n", env!("CARGO_CRATE_NAME"));
    assert!(std::env::var("DHOW_TEST_STRICT").as_deref() != Ok("1"), "cannot run: {reason}");
    std::fs::create_dir_all(directory()).expect("make the directory of skips");
    std::fs::write(record(test), reason).expect("record a skip");
}

/// Whether owners of files on tmpfs, where the tests' stores are, can be mapped.
pub(crate) fn maps_tmpfs() -> bool {
    kernel() >= (6, 3)
}

/// Why a need is not met; None when it is.
fn missing(need: &str) -> Option<String> {
    match need {
        "root" => (!nix::unistd::geteuid().is_root()).then(|| "not root".to_owned()),
        "cgroup_v2" => {
            let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
            (!unified).then(|| "no unified cgroup hierarchy".to_owned())
        }
        "cgroup" => {
            let any = ["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/memory/cgroup.procs"];
            (!any.iter().any(|path| Path::new(path).exists())).then(|| "no cgroup with a memory controller".to_owned())
        }
        // What a pidfd tells of a process that somebody else has reaped.
        "pidfd_exit" => (kernel() < (6, 15)).then(|| "Linux is older than 6.15".to_owned()),
        "tun" => (!Path::new("/dev/net/tun").exists()).then(|| "no /dev/net/tun".to_owned()),
        "loop_device" => (!Path::new("/dev/loop-control").exists()).then(|| "no loop devices".to_owned()),
        "distribution" => super::distribution::missing(),
        "registry" => program_missing("docker-registry"),
        "qemu" => program_missing("qemu-system-x86_64"),
        "guest" => {
            let none = std::env::var("DHOW_TEST_VM").as_deref() == Ok("none");
            none.then(|| "left out by DHOW_TEST_VM=none".to_owned())
        }
        "long_guest" => {
            let asked = std::env::var_os("DHOW_TEST_VM").is_some();
            (!asked).then(|| "a second guest takes minutes: DHOW_TEST_VM=all asks for it".to_owned())
        }
        "podman_scripts" => {
            let asked =
                ["DHOW_TEST_SCRIPT", "DHOW_TEST_TRANSCRIPT"].iter().any(|name| std::env::var_os(name).is_some());
            (!asked).then(|| {
                "podman's own run of a script is for recording it: DHOW_TEST_SCRIPT=podman asks for it".to_owned()
            })
        }
        "nft" | "ip" | "pasta" | "crun" | "runc" | "containerd" | "ctr" | "dockerd" | "docker" | "podman"
        | "skopeo" | "gpg" | "openssl" | "buildah" | "umoci" | "debootstrap" | "strace" | "busybox" | "newuidmap" => {
            program_missing(need)
        }
        "erofs" => {
            let known = || std::fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("erofs"));
            if !known() {
                drop(std::process::Command::new("modprobe").arg("erofs").status());
            }
            (!known() || kernel() < (6, 12)).then(|| "no EROFS images without a loop device".to_owned())
        }
        "btrfs" => {
            let known = || std::fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("btrfs"));
            if !known() {
                drop(std::process::Command::new("modprobe").arg("btrfs").status());
            }
            if known() { program_missing("mkfs.btrfs") } else { Some("the kernel has no btrfs".to_owned()) }
        }
        "ext4" => program_missing("mke2fs"),
        "xfs" => program_missing("mkfs.xfs"),
        other => panic!("no such requirement: {other}"),
    }
}

/// The kernel's version.
pub(crate) fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("read the kernel's release");
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn program_missing(name: &str) -> Option<String> {
    program(name).is_none().then(|| format!("{name} is not installed"))
}

/// The path of an installed program, also of those that an ordinary user's PATH lacks.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/bin"])
        .map(|directory| Path::new(directory).join(name))
        .find(|candidate| candidate.is_file())
}
