//! Checks that `completions/` and `man/` say what the definitions say; `cargo bless` writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Command;
use roff::{Roff, bold, roman};

use crate::cli::{TREE, complete, example};
use crate::runtime::oci;

/// Everything that is generated, by its path in the tree.
fn generated() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for (shell, name) in [("bash", "dhow.bash"), ("zsh", "_dhow"), ("fish", "dhow.fish")] {
        files.insert(Path::new("completions").join(name), complete::script(TREE.name, shell).into_bytes());
    }
    let mut command = TREE.command();
    command.build();
    pages(&command, "dhow", &mut files);
    let mut runtime = oci::args::definition("dhow oci");
    runtime.build();
    pages(&runtime, "dhow-oci", &mut files);
    files
}

/// Adds the page of a command and of all below it, `dhow-volume-ls.1`.
fn pages(command: &Command, name: &str, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let page = command.clone().name(name.to_owned()).display_name(name.to_owned());
    let mut text = Vec::new();
    clap_mangen::Man::new(page).date("").source(concat!("dhow ", env!("CARGO_PKG_VERSION"))).render(&mut text).unwrap();
    let words = command.get_bin_name().and_then(|name| name.split_once(' ')).map_or("", |(_, words)| words);
    examples(words, &mut text);
    if words.is_empty() {
        places(&mut text);
    }
    files.insert(Path::new("man").join(format!("{name}.1")), text);
    for below in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        pages(below, &format!("{name}-{}", below.get_name()), files);
    }
}

/// Adds the examples of a command.
fn examples(words: &str, text: &mut Vec<u8>) {
    let examples = example::of(words);
    if examples.is_empty() {
        return;
    }
    let mut page = Roff::default();
    page.control("SH", ["EXAMPLES"]);
    for (what, line) in examples {
        if !what.is_empty() {
            page.control("PP", []);
            page.text([roman(format!("{what}:"))]);
        }
        page.control("PP", []).control("RS", ["4"]).control("nf", []);
        page.text([roman(format!("$ {line}"))]);
        page.control("fi", []).control("RE", []);
    }
    text.extend(page.render().into_bytes());
}

/// Adds the files and variables that all commands read.
fn places(text: &mut Vec<u8>) {
    let mut page = Roff::default();
    for (heading, list) in [("FILES", &FILES[..]), ("ENVIRONMENT", &ENVIRONMENT)] {
        page.control("SH", [heading]);
        for (name, what) in list {
            page.control("TP", []);
            page.text([bold(*name)]);
            page.text([roman(*what)]);
        }
    }
    text.extend(page.render().into_bytes());
}

/// What is read, and where things are kept. An ordinary user's own files come after the system's.
const FILES: [(&str, &str); 12] = [
    (
        "/usr/share/containers/containers.conf, /etc/containers/containers.conf, ~/.config/containers/containers.conf",
        "Defaults of containers and of dhow, each with a directory .d beside it. containers.conf(5)",
    ),
    (
        "/etc/containers/storage.conf, ~/.config/containers/storage.conf",
        "Where the store is. containers-storage.conf(5)",
    ),
    (
        "/etc/containers/registries.conf, ~/.config/containers/registries.conf",
        "Registries: short names, mirrors, which of them have no TLS. containers-registries.conf(5)",
    ),
    (
        "/etc/containers/policy.json, ~/.config/containers/policy.json",
        "Which images may come in. containers-policy.json(5)",
    ),
    (
        "$XDG_RUNTIME_DIR/containers/auth.json, ~/.docker/config.json",
        "Credentials for registries. containers-auth.json(5)",
    ),
    (
        "/etc/containers/certs.d/HOST:PORT, ~/.config/containers/certs.d/HOST:PORT",
        "Certificates of registries, and ours for them. containers-certs.d(5)",
    ),
    (
        "/usr/share/containers/mounts.conf, /etc/containers/mounts.conf",
        "What every container gets from the host. containers-mounts.conf(5)",
    ),
    ("/etc/containers/seccomp.json", "The filter of system calls, in place of dhow's own"),
    ("/etc/containers/oci/hooks.d", "Programs at points of a container's life. oci-hooks(5)"),
    ("/etc/cdi, /var/run/cdi", "Devices of vendors, for --device VENDOR/CLASS=NAME and --gpus"),
    ("/etc/subuid, /etc/subgid", "The ids of an ordinary user's containers. subuid(5)"),
    (
        "/var/lib/dhow, /run/dhow; ~/.local/share/dhow, $XDG_RUNTIME_DIR/dhow",
        "The store, and what is gone after a reboot",
    ),
];

const ENVIRONMENT: [(&str, &str); 5] = [
    (
        "CONTAINERS_CONF, CONTAINERS_CONF_OVERRIDE",
        "A file in place of all containers.conf, and one that is read after them",
    ),
    ("CONTAINERS_REGISTRIES_CONF, CONTAINERS_STORAGE_CONF, REGISTRY_AUTH_FILE", "Files in place of those above"),
    (
        "HTTP_PROXY, HTTPS_PROXY, NO_PROXY",
        "How registries are reached; containers get them too, but for --http-proxy=false",
    ),
    (
        "NOTIFY_SOCKET, LISTEN_FDS",
        "The service manager that started us, for --sdnotify and sockets that it handed over",
    ),
    ("PODMAN_USERNS", "The user namespace of containers without --userns"),
];

/// The files that are there.
fn present(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["completions", "man"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        found.extend(entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name())));
    }
    found
}

#[test]
fn completions_and_pages_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = generated();
    let bless = std::env::var_os("BLESS").is_some();
    let mut stale = Vec::new();
    for path in present(root).into_iter().filter(|path| !files.contains_key(path)) {
        if bless {
            std::fs::remove_file(root.join(&path)).unwrap();
        } else {
            stale.push(path);
        }
    }
    for (path, text) in files {
        if std::fs::read(root.join(&path)).is_ok_and(|old| old == text) {
            continue;
        }
        if bless {
            std::fs::create_dir_all(root.join(&path).parent().unwrap()).unwrap();
            std::fs::write(root.join(&path), text).unwrap();
        } else {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "run `cargo bless`: these files are not what the definitions say: {stale:?}");
}

/// A shell that cannot read its script is worse than none.
#[test]
fn scripts_are_read_by_their_shells() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    for shell in ["bash", "zsh", "fish"] {
        let mut command = Command::new(shell);
        command.arg("-n").stdin(Stdio::piped());
        let Ok(mut child) = command.spawn() else { continue };
        child.stdin.take().unwrap().write_all(complete::script(TREE.name, shell).as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{shell}");
    }
}
