//! What a user of podman types, and what comes back: sessions of commands with their exact output, messages and exit
//! codes, in `cases/`, one file per subject.
//!
//! Each session is written as it is typed, with `podman` as the program, and answered by dhow under that name. The
//! answers were recorded from podman and from dhow side by side:
//!
//! ```text
//! DHOW_TEST_TRANSCRIPT=record cargo test --test transcript
//! ```
//!
//! Where the two differ the file has both, and a line that begins with `~` says why; the test fails while a reason is
//! missing. A line that begins with `hint:` is dhow's own and no difference. What no two runs share (ids, ages, times) is replaced by names, the same id of an answer by the same name.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod coverage;
mod normal;
mod session;
mod tree;
mod words;

use std::path::PathBuf;

use case::Case;
use support::isolated;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcript/cases")
}

/// Answers the session `name` and compares, or records it anew.
fn check(name: &str) {
    let recording = std::env::var("DHOW_TEST_TRANSCRIPT").as_deref() == Ok("record");
    let path = directory().join(format!("{name}.txt"));
    let mut case =
        Case::parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    isolated(|env| {
        let answers = session::dhow(env, &case);
        if recording {
            let others = session::podman(env, &case);
            case.record(answers, others);
            std::fs::write(&path, case.to_string()).unwrap();
            // What podman leaves is not what is tested.
            env.run(&["rmi", "-a", "-f"]).ok();
            env.rebase();
            return;
        }
        let wrong = case.compare(&answers);
        assert!(wrong.is_empty(), "{} of {} answers differ:\n{}", wrong.len(), answers.len(), wrong.join("\n"));
    });
}

macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_file_is_a_test_with_its_reasons() {
            let mut files: Vec<String> = std::fs::read_dir(directory()).unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".txt").to_owned())
                .collect();
            files.sort();
            let mut names = vec![$(stringify!($name)),*];
            names.sort_unstable();
            assert_eq!(files, names);
            for name in names {
                let case = Case::parse(&std::fs::read_to_string(directory().join(format!("{name}.txt"))).unwrap()).unwrap();
                assert!(case.unexplained().is_empty(), "{name}: say why podman differs: {:?}", case.unexplained());
            }
        }
    };
}

cases! {
    containers images run exec volumes startup limits service system
    clone create ps content archives commit mount lifecycle manifests templates errors inside health init
    accepted secrets
}
