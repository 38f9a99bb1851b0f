//! Completion: scripts for the shells, which ask this program what may come next (`__complete WORD…`, the last word being
//! the one that is typed). So names of containers, images and volumes are completed, and no script grows old.
//! `completions/` has the same texts.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;

use super::context::Context;
use super::flags::offer::Subject;
use super::flags::tree::{Entry, Run};
use super::output::{escape, stdout};
use crate::engine::list::Listed;
use crate::model::filter::Filters;
use crate::model::size;

/// The commands of this file.
pub(crate) const ENTRIES: &[Entry<Context>] =
    &[Entry::leaf::<CompletionArgs>("completion", "Generate shell autocompletions")];

/// What the scripts call, before any command is looked for.
pub(crate) const ASK: &str = "__complete";

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
        let text = script(context.tree.name, &self.shell);
        match &self.file {
            Some(path) => std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?,
            None => stdout::print(&text)?,
        }
        Ok(0)
    }
}

/// Prints what the last of `words` may become, `WORD[TAB]ABOUT` a line, then `:files`, `:directories` or `:none` for what
/// else may stand there. Completion fails silently: nobody asked for an error.
pub(crate) fn answer(context: &Context, words: &[OsString]) -> anyhow::Result<u8> {
    let offer = context.tree.offer(words);
    let current = words.last().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let typed = current.strip_prefix(&offer.before).unwrap_or_default();
    let mut found = offer.words;
    let end = match offer.subject {
        Subject::Nothing => "none",
        Subject::Files | Subject::ContainersAndFiles => "files",
        Subject::Directories => "directories",
        // A path is as good as a name of a volume.
        Subject::Volumes => "files",
        Subject::Containers | Subject::Images | Subject::Secrets | Subject::Artifacts => "none",
    };
    let names = match offer.subject {
        Subject::Containers => containers(context),
        Subject::ContainersAndFiles => {
            containers(context).map(|all| all.into_iter().map(|(name, about)| (format!("{name}:"), about)).collect())
        }
        Subject::Images => images(context),
        Subject::Volumes => volumes(context),
        Subject::Secrets => secrets(context),
        Subject::Artifacts => artifacts(context),
        _ => Ok(Vec::new()),
    };
    found.extend(names.unwrap_or_default());
    let mut text = String::new();
    for (word, about) in found.iter().filter(|(word, _)| word.starts_with(typed)) {
        text.push_str(&format!("{}{word}", offer.before));
        if !about.is_empty() {
            text.push_str(&format!("\t{}", escape::line(about)));
        }
        text.push('\n');
    }
    stdout::print(&format!("{text}:{end}\n")).map(|()| 0)
}

type Words = Vec<(String, String)>;

fn containers(context: &Context) -> anyhow::Result<Words> {
    let listed = context.engine()?.list()?.into_iter();
    Ok(listed
        .filter_map(|listed| match listed {
            Listed::Container(read) => {
                let image = read.config.image.as_ref().map(|image| image.name.clone()).unwrap_or_default();
                Some((read.config.name.clone(), image))
            }
            Listed::Damaged { .. } => None,
        })
        .collect())
}

fn images(context: &Context) -> anyhow::Result<Words> {
    let found = context.engine()?.images(&Filters::default())?;
    let mut words: Words = Vec::new();
    for name in found.images.iter().flat_map(|image| &image.names) {
        words.push((name.clone(), String::new()));
        // What a person types is the end of it.
        let short = name.strip_prefix("docker.io/library/").or_else(|| name.strip_prefix("localhost/"));
        words.extend(short.map(|short| (short.to_owned(), String::new())));
    }
    words.sort();
    Ok(words)
}

fn volumes(context: &Context) -> anyhow::Result<Words> {
    let found = context.engine()?.volumes(&Filters::default())?;
    Ok(found.volumes.iter().map(|volume| (volume.config.name.clone(), String::new())).collect())
}

fn secrets(context: &Context) -> anyhow::Result<Words> {
    let (found, _) = context.engine()?.secrets(&Filters::default())?;
    let name = |secret: &serde_json::Value| Some((secret["Spec"]["Name"].as_str()?.to_owned(), String::new()));
    Ok(found.iter().filter_map(name).collect())
}

fn artifacts(context: &Context) -> anyhow::Result<Words> {
    let found = context.engine()?.artifacts()?.artifacts;
    Ok(found.into_iter().map(|artifact| (artifact.name, size::human_spaced(artifact.size))).collect())
}

/// The script for a shell.
pub(crate) fn script(program: &str, shell: &str) -> String {
    let text = match shell {
        "zsh" => ZSH,
        "fish" => FISH,
        _ => BASH,
    };
    text.replace("PROGRAM", program)
}

const BASH: &str = r#"# bash completion of PROGRAM

_PROGRAM() {
    local line word typed strip rest=none
    local -a words
    COMPREPLY=()
    # bash cuts words at : and =, which names of images have; so the line is cut anew.
    line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    if [[ $line == *[[:space:]] ]]; then
        words+=("")
    fi
    word=${words[${#words[@]} - 1]}
    typed=${COMP_WORDS[COMP_CWORD]:-}
    case $typed in
        : | =) typed= ;;
    esac
    # What bash keeps of the word by itself.
    strip=${word%"$typed"}
    while IFS= read -r line; do
        case $line in
            :*) rest=${line#:} ;;
            *)
                line=${line%%$'\t'*}
                COMPREPLY+=("${line#"$strip"}")
                ;;
        esac
    done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
    case $rest in
        none) compopt +o default +o bashdefault 2>/dev/null ;;
        directories) compopt -o dirnames +o default 2>/dev/null ;;
    esac
    # CONTAINER: goes on with a path.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -o default -o bashdefault -F _PROGRAM PROGRAM
"#;

const ZSH: &str = r#"#compdef PROGRAM

_PROGRAM() {
    local line rest=none
    local -a found
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            :*) rest=${line#:} ;;
            ?*) found+=("${${line//:/\\:}/$'\t'/:}") ;;
        esac
    done
    (( ${#found} )) && _describe PROGRAM found
    case $rest in
        files) _files ;;
        directories) _files -/ ;;
    esac
}

if [ "$funcstack[1]" = "_PROGRAM" ]; then
    _PROGRAM "$@"
else
    compdef _PROGRAM PROGRAM
fi
"#;

const FISH: &str = r#"# fish completion of PROGRAM

function __PROGRAM_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$typed" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$typed"
            case ':directories'
                __fish_complete_directories "$typed"
            case ':*'
            case '*'
                echo $line
        end
    end
end

complete -c PROGRAM -f -a '(__PROGRAM_complete)'
"#;
