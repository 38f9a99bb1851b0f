//! The programs that run inside containers do what they say.

use crate::support::{env, isolated};

#[test]
fn the_probe_reports_what_the_kernel_shows() {
    isolated(|env| {
        let mut command = env.user.command(env.place.join("probe"));
        std::fs::copy(env::program("probe"), env.place.join("probe")).unwrap();
        command.env("A", "b c");
        let report = env::finished(command, b"").json();
        assert_eq!(report["uid"][0], env::UID);
        assert_eq!(report["capabilities"]["effective"], "0000000000000000");
        assert_eq!(report["environment"]["A"], "b c");
        assert_eq!(report["fds"].as_object().unwrap().keys().collect::<Vec<_>>(), ["0", "1", "2"]);
        assert_eq!(report["interfaces"], serde_json::json!(["lo"]));
        assert_eq!(report["limits"]["Max core file size"].as_array().unwrap().len(), 2);
        assert_eq!(report["tty"]["stdin"], false);
        assert_eq!(report["cwd"], env.user.home.display().to_string());
    });
}

#[test]
fn the_racer_exchanges_a_directory_and_a_link() {
    isolated(|env| {
        let mut command = env.root.command(env::program("racer"));
        command.arg(&env.place).args(["a", "b", "1"]);
        let count: u64 = env::finished(command, b"").ok().parse().unwrap();
        assert!(count > 1000, "{count}");
        let links =
            ["a", "b"].iter().filter(|name| env.place.join(name).symlink_metadata().unwrap().is_symlink()).count();
        assert_eq!(links, 1);
    });
}
