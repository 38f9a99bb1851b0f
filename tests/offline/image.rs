//! The images of a store: listed, inspected, named and removed, side by side with the installed podman.

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::env::finished;
use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::isolated;
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::Tools;

/// An image of one small layer, built in another year for each `year`.
fn built(word: &str, year: u32) -> Image {
    let mut image = Image::of(vec![Layer::new(&[Entry::file(word, 0o644, word)], Packing::Gzip)]);
    image.config["created"] = json!(format!("{year}-02-03T04:05:06.789Z"));
    image.config["author"] = json!("somebody");
    image.config["history"] = json!([
        {"created": format!("{year}-02-03T04:05:06.789Z"), "created_by": "COPY a very long line that says what was copied to where"},
        {"created": format!("{year}-02-03T04:05:06.789Z"), "created_by": "CMD [\"/bin/sh\"]", "empty_layer": true, "comment": "no layer"},
    ]);
    image
        .with("Labels", json!({"word": word, "year": year.to_string()}))
        .with("Env", json!(["A=b"]))
        .with("User", json!("1:2"))
}

/// Three images of different years, two with names from a registry, one with a name of here, in both stores.
fn stocked(env: &mut TestEnv) -> (Registry, Vec<Image>) {
    let registry = Registry::beside(env);
    let images = vec![built("one", 2019), built("two", 2021), built("three", 2022)];
    let tools = Tools::new(env);
    for (image, tag) in images.iter().zip(["1", "2", "3"]) {
        registry.add("lib/app", tag, image, Flavor::Oci);
        let name = registry.reference(&format!("lib/app:{tag}"));
        env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
        tools.podman(&["pull", "-q", "--tls-verify=false", &name]).ok();
    }
    let third = registry.reference("lib/app:3");
    for command in [["tag", &third, "mine:x"], ["untag", &third, &third]] {
        env.run(&command).ok();
        tools.podman(&command).ok();
    }
    (registry, images)
}

/// Commands whose output and exit code are podman's to the letter.
#[test]
fn lists_are_podmans() {
    require!(podman);
    isolated(|env| {
        let (registry, images) = stocked(env);
        let tools = Tools::new(env);
        let reference = format!("reference={}", registry.reference("lib/*"));
        let id = format!("id={}", images[1].id());
        let before = format!("before={}", images[1].id());
        let since = format!("since={}", images[1].id());
        let name = registry.reference("lib/app:2");
        let columns = "{{.Repository}}|{{.Tag}}|{{.ID}}|{{.Digest}}|{{.Created}}|{{.CreatedAt}}|{{.Names}}|{{.RepoTags}}|\
                       {{.Labels}}|{{.Dangling}}|{{.ReadOnly}}|{{.Containers}}|{{.History}}";
        let shown = "{{.Repository}}:{{.Tag}}";
        let cases: Vec<Vec<&str>> = vec![
            vec!["images", "-q"],
            vec!["images", "-q", "--no-trunc"],
            vec!["images", "-aq"],
            vec!["image", "ls", "-q"],
            vec!["image", "list", "-q"],
            vec!["images", "--format", columns],
            vec!["images", "--format", "table {{.Repository}} {{.Tag}} {{.ID}} {{.Created}}"],
            vec!["images", "-n", "--format", "table {{.Repository}}\t{{.Tag}}\t{{.ID}}"],
            vec!["images", "--no-trunc", "--format", "table {{.ID}}"],
            vec!["images", "--sort", "id", "--format", shown],
            vec!["images", "--sort", "tag", "--format", shown],
            vec!["images", "--filter", "dangling=true", "-q"],
            vec!["images", "--filter", "dangling=false", "--format", shown],
            vec!["images", "--filter", "label=word", "--format", shown],
            vec!["images", "--filter", "label=word=two", "--format", shown],
            vec!["images", "--filter", "label=word=nothing", "-q"],
            vec!["images", "--filter", &reference, "--format", shown],
            vec!["images", "--filter", &id, "--format", shown],
            vec!["images", "--filter", &before, "--format", shown],
            vec!["images", "--filter", &since, "--format", shown],
            vec!["images", "--filter", "until=2020-01-01T00:00:00Z", "--format", shown],
            vec!["images", "--filter", "containers=false", "-q"],
            vec!["images", "mine", "--format", shown],
            vec!["images", &name, "--format", shown],
            vec!["images", "nothing", "-q"],
            vec!["image", "exists", "mine:x"],
            vec!["image", "exists", "nothing"],
            vec!["history", "--format", "{{.ID}}|{{.CreatedBy}}|{{.Comment}}|{{.Created}}|{{.CreatedAt}}", "mine:x"],
            vec!["history", "--no-trunc", "--format", "{{.ID}}|{{.CreatedBy}}", "mine:x"],
            vec!["history", "-q", "mine:x"],
            vec!["image", "history", "-q", "--no-trunc", "mine:x"],
            vec![
                "image",
                "inspect",
                "--format",
                "{{.Id}} {{.Digest}} {{.Config.Env}} {{json .Config.Labels}}",
                "mine:x",
            ],
            vec!["inspect", "--type", "image", "--format", "{{.RepoTags}} {{.RootFS.Layers}}", "mine:x"],
            vec!["inspect", "--format", "{{.Architecture}}/{{.Os}} {{.User}} {{len .History}}", "mine:x"],
            vec!["image", "tree-of-nothing"],
        ];
        let mut wrong = Vec::new();
        for case in &cases {
            let (ours, theirs) = (env.run(case), tools.podman(case));
            if (ours.code, &ours.stdout) != (theirs.code, &theirs.stdout) {
                wrong.push(format!("{ours}\n  but podman:\n{theirs}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let keys = |value: &Value| {
            let mut keys: Vec<String> = value[0].as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys
        };
        for command in [&["images", "--format", "json", "mine"][..], &["image", "inspect", "mine:x"]] {
            let (ours, theirs) = (env.run(command).json(), tools.podman(command).json());
            assert_eq!(keys(&ours), keys(&theirs), "{command:?}");
            for (key, value) in theirs[0].as_object().unwrap() {
                if !["Size", "VirtualSize", "GraphDriver"].contains(&key.as_str()) {
                    assert_eq!(&ours[0][key], value, "{command:?}: {key}");
                }
            }
        }
        let names = |outcome: &str| {
            outcome.lines().next().unwrap_or("").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        for command in [&["images"][..], &["images", "--digests"], &["images", "--history"], &["history", "mine:x"]] {
            assert_eq!(names(&env.run(command).ok()), names(&tools.podman(command).ok()), "{command:?}");
        }
    });
}

/// One sequence of changes, step by step the same as with podman: output, exit code, and what is listed then.
#[test]
fn names_come_and_go_as_with_podman() {
    require!(podman);
    isolated(|env| {
        let (registry, images) = stocked(env);
        let tools = Tools::new(env);
        let (first, second) = (registry.reference("lib/app:1"), registry.reference("lib/app:2"));
        let short = &images[1].id()[..12];
        let steps: Vec<Vec<&str>> = vec![
            vec!["tag", &first, "x"],
            vec!["tag", &first, "y:1", "z.test/deep/er:2"],
            vec!["tag", "x", "mine:x"],
            vec!["tag", "nothing", "w"],
            vec!["untag", "y:1"],
            vec!["untag", "x", "x:latest"],
            vec!["untag", "nothing"],
            vec!["rmi", "z.test/deep/er:2"],
            vec!["rmi", "nothing"],
            vec!["rmi", "--ignore", "nothing"],
            vec!["rmi", "nothing", &second],
            vec!["rmi", "-f", "nothing"],
            vec!["rmi", short],
            vec!["image", "rm", &first],
            vec!["image", "prune", "-f"],
            vec!["rmi", "-a"],
            vec!["rmi", "-a"],
            vec!["image", "prune", "-af"],
            vec!["rmi"],
            vec!["rmi", "-a", "x"],
        ];
        for step in steps {
            let (ours, theirs) = (env.run(&step), tools.podman(&step));
            let text = |outcome: &crate::support::Outcome| {
                let mut lines = outcome.lines();
                lines.sort();
                lines
            };
            assert_eq!((ours.code, text(&ours)), (theirs.code, text(&theirs)), "{ours}\n  but podman:\n{theirs}");
            let list = ["images", "--sort", "tag", "--format", "{{.Repository}} {{.Tag}} {{.ID}}"];
            assert_eq!(text(&env.run(&list)), text(&tools.podman(&list)), "after {step:?}");
        }
        env.nothing_is_left();
    });
}

#[test]
fn bad_words_are_said_in_one_line() {
    isolated(|env| {
        env.load(&built("one", 2019), "localhost/one:1").ok();
        for (command, words) in [
            (&["images", "--sort", "bogus"][..], "\"bogus\" is not a valid field for sorting"),
            (&["images", "--filter", "bogus=1"], "unsupported image filter \"bogus\""),
            (&["images", "-a", "one"], "cannot specify an image and --all"),
            (&["tag", "one:1", "UPPER"], "repository name must be lowercase"),
            (&["tag", "one:1", "a:b:c"], "invalid reference format"),
            (&["tag", "nothing", "x"], "nothing: image not known"),
            (&["image", "inspect", "nothing"], "nothing: image not known"),
            (&["history", "nothing"], "nothing: image not known"),
            (&["untag", "nothing"], "nothing: image not known"),
            (&["rmi"], "image name or ID must be specified"),
            (&["rmi", "-a", "one:1"], "you may not pass any images names or IDs"),
        ] {
            env.run(command).fails(125, words);
        }
        env.run(&["rmi", "nothing"]).fails(1, "nothing: image not known");
        let ours = env.run(&["images", "-q"]).ok();
        assert_eq!(ours, built("one", 2019).id()[..12]);
        // An id that begins several images is not guessed.
        let mut ids: Vec<String> = Vec::new();
        for number in 0.. {
            let image = built(&format!("n{number}"), 2020);
            env.load(&image, &format!("localhost/n{number}:1")).ok();
            let twin = ids.iter().find(|id| id[..1] == image.id()[..1]).cloned();
            ids.push(image.id());
            if twin.is_some() {
                env.run(&["image", "inspect", &image.id()[..1]]).exits(125);
                break;
            }
        }
    });
}

/// What a container is made from is found by its own name: other names are not even opened, however many there are.
#[test]
fn a_thousand_names_are_not_read() {
    require!(strace);
    isolated(|env| {
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        env.load(&image, "docker.io/library/app:1").ok();
        let many: Vec<String> = (0..1000).map(|number| format!("many:{number}")).collect();
        let words: Vec<&str> = ["tag", "app:1"].into_iter().chain(many.iter().map(String::as_str)).collect();
        env.run(&words).ok();
        let trace = env.place.join("trace").display().to_string();
        for name in ["app:1", "docker.io/library/app:1", "many:500"] {
            let dhow = env.dhow(&["create", "--network", "none", name, "/a"]);
            let mut command = env.root.command("strace");
            command.args(["-f", "-e", "trace=open,openat,openat2,getdents64", "-o", &trace]);
            command.arg(dhow.get_program()).args(dhow.get_args());
            finished(command, b"").ok();
            let text = std::fs::read_to_string(&trace).unwrap();
            let opened = text.lines().filter(|line| line.contains("/images/names")).count();
            assert!((1..=4).contains(&opened), "{name}: {opened} opened\n{text}");
        }
        // By id the record says which names there are, and all of them are shown.
        let shown = env.run(&["image", "inspect", &image.id()]).json();
        assert_eq!(shown[0]["RepoTags"].as_array().unwrap().len(), 1001);
        env.run(&["rm", "-a"]).ok();
    });
}
