//! A day of work of an ordinary user, from the image to its removal.

use crate::require;
use crate::support::env::eventually;
use crate::support::image::Image;
use crate::support::isolated;

#[test]
fn a_day_of_work() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        // Compiled filters stay.
        env.ignore(&format!("file: {}/cache/", env.user.store.display()));
        let archive = env.user.tmp.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["busybox"])).unwrap();
        let user = env.user.clone();
        user.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        std::fs::remove_file(&archive).unwrap();
        assert_eq!(user.run(&["images", "-q"]).lines().len(), 1);
        for network in ["none", "host"] {
            let say =
                ["run", "--rm", "--network", network, "busybox", "sh", "-c", "id -u; hostname >/dev/null; exit 3"];
            let outcome = user.run(&say);
            assert_eq!((outcome.code, outcome.text().as_str()), (3, "0"), "{outcome}");
            user.run(&["volume", "create", "v"]).ok();
            let script = "echo hello; echo data > /v/file; exec sleep 1000";
            let run = ["run", "-d", "--name", "a", "--network", network, "-v", "v:/v", "busybox", "sh", "-c", script];
            user.run(&run).ok();
            eventually("the container has written", || user.run(&["logs", "a"]).text() == "hello");
            assert_eq!(user.run(&["exec", "a", "cat", "/v/file"]).ok(), "data");
            assert_eq!(user.run(&["ps", "--format", "{{.Names}}"]).ok(), "a");
            user.run(&["stop", "-t", "0", "a"]).ok();
            assert_eq!(user.run(&["ps", "-q"]).ok(), "");
            user.run(&["start", "a"]).ok();
            user.run(&["rm", "-f", "-t", "0", "a"]).ok();
            let again = ["run", "--rm", "--network", network, "-v", "v:/v", "busybox", "cat", "/v/file"];
            assert_eq!(user.run(&again).ok(), "data");
            user.run(&["volume", "rm", "v"]).ok();
        }
        user.run(&["rmi", "busybox"]).ok();
        assert_eq!(user.run(&["images", "-q"]).ok(), "");
    });
}
