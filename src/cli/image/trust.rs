//! `dhow image trust`.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::cli::context::Context;
use crate::cli::flags::tree::{Entry, Run};
use crate::cli::output::template::report::Report;
use crate::cli::output::{json, stdout};
use crate::engine::image::trust::{self, Asked, Trust};

/// The noun.
pub(crate) const ENTRY: Entry<Context> = Entry::noun(
    "trust",
    "Manage the policy of which images are trusted",
    &[
        Entry::leaf::<SetArgs>("set", "Set what is required of the images of a registry"),
        Entry::leaf::<ShowArgs>("show", "Show what is required of images"),
    ],
);

/// Set what is required of the images of a registry
///
/// REGISTRY is a registry, a part of it such as docker.io/library, or default, which stands for all others. The policy
/// is policy.json of the user, or where there is none of the system. Where signatures are is said by registries.d.
#[derive(clap::Args)]
pub(crate) struct SetArgs {
    /// What is required: accept, reject, signedBy or sigstoreSigned
    #[arg(short, long, value_name = "TYPE", default_value = "signedBy")]
    r#type: String,
    /// A file of public keys by which images have to be signed; may be given again
    #[arg(short = 'f', long, value_name = "FILE", value_delimiter = ',')]
    pubkeysfile: Vec<PathBuf>,
    /// Change this file instead
    #[arg(long, hide = true, value_name = "FILE")]
    policypath: Option<PathBuf>,
    /// The registry
    #[arg(required = true, value_name = "REGISTRY")]
    registry: String,
}

impl Run<Context> for SetArgs {
    fn run(self, _: &Context) -> anyhow::Result<u8> {
        trust::set(self.policypath, &self.registry, &Trust::new(&self.r#type, self.pubkeysfile)?)?;
        Ok(0)
    }
}

/// Show what is required of images
///
/// The policy is policy.json of the user, or where there is none of the system; STORE is where registries.d says that
/// signatures are.
#[derive(clap::Args)]
pub(crate) struct ShowArgs {
    /// Print JSON
    #[arg(short, long)]
    json: bool,
    /// Leave the headings out
    #[arg(short, long)]
    noheading: bool,
    /// Print the file as it is
    #[arg(long)]
    raw: bool,
    /// Show this file instead
    #[arg(long, hide = true, value_name = "FILE")]
    policypath: Option<PathBuf>,
    /// Read this directory instead of registries.d
    #[arg(long, hide = true, value_name = "DIR")]
    registrypath: Option<PathBuf>,
    /// Has no effect: everything is shown, as podman does
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

impl Run<Context> for ShowArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if self.raw {
            let mut text = trust::raw(self.policypath)?;
            text.push(b'\n');
            stdout::print_bytes(&text)?;
            return Ok(0);
        }
        let asked = trust::show(self.policypath, self.registrypath)?;
        if self.json {
            let text = |map: &mut Map<String, Value>, key: &str, text: &str| {
                if !text.is_empty() {
                    map.insert(key.to_owned(), text.into());
                }
            };
            let document = |asked: &Asked| {
                let mut map = Map::new();
                map.insert("transport".to_owned(), asked.transport.as_str().into());
                text(&mut map, "name", &asked.name);
                text(&mut map, "repo_name", &asked.scope);
                text(&mut map, "sigstore", &asked.store);
                map.insert("type".to_owned(), asked.kind.into());
                text(&mut map, "gpg_id", &asked.ids);
                Value::Object(map)
            };
            let documents: Vec<Value> = asked.iter().map(document).collect();
            stdout::print(&json::list(&documents, context.terminal()))?;
            return Ok(0);
        }
        let rows = asked.iter().map(|asked| {
            json!({"Transport": asked.transport, "RepoName": asked.scope, "Type": asked.kind, "GPGId": asked.ids,
                "SignatureStore": asked.store})
        });
        let report = Report {
            command: "image trust show",
            type_name: "trust.Policy",
            default: "table {{.Transport}}\\t{{.RepoName}}\\t{{.Type}}\\t{{.GPGId}}\\t{{.SignatureStore}}",
            headings: &[
                ("Transport", "TRANSPORT"),
                ("RepoName", "NAME"),
                ("Type", "TYPE"),
                ("GPGId", "ID"),
                ("SignatureStore", "STORE"),
            ],
            methods: &[],
            heading: !self.noheading,
            terminal: context.terminal(),
        };
        stdout::print(&report.rows(None, &rows.collect::<Vec<_>>())?)?;
        Ok(0)
    }
}
