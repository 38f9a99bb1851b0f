//! `cp`: what goes where, against podman; a running container's mounts; owners; streams; and who plays tricks.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use super::stage;
use crate::require;
use crate::support::env::{eventually, finished, program};
use crate::support::image::Image;
use crate::support::tools::Tools;
use crate::support::{TestEnv, isolated};

/// Copies in all directions with a container that never ran; `$1` is the command of an engine. Prints what was said, then
/// both trees.
const SCRIPT: &str = r#"
E=$1; t() { echo "> $*"; $E cp "$@" 2>&1 | grep -v ^hint; echo "= ${PIPESTATUS[0]}"; }
f() { echo "> $* (fails)"; $E cp "$@" >/dev/null 2>&1; echo "= $?"; }
echo hi > h; mkdir -p hd/sub; echo 1 > hd/a; echo 2 > hd/sub/b; chmod 700 hd/sub; chmod 750 hd; chmod 711 hd/a
ln -s a hd/l; ln -s sub hd/ls; ln -s none hd/dangling; mkfifo hd/pipe; mkdir hd/empty 'with space'; chown 5:6 hd/sub
t h c:/x; t h c:/vol/x; t h c:/new/x; t h c:/new/; t h c:; t h nope:/x; t nope c:/x; t a b; t h ''; t h c:/etc
t c:/nope .; t c:/nope/ .; t hd c:/etc/passwd; t hd c:/hd1; t hd c:/hd1; t hd/ c:/hd2; t hd/. c:/hd3; t hd/. c:/hd3/
t hd c:/none/none; t hd/a c:/x; t hd/l c:/tmp/l2; t hd/l c:/tmp/; t hd/ls c:/tmp/; t hd/ls/. c:/tmp/ls3; t 'with space' c:/tmp
t h c:rel; t h c:./tmp/rel; t -a=false hd c:/hd4
t c:/d/f out1; t c:/d/lf .; t c:/abs .; t c:/ld .; t c:/ld/. od; t c:/d/ od2; t c:/d od2; t c:/d h
t c:/d/f od3/; t c:/d/f od3/x; t c:/d/f od2; t --overwrite c:/d h; t c:/up .; t c:/etc/passwd hd/l; t c:/d/. hd
t c:/tmp/../d/f out2
t - c:/etc/passwd < /dev/null; t - c:/nope < /dev/null; t - c:/tmp < h; t - c:/tmp < /dev/null
tar c hd | $E cp - c:/tmp; tar cz -C hd . | $E cp - c:/vol; echo $?
mkdir -p x/a hx; echo > hx/sub; f x/. c:/hd1; t --overwrite x/. c:/hd1; f hx/. c:/hd1; t --overwrite hx/. c:/hd1
for s in /d /d/. /abs; do $E cp c:$s - | tar t | sed s,/$,,; done
$E cp c:/. tree
find . -mindepth 1 -path ./tree/bin -prune -o -path ./tree/run -prune -o -path ./tree/vol -prune -o -path ./tree -o -printf '%P %y %m %U:%G %l\n' |
  grep -v -e '^[^ ]*/[^ ]* d .* $' | LC_ALL=C sort
"#;

/// Runs [`SCRIPT`] in a directory of its own.
fn transcript(env: &TestEnv, name: &str, command: Command) -> String {
    let place = env.place.join(name);
    std::fs::create_dir(&place).unwrap();
    let mut command = command;
    command.current_dir(&place);
    let outcome = finished(command, b"");
    std::fs::remove_dir_all(&place).unwrap();
    assert!(outcome.stderr.is_empty(), "{outcome}");
    outcome.ok()
}

#[test]
fn everything_lands_where_podman_puts_it() {
    require!(root, podman, busybox);
    isolated(|env| {
        use crate::support::image::Packing;
        use crate::support::tar::Entry;
        let entries = [
            Entry::dir("d/", 0o755),
            Entry::file("d/f", 0o640, "f"),
            Entry::symlink("d/lf", "f"),
            Entry::symlink("ld", "d"),
            Entry::symlink("abs", "/etc/passwd"),
            Entry::symlink("up", "../../../d/f"),
            Entry::dir("vol/", 0o755),
        ];
        let image = Image::busybox().layer(&entries, Packing::None).with("WorkingDir", serde_json::json!("/tmp"));
        env.load(&image, "localhost/copy:1").ok();
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, image.docker_archive(&["localhost/copy:1"])).unwrap();
        let tools = Tools::new(env);
        tools.podman(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        let create = ["create", "--name", "c", "--network", "none", "-v", "vol:/vol", "localhost/copy:1"];
        env.run(&create).ok();
        tools.podman(&create).ok();
        let ours: Vec<String> = std::iter::once(env.root.binary.display().to_string())
            .chain(["--root".to_owned(), env.root.store.display().to_string()])
            .chain(["--runroot".to_owned(), env.root.runtime.display().to_string()])
            .collect();
        let mut command = env.root.command("bash");
        command.args(["-c", SCRIPT, "script", &ours.join(" ")]);
        let ours = transcript(env, "ours", command);
        let command = tools.command(&["bash", "-c", SCRIPT, "script", &tools.podman_words().join(" ")]);
        let theirs = transcript(env, "theirs", command);
        env.run(&["rm", "-v", "c"]).ok();
        env.run(&["volume", "rm", "vol"]).ok();
        if ours != theirs {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (ours, theirs) = (lines(&ours), lines(&theirs));
            let missing: Vec<_> = theirs.iter().filter(|line| !ours.contains(line)).collect();
            let extra: Vec<_> = ours.iter().filter(|line| !theirs.contains(line)).collect();
            panic!("podman alone: {missing:#?}\nours alone: {extra:#?}\nours: {ours:#?}");
        }
    });
}

/// Copies with `cp` and expects that it succeeds.
#[track_caller]
fn cp(env: &TestEnv, from: &str, to: &str) {
    env.run(&["cp", from, to]).ok();
}

#[test]
fn a_running_container_is_seen_with_its_mounts() {
    isolated(|env| {
        stage::busybox(env);
        let (file, bind) = (env.place.join("file"), env.place.join("bind"));
        std::fs::write(&file, "text\n").unwrap();
        std::fs::create_dir(&bind).unwrap();
        let (file, bind) = (file.to_str().unwrap(), bind.to_str().unwrap());
        let (bound, read_only) = (format!("{bind}:/b"), format!("{bind}:/ro:ro"));
        let flags = ["-v", "vol:/v", "-v", &bound, "-v", &read_only, "--tmpfs", "/t", "--network", "none"];
        let words = [&["run", "-d", "--name", "box"][..], &flags, &["busybox", "sleep", "1000"]].concat();
        env.run(&words).ok();
        for place in ["/v", "/b", "/t", "/dev/shm", "/etc/hosts", "/tmp/new"] {
            cp(env, file, &format!("box:{place}"));
        }
        let script = "cat /v/file /b/file /t/file /dev/shm/file /etc/hosts /tmp/new | sort -u";
        assert_eq!(env.run(&["exec", "box", "sh", "-c", script]).ok(), "text");
        assert_eq!(std::fs::read_to_string(format!("{bind}/file")).unwrap(), "text\n");
        env.run(&["cp", file, "box:/ro"]).fails(125, "write /ro/file: read-only file system");
        env.run(&["cp", "box:/proc/version", "."]).fails(125, "is not a file that can be copied");
        env.run(&["cp", "box:/dev/null", "."]).fails(125, "is not a file that can be copied");
        // Everything but what is the kernel's.
        let all = env.place.join("all");
        cp(env, "box:/", all.to_str().unwrap());
        let names = ["v/file", "b/file", "t/file", "tmp/new", "bin/busybox", "dev", "proc", "sys"];
        assert_eq!(names.map(|name| all.join(name).exists()), [true, true, true, true, true, false, false, false]);
        std::fs::remove_dir_all(&all).unwrap();
        env.run(&["pause", "box"]).ok();
        cp(env, file, "box:/tmp/paused");
        env.run(&["unpause", "box"]).ok();
        // Stopped, its volumes are reached all the same; from one container to another, too.
        env.run(&["stop", "-t", "0", "box"]).ok();
        env.run(&["create", "--name", "other", "-v", "vol:/none/such", "--network", "none", "busybox", "true"]).ok();
        cp(env, "box:/tmp/paused", "other:/none/such/copied");
        cp(env, "box:/v/.", "other:/tmp");
        cp(env, "other:/none/such", "box:/tmp");
        assert!(env.run(&["cp", "box:/tmp/such/copied", "-"]).ok().contains("text"));
        env.run(&["start", "box"]).ok();
        assert_eq!(env.run(&["exec", "box", "cat", "/v/copied", "/tmp/such/file"]).ok(), "text\ntext");
        env.run(&["rm", "-f", "-t", "0", "box", "other"]).ok();
        env.run(&["volume", "rm", "vol"]).ok();
    });
}

#[test]
fn owners_are_those_of_the_container() {
    isolated(|env| {
        stage::busybox(env);
        let dir = env.place.join("dir");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("file"), "").unwrap();
        std::os::unix::fs::chown(dir.join("file"), Some(5), Some(6)).unwrap();
        std::fs::set_permissions(dir.join("file"), PermissionsExt::from_mode(0o4755)).unwrap();
        let dir = dir.to_str().unwrap();
        for maps in [&[][..], &["--uidmap", "0:300000:70000", "--gidmap", "0:400000:70000"]] {
            let base = [&["run", "-d", "--name", "box", "-u", "web", "--network", "none"], maps].concat();
            env.run(&[&base[..], &["busybox", "sleep", "1000"]].concat()).ok();
            // Running, and not.
            for state in ["running", "exited"] {
                cp(env, dir, &format!("box:/tmp/{state}"));
                env.run(&["cp", "--archive=false", dir, &format!("box:/tmp/kept-{state}")]).ok();
                let out = env.place.join(format!("out-{state}"));
                cp(env, &format!("box:/tmp/kept-{state}"), out.to_str().unwrap());
                let meta = out.join("file").metadata().unwrap();
                // Ours now, and nobody's way to more rights.
                assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (0, 0, 0o755), "{maps:?} {state}");
                std::fs::remove_dir_all(&out).unwrap();
                env.run(&["stop", "-t", "0", "box"]).ok();
            }
            env.run(&["start", "box"]).ok();
            let look =
                "stat -c '%u:%g %a' /tmp/running/file /tmp/exited/file /tmp/kept-running/file /tmp/kept-exited/file";
            let seen = env.run(&["exec", "box", "sh", "-c", look]).lines();
            assert_eq!(seen, ["1000:1001 4755", "1000:1001 4755", "5:6 4755", "5:6 4755"], "{maps:?}");
            let archive = env.run(&["cp", "box:/tmp/kept-running/.", "-"]).stdout;
            let header = &archive[..512];
            assert_eq!((&header[108..115], &header[116..123]), (&b"0000005"[..], &b"0000006"[..]), "ids of the inside");
            env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        }
    });
}

#[test]
fn an_ordinary_user_copies_too() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        env.ignore(&format!("file: {}/cache/", env.user.store.display()));
        let archive = env.user.tmp.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["busybox"])).unwrap();
        let user = env.user.clone();
        user.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        std::fs::remove_file(&archive).unwrap();
        let home = user.home.display().to_string();
        for flags in [&[][..], &["--userns", "keep-id"], &["-u", "web"]] {
            let base = [&["run", "-d", "--name", "box", "--network", "none"], flags].concat();
            user.run(&[&base[..], &["busybox", "sleep", "1000"]].concat()).ok();
            std::fs::write(user.home.join("file"), "text").unwrap();
            for state in ["running", "exited"] {
                user.run(&["cp", &format!("{home}/file"), &format!("box:/tmp/{state}")]).ok();
                user.run(&["cp", &format!("box:/tmp/{state}"), &format!("{home}/back")]).ok();
                let meta = user.home.join("back").metadata().unwrap();
                assert_eq!((meta.uid(), meta.len()), (user.uid, 4), "{flags:?} {state}");
                std::fs::remove_file(user.home.join("back")).unwrap();
                user.run(&["stop", "-t", "0", "box"]).ok();
            }
            user.run(&["start", "box"]).ok();
            let seen = user.run(&["exec", "box", "sh", "-c", "id -u; stat -c %u /tmp/running /tmp/exited"]).lines();
            assert!(seen.iter().all(|id| *id == seen[0]), "{flags:?}: {seen:?}");
            user.run(&["rm", "-f", "-t", "0", "box"]).ok();
        }
        std::fs::remove_file(user.home.join("file")).unwrap();
        user.run(&["rmi", "busybox"]).ok();
    });
}

/// R4.
#[test]
fn a_container_that_swaps_links_reaches_nothing_of_the_host() {
    isolated(|env| {
        stage::busybox(env);
        let place = env.place.join("bait");
        std::fs::create_dir(&place).unwrap();
        let racer = program("racer");
        let mount = format!("{}:/racer:ro", racer.display());
        // `a` is now a directory, now a link to `/`: whose `/` is the question.
        let words = [
            "run",
            "-d",
            "--name",
            "box",
            "--network",
            "none",
            "-v",
            &mount,
            "busybox",
            "/racer",
            "/tmp",
            "a",
            "b",
            "60",
        ];
        env.run(&words).ok();
        eventually("the race is on", || env.run(&["exec", "box", "test", "-e", "/tmp/b"]).code == 0);
        let bait = place.join("secret");
        std::fs::write(&bait, "of the host").unwrap();
        let (inside, out) = (format!("box:/tmp/a{}", bait.display()), env.place.join("out"));
        let marker = env.place.join("dhow-marker");
        std::fs::write(&marker, "x").unwrap();
        for _ in 0..40 {
            let taken = env.run(&["cp", &inside, out.to_str().unwrap()]);
            assert!(taken.code == 125 && !out.exists(), "{taken}");
            // Either into the directory or to the container's root.
            env.run(&["cp", marker.to_str().unwrap(), "box:/tmp/a"]);
            env.run(&["cp", place.to_str().unwrap(), "box:/tmp/a/"]);
            env.run(&["cp", "box:/tmp/.", out.to_str().unwrap()]);
            assert!(!out.join("a/bait/secret/x").exists());
            drop(std::fs::remove_dir_all(&out));
        }
        for path in ["/dhow-marker", "/bait", "/a", "/b"] {
            assert!(!Path::new(path).exists(), "{path} came out of the container");
        }
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

/// R4.
#[test]
fn what_lies_in_a_container_does_not_lead_out_of_it() {
    isolated(|env| {
        stage::busybox(env);
        let out = env.place.join("out");
        std::fs::create_dir(&out).unwrap();
        let path = out.to_str().unwrap();
        env.run(&["create", "--name", "box", "--network", "none", "busybox", "true"]).ok();
        let tree = env.place.join("tree");
        std::fs::create_dir(&tree).unwrap();
        symlink(&out, tree.join("link")).unwrap();
        symlink("../../../../../../../../../../../../etc", tree.join("up")).unwrap();
        cp(env, tree.to_str().unwrap(), "box:/tree");
        // Through links that mean a place of the host: they mean the container's.
        let secret = env.place.join("secret");
        std::fs::write(&secret, "x").unwrap();
        env.run(&["cp", secret.to_str().unwrap(), "box:/tree/link/x"])
            .fails(125, "could not be found on container box");
        cp(env, secret.to_str().unwrap(), "box:/tree/up");
        env.run(&["cp", "box:/tree/link/../secret", path]).fails(125, "could not be found on container box");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
        assert_eq!(env.run(&["cp", "box:/etc/secret", "-"]).code, 0);
        // Come out, links are links: nothing is written through them.
        cp(env, "box:/tree", path);
        assert!(out.join("tree/link").is_symlink() && out.join("tree/up").is_symlink());
        let archive = env.place.join("climb.tar");
        std::fs::write(&archive, crate::support::tar::archive(&[crate::support::tar::Entry::file("../x", 0o644, "x")]))
            .unwrap();
        let bytes = std::fs::read(&archive).unwrap();
        env.root.run_with(&["cp", "-", "box:/tmp"], &bytes).fails(125, "leaves its directory");
        env.run(&["rm", "box"]).ok();
    });
}

/// R4: a mount of a container that does not run is reached, and its place in the root is left to the start.
#[test]
fn a_copy_makes_no_place_for_a_mount() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["create", "--name", "box", "--network", "none", "-v", "kept:/not/there", "busybox", "true"]).ok();
        let file = env.place.join("file");
        std::fs::write(&file, "words").unwrap();
        cp(env, file.to_str().unwrap(), "box:/not/there/file");
        let volume = env.run(&["volume", "inspect", "-f", "{{.Mountpoint}}", "kept"]).ok();
        assert_eq!(std::fs::read_to_string(Path::new(&volume).join("file")).unwrap(), "words");
        assert_eq!(env.run(&["diff", "box"]).ok(), "");
        env.run(&["rm", "-v", "box"]).ok();
        env.run(&["volume", "rm", "-f", "kept"]).ok();
        std::fs::remove_file(file).unwrap();
    });
}
