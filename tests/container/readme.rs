//! Runs every command of the README's tour and compares what it shows.
//!
//! In a ```console block a line `# command` is run by a shell, as root; the lines after it are the whole of what it must
//! print. Where the block shows nothing, anything may be printed (ids, tables).

use std::os::unix::fs::PermissionsExt;

use crate::require;
use crate::support::env::eventually;
use crate::support::isolated;

const README: &str = include_str!("../../README.md");

/// The commands of the tour, each with what it prints.
fn tour() -> Vec<(String, String)> {
    let block = README.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let mut steps: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("# ") {
            Some(command) => steps.push((command.to_owned(), String::new())),
            None => {
                let shown = &mut steps.last_mut().expect("the tour begins with a command").1;
                shown.push_str(line);
                shown.push('\n');
            }
        }
    }
    steps
}

#[test]
fn the_tour_of_the_readme_works() {
    require!(root, cgroup);
    isolated(|env| {
        assert!(tour().len() > 15, "the tour was not found");
        let bin = env.place.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let wrapper = format!(
            "#!/bin/sh\nexec {} --root {} --runroot {} \"$@\"\n",
            env.root.binary.display(),
            env.root.store.display(),
            env.root.runtime.display()
        );
        std::fs::write(bin.join("dhow"), wrapper).unwrap();
        std::fs::set_permissions(bin.join("dhow"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("/bin/busybox", bin.join("wget")).unwrap();
        let shell = |command: &str| {
            let output = env
                .root
                .command("/bin/sh")
                .args(["-c", command])
                .current_dir(&env.place)
                .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()))
                .output()
                .unwrap();
            (
                output.status.success(),
                String::from_utf8(output.stdout).unwrap(),
                String::from_utf8(output.stderr).unwrap(),
            )
        };
        let tree = "mkdir -p tree/bin tree/tmp && cp /bin/busybox tree/bin/ && chroot tree /bin/busybox --install -s /bin && \
                    tar -C tree -cf busybox.tar . && rm -r tree";
        assert!(shell(tree).0);
        for (command, shown) in tour() {
            if command.starts_with("wget") {
                // The server of the step before needs a moment.
                eventually("the web server answers", || shell(&command).0);
            }
            let (success, stdout, stderr) = shell(&command);
            assert!(success, "{command}\n{stdout}{stderr}");
            if !shown.is_empty() {
                assert_eq!(stdout, shown, "{command}");
            }
        }
        for name in ["bin/dhow", "bin/wget", "busybox.tar", "tiny.oci.tar"] {
            std::fs::remove_file(env.place.join(name)).unwrap();
        }
        std::fs::remove_dir(bin).unwrap();
    });
}
