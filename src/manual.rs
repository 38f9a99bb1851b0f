//! Checks that `completions/` and `man/` say what the definitions say; `cargo bless` writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Command;

use crate::cli::{TREE, complete};
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
    files.insert(Path::new("man").join(format!("{name}.1")), text);
    for below in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        pages(below, &format!("{name}-{}", below.get_name()), files);
    }
}

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
