//! A client of registries: finds what a name means for a platform, and opens the blobs of it.
//!
//! Sync outside: one current-thread runtime, made with the client, blocks inside each call. The endpoints of a name
//! (mirrors first) are tried in order; what one of them answered is also where the blobs come from. Nothing is believed
//! before its digest was computed here.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::future::{Either, select};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::net::unix::pipe;

use super::auth::{self, Challenge, Token};
use super::config::Registries;
use super::http::{self, Trust, Wait};
use super::mirror::{self, Endpoint};
use crate::image::credential::{AuthFiles, Credential};
use crate::image::hash::Hash;
use crate::image::manifest::{ACCEPTED, DOCUMENT_MAX, Descriptor, Document, Manifest};
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::platform::Platform;
use crate::model::reference::{DOCKER_HUB, Reference};
use crate::sys::cancel::Cancel;

/// Where Docker's registry really is.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// The longest that waiting between attempts may last in all.
const WAIT_BUDGET: Duration = Duration::from_secs(90);

/// What a user may say about a pull.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `--tls-verify`; `None` leaves it to registries.conf.
    pub(crate) tls_verify: Option<bool>,
    /// `--cert-dir` instead of certs.d.
    pub(crate) cert_dir: Option<PathBuf>,
    /// `--creds`.
    pub(crate) credential: Option<Credential>,
    /// How often a request is tried again.
    pub(crate) retries: u32,
    /// The pause before each of these; `None` begins with a quarter of a second and grows.
    pub(crate) retry_delay: Option<Duration>,
    /// When it is set, everything ends.
    pub(crate) cancel: Option<Cancel>,
}

impl Default for Options {
    fn default() -> Self {
        Self { tls_verify: None, cert_dir: None, credential: None, retries: 3, retry_delay: None, cancel: None }
    }
}

/// What a name means: one manifest for one platform, and where it was found.
pub(crate) struct Resolved {
    /// The digest under which the name was found: that of the index where there is one.
    pub(crate) digest: Digest,
    /// The index, as it came, where there is one.
    pub(crate) index: Option<Vec<u8>>,
    pub(crate) manifest_digest: Digest,
    /// The manifest, as it came.
    pub(crate) manifest_bytes: Vec<u8>,
    pub(crate) manifest: Manifest,
    session: Rc<Session>,
}

/// The context of an error where no image of an index serves a platform: the name is known and its registry did answer.
#[derive(Debug)]
pub(crate) struct Choosing(Reference);

impl fmt::Display for Choosing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "choosing an image from manifest list docker://{}", self.0)
    }
}

/// The client; blocking, for one thread.
pub(crate) struct Client {
    runtime: Option<tokio::runtime::Runtime>,
    config: Registries,
    files: AuthFiles,
    options: Options,
    cert_roots: Vec<PathBuf>,
}

impl Drop for Client {
    fn drop(&mut self) {
        // A name server that does not answer keeps a thread, for which nobody waits.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Client {
    /// Makes a client; nothing is asked yet. `var` reads the environment.
    pub(crate) fn new(
        config: Registries,
        files: AuthFiles,
        options: Options,
        var: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the network runtime")?;
        let mut cert_roots: Vec<PathBuf> = vec!["/etc/docker/certs.d".into(), "/etc/containers/certs.d".into()];
        let user = var("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| var("HOME").map(|home| PathBuf::from(home).join(".config")));
        cert_roots.extend(user.map(|dir| dir.join("containers/certs.d")));
        let files = files.until(options.cancel.clone());
        Ok(Self { runtime: Some(runtime), config, files, options, cert_roots })
    }

    /// Finds what `name`, a full name, means for `platform`.
    pub(crate) fn resolve(&self, name: &Reference, platform: &Platform) -> Result<Resolved> {
        self.first(name, |endpoint| async move { self.resolve_at(name, &endpoint, platform).await })
    }

    /// What `name`, a full name, stands for, as it came and read; of an index no image is chosen.
    pub(crate) fn document(&self, name: &Reference) -> Result<(Vec<u8>, Document)> {
        self.first(name, |endpoint| async move {
            let (_, _, bytes, document) = self.document_at(name, &endpoint).await?;
            Ok((bytes, document))
        })
    }

    /// What the first of the endpoints of `name` gives that gives anything.
    fn first<T, F: Future<Output = Result<T>>>(&self, name: &Reference, work: impl Fn(Endpoint) -> F) -> Result<T> {
        let endpoints = mirror::endpoints(&self.config, name)?;
        self.block_on(async {
            let mut failed: Vec<anyhow::Error> = Vec::new();
            for endpoint in endpoints {
                match work(endpoint).await {
                    Ok(found) => return Ok(found),
                    Err(error) => failed.push(error),
                }
            }
            // The registry itself comes last and says most; what the mirrors said goes before it.
            let last = failed.pop().context("no registry to ask")?;
            Err(match failed.is_empty() {
                true => last,
                false => {
                    let mirrors: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
                    last.context(format!("after its mirrors ({})", mirrors.join("; ")))
                }
            })
        })
    }

    /// Asks a registry whether it takes a credential, for login.
    pub(crate) fn check_login(&self, registry: &str, credential: &Credential) -> Result<()> {
        let probe: Reference = format!("{registry}/login/probe").parse()?;
        let insecure = mirror::endpoints(&self.config, &probe)?.last().is_some_and(|endpoint| endpoint.insecure);
        let endpoint = Endpoint { reference: probe, insecure, mirror: false };
        self.block_on(async {
            self.at(&endpoint, Some(credential.clone()), "", |session| async move {
                let response = session.get(session.url("")?, HeaderMap::new()).await?;
                match response.status() {
                    StatusCode::OK => Ok(()),
                    _ => Err(http::refused(response).await),
                }
            })
            .await
            .map(drop)
        })
        .map_err(|error| {
            let denied =
                error.chain().filter_map(|cause| cause.downcast_ref::<Error>()).any(|e| e.kind == ErrorKind::Denied);
            let tls = error.chain().any(|cause| cause.to_string().starts_with("TLS: "));
            match denied && !tls {
                true => Error::new(ErrorKind::Denied, format!("logging into {registry:?}: invalid username/password"))
                    .into(),
                false => error.context(format!("logging into {registry:?}")),
            }
        })
    }

    /// Fetches a small blob whole, such as a configuration.
    pub(crate) fn fetch_bytes(&self, resolved: &Resolved, descriptor: &Descriptor) -> Result<Vec<u8>> {
        if descriptor.size > DOCUMENT_MAX {
            bail!(Error::invalid(format!("blob {} of {} bytes is too large", descriptor.digest, descriptor.size)));
        }
        let session = &resolved.session;
        let limit = usize::try_from(descriptor.size).context("blob size")?;
        self.block_on(self.again(|| async {
            let response = session.open(descriptor, 0).await?;
            if response.status() != StatusCode::OK {
                return Err(http::refused(response).await);
            }
            http::body(response, limit).await
        }))
        .and_then(|bytes| verify(&descriptor.digest, Some(descriptor.size), &bytes).map(|()| bytes))
        .with_context(|| format!("fetch blob {}", descriptor.digest))
    }

    /// Fetches a document of at most `limit` bytes that lies at an address of the web; `None` where there is none.
    pub(crate) fn fetch_address(&self, address: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let url = Url::parse(address).map_err(|error| Error::invalid(format!("address {address:?}: {error}")))?;
        let trust = Trust { verify: true, dirs: Vec::new() };
        let client = http::client(&trust, url.scheme() == "https", Wait::Idle)?;
        self.block_on(self.again(|| async {
            let sent = client.get(url.clone()).send().await;
            let response = sent.map_err(|error| http::transport(&error, http::host(&url)))?;
            match response.status() {
                StatusCode::OK => http::body(response, limit).await.map(Some),
                StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
                _ => Err(http::refused(response).await),
            }
        }))
    }

    /// Runs a future on the runtime, unless the user cancels.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.block_on_until(None, work)
    }

    /// The same, unless `stop` is set.
    pub(super) fn block_on_until<T>(&self, stop: Option<&Cancel>, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = self.runtime.as_ref().context("the network runtime is gone")?;
        runtime.block_on(async {
            let (user, other) = (pin!(hear(self.options.cancel.as_ref())), pin!(hear(stop)));
            match select(pin!(work), select(user, other)).await {
                Either::Left((result, _)) => result,
                Either::Right((heard, _)) => {
                    heard.factor_first().0.context("listen for a stop")?;
                    bail!(Error::state("cancelled"))
                }
            }
        })
    }

    /// Repeats what failed for a passing reason, with growing pauses or those that the registry asks for.
    pub(super) async fn again<T, F: Future<Output = Result<T>>>(&self, work: impl FnMut() -> F) -> Result<T> {
        self.again_by(self.pause(), work).await
    }

    async fn again_by<T, F: Future<Output = Result<T>>>(
        &self,
        mut pause: Pause,
        mut work: impl FnMut() -> F,
    ) -> Result<T> {
        loop {
            match work().await {
                Ok(value) => return Ok(value),
                Err(error) => match pause.after(&error) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                },
            }
        }
    }

    pub(super) fn pause(&self) -> Pause {
        Pause::new(self.options.retries, self.options.retry_delay)
    }

    pub(super) fn session(resolved: &Resolved) -> Rc<Session> {
        Rc::clone(&resolved.session)
    }

    /// The document of `name` at an endpoint, with its digest; later requests go to the session too.
    async fn document_at(
        &self,
        name: &Reference,
        endpoint: &Endpoint,
    ) -> Result<(Rc<Session>, Digest, Vec<u8>, Document)> {
        let credential = self.credential(name, endpoint)?;
        let (session, (bytes, served)) = self
            .at(endpoint, credential, &pull_of(&endpoint.reference), |session| async move {
                session.manifest(&session.endpoint, None).await
            })
            .await?;
        let digest = match name.digest() {
            Some(digest) => {
                verify(digest, None, &bytes).context("manifest")?;
                digest.clone()
            }
            None => Digest::of(&bytes),
        };
        let document = Document::parse(&bytes, served.as_deref())?;
        Ok((session, digest, bytes, document))
    }

    async fn resolve_at(&self, name: &Reference, endpoint: &Endpoint, platform: &Platform) -> Result<Resolved> {
        let (session, digest, bytes, document) = self.document_at(name, endpoint).await?;
        match document {
            Document::Manifest(manifest) => Ok(Resolved {
                manifest_digest: digest.clone(),
                digest,
                index: None,
                manifest_bytes: bytes,
                manifest,
                session,
            }),
            Document::Index(index) => {
                let chosen = index.pick(platform).with_context(|| Choosing(name.clone()))?.descriptor.clone();
                let place = endpoint.reference.with_digest(chosen.digest.clone());
                let (inner, served) =
                    self.again(|| session.manifest(&place, Some(chosen.size))).await.context("manifest in index")?;
                verify(&chosen.digest, Some(chosen.size), &inner).context("manifest in index")?;
                match Document::parse(&inner, served.as_deref().or(Some(&chosen.media_type)))? {
                    Document::Manifest(manifest) => Ok(Resolved {
                        digest,
                        index: Some(bytes),
                        manifest_digest: chosen.digest,
                        manifest_bytes: inner,
                        manifest,
                        session,
                    }),
                    Document::Index(_) => bail!(Error::unsupported("an index inside of an index is not supported")),
                }
            }
        }
    }

    /// The credential for an endpoint of `name`.
    pub(super) fn credential(&self, name: &Reference, endpoint: &Endpoint) -> Result<Option<Credential>> {
        let domain = endpoint.reference.domain().unwrap_or(DOCKER_HUB);
        match &self.options.credential {
            // Given for the registry that the user named, not for its mirrors.
            Some(credential) if name.domain() == Some(domain) => Ok(Some(credential.clone())),
            _ => self.files.find(domain, endpoint.reference.path()),
        }
    }

    /// The registry itself, where registries.conf has it; mirrors do not count.
    pub(super) fn read_origin(&self, name: &Reference) -> Result<Endpoint> {
        mirror::endpoints(&self.config, name)?.pop().context("no registry to ask")
    }

    /// The same for writing, which nothing rewrites.
    pub(super) fn origin(&self, name: &Reference) -> Result<Endpoint> {
        Ok(Endpoint { reference: name.clone(), ..self.read_origin(name)? })
    }

    /// Does the first request at an endpoint: https, and plain http where the registry may be insecure. `scope` is what
    /// tokens are asked for.
    pub(super) async fn at<T, F: Future<Output = Result<T>>>(
        &self,
        endpoint: &Endpoint,
        credential: Option<Credential>,
        scope: &str,
        work: impl Fn(Rc<Session>) -> F,
    ) -> Result<(Rc<Session>, T)> {
        let insecure = self.options.tls_verify.map_or(endpoint.insecure, |verify| !verify);
        let schemes: &[&str] = if insecure { &["https", "http"] } else { &["https"] };
        // What a mirror does not give at once, the next place may.
        let pause = if endpoint.mirror { Pause::new(0, None) } else { self.pause() };
        let mut first = None;
        for scheme in schemes {
            let session = Rc::new(self.connect(endpoint, scheme, insecure, credential.clone(), scope)?);
            match self.again_by(pause.clone(), || work(Rc::clone(&session))).await {
                Ok(value) => return Ok((session, value)),
                Err(error) => {
                    let unconnected = http::failure(&error).is_some_and(|failure| failure.unconnected);
                    if !unconnected {
                        return Err(error);
                    }
                    // Nobody speaks plain HTTP either: what https said is the better message.
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.context("no scheme to try")?)
    }

    fn connect(
        &self,
        endpoint: &Endpoint,
        scheme: &str,
        insecure: bool,
        credential: Option<Credential>,
        scope: &str,
    ) -> Result<Session> {
        let domain = endpoint.reference.domain().unwrap_or(DOCKER_HUB);
        let host = if domain == DOCKER_HUB { DOCKER_HUB_HOST } else { domain };
        let base: Url = format!("{scheme}://{host}/v2/")
            .parse()
            .map_err(|_| Error::invalid(format!("invalid registry \"{}\"", host.escape_debug())))?;
        let dirs = match &self.options.cert_dir {
            Some(dir) => vec![dir.clone()],
            None => self.cert_roots.iter().map(|root| root.join(domain)).collect(),
        };
        let trust = http::Trust { verify: !insecure, dirs };
        let client = http::client(&trust, scheme == "https", http::Wait::Idle)?;
        let (endpoint, scope) = (endpoint.reference.clone(), scope.to_owned());
        let uploader = std::cell::OnceCell::new();
        Ok(Session { client, uploader, trust, base, endpoint, scope, insecure, credential, entry: RefCell::default() })
    }
}

/// Ends when `stop` is set; where there is none, never.
async fn hear(stop: Option<&Cancel>) -> std::io::Result<()> {
    match stop {
        Some(stop) => pipe::Receiver::from_owned_fd(stop.as_fd().try_clone_to_owned()?)?.readable().await,
        None => std::future::pending().await,
    }
}

/// Decides how long to wait before the next attempt.
#[derive(Clone)]
pub(super) struct Pause {
    left: u32,
    next: Duration,
    grows: bool,
    budget: Duration,
}

impl Pause {
    fn new(retries: u32, delay: Option<Duration>) -> Self {
        let next = delay.unwrap_or(Duration::from_millis(250));
        // Who asks for long pauses has the patience for them.
        let budget = WAIT_BUDGET.max(delay.unwrap_or_default().saturating_mul(retries));
        Self { left: retries, next, grows: delay.is_none(), budget }
    }

    /// The wait after `error`; `None` when there is no point, or no budget.
    pub(super) fn after(&mut self, error: &anyhow::Error) -> Option<Duration> {
        let failure = http::failure(error).filter(|failure| failure.retry && self.left > 0)?;
        let wait = failure.after.unwrap_or(self.next);
        self.budget = self.budget.checked_sub(wait)?;
        self.left -= 1;
        if self.grows {
            self.next = (self.next * 3).min(Duration::from_secs(10));
        }
        Some(wait)
    }
}

/// A registry that was reached, one repository of it, and how it is entered.
pub(super) struct Session {
    client: reqwest::Client,
    /// For bodies that take their time; made with the first.
    uploader: std::cell::OnceCell<reqwest::Client>,
    trust: http::Trust,
    pub(super) base: Url,
    pub(super) endpoint: Reference,
    /// What is asked for at a token endpoint, never more, whatever a registry says; scopes with a space between.
    scope: String,
    insecure: bool,
    credential: Option<Credential>,
    entry: RefCell<Entry>,
}

/// How a registry wants to be entered.
#[derive(Clone, Default)]
enum Entry {
    #[default]
    Open,
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        token: Token,
    },
}

/// A request that can be sent again.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Makes the body anew.
    pub(super) body: &'a dyn Fn() -> Result<Option<reqwest::Body>>,
}

impl Session {
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        self.base.join(path).context("form a URL")
    }

    /// The registry's name, for messages.
    pub(super) fn host(&self) -> String {
        http::host(&self.base)
    }

    /// Asks for a manifest; gives its bytes and media type.
    async fn manifest(&self, place: &Reference, size: Option<u64>) -> Result<(Vec<u8>, Option<String>)> {
        let what = place.digest().map(Digest::as_str).or(place.tag()).unwrap_or("latest");
        let url = self.url(&format!("{}/manifests/{what}", place.path()))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(&ACCEPTED.join(", ")).context("accept header")?);
        let response = self.get(url, headers).await?;
        if response.status() != StatusCode::OK {
            return Err(http::refused(response).await);
        }
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (served, claimed) = (text("content-type"), text("docker-content-digest"));
        let limit = usize::try_from(size.unwrap_or(DOCUMENT_MAX).min(DOCUMENT_MAX)).context("manifest size")?;
        let bytes = http::body(response, limit).await?;
        if let Some(claimed) = claimed.and_then(|text| text.parse::<Digest>().ok()) {
            verify(&claimed, None, &bytes).context("manifest, by the registry's own header")?;
        }
        Ok((bytes, served))
    }

    /// Opens a blob at `offset`; a foreign layer is looked for at its own addresses too, without credentials.
    pub(super) async fn open(&self, descriptor: &Descriptor, offset: u64) -> Result<Response> {
        let url = self.url(&format!("{}/blobs/{}", self.endpoint.path(), descriptor.digest))?;
        let mut headers = HeaderMap::new();
        if offset > 0 {
            headers.insert(reqwest::header::RANGE, HeaderValue::from_str(&format!("bytes={offset}-"))?);
        }
        let response = self.get(url, headers.clone()).await?;
        if response.status() != StatusCode::NOT_FOUND || descriptor.urls.is_empty() {
            return Ok(response);
        }
        let plain = http::client(&http::Trust { verify: true, dirs: Vec::new() }, true, http::Wait::Idle)?;
        for url in descriptor.urls.iter().filter_map(|url| url.parse::<Url>().ok()).filter(|u| u.scheme() == "https") {
            let answer = http::send(plain.get(url).headers(headers.clone())).await?;
            if answer.status().is_success() {
                return Ok(answer);
            }
        }
        Ok(response)
    }

    /// Sends a GET.
    pub(super) async fn get(&self, url: Url, headers: HeaderMap) -> Result<Response> {
        self.send(&Ask { method: Method::GET, url, headers, body: &|| Ok(None) }).await
    }

    /// Sends a request, entering the registry as it wants; a refused token is fetched anew once. Another origin, to which
    /// a registry may send uploads, gets no credential.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Response> {
        let mut entered = false;
        loop {
            let body = (ask.body)()?;
            let slow = body.is_some();
            let client = if slow { self.uploader()? } else { &self.client };
            let mut request = client.request(ask.method.clone(), ask.url.clone()).headers(ask.headers.clone());
            if let Some(body) = body {
                request = request.body(body);
            }
            // Copied out: the cell must not be borrowed while waiting.
            let entry = self.entry.borrow().clone();
            match entry {
                _ if !auth::same_origin(&ask.url, &self.base) => {}
                Entry::Open => {}
                Entry::Basic => {
                    if let Some(Credential::Basic { user, password }) = &self.credential {
                        request = request.basic_auth(user, Some(password.expose()));
                    }
                }
                Entry::Bearer { realm, service, token } => {
                    let token = match token.is_fresh() {
                        true => token,
                        false => self.token(&realm, service.as_deref()).await?,
                    };
                    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.text.expose()))?;
                    value.set_sensitive(true);
                    request = request.header(AUTHORIZATION, value);
                }
            }
            let response = if slow { http::send_slowly(request).await? } else { http::send(request).await? };
            if response.status() != StatusCode::UNAUTHORIZED
                || entered
                || !auth::same_origin(response.url(), &self.base)
            {
                return Ok(response);
            }
            entered = true;
            let challenges = response.headers().get_all(WWW_AUTHENTICATE);
            match Challenge::parse(challenges.iter().filter_map(|value| value.to_str().ok())) {
                Some(Challenge::Bearer { realm, service }) => {
                    self.token(&realm, service.as_deref()).await?;
                }
                Some(Challenge::Basic) if matches!(self.credential, Some(Credential::Basic { .. })) => {
                    *self.entry.borrow_mut() = Entry::Basic;
                }
                _ => return Ok(response),
            }
        }
    }

    fn uploader(&self) -> Result<&reqwest::Client> {
        if let Some(client) = self.uploader.get() {
            return Ok(client);
        }
        let client = http::client(&self.trust, self.base.scheme() == "https", http::Wait::Caller)?;
        Ok(self.uploader.get_or_init(|| client))
    }

    /// Whether the registry may be spoken to without TLS.
    pub(super) fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// Fetches a token and keeps it.
    async fn token(&self, realm: &str, service: Option<&str>) -> Result<Token> {
        let challenge = (realm, service);
        let token = auth::fetch_token(
            &self.client,
            &self.base,
            self.insecure,
            challenge,
            &self.scope,
            self.credential.as_ref(),
        )
        .await?;
        *self.entry.borrow_mut() =
            Entry::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned), token: token.clone() };
        Ok(token)
    }
}

/// The scope of a pull.
pub(super) fn pull_of(name: &Reference) -> String {
    format!("repository:{}:pull", name.path())
}

/// Checks size and digest of a whole document.
pub(super) fn verify(digest: &Digest, size: Option<u64>, bytes: &[u8]) -> Result<()> {
    if size.is_some_and(|size| size != bytes.len() as u64) {
        bail!(Error::new(
            ErrorKind::Unavailable,
            format!("{digest} has {} bytes instead of {}", bytes.len(), size.unwrap_or_default())
        ));
    }
    let mut hash = Hash::of_kind(digest);
    hash.update(bytes);
    hash.check(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_checked_with_its_own_algorithm() {
        let good = Digest::of(b"abc");
        verify(&good, Some(3), b"abc").unwrap();
        assert!(verify(&good, Some(4), b"abc").is_err());
        assert!(verify(&good, None, b"abd").unwrap_err().to_string().contains("digest"));
        let sha512 = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        verify(&sha512.parse().unwrap(), Some(3), b"abc").unwrap();
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut pause = Pause::new(3, None);
        let error = http::broken("h".into(), "x");
        assert_eq!(pause.after(&error), Some(Duration::from_millis(250)));
        assert_eq!(pause.after(&error), Some(Duration::from_millis(750)));
        assert!(pause.after(&error).is_some());
        assert_eq!(pause.after(&error), None);
        assert_eq!(Pause::new(3, None).after(&anyhow::anyhow!("x")), None);
        let mut slow = Pause::new(2, Some(Duration::from_secs(60)));
        assert_eq!(
            (slow.after(&error), slow.after(&error)),
            (Some(Duration::from_secs(60)), Some(Duration::from_secs(60)))
        );
    }

    /// R21.
    #[test]
    fn a_registry_that_asks_for_patience_gets_some() {
        let busy = |seconds| {
            let mut error = http::broken("h".into(), "x");
            error.downcast_mut::<http::Failure>().unwrap().after = Some(Duration::from_secs(seconds));
            error
        };
        let mut pause = Pause::new(3, None);
        assert_eq!(pause.after(&busy(60)), Some(Duration::from_secs(60)));
        // No more than is bearable in all.
        assert_eq!(pause.after(&busy(60)), None);
        assert_eq!(pause.after(&busy(20)), Some(Duration::from_secs(20)));
    }
}
