//! Examples for the help and the manual pages of the commands. A test reads each one as a command line.

/// What is done, and how.
pub(crate) type Example = (&'static str, &'static str);

/// By the command's words; `container` and `image` before a command that is there without them are left out.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "artifact add",
        &[
            ("Make an artifact of two files", "dhow artifact add registry.example/models/small:1 model.bin card.md"),
            ("Add another", "dhow artifact add --append registry.example/models/small:1 license.txt"),
        ],
    ),
    ("artifact extract", &[("All its files", "dhow artifact extract registry.example/models/small:1 ./models")]),
    ("artifact inspect", &[("What is in it", "dhow artifact inspect registry.example/models/small:1")]),
    ("artifact ls", &[("Names and sizes", "dhow artifact ls --format '{{.Repository}} {{.Size}}'")]),
    ("artifact pull", &[("Fetch it", "dhow artifact pull registry.example/models/small:1")]),
    ("artifact push", &[("Send it to the registry of its name", "dhow artifact push registry.example/models/small:1")]),
    ("artifact rm", &[("Remove all", "dhow artifact rm --all")]),
    ("attach", &[("Go on with a container's terminal; ctrl-p ctrl-q leaves it", "dhow attach web")]),
    (
        "auto-update",
        &[
            ("Is there anything newer?", "dhow auto-update --dry-run"),
            ("What was updated, and what came back", "dhow auto-update --format '{{.Unit}} {{.Updated}}'"),
        ],
    ),
    (
        "commit",
        &[
            ("Make an image of what a container has become", "dhow commit web localhost/web:patched"),
            ("Give it another command", "dhow commit --change 'CMD [\"httpd\", \"-f\"]' web localhost/web:2"),
        ],
    ),
    ("completion", &[("For bash", "dhow completion bash > ~/.local/share/bash-completion/completions/dhow")]),
    ("container cleanup", &[("Take away what all containers that ended have outside", "dhow container cleanup --all")]),
    ("container clone", &[("The same again with more memory", "dhow container clone --memory 512m web web2")]),
    ("container exists", &[("Start what is there", "dhow container exists web && dhow start web")]),
    (
        "container prune",
        &[("Remove what ended more than a day ago", "dhow container prune --force --filter until=24h")],
    ),
    (
        "cp",
        &[
            ("A file into a container", "dhow cp nginx.conf web:/etc/nginx/nginx.conf"),
            ("A directory out of it", "dhow cp web:/var/log ./logs"),
            ("From one container to another, as an archive", "dhow cp web:/data - | dhow cp - web2:/"),
        ],
    ),
    (
        "create",
        &[("Make a container and start it later", "dhow create --name web -p 8080:80 nginx"), ("", "dhow start web")],
    ),
    ("diff", &[("What a container changed in its files", "dhow diff web")]),
    (
        "events",
        &[
            (
                "What happened to containers in the last hour",
                "dhow events --since 1h --until now --filter type=container",
            ),
            (
                "Wait for the ends of containers",
                "dhow events --filter event=died --format '{{.Name}} {{.ContainerExitCode}}'",
            ),
        ],
    ),
    (
        "exec",
        &[
            ("A shell in a running container", "dhow exec -it web sh"),
            ("As another user, in another directory", "dhow exec -u www-data -w /srv web ls -l"),
            ("With what comes in", "dhow exec -i db psql < dump.sql"),
        ],
    ),
    ("export", &[("The files of a container as an archive", "dhow export -o web.tar web")]),
    ("healthcheck run", &[("Ask now whether a container is well", "dhow healthcheck run web && echo well")]),
    ("history", &[("How the layers of an image were made", "dhow history --no-trunc nginx")]),
    (
        "image copy",
        &[
            (
                "From one registry to another",
                "dhow image copy docker://registry.example/a:1 docker://other.example/a:1",
            ),
            ("Into a directory", "dhow image copy docker://registry.example/a:1 oci:/srv/images:a"),
        ],
    ),
    ("image diff", &[("What an image adds to the one below", "dhow image diff localhost/web:patched")]),
    ("image exists", &[("Pull what is missing", "dhow image exists nginx || dhow pull nginx")]),
    ("image inspect", &[("What an image runs", "dhow image inspect --format '{{.Config.Cmd}}' nginx")]),
    ("image mount", &[("The files of an image, where root finds them", "dhow image mount nginx")]),
    ("image prune", &[("Remove what no container uses", "dhow image prune --all --force")]),
    ("image tree", &[("The layers of an image, and who has them too", "dhow image tree nginx")]),
    (
        "image sign",
        &[(
            "Sign what a registry has, into a directory",
            "dhow image sign --sign-by me@registry.example --directory ./signatures docker://registry.example/web:1",
        )],
    ),
    (
        "image trust set",
        &[(
            "Nothing from this registry but what is below one place",
            "dhow image trust set -t reject registry.example",
        )],
    ),
    ("image trust show", &[("Which images are trusted, and by whose word", "dhow image trust show")]),
    ("image unmount", &[("The reverse of image mount", "dhow image unmount nginx")]),
    ("images", &[("Names and sizes", "dhow images --format '{{.Repository}}:{{.Tag}} {{.Size}}'")]),
    (
        "import",
        &[("An image of an archive of files", "dhow import --change 'CMD [\"bash\"]' rootfs.tar localhost/base")],
    ),
    (
        "info",
        &[("What this host can do", "dhow info"), ("One thing of it", "dhow info --format '{{.Host.CgroupsVersion}}'")],
    ),
    ("init", &[("Make everything but start nothing", "dhow init web")]),
    (
        "inspect",
        &[
            ("The address of a container", "dhow inspect --format '{{.NetworkSettings.IPAddress}}' web"),
            ("Whether it is well", "dhow inspect --format '{{.State.Health.Status}}' web"),
        ],
    ),
    ("kill", &[("Have a daemon read its files again", "dhow kill --signal HUP web")]),
    ("load", &[("Images of an archive", "dhow load -i images.tar"), ("", "ssh host dhow save nginx | dhow load")]),
    ("login", &[("Keep the password for a registry", "dhow login --username me registry.example")]),
    ("logout", &[("Forget it", "dhow logout registry.example")]),
    (
        "logs",
        &[
            ("The last lines, and those to come", "dhow logs --tail 20 --follow web"),
            ("Several containers at once", "dhow logs --names --since 10m web db"),
        ],
    ),
    (
        "manifest add",
        &[("Add an image to a list", "dhow manifest add localhost/all docker://registry.example/app:arm64")],
    ),
    (
        "manifest annotate",
        &[("Say for what an entry is", "dhow manifest annotate --arch arm64 --variant v8 localhost/all DIGEST")],
    ),
    ("manifest create", &[("Make a list of images for several platforms", "dhow manifest create localhost/all")]),
    ("manifest exists", &[("See whether there is one", "dhow manifest exists localhost/all")]),
    ("manifest inspect", &[("What is in it", "dhow manifest inspect localhost/all")]),
    (
        "manifest push",
        &[("With all its images", "dhow manifest push --all localhost/all docker://registry.example/app:1")],
    ),
    ("manifest remove", &[("Take an entry out", "dhow manifest remove localhost/all DIGEST")]),
    ("manifest rm", &[("Remove the list", "dhow manifest rm localhost/all")]),
    ("mount", &[("The files of a container, where root finds them", "dhow mount web")]),
    ("pause", &[("Stop all processes of a container where they are", "dhow pause web")]),
    ("port", &[("Where a port of a container is", "dhow port web 80")]),
    (
        "ps",
        &[
            ("All containers, with those that ended", "dhow ps -a"),
            ("The ids of those that ended badly", "dhow ps -aq --filter status=exited --filter exited=1"),
            ("Some columns", "dhow ps --format 'table {{.Names}}\\t{{.Status}}\\t{{.Ports}}'"),
        ],
    ),
    (
        "pull",
        &[
            ("An image by its tag", "dhow pull nginx:1"),
            ("For another platform", "dhow pull --platform linux/arm64 nginx"),
        ],
    ),
    ("push", &[("An image under another name", "dhow push localhost/web docker://registry.example/web:1")]),
    ("rename", &[("Give a container another name", "dhow rename web web-old")]),
    ("restart", &[("Stop and start", "dhow restart --time 5 web"), ("All that run", "dhow restart --running")]),
    ("rm", &[("Remove a container, running or not", "dhow rm -f web"), ("All that ended", "dhow rm --all")]),
    ("rmi", &[("Remove an image with the containers that use it", "dhow rmi -f nginx")]),
    (
        "run",
        &[
            ("A shell that leaves nothing behind", "dhow run --rm -it debian bash"),
            ("A server in the background", "dhow run -d --name web -p 8080:80 --restart always nginx"),
            ("With files of yours, as yourself", "dhow run --rm --userns keep-id -v .:/work -w /work debian make"),
            ("With limits", "dhow run --memory 256m --cpus 1.5 --pids-limit 100 debian ./job"),
            (
                "As little as possible",
                "dhow run --read-only --cap-drop all --network none --security-opt no-new-privileges debian true",
            ),
        ],
    ),
    (
        "save",
        &[
            ("An image as an archive", "dhow save -o nginx.tar nginx"),
            ("Several in one", "dhow save -m -o images.tar nginx debian"),
        ],
    ),
    ("search", &[("Look for images in the registries of registries.conf", "dhow search --limit 5 nginx")]),
    (
        "secret create",
        &[
            ("Of a file", "dhow secret create tls-key server.key"),
            ("Of a variable", "dhow secret create --env token TOKEN"),
        ],
    ),
    ("secret exists", &[("See whether there is one", "dhow secret exists token")]),
    ("secret inspect", &[("What is known of it, and what it is", "dhow secret inspect --showsecret token")]),
    ("secret ls", &[("All secrets", "dhow secret ls")]),
    ("secret rm", &[("Remove one", "dhow secret rm token")]),
    ("start", &[("In the background", "dhow start web"), ("With its terminal", "dhow start -ai shell")]),
    ("stats", &[("What containers use now", "dhow stats --no-stream")]),
    ("stop", &[("Ask for the end, and wait 30 seconds for it", "dhow stop --time 30 web"), ("All", "dhow stop --all")]),
    (
        "system boot-unit",
        &[("Have containers with a restart policy start with the system", "dhow system boot-unit --install")],
    ),
    ("system check", &[("Find damage, and mend it", "dhow system check --repair")]),
    ("system df", &[("What takes how much", "dhow system df -v")]),
    ("system migrate", &[("After a change of /etc/subuid", "dhow system migrate")]),
    ("system prune", &[("Remove all that is not used, volumes too", "dhow system prune --all --volumes")]),
    ("system renumber", &[("Nothing; scripts call it", "dhow system renumber")]),
    ("system reset", &[("Remove everything", "dhow system reset")]),
    ("tag", &[("Another name for an image", "dhow tag nginx registry.example/nginx:mine")]),
    ("top", &[("The processes of a container", "dhow top web"), ("Some columns", "dhow top web pid user args")]),
    ("unmount", &[("The reverse of mount", "dhow unmount web")]),
    ("unpause", &[("Let processes go on", "dhow unpause web")]),
    ("unshare", &[("Look at files as the root of your containers", "dhow unshare ls -ln ~/.local/share/dhow")]),
    ("untag", &[("Take a name away", "dhow untag nginx registry.example/nginx:mine")]),
    ("update", &[("Change a limit while it runs", "dhow update --memory 1g web")]),
    ("version", &[("The number alone", "dhow version --format '{{.Client.Version}}'")]),
    ("volume create", &[("A volume with a label", "dhow volume create --label app=web data")]),
    ("volume exists", &[("See whether there is one", "dhow volume exists data")]),
    ("volume export", &[("What is in it as an archive", "dhow volume export -o data.tar data")]),
    ("volume import", &[("The reverse", "dhow volume import data data.tar")]),
    ("volume inspect", &[("Where it is", "dhow volume inspect --format '{{.Mountpoint}}' data")]),
    ("volume ls", &[("Those that no container uses", "dhow volume ls --filter dangling=true")]),
    ("volume mount", &[("Where root finds its files", "dhow volume mount data")]),
    ("volume prune", &[("Remove those that no container uses", "dhow volume prune --force")]),
    ("volume reload", &[("Read the volumes of plugins again", "dhow volume reload")]),
    ("volume rm", &[("Remove a volume", "dhow volume rm data")]),
    ("volume unmount", &[("The reverse of volume mount", "dhow volume unmount data")]),
    (
        "wait",
        &[
            ("The exit code of a container, once there is one", "dhow wait web"),
            ("Until it is well", "dhow wait --condition healthy web"),
        ],
    ),
];

/// Commands by two names.
const SAME: [(&str, &str); 6] = [
    ("container list", "ps"),
    ("container ps", "ps"),
    ("image ls", "images"),
    ("image rm", "rmi"),
    ("image search", "search"),
    ("system info", "info"),
];

/// The examples of the command with these words, `volume ls`.
pub(crate) fn of(words: &str) -> &'static [Example] {
    let find = |words: &str| EXAMPLES.iter().find(|(known, _)| *known == words).map(|(_, examples)| *examples);
    let words = SAME.iter().find(|(other, _)| *other == words).map_or(words, |(_, same)| same);
    let short =
        || words.split_once(' ').filter(|(noun, _)| matches!(*noun, "container" | "image")).map(|(_, rest)| rest);
    find(words).or_else(|| find(short()?)).unwrap_or_default()
}

/// The examples as the last part of a command's help.
pub(crate) fn help(words: &str) -> String {
    let mut text = String::new();
    for (what, line) in of(words) {
        if !what.is_empty() {
            text.push_str(&format!("  # {what}\n"));
        }
        text.push_str(&format!("  {line}\n"));
    }
    if text.is_empty() { text } else { format!("Examples:\n{}", text.trim_end()) }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::TREE;
    use crate::cli::flags::tree::Parsed;

    /// The words of a command line as a shell has them, up to a pipe, a redirection or the next command.
    fn words(line: &str) -> Vec<OsString> {
        let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
        for c in line.chars().chain([' ']) {
            match (c, quote) {
                ('\'' | '"', None) => (quote, any) = (Some(c), true),
                (c, Some(open)) if c == open => quote = None,
                (' ', None) => {
                    if matches!(word.as_str(), "|" | ">" | "<" | "&&" | "||") {
                        break;
                    }
                    if any || !word.is_empty() {
                        words.push(OsString::from(std::mem::take(&mut word)));
                    }
                    any = false;
                }
                (c, _) => word.push(c),
            }
        }
        words
    }

    #[test]
    fn examples_are_command_lines_of_their_command() {
        for (command, examples) in EXAMPLES {
            for (_, line) in *examples {
                let words = words(line);
                if words[0] != "dhow" {
                    continue;
                }
                match TREE.parse(&words[1..]) {
                    Ok(Parsed::Run { .. }) => {}
                    Ok(_) => panic!("{line}: runs nothing"),
                    Err(error) => panic!("{line}: {error}"),
                }
                let other = ["dhow start web"].contains(line);
                assert!(other || line.starts_with(&format!("dhow {command}")), "{line}");
            }
        }
    }

    #[test]
    fn every_command_has_an_example() {
        fn walk(command: &clap::Command, words: &str, missing: &mut Vec<String>) {
            for below in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
                let words = format!("{words} {}", below.get_name()).trim().to_owned();
                if below.get_subcommands().all(|c| c.get_name() == "help") && of(&words).is_empty() {
                    missing.push(words.clone());
                }
                walk(below, &words, missing);
            }
        }
        let mut command = TREE.command();
        command.build();
        let mut missing = Vec::new();
        walk(&command, "", &mut missing);
        assert!(missing.is_empty(), "{missing:?}");
    }
}
