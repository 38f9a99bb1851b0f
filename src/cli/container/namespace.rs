//! `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`, `--uidmap` and `--gidmap`, in podman's grammar.

use crate::engine::request::{NamespaceRequest, UserNamespaceRequest};
use crate::model::container::IdRange;
use crate::model::error::Error;

/// Reads the mode of a namespace that may be shared.
pub(super) fn parse(text: Option<&str>) -> Result<NamespaceRequest, Error> {
    let text = text.unwrap_or_default();
    Ok(match text.split_once(':').unwrap_or((text, "")) {
        ("", "") => NamespaceRequest::Default,
        ("private", "") => NamespaceRequest::Private,
        ("host", "") => NamespaceRequest::Host,
        ("container", "") => {
            return Err(Error::invalid("must provide name or ID for a container when specifying \"container:\""));
        }
        ("container", name) => NamespaceRequest::Container(name.to_owned()),
        ("ns", "") => return Err(Error::invalid("must provide a path to a namespace when specifying \"ns:\"")),
        ("ns", path) => NamespaceRequest::Path(path.to_owned()),
        _ => return Err(Error::invalid(format!("unrecognized namespace mode {text} passed"))),
    })
}

/// Reads `--ipc`, which also knows `shareable` and `none`.
pub(super) fn parse_ipc(text: Option<&str>) -> Result<NamespaceRequest, Error> {
    match text {
        Some("shareable" | "none") => Ok(NamespaceRequest::Shareable),
        text => parse(text),
    }
}

/// The flags that make a user namespace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UserFlags<'a> {
    pub(super) userns: Option<&'a str>,
    pub(super) uidmap: &'a [String],
    pub(super) gidmap: &'a [String],
    pub(super) subuidname: Option<&'a str>,
    pub(super) subgidname: Option<&'a str>,
}

/// Reads `--userns` with the maps, which only the private mode takes.
pub(super) fn parse_user(flags: UserFlags<'_>) -> Result<UserNamespaceRequest, Error> {
    let UserFlags { userns, uidmap, gidmap, subuidname, subgidname } = flags;
    let text = userns.unwrap_or_default();
    let owner = subuidname.or(subgidname);
    if !uidmap.is_empty() || !gidmap.is_empty() || owner.is_some() {
        if !matches!(text, "" | "private") {
            return Err(Error::invalid(
                "--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive",
            ));
        }
        if let Some(owner) = owner {
            if !uidmap.is_empty() || !gidmap.is_empty() {
                let message = "--subuidname and --subgidname give whole maps: --uidmap and --gidmap cannot be added";
                return Err(Error::unsupported(message));
            }
            // One name is both.
            let name = |of: Option<&str>| of.unwrap_or(owner).to_owned();
            return Ok(UserNamespaceRequest::Owned { uids: name(subuidname), gids: name(subgidname) });
        }
        let uids = uidmap.iter().map(|text| range(text)).collect::<Result<Vec<_>, _>>()?;
        let gids = gidmap.iter().map(|text| range(text)).collect::<Result<Vec<_>, _>>()?;
        // podman: one map stands for both.
        return Ok(match (uids.is_empty(), gids.is_empty()) {
            (false, true) => UserNamespaceRequest::Maps { gids: uids.clone(), uids },
            (true, false) => UserNamespaceRequest::Maps { uids: gids.clone(), gids },
            _ => UserNamespaceRequest::Maps { uids, gids },
        });
    }
    let (mode, rest) = text.split_once(':').unwrap_or((text, ""));
    Ok(match (mode, rest) {
        ("", "") => UserNamespaceRequest::Default,
        ("host", "") => UserNamespaceRequest::Host,
        ("nomap", "") => UserNamespaceRequest::NoMap,
        ("keep-id", options) => {
            let (mut uid, mut gid, mut size) = (None, None, None);
            for (key, value) in options_of(options)? {
                match key {
                    "uid" => uid = Some(number(value)?),
                    "gid" => gid = Some(number(value)?),
                    "size" => size = Some(number(value)?),
                    _ => return Err(Error::invalid(format!("unknown option specified: {key:?}"))),
                }
            }
            UserNamespaceRequest::KeepId { uid, gid, size }
        }
        ("auto", options) => {
            let (mut size, mut uids, mut gids) = (None, Vec::new(), Vec::new());
            for (key, value) in options_of(options)? {
                match key {
                    "size" => size = Some(number(value)?),
                    "uidmapping" => uids.push(range(value)?),
                    "gidmapping" => gids.push(range(value)?),
                    _ => return Err(Error::invalid(format!("unknown option specified: {key:?}"))),
                }
            }
            UserNamespaceRequest::Auto { size, uids, gids }
        }
        ("private", "") => {
            return Err(Error::invalid("must provide at least one UID or GID mapping to configure a user namespace"));
        }
        _ => match parse(Some(text))? {
            NamespaceRequest::Container(name) => UserNamespaceRequest::Container(name),
            NamespaceRequest::Path(path) => UserNamespaceRequest::Path(path),
            _ => return Err(Error::invalid(format!("unrecognized namespace mode {text} passed"))),
        },
    })
}

fn options_of(text: &str) -> Result<Vec<(&str, &str)>, Error> {
    let option = |option| {
        str::split_once(option, '=').ok_or_else(|| Error::invalid(format!("invalid option specified: {option:?}")))
    };
    text.split(',').filter(|option| !option.is_empty()).map(option).collect()
}

fn number(text: &str) -> Result<u32, Error> {
    text.parse().map_err(|_| Error::invalid(format!("strconv.ParseUint: parsing {text:?}: invalid syntax")))
}

/// Reads `INSIDE:OUTSIDE[:SIZE]`.
fn range(text: &str) -> Result<IdRange, Error> {
    let bad = || {
        Error::invalid(format!(
            "initializing ID mappings: UID setting is malformed expected [\"uint32:uint32:uint32\"]: [{text:?}]"
        ))
    };
    let number = |part: &str| part.parse::<u32>().map_err(|_| bad());
    let parts: Vec<&str> = text.split(':').collect();
    let (inside, outside, size) = match parts[..] {
        [inside, outside] => (number(inside)?, number(outside)?, 1),
        [inside, outside, size] => (number(inside)?, number(outside)?, number(size)?),
        _ => return Err(bad()),
    };
    let fits = |first: u32| first.checked_add(size).is_some();
    if size == 0 || !fits(inside) || !fits(outside) {
        return Err(bad());
    }
    Ok(IdRange { inside, outside, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_podmans() {
        for (text, want) in [
            (None, NamespaceRequest::Default),
            (Some("private"), NamespaceRequest::Private),
            (Some("host"), NamespaceRequest::Host),
            (Some("container:a"), NamespaceRequest::Container("a".into())),
            (Some("ns:/x:y"), NamespaceRequest::Path("/x:y".into())),
        ] {
            assert_eq!(parse(text).unwrap(), want, "{text:?}");
        }
        for bad in ["bogus", "container:", "ns:", "host:x", "shareable"] {
            assert!(parse(Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(parse_ipc(Some("none")).unwrap(), NamespaceRequest::Shareable);
    }

    #[test]
    fn user_modes_are_podmans() {
        let of = |text| parse_user(UserFlags { userns: Some(text), ..UserFlags::default() });
        let uids = |uidmap: &[String]| parse_user(UserFlags { uidmap, ..UserFlags::default() });
        assert_eq!(of("keep-id").unwrap(), UserNamespaceRequest::KeepId { uid: None, gid: None, size: None });
        assert_eq!(
            of("keep-id:uid=1,gid=2,size=9").unwrap(),
            UserNamespaceRequest::KeepId { uid: Some(1), gid: Some(2), size: Some(9) }
        );
        assert_eq!(
            of("auto:size=512,uidmapping=0:7:1").unwrap(),
            UserNamespaceRequest::Auto {
                size: Some(512),
                uids: vec![IdRange { inside: 0, outside: 7, size: 1 }],
                gids: Vec::new()
            }
        );
        assert_eq!(of("nomap").unwrap(), UserNamespaceRequest::NoMap);
        for bad in ["nomap:x", "auto:x=1", "keep-id:uid", "private", "keep-id:uid=-1", "nope"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        let map = IdRange { inside: 0, outside: 1000, size: 10 };
        let maps = uids(&["0:1000:10".into()]).unwrap();
        assert_eq!(maps, UserNamespaceRequest::Maps { uids: vec![map], gids: vec![map] });
        for bad in ["0", "0:1:0", "0:1:2:3", "a:1", "0:4294967295:2"] {
            assert!(uids(&[bad.into()]).is_err(), "{bad}");
        }
        assert!(
            parse_user(UserFlags { userns: Some("host"), uidmap: &["0:1".into()], ..UserFlags::default() }).is_err()
        );
        let owned = parse_user(UserFlags { subuidname: Some("joe"), ..UserFlags::default() }).unwrap();
        assert_eq!(owned, UserNamespaceRequest::Owned { uids: "joe".into(), gids: "joe".into() });
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_namespace_or_refused(
            text in "(keep-id|auto|nomap|ns|container|host)?[:=,a-z0-9/]{0,20}|\\PC{0,20}", map in "[0-9]{0,11}(:[0-9]{0,11}){0,3}",
        ) {
            drop(parse(Some(&text)));
            drop(parse_ipc(Some(&text)));
            drop(parse_user(UserFlags { userns: Some(&text), ..UserFlags::default() }));
            drop(parse_user(UserFlags { uidmap: std::slice::from_ref(&map), ..UserFlags::default() }));
            if let Ok(range) = range(&map) {
                // No id beyond 32 bits, which would wrap to another one.
                proptest::prop_assert!(range.inside.checked_add(range.size - 1).is_some(), "{map}");
                proptest::prop_assert!(range.outside.checked_add(range.size - 1).is_some(), "{map}");
            }
        }
    }
}
