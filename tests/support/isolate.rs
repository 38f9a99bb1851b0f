//! A test body in namespaces of its own.
//!
//! The test program starts itself again for one test. Between fork and exec the child leaves the mount, network, pid,
//! ipc and uts namespaces and forks twice more, so that there are
//!
//! ```text
//! libtest's thread ── warden (waits, passes the status on)
//!                        └─ pid 1 (reaps whatever is orphaned, ends with the body)
//!                              └─ body: this program again, `NAME --exact`, DHOW_TEST_INSIDE=NAME
//! ```
//!
//! The body makes its mounts: everything private and then shared within, fresh proc and sysfs, cgroups of its own, an
//! overlay on /etc, tmpfs on the temporary places. When pid 1 ends, the kernel takes all of it away.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::cgroup;
use super::env::TestEnv;

/// The name of the one test that a child runs.
const INSIDE: &str = "DHOW_TEST_INSIDE";
/// What makes the names of this child's cgroups and directories unique.
const ID: &str = "DHOW_TEST_ID";

/// Runs `body` isolated and fails when it fails, when it takes too long, or when it leaves something behind.
pub(crate) fn isolated<F: FnOnce(&mut TestEnv)>(body: F) {
    let name = test_name::<F>();
    if std::env::var(INSIDE).is_ok_and(|inside| inside == name) {
        inside(body);
        return;
    }
    // A root of this machine is needed; the skip is recorded like any other.
    if !super::require::met(&name, &["root"]) {
        return;
    }
    outside(&name);
}

/// The path of the test: libtest's name of the thread; where it runs on the main one, the function of the closure.
pub(crate) fn test_name<F>() -> String {
    if let Some(name) = std::thread::current().name().filter(|name| *name != "main") {
        return name.to_owned();
    }
    let full = std::any::type_name::<F>();
    let without_crate = full.split_once("::").map_or(full, |(_, rest)| rest);
    without_crate.split("::{{closure}}").next().unwrap_or(without_crate).to_owned()
}

/// Whether this process is the child that runs a body.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn limit() -> Duration {
    let seconds = std::env::var("DHOW_TEST_TIMEOUT").ok().and_then(|text| text.parse().ok()).unwrap_or(180);
    Duration::from_secs(seconds)
}

fn outside(name: &str) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("output-{id}"));
    let log = std::fs::File::create(&output).expect("make the file of a test's output");
    let mut command = Command::new(std::env::current_exe().expect("this program's path"));
    command.args([name, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"]);
    command.env(INSIDE, name).env(ID, &id).stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a second descriptor of the log")).stderr(log);
    // SAFETY: only system calls on values of this stack, as is due between fork and exec.
    unsafe { command.pre_exec(leave) };
    let mut child = command.spawn().unwrap_or_else(|error| panic!("enter namespaces for {name}: {error}"));
    let deadline = Instant::now() + limit();
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait for the test's warden") {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill().expect("kill the test's warden");
            child.wait().expect("reap the test's warden");
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    cgroup::remove(&id);
    let text = String::from_utf8_lossy(&std::fs::read(&output).unwrap_or_default()).into_owned();
    drop(std::fs::remove_file(&output));
    match status {
        None => panic!("{name} took longer than {:?}; it had written:\n{text}", limit()),
        Some(status) if !status.success() => panic!("{name} failed inside ({status}):\n{text}"),
        Some(_) => assert!(text.contains("1 passed"), "{name} was not found inside:\n{text}"),
    }
}

/// Runs in the forked child: new namespaces, the warden, pid 1; returns in the process that will execute the body.
fn leave() -> std::io::Result<()> {
    let flags = libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    // SAFETY: plain system calls of a process with one thread; after fork both sides touch only their stacks.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::unshare(flags) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        let first = libc::fork();
        if first < 0 {
            return Err(std::io::Error::last_os_error());
        }
        if first > 0 {
            wait_for(first);
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let body = libc::fork();
        if body < 0 {
            return Err(std::io::Error::last_os_error());
        }
        if body > 0 {
            wait_for(body);
        }
        // Nothing but the first three reaches a test, whoever started the suite.
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
    Ok(())
}

/// Reaps every child until `last` ends, then ends with its status; holds no descriptor of the program meanwhile.
fn wait_for(last: libc::pid_t) -> ! {
    // SAFETY: plain system calls; this process has one thread and never returns.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0);
        loop {
            let mut status = 0;
            let pid = libc::waitpid(-1, &raw mut status, libc::__WALL);
            if pid == last {
                let code =
                    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
                libc::_exit(code);
            }
            if pid < 0 && *libc::__errno_location() != libc::EINTR {
                libc::_exit(255);
            }
        }
    }
}

fn inside<F: FnOnce(&mut TestEnv)>(body: F) {
    let id = std::env::var(ID).expect("the id of an isolated test");
    let place = mounts(&id);
    let mut env = TestEnv::new(place, &id);
    env.rebase();
    body(&mut env);
    env.finish();
}

/// One mount, with the words for its failure.
fn mount(source: &str, target: &Path, kind: Option<&str>, flags: nix::mount::MsFlags, data: Option<&str>) {
    nix::mount::mount(Some(source), target, kind, flags, data)
        .unwrap_or_else(|error| panic!("mount {source} ({kind:?}, {data:?}) on {}: {error}", target.display()));
}

/// Makes the body's mounts and returns the directory that is its own.
fn mounts(id: &str) -> PathBuf {
    use nix::mount::MsFlags;
    let none = MsFlags::empty();
    mount("none", Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None);
    let before = cgroup::enter(id);
    // As on a host with systemd: what a container leaks by propagation shows in the census.
    mount("none", Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_SHARED, None);
    // The old ones go, so that nobody reads of mounts that are hidden.
    for old in ["/proc", "/sys"] {
        nix::mount::umount2(old, nix::mount::MntFlags::MNT_DETACH).unwrap_or_else(|e| panic!("detach {old}: {e}"));
    }
    mount("proc", Path::new("/proc"), Some("proc"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, None);
    mount("sysfs", Path::new("/sys"), Some("sysfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, None);
    cgroup::mount_own(&before);
    let exe = std::env::current_exe().expect("this program's path");
    let covers = |place: &str| exe.starts_with(place) || Path::new(env!("CARGO_MANIFEST_DIR")).starts_with(place);
    let mut own = None;
    for place in ["/tmp", "/mnt", "/var/tmp", "/var/cache", "/run", "/dev/shm"] {
        if covers(place) || !Path::new(place).is_dir() {
            continue;
        }
        if place == "/mnt" && own.is_some() {
            continue;
        }
        let mode = if matches!(place, "/run" | "/mnt") { "mode=0755" } else { "mode=1777" };
        mount("tmpfs", Path::new(place), Some("tmpfs"), none, Some(mode));
        own = own.or_else(|| Some(PathBuf::from(place)));
    }
    let own = own.expect("a directory for a test's tmpfs");
    let place = own.join("t");
    let (upper, work) = (place.join("etc"), place.join("etc-work"));
    for directory in [&place, &upper, &work] {
        std::fs::create_dir(directory).expect("make a directory in the test's tmpfs");
    }
    let data = format!("lowerdir=/etc,upperdir={},workdir={}", upper.display(), work.display());
    mount("overlay", Path::new("/etc"), Some("overlay"), none, Some(&data));
    loopback_up();
    nix::unistd::sethostname("dhow-test").expect("name the host");
    place
}

/// Sets `lo` up in this network namespace.
fn loopback_up() {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
        .expect("a socket for the loopback");
    // SAFETY: `request` is a whole ifreq with a terminated name; the kernel reads it only.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l'.cast_signed();
        request.ifr_name[1] = b'o'.cast_signed();
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        assert_eq!(libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &raw const request), 0, "set lo up");
    }
}
