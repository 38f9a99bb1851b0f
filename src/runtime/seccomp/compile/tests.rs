//! The compiler against a naive reading of the profile, through an interpreter of classic BPF.

use oci_spec::runtime::{LinuxSeccompArgBuilder, LinuxSeccompBuilder, LinuxSyscallBuilder};
use proptest::prelude::*;

use super::super::profile::{Variant, default_profile};
use super::*;
use crate::runtime::capability::CapSet;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;

/// One call as the kernel shows it to a filter.
#[derive(Clone, Copy, Debug)]
struct Call {
    arch: u32,
    number: u32,
    args: [u64; 6],
}

/// Runs a program as the kernel does, and refuses what its verifier would.
fn run(program: &[Instruction], call: Call) -> u32 {
    let word = |offset: u32| -> u32 {
        let args = |offset: u32| {
            let (high, low) = halves(call.args[offset as usize / 8]);
            if offset.is_multiple_of(8) { low } else { high }
        };
        match offset {
            0 => call.number,
            4 => call.arch,
            16..64 if offset.is_multiple_of(4) => args(offset - 16),
            _ => panic!("load of {offset}"),
        }
    };
    let (mut at, mut accumulator) = (0_usize, 0_u32);
    loop {
        let Instruction { code, jump_true, jump_false, value } = program[at];
        at += 1;
        let mut jump = |taken: bool| at += usize::from(if taken { jump_true } else { jump_false });
        match code {
            LOAD => accumulator = word(value),
            AND => accumulator &= value,
            JUMP => at += value as usize,
            JUMP_EQUAL => jump(accumulator == value),
            JUMP_GREATER => jump(accumulator > value),
            JUMP_GREATER_EQUAL => jump(accumulator >= value),
            RETURN => return value,
            other => panic!("instruction {other:#x}"),
        }
    }
}

/// Reads the profile naively.
fn expected(seccomp: &LinuxSeccomp, call: Call) -> u32 {
    let default = verdict(seccomp.default_action(), seccomp.default_errno_ret()).unwrap();
    let listed = |arch: Arch| seccomp.architectures().iter().flatten().any(|known| *known == arch);
    let (table, number) = match call.arch {
        X86_64 if call.number < table::X32_BIT => (table::X86_64, call.number),
        X86_64 if listed(Arch::ScmpArchX32) => (table::X32, call.number - table::X32_BIT),
        X86_64 => return RET_ERRNO | enosys(),
        I386 if listed(Arch::ScmpArchX86) => (table::X86, call.number),
        _ => return RET_KILL_PROCESS,
    };
    let named = |name: &String| table.iter().find(|(known, _)| known == name).map(|(_, number)| *number);
    let entries: Vec<_> = seccomp.syscalls().iter().flatten().collect();
    let newest = entries.iter().flat_map(|entry| entry.names()).filter_map(named).max();
    let refuses = !matches!(seccomp.default_action(), Action::ScmpActAllow | Action::ScmpActLog | Action::ScmpActTrace);
    if refuses && newest.is_some_and(|newest| number > newest) {
        return RET_ERRNO | enosys();
    }
    let here = |entry: &&&oci_spec::runtime::LinuxSyscall| entry.names().iter().any(|name| named(name) == Some(number));
    let holds = |arg: &LinuxSeccompArg| {
        let (value, wanted) = (call.args[arg.index()], arg.value());
        match arg.op() {
            Operator::ScmpCmpNe => value != wanted,
            Operator::ScmpCmpLt => value < wanted,
            Operator::ScmpCmpLe => value <= wanted,
            Operator::ScmpCmpEq => value == wanted,
            Operator::ScmpCmpGe => value >= wanted,
            Operator::ScmpCmpGt => value > wanted,
            Operator::ScmpCmpMaskedEq => value & wanted == arg.value_two().unwrap_or(0) & wanted,
        }
    };
    let answer = |entry: &oci_spec::runtime::LinuxSyscall| verdict(entry.action(), entry.errno_ret()).unwrap();
    for entry in entries.iter().filter(here) {
        let args = entry.args().as_deref().unwrap_or_default();
        let mut indices: Vec<_> = args.iter().map(LinuxSeccompArg::index).collect();
        indices.sort_unstable();
        let matched = if indices.windows(2).any(|pair| pair[0] == pair[1]) {
            args.iter().any(holds)
        } else {
            !args.is_empty() && args.iter().all(holds)
        };
        if matched {
            return answer(entry);
        }
    }
    let rest = entries.iter().filter(here).find(|entry| entry.args().as_ref().is_none_or(Vec::is_empty));
    rest.map_or(default, |entry| answer(entry))
}

/// Every jump stays inside and no instruction is beyond the last.
fn verify(program: &[Instruction]) {
    for (at, instruction) in program.iter().enumerate() {
        let furthest = match instruction.code {
            RETURN => continue,
            JUMP => at + 1 + instruction.value as usize,
            JUMP_EQUAL | JUMP_GREATER | JUMP_GREATER_EQUAL => {
                at + 1 + usize::from(instruction.jump_true.max(instruction.jump_false))
            }
            _ => at + 1,
        };
        assert!(furthest < program.len(), "instruction {at} of {}", program.len());
    }
}

fn call(arch: u32, table: &[(&str, u32)], name: &str, args: &[u64]) -> Call {
    let mut call = Call { arch, number: table::number(table, name).unwrap(), args: [0; 6] };
    call.args[..args.len()].copy_from_slice(args);
    call
}

const EPERM: u32 = RET_ERRNO | 1;
const EINVAL: u32 = RET_ERRNO | 22;
const ENOSYS: u32 = RET_ERRNO | 38;

#[test]
fn the_default_profile_decides_as_it_says() {
    let seccomp = default_profile(Variant::Default, CapSet::DEFAULT).unwrap();
    let program = compile(&seccomp).unwrap();
    verify(&program.filter);
    assert!(!program.listener);
    assert!(program.filter.len() < 400, "{}", program.filter.len());
    let high = 0xdead_beef_0000_0000_u64;
    for (name, args, verdict) in [
        ("read", &[][..], RET_ALLOW),
        ("clone3", &[], RET_ALLOW),
        ("mount", &[], RET_ALLOW),
        ("chroot", &[], RET_ALLOW),
        ("ioctl", &[0, 0x5401], RET_ALLOW),
        ("ioctl", &[0, 0x5412], EPERM),
        ("ioctl", &[0, high | 0x5412], EPERM),
        ("ioctl", &[0, high | 0x541c], EPERM),
        ("socket", &[1, 1, 0], RET_ALLOW),
        ("socket", &[38, 5, 0], EPERM),
        ("socket", &[high | 38, 5, 0], EPERM),
        ("socket", &[40, 1, 0], EPERM),
        ("socket", &[16, 3, 9], EINVAL),
        ("socket", &[16, 3, 0], RET_ALLOW),
        ("personality", &[0xffff_ffff], RET_ALLOW),
        ("personality", &[0x004_0000], ENOSYS),
        ("bpf", &[], EPERM),
        ("userfaultfd", &[], EPERM),
        ("init_module", &[], EPERM),
        ("io_uring_setup", &[], ENOSYS),
        ("file_setattr", &[], ENOSYS),
    ] {
        assert_eq!(run(&program.filter, call(X86_64, table::X86_64, name, args)), verdict, "{name} {args:x?}");
    }
    let i386 = |name, args| run(&program.filter, call(I386, table::X86, name, args));
    assert_eq!(i386("socketcall", &[1]), EPERM);
    assert_eq!(i386("socketcall", &[3]), RET_ALLOW);
    assert_eq!(i386("time", &[]), RET_ALLOW);
    // x32, an unknown number, and another machine's call.
    let raw = |arch, number| run(&program.filter, Call { arch, number, args: [0; 6] });
    assert_eq!(raw(X86_64, table::X32_BIT), ENOSYS);
    assert_eq!(raw(X86_64, u32::MAX), ENOSYS);
    assert_eq!(raw(X86_64, 1000), ENOSYS);
    assert_eq!(raw(0xc000_00b7, 0), RET_KILL_PROCESS);
}

#[test]
fn capabilities_open_their_calls() {
    for (variant, capabilities, name, args, verdict) in [
        (Variant::Default, CapSet::ALL, "bpf", &[][..], RET_ALLOW),
        (Variant::Default, CapSet::ALL, "socket", &[16, 3, 9], RET_ALLOW),
        (Variant::Default, CapSet::ALL, "ioctl", &[0, 0x5412], EPERM),
        (Variant::Default, CapSet::EMPTY, "chroot", &[], EPERM),
        (Variant::Strict, CapSet::DEFAULT, "mount", &[], EPERM),
        (Variant::Strict, CapSet::DEFAULT, "unshare", &[], EPERM),
        (Variant::Strict, CapSet::DEFAULT, "clone3", &[], ENOSYS),
        (Variant::Strict, CapSet::DEFAULT, "clone", &[0x003d_0f00], RET_ALLOW),
        (Variant::Strict, CapSet::DEFAULT, "clone", &[0x1000_0011], EPERM),
        (Variant::Strict, CapSet::ALL, "mount", &[], RET_ALLOW),
        (Variant::Strict, CapSet::ALL, "clone3", &[], RET_ALLOW),
    ] {
        let program = compile(&default_profile(variant, capabilities).unwrap()).unwrap();
        assert_eq!(
            run(&program.filter, call(X86_64, table::X86_64, name, args)),
            verdict,
            "{variant:?} {name} {args:x?}"
        );
    }
}

#[test]
fn every_call_of_the_default_profile_agrees_with_the_naive_reading() {
    for variant in [Variant::Default, Variant::Strict] {
        let seccomp = default_profile(variant, CapSet::DEFAULT).unwrap();
        let program = compile(&seccomp).unwrap();
        for arch in [X86_64, I386, 0xc000_00b7] {
            for number in (0..600).chain(table::X32_BIT..table::X32_BIT + 600).chain([u32::MAX]) {
                let call = Call { arch, number, args: [0; 6] };
                assert_eq!(run(&program.filter, call), expected(&seccomp, call), "{call:x?}");
            }
        }
    }
}

#[test]
fn names_of_the_default_profile_exist_somewhere() {
    let elsewhere = ["fstatat64", "getsid", "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "recv", "send"];
    let elsewhere = [&elsewhere[..], &["signal", "syscall", "umount", "utimensat_time64", "bdflush"]].concat();
    let seccomp = default_profile(Variant::Default, CapSet::DEFAULT).unwrap();
    for name in seccomp.syscalls().iter().flatten().flat_map(|entry| entry.names()) {
        let known = [table::X86_64, table::X86, table::ARM, table::AARCH64]
            .iter()
            .any(|table| table::number(table, name).is_some());
        assert!(known || elsewhere.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn too_long_a_profile_is_an_error() {
    let args = |value: u64| LinuxSeccompArgBuilder::default().index(0_usize).value(value).build().unwrap();
    let entries: Vec<_> = (0..3000)
        .map(|value| {
            let entry = LinuxSyscallBuilder::default().names(["read".to_owned()]).action(Action::ScmpActKill);
            entry.args([args(value)]).build().unwrap()
        })
        .collect();
    let profile = |entries: &[_]| {
        LinuxSeccompBuilder::default().default_action(Action::ScmpActAllow).syscalls(entries).build().unwrap()
    };
    let error = compile(&profile(&entries)).unwrap_err().to_string();
    assert!(error.contains("instructions, the kernel takes 4096"), "{error}");
    // A thousand comparisons fit, and are out of the reach of a short jump.
    let seccomp = profile(&entries[..900]);
    let program = compile(&seccomp).unwrap();
    verify(&program.filter);
    for value in [0, 1, 450, 899, 900, 1 << 32] {
        let call = call(X86_64, table::X86_64, "read", &[value]);
        assert_eq!(run(&program.filter, call), expected(&seccomp, call), "{value}");
    }
}

#[test]
fn nonsense_is_refused() {
    let entry = |name: &str, action| LinuxSyscallBuilder::default().names([name.to_owned()]).action(action);
    let profile = |default, entry: oci_spec::runtime::LinuxSyscall| {
        compile(&LinuxSeccompBuilder::default().default_action(default).syscalls([entry]).build().unwrap())
    };
    let (allow, errno, notify) = (Action::ScmpActAllow, Action::ScmpActErrno, Action::ScmpActNotify);
    let arg = LinuxSeccompArgBuilder::default().index(6_usize).build().unwrap();
    for (result, message) in [
        (profile(notify, entry("read", allow).build().unwrap()), "default action"),
        (profile(allow, entry("write", notify).build().unwrap()), "write system call"),
        (profile(allow, entry("read", errno).errno_ret(5000_u32).build().unwrap()), "errnoRet 5000"),
        (profile(allow, entry("read", errno).args([arg]).build().unwrap()), "argument 6"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn flags_and_listener_follow_the_profile() {
    let entry = LinuxSyscallBuilder::default().names(["mount".to_owned()]).action(Action::ScmpActNotify);
    let base = LinuxSeccompBuilder::default().default_action(Action::ScmpActAllow).build().unwrap();
    assert_eq!(compile(&base).unwrap().flags, FLAG_SPEC_ALLOW);
    let mut seccomp = base;
    seccomp.set_flags(Some(vec![Flag::SeccompFilterFlagWaitKillableRecv]));
    assert_eq!(compile(&seccomp).unwrap().flags, 0);
    seccomp.set_syscalls(Some(vec![entry.build().unwrap()]));
    let program = compile(&seccomp).unwrap();
    assert!(program.listener);
    assert_eq!(program.flags, FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV);
}

/// The kernel takes the program, and enforces it. On a thread of its own, which ends with it.
#[test]
fn the_kernel_takes_the_default_profile() {
    std::thread::spawn(|| {
        rustix::thread::set_no_new_privs(true).unwrap();
        let program = compile(&default_profile(Variant::Default, CapSet::DEFAULT).unwrap()).unwrap();
        assert!(crate::sys::seccomp::install(&program.filter, program.flags).unwrap().is_none());
        let refused =
            rustix::net::socket(rustix::net::AddressFamily::from_raw(38), rustix::net::SocketType::DGRAM, None);
        assert_eq!(refused.unwrap_err(), rustix::io::Errno::PERM);
        drop(rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap());
    })
    .join()
    .unwrap();
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let name = prop::sample::select(vec![
        "read",
        "write",
        "openat",
        "ioctl",
        "socket",
        "time",
        "mmap2",
        "no_such_call",
        "clone",
    ]);
    prop::collection::vec(name.prop_map(str::to_owned), 1..4)
}

fn argument() -> impl Strategy<Value = LinuxSeccompArg> {
    use Operator::*;
    let op =
        prop::sample::select(vec![ScmpCmpNe, ScmpCmpLt, ScmpCmpLe, ScmpCmpEq, ScmpCmpGe, ScmpCmpGt, ScmpCmpMaskedEq]);
    (0_usize..3, value(), value(), op).prop_map(|(index, value, two, op)| {
        LinuxSeccompArgBuilder::default().index(index).value(value).value_two(two).op(op).build().unwrap()
    })
}

/// Values that meet each other.
fn value() -> impl Strategy<Value = u64> {
    let word = || prop::sample::select(vec![0_u64, 1, 2, 3, 0xffff_fffe, 0xffff_ffff]);
    (word(), word()).prop_map(|(high, low)| high << 32 | low)
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    prop::sample::select(vec![ScmpActAllow, ScmpActErrno, ScmpActKillProcess, ScmpActLog, ScmpActTrap, ScmpActTrace])
}

fn profile() -> impl Strategy<Value = LinuxSeccomp> {
    let entry = (names(), action(), 1_u32..100, prop::collection::vec(argument(), 0..4)).prop_map(
        |(names, action, errno, args)| {
            LinuxSyscallBuilder::default().names(names).action(action).errno_ret(errno).args(args).build().unwrap()
        },
    );
    let architectures = prop::collection::vec(
        prop::sample::select(vec![Arch::ScmpArchX86, Arch::ScmpArchX32, Arch::ScmpArchX86_64, Arch::ScmpArchMips]),
        0..4,
    );
    (action(), prop::option::of(1_u32..100), architectures, prop::collection::vec(entry, 0..12)).prop_map(
        |(default, errno, architectures, entries)| {
            let mut seccomp = LinuxSeccompBuilder::default()
                .default_action(default)
                .architectures(architectures)
                .syscalls(entries)
                .build()
                .unwrap();
            seccomp.set_default_errno_ret(errno);
            seccomp
        },
    )
}

proptest! {
    #[test]
    fn programs_agree_with_the_naive_reading(
        seccomp in profile(),
        values in prop::collection::vec((value(), value(), value()), 1..12),
    ) {
        let program = compile(&seccomp).unwrap();
        verify(&program.filter);
        let calls = [
            (X86_64, table::X86_64, 0), (I386, table::X86, 0), (X86_64, table::X32, table::X32_BIT), (0x28, table::ARM, 0),
        ];
        for (arch, table, bit) in calls {
            let named = ["read", "write", "openat", "ioctl", "socket", "time", "mmap2", "clone", "close", "file_setattr"];
            let numbers = named.iter().filter_map(|name| table::number(table, name)).chain([999]);
            for number in numbers {
                for (a, b, c) in &values {
                    let call = Call { arch, number: number | bit, args: [*a, *b, *c, 0, 0, 0] };
                    prop_assert_eq!(run(&program.filter, call), expected(&seccomp, call), "{:x?}", call);
                }
            }
        }
    }
}
