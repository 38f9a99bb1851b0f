//! A store whose disk has no byte, or no inode, left: at every write of every command that makes something. The command
//! fails, says why, and what it took comes back; what removes works on a full disk.

use std::path::{Path, PathBuf};

use crate::support::image::{Image, Packing};
use crate::support::outcome::Outcome;
use crate::support::tar::Entry;
use crate::support::{TestEnv, isolated};

/// What runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Short {
    Pages,
    Inodes,
}

/// A small disk of its own for a store.
struct Disk<'a> {
    env: &'a TestEnv,
    top: PathBuf,
    root: String,
    run: String,
}

impl<'a> Disk<'a> {
    fn new(env: &'a TestEnv) -> Self {
        let top = env.place.join("disk");
        std::fs::create_dir(&top).unwrap();
        let none = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("disk"), &top, Some("tmpfs"), none, Some("size=400m,nr_inodes=2000")).unwrap();
        let text = |path: PathBuf| path.display().to_string();
        let (root, run) = (text(top.join("store")), text(env.place.join("disk-run")));
        Self { env, top, root, run }
    }

    fn run(&self, words: &[&str]) -> Outcome {
        self.env.run(&[&["--root", &self.root, "--runroot", &self.run], words].concat())
    }

    /// Free pages and inodes, once the commands that look have healed what was left.
    fn free(&self) -> (u64, u64) {
        for words in [&["ps", "-a"][..], &["images"], &["volume", "ls"], &["secret", "ls"]] {
            self.run(words).ok();
        }
        self.free_now()
    }

    fn free_now(&self) -> (u64, u64) {
        let stat = rustix::fs::statvfs(&self.top).unwrap();
        (stat.f_bfree, stat.f_ffree)
    }

    /// Leaves `rest` of what is to be short.
    fn fill(&self, short: Short, rest: u64) {
        let place = self.top.join("filling");
        std::fs::create_dir(&place).unwrap();
        match short {
            Short::Pages => {
                let file = std::fs::File::create(place.join("bytes")).unwrap();
                let pages = self.free_now().0.saturating_sub(rest);
                if pages > 0 {
                    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, pages * 4096).unwrap();
                }
            }
            Short::Inodes => {
                for n in 0..self.free_now().1.saturating_sub(rest) {
                    std::fs::File::create(place.join(n.to_string())).unwrap();
                }
            }
        }
    }

    fn make_room(&self) {
        std::fs::remove_dir_all(self.top.join("filling")).unwrap();
    }

    /// Gives `make` more and more room until it succeeds; what `undo` leaves must be what was before.
    fn narrow(&self, short: Short, make: &[&str], undo: &[&str]) {
        // What a first time makes for good.
        self.run(make).ok();
        self.run(undo).ok();
        let before = self.free();
        let mut rest = 0;
        let mut refusals = 0;
        loop {
            self.fill(short, rest);
            let made = self.run(make);
            self.make_room();
            if made.code == 0 {
                break;
            }
            refusals += 1;
            assert!(made.stderr.to_lowercase().contains("no space left on device"), "{short:?} {rest}: {made}");
            self.is_back(before, &format!("{short:?} {rest}: what comes back after {made}"));
            // Every one of the first, and fewer the more there are.
            rest += 1 + rest / 8;
            assert!(rest < 100_000, "{made}");
        }
        assert!(refusals > 0, "{make:?} needs no {short:?}");
        self.run(undo).ok();
        self.is_back(before, &format!("{short:?}: after {make:?} and {undo:?}"));
    }

    /// What is kept for removals may be used up, and be made again.
    #[track_caller]
    fn is_back(&self, before: (u64, u64), what: &str) {
        let now = self.free();
        assert!(now.0 >= before.0 && now.1 >= before.1 && now.1 <= before.1 + 2, "{what}: {now:?} of {before:?}");
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        nix::mount::umount2(&self.top, nix::mount::MntFlags::MNT_DETACH).unwrap();
        std::fs::remove_dir(&self.top).unwrap();
        drop(std::fs::remove_dir_all(&self.run));
    }
}

/// An archive of an image whose one layer has a few files beside busybox.
fn archive(env: &TestEnv, name: &str) -> String {
    let image = Image::busybox().layer(&[Entry::file(name, 0o644, "word ".repeat(3000))], Packing::Gzip);
    let path = env.place.join(format!("{name}.tar"));
    std::fs::write(&path, image.docker_archive(&[name])).unwrap();
    path.display().to_string()
}

fn each(body: impl Fn(&Disk<'_>, Short) + Copy) {
    isolated(|env| {
        let base = archive(env, "base");
        for short in [Short::Pages, Short::Inodes] {
            let disk = Disk::new(env);
            disk.run(&["load", "-q", "-i", &base]).ok();
            body(&disk, short);
            // Nothing runs and the network is idle.
            disk.run(&["rm", "-f", "-a"]).ok();
            crate::support::census::hurry();
        }
        std::fs::remove_file(base).unwrap();
    });
}

const NONE: [&str; 2] = ["--network", "none"];

#[test]
fn images_are_whole_or_not_there() {
    each(|disk, short| {
        let more = archive(disk.env, "more");
        disk.narrow(short, &["load", "-q", "-i", &more], &["rmi", "more"]);
        let plain = disk.env.place.join("plain.tar");
        std::fs::write(&plain, crate::support::tar::archive(&[Entry::file("a", 0o644, "b".repeat(20_000))])).unwrap();
        disk.narrow(short, &["import", "-q", &plain.display().to_string(), "plain"], &["rmi", "plain"]);
        disk.run(&["run", "--name", "box", NONE[0], NONE[1], "base", "sh", "-c", "seq 5000 > /numbers"]).ok();
        disk.narrow(short, &["commit", "-q", "box", "kept"], &["rmi", "kept"]);
        disk.narrow(short, &["tag", "base", "second"], &["untag", "base", "second"]);
        disk.narrow(short, &["manifest", "create", "list", "base"], &["manifest", "rm", "list"]);
        for path in [Path::new(&more), &plain] {
            std::fs::remove_file(path).unwrap();
        }
    });
}

#[test]
fn containers_volumes_and_secrets_are_whole_or_not_there() {
    each(|disk, short| {
        let create = ["create", "--name", "box", NONE[0], NONE[1], "base", "true"];
        disk.narrow(short, &create, &["rm", "box"]);
        disk.narrow(short, &["run", "--rm", NONE[0], NONE[1], "base", "sh", "-c", "true"], &["ps"]);
        disk.narrow(short, &["volume", "create", "kept"], &["volume", "rm", "kept"]);
        let file = disk.env.place.join("value");
        std::fs::write(&file, "secret").unwrap();
        disk.narrow(short, &["secret", "create", "word", &file.display().to_string()], &["secret", "rm", "word"]);
        std::fs::remove_file(file).unwrap();
    });
}

#[test]
fn what_removes_works_on_a_full_disk() {
    each(|disk, short| {
        for name in ["box", "second", "third"] {
            disk.run(&["run", "--name", name, NONE[0], NONE[1], "-v", &format!("{name}:/v"), "base", "true"]).ok();
        }
        let file = disk.env.place.join("value");
        std::fs::write(&file, "secret").unwrap();
        disk.run(&["secret", "create", "word", &file.display().to_string()]).ok();
        std::fs::remove_file(file).unwrap();
        let live = ["run", "-d", "--name", "live", NONE[0], NONE[1], "base", "sleep", "1000"];
        disk.run(&live).ok();
        disk.run(&["tag", "base", "other"]).ok();
        let spare = archive(disk.env, "spare");
        disk.run(&["load", "-q", "-i", &spare]).ok();
        std::fs::remove_file(spare).unwrap();
        disk.fill(short, 0);
        for words in [
            &["stop", "-t", "0", "live"][..],
            &["rm", "live"],
            &["rm", "box"],
            &["volume", "rm", "box"],
            &["untag", "other"],
            &["rmi", "spare"],
            &["secret", "rm", "word"],
            &["container", "prune", "-f"],
            &["system", "prune", "-a", "-f", "--volumes"],
        ] {
            // Whatever room the last one made is taken again.
            disk.make_room();
            disk.fill(short, 0);
            disk.run(words).ok();
            if words[0] == "stop" {
                // How it ended is kept when there is no byte left.
                let code = disk.run(&["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "live"]);
                assert_eq!(code.ok(), "exited 137", "{short:?}");
            }
        }
        disk.make_room();
        assert_eq!(disk.run(&["images", "-q"]).ok(), "");
    });
}
