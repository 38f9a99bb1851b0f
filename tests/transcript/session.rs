//! Runs a session, by dhow and by podman: one shell after another in one directory, `podman` being the program.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use crate::case::{Answer, Case};
use crate::normal::Normal;
use crate::support::TestEnv;
use crate::support::env::{self, Seat, finished_within};
use crate::support::image::Image;
use crate::support::tools::{Distribution, Tools};

/// Who types.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Who {
    Root,
    User,
}

impl Who {
    fn seat(self, env: &TestEnv) -> &Seat {
        if self == Self::Root { &env.root } else { &env.user }
    }
}

/// How long a whole session may take; podman needs half a second for a command.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs every file `command.N` and keeps what it says.
const DRIVER: &str = r#"
n=0
while [ -e "../steps/command.$n" ]; do
    on=
    [ ! -e "../steps/keys.$n" ] || on="../bin/terminal ../steps/keys.$n"
    timeout --foreground 20 $on sh "../steps/command.$n" >"../steps/out.$n" 2>"../steps/err.$n" </dev/null
    echo $? >"../steps/code.$n"
    n=$((n + 1))
done
podman rm -a -f -t 0 >/dev/null 2>&1
podman volume prune -f >/dev/null 2>&1
true
"#;

/// The answers of dhow.
pub(crate) fn dhow(env: &mut TestEnv, case: &Case, who: Who) -> Vec<Answer> {
    let seat = who.seat(env);
    let command = seat.command("sh");
    let (store, runtime) = (seat.store.display().to_string(), seat.runtime.display().to_string());
    let words = format!("{} --root {store} --runroot {runtime}", seat.binary.display());
    let answers = run(env, "dhow", case, command, &words, who);
    env.ignore(&format!("file: {store}/cache/"));
    env.ignore(&format!("file: {store}/networks/podman/last"));
    answers
}

/// The answers of podman.
pub(crate) fn podman(env: &mut TestEnv, case: &Case, who: Who) -> Vec<Answer> {
    let tools = Tools::of(env, who.seat(env));
    let mut command = tools.command(&["sh"]);
    let words = tools.podman_words().join(" ");
    let program = std::env::var("DHOW_TEST_PODMAN").unwrap_or_else(|_| "/usr/bin/podman".to_owned());
    let words = words.replacen("podman", &program, 1);
    command.env("CONTAINERS_CONF", tools.podman_config());
    run(env, "podman", case, command, &words, who)
}

fn run(env: &mut TestEnv, name: &str, case: &Case, mut shell: Command, words: &str, who: Who) -> Vec<Answer> {
    // Each of the two has one of its own: what is pushed is new.
    let pushes = case.steps.iter().any(|step| step.command.contains(Distribution::ADDRESS));
    let registry = pushes.then(|| Distribution::beside(env, None));
    let place = env.place.join(format!("session-{name}"));
    let (bin, steps, here) = (place.join("bin"), place.join("steps"), place.join("here"));
    for directory in [&bin, &steps, &here] {
        std::fs::create_dir_all(directory).unwrap();
    }
    let program = bin.join("podman");
    std::fs::write(&program, format!("#!/bin/sh\nexec {words} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(here.join("busybox.tar"), Image::busybox().docker_archive(&["docker.io/library/busybox:latest"]))
        .unwrap();
    for (number, step) in case.steps.iter().enumerate() {
        std::fs::write(steps.join(format!("command.{number}")), format!("{}\n", step.command)).unwrap();
    }
    for (number, step) in case.steps.iter().enumerate() {
        let Some(keys) = &step.keys else { continue };
        let text: String = keys.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(steps.join(format!("keys.{number}")), text).unwrap();
    }
    if case.steps.iter().any(|step| step.keys.is_some()) {
        std::fs::copy(env::program("terminal"), bin.join("terminal")).unwrap();
    }
    for owned in [&place, &steps, &here] {
        std::os::unix::fs::chown(owned, Some(who.seat(env).uid), Some(who.seat(env).uid)).unwrap();
    }
    let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    shell.args(["-c", DRIVER]).env("PATH", path).current_dir(&here);
    finished_within(shell, b"", LIMIT).ok();
    drop(registry);
    let mut normal = Normal::new();
    let read = |file: &str, number: usize| {
        let bytes = std::fs::read(steps.join(format!("{file}.{number}"))).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let answer = |number: usize| {
        normal.next();
        let mut lines = |file: &str| normal.lines(&read(file, number), &place.display().to_string());
        let mut stdout = lines("out");
        if case.steps[number].keys.is_some() {
            stdout = stdout.iter().map(|line| named(line)).collect();
        }
        let stderr = lines("err").into_iter().map(|line| named(&line)).collect();
        Answer { stdout, stderr, code: read("code", number).trim().parse().unwrap() }
    };
    (0..case.steps.len()).map(answer).collect()
}

/// Messages say the program's name; both are `podman` to the user.
fn named(line: &str) -> String {
    line.replace("dhow", "podman")
}
