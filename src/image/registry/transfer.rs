//! Blobs: several at once on one thread, each hashed while it streams into a file, a pipe, or both.
//!
//! A pipe that is full (the process behind it unpacks) holds up its own blob only: pipes are written without blocking.
//! A body that breaks off is resumed with `Range` where it ended; the hash goes on, so that the whole is checked in the
//! end. A registry that ignores the range sends again what is skipped here.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::{Response, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;

use super::client::{Client, Pause, Resolved, Session};
use super::http;
use crate::image::hash::Hash;
use crate::image::manifest::Descriptor;
use crate::model::error::{Error, ErrorKind};
use crate::sys::cancel::Cancel;

/// How often a download may break off for each stretch of progress.
const PROGRESS: u64 = 1 << 20;
/// Who sends less than this in the time for which a registry may be silent, is as good as silent.
const TRICKLE: u64 = 1 << 10;
/// Room in the pipe to an unpacking process, so that neither side wakes the other for every page.
const PIPE_SIZE: usize = 1 << 20;

/// Where a blob goes; the file also keeps what the pipe's reader does not take. An end of file in the pipe says nothing:
/// only [`Event::Finished`] says that the bytes were the right ones.
#[derive(Default)]
pub(crate) struct Sinks {
    pub(crate) file: Option<File>,
    pub(crate) pipe: Option<OwnedFd>,
}

/// A blob to fetch; `open` is called when its download begins.
pub(crate) struct Job<'a> {
    pub(crate) descriptor: Descriptor,
    pub(crate) open: Box<dyn FnOnce() -> Result<Sinks> + 'a>,
}

/// What a download tells while it runs; `job` is the index of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Started {
        job: usize,
    },
    Advanced {
        job: usize,
        bytes: u64,
    },
    /// All bytes are written, and size and digest are right; the pipe is closed.
    Finished {
        job: usize,
    },
}

/// The end of a download that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The reader of the pipe closed it before the end; it knows why.
    pub(crate) reader_left: bool,
}

impl Client {
    /// Fetches all blobs, at most `parallel` at once; the first error, or `stop`, ends the others.
    pub(crate) fn fetch_all<'a>(
        &self,
        resolved: &Resolved,
        jobs: Vec<Job<'a>>,
        parallel: usize,
        stop: &Cancel,
        progress: &mut dyn FnMut(Event),
    ) -> Result<Vec<Fetched>> {
        let session = Self::session(resolved);
        let progress = RefCell::new(progress);
        let tell = |event: Event| (progress.borrow_mut())(event);
        let mut results = vec![Fetched { reader_left: false }; jobs.len()];
        self.block_on_until(Some(stop), async {
            let mut waiting = jobs.into_iter().enumerate();
            let start = |(index, job): (usize, Job<'a>)| {
                let (session, pause, tell) = (Rc::clone(&session), self.pause(), &tell);
                async move {
                    let digest = job.descriptor.digest.clone();
                    let fetched = fetch(&session, pause, job, index, tell).await;
                    (index, fetched.with_context(|| format!("fetch blob {digest}")))
                }
            };
            let mut running: FuturesUnordered<_> = waiting.by_ref().take(parallel.max(1)).map(&start).collect();
            while let Some((index, fetched)) = running.next().await {
                results[index] = fetched?;
                running.extend(waiting.next().map(&start));
            }
            Ok(())
        })?;
        Ok(results)
    }
}

/// A blob on its way.
struct Flow<'t> {
    index: usize,
    size: u64,
    done: u64,
    hash: Hash,
    file: Option<File>,
    pipe: Option<pipe::Sender>,
    reader_left: bool,
    tell: &'t dyn Fn(Event),
}

async fn fetch(
    session: &Session,
    mut pause: Pause,
    job: Job<'_>,
    index: usize,
    tell: &dyn Fn(Event),
) -> Result<Fetched> {
    let Job { descriptor, open } = job;
    tell(Event::Started { job: index });
    let sinks = open()?;
    let pipe = match sinks.pipe {
        Some(fd) => {
            // Only a wish: an ordinary user may have too many pipes already.
            let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE_SIZE);
            Some(pipe::Sender::from_owned_fd(fd).context("open the pipe of a layer")?)
        }
        None => None,
    };
    let hash = Hash::of_kind(&descriptor.digest);
    let mut flow =
        Flow { index, size: descriptor.size, done: 0, hash, file: sinks.file, pipe, reader_left: false, tell };
    let mut reached = 0;
    let fresh = pause.clone();
    loop {
        let error = match flow.run(session, &descriptor).await {
            Ok(()) => break,
            Err(error) => error,
        };
        if flow.done >= reached + PROGRESS {
            // It moves: what broke before does not count.
            (reached, pause) = (flow.done, fresh.clone());
        }
        match pause.after(&error) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(error),
        }
    }
    flow.hash.check(&descriptor.digest)?;
    // End of file for the reader comes after the check.
    drop(flow.pipe.take());
    tell(Event::Finished { job: index });
    Ok(Fetched { reader_left: flow.reader_left })
}

impl Flow<'_> {
    /// One request from where the last one ended, to the end of the blob.
    async fn run(&mut self, session: &Session, descriptor: &Descriptor) -> Result<()> {
        if self.done == self.size && self.size > 0 {
            return Ok(());
        }
        let mut response = session.open(descriptor, self.done).await?;
        let mut skip = match response.status() {
            StatusCode::OK => self.done,
            StatusCode::PARTIAL_CONTENT if self.done > 0 && starts_at(&response, self.done) => 0,
            _ => return Err(http::refused(response).await),
        };
        let rest = self.size - self.done + skip;
        if let Some(length) = response.content_length()
            && length != rest
        {
            bail!(Error::new(ErrorKind::Unavailable, format!("registry offers {length} bytes instead of {rest}")));
        }
        let idle = http::idle()?;
        let (mut waited, mut trickled) = (Duration::ZERO, 0);
        loop {
            let asked = Instant::now();
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return Err(http::transport(&error, session.host())),
            };
            // Not the time that the reader of the pipe takes.
            let came = asked.elapsed();
            let drop = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= drop as u64;
            self.take(&chunk[drop..]).await?;
            waited += came;
            trickled += chunk.len() as u64;
            if trickled >= TRICKLE {
                (waited, trickled) = (Duration::ZERO, 0);
            } else if waited > idle {
                return Err(http::broken(session.host(), "timed out: next to no data"));
            }
        }
        if self.done < self.size {
            return Err(http::broken(
                session.host(),
                format!("connection closed after {} of {} bytes", self.done, self.size),
            ));
        }
        Ok(())
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() as u64 > self.size - self.done {
            bail!(Error::new(ErrorKind::Unavailable, format!("registry sends more than {} bytes", self.size)));
        }
        self.hash.update(bytes);
        if let Some(file) = &mut self.file {
            file.write_all(bytes).context("write blob")?;
        }
        if let Some(pipe) = &mut self.pipe
            && let Err(error) = pipe.write_all(bytes).await
        {
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                return Err(error).context("write to the unpacking process");
            }
            self.pipe = None;
            self.reader_left = true;
        }
        if self.reader_left && self.file.is_none() {
            bail!(Error::state("the reader of the blob went away"));
        }
        self.done += bytes.len() as u64;
        (self.tell)(Event::Advanced { job: self.index, bytes: bytes.len() as u64 });
        Ok(())
    }
}

/// Whether a partial answer begins where it was asked to.
fn starts_at(response: &Response, offset: u64) -> bool {
    let range = response.headers().get(reqwest::header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.and_then(range_start) == Some(offset)
}

fn range_start(value: &str) -> Option<u64> {
    value.trim().strip_prefix("bytes ")?.trim_start().split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_a_partial_answer_begins() {
        for (value, want) in [
            ("bytes 5-9/10", Some(5)),
            ("bytes 0-0/*", Some(0)),
            ("bytes */10", None),
            ("5-9/10", None),
            ("", None),
            ("bytes 99999999999999999999-1/2", None),
        ] {
            assert_eq!(range_start(value), want, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_range_is_read_or_not(text in "\\PC{0,30}", start: u64, end: u64) {
            let _ = range_start(&text);
            proptest::prop_assert_eq!(range_start(&format!("bytes {start}-{end}/*")), Some(start));
        }
    }
}
