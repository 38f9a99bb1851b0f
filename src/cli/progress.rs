//! What is told while an image comes: a bar for each blob on a terminal, podman's lines elsewhere, nothing with `-q`.
//! All of it goes to standard error.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::escape;
use super::prompt;
use crate::engine::image::progress::{Progress, PullProgress};
use crate::model::digest::Digest;

/// How often bars are drawn anew, per second.
const RATE: u8 = 15;

/// Chooses by where standard error goes.
pub(crate) fn for_pull(quiet: bool) -> Box<dyn PullProgress> {
    match (quiet, std::io::stderr().is_terminal()) {
        (true, _) => Box::new(Quiet),
        (false, true) => Box::new(Bars::default()),
        (false, false) => Box::new(Lines::default()),
    }
}

/// A line on standard error. Where nobody reads, nobody misses it.
fn line(text: &str) {
    drop(std::io::stderr().lock().write_all(format!("{text}\n").as_bytes()));
}

/// Writes a warning to standard error.
pub(crate) fn warning(text: &str) {
    line(&format!("WARNING: {}", escape::line(text)));
}

/// Warnings alone.
#[derive(Debug)]
struct Quiet;

impl Progress for Quiet {
    fn present(&mut self, _digest: &Digest, _size: u64) {}
    fn started(&mut self, _digest: &Digest, _size: u64) {}
    fn advanced(&mut self, _digest: &Digest, _bytes: u64) {}
    fn finished(&mut self, _digest: &Digest) {}
}

impl PullProgress for Quiet {
    fn trying(&mut self, _name: &str) {}
    fn stored(&mut self, _id: &str) {}

    fn warn(&mut self, text: &str) {
        warning(text);
    }
}

/// podman's lines.
#[derive(Debug, Default)]
struct Lines {
    begun: bool,
}

impl Lines {
    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            line("Getting image source signatures");
        }
    }
}

impl Progress for Lines {
    fn present(&mut self, digest: &Digest, _size: u64) {
        self.begin();
        line(&format!("Copying blob {digest} skipped: already exists"));
    }

    fn started(&mut self, digest: &Digest, _size: u64) {
        self.begin();
        line(&format!("Copying blob {digest}"));
    }

    fn advanced(&mut self, _digest: &Digest, _bytes: u64) {}

    fn finished(&mut self, _digest: &Digest) {}
}

impl PullProgress for Lines {
    fn trying(&mut self, name: &str) {
        self.begun = false;
        line(&format!("Trying to pull {}...", escape::line(name)));
    }

    fn stored(&mut self, id: &str) {
        self.begin();
        line(&format!("Copying config sha256:{id}"));
        line("Writing manifest to image destination");
    }

    fn warn(&mut self, text: &str) {
        warning(text);
    }
}

/// A bar for each blob.
struct Bars {
    all: MultiProgress,
    bars: HashMap<Digest, ProgressBar>,
    lines: Lines,
}

impl Default for Bars {
    fn default() -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(RATE);
        Self { all: MultiProgress::with_draw_target(target), bars: HashMap::new(), lines: Lines::default() }
    }
}

impl Bars {
    fn add(&mut self, digest: &Digest, size: u64) -> ProgressBar {
        let style = match size {
            0 => ProgressStyle::with_template("Copying blob {msg} {spinner} {bytes}"),
            _ => ProgressStyle::with_template(
                "Copying blob {msg} [{bar:32}] {bytes:>10} / {total_bytes:<10} {bytes_per_sec:>12}",
            ),
        };
        let bar = self.all.add(ProgressBar::new(size));
        // The templates are ours and valid; a bar without a style is a bar all the same.
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(short(digest));
        self.bars.insert(digest.clone(), bar.clone());
        bar
    }

    fn end(&self, bar: &ProgressBar, word: &str) {
        if let Ok(style) = ProgressStyle::with_template("Copying blob {msg}") {
            bar.set_style(style);
        }
        let message = format!("{} {word}", bar.message());
        bar.finish_with_message(message);
    }

    /// Leaves the bars as they are and goes on below them.
    fn leave(&mut self) {
        for bar in self.bars.values().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
        self.bars.clear();
        self.all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(RATE));
    }
}

fn short(digest: &Digest) -> String {
    digest.hex().get(..12).unwrap_or(digest.hex()).to_owned()
}

impl Progress for Bars {
    fn present(&mut self, digest: &Digest, size: u64) {
        self.lines.begin();
        let bar = self.add(digest, size);
        self.end(&bar, "skipped: already exists");
    }

    fn started(&mut self, digest: &Digest, size: u64) {
        self.lines.begin();
        self.add(digest, size);
    }

    fn advanced(&mut self, digest: &Digest, bytes: u64) {
        if let Some(bar) = self.bars.get(digest) {
            bar.inc(bytes);
        }
    }

    fn finished(&mut self, digest: &Digest) {
        if let Some(bar) = self.bars.get(digest).cloned() {
            self.end(&bar, "done");
        }
    }
}

impl PullProgress for Bars {
    fn trying(&mut self, name: &str) {
        self.leave();
        self.lines.trying(name);
    }

    fn stored(&mut self, id: &str) {
        self.leave();
        self.lines.stored(id);
    }

    fn choose(&mut self, names: &[String]) -> anyhow::Result<Option<usize>> {
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        self.leave();
        prompt::choose("Please select an image:", names).map(Some)
    }

    fn warn(&mut self, text: &str) {
        self.leave();
        warning(text);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.leave();
    }
}
