//! A host that restarts, in good order and without: three starts of one guest on one disk. Units start what ran; after
//! QEMU was killed, what commands had acknowledged is there.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::disk::Programs;
use crate::machine::{self, Guest, Said};

/// The output that tells of an acknowledged command begins so.
const ACKNOWLEDGED: &str = "acknowledged ";
/// What the guest does without end before its power goes, until this was acknowledged and a moment more.
const WORK: &str = "i=0; while :; do i=$((i+1))
dhow volume create v$i >/dev/null && echo acknowledged v$i
dhow run --name c$i --network none busybox sh -c 'echo made > /made' && echo acknowledged c$i
dhow commit -q c$i image$i >/dev/null && echo acknowledged image$i
dhow tag busybox tag$i && echo acknowledged tag$i
done";
/// What is there, and whole.
const LOOK: &str = "dhow system check >/dev/null || dhow system check --repair --force; dhow system check
for image in $(dhow images --format '{{.Repository}}' | grep image); do
dhow run --rm --network none $image grep -q made /made && echo there ${image##*/}; done
dhow images --format '{{.Repository}}' | sed -n 's,.*/tag,there tag,p'
dhow volume ls -q | sed 's/^/there /'
for name in $(dhow ps -a --format '{{.Names}}' | grep ^c[0-9]); do dhow start -a $name && echo there $name; done";

/// The three starts.
pub(crate) fn there_and_back(version: &str) {
    let _alone = machine::MACHINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(system) = machine::system("a_reboot_brings_back_what_ran_and_so_does_a_power_cut") else { return };
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("guest-reboot-{}", std::process::id()));
    std::fs::create_dir_all(&place).expect("make the guest's directory");
    let disk = place.join("disk");
    let copied = Command::new("cp").args(["--sparse=always", "--reflink=auto"]).args([&system.disk(), &disk]).status();
    assert!(copied.expect("run cp").success(), "copy the guest's disk");
    let start = |name: &str, after: &str, killed| {
        let test = [("vm", vec!["--ignored", "--exact", name])];
        // Neither the end of the unit nor its failure is the guest's end.
        let script = "mkdir -p /run/systemd/system/suite.service.d\n\
            printf '[Unit]\\nSuccessAction=none\\nFailureAction=none\\n' > /run/systemd/system/suite.service.d/stay.conf\n\
            systemctl daemon-reload\n"
            .to_owned()
            + &machine::script(&test)
            + after;
        let programs = Programs::pack(&place, &["vm"], &script);
        let guest = Guest { version, kept: Some(&disk), killed, ..Guest::new(&system, &programs, &place) };
        let said = guest.run();
        machine::assert_passed(version, &said, &test);
        said
    };
    start("staged::reboot::before", "\nsystemctl --no-block reboot\nsleep 1000\n", None);
    // The moment differs from day to day, and is said.
    let seed = std::env::var("DHOW_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let moment = Duration::from_millis(seed.unwrap_or_else(|| u64::from(std::process::id())) % 2500);
    let killed = Some(("acknowledged tag2", moment));
    let worked = start("staged::reboot::after", &format!("\n{WORK}\n"), killed);
    let found = start("staged::reboot::after", &format!("\n{LOOK}\nsystemctl --no-block poweroff\nsleep 1000\n"), None);
    let lost = lost(&worked, &found);
    assert!(lost.is_empty(), "{moment:?} (DHOW_TEST_SEED) after the second round: lost {lost:?}\n{}", found.all());
    std::fs::remove_dir_all(&place).expect("remove the guest's directory");
}

/// What was acknowledged and is not there.
fn lost(worked: &Said, found: &Said) -> Vec<String> {
    let acknowledged = worked.suite.lines().filter_map(|line| line.strip_prefix(ACKNOWLEDGED));
    let there: Vec<&str> = found.suite.lines().filter_map(|line| line.strip_prefix("there ")).collect();
    acknowledged.filter(|thing| !there.contains(thing)).map(str::to_owned).collect()
}

#[test]
fn what_is_not_there_is_lost() {
    let said = |suite: &str| Said { suite: suite.to_owned(), console: String::new() };
    let worked = said("acknowledged v1\nacknowledged c1\n");
    assert_eq!(lost(&worked, &said("there v1\nthere c1\nthere c2\n")), Vec::<String>::new());
    assert_eq!(lost(&worked, &said("there c1\n")), ["v1"]);
}
