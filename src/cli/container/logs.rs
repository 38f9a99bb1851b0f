//! `dhow logs`.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::names::latest;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::cli::output::escape;
use crate::cli::output::stdout::OutputClosed;
use crate::engine::Engine;
use crate::engine::logs::{Piece, Sink, Stream};
use crate::engine::request::LogRequest;
use crate::model::error::Error;
use crate::model::time::{self, Direction};

/// Show the output of one or more containers
///
/// Output is kept in files of at most 16 MiB, of which there are five, unless --log-opt said otherwise: what is older is
/// gone.
#[derive(clap::Args)]
pub(crate) struct LogsArgs {
    /// A color of its own for each container's name
    #[arg(long)]
    color: bool,
    /// Go on until the container ends
    #[arg(short, long)]
    follow: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Begin each line with the container's name
    #[arg(short, long)]
    names: bool,
    /// Only what was written since: a time, or a duration before now
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only so many lines from the end
    #[arg(long, value_name = "LINES", default_value = "-1")]
    tail: i64,
    /// Begin each line with its time
    #[arg(short, long)]
    timestamps: bool,
    /// Only what was written until: a time, or a duration from now
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for LogsArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let message = match (self.containers.is_empty(), self.latest) {
            (true, false) => "specify at least one container name or ID to log",
            (false, true) => "--latest and containers cannot be used together",
            _ => "",
        };
        if !message.is_empty() {
            return Err(Error::invalid(message).into());
        }
        let now = Timestamp::now();
        let moment = |flag: &str, text: &Option<String>, direction| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(|text| time::parse_moment(text, now, direction))
                .transpose()
                .with_context(|| format!("parsing --{flag}"))
        };
        let request = LogRequest {
            follow: self.follow,
            since: moment("since", &self.since, Direction::Back)?,
            until: moment("until", &self.until, Direction::Ahead)?,
            tail: u64::try_from(self.tail).ok(),
        };
        let engine = context.engine()?;
        let names = if self.latest { vec![latest(engine)?.config.id.to_string()] } else { self.containers.clone() };
        let several = names.len() > 1;
        let mut outcomes = Outcomes::default();
        let out = Mutex::new(());
        let mut readers = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            match self.prefix(engine, &name, index, several) {
                Ok(prefix) => readers.push((name, prefix)),
                Err(error) => outcomes.failed(error),
            }
        }
        let read = |(name, prefix): &(String, String)| {
            let has_terminal = engine.read(name)?.config.tty;
            let mut printer = Printer {
                escapes: (!has_terminal).then(Default::default),
                prefix: prefix.clone(),
                timestamps: self.timestamps,
                zone: TimeZone::system(),
                out: &out,
                line: Vec::new(),
                stream: Stream::Stdout,
            };
            engine.logs(name, &request, &mut printer).and_then(|()| printer.flush())
        };
        if !(several && self.follow) {
            readers.iter().map(read).filter_map(Result::err).for_each(|error| outcomes.failed(error));
            return outcomes.finish();
        }
        // Each follows its own files, and ends when its container does.
        std::thread::scope(|scope| {
            let threads: Vec<_> = readers.iter().map(|reader| scope.spawn(|| read(reader))).collect();
            for thread in threads {
                if let Ok(Err(error)) = thread.join() {
                    outcomes.failed(error);
                }
            }
        });
        outcomes.finish()
    }
}

impl LogsArgs {
    /// What each line of a container begins with.
    fn prefix(&self, engine: &Engine, name: &str, index: usize, several: bool) -> Result<String> {
        let config = engine.read(name)?.config;
        let text = match (self.names, several) {
            (true, _) => config.name.as_str(),
            (false, true) => config.id.short(),
            (false, false) => return Ok(String::new()),
        };
        // The six colors of terminals that are neither black nor white.
        Ok(if self.color { format!("\x1b[{}m{text}\x1b[0m ", 31 + index % 6) } else { format!("{text} ") })
    }
}

/// Bytes that are held back before they are written.
const BATCH: usize = 64 << 10;

/// Writes lines to the streams that they were written to.
struct Printer<'a> {
    prefix: String,
    timestamps: bool,
    zone: TimeZone,
    /// Lines of several containers are not mixed.
    out: &'a Mutex<()>,
    line: Vec<u8>,
    stream: Stream,
    /// What a container writes must not drive the user's terminal, unless it was given one.
    escapes: Option<[escape::Stream; 2]>,
}

impl Printer<'_> {
    /// Appends what the container wrote.
    fn text(&mut self, piece: &Piece<'_>) {
        let terminal = match piece.stream {
            Stream::Stdout => io::stdout().is_terminal(),
            Stream::Stderr => io::stderr().is_terminal(),
        };
        let Some(escapes) = self.escapes.as_mut().filter(|_| terminal) else {
            return self.line.extend_from_slice(piece.text);
        };
        let escape = &mut escapes[usize::from(piece.stream == Stream::Stderr)];
        self.line.extend_from_slice(escape.feed(piece.text).as_bytes());
        if piece.ends {
            self.line.extend_from_slice(escape.finish().as_bytes());
        }
    }

    fn flush(&mut self) -> Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        let guard = self.out.lock();
        let written = match self.stream {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&self.line).and_then(|()| out.flush())
            }
            Stream::Stderr => io::stderr().lock().write_all(&self.line),
        };
        drop(guard);
        self.line.clear();
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
            written => written.context("write the log"),
        }
    }
}

impl Sink for Printer<'_> {
    fn piece(&mut self, piece: &Piece<'_>) -> Result<ControlFlow<()>> {
        if piece.stream != self.stream || self.line.len() > BATCH {
            self.flush()?;
            self.stream = piece.stream;
        }
        if piece.begins {
            self.line.extend_from_slice(self.prefix.as_bytes());
            if self.timestamps {
                let at = Timestamp::from_nanosecond(i128::from(piece.time)).context("read the time of a line")?;
                let at = at.to_zoned(self.zone.clone());
                let offset = if at.offset().seconds() == 0 { "Z".to_owned() } else { at.strftime("%:z").to_string() };
                self.line.extend_from_slice(format!("{}{offset} ", at.strftime("%Y-%m-%dT%H:%M:%S.%9f")).as_bytes());
            }
        }
        self.text(piece);
        if piece.ends {
            self.line.push(b'\n');
        }
        Ok(ControlFlow::Continue(()))
    }

    fn idle(&mut self) -> Result<()> {
        self.flush()
    }
}
