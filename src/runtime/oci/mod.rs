//! The OCI runtime as a program: `dhow oci COMMAND`, and the same when the binary is called `dhow-runtime`, `runc` or
//! `crun`. A process with one thread that clones by itself; there is no monitor, what is made belongs to the caller.
//!
//! `record` is what is kept of containers, `args` the command line, the other files are the commands. Errors go to
//! standard error, and to `--log` in the words and the format that callers read.

pub(crate) mod args;
mod checkpoint;
mod console;
mod create;
mod criu;
mod delete;
mod document;
mod exec;
mod limit;
mod list;
mod notify;
mod record;
mod restore;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::args::{Globals, Parsed, Request};
use self::console::print;
use self::record::Root;
use super::seal;
use crate::model::error::{Error, ErrorKind};
use crate::state::scope;

/// The runtime failed.
const FAILED: u8 = 1;
/// As shells tell of a command that cannot be executed, and of one that is not there.
const NOT_EXECUTABLE: u8 = 126;
const NO_COMMAND: u8 = 127;

/// Names under which this program is a runtime.
pub(crate) const NAMES: [&str; 3] = ["dhow-runtime", "runc", "crun"];

/// Runs a command line of a runtime; `name` is how this program was called, `words` what follows.
pub(crate) fn main(name: &str, words: &[OsString]) -> ExitCode {
    let done = args::parse(name, words).map_err(|error| (error, None)).and_then(|parsed| match parsed {
        Parsed::Print(text) => print(&text).map(|()| 0).map_err(|error| (error, None)),
        Parsed::Version => print(&version(name)).map(|()| 0).map_err(|error| (error, None)),
        Parsed::Request(globals, request) => run(&globals, &request).map_err(|error| (error, Some((globals, request)))),
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err((error, asked)) => {
            let (globals, request) = asked.map_or((None, None), |(globals, request)| (Some(globals), Some(request)));
            report(&error, globals.as_deref());
            ExitCode::from(code(&error, request.as_deref()))
        }
    }
}

fn run(globals: &Globals, request: &Request) -> Result<u8> {
    let makes = matches!(request, Request::Create(_) | Request::Run(_) | Request::Restore(_) | Request::Exec(_));
    if makes {
        seal::enter()?;
    }
    let root = Root::new(globals.root.as_deref())?;
    // From a login's session nobody can be born into what was delegated to the user.
    if makes && let Some(uid) = record::user() {
        scope::enter(uid)?;
    }
    let target = |target: &args::Target| root.container(&target.id);
    match request {
        Request::Checkpoint(args) => checkpoint::checkpoint(&root, args)?,
        Request::Restore(args) => return restore::restore(&root, globals, args),
        Request::Create(args) => create::create(&root, globals, args)?,
        Request::Run(args) => return create::run(&root, globals, args),
        Request::Start(args) => create::start(&target(args)?)?,
        Request::State(args) => print(&list::show(&target(args)?)?)?,
        Request::Kill(args) => delete::kill(&root, args)?,
        Request::Delete(args) => delete::delete(&root, args)?,
        Request::Exec(args) => return exec::exec(&root, args),
        Request::List(args) => print(&list::list(&root, args)?)?,
        Request::Ps(args) => print(&list::ps(&root, args)?)?,
        Request::Pause(args) => limit::freeze(&root, &args.id, true)?,
        Request::Resume(args) => limit::freeze(&root, &args.id, false)?,
        Request::Update(args) => limit::update(&root, args)?,
        Request::Events(args) => limit::events(&root, args)?,
        Request::Spec(args) => document::write_spec(args)?,
        Request::Features => print(&document::features()?)?,
    }
    Ok(0)
}

/// The version in the shape that callers parse, with what was built in.
fn version(name: &str) -> String {
    format!(
        "{name} version {}\nspec: {}\n+SELINUX +APPARMOR +CAP +SECCOMP +EBPF\n",
        env!("CARGO_PKG_VERSION"),
        document::VERSION
    )
}

/// A command of the user's that cannot be executed has its own codes where the runtime stays for it.
fn code(error: &anyhow::Error, request: Option<&Request>) -> u8 {
    if !matches!(request, Some(Request::Run(_) | Request::Exec(_))) {
        return FAILED;
    }
    match error.downcast_ref::<Error>().map(|error| error.kind) {
        Some(ErrorKind::NoCommand) => NO_COMMAND,
        Some(ErrorKind::NotExecutable) => NOT_EXECUTABLE,
        _ => FAILED,
    }
}

/// Says in runc's words why a command cannot be executed: dockerd and podman look for them.
fn words(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let kind = error.downcast_ref::<Error>().map(|error| error.kind);
    if !matches!(kind, Some(ErrorKind::NoCommand | ErrorKind::NotExecutable)) {
        return text;
    }
    let mut parts = text.split('`');
    let (Some(before), Some(name), Some(after)) = (parts.next(), parts.next(), parts.next()) else { return text };
    let reason = after.rsplit(": ").next().unwrap_or(after).to_lowercase();
    match before {
        "executable file " if after.contains("$PATH") => format!("exec: {name:?}: executable file not found in $PATH"),
        "executable file " => format!("exec: {name:?}: stat {name}: {reason}"),
        "open executable " | "exec container process " => format!("exec: {name:?}: {reason}"),
        _ => text,
    }
}

/// Tells of an error where callers look for it.
fn report(error: &anyhow::Error, globals: Option<&Globals>) {
    let mut text = words(error);
    // On standard error alone: the log is for programs.
    let logged = globals.map_or(Ok(()), |globals| log(globals, &text));
    if let Err(error) = logged {
        text.push_str(&format!("\n{error:#}"));
    }
    if let Some(hint) = error.downcast_ref::<Error>().and_then(|error| error.hint.as_deref()) {
        text.push_str(&format!("\nhint: {hint}"));
    }
    // Where standard error is closed too, there is nobody left to tell.
    drop(writeln!(io::stderr(), "{text}"));
}

/// Appends a line to the log, in one write: others may append to it.
fn log(globals: &Globals, text: &str) -> Result<()> {
    let Some(path) = &globals.log else { return Ok(()) };
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let line = if globals.log_format == "json" {
        serde_json::json!({"level": "error", "msg": text, "time": time}).to_string()
    } else {
        format!("time=\"{time}\" level=error msg={text:?}")
    };
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        .with_context(|| format!("write the log {}", path.display()))
}
