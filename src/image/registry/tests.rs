//! The client against a registry that misbehaves as it is told, and against Debian's where it is installed.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Choosing, Client, Options, Resolved};
use super::config::Registries;
use super::transfer::{Event, Job, Sinks};
use crate::image::credential::{AuthFiles, Credential};
use crate::image::manifest::{Config, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::platform::Platform;
use crate::model::reference::Reference;
use crate::model::secret::Secret;
use crate::sys::cancel::Cancel;

/// A request as the stub saw it.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: String,
}

/// An answer: status, headers, body, and after how many bytes of the body the connection breaks.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None }
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

type Handler = Arc<dyn Fn(&Request, usize) -> Answer + Send + Sync>;

/// A server on a random port of loopback; every request goes to the handler with its number.
struct Stub {
    port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    fn new(handler: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen): (Handler, _) = (Arc::new(handler), Arc::clone(&log));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                std::thread::spawn(move || drop(serve(stream, &handler, &seen)));
            }
        });
        Self { port, log }
    }

    fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    fn name(&self, rest: &str) -> Reference {
        format!("127.0.0.1:{}/{rest}", self.port).parse().unwrap()
    }
}

fn serve(stream: TcpStream, handler: &Handler, log: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    // A TLS hello gets what web servers say to it.
    if reader.fill_buf()?.first() == Some(&0x16) {
        return writer.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n");
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
        let mut request =
            Request { method: method.into(), path: path.into(), headers: HashMap::new(), body: String::new() };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = request.headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        request.body = String::from_utf8_lossy(&body).into_owned();
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        let answer = handler(&request, number);
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
        }
        writer.write_all(head.as_bytes())?;
        writer.write_all(b"\r\n")?;
        match answer.cut {
            Some(cut) => {
                writer.write_all(&answer.body[..cut])?;
                return writer.shutdown(std::net::Shutdown::Both);
            }
            None => writer.write_all(&answer.body)?,
        }
    }
}

/// An image whose single layer is `layer`.
#[derive(Clone)]
struct Image {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layer: Vec<u8>,
}

impl Image {
    fn new(layer: Vec<u8>) -> Self {
        let config = serde_json::to_vec(&json!({"architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]}}))
        .unwrap();
        let manifest = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": Digest::of(&config), "size": config.len()},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": Digest::of(&layer),
                "size": layer.len()}]}))
        .unwrap();
        Self { manifest, config, layer }
    }

    /// What an honest registry answers.
    fn answer(&self, request: &Request) -> Answer {
        let path = request.path.split('?').next().unwrap_or_default();
        if path == "/v2/" {
            return Answer::new(200, "{}");
        }
        if path.ends_with("/manifests/latest") || path.ends_with(Digest::of(&self.manifest).as_str()) {
            return Answer::new(200, self.manifest.clone()).header("Content-Type", OCI_MANIFEST);
        }
        for blob in [&self.config, &self.layer] {
            if path.ends_with(Digest::of(blob).as_str()) {
                let start = request
                    .headers
                    .get("range")
                    .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
                return match start {
                    Some(start) => Answer::new(206, &blob[start..])
                        .header("Content-Range", format!("bytes {start}-{}/{}", blob.len() - 1, blob.len())),
                    None => Answer::new(200, blob.clone()),
                };
            }
        }
        let body = json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
        Answer::new(404, body.to_string())
    }
}

fn client_with(options: Options) -> Client {
    let files = AuthFiles::new(Some(Path::new("/nonexistent/auth.json")), &|_| None, 0, &[]);
    Client::new(Registries::default(), files, options, &|_| None).unwrap()
}

fn client() -> Client {
    client_with(Options { tls_verify: Some(false), ..Options::default() })
}

fn platform() -> Platform {
    "linux/amd64".parse().unwrap()
}

/// Fetches all layers into memory.
fn layers(client: &Client, resolved: &Resolved) -> anyhow::Result<Vec<Vec<u8>>> {
    let files: Vec<std::fs::File> = resolved
        .manifest
        .layers
        .iter()
        .map(|_| rustix::fs::memfd_create("layer", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into())
        .collect();
    let jobs = resolved
        .manifest
        .layers
        .iter()
        .zip(&files)
        .map(|(descriptor, file)| Job {
            descriptor: descriptor.clone(),
            open: Box::new(|| Ok(Sinks { file: Some(file.try_clone()?), pipe: None })),
        })
        .collect();
    client.fetch_all(resolved, jobs, 3, &Cancel::new().unwrap(), &mut |_| {})?;
    Ok(files
        .into_iter()
        .map(|mut file| {
            let mut bytes = Vec::new();
            std::io::Seek::rewind(&mut file).unwrap();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        })
        .collect())
}

fn kind(error: &anyhow::Error) -> Option<ErrorKind> {
    error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(|error| error.kind)
}

fn big() -> Vec<u8> {
    (0..3_000_000u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

#[test]
fn an_image_comes_whole() {
    let image = Image::new(big());
    let served = image.clone();
    let stub = Stub::new(move |request, _| served.answer(request));
    let client = client();
    let resolved = client.resolve(&stub.name("a/b:latest"), &platform()).unwrap();
    assert_eq!(resolved.digest, Digest::of(&image.manifest));
    let config = client.fetch_bytes(&resolved, &resolved.manifest.config).unwrap();
    Config::parse(&config).unwrap().check_layers(&resolved.manifest).unwrap();
    assert_eq!(layers(&client, &resolved).unwrap(), [image.layer]);
    let error = client.resolve(&stub.name("a/b:other"), &platform()).err().unwrap();
    assert_eq!(kind(&error), Some(ErrorKind::NotFound));
    assert_eq!(format!("{error:#}"), format!("registry 127.0.0.1:{}: manifest unknown", stub.port));
}

#[test]
fn an_index_leads_to_the_platform() {
    let image = Image::new(b"x".to_vec());
    let index = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": Digest::of(&image.manifest), "size": image.manifest.len(),
         "platform": {"os": "linux", "architecture": "amd64"}}]}))
    .unwrap();
    let (served, list) = (image.clone(), index.clone());
    let stub = Stub::new(move |request, _| match request.path.ends_with("/latest") {
        true => Answer::new(200, list.clone()).header("Content-Type", OCI_INDEX),
        false => served.answer(request),
    });
    let resolved = client().resolve(&stub.name("a/b:latest"), &platform()).unwrap();
    assert_eq!(resolved.digest, Digest::of(&index));
    assert_eq!(resolved.manifest_digest, Digest::of(&image.manifest));
    let error = client().resolve(&stub.name("a/b:latest"), &"linux/s390x".parse().unwrap()).err().unwrap();
    assert!(error.is::<Choosing>(), "{error:#}");
    assert!(error.root_cause().to_string().starts_with("no image found in image index"), "{error:#}");
}

#[test]
fn a_broken_body_is_resumed() {
    let image = Image::new(big());
    for honours_range in [true, false] {
        let served = image.clone();
        let stub = Stub::new(move |request, number| {
            let mut request = request.clone();
            if !honours_range {
                request.headers.remove("range");
            }
            let mut answer = served.answer(&request);
            if request.path.contains("/blobs/") && number < 4 {
                answer.cut = Some(500_000 + number * 1000);
            }
            answer
        });
        let client = client();
        let resolved = client.resolve(&stub.name("a/b:latest"), &platform()).unwrap();
        assert!(layers(&client, &resolved).unwrap()[0] == image.layer);
        let ranges: Vec<_> = stub.requests().iter().filter_map(|r| r.headers.get("range").cloned()).collect();
        assert!(ranges.len() >= 2 && ranges[0].starts_with("bytes="), "{ranges:?}");
    }
}

/// R13.
#[test]
fn wrong_bytes_are_refused() {
    let image = Image::new(big());
    for (what, words) in [
        ("flip", "digest is"),
        ("short", "instead of"),
        ("long", "instead of"),
        ("always cut", "connection"),
        ("manifest", "digest is"),
    ] {
        let served = image.clone();
        let stub = Stub::new(move |request, _| {
            let mut answer = served.answer(request);
            if request.path.contains("/blobs/") {
                match what {
                    "flip" => answer.body[1000] ^= 1,
                    "short" => answer.body.truncate(1000),
                    "long" => answer.body.push(0),
                    "always cut" => answer.cut = Some(0),
                    _ => {}
                }
            } else if what == "manifest" {
                answer = answer.header("Docker-Content-Digest", Digest::of(b"other").as_str());
            }
            answer
        });
        let client = client();
        let error = client
            .resolve(&stub.name("a/b:latest"), &platform())
            .and_then(|resolved| layers(&client, &resolved))
            .unwrap_err();
        assert!(format!("{error:#}").contains(words), "{what}: {error:#}");
    }
    let digest = Digest::of(b"something else");
    let served = image.clone();
    let stub = Stub::new(move |_, _| Answer::new(200, served.manifest.clone()).header("Content-Type", OCI_MANIFEST));
    let error = client().resolve(&stub.name("a/b").with_digest(digest), &platform()).err().unwrap();
    assert!(format!("{error:#}").contains("digest is"), "{error:#}");
}

/// R12.
#[test]
fn endless_answers_are_cut_off() {
    let stub = Stub::new(|_, _| Answer::new(200, vec![b' '; 5 << 20]).header("Content-Type", OCI_MANIFEST));
    let error = client().resolve(&stub.name("a/b:latest"), &platform()).err().unwrap();
    assert!(format!("{error:#}").contains("more than"), "{error:#}");
    let stub = Stub::new(|_, _| Answer::new(404, vec![b' '; 5 << 20]));
    let error = client().resolve(&stub.name("a/b:latest"), &platform()).err().unwrap();
    assert!(format!("{error:#}").contains("manifest unknown"), "{error:#}");
}

#[test]
fn a_busy_registry_is_asked_again_after_its_pause() {
    let image = Image::new(b"x".to_vec());
    let served = image.clone();
    let stub = Stub::new(move |request, number| match number {
        0 => Answer::new(429, "").header("Retry-After", "1"),
        1 => Answer::new(503, ""),
        _ => served.answer(request),
    });
    let begun = Instant::now();
    client().resolve(&stub.name("a/b:latest"), &platform()).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let stub = Stub::new(|_, _| Answer::new(429, "").header("Retry-After", "1000000"));
    let begun = Instant::now();
    let error = client().resolve(&stub.name("a/b:latest"), &platform()).err().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5) && error.to_string().contains("127.0.0.1"), "{error:#}");
    assert!(format!("{error:#}").contains("toomanyrequests"), "{error:#}");
}

#[test]
fn tokens_are_fetched_with_the_credential_and_again_when_refused() {
    let image = Image::new(b"x".to_vec());
    let served = image.clone();
    let stub = Stub::new(move |request, number| {
        let authorization = request.headers.get("authorization").cloned().unwrap_or_default();
        if request.path.starts_with("/token") {
            return match (request.method.as_str(), authorization.as_str()) {
                ("GET", "Basic bWU6cGFzcw==") => {
                    Answer::new(200, format!("{{\"token\":\"t{number}\",\"expires_in\":300}}"))
                }
                ("POST", "") if request.body.contains("refresh_token=idtoken") => {
                    Answer::new(200, format!("{{\"access_token\":\"t{number}\"}}"))
                }
                _ => Answer::new(401, ""),
            };
        }
        // The token of the second request only serves once, as if it had been revoked.
        let known = authorization.starts_with("Bearer t") && !(authorization == "Bearer t1" && number > 2);
        match known {
            true => served.answer(request),
            false => {
                let host = &request.headers["host"];
                let challenge =
                    format!("Bearer realm=\"http://{host}/token\",service=\"s\",scope=\"repository:a/b:pull\"");
                Answer::new(401, "").header("WWW-Authenticate", challenge)
            }
        }
    });
    for credential in [
        Credential::Basic { user: "me".into(), password: Secret::new("pass") },
        Credential::Identity(Secret::new("idtoken")),
    ] {
        let client =
            client_with(Options { tls_verify: Some(false), credential: Some(credential), ..Options::default() });
        let resolved = client.resolve(&stub.name("a/b:latest"), &platform()).unwrap();
        assert_eq!(layers(&client, &resolved).unwrap(), [b"x"]);
    }
    let token = stub.requests().into_iter().find(|r| r.path.starts_with("/token")).unwrap();
    assert!(token.path.contains("scope=repository%3Aa%2Fb%3Apull"), "{}", token.path);
    let error = client().resolve(&stub.name("a/b:latest"), &platform()).err().unwrap();
    assert_eq!(kind(&error), Some(ErrorKind::Denied), "{error:#}");
    assert!(format!("{error:#}").contains("unauthorized"), "{error:#}");
}

/// R19.
#[test]
fn a_credential_stays_with_its_origin() {
    let image = Image::new(b"layer".to_vec());
    let served = image.clone();
    let elsewhere = Arc::new(Stub::new(move |request, _| {
        if request.path.starts_with("/token") {
            Answer::new(200, "{\"token\":\"t\"}")
        } else {
            Answer::new(200, served.layer.clone())
        }
    }));
    let (served, other) = (image.clone(), Arc::clone(&elsewhere));
    let stub = Stub::new(move |request, _| {
        if !request.headers.contains_key("authorization") {
            return Answer::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\"");
        }
        match request.path.contains(Digest::of(&served.layer).as_str()) {
            true => Answer::new(307, "").header("Location", format!("http://127.0.0.1:{}/cdn", other.port)),
            false => served.answer(request),
        }
    });
    let secret = Credential::Basic { user: "me".into(), password: Secret::new("pass") };
    let options = Options { tls_verify: Some(false), credential: Some(secret.clone()), ..Options::default() };
    let client = client_with(options.clone());
    let resolved = client.resolve(&stub.name("a/b:latest"), &platform()).unwrap();
    assert_eq!(layers(&client, &resolved).unwrap(), [b"layer"]);
    assert!(stub.requests().iter().any(|r| r.headers.contains_key("authorization")));
    let seen = elsewhere.requests();
    assert!(seen.len() == 1 && !seen[0].headers.contains_key("authorization"), "{seen:?}");
    client.check_login(&format!("127.0.0.1:{}", stub.port), &secret).unwrap();

    // A realm on another origin: no token is worth the password.
    let port = elsewhere.port;
    let stub = Stub::new(move |_, _| {
        Answer::new(401, "").header("WWW-Authenticate", format!("Bearer realm=\"http://localhost:{port}/token\""))
    });
    let error = client_with(options).resolve(&stub.name("a/b:latest"), &platform()).err().unwrap();
    assert!(format!("{error:#}").contains("not trusted"), "{error:#}");
    assert_eq!(elsewhere.requests().len(), 1);
}

/// R20.
#[test]
fn plain_http_is_for_registries_named_insecure() {
    let image = Image::new(b"x".to_vec());
    let stub = Stub::new(move |request, _| image.answer(request));
    let strict = client_with(Options { retries: 0, ..Options::default() });
    let error = strict.resolve(&stub.name("a/b:latest"), &platform()).err().unwrap();
    let text = format!("{error:#}");
    assert!(
        text.contains("HTTP response to HTTPS client") || text.contains("TLS") || text.contains("closed"),
        "{text}"
    );
    assert!(stub.requests().is_empty());
    let mut config = Registries::default();
    let text = format!("[[registry]]\nlocation = '127.0.0.1:{}'\ninsecure = true", stub.port);
    config.merge(Path::new("r.conf"), &text).unwrap();
    let files = AuthFiles::new(Some(Path::new("/nonexistent")), &|_| None, 0, &[]);
    let named = Client::new(config, files, Options::default(), &|_| None).unwrap();
    named.resolve(&stub.name("a/b:latest"), &platform()).unwrap();
}

#[test]
fn nobody_listening_is_said_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let begun = Instant::now();
    let name: Reference = format!("127.0.0.1:{port}/a/b").parse().unwrap();
    let error = client().resolve(&name, &platform()).err().unwrap();
    assert_eq!(format!("{error:#}"), format!("registry 127.0.0.1:{port}: connection refused"));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_silent_registry_can_be_cancelled() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let cancel = Cancel::new().unwrap();
    let options = Options { tls_verify: Some(false), cancel: Some(cancel.clone()), ..Options::default() };
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        cancel.cancel();
    });
    let begun = Instant::now();
    let name: Reference = format!("127.0.0.1:{port}/a/b").parse().unwrap();
    let error = client_with(options).resolve(&name, &platform()).err().unwrap();
    assert_eq!(error.to_string(), "cancelled");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_slow_reader_holds_up_only_its_own_blob() {
    let image = Image::new(big());
    let served = image.clone();
    let stub = Stub::new(move |request, _| served.answer(request));
    let client = client();
    let resolved = client.resolve(&stub.name("a/b:latest"), &platform()).unwrap();
    let layer = &resolved.manifest.layers[0];
    let pipes: Vec<_> = (0..2).map(|_| std::io::pipe().unwrap()).collect();
    let (mut readers, writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
    let mut fast = readers.pop().unwrap();
    let mut slow = readers.pop().unwrap();
    let (told, finished) = std::sync::mpsc::channel::<()>();
    let slow = std::thread::spawn(move || {
        // Reads nothing until the other is through.
        finished.recv_timeout(Duration::from_secs(20)).unwrap();
        let mut bytes = Vec::new();
        slow.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let fast = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        fast.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let jobs = writers
        .into_iter()
        .map(|writer| Job {
            descriptor: layer.clone(),
            open: Box::new(move || Ok(Sinks { file: None, pipe: Some(writer.into()) })),
        })
        .collect();
    let mut sum = 0;
    client
        .fetch_all(&resolved, jobs, 2, &Cancel::new().unwrap(), &mut |event| match event {
            Event::Finished { job: 1 } => told.send(()).unwrap(),
            Event::Advanced { bytes, .. } => sum += bytes,
            _ => {}
        })
        .unwrap();
    assert_eq!(sum, 2 * image.layer.len() as u64);
    assert!(fast.join().unwrap() == image.layer && slow.join().unwrap() == image.layer);
}

#[test]
fn a_reader_that_leaves_does_not_lose_the_blob() {
    let image = Image::new(big());
    let served = image.clone();
    let stub = Stub::new(move |request, _| served.answer(request));
    let client = client();
    let resolved = client.resolve(&stub.name("a/b:latest"), &platform()).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let file = std::fs::File::from(rustix::fs::memfd_create("layer", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    let job = Job {
        descriptor: resolved.manifest.layers[0].clone(),
        open: Box::new(|| Ok(Sinks { file: Some(file.try_clone()?), pipe: Some(writer.into()) })),
    };
    let fetched = client.fetch_all(&resolved, vec![job], 1, &Cancel::new().unwrap(), &mut |_| {}).unwrap();
    assert!(fetched[0].reader_left);
    assert_eq!(file.metadata().unwrap().len(), image.layer.len() as u64);
}

/// Debian's registry on a random port, with its own storage.
struct Registry {
    child: Child,
    dir: PathBuf,
    port: u16,
}

impl Registry {
    fn start(name: &str) -> Option<Self> {
        Self::start_with(name, |_| String::new())
    }

    /// Starts it with more lines below `http:`, which may name files in its directory.
    fn start_with(name: &str, http: impl Fn(&Path) -> String) -> Option<Self> {
        let there = |tool: &str| Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
        if !there("docker-registry") || !there("skopeo") {
            println!("skipped: docker-registry or skopeo is not installed");
            return None;
        }
        let dir = std::env::temp_dir().join(format!("dhow-registry-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}/data}}}}\nhttp:\n  addr: '127.0.0.1:{port}'\n{}",
            dir.display(),
            http(&dir)
        );
        std::fs::write(dir.join("config.yml"), config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let made = Self { child, dir, port };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(made);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the registry does not start");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

#[test]
fn debians_registry_serves_what_skopeo_pushed() {
    let Some(registry) = Registry::start("real") else { return };
    // A layout with three layers, made here.
    let layout = registry.dir.join("layout");
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({"digest": digest, "size": bytes.len()})
    };
    let size = std::env::var("DHOW_TEST_LAYER_MB").ok().and_then(|mb| mb.parse().ok()).unwrap_or(2usize) << 20;
    let count = 3u8;
    let layers: Vec<Vec<u8>> = (0..count)
        .map(|n| (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0] ^ n).collect())
        .collect();
    let config = serde_json::to_vec(&json!({"architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|l| Digest::of(l)).collect::<Vec<_>>()}}))
    .unwrap();
    let typed = |mut descriptor: serde_json::Value, media_type: &str| {
        descriptor["mediaType"] = media_type.into();
        descriptor
    };
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": typed(put(&config), OCI_CONFIG),
        "layers": layers.iter().map(|l| typed(put(l), "application/vnd.oci.image.layer.v1.tar")).collect::<Vec<_>>()});
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [typed(put(&manifest), OCI_MANIFEST)]});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let output = Command::new("skopeo")
        .args(["copy", "--insecure-policy", "--preserve-digests", "--dest-tls-verify=false"])
        .arg(format!("oci:{}", layout.display()))
        .arg(format!("docker://127.0.0.1:{}/x/y:1", registry.port))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let client = client();
    let name: Reference = format!("127.0.0.1:{}/x/y:1", registry.port).parse().unwrap();
    let begun = Instant::now();
    let resolved = client.resolve(&name, &platform()).unwrap();
    println!("resolve: {:?}", begun.elapsed());
    assert_eq!(resolved.manifest_bytes, manifest);
    assert_eq!(client.fetch_bytes(&resolved, &resolved.manifest.config).unwrap(), config);
    let begun = Instant::now();
    assert!(super::tests::layers(&client, &resolved).unwrap() == layers);
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} MB in {seconds:.2} s", (size * usize::from(count)) >> 20);
    let by_digest = client.resolve(&name.with_digest(resolved.digest.clone()), &platform()).unwrap();
    assert_eq!(by_digest.digest, resolved.digest);
    let unknown: Reference = format!("127.0.0.1:{}/no/such:1", registry.port).parse().unwrap();
    let error = client.resolve(&unknown, &platform()).err().unwrap();
    assert_eq!(kind(&error), Some(ErrorKind::NotFound), "{error:#}");
}

#[test]
fn certificates_are_checked_against_certs_d() {
    let tool = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
    if !tool.is_ok_and(|status| status.success()) {
        println!("skipped: openssl is not installed");
        return;
    }
    let certify = |dir: &Path| {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "server.pem", "-out", "root.crt"])
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let dir = dir.display();
        // The same pair is the client's, so that both directions are checked.
        std::fs::copy(format!("{dir}/root.crt"), format!("{dir}/client.cert")).unwrap();
        std::fs::copy(format!("{dir}/server.pem"), format!("{dir}/client.key")).unwrap();
        format!("  tls:\n    certificate: {dir}/root.crt\n    key: {dir}/server.pem\n    clientcas: [{dir}/root.crt]\n")
    };
    let Some(registry) = Registry::start_with("tls", certify) else { return };
    let name: Reference = format!("127.0.0.1:{}/x:1", registry.port).parse().unwrap();
    let ask = |verify: Option<bool>, dir: Option<PathBuf>| {
        let client = client_with(Options { tls_verify: verify, cert_dir: dir, retries: 0, ..Options::default() });
        format!("{:#}", client.resolve(&name, &platform()).err().unwrap())
    };
    let unknown = ask(None, Some("/nonexistent".into()));
    assert!(unknown.contains("certificate"), "{unknown}");
    // With root and client certificate one gets in, and learns that there is no such image.
    let inside = ask(None, Some(registry.dir.clone()));
    assert!(inside.contains("manifest unknown") || inside.contains("name unknown"), "{inside}");
    let elsewhere: Reference = format!("localhost:{}/x:1", registry.port).parse().unwrap();
    let options = Options { cert_dir: Some(registry.dir.clone()), retries: 0, ..Options::default() };
    let error = format!("{:#}", client_with(options).resolve(&elsewhere, &platform()).err().unwrap());
    assert!(error.contains("not valid for name"), "the name is checked too: {error}");
    let unverified = ask(Some(false), Some(registry.dir.clone()));
    assert!(unverified.contains("unknown"), "{unverified}");
}
