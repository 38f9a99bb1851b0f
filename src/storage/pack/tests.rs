//! What is packed is read back by the strict reader as it was.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::storage::member::{Archive, Kind, Member, Time};

fn members(bytes: &[u8]) -> Vec<(Member, Vec<u8>)> {
    let mut archive = Archive::new(bytes, u64::MAX, false);
    let mut all = Vec::new();
    while let Some(member) = archive.next().unwrap() {
        let mut data = Vec::new();
        loop {
            let piece = archive.data(u64::MAX).unwrap();
            if piece.is_empty() {
                break;
            }
            data.extend_from_slice(piece);
        }
        all.push((member, data));
    }
    all
}

#[test]
fn a_tree_is_packed_as_it_is() {
    let root = std::env::temp_dir().join(format!("dhow-pack-{}", std::process::id()));
    let long = "n".repeat(200);
    std::fs::create_dir_all(root.join("d/closed")).unwrap();
    std::fs::create_dir_all(root.join("d/left-out/x")).unwrap();
    std::fs::set_permissions(root.join("d/closed"), PermissionsExt::from_mode(0o2700)).unwrap();
    std::fs::write(root.join("d/a"), "seven b").unwrap();
    std::fs::hard_link(root.join("d/a"), root.join("d/b")).unwrap();
    std::fs::write(root.join("d").join(&long), "").unwrap();
    symlink("../".repeat(50), root.join("d/link")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("d/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("d/socket")).unwrap();
    let time = rustix::fs::Timespec { tv_sec: -5, tv_nsec: 250_000_000 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, root.join("d/a"), &times, AtFlags::empty()).unwrap();

    let owner = |_: u32, _: u32| (3_000_000_000, 7);
    let options = PackOptions { owner: &owner, nanoseconds: true, skip: &["left-out"], upper: false };
    let mut packer = Packer::new(Vec::new(), options);
    let top = tree::open(&root).unwrap();
    packer.tree(top.as_fd(), OsStr::new("d"), b"x").unwrap();
    let bytes = packer.finish().unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(bytes.len() % 512, 0);
    let all = members(&bytes);
    let seen: Vec<(String, Kind, String)> = all
        .iter()
        .map(|(member, data)| {
            let text = if member.link.is_empty() { data.clone() } else { member.link.clone() };
            (String::from_utf8(member.path.clone()).unwrap(), member.kind, String::from_utf8(text).unwrap())
        })
        .collect();
    let expected = [
        ("x/".to_owned(), Kind::Directory, String::new()),
        ("x/a".to_owned(), Kind::File, "seven b".to_owned()),
        ("x/b".to_owned(), Kind::HardLink, "x/a".to_owned()),
        ("x/link".to_owned(), Kind::Symlink, "../".repeat(50)),
        (format!("x/{long}"), Kind::File, String::new()),
        ("x/pipe".to_owned(), Kind::Fifo, String::new()),
        ("x/closed/".to_owned(), Kind::Directory, String::new()),
    ];
    assert_eq!(seen, expected);
    assert_eq!((all[6].0.mode, all[1].0.uid, all[1].0.gid), (0o2700, 3_000_000_000, 7));
    assert_eq!(all[1].0.mtime, Time { seconds: -5, nanoseconds: 250_000_000 });
}

#[test]
fn lengths_of_records_count_themselves() {
    for length in [1, 90, 91, 92, 93, 94, 95, 980, 990, 991, 992, 993, 994, 995, 9990] {
        let mut pax = Pax::default();
        pax.record("key", &vec![b'v'; length]);
        let text = String::from_utf8(pax.records.clone()).unwrap();
        let (number, _) = text.split_once(' ').unwrap();
        assert_eq!(number.parse::<usize>().unwrap(), text.len(), "{length}");
    }
}

#[test]
fn times_are_decimal() {
    for (seconds, nanoseconds, text) in [
        (5, 0, "5"),
        (5, 250_000_000, "5.250000000"),
        (-5, 0, "-5"),
        (-5, 250_000_000, "-4.750000000"),
        (-1, 999_999_999, "-0.000000001"),
    ] {
        assert_eq!(pax_time(seconds, nanoseconds), text);
    }
}
