//! What `-v`, `--mount`, `--tmpfs` and `--read-only` make of the file system, and volumes that remember.

use serde_json::json;

use super::stage;
use crate::support::image::{Image, Packing};
use crate::support::tar::Entry;
use crate::support::{isolated, require};

#[test]
fn binds_are_what_was_asked_for() {
    isolated(|env| {
        stage::busybox(env);
        let source = env.place.join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("file"), "from the host").unwrap();
        let path = source.display().to_string();
        let run = |flag: &str, value: &str, script: &str| {
            env.run(&["run", "--rm", "--network", "none", flag, value, "busybox", "sh", "-c", script])
        };
        assert_eq!(run("-v", &format!("{path}:/x"), "cat /x/file; echo new > /x/new").ok(), "from the host");
        assert_eq!(std::fs::read_to_string(source.join("new")).unwrap(), "new\n");
        run("-v", &format!("{path}:/x:ro"), "touch /x/no").exits(1);
        run("--mount", &format!("type=bind,src={path},dst=/x,ro"), "touch /x/no").exits(1);
        assert_eq!(run("-v", &format!("{path}:/x:O"), "echo over > /x/over; cat /x/over").ok(), "over");
        assert!(!source.join("over").exists() && !source.join("no").exists());
        for (value, words) in [
            ("a:b:c:d", "incorrect volume format, should be [host-dir:]ctr-dir[:option]"),
            ("vol:rel", "invalid container path \"rel\", must be an absolute path"),
            ("/none:/x", "statfs /none: no such file or directory"),
        ] {
            run("-v", value, "true").fails(125, words);
        }
        std::fs::remove_dir_all(source).unwrap();
    });
}

#[test]
fn a_tmpfs_has_its_size_and_mode() {
    isolated(|env| {
        stage::busybox(env);
        let run = |flags: &[&str], script: &str| {
            let base = ["run", "--rm", "--network", "none"];
            env.run(&[&base, flags, &["busybox", "sh", "-c", script]].concat())
        };
        let look = "stat -c %a /t; df -k /t | tail -n 1 | awk '{print $2}'";
        assert_eq!(run(&["--tmpfs", "/t:size=64k,mode=700"], look).ok(), "700\n64");
        assert_eq!(run(&["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=711"], look).ok(), "711\n1024");
        assert_eq!(run(&["--tmpfs", "/etc"], "cat /etc/hostname | wc -l").ok(), "1");
        run(&["--read-only"], "touch /tmp/x /run/x && ! touch /x").ok();
        run(&["--read-only", "--read-only-tmpfs=false"], "touch /tmp/x").exits(1);
    });
}

#[test]
fn a_volume_begins_with_the_images_files_and_remembers() {
    isolated(|env| {
        let seed = [Entry::dir("data/", 0o750), Entry::file("data/seed", 0o640, "seed")];
        env.load(&Image::busybox().layer(&seed, Packing::Gzip).with("Volumes", json!({"/data": {}})), "seeded").ok();
        env.run(&["run", "--rm", "--network", "none", "seeded", "true"]).ok();
        stage::settle(env);
        env.keep_images();
        let run = |volume: &str, script: &str| {
            env.run(&["run", "--rm", "--network", "none", "-v", volume, "seeded", "sh", "-c", script]).ok()
        };
        assert_eq!(run("vol:/data", "stat -c '%a' /data; cat /data/seed; echo kept > /data/kept"), "750\nseed");
        assert_eq!(run("vol:/elsewhere", "cat /elsewhere/kept"), "kept");
        // The image's own volume, and one without a name, go with the container.
        assert_eq!(run("/more", "cat /data/seed"), "seed");
        assert_eq!(env.run(&["volume", "ls", "-q"]).ok(), "vol");
        env.run(&["create", "--name", "box", "-v", "vol:/data", "seeded"]).ok();
        env.run(&["volume", "rm", "vol"]).exits(2);
        env.run(&["rm", "box"]).ok();
        assert_eq!(env.run(&["volume", "rm", "vol"]).ok(), "vol");
        env.run(&["volume", "rm", "vol"]).exits(1);
    });
}

#[test]
fn patterns_terminals_and_memory_are_mounted() {
    isolated(|env| {
        stage::busybox(env);
        let run = |mount: &str, script: &str| {
            env.run(&["run", "--rm", "--network", "none", "--mount", mount, "busybox", "sh", "-c", script])
        };
        let dir = env.place.join("patterns");
        std::fs::create_dir(&dir).unwrap();
        for name in ["one.so", "two.so", "three.txt"] {
            std::fs::write(dir.join(name), name).unwrap();
        }
        let dir = dir.to_str().unwrap();
        let look = "cd /lib; cat *.so; rm -f one.so 2>/dev/null || echo kept; echo x > one.so || echo read-only";
        let said = run(&format!("type=glob,src={dir}/*.so,dst=/lib,ro"), look);
        assert_eq!(said.text().replace('\n', " ").trim(), "one.sotwo.sokept read-only");
        assert_eq!(run(&format!("type=glob,src={dir}/t*"), &format!("ls {dir}")).ok(), "three.txt\ntwo.so");
        run(&format!("type=glob,src={dir}/none*"), "true").fails(125, "no file paths matching glob");
        let terminals = "mount | grep ' /pts ' | grep -c devpts; ls /pts; touch /pts/x 2>/dev/null || echo none";
        assert_eq!(run("type=devpts,dst=/pts,mode=0620,max=4", terminals).ok(), "1\nptmx\nnone");
        let memory = "mount | grep ' /m ' | cut -d' ' -f5; stat -c %a /m; echo text > /m/x; cat /m/x";
        assert_eq!(run("type=ramfs,dst=/m,mode=700", memory).ok(), "ramfs\n700\ntext");
        run("type=tmpfs,dst=/t,subpath=x", "true").fails(125, "\"subpath\" option not supported for \"tmpfs\"");
    });
}

/// The files of another image, of one layer and of two, for root and in a user namespace.
#[test]
fn images_are_mounted_with_their_own_files() {
    isolated(|env| {
        stage::busybox(env);
        let (first, second) = (Entry::file("data/one", 0o644, *b"1"), Entry::file("data/two", 0o644, *b"2"));
        env.load(&Image::busybox().layer(&[first], Packing::Gzip).layer(&[second], Packing::Gzip), "files").ok();
        let container = |flags: &[&str], mount: &str, script: &str| {
            let words =
                [&["run", "--rm", "--network", "none"], flags, &["--mount", mount, "busybox", "sh", "-c", script]];
            env.run(&words.concat())
        };
        let mount = "type=image,source=files,destination=/i";
        assert_eq!(container(&[], mount, "cat /i/data/one /i/data/two").ok(), "12");
        container(&[], mount, "touch /i/x").exits(1);
        let mapped = ["--uidmap", "0:100000:1000"];
        let owners = container(&mapped, mount, "stat -c '%u %g' /i/data/one; cat /i/data/one");
        if require::maps_tmpfs() {
            assert_eq!(owners.ok(), "0 0\n1");
        } else {
            owners.fails(125, "cannot map the owners of files");
        }
        assert_eq!(container(&[], "type=image,src=busybox,dst=/i", "ls /i/bin/busybox").ok(), "/i/bin/busybox");
        container(&[], "type=image,src=nosuch,dst=/i", "true").fails(125, "nosuch: image not known");
        container(&[], "type=image,dst=/i", "true").fails(125, "must set source");
        // What is written is the container's own, and goes with it.
        let rw = "type=image,source=files,destination=/i,rw=true";
        assert_eq!(container(&[], rw, "echo new > /i/data/one; cat /i/data/one").ok(), "new");
        if require::maps_tmpfs() {
            assert_eq!(container(&mapped, rw, "echo new > /i/data/one; cat /i/data/one").ok(), "new");
        }
        assert_eq!(container(&[], mount, "cat /i/data/one").ok(), "1");
        // Who mounts an image uses it.
        env.run(&["create", "--name", "box", "--network", "none", "--mount", mount, "busybox", "cat", "/i/data/two"])
            .ok();
        env.run(&["rmi", "files"]).fails(2, "image is in use by a container");
        env.run(&["image", "prune", "-a", "-f"]).ok();
        assert_eq!(env.run(&["start", "-a", "box"]).ok(), "2");
        let shown =
            env.run(&["inspect", "box", "--format", "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{end}}"]);
        assert_eq!(shown.ok(), "image /i false");
        env.run(&["rmi", "-f", "files"]).ok();
        assert_eq!(env.run(&["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn an_mtab_is_there_and_never_in_the_users_directory() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "--name", "box", "--network", "none", "busybox", "readlink", "/etc/mtab"]).ok();
        assert_eq!(env.run(&["logs", "box"]).ok(), "/proc/mounts");
        assert!(!env.run(&["diff", "box"]).ok().contains("mtab"));
        env.run(&["rm", "box"]).ok();
        let own = [Entry::dir("etc/", 0o755), Entry::file("etc/mtab", 0o640, "own")];
        env.load(&Image::busybox().layer(&own, Packing::Gzip), "own").ok();
        let cat = ["own", "cat", "/etc/mtab"];
        assert_eq!(env.run(&[&["run", "--rm", "--network", "none"], &cat[..]].concat()).ok(), "own");
        let etc = env.place.join("mine");
        std::fs::create_dir(&etc).unwrap();
        let bind = format!("{}:/etc", etc.display());
        env.run(&["run", "--rm", "--network", "none", "-v", &bind, "busybox", "readlink", "/etc/mtab"]).exits(1);
        assert!(!etc.join("mtab").is_symlink());
        std::fs::remove_dir_all(etc).unwrap();
        env.run(&["rmi", "own"]).ok();
    });
}
