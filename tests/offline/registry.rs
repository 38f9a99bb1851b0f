//! registries.conf and credentials, seen in the requests that a registry gets.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::require;
use crate::support::TestEnv;
use crate::support::env::finished;
use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::isolated;
use crate::support::registry::{Fault, Part, Registry};
use crate::support::tar::Entry;
use crate::support::tools::Tools;

const PLAIN: &str = "--tls-verify=false";

fn small(word: &str) -> Image {
    Image::of(vec![Layer::new(&[Entry::file(word, 0o644, word)], Packing::Gzip)])
}

/// Makes `text` the one configuration of registries.
fn configure(text: &str) {
    drop(std::fs::remove_dir_all("/etc/containers/registries.conf.d"));
    std::fs::create_dir_all("/etc/containers").unwrap();
    std::fs::write("/etc/containers/registries.conf", text).unwrap();
}

fn pull(env: &TestEnv, name: &str) -> crate::support::Outcome {
    env.run(&["pull", "-q", "--retry", "0", name])
}

/// The names of the one image that there is; then it goes.
fn taken(env: &TestEnv) -> String {
    let names = env.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok();
    env.run(&["rmi", "-af"]).ok();
    names
}

#[test]
fn short_names_are_searched_for() {
    isolated(|env| {
        let (first, second) = (Registry::beside(env), Registry::beside(env));
        let image = small("a");
        second.add("app", "latest", &image, Flavor::Oci);
        second.add("lib/tool", "2", &image, Flavor::Oci);
        let (one, two) = (first.address(), second.address());
        let insecure = format!(
            "[[registry]]\nlocation = \"{one}\"\ninsecure = true\n[[registry]]\nlocation = \"{two}\"\ninsecure = true\n"
        );
        configure(&format!("unqualified-search-registries = [\"{two}\"]\n{insecure}"));
        assert_eq!(pull(env, "app").ok(), image.id());
        assert_eq!(taken(env), format!("{two}/app:latest"));
        pull(env, "lib/tool:2").ok();
        assert_eq!(taken(env), format!("{two}/lib/tool:2"));
        pull(env, "nothing").fails(125, "manifest unknown");
        let both = format!("unqualified-search-registries = [\"{one}\", \"{two}\"]\n");
        // Enforcing is the default, and there is nobody to ask.
        configure(&format!("{both}{insecure}"));
        pull(env, "app").fails(125, "short-name resolution enforced");
        assert!(first.requests().is_empty());
        configure(&format!("{both}short-name-mode = \"permissive\"\n{insecure}"));
        pull(env, "app").ok();
        assert!(!first.requests().is_empty(), "the first is asked first");
        assert_eq!(taken(env), format!("{two}/app:latest"));
        configure(&format!("{both}{insecure}[aliases]\n\"known\" = \"{two}/lib/tool\"\n"));
        pull(env, "known:2").ok();
        assert_eq!(taken(env), format!("{two}/lib/tool:2"));
        env.nothing_is_left();
    });
}

#[test]
fn names_are_rewritten_mirrored_and_blocked() {
    isolated(|env| {
        let (first, second) = (Registry::beside(env), Registry::beside(env));
        let image = small("a");
        let manifest = first.add("bar/app", "1", &image, Flavor::Oci);
        second.add("bar/app", "1", &image, Flavor::Oci);
        let (one, two) = (first.address(), second.address());
        configure(&format!("[[registry]]\nprefix = \"example.test/foo\"\nlocation = \"{one}/bar\"\ninsecure = true\n"));
        pull(env, "example.test/foo/app:1").ok();
        assert!(first.requests().iter().any(|r| r.path.starts_with("/v2/bar/app/manifests/1")));
        assert_eq!(taken(env), "example.test/foo/app:1");
        // Mirrors in their order; then the registry itself, which does not exist here.
        let mirrors = format!(
            "[[registry]]\nlocation = \"example.test\"\n[[registry.mirror]]\nlocation = \"{one}\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"{two}\"\ninsecure = true\n"
        );
        configure(&mirrors);
        pull(env, "example.test/bar/app:1").ok();
        assert!(!first.requests().is_empty() && second.requests().is_empty());
        assert_eq!(taken(env), "example.test/bar/app:1");
        first.fault("", Part::Any, Fault::Broken { times: usize::MAX, status: 500 });
        pull(env, "example.test/bar/app:1").ok();
        assert!(!second.requests().is_empty());
        assert_eq!(taken(env), "example.test/bar/app:1");
        second.fault("", Part::Any, Fault::Broken { times: usize::MAX, status: 500 });
        pull(env, "example.test/bar/app:1").fails(125, "example.test");
        env.nothing_is_left();
        first.heal();
        // Only what a digest names may come from a mirror.
        first.requests();
        configure(&format!(
            "[[registry]]\nlocation = \"{two}\"\ninsecure = true\nmirror-by-digest-only = true\n\
             [[registry.mirror]]\nlocation = \"{one}\"\ninsecure = true\n"
        ));
        second.heal();
        pull(env, &format!("{two}/bar/app:1")).ok();
        assert!(first.requests().is_empty());
        env.run(&["rmi", "-af"]).ok();
        pull(env, &format!("{two}/bar/app@{manifest}")).ok();
        assert!(!first.requests().is_empty());
        env.run(&["rmi", "-af"]).ok();
        configure(&format!("[[registry]]\nlocation = \"{one}/bar\"\nblocked = true\n"));
        pull(env, &format!("{one}/bar/app:1")).fails(125, "blocked");
        assert!(first.requests().is_empty());
        // Not one byte goes to a registry when the configuration is not understood.
        for text in [
            "[[registry]\n",
            "unqualified-search-registries = 1\n",
            "[[registry]]\nlocation = 1\n",
            "short-name-mode = \"odd\"\n",
        ] {
            configure(text);
            pull(env, &format!("{one}/bar/app:1")).fails(125, "/etc/containers/registries.conf");
        }
        env.nothing_is_left();
    });
}

fn basic() -> Fault {
    Fault::Basic { user: "u".to_owned(), password: "p w:d".to_owned() }
}

fn bearer(foreign: bool) -> Fault {
    Fault::Bearer { foreign, user: Some(("u".to_owned(), "p w:d".to_owned())), uses: 100 }
}

/// R19.
#[test]
fn credentials_go_to_their_registry_only() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = small("a");
        for (number, fault) in [basic(), bearer(false), bearer(true)].into_iter().enumerate() {
            let repository = format!("private{number}x");
            registry.add(&repository, "1", &image, Flavor::Oci);
            registry.fault(&repository, Part::Any, fault.clone());
            registry.fault(&repository, Part::Blob, Fault::Redirect);
            let name = registry.reference(&format!("{repository}:1"));
            let with = |creds: &str| env.run(&["pull", "-q", PLAIN, "--retry", "0", "--creds", creds, &name]);
            pull_plain(env, &name).fails(125, "unauthorized");
            with("u:wrong").fails(125, "unauthorized").fails(125, "registry 127.0.0.1:");
            assert!(!with("u:wrong").stderr.contains("wrong"), "a password is never shown");
            registry.requests();
            assert_eq!(with("u:p w:d").ok(), image.id(), "{fault:?}");
            for request in registry.requests().iter().filter(|r| r.other && !r.path.starts_with("/token")) {
                assert!(!request.headers.contains_key("authorization"), "sent to another host: {request:?}");
            }
            env.run(&["rmi", "-af"]).ok();
            env.nothing_is_left();
        }
    });
}

fn pull_plain(env: &TestEnv, name: &str) -> crate::support::Outcome {
    env.run(&["pull", "-q", PLAIN, "--retry", "0", name])
}

#[test]
fn who_logs_in_may_pull_until_he_logs_out() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = small("a");
        registry.add("app", "1", &image, Flavor::Oci);
        let (address, name) = (registry.address(), registry.reference("app:1"));
        for fault in [basic(), bearer(false)] {
            registry.heal();
            registry.fault("", Part::Any, fault.clone());
            let login = |words: &[&str], input: &[u8]| {
                let words: Vec<&str> = ["login", PLAIN].iter().chain(words).copied().collect();
                env.root.run_with(&words, input)
            };
            login(&["-u", "u", "-p", "wrong", &address], b"").fails(125, "invalid username/password");
            env.nothing_is_left();
            env.run(&["login", "--get-login", &address]).fails(125, &format!("not logged into {address}"));
            assert_eq!(login(&["-u", "u", "-p", "p w:d", &address], b"").ok(), "Login Succeeded!");
            let file = env.root.runtime.join("containers/auth.json");
            assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
            assert_eq!(env.run(&["login", "--get-login", &address]).ok(), "u");
            assert!(login(&[&address], b"").ok().ends_with(&format!("Already logged in to {address}")), "{fault:?}");
            assert_eq!(pull_plain(env, &name).ok(), image.id(), "{fault:?}");
            env.run(&["rmi", "-af"]).ok();
            let out = env.run(&["logout", &address]).ok();
            assert_eq!(out, format!("Removed login credentials for {address}"));
            env.run(&["logout", &address]).fails(125, &format!("not logged into {address}"));
            pull_plain(env, &name).fails(125, "unauthorized");
            // From standard input, into a file of one's own.
            let own = env.place.join("own.json").display().to_string();
            assert_eq!(
                login(&["-u", "u", "--password-stdin", "--authfile", &own, &address], b"p w:d\n").ok(),
                "Login Succeeded!"
            );
            pull_plain(env, &name).fails(125, "unauthorized");
            env.run(&["pull", "-q", PLAIN, "--authfile", &own, &name]).ok();
            let mut command = env.dhow(&["pull", "-q", PLAIN, &name]);
            command.env("REGISTRY_AUTH_FILE", &own);
            assert_eq!(finished(command, b"").ok(), image.id());
            env.run(&["logout", "-a", "--authfile", &own]).ok();
            env.run(&["pull", "-q", PLAIN, "--authfile", &own, &name]).fails(125, "unauthorized");
            env.run(&["rmi", "-af"]).ok();
            std::fs::remove_dir_all(env.root.runtime.join("containers")).unwrap();
            // Docker's file.
            let docker = env.root.home.join(".docker");
            std::fs::create_dir_all(&docker).unwrap();
            let text = format!("{{\"auths\": {{\"{address}\": {{\"auth\": \"dTpwIHc6ZA==\"}}}}}}");
            std::fs::write(docker.join("config.json"), text).unwrap();
            assert_eq!(pull_plain(env, &name).ok(), image.id(), "{fault:?}");
            std::fs::remove_dir_all(&docker).unwrap();
            env.run(&["rmi", "-af"]).ok();
            env.nothing_is_left();
        }
        env.run(&["login", "-u", "u", "-p", "p", "--password-stdin", &address])
            .fails(125, "--password-stdin and --password");
        env.run(&["login", "--password-stdin", &address]).fails(125, "must provide --username");
    });
}

/// One file of credentials for both.
#[test]
fn podman_and_dhow_share_their_logins() {
    require!(podman);
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = small("a");
        registry.add("app", "1", &image, Flavor::Oci);
        registry.fault("", Part::Any, basic());
        let (address, name) = (registry.address(), registry.reference("app:1"));
        let tools = Tools::new(env);
        let login = ["login", PLAIN, "-u", "u", "-p", "p w:d", "--authfile"];
        let (ours, theirs) =
            (env.place.join("ours").display().to_string(), env.place.join("theirs").display().to_string());
        assert_eq!(
            tools.podman(&[&login[..], &[&theirs, &address]].concat()).ok(),
            env.run(&[&login[..], &[&ours, &address]].concat()).ok(),
        );
        assert_eq!(env.run(&["pull", "-q", PLAIN, "--authfile", &theirs, &name]).ok(), image.id());
        assert_eq!(tools.podman(&["pull", "-q", PLAIN, "--authfile", &ours, &name]).ok(), image.id());
        for (words, code) in [(["login", "--get-login", "--authfile"], 0), (["logout", "--authfile", &ours], 0)] {
            let own: Vec<&str> = match words[0] {
                "login" => vec![words[0], words[1], words[2], &ours, &address],
                _ => vec![words[0], words[1], words[2], &address],
            };
            let other: Vec<&str> = own.iter().map(|word| if *word == ours { theirs.as_str() } else { word }).collect();
            let (mine, podmans) = (env.run(&own), tools.podman(&other));
            assert_eq!((mine.code, mine.text()), (code, podmans.text()), "{own:?}");
        }
    });
}

#[test]
fn a_helper_keeps_the_credentials() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = small("a");
        registry.add("app", "1", &image, Flavor::Oci);
        registry.fault("", Part::Any, basic());
        let (address, name) = (registry.address(), registry.reference("app:1"));
        let bin = env.place.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let kept = env.place.join("kept").display().to_string();
        let script = format!(
            "#!/bin/sh\ncase $1 in\nget) cat >/dev/null; [ -f {kept} ] || {{ echo credentials not found in native keychain; exit 1; }}; \
             sed 's/\"ServerURL\":\"[^\"]*\",//' {kept};;\nstore) cat >{kept};;\nerase) cat >/dev/null; rm -f {kept};;\nlist) echo '{{}}';;\nesac\n"
        );
        write_program(&bin.join("docker-credential-keeper"), &script);
        let auth = env.place.join("auth.json").display().to_string();
        std::fs::write(&auth, format!("{{\"credHelpers\": {{\"{address}\": \"keeper\"}}}}")).unwrap();
        let run = |words: &[&str]| {
            let mut command = env.dhow(words);
            command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("REGISTRY_AUTH_FILE", &auth);
            finished(command, b"")
        };
        run(&["pull", "-q", PLAIN, "--retry", "0", &name]).fails(125, "unauthorized");
        assert_eq!(run(&["login", PLAIN, "-u", "u", "-p", "p w:d", &address]).ok(), "Login Succeeded!");
        assert!(std::fs::read_to_string(&kept).unwrap().contains("p w:d"));
        assert!(!std::fs::read_to_string(&auth).unwrap().contains("auths\":{\""), "it is the helper's alone");
        assert_eq!(run(&["login", "--get-login", &address]).ok(), "u");
        assert_eq!(run(&["pull", "-q", PLAIN, &name]).ok(), image.id());
        run(&["logout", &address]).ok();
        assert!(!Path::new(&kept).exists());
        // A helper that everybody may change is not executed.
        std::fs::set_permissions(&bin, PermissionsExt::from_mode(0o777)).unwrap();
        run(&["pull", "-q", PLAIN, "--retry", "0", &name]).fails(125, "trusted directory");
    });
}

fn write_program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}
