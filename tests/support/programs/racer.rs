//! Exchanges two names over and over (`racer DIRECTORY A B [SECONDS]`, renameat2 with RENAME_EXCHANGE), so that one is
//! now a directory and now a link. It makes `A` a directory and `B` a link to `/` where they are missing, writes the
//! number of exchanges at the end, and ends after SECONDS (10 unless told).
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, RenameFlags, mkdirat, open, renameat_with, symlinkat};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, a, b, rest @ ..] = &arguments[..] else { return Err("racer DIRECTORY A B [SECONDS]".into()) };
    let seconds = rest.first().map_or(Ok(10), |text| text.parse())?;
    let place = open(directory.as_str(), OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for made in [mkdirat(&place, a.as_str(), Mode::from(0o755)), symlinkat("/", &place, b.as_str())] {
        if let Err(error) = made
            && error != rustix::io::Errno::EXIST
        {
            return Err(error.into());
        }
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut exchanges = 0_u64;
    while Instant::now() < end {
        for _ in 0..64 {
            renameat_with(&place, a.as_str(), &place, b.as_str(), RenameFlags::EXCHANGE)?;
            exchanges += 1;
        }
    }
    println!("{exchanges}");
    Ok(())
}
