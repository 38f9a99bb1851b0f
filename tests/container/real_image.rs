//! Images with all that real ones have, as a container sees them: file by file what podman unpacks; and images that
//! mean harm, which reach nothing outside.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::env::program;
use crate::support::image::{Flavor, Image, Layer, Packing, busybox_entries};
use crate::support::isolated;
use crate::support::registry::Registry;
use crate::support::tar::{Entry, archive};
use crate::support::tools::Tools;

/// `cap_net_raw+ep`, as the kernel keeps it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Everything that containers are given or mounted on is in the image, so that nothing has to be made.
fn base() -> Vec<Entry> {
    let mut entries = busybox_entries();
    entries.push(Entry::dir("var/tmp/", 0o1777));
    for name in ["etc/hosts", "etc/resolv.conf", "probe", "run/.containerenv"] {
        entries.push(Entry::file(name, 0o644, ""));
    }
    entries.push(Entry::symlink("etc/mtab", "/proc/mounts"));
    entries
}

/// Four layers with what is hard: each removes or changes what lies below.
pub(super) fn tricky() -> Image {
    let long = format!("long/{}", "n".repeat(250));
    let deep: String = (0..60).map(|n| format!("d{n}/")).collect();
    let first = vec![
        Entry::dir("a/", 0o750).owner(1000, 2000).mtime(1_000_000_000),
        Entry::file("a/one", 0o640, "one").owner(1, 2).mtime(1_000_000_001),
        Entry::hardlink("a/one-linked", "a/one").mode(0o640).owner(1, 2).mtime(1_000_000_001),
        Entry::file("a/gone", 0o644, "gone"),
        Entry::dir("a/gone-dir/", 0o755),
        Entry::file("a/gone-dir/file", 0o644, "gone"),
        Entry::dir("opaque/", 0o755),
        Entry::file("opaque/hidden", 0o644, "hidden"),
        Entry::dir("opaque/sub/", 0o755),
        Entry::file("opaque/sub/hidden", 0o644, "hidden"),
        Entry::dir("becomes-file/", 0o755),
        Entry::file("becomes-file/x", 0o644, "x"),
        Entry::file("becomes-dir", 0o644, "x"),
        Entry::symlink("becomes-dir-too", "a"),
        Entry::dir("comes-back/", 0o755),
        Entry::file("comes-back/old", 0o644, "old"),
        Entry::file("bin/setuid", 0o4755, "s"),
        Entry::file("bin/setgid", 0o2755, "s").owner(0, 8),
        Entry::file("bin/owned-setuid", 0o6711, "s").owner(1000, 1001),
        Entry::dir("sticky/", 0o1777),
        Entry::dir("setgid-dir/", 0o2775).owner(0, 50),
        Entry::file("bin/capable", 0o755, "c").xattr("security.capability", CAPABILITY),
        Entry::file("bin/user", 0o644, "u").xattr("user.color", "blue").xattr("user.binary", [0_u8, 255, 10]),
        Entry::file("no-permissions", 0, "n"),
        Entry::file("fractions", 0o644, "f").pax("mtime", "1234567890.123456789"),
        Entry::file("old", 0o644, "o").mtime(0),
        Entry::file("big-owner", 0o644, "b").owner(1_000_000_000, 5).pax("gid", "1000000001"),
        Entry::symlink("dangling", "/nowhere/at/all").mtime(5),
        Entry::symlink("absolute", "/etc/passwd").owner(7, 8),
        Entry::symlink("above", "../../../etc/passwd"),
        Entry::fifo("pipe", 0o620).owner(3, 4),
        Entry::char_device("null", 0o666, 1, 3),
        Entry::block_device("block", 0o660, 7, 200).owner(0, 6),
        Entry::dir("long/", 0o755),
        Entry::file(&long, 0o644, "long"),
        Entry::file(&deep[..deep.len() - 1], 0o644, "deep"),
        Entry::symlink("long-link", "t".repeat(600)),
        Entry::file("unicode-\u{e4}\u{1f600}", 0o644, "u"),
        Entry::file("blank and\ttab\nnewline", 0o644, "b"),
        Entry::file(b"latin-\xe4", 0o644, "l"),
        Entry::file("-dash", 0o644, "d"),
        Entry::file("empty", 0o644, ""),
        Entry::file("block-size", 0o644, vec![b'x'; 512]),
        Entry::sparse("sparse", 0o644, 40 << 20, &[(1 << 20, b"in the middle"), ((40 << 20) - 3, b"end")]),
        Entry::file("./dotted", 0o644, "d"),
        Entry::dir("implied/", 0o755).mtime(77),
    ];
    // Directories that a layer does not name are dhow's and docker's own way, not podman's: see `tests/image`.
    let directory = || Entry::dir("a/", 0o750).owner(1000, 2000).mtime(1_000_000_000);
    let second = vec![
        directory(),
        Entry::whiteout("a/gone"),
        Entry::whiteout("a/gone-dir"),
        Entry::dir("opaque/", 0o711).mtime(1_100_000_000),
        Entry::opaque("opaque"),
        Entry::file("opaque/new", 0o644, "new"),
        Entry::file("becomes-file", 0o644, "a file"),
        Entry::dir("becomes-dir/", 0o755),
        Entry::file("becomes-dir/inside", 0o644, "i"),
        Entry::dir("becomes-dir-too/", 0o755),
        Entry::file("becomes-dir-too/inside", 0o644, "i"),
        Entry::whiteout("comes-back"),
        // A link to a file of another layer: whoever makes the layer writes the file again, as overlayfs copied it.
        Entry::file("a/one", 0o640, "one").owner(1, 2).mtime(1_000_000_001),
        Entry::hardlink("linked-across", "a/one").mode(0o640).owner(1, 2).mtime(1_000_000_001),
        Entry::file("bin/capable", 0o755, "c").xattr("security.capability", CAPABILITY),
        Entry::hardlink("capable-across", "bin/capable").mode(0o755).xattr("security.capability", CAPABILITY),
        Entry::file("implied/x", 0o644, "x"),
        Entry::whiteout("never-was"),
    ];
    let third = vec![
        directory(),
        Entry::dir("comes-back/", 0o700).mtime(9),
        Entry::file("comes-back/new", 0o644, "new"),
        Entry::file("a/gone", 0o600, "back"),
        Entry::file("a/one", 0o600, "changed").mtime(3),
        Entry::dir("sticky/", 0o700).owner(9, 9).mtime(4),
        Entry::whiteout("no-permissions"),
    ];
    let layers = vec![
        Layer::new(&base(), Packing::Gzip),
        Layer::new(&first, Packing::Gzip),
        Layer::new(&second, Packing::Zstd),
        Layer::new(&third, Packing::None),
    ];
    Image::of(layers)
}

/// Runs a first container: what a host has from then on, such as the parent of all cgroups, is nobody's leak.
pub(super) fn warm(env: &mut TestEnv) {
    env.load(&Image::busybox(), "localhost/warm:1").ok();
    env.run(&["run", "--rm", "--network", "none", "warm:1", "/bin/true"]).ok();
    env.run(&["rmi", "-a"]).ok();
    env.rebase();
}

/// A tree as `probe tree` prints it, by name.
pub(super) fn parse(text: &str) -> BTreeMap<String, Value> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        (value["name"].as_str().unwrap().to_owned(), value)
    };
    text.lines().map(line).collect()
}

/// What a container of `name` sees.
pub(super) fn seen(env: &TestEnv, name: &str) -> BTreeMap<String, Value> {
    let probe = format!("{}:/probe:ro", program("probe").display());
    parse(
        &env.run(&["run", "--rm", "--network", "none", "--read-only", "-v", &probe, name, "/probe", "tree", "/"]).ok(),
    )
}

/// What podman unpacked.
pub(super) fn theirs(tools: &Tools<'_>, name: &str) -> BTreeMap<String, Value> {
    let podman = tools.podman_words().join(" ");
    let script = format!("m=$({podman} image mount \"$1\") && \"$2\" tree \"$m\"; {podman} image umount -a >/dev/null");
    let probe = program("probe").display().to_string();
    parse(&tools.run(&["sh", "-c", &script, "sh", name, &probe]))
}

/// Fails unless both trees are the same, less what every container gets.
#[track_caller]
pub(super) fn same(ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) {
    let given = |name: &str| {
        let mounted = ["dev", "proc", "sys", "tmp", "run", "var/tmp"];
        let files = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "probe"];
        files.contains(&name) || mounted.iter().any(|d| name == *d || name.starts_with(&format!("{d}/")))
    };
    let mut wrong = Vec::new();
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names.into_iter().filter(|name| !given(name)) {
        let (mut ours, mut theirs) = (ours.get(name).cloned(), theirs.get(name).cloned());
        // podman leaves the time of now on directories that a layer adds to without naming them.
        if let (Some(ours), Some(theirs)) = (&mut ours, &mut theirs)
            && theirs["mode"].as_str().is_some_and(|mode| mode.starts_with('4'))
            && theirs["mtime"][0].as_u64() > Some(1_700_000_000)
        {
            ours["mtime"] = json!("unspecified");
            theirs["mtime"] = json!("unspecified");
        }
        // podman's root directory is 0555 whatever the layers say of it.
        if let (Some(ours), Some(theirs), true) = (&mut ours, &mut theirs, name.is_empty()) {
            theirs["mode"] = ours["mode"].take();
            ours["mode"] = theirs["mode"].clone();
        }
        if ours != theirs {
            let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
            wrong.push(format!("{name:?}\n  ours   {}\n  podman {}", show(&ours), show(&theirs)));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_container_sees_what_podman_unpacks() {
    require!(podman, busybox);
    isolated(|env| {
        warm(env);
        let image = tricky();
        let registry = Registry::beside(env);
        registry.add("tricky", "1", &image, Flavor::Oci);
        let name = registry.reference("tricky:1");
        let tools = Tools::new(env);
        env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
        tools.podman(&["pull", "-q", "--tls-verify=false", &name]).ok();
        let (ours, theirs) = (seen(env, &name), theirs(&tools, &name));
        same(&ours, &theirs);
        // What the comparison is made of is really there.
        assert!(ours.len() > 300 && !ours.contains_key("a/gone-dir") && ours.contains_key("linked-across"));
        assert_eq!(ours["bin/setuid"]["mode"], "104755");
        assert_eq!(ours["bin/capable"]["xattrs"]["security.capability"].as_str().unwrap().len(), 40);
        let in_it =
            |command: &str| env.run(&["run", "--rm", "--network", "none", &name, "/bin/sh", "-c", command]).ok();
        let blocks: u64 = in_it("stat -c %b /sparse").parse().unwrap();
        assert!(blocks < 1000, "{blocks} blocks for a sparse file");
        assert_eq!(in_it("stat -c '%i %h' /bin/ls /bin/cat | uniq | wc -l"), "1", "hard links stay links");
        // Saved and loaded, it is still the same.
        let file = env.place.join("saved").display().to_string();
        env.run(&["save", "-q", "--format", "oci-archive", "-o", &file, &name]).ok();
        env.run(&["rmi", "-af"]).ok();
        env.nothing_is_left();
        env.run(&["load", "-q", "-i", &file]).ok();
        same(&seen(env, &name), &theirs);
    });
}

/// What dhow writes is unpacked by umoci as dhow unpacks it.
#[test]
fn what_is_written_is_what_umoci_unpacks() {
    require!(umoci, skopeo, busybox);
    isolated(|env| {
        warm(env);
        let registry = Registry::beside(env);
        registry.add("tricky", "1", &tricky(), Flavor::Oci);
        let name = registry.reference("tricky:1");
        env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
        let layout = env.place.join("layout").display().to_string();
        // umoci knows gzip only.
        let packed = ["push", "-q", "--compression-format", "gzip", "--force-compression"];
        env.run(&[&packed[..], &[&name, &format!("oci:{layout}:x")]].concat()).ok();
        let tools = Tools::new(env);
        tools.run(&["umoci", "stat", "--image", &format!("{layout}:x")]);
        tools.run(&["skopeo", "inspect", &format!("oci:{layout}:x")]);
        let bundle = env.place.join("bundle").display().to_string();
        tools.run(&["umoci", "unpack", "--image", &format!("{layout}:x"), &bundle]);
        let probe = program("probe").display().to_string();
        let theirs = parse(&tools.run(&[&probe, "tree", &format!("{bundle}/rootfs")]));
        same(&seen(env, &name), &theirs);
        std::fs::remove_dir_all(&bundle).unwrap();
        std::fs::remove_dir_all(&layout).unwrap();
    });
}

#[test]
fn a_whole_distribution_is_what_podman_unpacks() {
    require!(podman, busybox, distribution);
    let file = crate::support::distribution::path();
    isolated(|env| {
        warm(env);
        let given = [
            Entry::file("probe", 0o644, ""),
            Entry::file("etc/resolv.conf", 0o644, ""),
            Entry::symlink("etc/mtab", "/proc/mounts"),
        ];
        let extra = [Entry::whiteout("usr/share/doc"), Entry::file("etc/motd", 0o600, "hello")];
        let layers = vec![
            Layer::of_tar(std::fs::read(&file).unwrap(), Packing::Gzip),
            Layer::new(&given, Packing::None),
            Layer::new(&extra, Packing::Zstd),
        ];
        let archive = env.place.join("distribution.tar").display().to_string();
        std::fs::write(&archive, Image::of(layers).oci_archive("localhost/distribution:1")).unwrap();
        let tools = Tools::new(env);
        env.run(&["load", "-q", "-i", &archive]).ok();
        tools.podman(&["load", "-q", "-i", &archive]).ok();
        same(&seen(env, "distribution:1"), &theirs(&tools, "distribution:1"));
    });
}

/// buildah changes the image through a mount of all its layers, and what it makes of that is a layer like any other.
#[test]
fn what_buildah_built_on_it_is_the_same() {
    require!(podman, buildah, busybox);
    isolated(|env| {
        warm(env);
        let registry = Registry::beside(env);
        let tools = Tools::new(env);
        let below = [
            Entry::dir("a/", 0o750).owner(1000, 2000),
            Entry::file("a/one", 0o640, "one").owner(1, 2),
            Entry::dir("opaque/", 0o755),
            Entry::file("opaque/new", 0o644, "new"),
            Entry::file("opaque/old", 0o644, "old"),
            Entry::dir("becomes-dir/", 0o755),
            Entry::file("becomes-dir/inside", 0o644, "i"),
            Entry::file("bin/capable", 0o755, "c").xattr("security.capability", CAPABILITY),
            Entry::fifo("pipe", 0o620),
        ];
        let base = Image::of(vec![Layer::new(&base(), Packing::Gzip), Layer::new(&below, Packing::Gzip)]);
        std::fs::write(env.place.join("base.tar"), base.oci_archive("base")).unwrap();
        let buildah = tools.podman_words().join(" ").replacen("podman", "buildah", 1);
        let name = registry.reference("built:1");
        let change = "ln a/one across; ln bin/capable capable-across-again; rm opaque/new; rm -r becomes-dir; mkdir becomes-dir; \
            touch -d @100 becomes-dir; chown 5:6 bin/ls; chmod 4711 bin/sh; mv a moved; mkdir -p new/deep; mkfifo new/pipe; \
            truncate -s 10M new/sparse; printf x >>moved/one; ln -s /nowhere new/link; cp -a bin/capable new/copy; rm pipe";
        let script = format!(
            "b='{buildah}'; c=$($b from -q oci-archive:base.tar); m=$($b mount $c); (cd $m; {change}); $b umount $c; \
             $b config --cmd '/bin/ls' $c; $b commit -q $c localhost/built; \
             $b push -q --tls-verify=false localhost/built docker://{name}"
        );
        tools.run(&["sh", "-ec", &script]);
        env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
        let ours = seen(env, &name);
        same(&ours, &theirs(&tools, "localhost/built"));
        assert!(ours.contains_key("moved/one") && ours.contains_key("across") && !ours.contains_key("a"));
    });
}

/// Everything outside the store that a layer could reach, with contents.
fn outside(env: &TestEnv) -> Vec<String> {
    let mut out = Vec::new();
    let mut places = vec![env.place.clone(), "/etc/passwd".into(), "/run".into(), "/var/tmp".into(), "/dev/shm".into()];
    while let Some(path) = places.pop() {
        // What dhow itself leaves there the census sees.
        let own = [&env.root.store, &env.root.runtime, &env.place.join("etc-work")];
        if own.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
        if metadata.is_dir() {
            places.extend(std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        }
        let content =
            if metadata.is_file() && metadata.len() < 1 << 16 { std::fs::read(&path).unwrap() } else { Vec::new() };
        out.push(format!("{} {mode:o} {}", path.display(), String::from_utf8_lossy(&content)));
    }
    out.sort();
    out
}

#[track_caller]
fn unchanged(env: &TestEnv, before: &[String], what: &str) {
    let now = outside(env);
    let new: Vec<&String> = now.iter().filter(|line| !before.contains(line)).collect();
    let gone: Vec<&String> = before.iter().filter(|line| !now.contains(line)).collect();
    assert!(new.is_empty() && gone.is_empty(), "{what}: new {new:#?}, gone {gone:#?}");
}

/// Layers that mean harm: refused in one line or kept inside, and nothing outside changes.
#[test]
fn a_hostile_layer_reaches_nothing() {
    require!(busybox);
    isolated(|env| {
        warm(env);
        let canary = env.place.join("canary");
        std::fs::create_dir(&canary).unwrap();
        std::fs::write(canary.join("file"), "the host's").unwrap();
        let place = canary.display().to_string();
        let target = format!("{place}/file");
        let up = "../".repeat(20);
        let evil = |name: &str| Entry::file(name, 0o4755, "evil");
        let huge_name = "x/".repeat(5000) + "f";
        let cases: Vec<(&str, Vec<Entry>)> = vec![
            ("a name above", vec![evil("../../evil")]),
            ("a name far above", vec![evil(&format!("{up}{}", &target[1..]))]),
            ("an absolute name", vec![evil(&target)]),
            ("dots within", vec![evil("a/../../../../evil")]),
            (
                "a link to the outside and a file through it",
                vec![Entry::symlink("a", &place), evil("a/file"), evil("a/new")],
            ),
            (
                "a link above and a file through it",
                vec![Entry::symlink("a", format!("{up}{}", &place[1..])), evil("a/file")],
            ),
            ("a chain of links", vec![Entry::symlink("a", "b"), Entry::symlink("b", &place), evil("a/file")]),
            (
                "a link, then a directory of its name",
                vec![Entry::symlink("a", &place), Entry::dir("a/", 0o777).owner(7, 7)],
            ),
            ("a link, then a file of its name", vec![Entry::symlink("a", &target), evil("a")]),
            ("a hard link to the outside", vec![Entry::hardlink("a", &target), evil("a")]),
            ("a hard link above", vec![Entry::hardlink("a", format!("{up}{}", &target[1..])), evil("a")]),
            (
                "a hard link through a link",
                vec![Entry::symlink("l", &place), Entry::hardlink("a", "l/file"), evil("a")],
            ),
            ("a whiteout through a link", vec![Entry::symlink("l", &place), evil("l/.wh.file")]),
            ("a whiteout above", vec![evil("../canary/.wh.file")]),
            ("a whiteout of the parent", vec![evil("a/.wh...")]),
            ("a whiteout of itself", vec![evil("a/.wh..")]),
            ("a whiteout without a name", vec![evil("a/.wh.")]),
            ("an opaque link", vec![Entry::symlink("l", &place), evil("l/.wh..wh..opq")]),
            ("an opaque root", vec![evil(".wh..wh..opq")]),
            (
                "attributes of overlay",
                vec![
                    Entry::dir("d/", 0o755)
                        .xattr("trusted.overlay.opaque", "y")
                        .xattr("trusted.overlay.redirect", &target),
                    Entry::file("f", 0o644, "")
                        .xattr("trusted.overlay.metacopy", "")
                        .xattr("trusted.overlay.redirect", "/../x"),
                    Entry::file("u", 0o644, "").xattr("user.overlay.redirect", &target),
                ],
            ),
            ("a device that whites out", vec![Entry::char_device("etc", 0o666, 0, 0)]),
            ("a name with a null", vec![Entry::file("a\0b", 0o644, "x").pax("path", "c\0d")]),
            (
                "a path by pax",
                vec![
                    Entry::file("a", 0o644, "x").pax("path", &target),
                    Entry::file("b", 0o644, "x").pax("path", "../../e"),
                ],
            ),
            ("a link by pax", vec![Entry::symlink("a", "b").pax("linkpath", &place), evil("a/file")]),
            ("a huge name", vec![evil(&huge_name)]),
            ("no name", vec![evil(""), Entry::file("", 0o644, "").pax("path", "")]),
            (
                "a directory that is the root",
                vec![Entry::dir("./", 0o777).owner(9, 9), Entry::dir("/", 0o777), Entry::dir("..", 0o777)],
            ),
            ("a root that is a link", vec![Entry::symlink("./", &place), evil("file")]),
            ("a root that is a file", vec![evil("./"), evil("/"), evil(".")]),
            ("a size that lies", vec![evil("a").claim_size(u64::MAX >> 3)]),
            ("a kind that nobody knows", vec![evil("a").kind(b'Q')]),
            ("blocks of noise", vec![Entry::raw(vec![0xAA_u8; 1024])]),
        ];
        let before = outside(env);
        for (what, entries) in cases {
            let bottom = Layer::new(&base(), Packing::Gzip);
            let top = Layer::of_tar(archive(&entries), Packing::None);
            let file = env.place.join("load.tar");
            std::fs::write(&file, Image::of(vec![bottom, top]).docker_archive(&["evil:1"])).unwrap();
            let loaded = env.run(&["load", "-q", "-i", &file.display().to_string()]);
            std::fs::remove_file(&file).unwrap();
            println!("{what}: {} {}", loaded.code, loaded.stderr.trim_end());
            unchanged(env, &before, what);
            if loaded.code == 0 {
                let outcome =
                    env.run(&["run", "--rm", "--network", "none", "evil:1", "/bin/cat", &target, "/a", "/f", "/u"]);
                assert!(!String::from_utf8_lossy(&outcome.stdout).contains("the host's"), "{what}: {outcome}");
                unchanged(env, &before, what);
                env.run(&["rmi", "-f", "evil:1"]).ok();
            } else {
                loaded.fails(125, "Error: ");
            }
            env.nothing_is_left();
        }
    });
}

/// A layer is unpacked without those below it; neither dhow nor podman links to what it does not have.
#[test]
fn a_link_to_another_layer_is_refused_as_podman_does() {
    require!(podman);
    isolated(|env| {
        let layers = vec![
            Layer::new(&[Entry::file("one", 0o644, "one")], Packing::Gzip),
            Layer::new(&[Entry::hardlink("two", "one")], Packing::Gzip),
        ];
        let file = env.place.join("in.tar").display().to_string();
        std::fs::write(&file, Image::of(layers).oci_archive("localhost/links:1")).unwrap();
        env.run(&["load", "-q", "-i", &file]).fails(125, "the hard link's target \"one\" is not a file of this layer");
        assert_ne!(Tools::new(env).podman(&["load", "-q", "-i", &file]).code, 0);
        env.nothing_is_left();
    });
}

/// Images that containers use stay until they go too.
#[test]
fn an_image_in_use_is_kept() {
    require!(busybox);
    isolated(|env| {
        warm(env);
        env.load(&Image::busybox(), "localhost/box:1").ok();
        env.run(&["create", "--name", "c", "--network", "none", "box:1", "/bin/true"]).ok();
        let refused = env.run(&["rmi", "box:1"]);
        refused.fails(2, "image is in use");
        assert_eq!(
            env.run(&["images", "--filter", "containers=true", "--format", "{{.Repository}}"]).ok(),
            "localhost/box"
        );
        assert_eq!(env.run(&["image", "prune", "-af"]).ok(), "");
        // A second name may go.
        env.run(&["tag", "box:1", "other:2"]).ok();
        assert_eq!(env.run(&["rmi", "other:2"]).ok(), "Untagged: localhost/other:2");
        // Without a name it goes on working.
        env.run(&["untag", "box:1"]).ok();
        env.run(&["start", "-a", "c"]).ok();
        assert_eq!(env.run(&["image", "prune", "-f"]).ok(), "");
        let id = Image::busybox().id();
        let out = env.run(&["rmi", "-f", &id]).ok();
        assert!(out.ends_with(&format!("Deleted: {id}")), "{out}");
        assert_eq!(env.run(&["ps", "-aq"]).ok(), "");
        env.nothing_is_left();
    });
}

/// A run pulls what is missing, for the platform that was asked for, and says nothing of it with `-q`.
#[test]
fn a_run_pulls_what_is_missing() {
    require!(busybox);
    isolated(|env| {
        warm(env);
        let registry = Registry::beside(env);
        registry.add("box", "1", &Image::busybox().with("Cmd", json!(["/bin/echo", "it runs"])), Flavor::Docker);
        let name = registry.reference("box:1");
        let run = |options: &[&str]| {
            let words = ["run", "--rm", "--network", "none", "--tls-verify=false"];
            env.run(&[&words[..], options, &[&name]].concat())
        };
        run(&["--pull", "never"]).fails(125, "image not known");
        let outcome = run(&[]);
        assert_eq!(outcome.ok(), "it runs");
        assert!(outcome.stderr.starts_with(&format!("Trying to pull {name}...\n")), "{outcome}");
        registry.requests();
        let outcome = run(&[]);
        assert_eq!((outcome.ok().as_str(), outcome.stderr.as_str()), ("it runs", ""));
        assert!(registry.requests().is_empty());
        let outcome = run(&["--pull", "always", "-q"]);
        assert_eq!((outcome.ok().as_str(), outcome.stderr.as_str()), ("it runs", ""));
        assert!(!registry.requests().is_empty());
        assert!(Path::new(&env.root.store).exists());
    });
}
