//! The one binary. Which process this is, [`dhow::main`] decides.

use std::process::ExitCode;

fn main() -> ExitCode {
    dhow::main()
}
