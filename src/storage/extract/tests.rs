use super::*;
use crate::storage::member::Archive;
use proptest::prelude::*;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("dhow-extract-{}-{next}", std::process::id()));
        std::fs::create_dir_all(path.join("layer")).unwrap();
        Self(path)
    }

    fn layer(&self) -> PathBuf {
        self.0.join("layer")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        tree::remove_path(&self.0).unwrap();
    }
}

fn member(kind: u8, path: &str, link: &str, mode: u32, data: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.as_old_mut().linkflag = [kind];
    header.set_size(data.len() as u64);
    header.set_mode(mode);
    header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
    header.set_gid(u64::from(rustix::process::getegid().as_raw()));
    header.set_mtime(1_000_000);
    if matches!(kind, b'3' | b'4') {
        header.set_device_major(0).unwrap();
        header.set_device_minor(0).unwrap();
    }
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(path: &str, data: &str) -> Vec<u8> {
    member(b'0', path, "", 0o644, data.as_bytes())
}

fn dir(path: &str, mode: u32) -> Vec<u8> {
    member(b'5', path, "", mode, b"")
}

fn unpack(layer: &Path, members: &[Vec<u8>], limits: Limits) -> Result<(Summary, Vec<Note>)> {
    let bytes = members.concat();
    let root = tree::open(layer)?;
    let extractor = Extractor::new(root.as_fd(), layer.to_owned(), limits);
    extractor.run(&mut Archive::new(&bytes[..], 1 << 24, false))
}

fn plain(members: &[Vec<u8>]) -> (Scratch, Summary, Vec<Note>) {
    let scratch = Scratch::new();
    let (summary, notes) = unpack(&scratch.layer(), members, Limits::default()).unwrap();
    (scratch, summary, notes)
}

#[test]
fn sets_modes_and_times_of_files_and_directories() {
    let (scratch, summary, notes) = plain(&[
        dir("./", 0o711),
        dir("d/", 0o555),
        file("d/f", "hello"),
        member(b'0', "d/s", "", 0o4755, b""),
        member(b'2', "d/l", "/no/where", 0o777, b""),
        member(b'1', "h", "d/f", 0o644, b""),
        member(b'6', "p", "", 0o622, b""),
        file("x/y/z", "implied"),
    ]);
    let at = |path: &str| std::fs::symlink_metadata(scratch.layer().join(path)).unwrap();
    assert_eq!(at("").mode() & 0o7777, 0o711);
    assert_eq!((at("d").mode() & 0o7777, at("d").mtime()), (0o555, 1_000_000));
    assert_eq!((at("d/f").size(), at("d/f").mtime(), at("d/f").ino()), (5, 1_000_000, at("h").ino()));
    assert_eq!(at("d/s").mode() & 0o7777, 0o4755);
    assert_eq!((at("d/l").mtime(), at("x/y").mode() & 0o777), (1_000_000, 0o755));
    assert!(at("p").file_type().is_fifo() && at("p").mode() & 0o777 == 0o622);
    assert_eq!((summary.root, summary.size), (true, 12));
    assert_eq!(notes.len(), 2);
    assert!(["x", "x/y"].iter().all(|path| notes.contains(&Note::Implied(path.as_bytes().to_vec()))));
}

#[test]
fn the_last_member_of_a_name_wins() {
    let (scratch, _, notes) = plain(&[
        file("a", "first"),
        file("a", "second"),
        dir("d", 0o700),
        file("d/inner", "x"),
        file("d", "now a file"),
        file("e", "x"),
        dir("e", 0o750),
        file("e/inner", "y"),
        member(b'2', "l", "/etc", 0o777, b""),
        file("l", "no link any more"),
        dir("g/h", 0o755),
        dir("g", 0o700),
    ]);
    let read = |path: &str| std::fs::read_to_string(scratch.layer().join(path)).unwrap();
    assert_eq!((read("a"), read("d"), read("e/inner")), ("second".into(), "now a file".into(), "y".into()));
    assert_eq!(read("l"), "no link any more");
    assert_eq!(notes, [], "g got its member");
}

/// R1, R10.
#[test]
fn links_never_lead_out() {
    let (scratch, ..) = plain(&[
        member(b'2', "abs", "/usr", 0o777, b""),
        member(b'2', "up", "../../../..", 0o777, b""),
        dir("usr", 0o755),
        file("abs/in-usr", "a"),
        file("up/in-root", "b"),
        member(b'1', "hard", "abs/in-usr", 0o644, b""),
        dir("abs/dir", 0o700),
        file("abs/dir/deep", "c"),
        member(b'0', "up/.wh.gone", "", 0, b""),
    ]);
    let read = |path: &str| std::fs::read_to_string(scratch.layer().join(path)).unwrap();
    assert_eq!((read("usr/in-usr"), read("in-root"), read("hard")), ("a".into(), "b".into(), "a".into()));
    assert_eq!(read("usr/dir/deep"), "c");
    assert_eq!(std::fs::metadata(scratch.layer().join("usr/dir")).unwrap().mtime(), 1_000_000);
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 1, "nothing beside the layer");
}

#[test]
fn refuses_hostile_names() {
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("leaves the layer", vec![file("../x", "")]),
        ("leaves the layer", vec![file("a/../../x", "")]),
        ("leaves the layer", vec![member(b'1', "h", "../../etc/passwd", 0, b"")]),
        ("not a file of this layer", vec![member(b'1', "h", "/etc/passwd", 0, b"")]),
        ("not a file of this layer", vec![dir("d", 0o755), member(b'1', "h", "d", 0, b"")]),
        ("not a file of this layer", vec![member(b'1', "h", "/", 0, b"")]),
        ("root of a layer", vec![file("./", "")]),
        ("root of a layer", vec![member(b'2', "/", "x", 0o777, b"")]),
        ("does not name a plain file", vec![file(".wh.", "")]),
        ("does not name a plain file", vec![file("d/.wh...", "")]),
        ("name of a whiteout", vec![file(".wh.d/x", "")]),
        ("without a target", vec![member(b'2', "l", "", 0o777, b"")]),
    ];
    for (message, members) in cases {
        let scratch = Scratch::new();
        // A plain `./` without a directory's type becomes one by its slash.
        let members: Vec<_> =
            members.into_iter().map(|m| if m.starts_with(b"./\0") { file(".", "") } else { m }).collect();
        let error = format!("{:#}", unpack(&scratch.layer(), &members, Limits::default()).expect_err(message));
        assert!(error.contains(message), "{message}: {error}");
    }
}

#[test]
fn whiteouts_speak_of_lower_layers_only() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let (scratch, summary, mut notes) = plain(&[
        file("d/.wh..wh..opq", ""),
        file(".wh.gone", ""),
        file("own", "x"),
        file(".wh.own", ""),
        file("own-dir/f", "x"),
        file(".wh.own-dir", ""),
        file(".wh.later-dir", ""),
        dir("later-dir", 0o755),
        file(".wh.later-file", ""),
        file("later-file", "x"),
        file(".wh.later-parent", ""),
        file("later-parent/f", "x"),
        file(".wh..wh.plnk/x", ""),
        member(b'3', "fake", "", 0o666, b""),
        dir("d", 0o755),
        dir("own-dir", 0o755),
        dir("later-parent", 0o755),
    ]);
    let names: std::collections::BTreeSet<_> =
        std::fs::read_dir(scratch.layer()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let want = ["d", "gone", "later-dir", "later-file", "later-parent", "own", "own-dir"];
    assert_eq!(names, want.iter().map(Into::into).collect());
    let gone = std::fs::symlink_metadata(scratch.layer().join("gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    notes.sort_by_key(|note| format!("{note:?}"));
    let opaque = ["d", "later-dir", "later-parent", "own-dir"].map(|path| Note::Opaque(path.as_bytes().to_vec()));
    assert_eq!(notes, opaque);
    assert_eq!(summary.skipped, 1);
}

/// R12.
#[test]
fn holds_the_ceilings() {
    let scratch = Scratch::new();
    let few = Limits { inodes: 2, ..Limits::default() };
    let error =
        format!("{:#}", unpack(&scratch.layer(), &[file("a", ""), file("b", ""), file("c", "")], few).unwrap_err());
    assert!(error.contains("more than 2 files"), "{error}");
    let small = Limits { bytes: 3, ..Limits::default() };
    let error = format!("{:#}", unpack(&scratch.layer(), &[file("d", "four")], small).unwrap_err());
    assert!(error.contains("more than 3 bytes"), "{error}");
    let full = Limits { floor: u64::MAX, ..Limits::default() };
    let error = format!("{:#}", unpack(&scratch.layer(), &[file("e", "")], full).unwrap_err());
    assert!(error.contains("no space left"), "{error}");
}

#[test]
fn ceilings_follow_the_blob_and_the_user() {
    let limits = Limits::default();
    assert_eq!((limits.for_blob(10).bytes, limits.for_blob(100 << 20).bytes), (4 << 30, 20_000 << 20));
    let var = |key: &str| (key == "DHOW_LAYER_BYTES").then(|| "1m".into());
    let limits = limits.with(&var).unwrap();
    assert_eq!((limits.for_blob(10).bytes, limits.inodes), (1 << 20, Limits::default().inodes));
    assert!(limits.with(&|_| Some("many".into())).is_err());
}

#[test]
fn walks_deeper_than_it_keeps_descriptors() {
    let scratch = Scratch::new();
    let path = "d/".repeat(300);
    let long = |name: &str| {
        let text = format!("{path}{name}\0");
        let mut header = member(b'L', "././@LongLink", "", 0, text.as_bytes());
        header.extend(file("short", name));
        header
    };
    unpack(&scratch.layer(), &[long("one"), long("two")], Limits::default()).unwrap();
    let read = |name: &str| std::fs::read_to_string(scratch.layer().join(format!("{path}{name}"))).unwrap();
    assert_eq!((read("one"), read("two")), ("one".to_owned(), "two".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// R1: Any order of any members: no panic, and nothing beside the layer is touched.
    #[test]
    fn never_escapes(members in proptest::collection::vec(any_member(), 1..14)) {
        let scratch = Scratch::new();
        let guard = scratch.0.join("guard");
        std::fs::create_dir(&guard).unwrap();
        std::fs::write(guard.join("file"), "guard").unwrap();
        drop(unpack(&scratch.layer(), &members, Limits::default()));
        prop_assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 2);
        prop_assert_eq!(std::fs::read_dir(&guard).unwrap().count(), 1);
        prop_assert_eq!(std::fs::read_to_string(guard.join("file")).unwrap(), "guard");
        prop_assert_eq!(std::fs::metadata(guard.join("file")).unwrap().nlink(), 1);
    }
}

fn any_member() -> impl Strategy<Value = Vec<u8>> {
    let name = || {
        let component = prop_oneof![
            Just("a"),
            Just("b"),
            Just("c"),
            Just("."),
            Just(""),
            Just(".wh.a"),
            Just(".wh.b"),
            Just(".wh..wh..opq"),
            Just("..")
        ];
        proptest::collection::vec(component, 1..4).prop_map(|parts| parts.join("/"))
    };
    let link = prop_oneof![
        name(),
        Just("../guard".to_owned()),
        Just("/guard/file".to_owned()),
        Just("../guard/file".to_owned()),
        Just("/".to_owned()),
        Just("../..".to_owned())
    ];
    let kind = prop_oneof![Just(b'0'), Just(b'1'), Just(b'2'), Just(b'3'), Just(b'5'), Just(b'6')];
    (kind, name(), link, 0_u32..0o10000).prop_map(|(kind, name, link, mode)| {
        let data: &[u8] = if kind == b'0' && !name.ends_with('/') { b"data" } else { b"" };
        member(kind, &name, if matches!(kind, b'1' | b'2') { &link } else { "" }, mode, data)
    })
}
