//! Words for what an ordinary user does.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::TestEnv;
use crate::support::env::{Seat, eventually};
use crate::support::image::Image;

/// Loads busybox as the user; it goes at the end of the test.
pub(crate) fn busybox(env: &mut TestEnv) {
    load(env, &Image::busybox(), "busybox");
}

/// Loads an image as the user.
pub(crate) fn load(env: &mut TestEnv, image: &Image, name: &str) {
    // Compiled filters stay.
    env.ignore(&format!("file: {}/cache/", env.user.store.display()));
    load_as(&env.user, image, name);
}

/// Loads an image in a seat.
pub(crate) fn load_as(seat: &Seat, image: &Image, name: &str) {
    let archive = seat.home.join("image.tar");
    std::fs::write(&archive, image.docker_archive(&[name])).unwrap();
    seat.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
    std::fs::remove_file(&archive).unwrap();
}

/// Starts a container of busybox that sleeps.
pub(crate) fn sleeper(env: &TestEnv, name: &str, flags: &[&str]) {
    env.user.run(&[&["run", "-d", "--name", name], flags, &["busybox", "sleep", "1000"]].concat()).ok();
}

/// Gives the device of network taps a mode: everybody's, as udev makes it (this machine may have no udev), or root's.
pub(crate) fn tun(env: &mut TestEnv, mode: u32) {
    let node = env.place.join(format!("tun-{mode:o}"));
    let closed = nix::sys::stat::Mode::empty();
    nix::sys::stat::mknod(&node, nix::sys::stat::SFlag::S_IFCHR, closed, libc::makedev(10, 200)).unwrap();
    std::fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    cover(&node, "/dev/net/tun");
    env.rebase();
}

/// Mounts `source` over `target`, in this test's mounts.
pub(crate) fn cover(source: impl AsRef<Path>, target: &str) {
    let flags = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some(source.as_ref()), target, None::<&str>, flags, None::<&str>).unwrap();
}

/// What `inspect` says of a container.
pub(crate) fn inspect(env: &TestEnv, name: &str) -> Value {
    env.user.run(&["container", "inspect", name]).json()[0].take()
}

/// The pid of a container's first process.
pub(crate) fn pid(env: &TestEnv, name: &str) -> u32 {
    u32::try_from(inspect(env, name)["State"]["Pid"].as_u64().unwrap()).unwrap()
}

/// The network namespace of a container.
pub(crate) fn net(env: &TestEnv, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/ns/net", pid(env, name)))
}

pub(crate) fn remove(env: &TestEnv, name: &str) {
    env.user.run(&["rm", "-f", "-t", "0", name]).ok();
}

/// Waits until a process is gone.
pub(crate) fn gone(pid: u32) {
    eventually("the process is gone", || !Path::new(&format!("/proc/{pid}")).exists());
}
