//! Which tests show that the rules of SECURITY_RULES.md are kept: those whose doc comment begins with the rule, as
//! `/// R24: …` or `/// R10, R11.` do. Each of them was seen to fail with the guard taken out. What else the rules say
//! of the tree itself (R5, R39) is checked here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::must_be_empty;
use super::source::{files, root};

/// The rules, by their titles.
const RULES: &[(&str, &str)] = &[
    ("R1", "no string paths into untrusted trees"),
    ("R2", "/dev is ours"),
    ("R3", "/proc is ours"),
    ("R4", "copy works inside"),
    ("R5", "nothing foreign is executed or loaded"),
    ("R6", "no implicit host mounts"),
    ("R7", "files read from an image are bounded"),
    ("R8", "only the intended descriptors reach a container"),
    ("R9", "the engine cannot be reached from a container"),
    ("R10", "layers are unpacked in a locked-down process"),
    ("R11", "one archive parser, strict"),
    ("R12", "count before keeping"),
    ("R13", "identity is a digest we computed"),
    ("R14", "locks are flock on close-on-exec descriptors"),
    ("R15", "nothing of ours is readable by strangers"),
    ("R16", "image data selects no engine behaviour"),
    ("R17", "one path to a container"),
    ("R18", "secrets are a type"),
    ("R19", "a credential belongs to one origin"),
    ("R20", "TLS always verified"),
    ("R21", "every network wait has a deadline"),
    ("R22", "policy parses closed"),
    ("R23", "capability sets are explicit"),
    ("R24", "identities are typed"),
    ("R25", "no control bytes in line-based files"),
    ("R26", "no hand-packed lengths between stages"),
    ("R27", "a new session keyring for every process"),
    ("R28", "cgroups stay below our slice"),
    ("R29", "a terminal is always ours"),
    ("R30", "confinement never fails open"),
    ("R31", "filtering precedes translation"),
    ("R32", "no address a user did not ask for"),
    ("R33", "DNS answers only the asker's networks"),
    ("R34", "control sockets are path sockets"),
    ("R35", "a request is parsed once"),
    ("R36", "every queue is bounded"),
    ("R37", "untrusted text is escaped on a terminal"),
    ("R38", "templates are pure"),
    ("R39", "few dependencies, all watched"),
    ("R40", "acknowledged means durable"),
    ("R41", "the kernel is the source of truth"),
    ("R42", "every external effect is announced and enumerable"),
    ("R43", "damage is local"),
    ("R44", "the monitor is small and replaceable"),
    ("Defaults", "what a container gets without a word"),
];

/// Rules whose subject has no code yet, and where it will be: then they need tests.
const WITHOUT_CODE: &[(&str, &str)] = &[("R33", "src/network/dns"), ("R35", "src/api")];

/// What reads bytes that others chose, and where the property test of each is.
const PARSERS: &[(&str, &str)] = &[
    ("references", "src/model/reference.rs"),
    ("manifests, indexes, image configuration", "src/image/manifest.rs"),
    ("layouts and docker archives", "src/image/archive/tree.rs"),
    ("tar and pax", "src/storage/member/tests.rs"),
    ("whiteouts, links, what a layer writes", "src/storage/extract/tests.rs"),
    ("gzip and zstd framing", "src/storage/compression.rs"),
    ("auth.json", "src/image/credential.rs"),
    ("Www-Authenticate", "src/image/registry/auth.rs"),
    ("error bodies", "src/image/registry/http.rs"),
    ("Content-Range", "src/image/registry/transfer.rs"),
    ("Range", "src/image/registry/upload.rs"),
    ("Link", "src/image/registry/tags.rs"),
    ("search answers", "src/image/registry/search.rs"),
    ("registries.conf", "src/image/registry/config.rs"),
    ("policy.json", "src/image/trust/policy.rs"),
    ("containers.conf", "src/state/config/mod.rs"),
    ("mounts.conf", "src/state/config/mounts.rs"),
    ("seccomp profiles", "src/runtime/seccomp/document.rs"),
    ("compiled filters", "src/runtime/seccomp/cache.rs"),
    ("bundles", "src/runtime/validate.rs"),
    ("passwd and group of an image", "src/runtime/user.rs"),
    ("accounts of the host", "src/state/account.rs"),
    ("subuid and subgid", "src/state/subid.rs"),
    ("id maps", "src/runtime/idmap.rs"),
    ("--userns", "src/cli/container/namespace.rs"),
    ("--mount, --volume, --tmpfs", "src/model/mount.rs"),
    ("--publish", "src/model/port.rs"),
    ("--network", "src/model/network.rs"),
    ("--log-opt", "src/model/log.rs"),
    ("--filter", "src/model/filter.rs"),
    ("--security-opt", "src/cli/container/confinement.rs"),
    ("--ulimit, --device and limits", "src/cli/container/limit.rs"),
    ("--env-file", "src/cli/container/environment.rs"),
    ("--secret", "src/model/secret.rs"),
    ("health checks of images", "src/model/health.rs"),
    ("templates", "src/cli/output/template/tests.rs"),
    ("records", "src/state/record.rs"),
    ("events", "src/state/event.rs"),
    ("leases", "src/network/ipam/host_local.rs"),
    ("answers of nftables", "src/network/firewall/nft.rs"),
    ("owners of rules", "src/network/firewall/rule.rs"),
    ("messages between stages", "src/runtime/channel.rs"),
    ("frames of clients", "src/monitor/frame.rs"),
    ("logs", "src/monitor/log/read.rs"),
    ("the bus of systemd", "src/state/bus.rs"),
    ("what an image prints", "src/cli/output/escape.rs"),
];

/// Licences that may be linked into a program under Apache-2.0.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
];

/// Blocks and functions in `src/sys` that the compiler cannot check. May only fall.
const UNSAFE: usize = 58;

/// The rules that a doc comment begins with.
fn named(doc: &str) -> Vec<&str> {
    let Some(end) = doc.find([':', '.']) else { return Vec::new() };
    let words: Vec<&str> = doc[..end].split(", ").collect();
    let is_rule = |word: &&str| {
        *word == "Defaults"
            || word.strip_prefix('R').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    if words.iter().all(is_rule) { words } else { Vec::new() }
}

/// The tests in `text` that name rules: rule and name.
fn tests(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut out = Vec::new();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[test]") {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("///")).last();
        let below = lines[at..].iter().find_map(|line| line.strip_prefix("fn ")?.split('(').next());
        let (Some(doc), Some(name)) = (above, below) else { continue };
        out.extend(
            named(doc.trim_start_matches('/').trim()).into_iter().map(|rule| (rule.to_owned(), name.to_owned())),
        );
    }
    out
}

#[test]
fn rules_are_read_from_doc_comments() {
    let text = "/// R1, R10: a b.\n/// c\n#[test]\nfn x() {}\n/// R2 is no title.\n#[test]\nfn y() {}\n\n    /// Defaults.\n    \
                #[test]\n    fn z(a in b) {}\n/// R3.\nfn no_test() {}\n#[test]\nfn w() {}";
    let of = |rule: &str, name: &str| (rule.to_owned(), name.to_owned());
    assert_eq!(tests(text), [of("R1", "x"), of("R10", "x"), of("Defaults", "z")]);
}

#[test]
fn each_rule_has_a_test() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in ["src", "tests"].into_iter().flat_map(|tree| files(tree, ".rs")) {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        for (rule, name) in tests(&text) {
            found.entry(rule).or_default().insert(format!("{file}: {name}"));
        }
    }
    let later = |rule: &str| WITHOUT_CODE.iter().find(|(name, _)| *name == rule).map(|(_, place)| *place);
    let mut wrong: Vec<String> = Vec::new();
    for (rule, title) in RULES {
        let tests = found.remove(*rule).unwrap_or_default();
        let code =
            later(rule).is_none_or(|place| root().join(place).exists() || root().join(format!("{place}.rs")).exists());
        if tests.is_empty() && code {
            wrong.push(format!("{rule}, {title}: no test"));
        }
        println!("{rule}, {title}");
        match later(rule).filter(|_| !code) {
            Some(place) => println!("    no code yet ({place})"),
            None => tests.iter().for_each(|test| println!("    {test}")),
        }
    }
    wrong.extend(found.keys().map(|rule| format!("{rule} is no rule: {:?}", found[rule])));
    must_be_empty("rules without a test", &wrong);
}

/// R39: what reads the bytes of others is given any bytes.
#[test]
fn each_parser_of_untrusted_bytes_has_a_property_test() {
    let lost: Vec<String> = PARSERS
        .iter()
        .filter(|(_, file)| !std::fs::read_to_string(root().join(file)).is_ok_and(|text| text.contains("proptest!")))
        .map(|(what, file)| format!("{what}: {file}"))
        .collect();
    must_be_empty("parsers without a property test", &lost);
}

/// R39: `unsafe` grows nowhere.
#[test]
fn there_is_no_more_unsafe_than_there_was() {
    let count: usize =
        super::all().iter().map(|source| source.tokens.iter().filter(|t| t.text == "unsafe").count()).sum();
    assert!(count <= UNSAFE, "{count} times unsafe, {UNSAFE} are allowed");
}

/// R5: nothing of the host or of an image is loaded into the program: it has no interpreter and no dynamic section.
#[test]
fn the_program_is_static() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_dhow")).unwrap();
    let number = |at: usize, size: usize| {
        program[at..at + size].iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    assert_eq!(&program[..5], b"\x7fELF\x02");
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let kinds: Vec<usize> = (0..count).map(|at| number(table + at * size, 4)).collect();
    assert!(kinds.contains(&1) && !kinds.contains(&2) && !kinds.contains(&3), "PT_DYNAMIC or PT_INTERP: {kinds:?}");
}

/// Whether an SPDX expression can be met by the licences that are allowed.
fn allowed(expression: &str) -> bool {
    let plain = expression.replace('/', " OR ");
    // No package nests deeper than one pair of brackets.
    let parts = |text: &str, by: &str| text.split(by).map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    if let Some((before, rest)) = plain.split_once('(')
        && let Some((inner, after)) = rest.split_once(')')
    {
        let word = if allowed(inner) { "MIT" } else { "none" };
        return allowed(&format!("{before}{word}{after}"));
    }
    parts(&plain, " OR ").iter().any(|one| parts(one, " AND ").iter().all(|name| LICENCES.contains(&name.as_str())))
}

#[test]
fn licences_are_read_as_expressions() {
    for (text, fine) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR GPL-2.0-only) AND BSD-3-Clause", true),
        ("MIT AND (GPL-2.0-only OR LGPL-3.0-only)", false),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("", false),
    ] {
        assert_eq!(allowed(text), fine, "{text}");
    }
}

/// R39: what is linked in comes from the registry that cargo checks, under a licence that fits. Advisories are not checked
/// here: their database is on the network.
#[test]
fn dependencies_have_a_source_and_a_licence() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform"])
        .arg(format!("{}-unknown-linux-musl", std::env::consts::ARCH))
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = document["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages", packages.len());
    let mut wrong = Vec::new();
    for package in packages.iter().filter(|package| package["name"] != "dhow") {
        let name = format!("{} {}", package["name"], package["version"]);
        let licence = package["license"].as_str().unwrap_or_default();
        if !allowed(licence) {
            wrong.push(format!("{name}: licence {licence:?}"));
        }
        if package["source"] != "registry+https://github.com/rust-lang/crates.io-index" {
            wrong.push(format!("{name}: source {}", package["source"]));
        }
    }
    must_be_empty("dependencies", &wrong);
}
