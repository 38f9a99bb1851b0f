use super::*;
use proptest::prelude::*;

/// A header block with its checksum; fields that need it are changed by `edit`.
fn block(kind: u8, path: &[u8], size: u64, edit: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.as_old_mut().linkflag = [kind];
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(5);
    edit(&mut header);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.resize(data.len().next_multiple_of(512), 0);
    bytes
}

fn with(kind: u8, path: &[u8], data: &[u8]) -> Vec<u8> {
    [block(kind, path, data.len() as u64, |_| ()), padded(data)].concat()
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        let body = key.len() + value.len() + 3;
        let mut length = body + body.to_string().len();
        if length.to_string().len() > body.to_string().len() {
            length += 1;
        }
        data.extend(format!("{length} {key}={value}\n").bytes());
    }
    with(b'x', b"pax", &data)
}

fn read(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>> {
    let mut archive = Archive::new(bytes, 1 << 20, true);
    let mut members = Vec::new();
    while let Some(member) = archive.next()? {
        let mut data = Vec::new();
        loop {
            let piece = archive.data(u64::MAX)?;
            if piece.is_empty() {
                break;
            }
            data.extend_from_slice(piece);
        }
        members.push((member, data));
    }
    assert_eq!(archive.finish()?, (Digest::of(bytes), bytes.len() as u64));
    Ok(members)
}

#[test]
fn applies_every_kind_of_extension() {
    let long = "d/".repeat(100) + "file";
    let end = vec![0; 1024];
    let cases: Vec<(&str, Vec<u8>, &str, &[u8])> = vec![
        ("plain", with(b'0', b"a", b"data"), "a", b"data"),
        ("v7 type", with(0, b"a", b"data"), "a", b"data"),
        (
            "gnu long",
            [with(b'L', b"././@LongLink", format!("{long}\0").as_bytes()), with(b'0', b"a", b"x")].concat(),
            &long,
            b"x",
        ),
        ("pax path", [pax(&[("path", &long)]), with(b'0', b"a", b"x")].concat(), &long, b"x"),
        (
            "both agree",
            [with(b'L', b"l", b"same"), pax(&[("path", "same")]), with(b'0', b"a", b"x")].concat(),
            "same",
            b"x",
        ),
        ("pax size", [pax(&[("size", "3")]), block(b'0', b"a", 0, |_| ()), padded(b"abc")].concat(), "a", b"abc"),
        ("global comment", [with(b'g', b"g", b"17 comment=hello\n"), with(b'0', b"a", b"x")].concat(), "a", b"x"),
    ];
    for (name, bytes, path, data) in cases {
        let members = read(&[bytes, end.clone()].concat()).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(members.len(), 1, "{name}");
        assert_eq!((&members[0].0.path[..], &members[0].1[..]), (path.as_bytes(), data), "{name}");
    }
}

#[test]
fn reads_numbers_times_and_attributes() {
    let bytes = [
        pax(&[("mtime", "-1.25"), ("uid", "70000"), ("SCHILY.xattr.user.a", "b=c"), ("LIBARCHIVE.x", "y")]),
        block(b'5', b"d/", 0, |header| header.set_mode(0o41777)),
    ]
    .concat();
    let (member, _) = read(&bytes).unwrap().remove(0);
    assert_eq!(member.mtime, Time { seconds: -2, nanoseconds: 750_000_000 });
    assert_eq!((member.uid, member.mode, member.kind), (70000, 0o1777, Kind::Directory));
    assert_eq!(member.xattrs, [(b"user.a".to_vec(), b"b=c".to_vec())]);
    assert_eq!(number(b"\x80\0\0\0\0\0\0\x05", "x").unwrap(), 5);
    assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xfe", "x").unwrap(), -2);
    assert_eq!(number(b" 0017 \0\0", "x").unwrap(), 15);
    assert!(number(b"0018\0\0\0\0", "x").is_err());
    assert!(number(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "x").is_err());
}

#[test]
fn reads_all_sparse_formats() {
    let want = Some(vec![Piece { offset: 512, length: 3 }, Piece { offset: 4096, length: 2 }]);
    let old = block(b'S', b"s", 5, |header| {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(5000);
        for (slot, (offset, length)) in gnu.sparse.iter_mut().zip([(512, 3), (4096, 2)]) {
            slot.set_offset(offset);
            slot.set_length(length);
        }
    });
    let file = with(b'0', b"made-up", b"abcde");
    let data = [&b"2\n512\n3\n4096\n2\n"[..], &[0; 497], b"abcde"].concat();
    for (name, bytes) in [
        ("old", [old, padded(b"abcde")].concat()),
        (
            "0.0",
            [
                pax(&[
                    ("GNU.sparse.size", "5000"),
                    ("GNU.sparse.numblocks", "2"),
                    ("GNU.sparse.offset", "512"),
                    ("GNU.sparse.numbytes", "3"),
                    ("GNU.sparse.offset", "4096"),
                    ("GNU.sparse.numbytes", "2"),
                ]),
                file.clone(),
            ]
            .concat(),
        ),
        (
            "0.1",
            [
                pax(&[
                    ("GNU.sparse.size", "5000"),
                    ("GNU.sparse.numblocks", "2"),
                    ("GNU.sparse.map", "512,3,4096,2"),
                    ("GNU.sparse.name", "s"),
                ]),
                file,
            ]
            .concat(),
        ),
        (
            "1.0",
            [
                pax(&[
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.minor", "0"),
                    ("GNU.sparse.name", "s"),
                    ("GNU.sparse.realsize", "5000"),
                ]),
                with(b'0', b"made-up", &data),
            ]
            .concat(),
        ),
    ] {
        let (member, data) = read(&bytes).unwrap_or_else(|error| panic!("{name}: {error:#}")).remove(0);
        assert_eq!((member.sparse, member.size, &data[..]), (want.clone(), 5000, &b"abcde"[..]), "{name}");
    }
}

/// R11.
#[test]
fn refuses_what_has_two_meanings() {
    let file = with(b'0', b"a", b"x");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("two long names", [with(b'L', b"l", b"p"), with(b'L', b"l", b"q"), file.clone()].concat()),
        ("two extended headers", [pax(&[("path", "p")]), pax(&[("path", "p")]), file.clone()].concat()),
        ("two different values of path", [with(b'L', b"l", b"p"), pax(&[("path", "q")]), file.clone()].concat()),
        ("twice", [pax(&[("path", "p"), ("path", "p")]), file.clone()].concat()),
        ("two different sizes", [pax(&[("size", "3")]), file.clone()].concat()),
        ("a global header sets \"path\"", [with(b'g', b"g", b"10 path=x\n"), file.clone()].concat()),
        ("has no member", pax(&[("path", "p")])),
        ("data of a member that has none", with(b'1', b"a", b"x")),
        ("data of a member that has none", with(b'0', b"a/", b"x")),
        ("data after an end mark", [vec![0; 512], file.clone()].concat()),
        ("unknown type", with(b'Q', b"a", b"")),
        ("contains NUL", [pax(&[("path", "p\0q")]), file.clone()].concat()),
        ("a bad user id 4294967295", [pax(&[("uid", "4294967295")]), file.clone()].concat()),
        ("a bad size \"-1\"", [pax(&[("size", "-1")]), file.clone()].concat()),
        ("too large", with(b'L', b"l", &[b'a'; (1 << 20) - 512])),
        ("longer than", [with(b'L', b"l", &[b'a'; 5000]), file.clone()].concat()),
        ("cut off", file[..600].to_vec()),
        ("cut off", file[..100].to_vec()),
        ("wrong checksum", [&file[..10], b"?", &file[11..]].concat()),
        ("overlaps", [pax(&[("GNU.sparse.size", "9"), ("GNU.sparse.map", "0,1,0,0,5,5")]), file.clone()].concat()),
        ("does not fit the data", [pax(&[("GNU.sparse.size", "9"), ("GNU.sparse.map", "0,5")]), file.clone()].concat()),
        ("unknown kind of sparse", [pax(&[("GNU.sparse.major", "2"), ("GNU.sparse.realsize", "5")]), file].concat()),
    ];
    for (message, bytes) in cases {
        let error = format!("{:#}", read(&bytes).expect_err(message));
        // The large one is over the stream's limit as well, with another message.
        assert!(error.contains(message) || message == "too large", "{message}: {error}");
    }
}

#[test]
fn stops_at_the_limit() {
    let mut archive = Archive::new(std::io::repeat(0).take(5000), 4096, false);
    let error = format!("{:#}", archive.next().unwrap_err());
    assert!(error.contains("more than 4096 bytes"), "{error}");
}

proptest! {
    #[test]
    fn never_panics_on_any_bytes(blocks in proptest::collection::vec(any_block(), 0..12)) {
        drop(read(&blocks.concat()));
    }

    #[test]
    fn times_and_records_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        drop(time(&bytes));
        drop(pax_records(&bytes));
        if !bytes.is_empty() {
            drop(number(&bytes[..bytes.len().min(12)], "x"));
        }
    }
}

/// Headers that pass the checksum, with odd contents, and blocks of anything.
fn any_block() -> impl Strategy<Value = Vec<u8>> {
    let kind =
        prop_oneof![Just(b'0'), Just(b'1'), Just(b'5'), Just(b'L'), Just(b'x'), Just(b'g'), Just(b'S'), any::<u8>()];
    let records = "([0-9]{1,2} (path|size|mtime|GNU\\.sparse\\.(map|size|major|realsize))=[0-9,./-]{0,9}\n){0,4}";
    let header = (kind, "[a-z./]{0,20}", 0_u64..600, any::<[u8; 24]>(), any::<bool>()).prop_map(
        |(kind, path, size, noise, noisy)| {
            block(kind, path.as_bytes(), size, |header| {
                if noisy {
                    header.as_mut_bytes()[386..410].copy_from_slice(&noise);
                }
            })
        },
    );
    prop_oneof![
        3 => header,
        1 => records.prop_map(|text| padded(text.as_bytes())),
        1 => proptest::collection::vec(any::<u8>(), 512),
    ]
}
