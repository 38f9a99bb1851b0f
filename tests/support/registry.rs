//! A registry in this process: the OCI distribution API for pull and push by HTTP/1.1, two origins (two ports), faults
//! by a script, and a log of every request, which is the oracle of what a client did.
//!
//! `main` serves everything; `other` serves blobs that `main` redirects to, and tokens where a script says so. A
//! script is bound to the beginning of a repository's name and to one part of the API.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use super::image::{Flavor, Image, MANIFEST_DOCKER, MANIFEST_OCI, digest};

/// Which requests a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Manifest,
    Blob,
    Upload,
    Any,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The body comes in pieces of `bytes` with `pause` between them.
    Slow { bytes: usize, pause: Duration },
    /// No answer, and no end of the connection.
    Silent,
    /// The body ends after so many bytes, the connection too; the length was promised whole.
    Truncated { after: usize },
    /// As `Truncated`, but only the first `times` requests.
    CutOff { after: usize, times: usize },
    /// One byte of the body is another.
    WrongDigest,
    /// The promised length is this much more than the body, which then ends.
    WrongLength { more: usize },
    /// 307 to the other origin.
    Redirect,
    /// 307 to itself.
    RedirectLoop,
    /// 401 until a bearer token of [`Auth`] is shown; the realm is on the other origin if `foreign`.
    Bearer { foreign: bool, user: Option<(String, String)>, uses: usize },
    /// 401 until this user and password are shown.
    Basic { user: String, password: String },
    /// 429 with Retry-After, so many times.
    TooMany { times: usize, retry_after: u64 },
    /// This status, so many times.
    Broken { times: usize, status: u16 },
    /// The body is followed by this many blanks (a document that is too large, still valid JSON).
    Huge { bytes: usize },
    /// So many more headers of so many bytes each.
    Headers { count: usize, bytes: usize },
    /// The first `times` uploads of a body: the connection ends after so many bytes of it, which are kept.
    HangUp { after: u64, times: usize },
    /// The first `times` uploads of a body: read to the end, and never answered.
    Deaf { times: usize },
    /// Uploads go to the other origin.
    UploadElsewhere,
    /// No Docker-Content-Digest header.
    NoDigestHeader,
    /// Ranges are not honoured: 200 with the whole.
    NoRanges,
    /// 404, whatever is there.
    Missing,
}

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Whether it came to the other origin.
    pub(crate) other: bool,
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

struct Script {
    repository: String,
    part: Part,
    fault: Fault,
    hits: AtomicUsize,
}

/// A repository and a tag or digest in it; what is there has a media type and a document.
type Place = (String, String);

#[derive(Default)]
struct State {
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    manifests: Mutex<BTreeMap<Place, (String, Vec<u8>)>>,
    uploads: Mutex<BTreeMap<String, Vec<u8>>>,
    scripts: Mutex<Vec<Arc<Script>>>,
    log: Mutex<Vec<Request>>,
    /// Token -> uses left.
    tokens: Mutex<BTreeMap<String, usize>>,
    /// Signatures that the registry keeps, by the path of their list; `None` where it keeps none.
    signatures: Mutex<Option<BTreeMap<String, Vec<Value>>>>,
    counter: AtomicUsize,
    stop: AtomicBool,
    ports: Mutex<(u16, u16)>,
}

pub(crate) struct Registry {
    state: Arc<State>,
    main: SocketAddr,
    other: SocketAddr,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let mut threads = Vec::new();
        let mut listen = |other: bool| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
            let address = listener.local_addr().expect("an address");
            let state = state.clone();
            threads.push(std::thread::spawn(move || accept(&listener, &state, other)));
            address
        };
        let (main, other) = (listen(false), listen(true));
        *state.ports.lock().expect("no panic") = (main.port(), other.port());
        Self { state, main, other, threads }
    }

    /// Starts one whose ports are no leak of `env`'s test.
    pub(crate) fn beside(env: &mut super::TestEnv) -> Self {
        let registry = Self::start();
        for address in [registry.main, registry.other] {
            env.ignore(&format!("address: tcp 0100007F:{:04X}", address.port()));
        }
        registry
    }

    /// `127.0.0.1:PORT`, as it stands before a repository.
    pub(crate) fn address(&self) -> String {
        self.main.to_string()
    }

    pub(crate) fn other_address(&self) -> String {
        self.other.to_string()
    }

    /// The reference of a repository and tag here.
    pub(crate) fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.main)
    }

    /// Serves `image` as `repository:tag`; returns the digest of its manifest.
    pub(crate) fn add(&self, repository: &str, tag: &str, image: &Image, flavor: Flavor) -> String {
        for blob in image.layers.iter().map(|layer| layer.blob.clone()).chain([image.config_bytes()]) {
            self.add_blob(blob);
        }
        let kind = if flavor == Flavor::Oci { MANIFEST_OCI } else { MANIFEST_DOCKER };
        self.add_manifest(repository, tag, kind, &image.manifest(flavor))
    }

    pub(crate) fn add_blob(&self, bytes: Vec<u8>) -> String {
        let name = digest(&bytes);
        self.state.blobs.lock().expect("no panic").insert(name.clone(), bytes);
        name
    }

    /// Serves any document as a manifest, under its tag and its digest.
    pub(crate) fn add_manifest(&self, repository: &str, tag: &str, kind: &str, document: &[u8]) -> String {
        self.state.add_manifest(repository, tag, kind, document)
    }

    /// Binds a fault to repositories whose name begins with `repository`.
    pub(crate) fn fault(&self, repository: &str, part: Part, fault: Fault) {
        let script = Script { repository: repository.to_owned(), part, fault, hits: AtomicUsize::new(0) };
        self.state.scripts.lock().expect("no panic").push(Arc::new(script));
    }

    /// Takes all faults back.
    pub(crate) fn heal(&self) {
        self.state.scripts.lock().expect("no panic").clear();
    }

    /// From now on it keeps signatures itself, and says so.
    pub(crate) fn keep_signatures(&self) {
        *self.state.signatures.lock().expect("no panic") = Some(BTreeMap::new());
    }

    /// Every request so far, and forgets them.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.log.lock().expect("no panic"))
    }

    pub(crate) fn manifest(&self, repository: &str, tag: &str) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), tag.to_owned());
        self.state.manifests.lock().expect("no panic").get(&key).map(|(_, document)| document.clone())
    }

    pub(crate) fn blob(&self, name: &str) -> Option<Vec<u8>> {
        self.state.blobs.lock().expect("no panic").get(name).cloned()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        for address in [self.main, self.other] {
            drop(TcpStream::connect(address));
        }
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>, other: bool) {
    for stream in listener.incoming() {
        if state.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let state = state.clone();
        std::thread::spawn(move || drop(serve(stream, &state, other)));
    }
}

/// What goes back.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    faults: Vec<Arc<Script>>,
}

impl Answer {
    fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), faults: Vec::new() }
    }

    fn error(status: u16, code: &str) -> Self {
        Self::new(status)
            .header("Content-Type", "application/json")
            .body(json!({"errors": [{"code": code, "message": code}]}).to_string())
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

fn serve(stream: TcpStream, state: &State, other: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader, &mut writer, other, state)? {
        state.log.lock().expect("no panic").push(request.clone());
        let answer = state.answer(&request);
        if !write_answer(&mut writer, state, &request, answer)? {
            writer.shutdown(Shutdown::Both)?;
            break;
        }
    }
    Ok(())
}

fn read_request(
    reader: &mut BufReader<TcpStream>,
    writer: &mut TcpStream,
    other: bool,
    state: &State,
) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    if headers.get("expect").is_some_and(|value| value == "100-continue") {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    let promised = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if let Some(after) = state.hang_up(&method, &path, promised) {
        reader.take(after).read_to_end(&mut body)?;
        let session = path.rsplit('/').next().unwrap_or_default();
        if let Some(bytes) = state.uploads.lock().expect("no panic").get_mut(session) {
            bytes.extend_from_slice(&body);
        }
        state.log.lock().expect("no panic").push(Request { other, method, path, headers, body });
        writer.shutdown(Shutdown::Both)?;
        return Ok(None);
    }
    if let Some(length) = headers.get("content-length").and_then(|text| text.parse().ok()) {
        reader.take(length).read_to_end(&mut body)?;
    } else if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let length = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
            reader.take(length).read_to_end(&mut body)?;
            reader.read_line(&mut String::new())?;
            if length == 0 {
                break;
            }
        }
    }
    Ok(Some(Request { other, method, path, headers, body }))
}

/// Writes an answer with its faults; false when the connection must end.
fn write_answer(writer: &mut TcpStream, state: &State, request: &Request, mut answer: Answer) -> std::io::Result<bool> {
    let mut promised = None;
    let (mut cut, mut slow) = (None, None);
    for script in &answer.faults {
        match &script.fault {
            Fault::Silent => {
                while !state.stop.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return Ok(false);
            }
            Fault::Deaf { times }
                if request.method == "PATCH" && script.hits.fetch_add(1, Ordering::SeqCst) < *times =>
            {
                while !state.stop.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return Ok(false);
            }
            Fault::Truncated { after } => cut = Some(*after),
            Fault::CutOff { after, times } if script.hits.fetch_add(1, Ordering::SeqCst) < *times => cut = Some(*after),
            Fault::WrongDigest => {
                if let Some(byte) = answer.body.last_mut() {
                    *byte ^= 1;
                }
            }
            Fault::WrongLength { more } => promised = Some(answer.body.len() + more),
            Fault::Huge { bytes } => answer.body.resize(answer.body.len() + bytes, b' '),
            Fault::Slow { bytes, pause } => slow = Some((*bytes, *pause)),
            Fault::Headers { count, bytes } => {
                answer.headers.extend((0..*count).map(|number| (format!("X-More-{number}"), "x".repeat(*bytes))));
            }
            Fault::NoDigestHeader => answer.headers.retain(|(name, _)| name != "Docker-Content-Digest"),
            _ => {}
        }
    }
    let mut head = format!("HTTP/1.1 {} Status\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", promised.unwrap_or(answer.body.len())));
    writer.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(true);
    }
    let end = cut.unwrap_or(answer.body.len()).min(answer.body.len());
    let body = &answer.body[..end];
    match slow {
        None => writer.write_all(body)?,
        Some((bytes, pause)) => {
            for part in body.chunks(bytes.max(1)) {
                if state.stop.load(Ordering::SeqCst) {
                    return Ok(false);
                }
                writer.write_all(part)?;
                std::thread::sleep(pause);
            }
        }
    }
    Ok(end == answer.body.len() && promised.is_none())
}

impl State {
    fn add_manifest(&self, repository: &str, tag: &str, kind: &str, document: &[u8]) -> String {
        let name = digest(document);
        let mut manifests = self.manifests.lock().expect("no panic");
        for reference in [tag, &name] {
            manifests.insert((repository.to_owned(), reference.to_owned()), (kind.to_owned(), document.to_vec()));
        }
        name
    }

    fn faults(&self, repository: &str, part: Part) -> Vec<Arc<Script>> {
        let fits = |s: &&Arc<Script>| repository.starts_with(&s.repository) && (s.part == part || s.part == Part::Any);
        self.scripts.lock().expect("no panic").iter().filter(fits).cloned().collect()
    }

    /// After how many of the `promised` bytes of its body an upload is to break off; a shorter one is left alone.
    fn hang_up(&self, method: &str, path: &str, promised: u64) -> Option<u64> {
        let (repository, _) = path.strip_prefix("/v2/")?.split_once("/blobs/uploads/").filter(|_| method == "PATCH")?;
        self.faults(repository, Part::Upload).iter().find_map(|script| match &script.fault {
            Fault::HangUp { after, times }
                if *after < promised && script.hits.fetch_add(1, Ordering::SeqCst) < *times =>
            {
                Some(*after)
            }
            _ => None,
        })
    }

    fn kept_signatures(&self, request: &Request, path: &str) -> Answer {
        let mut kept = self.signatures.lock().expect("no panic");
        let Some(kept) = kept.as_mut() else { return Answer::error(404, "UNSUPPORTED") };
        let list = kept.entry(path.to_owned()).or_default();
        if request.method == "PUT" {
            list.push(serde_json::from_slice(&request.body).expect("a signature"));
            return Answer::new(201);
        }
        Answer::new(200).header("Content-Type", "application/json").body(json!({ "signatures": list }).to_string())
    }

    fn answer(&self, request: &Request) -> Answer {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if path == "/token" {
            return self.token(request, query);
        }
        if let Some(name) = path.strip_prefix("/elsewhere/") {
            return self.stored_blob(request, name, true);
        }
        if path == "/v2/" || path == "/v2" {
            let faults = self.faults("", Part::Any);
            let mut answer = self.refusal(request, "", &faults).unwrap_or_else(|| Answer::new(200));
            answer.faults = faults;
            if self.signatures.lock().expect("no panic").is_some() {
                answer = answer.header("X-Registry-Supports-Signatures", "1");
            }
            return answer;
        }
        if path.starts_with("/extensions/v2/") {
            return self.kept_signatures(request, path);
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Answer::error(404, "NOT_FOUND") };
        if rest == "_catalog" {
            return self.catalog();
        }
        let (repository, part, tail) = if let Some((repository, tail)) = rest.split_once("/manifests/") {
            (repository, Part::Manifest, tail)
        } else if let Some((repository, tail)) = rest.split_once("/blobs/uploads/") {
            (repository, Part::Upload, tail)
        } else if let Some((repository, tail)) = rest.split_once("/blobs/") {
            (repository, Part::Blob, tail)
        } else if let Some((repository, _)) = rest.split_once("/tags/list") {
            return self.tags(repository, query);
        } else {
            return Answer::error(404, "NAME_UNKNOWN");
        };
        let faults = self.faults(repository, part);
        if let Some(refusal) = self.refusal(request, repository, &faults) {
            return refusal;
        }
        let ranges = !faults.iter().any(|script| matches!(script.fault, Fault::NoRanges));
        let redirect = faults.iter().any(|script| matches!(script.fault, Fault::Redirect));
        let mut answer = match part {
            Part::Manifest => self.stored_manifest(request, repository, tail),
            Part::Blob if redirect && request.method == "GET" => {
                let port = self.ports.lock().expect("no panic").1;
                return Answer::new(307).header("Location", format!("http://127.0.0.1:{port}/elsewhere/{tail}"));
            }
            Part::Blob => self.stored_blob(request, tail, ranges),
            Part::Upload | Part::Any => {
                let mut answer = self.upload(request, repository, tail, query);
                if faults.iter().any(|script| matches!(script.fault, Fault::UploadElsewhere)) {
                    let port = self.ports.lock().expect("no panic").1;
                    for (_, location) in answer.headers.iter_mut().filter(|(name, _)| name == "Location") {
                        *location = format!("http://127.0.0.1:{port}{location}");
                    }
                }
                answer
            }
        };
        answer.faults = faults;
        answer
    }

    /// The answer of a fault that comes before any look at the store.
    fn refusal(&self, request: &Request, repository: &str, faults: &[Arc<Script>]) -> Option<Answer> {
        let authorization = request.headers.get("authorization").map_or("", String::as_str);
        for script in faults {
            let hit = |times: usize| script.hits.fetch_add(1, Ordering::SeqCst) < times;
            match &script.fault {
                Fault::RedirectLoop => return Some(Answer::new(307).header("Location", request.path.clone())),
                Fault::Missing => return Some(Answer::error(404, "MANIFEST_UNKNOWN")),
                Fault::TooMany { times, retry_after } if hit(*times) => {
                    return Some(Answer::error(429, "TOOMANYREQUESTS").header("Retry-After", retry_after.to_string()));
                }
                Fault::Broken { times, status } if hit(*times) => return Some(Answer::error(*status, "UNAVAILABLE")),
                Fault::Basic { user, password } if authorization != basic(user, password) => {
                    return Some(Answer::error(401, "UNAUTHORIZED").header("WWW-Authenticate", "Basic realm=\"stub\""));
                }
                Fault::Bearer { foreign, .. } if !self.spend(authorization) => {
                    let ports = *self.ports.lock().expect("no panic");
                    let port = if *foreign { ports.1 } else { ports.0 };
                    let action = if request.method == "GET" || request.method == "HEAD" { "pull" } else { "pull,push" };
                    let challenge = format!(
                        "Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"stub\",scope=\"repository:{repository}:{action}\""
                    );
                    return Some(Answer::error(401, "UNAUTHORIZED").header("WWW-Authenticate", challenge));
                }
                _ => {}
            }
        }
        None
    }

    /// Uses a token once; false when it is unknown or used up.
    fn spend(&self, authorization: &str) -> bool {
        let token = authorization.strip_prefix("Bearer ").unwrap_or("");
        match self.tokens.lock().expect("no panic").get_mut(token) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    fn token(&self, request: &Request, query: &str) -> Answer {
        let repository =
            parameter(query, "scope").and_then(|scope| scope.split(':').nth(1).map(str::to_owned)).unwrap_or_default();
        for script in self.scripts.lock().expect("no panic").iter().filter(|s| repository.starts_with(&s.repository)) {
            let Fault::Bearer { user, uses, .. } = &script.fault else { continue };
            let shown = request.headers.get("authorization").map_or("", String::as_str);
            if user.as_ref().is_some_and(|(user, password)| shown != basic(user, password)) {
                return Answer::error(401, "UNAUTHORIZED").header("WWW-Authenticate", "Basic realm=\"stub\"");
            }
            let token = format!("token-{}", self.counter.fetch_add(1, Ordering::SeqCst));
            self.tokens.lock().expect("no panic").insert(token.clone(), *uses);
            let body = json!({"token": token, "expires_in": 300}).to_string();
            return Answer::new(200).header("Content-Type", "application/json").body(body);
        }
        Answer::error(404, "NOT_FOUND")
    }

    fn catalog(&self) -> Answer {
        let manifests = self.manifests.lock().expect("no panic");
        let mut names: Vec<&String> = manifests.keys().map(|(repository, _)| repository).collect();
        names.sort_unstable();
        names.dedup();
        Answer::new(200).header("Content-Type", "application/json").body(json!({"repositories": names}).to_string())
    }

    /// At most two tags a page, however many are asked for.
    fn tags(&self, repository: &str, query: &str) -> Answer {
        if let Some(refusal) = self.refusal(&Request::default(), repository, &self.faults(repository, Part::Manifest)) {
            return refusal;
        }
        let manifests = self.manifests.lock().expect("no panic");
        let last = parameter(query, "last").unwrap_or_default();
        let ours = |(name, tag): &&Place| name == repository && !tag.contains(':') && *tag > last;
        let tags: Vec<&String> = manifests.keys().filter(ours).map(|(_, tag)| tag).collect();
        let page = &tags[..tags.len().min(2)];
        let answer = Answer::new(200)
            .header("Content-Type", "application/json")
            .body(json!({"name": repository, "tags": page}).to_string());
        match page.last().filter(|_| tags.len() > page.len()) {
            Some(last) => {
                let next = format!("</v2/{repository}/tags/list?n=2&last={last}>; rel=\"next\"");
                answer.header("Link", next)
            }
            None => answer,
        }
    }

    fn stored_manifest(&self, request: &Request, repository: &str, reference: &str) -> Answer {
        if request.method == "PUT" {
            let kind = request.headers.get("content-type").cloned().unwrap_or_default();
            let name = self.add_manifest(repository, reference, &kind, &request.body);
            return Answer::new(201)
                .header("Docker-Content-Digest", name.clone())
                .header("Location", format!("/v2/{repository}/manifests/{name}"));
        }
        let key = (repository.to_owned(), reference.to_owned());
        match self.manifests.lock().expect("no panic").get(&key) {
            None => Answer::error(404, "MANIFEST_UNKNOWN"),
            Some((kind, document)) => Answer::new(200)
                .header("Content-Type", kind)
                .header("Docker-Content-Digest", digest(document))
                .body(document.clone()),
        }
    }

    fn stored_blob(&self, request: &Request, name: &str, ranges: bool) -> Answer {
        let blobs = self.blobs.lock().expect("no panic");
        let Some(bytes) = blobs.get(name) else { return Answer::error(404, "BLOB_UNKNOWN") };
        let answer = |status| {
            let answer = Answer::new(status)
                .header("Content-Type", "application/octet-stream")
                .header("Docker-Content-Digest", name);
            if ranges { answer.header("Accept-Ranges", "bytes") } else { answer }
        };
        let range = request.headers.get("range").filter(|_| ranges).and_then(|text| parse_range(text, bytes.len()));
        match range {
            None => answer(200).body(bytes.clone()),
            Some((start, _)) if start >= bytes.len() => {
                Answer::error(416, "RANGE_INVALID").header("Content-Range", format!("bytes */{}", bytes.len()))
            }
            Some((start, end)) => answer(206)
                .header("Content-Range", format!("bytes {start}-{}/{}", end - 1, bytes.len()))
                .body(bytes[start..end].to_vec()),
        }
    }

    fn upload(&self, request: &Request, repository: &str, session: &str, query: &str) -> Answer {
        let stored = |name: &str| {
            Answer::new(201)
                .header("Docker-Content-Digest", name)
                .header("Location", format!("/v2/{repository}/blobs/{name}"))
        };
        let location = |session: &str| format!("/v2/{repository}/blobs/uploads/{session}");
        let keep = |bytes: Vec<u8>, wanted: &str| {
            if digest(&bytes) != wanted {
                return Answer::error(400, "DIGEST_INVALID");
            }
            self.blobs.lock().expect("no panic").insert(wanted.to_owned(), bytes);
            stored(wanted)
        };
        match request.method.as_str() {
            "POST" => {
                if let Some(name) = parameter(query, "mount")
                    && self.blobs.lock().expect("no panic").contains_key(&name)
                {
                    return stored(&name);
                }
                if let Some(name) = parameter(query, "digest") {
                    return keep(request.body.clone(), &name);
                }
                let session = format!("upload-{}", self.counter.fetch_add(1, Ordering::SeqCst));
                self.uploads.lock().expect("no panic").insert(session.clone(), Vec::new());
                Answer::new(202)
                    .header("Location", location(&session))
                    .header("Range", "0-0")
                    .header("Docker-Upload-UUID", session)
            }
            "GET" => match self.uploads.lock().expect("no panic").get(session) {
                None => Answer::error(404, "BLOB_UPLOAD_UNKNOWN"),
                Some(bytes) => {
                    let range = format!("0-{}", bytes.len().saturating_sub(1));
                    Answer::new(204).header("Location", location(session)).header("Range", range)
                }
            },
            "PATCH" => match self.uploads.lock().expect("no panic").get_mut(session) {
                None => Answer::error(404, "BLOB_UPLOAD_UNKNOWN"),
                Some(bytes) => {
                    bytes.extend_from_slice(&request.body);
                    let range = format!("0-{}", bytes.len().saturating_sub(1));
                    Answer::new(202).header("Location", location(session)).header("Range", range)
                }
            },
            "PUT" => match self.uploads.lock().expect("no panic").remove(session) {
                None => Answer::error(404, "BLOB_UPLOAD_UNKNOWN"),
                Some(mut bytes) => {
                    bytes.extend_from_slice(&request.body);
                    keep(bytes, &parameter(query, "digest").unwrap_or_default())
                }
            },
            "DELETE" => {
                self.uploads.lock().expect("no panic").remove(session);
                Answer::new(204)
            }
            _ => Answer::error(405, "UNSUPPORTED"),
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// `bytes=A-B` or `bytes=A-` as a half-open range.
fn parse_range(text: &str, length: usize) -> Option<(usize, usize)> {
    let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
    let start = start.parse().ok()?;
    let end = if end.is_empty() { length } else { (end.parse::<usize>().ok()? + 1).min(length) };
    Some((start, end))
}

/// The value of a query's parameter, percent-decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let raw = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut out = Vec::new();
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            b'+' => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}
