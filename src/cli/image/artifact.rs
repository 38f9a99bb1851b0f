//! The noun `artifact`: files that lie in registries as images do.

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::registry::{RegistryArgs, RetryArgs, credentials};
use super::sign::SignArgs;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::{Entry, Run};
use crate::cli::outcome::{self, Outcomes};
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json, stdout};
use crate::cli::progress;
use crate::engine::image::artifact::{AddRequest, Choice};
use crate::engine::image::pattern;
use crate::engine::request::RegistryOptions;
use crate::model::image::ArtifactRecord;
use crate::model::{size, time};

/// The noun.
pub(crate) const ENTRY: Entry<Context> = Entry::noun(
    "artifact",
    "Manage OCI artifacts",
    &[
        Entry::leaf::<AddArgs>("add", "Make an artifact of files"),
        Entry::leaf::<ExtractArgs>("extract", "Write the files of an artifact to a path"),
        Entry::leaf::<InspectArgs>("inspect", "Show the manifest of an artifact"),
        Entry::leaf::<ListArgs>("ls", "List artifacts").aliases(&["list"]),
        Entry::leaf::<PullArgs>("pull", "Fetch an artifact from a registry"),
        Entry::leaf::<PushArgs>("push", "Send an artifact to a registry"),
        Entry::leaf::<RemoveArgs>("rm", "Remove one or more artifacts").aliases(&["remove"]),
    ],
);

/// Make an artifact of files
///
/// Each file is a blob with its name as title. The digest of the artifact's manifest is printed.
#[derive(clap::Args)]
pub(crate) struct AddArgs {
    /// Set an annotation of the files: KEY=VALUE; may be given again
    #[arg(long, value_name = "ANNOTATION")]
    annotation: Vec<String>,
    /// Add the files to an artifact that is there
    #[arg(short, long)]
    append: bool,
    /// The media type of the files; by their beginning where none is given
    #[arg(long, value_name = "TYPE")]
    file_type: Option<String>,
    /// Put the artifact in the place of one that is there
    #[arg(long)]
    replace: bool,
    /// The type of the artifact
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// The artifact
    #[arg(required = true, value_name = "ARTIFACT")]
    name: String,
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Run<Context> for AddArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if self.append && self.r#type.is_some() {
            let message = "append option is not compatible with type option";
            return Err(UsageError::new(message).into());
        }
        if self.append && self.replace {
            return Err(UsageError::new("append option is not compatible with replace option").into());
        }
        let request = AddRequest {
            annotations: self.annotation.iter().map(|text| annotation(text)).collect::<Result<_, _>>()?,
            append: self.append,
            replace: self.replace,
            kind: self.r#type.filter(|text| !text.is_empty()),
            file_type: self.file_type.filter(|text| !text.is_empty()),
        };
        let made = context.engine()?.add_artifact(&self.name, &self.files, &request)?;
        stdout::print(&format!("{}\n", made.instance.digest.hex()))?;
        Ok(0)
    }
}

fn annotation(text: &str) -> Result<(String, String), UsageError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(UsageError::new(format!("invalid annotation {text:?}: it is KEY=VALUE"))),
    }
}

/// Write the files of an artifact to a path
///
/// A directory gets each file by its title, or by its digest where it has none; another path is the name of a single file.
#[derive(clap::Args)]
pub(crate) struct ExtractArgs {
    /// Only the file with this digest, or one that begins so
    #[arg(long, value_name = "DIGEST", conflicts_with = "title")]
    digest: Option<String>,
    /// Only the file with this title
    #[arg(long, value_name = "TITLE")]
    title: Option<String>,
    /// The artifact
    #[arg(required = true, value_name = "ARTIFACT")]
    name: String,
    /// Where the files go
    #[arg(required = true, value_name = "PATH")]
    path: PathBuf,
}

impl Run<Context> for ExtractArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let choice = Choice { title: self.title, digest: self.digest };
        context.engine()?.extract_artifact(&self.name, &self.path, &choice)?;
        Ok(0)
    }
}

/// Show the manifest of an artifact
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// The artifact, by its name or digest
    #[arg(required = true, value_name = "ARTIFACT")]
    name: String,
}

impl Run<Context> for InspectArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let document = context.engine()?.inspect_artifact(&self.name)?;
        // podman: nothing asked for is no template.
        let text = match self.format.as_deref().filter(|format| !format.is_empty() && !is_json(format)) {
            None => json::inspect(&document, context.terminal()),
            Some(format) => {
                let report = Report {
                    command: "artifact inspect",
                    type_name: "*artifact.inspectOutput",
                    default: "",
                    headings: &[],
                    methods: &[],
                    heading: false,
                    terminal: context.terminal(),
                };
                report.one(format, &go_names(document))?
            }
        };
        stdout::print(&text)?;
        Ok(0)
    }
}

/// The document with the names that Go has for what is spelled otherwise in JSON, and with its method.
fn go_names(mut document: Value) -> Value {
    let sizes = document["Manifest"]["layers"].as_array().into_iter().flatten().map(|layer| layer["size"].as_u64());
    document["TotalSizeBytes"] = sizes.map(Option::unwrap_or_default).fold(0, u64::saturating_add).into();
    if let Some(manifest) = document.get_mut("Manifest") {
        capitalize(manifest);
        if let Some(config) = manifest.get_mut("Config") {
            capitalize(config);
        }
        manifest.get_mut("Layers").and_then(Value::as_array_mut).into_iter().flatten().for_each(capitalize);
    }
    document
}

/// Makes the names of an object's fields begin with capitals.
fn capitalize(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        let capital = |key: String| match key.as_bytes() {
            [first, ..] if first.is_ascii_lowercase() => format!("{}{}", first.to_ascii_uppercase() as char, &key[1..]),
            _ => key,
        };
        *fields = std::mem::take(fields).into_iter().map(|(key, value)| (capital(key), value)).collect();
    }
}

/// List artifacts
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Change the output format to json or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Do not shorten digests
    #[arg(long)]
    no_trunc: bool,
    /// Leave the headings out
    #[arg(short, long)]
    noheading: bool,
    /// Print digests only
    #[arg(short, long)]
    quiet: bool,
}

impl Run<Context> for ListArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let found = context.engine()?.artifacts()?;
        for error in &found.damaged {
            exit::report(error, &mut std::io::stderr().lock(), context.terminal());
        }
        let now = Timestamp::now();
        let rows: Vec<Value> = found.artifacts.iter().map(|artifact| self.row(artifact, now)).collect();
        let report = Report {
            command: "artifact ls",
            type_name: "artifact.artifactListOutput",
            default: match self.quiet {
                true => "{{.Digest}}",
                false => "table {{.Repository}}\\t{{.Tag}}\\t{{.Digest}}\\t{{.Created}}\\t{{.Size}}",
            },
            headings: &[],
            methods: &[],
            heading: !self.noheading,
            terminal: context.terminal(),
        };
        stdout::print(&report.rows(self.format.as_deref(), &rows)?)?;
        Ok(0)
    }
}

impl ListArgs {
    fn row(&self, artifact: &ArtifactRecord, now: Timestamp) -> Value {
        let hex = artifact.instance.digest.hex();
        json!({
            "Repository": pattern::repository(&artifact.name),
            "Tag": pattern::tag(&artifact.name),
            "Digest": if self.no_trunc { hex } else { &hex[..12] },
            "Created": time::human_ago(artifact.created, now),
            "Size": size::human_spaced(artifact.size),
            "VirtualSize": artifact.size,
        })
    }
}

/// Fetch an artifact from a registry
#[derive(clap::Args)]
pub(crate) struct PullArgs {
    /// Whose credentials are used: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The artifact
    #[arg(required = true, value_name = "ARTIFACT")]
    name: String,
}

impl Run<Context> for PullArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let options = options(self.creds.as_deref(), self.quiet, self.registry, &self.retry, context)?;
        let mut progress = progress::for_pull(self.quiet);
        let pulled = context.engine()?.pull_artifact(&self.name, &options, progress.as_mut())?;
        drop(progress);
        stdout::print(&format!("{}\n", pulled.instance.digest.hex()))?;
        Ok(0)
    }
}

/// Send an artifact to a registry
///
/// It goes to the place of its name.
#[derive(clap::Args)]
pub(crate) struct PushArgs {
    /// Whose credentials are used: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Write the digest of the manifest to a file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The artifact
    #[arg(required = true, value_name = "ARTIFACT")]
    name: String,
}

impl Run<Context> for PushArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let options = options(self.creds.as_deref(), self.quiet, self.registry, &self.retry, context)?;
        let sign = self.sign.request()?;
        let mut progress = progress::for_pull(self.quiet);
        let digest = context.engine()?.push_artifact(&self.name, &options, &sign, progress.as_mut())?;
        drop(progress);
        if let Some(file) = self.digestfile {
            std::fs::write(&file, digest.as_str()).with_context(|| format!("write {}", file.display()))?;
        }
        stdout::print(&format!("{}\n", digest.hex()))?;
        Ok(0)
    }
}

fn options(
    creds: Option<&str>,
    quiet: bool,
    registry: RegistryArgs,
    retry: &RetryArgs,
    context: &Context,
) -> anyhow::Result<RegistryOptions> {
    let options = RegistryOptions { credentials: credentials(creds)?, quiet, ..registry.options()? };
    retry.over(options, context)
}

/// Remove one or more artifacts
#[derive(clap::Args)]
pub(crate) struct RemoveArgs {
    /// Remove all artifacts
    #[arg(short, long)]
    all: bool,
    /// What is not there is no error
    #[arg(short, long)]
    ignore: bool,
    /// The artifacts, by their names or digests
    #[arg(value_name = "ARTIFACT")]
    names: Vec<String>,
}

impl Run<Context> for RemoveArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let names = match (self.all, self.names.is_empty()) {
            (true, false) => {
                return Err(UsageError::new(
                    "when using the --all switch, you may not pass any artifact names or digests",
                )
                .into());
            }
            (false, true) => return Err(UsageError::new("a single artifact name or digest must be specified").into()),
            (true, true) => engine.artifacts()?.artifacts.into_iter().map(|artifact| artifact.name).collect(),
            (false, false) => self.names,
        };
        let mut outcomes = Outcomes::default();
        for name in names {
            match engine.remove_artifact(&name) {
                Ok(digest) => stdout::print(&format!("{}\n", digest.hex()))?,
                Err(error) if self.ignore && outcome::is_missing(&error) => {}
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish()
    }
}
