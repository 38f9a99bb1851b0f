//! `ps --filter`: every key, values of one key as alternatives, keys together, and what is refused.

use super::stage;
use crate::support::image::Image;
use crate::support::isolated;

#[test]
fn filters_choose() {
    isolated(|env| {
        stage::busybox(env);
        env.load(&Image::busybox(), "other").ok();
        env.rebase();
        let source = env.place.join("source").display().to_string();
        std::fs::create_dir(&source).unwrap();
        let bind = format!("{source}:/bound");
        let none = ["--network", "none"];
        let create = |words: &[&str]| env.run(&[&["create"], words].concat()).ok();
        let first =
            create(&[&none[..], &["--name", "first", "-l", "a=1", "-l", "b=2", "busybox", "sleep", "1"]].concat());
        create(&[&none[..], &["--name", "second", "-l", "a=2", "-v", "vol:/data", "other", "true"]].concat());
        create(&["--name", "third", "--restart", "always", "-v", &bind, "busybox", "true"]);
        create(&[&none[..], &["--name", "fourth", "--restart", "unless-stopped", "busybox", "sleep", "1000"]].concat());
        env.run(&["run", "--name", "fifth", "--network", "none", "busybox", "sh", "-c", "exit 3"]).exits(3);
        env.run(&["start", "fourth"]).ok();
        let image = env.run(&["image", "inspect", "-f", "{{.Id}}", "busybox"]).ok();
        let short = &first[..12];
        let all = "fifth first fourth second third";
        for (filters, expected) in [
            (&[][..], all),
            (&["name=first"], "first"),
            (&["name=^f"], "fifth first fourth"),
            (&["name=first", "name=second"], "first second"),
            (&["name=^f", "status=created"], "first"),
            (&[&format!("id={short}")], "first"),
            (&["label=a"], "first second"),
            (&["label=a=1"], "first"),
            // Labels are the exception: all of them must be there.
            (&["label=a", "label=b"], "first"),
            (&["label!=a"], "fifth fourth third"),
            (&["status=created"], "first second third"),
            (&["status=running"], "fourth"),
            (&["status=exited"], "fifth"),
            (&["status=running", "status=exited"], "fifth fourth"),
            (&["exited=3"], "fifth"),
            (&["exited=0"], ""),
            // By name what was made by that name, by id whatever the image was called.
            (&["ancestor=busybox"], "fifth first fourth third"),
            (&[&format!("ancestor={}", &image[..12])], all),
            (&["ancestor=nothing"], ""),
            (&["before=third"], "first second"),
            (&["since=third"], "fifth fourth"),
            (&["before=fifth", "since=first"], "fourth second third"),
            (&["until=1h"], ""),
            (&["until=2100-01-01T00:00:00Z"], all),
            (&["volume=vol"], "second"),
            (&["volume=vol", &format!("volume={source}")], "second third"),
            (&["volume=/bound"], "third"),
            (&["network=none"], "fifth first fourth second"),
            (&["network=podman"], "third"),
            (&["restart-policy=always"], "third"),
            (&["restart-policy=no"], "fifth first second"),
            (&["should-start-on-boot=true"], "fourth third"),
            (&["should-start-on-boot=false"], "fifth first second"),
            (&["command=sleep"], "first fourth"),
            (&["health=none"], all),
            (&["health=healthy"], ""),
        ] {
            let flags: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
            let mut names = env.run(&[&["ps", "-a", "--format", "{{.Names}}"], &flags[..]].concat()).lines();
            names.sort();
            assert_eq!(names.join(" "), expected, "{filters:?}");
        }
        // Without -a only what runs is seen, unless a status is asked for.
        assert_eq!(env.run(&["ps", "-q", "--filter", "name=first"]).ok(), "");
        assert_eq!(env.run(&["ps", "--format", "{{.Names}}", "--filter", "status=exited"]).ok(), "fifth");
        for (filter, words) in [
            ("bogus=1", "bogus is an invalid filter"),
            ("status=bogus", "unknown container state: bogus: invalid argument"),
            ("exited=x", "exited code out of range"),
            ("before=none", "no container with name or ID \"none\" found: no such container"),
            ("until=yesterday", "yesterday"),
            ("should-start-on-boot=perhaps", "invalid syntax"),
            ("name", "invalid filter \"name\""),
        ] {
            env.run(&["ps", "-a", "--filter", filter]).fails(125, words);
        }
        // After a stop by the user, `unless-stopped` stays down.
        env.run(&["stop", "-t", "0", "fourth"]).ok();
        let boot = ["ps", "-a", "--format", "{{.Names}}", "--filter", "should-start-on-boot=1"];
        assert_eq!(env.run(&boot).ok(), "third");
        // Other commands choose by the same filters.
        let stopped = env.run(&["rm", "--filter", "label=a"]).lines();
        assert_eq!(stopped.len(), 2);
        env.run(&["rm", "-a"]).ok();
        env.run(&["volume", "rm", "vol"]).ok();
        std::fs::remove_dir(&source).unwrap();
    });
}
