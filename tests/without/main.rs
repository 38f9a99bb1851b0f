//! The last of the test programs: counts and prints what this run went without, from the files that `require!` wrote.
#![allow(clippy::print_stdout)]

fn main() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("skips");
    let mut reasons = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        reasons.extend(std::fs::read_to_string(entry.path()).ok());
    }
    reasons.sort();
    println!("\nskipped tests: {}", reasons.len());
    for reason in reasons {
        println!("  {}", reason.trim_end());
    }
    println!();
}
