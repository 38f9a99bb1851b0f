//! A whole distribution as a tar: made by debootstrap from the mirror that this machine's apt uses, and kept beside the
//! other products of the build. `DHOW_TEST_ROOTFS=FILE` names another one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How long debootstrap may take.
const LIMIT: &str = "900";

/// Makes the tree in a mount namespace of its own, for debootstrap mounts, and packs it.
const MAKE: &str = "set -e; timeout \"$5\" debootstrap --variant=minbase \"$1\" \"$2\" \"$3\" >\"$2.log\" 2>&1; \
     tar -C \"$2\" --xattrs --xattrs-include='*' --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -cf \"$4\" .";

/// Where the tar is, once it was made.
pub(crate) fn path() -> PathBuf {
    match std::env::var_os("DHOW_TEST_ROOTFS") {
        Some(file) => file.into(),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("distribution.tar"),
    }
}

/// Makes the tar unless it is there; why it cannot be had.
pub(crate) fn missing() -> Option<String> {
    let file = path();
    if file.exists() {
        return None;
    }
    if super::require::program("debootstrap").is_none() {
        return Some("debootstrap is not installed".to_owned());
    }
    if !nix::unistd::geteuid().is_root() {
        return Some("not root".to_owned());
    }
    let Some((mirror, suite)) = source() else { return Some("apt knows no Debian mirror".to_owned()) };
    let place = file.with_extension(format!("{}.d", std::process::id()));
    let packed = file.with_extension(format!("{}.tmp", std::process::id()));
    let log = place.with_extension("d.log");
    let made = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", MAKE, "sh", &suite])
        .args([&place, Path::new(&mirror), &packed])
        .arg(LIMIT)
        .output()
        .expect("run unshare");
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    drop((std::fs::remove_dir_all(&place), std::fs::remove_file(&log)));
    if made.status.success() {
        std::fs::rename(&packed, &file).expect("keep the distribution");
        return None;
    }
    drop(std::fs::remove_file(&packed));
    let stderr = String::from_utf8_lossy(&made.stderr).into_owned();
    let last = said.lines().chain(stderr.lines()).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned();
    Some(format!("debootstrap of {suite} did not succeed: {last}"))
}

/// The mirror and the suite that apt is set up with, where those are Debian's.
fn source() -> Option<(String, String)> {
    let release = std::fs::read_to_string("/etc/os-release").ok()?;
    let value =
        |key: &str| release.lines().find_map(|line| line.strip_prefix(key)).map(|v| v.trim_matches('"').to_owned());
    let suite = value("VERSION_CODENAME=")?;
    if !Path::new("/usr/share/debootstrap/scripts").join(&suite).exists() {
        return None;
    }
    let lists = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let lists = lists.filter(|path| path.extension().is_some_and(|kind| kind == "sources" || kind == "list"));
    let lists = std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(lists);
    let text: String = lists.filter_map(|path| std::fs::read_to_string(path).ok()).collect::<Vec<_>>().join("\n\n");
    mirror(&text, &suite).map(|mirror| (mirror, suite))
}

/// The first mirror of `suite` in apt's lists, of either format.
fn mirror(text: &str, suite: &str) -> Option<String> {
    let one_line = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().filter(|word| !word.contains(['[', ']'])).collect();
        let [kind, uri, name, ..] = words[..] else { return None };
        (kind == "deb" && name == suite).then(|| uri.to_owned())
    });
    let stanzas = text.split("\n\n").filter_map(|stanza| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let suites = field("Suites")?.split_whitespace().any(|name| name == suite);
        suites.then(|| field("URIs")?.split_whitespace().next().map(str::to_owned)).flatten()
    });
    one_line.chain(stanzas).next()
}
