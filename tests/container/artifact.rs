//! `--mount type=artifact`: the files of an artifact inside, for every user there, as the store has them by the start.

use serde_json::json;

use super::stage;
use crate::require;
use crate::support::image::{Image, Packing};
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::{Outcome, TestEnv, isolated, require};

/// The artifact `several` of two files, `single` of one.
fn artifacts(env: &mut TestEnv) {
    env.ignore(&format!("file: {}", env.root.store.join("images/artifacts").display()));
    let file = |name: &str, text: &str| {
        let path = env.place.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    env.run(&["artifact", "add", "several", &file("one", "1\n"), &file("two", "2\n")]).ok();
    env.run(&["artifact", "add", "single", &file("only", "alone\n")]).ok();
}

fn run(env: &TestEnv, flags: &[&str], mount: &str, script: &str) -> Outcome {
    let mount = format!("type=artifact,{mount}");
    let words = [&["run", "--rm", "--network", "none", "--mount", &mount], flags, &["busybox", "sh", "-c", script]];
    env.run(&words.concat())
}

fn clear(env: &TestEnv) {
    env.run(&["artifact", "rm", "--all"]).ok();
}

#[test]
fn files_of_an_artifact_are_mounted_by_their_names() {
    isolated(|env| {
        stage::busybox(env);
        artifacts(env);
        let show = |mount: &str, script: &str| run(env, &[], mount, script).ok();
        // One file: at the path itself, unless that is a directory.
        assert_eq!(show("src=single,dst=/new/file", "cat /new/file"), "alone");
        assert_eq!(
            show("src=single,dst=/etc/hostname,name=x", "cat /etc/hostname; ls /etc/x 2>&1 | wc -l"),
            "alone\n1"
        );
        assert_eq!(show("src=single,dst=/home", "ls /home; cat /home/only"), "only\nalone");
        assert_eq!(show("src=single,dst=/home,name=x", "ls /home; cat /home/x"), "x\nalone");
        // Several: always in a directory.
        assert_eq!(show("src=several,dst=/new", "ls /new; cat /new/one /new/two"), "one\ntwo\n1\n2");
        assert_eq!(show("source=several,dest=/new,name=f", "cat /new/f-0 /new/f-1"), "1\n2");
        assert_eq!(show("src=several,dst=/new,title=two", "cat /new"), "2");
        assert_eq!(show("src=several,dst=/home,title=two", "ls /home; cat /home/two"), "two\n2");
        let document = env.run(&["artifact", "inspect", "several"]).json();
        let digest = document["Manifest"]["layers"][0]["digest"].as_str().unwrap().to_owned();
        let mount = format!("src=several,dst=/home,digest={digest}");
        assert_eq!(show(&mount, "ls /home; cat /home/*"), format!("{}\n1", digest.replace(':', "-")));
        for (mount, words) in [
            ("src=several,dst=/etc/passwd", "contains more than one blob and container path \"/etc/passwd\" is a file"),
            ("src=several,dst=/new,title=three", "no blob with the title \"three\""),
            ("src=several,dst=/new,digest=sha256:0123", "no blob with the digest \"sha256:0123\""),
            ("src=several,dst=/new,title=one,digest=12", "cannot specify both digest and title"),
            ("src=several,dst=/new,rw=true", "rw: invalid mount option"),
            ("src=nosuch,dst=/new", "nosuch: artifact does not exist"),
            ("dst=/new", "must set source and destination for artifact volume"),
        ] {
            run(env, &[], mount, "true").fails(125, words);
        }
        let twice = ["--mount", "type=artifact,src=single,dst=/new"];
        run(env, &twice, "src=several,dst=/new", "true").fails(125, "/new: duplicate mount destination");
        clear(env);
    });
}

/// R15 does not hold for the file itself: who is not root inside reads it all the same. Nobody writes it.
#[test]
fn an_artifact_is_read_by_all_users_inside_and_written_by_none() {
    isolated(|env| {
        stage::busybox(env);
        artifacts(env);
        let read = "src=single,dst=/a";
        assert_eq!(run(env, &["--user", "1000"], read, "cat /a").ok(), "alone");
        let write = "echo x > /a || rm -f /a || mount -o remount,rw /a || echo kept; cat /a";
        let mut all = vec![&[][..], &["--cap-add", "dac_override"]];
        if require::maps_tmpfs() {
            all.push(&["--uidmap", "0:100000:1000"]);
        }
        for flags in all {
            assert_eq!(run(env, flags, read, write).text().lines().last(), Some("alone"), "{flags:?}");
        }
        assert_eq!(env.run(&["system", "check"]).ok(), "");
        // Who mounts the volumes of another makes nothing writable.
        env.run(&["create", "--name", "box", "--mount", "type=artifact,src=single,dst=/a", "busybox", "true"]).ok();
        let mounts = env.run(&["inspect", "box", "--format", "{{json .Mounts}}"]).json();
        assert_eq!(mounts[0]["Type"], "artifact");
        assert_eq!((&mounts[0]["Source"], &mounts[0]["RW"]), (&json!("single"), &json!(false)));
        let from = ["run", "--rm", "--network", "none", "--volumes-from", "box:rw", "busybox", "sh", "-c", write];
        assert_eq!(env.run(&from).text().lines().last(), Some("alone"));
        env.run(&["rm", "box"]).ok();
        clear(env);
    });
}

#[test]
fn a_container_keeps_what_it_was_started_with() {
    isolated(|env| {
        stage::busybox(env);
        artifacts(env);
        let mount = "type=artifact,src=several,dst=/data";
        env.run(&["run", "-d", "--name", "box", "--network", "none", "--mount", mount, "busybox", "sleep", "1000"])
            .ok();
        env.run(&["artifact", "rm", "several"]).ok();
        env.run(&["image", "prune", "-f"]).ok();
        assert_eq!(env.run(&["exec", "box", "cat", "/data/one", "/data/two"]).ok(), "1\n2");
        env.run(&["restart", "-t0", "box"]).fails(125, "several: artifact does not exist");
        let (one, two) = (env.place.join("one"), env.place.join("three"));
        std::fs::write(&two, "3\n").unwrap();
        env.run(&["artifact", "add", "several", &one.display().to_string(), &two.display().to_string()]).ok();
        env.run(&["start", "box"]).ok();
        assert_eq!(env.run(&["exec", "box", "cat", "/data/one", "/data/three"]).ok(), "1\n3");
        env.run(&["rm", "-f", "-t0", "box"]).ok();
        clear(env);
    });
}

/// As an ordinary user, with an image of several layers, and where a container's root is a copy.
#[test]
fn an_ordinary_user_mounts_artifacts() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        env.ignore(&format!("file: {}/cache/", env.user.store.display()));
        env.ignore(&format!("file: {}", env.user.store.join("images/artifacts").display()));
        let user = env.user.clone();
        let write = |name: &str, bytes: &[u8]| {
            let path = user.tmp.join(name);
            std::fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let image = Image::busybox().layer(&[Entry::file("data/old", 0o644, *b"old")], Packing::Gzip);
        let (archive, file) = (write("image.tar", &image.docker_archive(&["box"])), write("file", b"text"));
        user.run(&["load", "-q", "-i", &archive]).ok();
        user.run(&["artifact", "add", "thing", &file]).ok();
        for driver in [&[][..], &["--storage-driver", "vfs"]] {
            for (target, place) in [("/data", "/data/file"), ("/data/old", "/data/old"), ("/new", "/new")] {
                let mount = format!("type=artifact,src=thing,dst={target}");
                let script = format!("cat {place}; echo x > {place} || true");
                let words =
                    ["run", "--rm", "--network", "none", "--user", "1", "--mount", &mount, "box", "sh", "-c", &script];
                assert_eq!(user.run(&[driver, &words].concat()).ok(), "text", "{driver:?} {target}");
            }
        }
        user.run(&["artifact", "rm", "thing"]).ok();
        user.run(&["rmi", "box"]).ok();
        std::fs::remove_file(archive).unwrap();
        std::fs::remove_file(file).unwrap();
    });
}

/// A title of a registry names a file and no path (R1), and no two files have one name.
#[test]
fn a_foreign_title_is_mounted_nowhere_else() {
    isolated(|env| {
        stage::busybox(env);
        env.ignore(&format!("file: {}", env.root.store.join("images/artifacts").display()));
        let registry: Registry = stage::registry(env);
        let config = registry.add_blob(b"{}".to_vec());
        let blobs = [registry.add_blob(b"one".to_vec()), registry.add_blob(b"two".to_vec())];
        for (titles, words) in [
            (["../etc/passwd", "b"], "the title \"../etc/passwd\" is not the name of a file"),
            (["a", ".."], "the title \"..\" is not the name of a file"),
            (["a", "a"], "annotation \"org.opencontainers.image.title\":\"a\" is used in multiple different layers"),
        ] {
            let layer = |number: usize| {
                json!({"mediaType": "a/b", "digest": blobs[number], "size": 3,
                    "annotations": {"org.opencontainers.image.title": titles[number]}})
            };
            let kind = "application/vnd.oci.image.manifest.v1+json";
            let document = json!({"schemaVersion": 2, "mediaType": kind, "artifactType": "a/b",
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
                "layers": [layer(0), layer(1)]});
            registry.add_manifest("bad", "1", kind, document.to_string().as_bytes());
            let name = registry.reference("bad:1");
            env.run(&["artifact", "pull", "-q", "--tls-verify=false", &name]).ok();
            run(env, &[], &format!("src={name},dst=/home"), "true").fails(125, words);
            assert_eq!(run(env, &[], &format!("src={name},dst=/home,name=x"), "cat /home/x-1").ok(), "two");
        }
        clear(env);
    });
}
