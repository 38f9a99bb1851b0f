//! From an OCI seccomp section to a program of classic BPF.
//!
//! Shape of a program: load the architecture and jump to its section; there load the number, catch x32, answer ENOSYS
//! above the newest call that the profile knows (a program written for newer kernels then falls back, as it would on
//! the older kernel that the profile was made for), and search a balanced tree over ranges of numbers with the same
//! verdict. A leaf is a verdict or a chain of argument comparisons.
//!
//! Meaning of a profile: the conditions of one entry must all hold; entries that name the same call are tried in their
//! order, those with conditions before those without; what no entry matches gets the default action. Several conditions
//! on the same argument in one entry are alternatives, as in every other runtime. Unknown names are ignored: a profile
//! lists the calls of all architectures.
//!
//! The program is built from its end, so that each jump knows its target; a target out of the reach of eight bits gets
//! a trampoline nearby.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, bail};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompFilterFlag as Flag,
    LinuxSeccompOperator as Operator,
};

use super::table;
use crate::model::error::Error;
use crate::sys::seccomp::{
    FLAG_LOG, FLAG_NEW_LISTENER, FLAG_SPEC_ALLOW, FLAG_TSYNC, FLAG_TSYNC_ESRCH, FLAG_WAIT_KILLABLE_RECV, Instruction,
    MAX_INSTRUCTIONS,
};

/// Changes whenever the compiler gives another program for the same profile; part of the cache's key.
pub(super) const COMPILER: u32 = 1;

const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_KILL_THREAD: u32 = 0;
const RET_TRAP: u32 = 0x0003_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_NOTIFY: u32 = 0x7fc0_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_LOG: u32 = 0x7ffc_0000;
const RET_ALLOW: u32 = 0x7fff_0000;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// How far a conditional jump may go, with room for the trampolines of its sibling.
const REACH: usize = 250;

/// A compiled profile, ready to be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) filter: Vec<Instruction>,
    /// `sys::seccomp::FLAG_*`.
    pub(crate) flags: u32,
    /// Some calls ask a listener: `install` will give its descriptor.
    pub(crate) listener: bool,
}

/// One ABI of this machine: what the kernel reports as architecture, and its table of calls.
struct Abi {
    arch: Arch,
    audit: u32,
    table: &'static [(&'static str, u32)],
}

#[cfg(target_arch = "x86_64")]
const ABIS: &[Abi] = &[
    Abi { arch: Arch::ScmpArchX86_64, audit: 0xc000_003e, table: table::X86_64 },
    Abi { arch: Arch::ScmpArchX86, audit: 0x4000_0003, table: table::X86 },
];
#[cfg(target_arch = "aarch64")]
const ABIS: &[Abi] = &[
    Abi { arch: Arch::ScmpArchAarch64, audit: 0xc000_00b7, table: table::AARCH64 },
    Abi { arch: Arch::ScmpArchArm, audit: 0x4000_0028, table: table::ARM },
];

/// The architectures that programs are made for on this machine.
pub(crate) fn architectures() -> Vec<Arch> {
    let x32 = ABIS.iter().any(|abi| abi.arch == Arch::ScmpArchX86_64).then_some(Arch::ScmpArchX32);
    ABIS.iter().map(|abi| abi.arch).chain(x32).collect()
}

/// The entries of one call: those with conditions in their order, then the verdict for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    conditional: Vec<(Vec<LinuxSeccompArg>, u32)>,
    otherwise: Option<u32>,
}

/// Compiles `seccomp` for this machine.
pub(super) fn compile(seccomp: &LinuxSeccomp) -> Result<Program> {
    let default = verdict(seccomp.default_action(), seccomp.default_errno_ret())?;
    if seccomp.default_action() == Action::ScmpActNotify {
        bail!(Error::invalid("seccomp: SCMP_ACT_NOTIFY cannot be the default action"));
    }
    let wanted = seccomp.architectures().as_deref().unwrap_or_default();
    let mut code = Assembler::default();
    let mut sections = Vec::new();
    for (at, abi) in ABIS.iter().enumerate() {
        // The native one is always meant, whatever the list says.
        if at != 0 && !wanted.contains(&abi.arch) {
            continue;
        }
        let mut entry = section(&mut code, seccomp, abi.table, 0, default)?;
        if abi.arch == Arch::ScmpArchX86_64 {
            entry = x32_guard(&mut code, seccomp, wanted.contains(&Arch::ScmpArchX32), entry, default)?;
        }
        let loaded = code.load(NUMBER, entry);
        sections.push((abi.audit, loaded));
    }
    // An architecture that was not listed is killed, as everywhere: no number means anything there.
    let mut next = Goal::Return(RET_KILL_PROCESS);
    for (audit, entry) in sections.into_iter().rev() {
        next = code.branch(JUMP_EQUAL, audit, entry, next);
    }
    match next {
        Goal::At(_) => code.load(ARCHITECTURE, next),
        // Everything has the same answer.
        Goal::Return(verdict) => Goal::At(code.push(RETURN, 0, 0, verdict)),
    };
    let filter = code.finish()?;
    let listener = asks_listener(seccomp)?;
    Ok(Program { filter, flags: flags(seccomp, listener), listener })
}

/// Emits the decision over the call numbers of one ABI, all with `bit` set, and gives its entry.
fn section(
    code: &mut Assembler,
    seccomp: &LinuxSeccomp,
    table: &[(&str, u32)],
    bit: u32,
    default: u32,
) -> Result<Goal> {
    let (rules, last) = rules(seccomp, table, bit)?;
    let mut ranges: Vec<(u32, Goal)> = vec![(0, Goal::Return(default))];
    let mut chains: Vec<(Rule, Goal)> = Vec::new();
    let mut put = |start: u32, goal: Goal| match ranges.last_mut() {
        Some(last) if last.1 == goal => {}
        Some(last) if last.0 == start => last.1 = goal,
        _ => ranges.push((start, goal)),
    };
    for (number, rule) in rules {
        let goal = match chains.iter().find(|(known, _)| *known == rule) {
            Some((_, goal)) => *goal,
            None => {
                let goal = chain(code, &rule, default);
                chains.push((rule, goal));
                goal
            }
        };
        put(number, goal);
        put(number + 1, Goal::Return(default));
    }
    let tree = code.tree(merged(ranges).as_slice());
    Ok(match last {
        Some(last) if unknown_is_enosys(seccomp, default) => {
            code.branch(JUMP_GREATER, last, Goal::Return(RET_ERRNO | enosys()), tree)
        }
        _ => tree,
    })
}

/// Joins neighbours with the same goal, and a first range that lost its extent.
fn merged(ranges: Vec<(u32, Goal)>) -> Vec<(u32, Goal)> {
    let mut merged: Vec<(u32, Goal)> = Vec::with_capacity(ranges.len());
    for (start, goal) in ranges {
        match merged.last() {
            Some((_, known)) if *known == goal => {}
            _ => merged.push((start, goal)),
        }
    }
    merged
}

/// x32 shares the architecture of x86_64 and marks its numbers: unless it is listed its calls do not exist.
fn x32_guard(code: &mut Assembler, seccomp: &LinuxSeccomp, wanted: bool, native: Goal, default: u32) -> Result<Goal> {
    #[cfg(any(test, target_arch = "x86_64"))]
    if wanted {
        let x32 = section(code, seccomp, table::X32, table::X32_BIT, default)?;
        return Ok(code.branch(JUMP_GREATER_EQUAL, table::X32_BIT, x32, native));
    }
    let _ = (seccomp, wanted, default);
    Ok(code.branch(JUMP_GREATER_EQUAL, table::X32_BIT, Goal::Return(RET_ERRNO | enosys()), native))
}

/// Collects the rules by call number, and the newest number that the profile names.
fn rules(seccomp: &LinuxSeccomp, table: &[(&str, u32)], bit: u32) -> Result<(BTreeMap<u32, Rule>, Option<u32>)> {
    let mut rules: BTreeMap<u32, Rule> = BTreeMap::new();
    for entry in seccomp.syscalls().iter().flatten() {
        let action = verdict(entry.action(), entry.errno_ret())?;
        let conditions = entry.args().as_deref().unwrap_or_default();
        if let Some(bad) = conditions.iter().find(|arg| arg.index() > 5) {
            bail!(Error::invalid(format!("seccomp: a system call has no argument {}", bad.index())));
        }
        let alternatives = conditions
            .iter()
            .enumerate()
            .any(|(at, arg)| conditions[..at].iter().any(|earlier| earlier.index() == arg.index()));
        for name in entry.names() {
            let Some(number) = table::number(table, name) else { continue };
            let rule = rules.entry(number | bit).or_insert_with(|| Rule { conditional: Vec::new(), otherwise: None });
            if conditions.is_empty() {
                rule.otherwise.get_or_insert(action);
            } else if alternatives {
                rule.conditional.extend(conditions.iter().map(|arg| (vec![*arg], action)));
            } else {
                rule.conditional.push((conditions.to_vec(), action));
            }
        }
    }
    let last = rules.last_key_value().map(|(number, _)| *number);
    Ok((rules, last))
}

/// Emits the entries of one call.
fn chain(code: &mut Assembler, rule: &Rule, default: u32) -> Goal {
    let mut next = Goal::Return(rule.otherwise.unwrap_or(default));
    for (conditions, action) in rule.conditional.iter().rev() {
        let mut then = Goal::Return(*action);
        for condition in conditions.iter().rev() {
            then = compare(code, condition, then, next);
        }
        next = then;
    }
    next
}

/// Emits one comparison of a 64-bit argument, in halves of 32 bits.
fn compare(code: &mut Assembler, arg: &LinuxSeccompArg, yes: Goal, no: Goal) -> Goal {
    let (high, low) = halves(arg.value());
    let base = ARGUMENTS + 8 * u32::try_from(arg.index()).unwrap_or(0);
    // Little endian, as all architectures of the tables are.
    let (low_at, high_at) = (base, base + 4);
    match arg.op() {
        Operator::ScmpCmpNe => {
            let (yes, no) = (no, yes);
            let second = equal(code, low_at, u32::MAX, low, yes, no);
            equal(code, high_at, u32::MAX, high, second, no)
        }
        Operator::ScmpCmpEq => {
            let second = equal(code, low_at, u32::MAX, low, yes, no);
            equal(code, high_at, u32::MAX, high, second, no)
        }
        Operator::ScmpCmpMaskedEq => {
            let (wanted_high, wanted_low) = halves(arg.value_two().unwrap_or(0) & arg.value());
            let second = equal(code, low_at, low, wanted_low, yes, no);
            equal(code, high_at, high, wanted_high, second, no)
        }
        Operator::ScmpCmpGe => order(code, JUMP_GREATER_EQUAL, (high_at, high), (low_at, low), yes, no),
        Operator::ScmpCmpGt => order(code, JUMP_GREATER, (high_at, high), (low_at, low), yes, no),
        Operator::ScmpCmpLt => order(code, JUMP_GREATER_EQUAL, (high_at, high), (low_at, low), no, yes),
        Operator::ScmpCmpLe => order(code, JUMP_GREATER, (high_at, high), (low_at, low), no, yes),
    }
}

/// Emits `(word & mask) == wanted`.
fn equal(code: &mut Assembler, at: u32, mask: u32, wanted: u32, yes: Goal, no: Goal) -> Goal {
    if mask == 0 {
        return yes;
    }
    let mut test = code.branch(JUMP_EQUAL, wanted, yes, no);
    if mask != u32::MAX {
        test = code.follow(AND, mask, test);
    }
    code.load(at, test)
}

/// Emits `argument > value` or `>=`, as `jump` says.
fn order(code: &mut Assembler, jump: u16, high: (u32, u32), low: (u32, u32), yes: Goal, no: Goal) -> Goal {
    let last = code.branch(jump, low.1, yes, no);
    let last = code.load(low.0, last);
    let same = code.branch(JUMP_EQUAL, high.1, last, no);
    let more = code.branch(JUMP_GREATER, high.1, yes, same);
    code.load(high.0, more)
}

fn halves(value: u64) -> (u32, u32) {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
    let halves = ((value >> 32) as u32, value as u32);
    halves
}

fn enosys() -> u32 {
    libc::ENOSYS.unsigned_abs()
}

/// Says whether calls newer than the profile answer ENOSYS: where the default refuses, with another number.
fn unknown_is_enosys(seccomp: &LinuxSeccomp, default: u32) -> bool {
    use Action::{ScmpActAllow, ScmpActLog, ScmpActTrace};
    !matches!(seccomp.default_action(), ScmpActAllow | ScmpActLog | ScmpActTrace) && default != (RET_ERRNO | enosys())
}

/// Gives the return value of `action`.
fn verdict(action: Action, errno: Option<u32>) -> Result<u32> {
    let data = errno.unwrap_or(libc::EPERM.unsigned_abs());
    Ok(match action {
        Action::ScmpActKill | Action::ScmpActKillThread => RET_KILL_THREAD,
        Action::ScmpActKillProcess => RET_KILL_PROCESS,
        Action::ScmpActTrap => RET_TRAP,
        Action::ScmpActNotify => RET_NOTIFY,
        Action::ScmpActLog => RET_LOG,
        Action::ScmpActAllow => RET_ALLOW,
        // The kernel would take a larger one as this.
        Action::ScmpActErrno if data > 4095 => {
            bail!(Error::invalid(format!("seccomp: errnoRet {data} is not an error number")))
        }
        Action::ScmpActTrace if data > 0xffff => {
            bail!(Error::invalid(format!("seccomp: {data} does not fit a tracer's message")))
        }
        Action::ScmpActErrno => RET_ERRNO | data,
        Action::ScmpActTrace => RET_TRACE | data,
    })
}

/// Says whether a listener is needed, and refuses the call by which it would be handed over.
fn asks_listener(seccomp: &LinuxSeccomp) -> Result<bool> {
    let mut asks = false;
    for entry in seccomp.syscalls().iter().flatten().filter(|entry| entry.action() == Action::ScmpActNotify) {
        if entry.names().iter().any(|name| name == "write") {
            bail!(Error::invalid("seccomp: SCMP_ACT_NOTIFY cannot be used for the write system call"));
        }
        asks = asks || !entry.names().is_empty();
    }
    Ok(asks)
}

/// Gives the flags to install with. Without a list speculation is left as it was, as runc does by default.
fn flags(seccomp: &LinuxSeccomp, listener: bool) -> u32 {
    let mut flags = match seccomp.flags() {
        None => FLAG_SPEC_ALLOW,
        Some(list) => list.iter().fold(0, |flags, flag| {
            flags
                | match flag {
                    Flag::SeccompFilterFlagLog => FLAG_LOG,
                    Flag::SeccompFilterFlagTsync => FLAG_TSYNC,
                    Flag::SeccompFilterFlagSpecAllow => FLAG_SPEC_ALLOW,
                    // Without a listener the kernel refuses it.
                    Flag::SeccompFilterFlagWaitKillableRecv if listener => FLAG_WAIT_KILLABLE_RECV,
                    Flag::SeccompFilterFlagWaitKillableRecv => 0,
                }
        }),
    };
    if listener {
        flags |= FLAG_NEW_LISTENER;
        if flags & FLAG_TSYNC != 0 {
            flags |= FLAG_TSYNC_ESRCH;
        }
    }
    flags
}

/// Where a jump goes: a verdict, or an instruction by its distance from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Goal {
    Return(u32),
    At(usize),
}

/// Builds a program from its end: `code[0]` is the last instruction.
#[derive(Default)]
struct Assembler {
    code: Vec<Instruction>,
    /// The nearest instruction that leads to a goal.
    near: HashMap<Goal, usize>,
}

impl Assembler {
    fn push(&mut self, code: u16, jump_true: u8, jump_false: u8, value: u32) -> usize {
        self.code.push(Instruction { code, jump_true, jump_false, value });
        self.code.len() - 1
    }

    /// Gives an instruction within reach that leads to `goal`.
    fn near(&mut self, goal: Goal) -> usize {
        let known = match goal {
            Goal::At(at) => self.near.get(&goal).copied().or(Some(at)),
            Goal::Return(_) => self.near.get(&goal).copied(),
        };
        if let Some(at) = known.filter(|at| self.code.len() - at <= REACH) {
            return at;
        }
        let at = match goal {
            Goal::Return(value) => self.push(RETURN, 0, 0, value),
            Goal::At(target) => {
                let distance = u32::try_from(self.code.len() - target - 1).unwrap_or(u32::MAX);
                self.push(JUMP, 0, 0, distance)
            }
        };
        self.near.insert(goal, at);
        at
    }

    /// Emits a conditional jump.
    fn branch(&mut self, jump: u16, value: u32, yes: Goal, no: Goal) -> Goal {
        if yes == no {
            return yes;
        }
        let yes = self.near(yes);
        let no = self.near(no);
        let here = self.code.len();
        let distance = |at: usize| u8::try_from(here - at - 1).unwrap_or(u8::MAX);
        let (yes, no) = (distance(yes), distance(no));
        Goal::At(self.push(jump, yes, no, value))
    }

    /// Emits an instruction that goes on to `next`.
    fn follow(&mut self, code: u16, value: u32, next: Goal) -> Goal {
        // What follows must be the next instruction: anything else is jumped to.
        match next {
            Goal::At(at) if at + 1 == self.code.len() => {}
            Goal::At(at) => {
                let distance = u32::try_from(self.code.len() - at - 1).unwrap_or(u32::MAX);
                self.push(JUMP, 0, 0, distance);
            }
            Goal::Return(verdict) => {
                self.push(RETURN, 0, 0, verdict);
            }
        }
        Goal::At(self.push(code, 0, 0, value))
    }

    /// Emits the load of a word of `struct seccomp_data`, going on to `next`.
    fn load(&mut self, offset: u32, next: Goal) -> Goal {
        match next {
            // No need to look where the verdict is settled.
            Goal::Return(_) => next,
            Goal::At(_) => self.follow(LOAD, offset, next),
        }
    }

    /// Emits a balanced search over ranges, each from its start to the next one's.
    fn tree(&mut self, ranges: &[(u32, Goal)]) -> Goal {
        match ranges {
            [] => Goal::Return(RET_KILL_PROCESS),
            [(_, goal)] => *goal,
            _ => {
                let (left, right) = ranges.split_at(ranges.len() / 2);
                let yes = self.tree(right);
                let no = self.tree(left);
                self.branch(JUMP_GREATER_EQUAL, right[0].0, yes, no)
            }
        }
    }

    fn finish(mut self) -> Result<Vec<Instruction>> {
        if self.code.len() > MAX_INSTRUCTIONS {
            bail!(
                Error::invalid(format!(
                    "seccomp: the profile needs {} instructions, the kernel takes {MAX_INSTRUCTIONS}",
                    self.code.len()
                ))
                .hint("name fewer architectures or compare fewer arguments")
            );
        }
        self.code.reverse();
        Ok(self.code)
    }
}

#[cfg(test)]
mod tests;
