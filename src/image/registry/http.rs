//! HTTP as registries are spoken to: TLS roots, deadlines, redirects, bounded bodies, and errors in few words.
//!
//! oci-client's own transport reads manifests and error bodies without a ceiling, knows no client certificates and hides
//! `Retry-After`; so requests are made here, and its types read the errors.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use oci_client::errors::{OciEnvelope, OciErrorCode};
use reqwest::{RequestBuilder, Response};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::model::error::{Error, ErrorKind};

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a registry may be silent, unless [`IDLE_SET`] says otherwise. The headers of an answer, redirects included, and
/// a whole document (manifest, configuration, token, error) may take twice as long.
const IDLE: Duration = Duration::from_secs(30);
/// In the environment: the longest silence in seconds.
const IDLE_SET: &str = "DHOW_REGISTRY_TIMEOUT";
const REDIRECTS: usize = 10;
/// The most headers of an answer, in bytes (R12). reqwest cannot set hyper's own ceiling, which is about 400 KiB and 100
/// headers: so much is in memory before it is counted.
const HEADERS_MAX: usize = 64 << 10;
/// The largest error body.
pub(crate) const ERROR_MAX: usize = 1 << 20;

/// Where system roots are, on the distributions that there are.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

/// A request that did not succeed: which host, why, and whether it is worth another try.
#[derive(Debug)]
pub(crate) struct Failure {
    host: String,
    error: Error,
    pub(crate) retry: bool,
    /// What the registry asked for.
    pub(crate) after: Option<Duration>,
    /// No HTTP was spoken: nobody listened, or TLS was not understood.
    pub(crate) unconnected: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "registry {}", self.host)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// The failure in a chain, if there is one.
pub(crate) fn failure(error: &anyhow::Error) -> Option<&Failure> {
    error.downcast_ref::<Failure>()
}

/// How a host is trusted.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    /// Whether certificates are checked; where not, redirects to plain HTTP are followed too.
    pub(crate) verify: bool,
    /// Directories with `*.crt` (roots) and `*.cert` with `*.key` (client certificates).
    pub(crate) dirs: Vec<PathBuf>,
}

/// How long a registry may be silent.
pub(crate) fn idle() -> Result<Duration> {
    let Some(text) = std::env::var_os(IDLE_SET).filter(|text| !text.is_empty()) else { return Ok(IDLE) };
    let seconds = text.to_str().and_then(|text| text.parse::<u32>().ok()).filter(|seconds| *seconds > 0);
    let seconds =
        seconds.ok_or_else(|| Error::invalid(format!("{IDLE_SET}: {} is not a number of seconds", text.display())))?;
    Ok(Duration::from_secs(u64::from(seconds)))
}

/// Who ends a wait that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The client, when nothing was read for a while.
    Idle,
    /// The caller: while a body is sent, nothing is read.
    Caller,
}

/// Makes the client for one origin; `tls` is false for plain HTTP, where no roots are read.
pub(crate) fn client(trust: &Trust, tls: bool, wait: Wait) -> Result<reqwest::Client> {
    let insecure = !trust.verify;
    let idle = idle()?;
    let redirects = reqwest::redirect::Policy::custom(move |attempt| {
        let downgrade = attempt.url().scheme() != "https"
            && attempt.previous().last().is_some_and(|previous| previous.scheme() == "https");
        if attempt.previous().len() > REDIRECTS {
            attempt.error("too many redirects")
        } else if downgrade && !insecure {
            attempt.error("redirect from https to plain http")
        } else {
            // reqwest drops Authorization when host or port change.
            attempt.follow()
        }
    });
    let builder = match wait {
        Wait::Idle => reqwest::Client::builder().read_timeout(idle),
        Wait::Caller => reqwest::Client::builder(),
    };
    builder
        .tls_backend_preconfigured(tls_config(trust, tls)?)
        .user_agent(concat!("dhow/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT.min(idle))
        .redirect(redirects)
        .referer(false)
        .http1_only()
        .build()
        .map_err(|error| anyhow::anyhow!("set up HTTP: {}", deepest(&error)))
}

fn tls_config(trust: &Trust, tls: bool) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .context("set up TLS")?;
    let mut identity = None;
    let mut roots = Vec::new();
    if tls {
        if trust.verify {
            system_roots(&mut roots)?;
        }
        for dir in &trust.dirs {
            read_dir(dir, &mut roots, &mut identity)?;
        }
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let builder = match trust.verify {
        // The verifier refuses to be made without roots; such a client can speak plain HTTP only.
        true if store.is_empty() => builder.with_root_certificates(store),
        true => {
            let inner =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build().context("set up TLS")?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Verified { inner, roots }))
        }
        false => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider))),
    };
    match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).context("use the client certificate"),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR` as OpenSSL has them, else the first bundle of the system.
fn system_roots(roots: &mut Roots) -> Result<()> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let (file, dir) = (set("SSL_CERT_FILE"), set("SSL_CERT_DIR"));
    if let Some(file) = &file {
        add_roots(roots, file)?;
    }
    if let Some(dir) = &dir {
        for entry in std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?.flatten() {
            // Such directories have files of other kinds too.
            drop(add_roots(roots, &entry.path()));
        }
    }
    if file.is_none()
        && dir.is_none()
        && let Some(bundle) = BUNDLES.iter().map(Path::new).find(|path| path.exists())
    {
        add_roots(roots, bundle)?;
    }
    Ok(())
}

fn add_roots(roots: &mut Roots, file: &Path) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok).collect();
    if certificates.is_empty() {
        bail!(Error::invalid(format!("{} has no certificate", file.display())));
    }
    roots.extend(certificates);
    Ok(())
}

type Roots = Vec<CertificateDer<'static>>;
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a directory of certs.d: `*.crt` are roots, `NAME.cert` and `NAME.key` one client certificate.
fn read_dir(dir: &Path, roots: &mut Roots, identity: &mut Option<Identity>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match path.extension().and_then(|e| e.to_str()) {
            Some("crt") => add_roots(roots, &path)?,
            Some("cert") => {
                let key_file = path.with_extension("key");
                let reading = || format!("read client certificate {}", path.display());
                let chain = CertificateDer::pem_file_iter(&path)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .with_context(reading)?;
                let key = PrivateKeyDer::from_pem_file(&key_file)
                    .with_context(|| format!("read client key {}", key_file.display()))?;
                *identity = Some((chain, key));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The usual verification, which also takes a self-signed certificate that is itself among the roots: what
/// `openssl req -x509` makes says that it is an authority, and webpki wants none at the end of a chain.
#[derive(Debug)]
struct Verified {
    inner: Arc<WebPkiServerVerifier>,
    roots: Roots,
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let error = match self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        // webpki has checked the dates by then; the handshake proves the key.
        if format!("{error:?}").contains("CaUsedAsEndEntity") && self.roots.iter().any(|root| root == end_entity) {
            rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        Err(error)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Takes any certificate, for registries that configuration or command line name as insecure.
#[derive(Debug)]
struct Unverified(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Sends a request and waits for the headers of the answer, whatever its status.
pub(crate) async fn send(request: RequestBuilder) -> Result<Response> {
    let (client, request) = built(request)?;
    let host = host(request.url());
    match tokio::time::timeout(idle()? * 2, execute(&client, request)).await {
        Ok(answered) => answered,
        Err(_) => Err(timed_out(host)),
    }
}

/// The same for a request whose body takes its time; the caller has the deadline.
pub(crate) async fn send_slowly(request: RequestBuilder) -> Result<Response> {
    let (client, request) = built(request)?;
    execute(&client, request).await
}

fn built(request: RequestBuilder) -> Result<(reqwest::Client, reqwest::Request)> {
    let (client, request) = request.build_split();
    let invalid = |error: reqwest::Error| Error::invalid(format!("invalid request: {}", deepest(&error)));
    Ok((client, request.map_err(invalid)?))
}

async fn execute(client: &reqwest::Client, request: reqwest::Request) -> Result<Response> {
    let host = host(request.url());
    let response = client.execute(request).await.map_err(|error| transport(&error, host.clone()))?;
    if headers_size(&response) > HEADERS_MAX {
        bail!(Error::invalid(format!("registry {host} sends more than {HEADERS_MAX} bytes of headers")));
    }
    Ok(response)
}

/// The headers as they were on the wire.
fn headers_size(response: &Response) -> usize {
    response.headers().iter().map(|(name, value)| name.as_str().len() + ": \r\n".len() + value.len()).sum()
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>> {
    let host = host(response.url());
    let large = || Error::invalid(format!("registry {host} sends more than {limit} bytes"));
    if response.content_length().is_some_and(|length| length > limit as u64) {
        bail!(large());
    }
    let read = async {
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => bail!(large()),
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok(bytes),
                Err(error) => return Err(transport(&error, host.clone())),
            }
        }
    };
    match tokio::time::timeout(idle()? * 2, read).await {
        Ok(result) => result,
        Err(_) => Err(timed_out(host.clone())),
    }
}

/// Makes the error of an answer that was no success; reads its body for the registry's own words.
pub(crate) async fn refused(response: Response) -> anyhow::Error {
    let (status, host) = (response.status().as_u16(), host(response.url()));
    let after =
        response.headers().get(reqwest::header::RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(retry_after);
    let bytes = body(response, ERROR_MAX).await.unwrap_or_default();
    let error = status_words(status, &bytes);
    Failure { host, error, retry: status == 429 || status >= 500, after, unconnected: false }.into()
}

/// The same where the body is there already.
pub(crate) fn status_error(status: u16, bytes: &[u8], doing: &str) -> anyhow::Error {
    anyhow::Error::new(status_words(status, bytes)).context(doing.to_owned())
}

/// The words for a status and the error envelope of the distribution-spec.
fn status_words(status: u16, bytes: &[u8]) -> Error {
    let first =
        serde_json::from_slice::<OciEnvelope>(bytes).ok().and_then(|envelope| envelope.errors.into_iter().next());
    let text: String =
        first.as_ref().map(|e| e.message.chars().filter(|c| !c.is_control()).take(300).collect()).unwrap_or_default();
    let said = |fallback: &str| if text.is_empty() { fallback.to_owned() } else { text.clone() };
    let code = first.map(|error| error.code);
    match (status, code) {
        (404, Some(OciErrorCode::ManifestUnknown | OciErrorCode::NotFound) | None) => {
            Error::not_found("manifest unknown")
        }
        (404, Some(OciErrorCode::NameUnknown)) => {
            Error::not_found(format!("name unknown: {}", said("repository name not known to registry")))
        }
        (404, Some(_)) => Error::not_found(said("not found")),
        (401, _) => Error::new(ErrorKind::Denied, format!("unauthorized: {}", said("authentication required"))),
        (403, _) => {
            Error::new(ErrorKind::Denied, format!("denied: {}", said("requested access to the resource is denied")))
        }
        (429, _) => Error::unavailable(format!("toomanyrequests: {}", said("too many requests"))),
        (400..=499, Some(_)) => Error::invalid(said("bad request")),
        (status, _) => Error::unavailable(match text.is_empty() {
            true => format!("unexpected status {status}"),
            false => format!("unexpected status {status}: {text}"),
        }),
    }
}

/// Seconds; a date is not worth a parser, the back-off serves.
fn retry_after(value: &str) -> Option<Duration> {
    value.trim().parse::<u32>().ok().map(|seconds| Duration::from_secs(u64::from(seconds)))
}

pub(crate) fn timed_out(host: String) -> anyhow::Error {
    let error = Error::new(ErrorKind::Timeout, "timed out: the registry does not answer");
    Failure { host, error, retry: true, after: None, unconnected: false }.into()
}

/// Puts a transport error in few words.
pub(crate) fn transport(error: &reqwest::Error, host: String) -> anyhow::Error {
    let words = deepest(error);
    let lower = words.to_ascii_lowercase();
    let (connect, timeout) = (error.is_connect(), error.is_timeout());
    let large = lower.contains("head is too large");
    let permanent = lower.contains("certificate") || large || error.is_redirect() || error.is_builder();
    let error = if timeout {
        Error::new(ErrorKind::Timeout, if connect { "connection timed out" } else { "timed out: no data" })
    } else if error.is_redirect() {
        Error::new(ErrorKind::Denied, words)
    } else if large {
        Error::invalid(format!("sends more than {HEADERS_MAX} bytes of headers"))
    } else if lower.contains("certificate") {
        Error::new(ErrorKind::Denied, format!("TLS: {words}"))
            .hint("put the registry's root certificate into certs.d, or use --tls-verify=false")
    } else if lower.contains("refused") {
        Error::unavailable("connection refused")
    } else if lower.contains("end of file before message") || lower.contains("connection closed before") {
        Error::unavailable("connection closed before the end")
    } else if connect && lower.contains("corrupt message") {
        Error::unavailable("server gave HTTP response to HTTPS client")
            .hint("use --tls-verify=false, or name the registry insecure in registries.conf")
    } else {
        Error::unavailable(words)
    };
    // Who refuses now will refuse in a second; a name that is not known stays so.
    let retry = !permanent && (!connect || timeout);
    Failure { host, error, retry, after: None, unconnected: connect }.into()
}

/// A failure in the middle of a body, worth resuming.
pub(crate) fn broken(host: String, words: impl Into<String>) -> anyhow::Error {
    let error = Error::unavailable(words);
    Failure { host, error, retry: true, after: None, unconnected: false }.into()
}

/// The innermost cause, which alone says something.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let text = inner.to_string();
    // `Connection refused (os error 111)`
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Host and port of a URL, for messages.
pub(crate) fn host(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_are_put_in_the_words_of_registries() {
        let envelope = |code: &str, message: &str| {
            serde_json::json!({"errors": [{"code": code, "message": message, "detail": null}]}).to_string()
        };
        for (status, body, kind, words) in [
            (404, envelope("MANIFEST_UNKNOWN", "manifest unknown"), ErrorKind::NotFound, "manifest unknown"),
            (404, envelope("NAME_UNKNOWN", "no repo"), ErrorKind::NotFound, "name unknown: no repo"),
            (404, String::new(), ErrorKind::NotFound, "manifest unknown"),
            (
                401,
                envelope("UNAUTHORIZED", "authentication required"),
                ErrorKind::Denied,
                "unauthorized: authentication required",
            ),
            (403, "<html>".to_owned(), ErrorKind::Denied, "denied: requested access to the resource is denied"),
            (429, String::new(), ErrorKind::Unavailable, "toomanyrequests: too many requests"),
            (503, "\u{1b}[31m".to_owned(), ErrorKind::Unavailable, "unexpected status 503"),
            (500, envelope("UNKNOWN", "a\u{1b}[31mb"), ErrorKind::Unavailable, "unexpected status 500: a[31mb"),
        ] {
            let error = status_words(status, body.as_bytes());
            assert_eq!((error.kind, error.message.as_str()), (kind, words));
        }
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }

    proptest! {
        #[test]
        fn any_error_body_is_put_in_words(status in 100u16..600, bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(status_words(status, &bytes).message.len() < 2000);
        }
    }
}
