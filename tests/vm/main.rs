//! What the build machine does not have: a guest with systemd, cgroup v2, delegation, AppArmor and sessions of users.
//!
//! The tests of this program that run by themselves build the guest's disk (once, see `build`), start it in QEMU without
//! hardware support, and read what the programs in it said. In the guest run the tests of [`guest`], which are ignored
//! elsewhere, and chosen ones of the programs `container` and `rootless`: the same static files.
//!
//! By itself that is the guest's own tests on the newer kernel, power cuts and reboots. `DHOW_TEST_VM=all` adds the other
//! programs, the older kernel and cgroups of version 1 (`DHOW_TEST_VM=v1`), `DHOW_TEST_VM=6.1` does all of that on one, `DHOW_TEST_VM=6.12:vm:guest::session` runs the
//! tests of one program with such names, and prints what the guest says (with `-- --nocapture`); `DHOW_TEST_VM=none` leaves
//! all of it out, which is counted.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod cut;
mod disk;
mod guest;
mod legacy;
mod machine;
mod reboot;
mod staged;
mod work;

use std::sync::PoisonError;

use machine::Suite;
use support::{isolate, isolated};

/// What only a guest can show.
const SHORT: &[Suite] = &[Suite { program: "vm", arguments: &["--ignored", "--test-threads=1", "guest::"] }, IMAGES];

/// Layers as images, which this kernel mounts in another way than later ones (before Linux 6.15).
const IMAGES: Suite = Suite { program: "container", arguments: &["--test-threads=1", "erofs::what_was", "erofs::who"] };

/// Tests of an engine that a build machine runs on its own kernel and cgroups.
const ENGINE: Suite = Suite {
    program: "container",
    arguments: &["--test-threads=2", "lifecycle::", "security::", "namespace::", "exec::", "mount::"],
};

/// With tests of the other programs. An ordinary user's leave out what a guest does not have: pasta's AppArmor profile lets
/// it open namespaces below /run/user alone, where `guest::rootless` has it; registries and other runtimes are not
/// installed; and root's own store has been used by then.
const FULL: &[Suite] = &[
    SHORT[0],
    IMAGES,
    ENGINE,
    Suite {
        program: "rootless",
        arguments: &[
            "--test-threads=2",
            "--skip=pasta",
            "--skip=real_registry",
            "--skip=another_runtime",
            "--skip=place::",
        ],
    },
];

/// The same where tmpfs, on which the tests' stores are, keeps no attributes of users (before Linux 6.6).
const OLDER: &[Suite] = &[
    SHORT[0],
    ENGINE,
    Suite {
        program: "rootless",
        arguments: &[
            "--test-threads=2",
            "--skip=pasta",
            "--skip=real_registry",
            "--skip=another_runtime",
            "--skip=place::",
            "--skip=layers_mean_the_same",
            "--skip=with_one_id_images",
        ],
    },
];

/// What only a guest can show whose systemd keeps hierarchies of version 1.
const LEGACY: &[Suite] = &[Suite { program: "vm", arguments: &["--ignored", "--test-threads=1", "legacy::"] }];

#[test]
fn a_guest_with_linux_6_12() {
    require!(guest, root, qemu, debootstrap, busybox, ext4);
    machine::passes("6.12", SHORT, FULL);
}

#[test]
fn a_guest_with_linux_6_1() {
    require!(guest, root, qemu, debootstrap, busybox, ext4, long_guest);
    machine::passes("6.1", SHORT, OLDER);
}

#[test]
fn a_guest_with_cgroups_of_version_1() {
    require!(guest, root, qemu, debootstrap, busybox, ext4, long_guest);
    machine::passes(machine::LEGACY, LEGACY, LEGACY);
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    require!(guest, root, qemu, debootstrap, busybox, ext4, loop_device);
    if machine::left_out("6.12") {
        return;
    }
    let _alone = (!isolate::is_inside()).then(|| machine::MACHINE.lock().unwrap_or_else(PoisonError::into_inner));
    // The guest is no part of what is counted.
    if !isolate::is_inside() && !cut::record("6.12") {
        return;
    }
    isolated(|env| cut::judge(env));
    if !isolate::is_inside() {
        cut::forget();
    }
}

#[test]
fn a_reboot_brings_back_what_ran_and_so_does_a_power_cut() {
    require!(guest, root, qemu, debootstrap, busybox, ext4);
    if !machine::left_out("6.12") {
        reboot::there_and_back("6.12");
    }
}
