//! Completions for the shells, written from the definitions of the commands. `completions/` has the same texts.

use std::path::PathBuf;

use anyhow::Context as _;
use clap_complete::Shell;

use super::context::Context;
use super::flags::tree::{Entry, Run, Tree};
use super::output::stdout;

/// The commands of this file.
pub(crate) const ENTRIES: &[Entry<Context>] =
    &[Entry::leaf::<CompletionArgs>("completion", "Generate shell autocompletions")];

/// Generate shell autocompletions
#[derive(clap::Args)]
pub(crate) struct CompletionArgs {
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The shell
    #[arg(required = true, value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl Run<Context> for CompletionArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let text = script(context.tree, &self.shell);
        match &self.file {
            Some(path) => std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?,
            None => stdout::print_bytes(&text)?,
        }
        Ok(0)
    }
}

/// Makes the script for a shell.
pub(crate) fn script(tree: &Tree<Context>, shell: &str) -> Vec<u8> {
    let shell = match shell {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut command = tree.command();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, tree.name, &mut text);
    text
}
