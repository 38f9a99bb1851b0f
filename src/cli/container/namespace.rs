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

/// Reads `--userns` with the maps, which only the private mode takes.
pub(super) fn parse_user(
    text: Option<&str>,
    uidmap: &[String],
    gidmap: &[String],
) -> Result<UserNamespaceRequest, Error> {
    let text = text.unwrap_or_default();
    if !uidmap.is_empty() || !gidmap.is_empty() {
        if !matches!(text, "" | "private") {
            return Err(Error::invalid(
                "--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive",
            ));
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
            let (mut uid, mut gid) = (None, None);
            for (key, value) in options_of(options)? {
                match key {
                    "uid" => uid = Some(number(value)?),
                    "gid" => gid = Some(number(value)?),
                    _ => return Err(Error::invalid(format!("unknown option specified: {key:?}"))),
                }
            }
            UserNamespaceRequest::KeepId { uid, gid }
        }
        ("auto", options) => {
            let mut size = None;
            for (key, value) in options_of(options)? {
                match key {
                    "size" => size = Some(number(value)?),
                    _ => return Err(Error::invalid(format!("unknown option specified: {key:?}"))),
                }
            }
            UserNamespaceRequest::Auto { size }
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
        let of = |text| parse_user(Some(text), &[], &[]);
        assert_eq!(of("keep-id").unwrap(), UserNamespaceRequest::KeepId { uid: None, gid: None });
        assert_eq!(of("keep-id:uid=1,gid=2").unwrap(), UserNamespaceRequest::KeepId { uid: Some(1), gid: Some(2) });
        assert_eq!(of("auto:size=512").unwrap(), UserNamespaceRequest::Auto { size: Some(512) });
        assert_eq!(of("nomap").unwrap(), UserNamespaceRequest::NoMap);
        for bad in ["nomap:x", "auto:x=1", "keep-id:uid", "private", "keep-id:uid=-1", "nope"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        let map = IdRange { inside: 0, outside: 1000, size: 10 };
        let maps = parse_user(None, &["0:1000:10".into()], &[]).unwrap();
        assert_eq!(maps, UserNamespaceRequest::Maps { uids: vec![map], gids: vec![map] });
        for bad in ["0", "0:1:0", "0:1:2:3", "a:1", "0:4294967295:2"] {
            assert!(parse_user(None, &[bad.into()], &[]).is_err(), "{bad}");
        }
        assert!(parse_user(Some("host"), &["0:1".into()], &[]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_namespace_or_refused(
            text in "(keep-id|auto|nomap|ns|container|host)?[:=,a-z0-9/]{0,20}|\\PC{0,20}", map in "[0-9]{0,11}(:[0-9]{0,11}){0,3}",
        ) {
            drop(parse(Some(&text)));
            drop(parse_ipc(Some(&text)));
            drop(parse_user(Some(&text), &[], &[]));
            drop(parse_user(None, std::slice::from_ref(&map), &[]));
            if let Ok(range) = range(&map) {
                // No id beyond 32 bits, which would wrap to another one.
                proptest::prop_assert!(range.inside.checked_add(range.size - 1).is_some(), "{map}");
                proptest::prop_assert!(range.outside.checked_add(range.size - 1).is_some(), "{map}");
            }
        }
    }
}
