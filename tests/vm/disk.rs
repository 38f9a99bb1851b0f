//! The guest's disks: its system, made once by `build` and kept in the cache of this user; and the programs under test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::image::digest;

/// What makes the system's disk; its hash names the place in the cache.
const BUILD: &str = include_str!("build");

/// The system's disk and its kernels.
pub(crate) struct System {
    directory: PathBuf,
}

impl System {
    /// Finds it in the cache, or builds it there, which takes some minutes and the packages of Debian; an error says what
    /// came of it.
    pub(crate) fn get() -> Result<Self, String> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
            let home = std::env::var_os("HOME")?;
            Some(Path::new(&home).join(".cache"))
        });
        let cache = cache.expect("HOME or XDG_CACHE_HOME").join("dhow-test-guest");
        let hash = &digest(BUILD.as_bytes())["sha256:".len()..][..16];
        let directory = cache.join(hash);
        std::fs::create_dir_all(&cache).expect("make the guest's cache");
        // One builds, for all worktrees; who comes later finds it made.
        let lock = std::fs::File::create(cache.join("lock")).expect("make the lock of the guest's cache");
        lock.lock().expect("lock the guest's cache");
        if !directory.exists() {
            forget_old(&cache);
            build(&cache.join(format!("{hash}.new")), &directory)?;
        }
        Ok(Self { directory })
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.directory.join("root.img")
    }

    pub(crate) fn kernel(&self, version: &str) -> PathBuf {
        self.directory.join(format!("vmlinuz-{version}"))
    }

    pub(crate) fn initrd(&self, version: &str) -> PathBuf {
        self.directory.join(format!("initrd-{version}"))
    }
}

/// Removes the disks of builds that were replaced a week ago or more.
fn forget_old(cache: &Path) {
    let week = std::time::Duration::from_secs(7 * 24 * 3600);
    for entry in std::fs::read_dir(cache).expect("list the guest's cache").flatten() {
        let made = entry.metadata().and_then(|meta| meta.modified()).ok();
        if entry.path().is_dir() && made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > week) {
            // Another program may have been faster.
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn build(new: &Path, directory: &Path) -> Result<(), String> {
    let script = new.with_extension("build");
    std::fs::write(&script, BUILD).expect("write the guest's build");
    let output = Command::new("sh").arg(&script).arg(new).output().expect("run the guest's build");
    std::fs::remove_file(&script).expect("remove the guest's build");
    let text = String::from_utf8_lossy(&output.stdout);
    let last: Vec<&str> = text.lines().rev().take(30).collect();
    let said: String = last.iter().rev().map(|line| format!("{line}\n")).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("the guest's disk was not built:\n{said}{errors}"));
    }
    std::fs::rename(new, directory).expect("keep the guest's disk");
    Ok(())
}

/// What comes with the guest's second disk.
pub(crate) struct Programs {
    /// The disk; a scratch file.
    pub(crate) disk: PathBuf,
}

impl Programs {
    /// Puts the product, the test programs `names` and the script that runs them on a disk at `place`.
    pub(crate) fn pack(place: &Path, names: &[&str], script: &str) -> Self {
        let tree = place.join("tree");
        for directory in ["deps", "examples"] {
            std::fs::create_dir_all(tree.join(directory)).expect("make the tree of the guest's programs");
        }
        copy(Path::new(env!("CARGO_BIN_EXE_dhow")), &tree.join("dhow"));
        for name in ["probe", "racer"] {
            copy(&crate::support::env::program(name), &tree.join("examples").join(name));
        }
        for (name, file) in test_programs(names) {
            copy(&file, &tree.join("deps").join(name));
        }
        std::fs::write(tree.join("run"), script).expect("write the guest's script");
        let disk = place.join("programs.img");
        let made = Command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(&tree).arg(&disk).arg("400M").output();
        let made = made.expect("run mke2fs");
        assert!(made.status.success(), "mke2fs: {}", String::from_utf8_lossy(&made.stderr));
        std::fs::remove_dir_all(&tree).expect("remove the tree of the guest's programs");
        Self { disk }
    }
}

/// A copy without what only a debugger reads: the guest's disk is slow.
fn copy(from: &Path, to: &Path) {
    let stripped = Command::new("strip").args(["--strip-debug", "-o"]).arg(to).arg(from).status();
    if !stripped.is_ok_and(|status| status.success()) {
        std::fs::copy(from, to).unwrap_or_else(|error| panic!("copy {}: {error}", from.display()));
    }
    std::fs::set_permissions(to, PermissionsExt::from_mode(0o755)).expect("let everybody execute a copy");
}

/// The files of the test programs, as cargo built them, or builds them now when this one was asked for alone.
fn test_programs(names: &[&str]) -> Vec<(String, PathBuf)> {
    let own = env!("CARGO_CRATE_NAME");
    let mut programs = vec![(own.to_owned(), std::env::current_exe().expect("this program's path"))];
    let others: Vec<&str> = names.iter().copied().filter(|name| *name != own).collect();
    if others.is_empty() {
        return programs;
    }
    let mut arguments = vec!["test", "--no-run", "--offline", "--message-format=json"];
    for name in &others {
        arguments.extend(["--test", name]);
    }
    let output = crate::support::env::cargo().args(&arguments).output().expect("run cargo");
    assert!(output.status.success(), "build the test programs: {}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let (name, file) = (message["target"]["name"].as_str(), message["executable"].as_str());
        if let (Some(name), Some(file)) = (name, file)
            && others.contains(&name)
        {
            programs.push((name.to_owned(), PathBuf::from(file)));
        }
    }
    assert_eq!(programs.len(), others.len() + 1, "cargo named {programs:?}");
    programs
}
