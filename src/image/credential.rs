//! Who may enter a registry: `auth.json` of podman, `config.json` of docker, credential helpers (containers-auth.json(5)).
//!
//! Lookup asks, in this order: an explicit file, `REGISTRY_AUTH_FILE`, `$XDG_RUNTIME_DIR/containers/auth.json`,
//! `~/.config/containers/auth.json`, `~/.docker/config.json`; in each the per-registry helper first, then the longest
//! key (registry and part of the repository) that fits. Login writes the first of them: 0600, by rename, with unknown
//! fields kept. Helpers are executed from absolute directories that strangers cannot write, with the secret on stdin.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Map, Value};

use crate::model::error::Error;
use crate::model::secret::Secret;
use crate::sys::cancel::{Cancel, Reading};

/// The largest file or answer of a helper.
const SIZE_MAX: u64 = 1 << 20;

/// What opens a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    Basic {
        user: String,
        password: Secret,
    },
    /// A refresh token, which the token endpoint exchanges.
    Identity(Secret),
}

impl Credential {
    /// Reads `user:password`, as `--creds` takes it.
    pub(crate) fn from_pair(text: &str) -> Result<Self> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        if user.is_empty() {
            bail!(Error::invalid("credentials must be user:password"));
        }
        Ok(Self::Basic { user: user.to_owned(), password: Secret::new(password) })
    }
}

/// The files and helpers of this user.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthFiles {
    /// Asked in this order; the first is where login writes.
    files: Vec<PathBuf>,
    /// Directories in which helpers are looked for.
    helper_dirs: Vec<PathBuf>,
    /// Helpers of registries.conf, asked in order.
    helpers: Vec<String>,
    /// When it is set, a helper that runs is killed; without one a helper may take as long as its user.
    cancel: Option<Cancel>,
}

impl AuthFiles {
    /// Finds the files by `explicit` (`--authfile`) and the environment.
    pub(crate) fn new(
        explicit: Option<&Path>,
        var: &dyn Fn(&str) -> Option<OsString>,
        uid: u32,
        helpers: &[String],
    ) -> Self {
        let path = |name: &str| var(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let mut files = Vec::new();
        if let Some(file) = explicit.map(Path::to_owned).or_else(|| path("REGISTRY_AUTH_FILE")) {
            files.push(file);
        } else {
            match path("XDG_RUNTIME_DIR") {
                Some(dir) => files.push(dir.join("containers/auth.json")),
                None => files.push(format!("/run/containers/{uid}/auth.json").into()),
            }
            let home = path("HOME");
            let config = path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
            files.extend(config.map(|dir| dir.join("containers/auth.json")));
            let docker = path("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
            files.extend(docker.map(|dir| dir.join("config.json")));
        }
        let helper_dirs = var("PATH")
            .map(|list| std::env::split_paths(&list).filter(|dir| dir.is_absolute()).collect())
            .unwrap_or_default();
        Self { files, helper_dirs, helpers: helpers.to_vec(), cancel: None }
    }

    /// The same, where helpers end with `cancel`.
    pub(crate) fn until(self, cancel: Option<Cancel>) -> Self {
        Self { cancel, ..self }
    }

    /// The file where login writes.
    pub(crate) fn first(&self) -> Option<&Path> {
        self.files.first().map(PathBuf::as_path)
    }

    /// The credential for a repository; `None` is anonymous. `repository` may be empty, for the registry as a whole.
    pub(crate) fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        for helper in self.helpers.iter().filter(|helper| *helper != "containers-auth.json") {
            if let Some(found) = self.ask_helper(helper, registry)? {
                return Ok(Some(found));
            }
        }
        for file in &self.files {
            let Some(map) = read(file)? else { continue };
            if let Some(found) = self.find_in(&map, registry, repository).with_context(|| file.display().to_string())? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn find_in(&self, map: &Map<String, Value>, registry: &str, repository: &str) -> Result<Option<Credential>> {
        let names = keys_of(registry, repository);
        if let Some(Value::Object(helpers)) = map.get("credHelpers") {
            for name in &names {
                if let Some(helper) = helpers.get(name).and_then(Value::as_str) {
                    return self.ask_helper(helper, name);
                }
            }
        }
        if let Some(Value::Object(auths)) = map.get("auths") {
            for name in &names {
                let entry = auths.get(name).or_else(|| {
                    // Docker's keys may be URLs; podman takes them for whole registries only.
                    (name == registry).then(|| auths.iter().find(|(key, _)| bare(key) == *name).map(|(_, v)| v))?
                });
                if let Some(found) = entry.map(decode).transpose()?.flatten() {
                    return Ok(Some(found));
                }
            }
        }
        match map.get("credsStore").and_then(Value::as_str) {
            Some(helper) if !helper.is_empty() => self.ask_helper(helper, server_of(registry)),
            _ => Ok(None),
        }
    }

    /// Runs `docker-credential-NAME get`; a helper that does not know the server is no error.
    fn ask_helper(&self, name: &str, server: &str) -> Result<Option<Credential>> {
        let answer = match self.run_helper(name, "get", server.as_bytes())? {
            Ok(answer) => answer,
            Err(message) if message.to_ascii_lowercase().contains("credentials not found") => return Ok(None),
            Err(message) => bail!("credential helper {name} for {server}: {}", message.trim().escape_debug()),
        };
        let value: Value = serde_json::from_slice(&answer)
            .map_err(|_| Error::invalid(format!("credential helper {name} does not answer with JSON")))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (user, secret) = (text("Username"), Secret::new(text("Secret")));
        Ok(match user.as_str() {
            "" if secret.is_empty() => None,
            "<token>" => Some(Credential::Identity(secret)),
            _ => Some(Credential::Basic { user, password: secret }),
        })
    }

    fn run_helper(&self, name: &str, verb: &str, input: &[u8]) -> Result<Result<Vec<u8>, String>> {
        let program = self.helper_path(name)?;
        let mut helper = Helper(
            Command::new(&program)
                .arg(verb)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .with_context(|| format!("execute {}", program.display()))?,
        );
        let wrote = match helper.0.stdin.take() {
            // What a pipe takes at once: a server's name, or one credential.
            Some(mut stdin) => stdin.write_all(input),
            None => Ok(()),
        };
        let mut answer = Vec::new();
        if let Some(stdout) = helper.0.stdout.take() {
            let reading = || format!("read from {}", program.display());
            let file = File::from(OwnedFd::from(stdout));
            match &self.cancel {
                Some(stop) => Reading { file, stop }.take(SIZE_MAX).read_to_end(&mut answer),
                None => file.take(SIZE_MAX).read_to_end(&mut answer),
            }
            .with_context(reading)?;
        }
        let status = helper.0.wait().with_context(|| format!("wait for {}", program.display()))?;
        if !status.success() {
            return Ok(Err(String::from_utf8_lossy(&answer).into_owned()));
        }
        wrote.with_context(|| format!("write to {}", program.display()))?;
        Ok(Ok(answer))
    }

    /// The helper's file, in a directory of root or of the user that others cannot write.
    fn helper_path(&self, name: &str) -> Result<PathBuf> {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            bail!(Error::invalid(format!("invalid credential helper \"{}\"", name.escape_debug())));
        }
        let me = rustix::process::geteuid().as_raw();
        let safe = |meta: &std::fs::Metadata| (meta.uid() == 0 || meta.uid() == me) && meta.mode() & 0o002 == 0;
        let file = format!("docker-credential-{name}");
        self.helper_dirs
            .iter()
            .filter(|dir| dir.metadata().is_ok_and(|meta| safe(&meta) && meta.is_dir()))
            .map(|dir| dir.join(&file))
            .find(|path| path.metadata().is_ok_and(|m| safe(&m) && m.is_file() && m.mode() & 0o111 != 0))
            .ok_or_else(|| {
                Error::not_found(format!("credential helper {file} is not in a trusted directory of PATH")).into()
            })
    }

    /// Keeps a credential, by the helper that is configured for the registry or in the first file.
    pub(crate) fn store(&self, key: &str, credential: &Credential) -> Result<()> {
        let (user, secret) = match credential {
            Credential::Basic { user, password } => (user.as_str(), password),
            Credential::Identity(token) => ("<token>", token),
        };
        if user.contains(':') || user.bytes().any(|b| b.is_ascii_control()) {
            bail!(Error::invalid("user name has a colon or control character"));
        }
        let file = self.files.first().context("no file for credentials")?;
        let mut map = read(file)?.unwrap_or_default();
        if let Some(helper) = self.writing_helper(&map, key) {
            let input = serde_json::json!({"ServerURL": server_of(key), "Username": user, "Secret": secret.expose()});
            return self
                .run_helper(&helper, "store", &serde_json::to_vec(&input)?)?
                .map(drop)
                .map_err(|message| anyhow::anyhow!("credential helper {helper}: {}", message.trim().escape_debug()));
        }
        let entry = match credential {
            Credential::Basic { .. } => {
                let pair = Secret::new(format!("{user}:{}", secret.expose()));
                serde_json::json!({"auth": STANDARD.encode(pair.expose())})
            }
            Credential::Identity(token) => {
                serde_json::json!({"auth": STANDARD.encode("<token>:"), "identitytoken": token.expose()})
            }
        };
        match map.entry("auths").or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(auths) => auths.insert(key.to_owned(), entry),
            _ => bail!(Error::invalid(format!("{}: auths is not an object", file.display()))),
        };
        write(file, &map)
    }

    /// Forgets the credential of `key`; false where there was none.
    pub(crate) fn remove(&self, key: &str) -> Result<bool> {
        let file = self.files.first().context("no file for credentials")?;
        let Some(mut map) = read(file)? else { return Ok(false) };
        if let Some(helper) = self.writing_helper(&map, key) {
            return Ok(self.run_helper(&helper, "erase", server_of(key).as_bytes())?.is_ok());
        }
        let Some(Value::Object(auths)) = map.get_mut("auths") else { return Ok(false) };
        let before = auths.len();
        auths.retain(|name, _| name != key && bare(name) != key);
        if auths.len() == before {
            return Ok(false);
        }
        write(file, &map).map(|()| true)
    }

    /// Forgets everything in the first file (`logout --all`).
    pub(crate) fn remove_all(&self) -> Result<()> {
        let file = self.files.first().context("no file for credentials")?;
        let Some(mut map) = read(file)? else { return Ok(()) };
        map.insert("auths".to_owned(), Value::Object(Map::new()));
        write(file, &map)
    }

    fn writing_helper(&self, map: &Map<String, Value>, key: &str) -> Option<String> {
        if let Some(helper) = self.helpers.first() {
            return Some(helper.clone()).filter(|helper| helper != "containers-auth.json");
        }
        let named = map.get("credHelpers").and_then(|helpers| helpers.get(key));
        named.or_else(|| map.get("credsStore")).and_then(Value::as_str).filter(|h| !h.is_empty()).map(str::to_owned)
    }
}

/// A helper that runs; dropping it kills and reaps it.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        // Both fail only when it has ended and was waited for.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The keys that fit, longest first: `host/a/b`, `host/a`, `host`.
fn keys_of(registry: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = repository;
    while !rest.is_empty() {
        keys.push(format!("{registry}/{rest}"));
        rest = rest.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    keys.push(registry.to_owned());
    keys
}

/// The registry that a key of docker's file means: `https://host/v1/` is `host`.
fn bare(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

/// The name under which docker's helpers keep its own registry.
fn server_of(registry: &str) -> &str {
    if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry }
}

fn decode(entry: &Value) -> Result<Option<Credential>> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credential::Identity(Secret::new(token))));
    }
    let Some(auth) = text("auth") else {
        return Ok(match (text("username"), text("password")) {
            (Some(user), Some(password)) => {
                Some(Credential::Basic { user: user.to_owned(), password: Secret::new(password) })
            }
            _ => None,
        });
    };
    let bytes = STANDARD_NO_PAD.decode(auth.trim_end_matches('=')).map_err(|_| Error::invalid("auth is not base64"))?;
    let pair = String::from_utf8(bytes).map_err(|_| Error::invalid("auth is not text"))?;
    let Some((user, password)) = pair.split_once(':') else { bail!(Error::invalid("auth has no colon")) };
    // Docker pads with NUL bytes.
    let password = Secret::new(password.trim_end_matches('\0'));
    Ok(Some(Credential::Basic { user: user.to_owned(), password }))
}

fn read(file: &Path) -> Result<Option<Map<String, Value>>> {
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("read {}", file.display())),
    };
    let mut bytes = Vec::new();
    opened.take(SIZE_MAX).read_to_end(&mut bytes).with_context(|| format!("read {}", file.display()))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Some(Map::new()));
    }
    // Not the parser's own words: they may quote a secret.
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => Ok(Some(map)),
        Ok(_) => bail!(Error::invalid(format!("{}: not an object", file.display()))),
        Err(e) => bail!(Error::invalid(format!("{}:{}: not valid JSON", file.display(), e.line()))),
    }
}

fn write(file: &Path, map: &Map<String, Value>) -> Result<()> {
    let dir = file.parent().context("credential file without directory")?;
    let doing = || format!("write {}", file.display());
    // A name alone is one in the working directory.
    if !dir.as_os_str().is_empty() && !dir.exists() {
        std::fs::create_dir_all(dir).with_context(doing)?;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).with_context(doing)?;
    }
    // A link to a file elsewhere stays a link.
    let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut name = target.clone().into_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    drop(std::fs::remove_file(&temporary));
    let written = (|| {
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        out.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        serde_json::to_writer_pretty(&mut out, map)?;
        out.write_all(b"\n")?;
        out.sync_all()?;
        std::fs::rename(&temporary, &target)
    })();
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    written.with_context(doing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("dhow-credential-{name}-{}", std::process::id()));
            drop(std::fs::remove_dir_all(&dir));
            std::fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }

        fn files(&self, helpers: &[&str]) -> AuthFiles {
            let helpers: Vec<String> = helpers.iter().map(|h| (*h).to_owned()).collect();
            let dir = self.0.clone();
            AuthFiles::new(
                Some(&self.0.join("auth.json")),
                &move |name| (name == "PATH").then(|| dir.join("bin").into_os_string()),
                0,
                &helpers,
            )
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn basic(user: &str, password: &str) -> Credential {
        Credential::Basic { user: user.into(), password: Secret::new(password) }
    }

    #[test]
    fn the_longest_key_wins() {
        let scratch = Scratch::new("keys");
        let auth = |pair: &str| json!({"auth": STANDARD.encode(pair)});
        let text = json!({"auths": {"a.b": auth("host:1"), "a.b/x": auth("x:2"), "a.b/x/y": auth("y:3:4"),
            "https://index.docker.io/v1/": auth("hub:5"), "t.u": {"auth": "", "identitytoken": "tok"}}});
        std::fs::write(scratch.0.join("auth.json"), text.to_string()).unwrap();
        let files = scratch.files(&[]);
        for (registry, repository, want) in [
            ("a.b", "other", Some(basic("host", "1"))),
            ("a.b", "x/z", Some(basic("x", "2"))),
            ("a.b", "x/y", Some(basic("y", "3:4"))),
            ("docker.io", "library/busybox", Some(basic("hub", "5"))),
            ("t.u", "q", Some(Credential::Identity(Secret::new("tok")))),
            ("none.such", "q", None),
        ] {
            assert_eq!(files.find(registry, repository).unwrap(), want, "{registry}/{repository}");
        }
    }

    #[test]
    fn login_keeps_what_it_does_not_know() {
        let scratch = Scratch::new("login");
        let path = scratch.0.join("auth.json");
        std::fs::write(&path, r#"{"auths":{"o.p":{"auth":"YTpi","extra":1}},"HttpHeaders":{"x":"y"}}"#).unwrap();
        let files = scratch.files(&[]);
        files.store("a.b", &basic("me", "pass:word")).unwrap();
        assert_eq!(files.find("a.b", "").unwrap(), Some(basic("me", "pass:word")));
        let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept["HttpHeaders"]["x"], "y");
        assert_eq!(kept["auths"]["o.p"]["extra"], 1);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(files.remove("a.b").unwrap());
        assert!(!files.remove("a.b").unwrap());
        assert_eq!(files.find("a.b", "").unwrap(), None);
        assert!(files.store("a.b", &basic("a:b", "c")).is_err());
    }

    /// R5.
    #[test]
    fn helpers_come_from_trusted_directories_only() {
        let scratch = Scratch::new("helper");
        let bin = scratch.0.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let helper = bin.join("docker-credential-test");
        std::fs::write(
            &helper,
            "#!/bin/sh\nread server\n[ \"$server\" = a.b ] || { echo credentials not found in native keychain; exit 1; }\n\
             echo '{\"Username\":\"<token>\",\"Secret\":\"s\"}'\n",
        )
        .unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o755)).unwrap();
        let files = scratch.files(&["test"]);
        assert_eq!(files.find("a.b", "x").unwrap(), Some(Credential::Identity(Secret::new("s"))));
        assert_eq!(files.find("c.d", "x").unwrap(), None);
        std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(files.find("a.b", "x").unwrap_err().to_string().contains("trusted directory"));
        assert!(scratch.files(&["../x"]).find("a.b", "x").is_err());
    }

    #[test]
    fn a_broken_file_is_named_without_its_content() {
        let scratch = Scratch::new("broken");
        std::fs::write(scratch.0.join("auth.json"), "{\"auths\":\n hunter2").unwrap();
        let error = format!("{:#}", scratch.files(&[]).find("a.b", "x").unwrap_err());
        assert!(error.contains("auth.json:2: not valid JSON") && !error.contains("hunter2"), "{error}");
    }

    proptest! {
        #[test]
        fn entries_of_any_shape_do_not_panic(text in "\\PC{0,40}", key in "[a-z:/.]{0,20}") {
            drop(decode(&json!({"auth": text})));
            drop(decode(&json!(text)));
            let _ = bare(&key);
            let keys = keys_of("h", &key);
            prop_assert_eq!(keys.last().map(String::as_str), Some("h"));
        }

        #[test]
        fn a_pair_comes_back(user in "[a-zA-Z0-9._@-]{1,12}", password in "[^\\x00-\\x1f]{1,24}") {
            let entry = json!({"auth": STANDARD.encode(format!("{user}:{password}"))});
            prop_assert_eq!(decode(&entry).unwrap(), Some(basic(&user, &password)));
        }
    }
}
