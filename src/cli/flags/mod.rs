//! The flags of the command line: what pflag does for podman, on top of clap's definitions.
//!
//! # How a command is declared
//!
//! One file per command holds an argument struct whose doc comments are the help, and its `Run`:
//!
//! ```ignore
//! /// Remove one or more containers
//! #[derive(clap::Args)]
//! pub(crate) struct RmArgs {
//!     /// Force removal of a running container
//!     #[arg(short, long)]
//!     force: bool,                                   // --force, -f, --force=false; the last one wins
//!     /// Require HTTPS
//!     #[arg(long)]
//!     tls_verify: Option<bool>,                      // --tls-verify, --tls-verify=0
//!     /// Seconds to wait before the kill
//!     #[arg(short, long, value_name = "SECONDS")]
//!     time: Option<u32>,                             // -t 5, -t5, --time=5; the last one wins
//!     /// A bind mount (pflag's StringArray: every occurrence is one value)
//!     #[arg(short, long)]
//!     volume: Vec<String>,
//!     /// Add capabilities (pflag's StringSlice: a line of CSV, may be repeated)
//!     #[arg(long, value_delimiter = ',')]
//!     cap_add: Vec<String>,
//!     /// Memory limit
//!     #[arg(short, long, value_parser = value::size)]
//!     memory: Option<u64>,
//!     /// The containers
//!     #[arg(required = true, value_name = "CONTAINER")]
//!     containers: Vec<String>,
//! }
//!
//! impl tree::Run<Context> for RmArgs {
//!     fn run(self, context: &Context) -> anyhow::Result<u8> { ... }
//! }
//! ```
//!
//! and one line in the tree, a static table: `Entry::leaf::<RmArgs>("rm", "Remove one or more containers")`, with
//! `.aliases(&["remove"])` where there are any; a noun is `Entry::noun("volume", "Manage volumes", &[...])`. Only the
//! command that is asked for builds its definitions, so a hundred commands cost nothing at start (`Command::defer`
//! would do the same for parsing, but every name would still be an allocated `Command`).
//!
//! The program is then, with a `Tree { name: "dhow", about, globals: GlobalArgs::augment_args, entries: ENTRIES }`:
//!
//! ```ignore
//! let result = match TREE.parse(&args) {
//!     Ok(Parsed::Run { entry, globals, matches, .. }) => entry.run(&matches, &Context::open(&globals)?),
//!     Ok(Parsed::Help(text)) => output::stdout::print(&text).map(|()| 0),
//!     Ok(Parsed::Bare { .. }) => Err(TREE.missing("dhow").into()),      // or --version
//!     Err(error) => Err(error.into()),
//! };
//! exit::finish(result)
//! ```
//!
//! # What parsing does
//!
//! [`tree::Tree::parse`] walks the names, then [`pflag`] reads the arguments as pflag does and hands clap a canonical form
//! (`--name=value … -- positionals`), so that clap only fills the struct:
//!
//! - every bool takes `=true|false|1|0|t|f`, never a separate word; the last occurrence of a scalar wins;
//! - `-it`, `-p80:80`, `-e=X=1`, `--name x`, `--name=x`; a value may begin with `-`; `--` ends the options;
//! - options end at the first positional where the last positional is `trailing_var_arg` (run, create, exec, top);
//! - global flags are understood before and after the command's name;
//! - errors have pflag's words and exit code 125.
//!
//! Never use clap's `default_missing_value` with optional values unless pflag has a `NoOptDefVal` there.

pub(crate) mod create;
pub(crate) mod offer;
mod pflag;
pub(crate) mod tree;
mod usage;
pub(crate) mod value;

pub(crate) use usage::UsageError;
