//! Blobs and manifests to a registry (distribution-spec, "Push").
//!
//! A blob that is there is not sent; one that another repository of the registry may have is mounted; else it is sent as
//! one stream, and where that breaks off the registry is asked how much it has and the rest follows. The manifest comes
//! last, so nothing is seen there before it is whole.

use std::cell::RefCell;
use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Body, Method, Response, StatusCode, Url};
use tokio::sync::mpsc;

use super::client::{Ask, Client, Pause, Session};
use super::http;
use crate::image::manifest::Descriptor;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::reference::{DOCKER_HUB, Reference};

/// How much of a file is read and sent at once.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be sent.
const WAITING: usize = 2;
/// How often an upload may break off for each stretch of progress.
const PROGRESS: u64 = 1 << 20;

/// A blob to send; `open` is called when it is needed.
pub(crate) struct Outgoing<'a> {
    pub(crate) descriptor: Descriptor,
    /// Other repositories of the registry that may have it, the likeliest first.
    pub(crate) mounts: Vec<String>,
    pub(crate) open: Box<dyn Fn() -> Result<File> + 'a>,
}

/// What an upload tells while it runs; `blob` is the index of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The registry has it, or took it from another repository.
    Present {
        blob: usize,
    },
    Started {
        blob: usize,
    },
    Advanced {
        blob: usize,
        bytes: u64,
    },
    Finished {
        blob: usize,
    },
}

/// A repository that is written to.
pub(crate) struct Destination {
    session: Rc<Session>,
}

impl Destination {
    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}

impl Client {
    /// Enters the registry of `name` to write to its repository and to read `others` of the same registry.
    pub(crate) fn open_destination(&self, name: &Reference, others: &[String]) -> Result<Destination> {
        let endpoint = self.origin(name)?;
        let mut scope = format!("repository:{}:pull,push", name.path());
        for other in others.iter().filter(|other| *other != name.path()) {
            scope.push_str(&format!(" repository:{other}:pull"));
        }
        self.block_on(async {
            let credential = self.credential(name, &endpoint)?;
            let entered = self.at(&endpoint, credential, &scope, |session| async move {
                let response = session.get(session.url("")?, HeaderMap::new()).await?;
                match response.status() {
                    StatusCode::OK => Ok(()),
                    _ => Err(http::refused(response).await),
                }
            });
            entered.await.map(|(session, ())| Destination { session })
        })
    }

    /// Sends the blobs that the registry lacks, at most `parallel` at once; the first error ends the others.
    pub(crate) fn send_all(
        &self,
        destination: &Destination,
        blobs: &[Outgoing<'_>],
        parallel: usize,
        progress: &mut dyn FnMut(Event),
    ) -> Result<()> {
        let session = &destination.session;
        let progress = RefCell::new(progress);
        let tell = |event: Event| (progress.borrow_mut())(event);
        self.block_on(async {
            let mut waiting = blobs.iter().enumerate();
            let start = |(index, blob)| {
                let upload = Upload { session, blob, index, tell: &tell, location: None };
                let pause = self.pause();
                async move {
                    let digest = &upload.blob.descriptor.digest;
                    let done = upload.run(pause).await;
                    done.with_context(|| format!("send blob {digest}"))
                }
            };
            let mut running: FuturesUnordered<_> = waiting.by_ref().take(parallel.max(1)).map(&start).collect();
            while let Some(sent) = running.next().await {
                sent?;
                running.extend(waiting.next().map(&start));
            }
            Ok(())
        })
    }

    /// Puts a manifest under the tag of `name`, or its digest, which must be the manifest's.
    pub(crate) fn put_manifest(
        &self,
        destination: &Destination,
        name: &Reference,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<()> {
        let session = &destination.session;
        let digest = Digest::of(bytes);
        let what = name.digest().map(Digest::as_str).or(name.tag()).unwrap_or("latest");
        let url = session.url(&format!("{}/manifests/{what}", name.path()))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).context("content type")?);
        self.block_on(self.again(|| async {
            let body = || Ok(Some(Body::from(bytes.to_vec())));
            let ask = Ask { method: Method::PUT, url: url.clone(), headers: headers.clone(), body: &body };
            let response = within(session.send(&ask), session).await?;
            if !matches!(response.status(), StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED) {
                return Err(http::refused(response).await);
            }
            let claimed = header(&response, "docker-content-digest").and_then(|text| text.parse::<Digest>().ok());
            match claimed {
                Some(claimed) if claimed.algorithm() == digest.algorithm() && claimed != digest => {
                    let message = format!("the registry keeps the manifest as {claimed} instead of {digest}");
                    Err(Error::new(ErrorKind::Unavailable, message).into())
                }
                _ => Ok(()),
            }
        }))
        .with_context(|| format!("write manifest {digest}"))
    }
}

/// A blob on its way out.
struct Upload<'u> {
    session: &'u Rc<Session>,
    blob: &'u Outgoing<'u>,
    index: usize,
    tell: &'u dyn Fn(Event),
    /// Where the registry takes it, once it said so.
    location: Option<Url>,
}

impl Upload<'_> {
    async fn run(mut self, mut pause: Pause) -> Result<()> {
        let fresh = pause.clone();
        let (mut begun, mut told, mut reached) = (false, 0, 0);
        loop {
            let error = match self.attempt(&mut begun, &mut told).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if told >= reached + PROGRESS {
                // It moves: what broke before does not count.
                (reached, pause) = (told, fresh.clone());
            }
            match pause.after(&error) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// One try; what is sent before is not sent again where the registry still has it. `told` is how much was told.
    async fn attempt(&mut self, begun: &mut bool, told: &mut u64) -> Result<()> {
        let size = self.blob.descriptor.size;
        let offset = match self.location.clone() {
            Some(location) => self.resume(location).await?,
            None => 0,
        };
        if self.location.is_none() && (self.exists().await? || !self.begin().await?) {
            (self.tell)(Event::Present { blob: self.index });
            return Ok(());
        }
        if !std::mem::replace(begun, true) {
            (self.tell)(Event::Started { blob: self.index });
        }
        if offset < size {
            self.patch(offset, told).await?;
        }
        self.finish().await?;
        (self.tell)(Event::Finished { blob: self.index });
        Ok(())
    }

    async fn exists(&self) -> Result<bool> {
        let digest = &self.blob.descriptor.digest;
        let url = self.session.url(&format!("{}/blobs/{digest}", self.session.endpoint.path()))?;
        let response = self.plain(Method::HEAD, url, HeaderMap::new()).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(http::refused(response).await),
        }
    }

    /// Begins an upload; false where the registry took the blob from another repository instead.
    async fn begin(&mut self) -> Result<bool> {
        let base = self.session.url(&format!("{}/blobs/uploads/", self.session.endpoint.path()))?;
        for from in self.blob.mounts.iter().map(Some).chain([None]) {
            let mut url = base.clone();
            if let Some(from) = from {
                let digest = self.blob.descriptor.digest.as_str();
                url.query_pairs_mut().append_pair("mount", digest).append_pair("from", from);
            }
            let response = self.plain(Method::POST, url, HeaderMap::new()).await?;
            match (response.status(), from) {
                (StatusCode::CREATED, Some(_)) => return Ok(false),
                // It does not mount, and waits for the bytes instead.
                (StatusCode::ACCEPTED, _) => {
                    self.locate(&response)?;
                    return Ok(true);
                }
                // Some registries refuse what they cannot mount.
                (status, Some(_)) if status.is_client_error() => {}
                _ => return Err(http::refused(response).await),
            }
        }
        bail!(Error::new(ErrorKind::Unavailable, "the registry takes no upload"))
    }

    /// How much of an upload that broke off the registry has; one that it does not know begins anew.
    async fn resume(&mut self, location: Url) -> Result<u64> {
        let response = self.plain(Method::GET, location, HeaderMap::new()).await?;
        if response.status() != StatusCode::NO_CONTENT {
            self.location = None;
            return Ok(0);
        }
        let has = header(&response, RANGE.as_str()).and_then(received).unwrap_or(0);
        if header(&response, LOCATION.as_str()).is_some() {
            self.locate(&response)?;
        }
        Ok(has.min(self.blob.descriptor.size))
    }

    /// Sends the file from `offset` to its end.
    async fn patch(&mut self, offset: u64, told: &mut u64) -> Result<()> {
        let size = self.blob.descriptor.size;
        let location = self.location.clone().context("an upload has an address")?;
        let file = Arc::new((self.blob.open)()?);
        if file.metadata().context("stat blob")?.len() != size {
            bail!(
                Error::state(format!("blob {} is damaged", self.blob.descriptor.digest)).hint("pull the image again")
            );
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size - offset));
        if offset > 0 {
            headers.insert(CONTENT_RANGE, HeaderValue::from_str(&format!("{offset}-{}", size - 1))?);
        }
        // Each piece that is taken is told, which also is the sign that the registry still listens.
        let (sent, mut pieces) = mpsc::channel(WAITING);
        let body = || Ok(Some(Body::wrap_stream(read(Arc::clone(&file), offset, size, sent.clone()))));
        let ask = Ask { method: Method::PATCH, url: location, headers, body: &body };
        let idle = http::idle()?;
        let mut at = offset;
        let mut answer = Box::pin(self.session.send(&ask));
        let response = loop {
            let next = tokio::time::timeout(idle, pieces.recv());
            match select(answer, Box::pin(next)).await {
                Either::Left((answered, _)) => break answered?,
                Either::Right((Err(_), _)) => return Err(http::timed_out(self.session.host())),
                Either::Right((Ok(piece), rest)) => {
                    answer = rest;
                    at = piece.unwrap_or(at);
                    if at > *told {
                        (self.tell)(Event::Advanced { blob: self.index, bytes: at - *told });
                        *told = at;
                    }
                }
            }
        };
        if !matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT | StatusCode::CREATED) {
            return Err(http::refused(response).await);
        }
        if size > *told {
            (self.tell)(Event::Advanced { blob: self.index, bytes: size - *told });
            *told = size;
        }
        self.locate(&response)
    }

    /// Tells the registry that this was all, and by which digest.
    async fn finish(&mut self) -> Result<()> {
        let mut url = self.location.clone().context("an upload has an address")?;
        url.query_pairs_mut().append_pair("digest", self.blob.descriptor.digest.as_str());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        let response = self.plain(Method::PUT, url, headers).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            _ => {
                // What it has cannot be used again.
                self.location = None;
                Err(http::refused(response).await)
            }
        }
    }

    async fn plain(&self, method: Method, url: Url, headers: HeaderMap) -> Result<Response> {
        self.session.send(&Ask { method, url, headers, body: &|| Ok(None) }).await
    }

    /// Keeps the address that the registry gives. It may be elsewhere (without a credential then), but not less safe.
    fn locate(&mut self, response: &Response) -> Result<()> {
        let text = header(response, LOCATION.as_str());
        let invalid = || Error::new(ErrorKind::Unavailable, "the registry gives no address for the upload");
        let url = response.url().join(text.ok_or_else(invalid)?).map_err(|_| invalid())?;
        let safe = url.scheme() == "https" || (url.scheme() == "http" && self.session.is_insecure());
        if !safe || !url.username().is_empty() || url.password().is_some() {
            bail!(Error::new(ErrorKind::Denied, "the registry wants the upload at an address that is not trusted"));
        }
        self.location = Some(url);
        Ok(())
    }
}

/// A small request with a body, in the time that a document may take.
async fn within<T>(work: impl Future<Output = Result<T>>, session: &Session) -> Result<T> {
    match tokio::time::timeout(http::idle()? * 2, work).await {
        Ok(done) => done,
        Err(_) => Err(http::timed_out(session.host())),
    }
}

/// The pieces of a file; where each ends goes to `sent` before the next is read.
fn read(
    file: Arc<File>,
    offset: u64,
    size: u64,
    sent: mpsc::Sender<u64>,
) -> impl futures_util::Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static {
    futures_util::stream::unfold(offset, move |at| {
        let (file, sent) = (Arc::clone(&file), sent.clone());
        async move {
            // Nobody listens when the request has ended.
            let _unheard = sent.send(at).await;
            let length = usize::try_from(size - at).unwrap_or(usize::MAX).min(PIECE);
            if length == 0 {
                return None;
            }
            let mut piece = vec![0; length];
            let done = file.read_exact_at(&mut piece, at).map(|()| piece);
            Some((done, at + length as u64))
        }
    })
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// How many bytes `0-N` says; registries write `0-0` for one byte and for none.
fn received(range: &str) -> Option<u64> {
    let (start, end) = range.trim().trim_start_matches("bytes=").split_once('-')?;
    let end: u64 = end.parse().ok()?;
    match (start, end) {
        ("0", 0) => Some(0),
        ("0", end) => end.checked_add(1),
        _ => None,
    }
}

/// Whether two names are of the same registry, so that one may give blobs to the other.
pub(crate) fn same_registry(a: &Reference, b: &Reference) -> bool {
    let domain = |name: &Reference| name.domain().unwrap_or(DOCKER_HUB).to_owned();
    domain(a) == domain(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_how_much_has_arrived() {
        for (range, want) in [
            ("0-99", Some(100)),
            ("bytes=0-9", Some(10)),
            ("0-0", Some(0)),
            ("5-9", None),
            ("0-", None),
            ("x", None),
            ("0-18446744073709551615", None),
        ] {
            assert_eq!(received(range), want, "{range}");
        }
    }

    proptest! {
        /// R39.
        #[test]
        fn any_range_is_a_number_or_nothing(text in "(bytes=)?[0-9]{0,22}-?[0-9]{0,22}|\\PC{0,12}") {
            if let Some(count) = received(&text) {
                prop_assert!(text.contains(&count.saturating_sub(1).to_string()) || count == 0);
            }
        }
    }
}
