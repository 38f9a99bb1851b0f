//! Device rules: for cgroup v1 as lines, for v2 as a program of extended BPF.
//!
//! Nothing is allowed at first but the devices that every container has, then the rules hold in their order and the last
//! one that applies wins. A rule about everything is a new beginning.

use std::fmt;

use anyhow::{Result, bail};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use crate::model::error::Error;
use crate::sys::bpf::Instruction;

/// One rule, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) allow: bool,
    /// None is both.
    kind: Option<Kind>,
    major: Option<u32>,
    minor: Option<u32>,
    access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Block,
    Char,
}

/// Bits as the kernel has them (`BPF_DEVCG_ACC_*`): 1 mknod, 2 read, 4 write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access(u8);

impl Access {
    const ALL: Self = Self(7);
}

/// The devices that every container has: making any node, and using null, zero, full, tty, random, urandom, and
/// pseudo terminals.
const DEFAULT: &[(Kind, Option<u32>, Option<u32>, Access)] = &[
    (Kind::Char, None, None, Access(1)),
    (Kind::Block, None, None, Access(1)),
    (Kind::Char, Some(1), Some(3), Access::ALL),
    (Kind::Char, Some(1), Some(5), Access::ALL),
    (Kind::Char, Some(1), Some(7), Access::ALL),
    (Kind::Char, Some(1), Some(8), Access::ALL),
    (Kind::Char, Some(1), Some(9), Access::ALL),
    (Kind::Char, Some(5), Some(0), Access::ALL),
    (Kind::Char, Some(5), Some(2), Access::ALL),
    (Kind::Char, Some(136), None, Access::ALL),
];

impl Rule {
    /// Says whether the rule is about every device and access.
    fn is_everything(&self) -> bool {
        self.kind.is_none() && self.major.is_none() && self.minor.is_none() && self.access == Access::ALL
    }
}

/// As units of systemd have it (`DeviceAllow=`), which know permissions only: what is allowed, and how; `None` is everything.
/// systemd.resource-control(5).
pub(super) fn unit(devices: &[LinuxDeviceCgroup]) -> Result<Option<Vec<(String, String)>>> {
    let (base, rules) = rules(devices)?;
    let mut allowed = Vec::new();
    for rule in rules {
        let kind = match rule.kind {
            Some(Kind::Block) => "block",
            Some(Kind::Char) => "char",
            None => bail!(Error::invalid("linux.resources.devices: a rule about devices of both kinds")),
        };
        let node = match (rule.major, rule.minor) {
            _ if base || !rule.allow => {
                bail!(Error::unsupported(format!("linux.resources.devices: systemd cannot refuse {rule}")))
            }
            (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
            (Some(major), None) => format!("{kind}-{major}"),
            (None, None) => format!("{kind}-*"),
            (None, Some(_)) => bail!(Error::unsupported(format!("linux.resources.devices: systemd knows no {rule}"))),
        };
        let letters = [(2, 'r'), (4, 'w'), (1, 'm')];
        allowed.push((
            node,
            letters.iter().filter(|(bit, _)| rule.access.0 & bit != 0).map(|(_, letter)| letter).collect(),
        ));
    }
    Ok(if base { None } else { Some(allowed) })
}

/// As cgroup v1 writes it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        let kind = match self.kind {
            None => "a",
            Some(Kind::Block) => "b",
            Some(Kind::Char) => "c",
        };
        write!(f, "{kind} {}:{} ", number(self.major), number(self.minor))?;
        for (bit, letter) in [(2, "r"), (4, "w"), (1, "m")] {
            if self.access.0 & bit != 0 {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// Gives what holds for all devices, and the rules on top of it, oldest first. A rule about everything makes those
/// before it void.
pub(super) fn rules(devices: &[LinuxDeviceCgroup]) -> Result<(bool, Vec<Rule>)> {
    let mut rules = Vec::with_capacity(devices.len());
    for device in devices {
        rules.extend(parse(device)?);
    }
    let everything = rules.iter().rposition(Rule::is_everything);
    let base = everything.is_some_and(|at| rules[at].allow);
    let rest = rules.split_off(everything.map_or(0, |at| at + 1));
    if base {
        let plain = rest.iter().all(|rule| rule.allow);
        return Ok((true, if plain { Vec::new() } else { rest }));
    }
    let default = DEFAULT.iter().map(|(kind, major, minor, access)| Rule {
        allow: true,
        kind: Some(*kind),
        major: *major,
        minor: *minor,
        access: *access,
    });
    Ok((false, default.chain(rest).collect()))
}

/// Checks one rule; on "all types" with numbers, which no kernel has, it becomes two.
fn parse(device: &LinuxDeviceCgroup) -> Result<Vec<Rule>> {
    let number = |number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(number) => u32::try_from(number).map(Some),
    };
    let (Ok(major), Ok(minor)) = (number(device.major()), number(device.minor())) else {
        bail!(Error::invalid(format!("device rule {device}: a number is out of range")));
    };
    let mut access = Access(0);
    for letter in device.access().as_deref().unwrap_or("rwm").chars() {
        access.0 |= match letter {
            'm' => 1,
            'r' => 2,
            'w' => 4,
            _ => bail!(Error::invalid(format!("device rule {device}: access is made of r, w and m"))),
        };
    }
    if access.0 == 0 {
        access = Access::ALL;
    }
    let rule = |kind| Rule { allow: device.allow(), kind, major, minor, access };
    Ok(match device.typ().unwrap_or_default() {
        LinuxDeviceType::B => vec![rule(Some(Kind::Block))],
        LinuxDeviceType::C | LinuxDeviceType::U => vec![rule(Some(Kind::Char))],
        LinuxDeviceType::P => bail!(Error::invalid(format!("device rule {device}: a FIFO is not a device"))),
        LinuxDeviceType::A if rule(None).is_everything() => vec![rule(None)],
        LinuxDeviceType::A => vec![rule(Some(Kind::Block)), rule(Some(Kind::Char))],
    })
}

/// Compiles the rules into a program on `struct bpf_cgroup_dev_ctx`: from the last rule to the first, the first one
/// that applies decides. A permission must cover all that is asked, a refusal any part of it.
pub(super) fn program(base: bool, rules: &[Rule]) -> Vec<Instruction> {
    const LOAD_WORD: u8 = 0x61;
    const MOVE: u8 = 0xb7;
    const MOVE_REGISTER: u8 = 0xbf;
    const AND: u8 = 0x57;
    const SHIFT_RIGHT: u8 = 0x77;
    const JUMP_EQUAL: u8 = 0x15;
    const JUMP_NOT_EQUAL: u8 = 0x55;
    const JUMP_NOT_EQUAL_REGISTER: u8 = 0x5d;
    const EXIT: u8 = 0x95;
    // r1 context and scratch, r2 access, r3 type, r4 major, r5 minor, r0 verdict.
    let instruction = |code: u8, to: u8, from: u8, offset: i16, value: i32| Instruction {
        code,
        registers: to | from << 4,
        offset,
        value,
    };
    let mut code = vec![
        instruction(LOAD_WORD, 2, 1, 0, 0),
        instruction(LOAD_WORD, 4, 1, 4, 0),
        instruction(LOAD_WORD, 5, 1, 8, 0),
        instruction(MOVE_REGISTER, 3, 2, 0, 0),
        instruction(AND, 3, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, 2, 0, 0, 16),
    ];
    for rule in rules.iter().rev() {
        let mut tests = Vec::new();
        if let Some(kind) = rule.kind {
            tests.push(instruction(JUMP_NOT_EQUAL, 3, 0, 0, if kind == Kind::Block { 1 } else { 2 }));
        }
        if rule.access != Access::ALL {
            tests.push(instruction(MOVE_REGISTER, 1, 2, 0, 0));
            tests.push(instruction(AND, 1, 0, 0, rule.access.0.into()));
            tests.push(match rule.allow {
                true => instruction(JUMP_NOT_EQUAL_REGISTER, 1, 2, 0, 0),
                false => instruction(JUMP_EQUAL, 1, 0, 0, 0),
            });
        }
        for (register, number) in [(4, rule.major), (5, rule.minor)] {
            if let Some(number) = number {
                // The comparison is of 64 bits and extends the sign: device numbers have 12 and 20 bits.
                let number = i32::try_from(number).unwrap_or(i32::MAX);
                tests.push(instruction(JUMP_NOT_EQUAL, register, 0, 0, number));
            }
        }
        let end = tests.len() + 2;
        for (at, test) in tests.iter_mut().enumerate() {
            if matches!(test.code, JUMP_EQUAL | JUMP_NOT_EQUAL | JUMP_NOT_EQUAL_REGISTER) {
                test.offset = i16::try_from(end - at - 1).unwrap_or(i16::MAX);
            }
        }
        code.extend(tests);
        code.push(instruction(MOVE, 0, 0, 0, rule.allow.into()));
        code.push(instruction(EXIT, 0, 0, 0, 0));
    }
    code.push(instruction(MOVE, 0, 0, 0, base.into()));
    code.push(instruction(EXIT, 0, 0, 0, 0));
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxDeviceCgroupBuilder;

    fn device(
        allow: bool,
        kind: LinuxDeviceType,
        major: Option<i64>,
        minor: Option<i64>,
        access: &str,
    ) -> LinuxDeviceCgroup {
        let mut device = LinuxDeviceCgroupBuilder::default().allow(allow).typ(kind).access(access).build().unwrap();
        device.set_major(major);
        device.set_minor(minor);
        device
    }

    #[test]
    fn units_know_permissions_only() {
        use LinuxDeviceType::{A, B, C};
        let none = device(false, A, None, None, "rwm");
        let sda = device(true, B, Some(8), Some(0), "r");
        let units = unit(&[none.clone(), sda.clone(), device(true, C, Some(10), None, "rw")]).unwrap().unwrap();
        let text = |node: &str, access: &str| (node.to_owned(), access.to_owned());
        for expected in [
            text("char-*", "m"),
            text("/dev/char/1:3", "rwm"),
            text("char-136", "rwm"),
            text("/dev/block/8:0", "r"),
            text("char-10", "rw"),
        ] {
            assert!(units.contains(&expected), "{expected:?} of {units:?}");
        }
        let all = device(true, A, None, None, "rwm");
        assert_eq!(unit(&[none.clone(), all.clone()]).unwrap(), None);
        // What cannot be said is not left out.
        for bad in [[all, device(false, B, Some(8), None, "w")], [none, device(false, B, Some(8), None, "w")]] {
            assert!(unit(&bad).is_err());
        }
    }

    /// Runs the program as the kernel does.
    fn run(code: &[Instruction], kind: u32, major: u32, minor: u32, access: u32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0_i64; 16];
        let mut at = 0_usize;
        loop {
            let i = code[at];
            let (to, from) = (usize::from(i.registers & 15), usize::from(i.registers >> 4));
            let jump = usize::try_from(i.offset).unwrap();
            at += 1;
            match i.code {
                0x61 => registers[to] = context[jump / 4].into(),
                0xb7 => registers[to] = i.value.into(),
                0xbf => registers[to] = registers[from],
                0x57 => registers[to] &= i64::from(i.value),
                0x77 => registers[to] >>= i.value,
                0x15 if registers[to] == i64::from(i.value) => at += jump,
                0x55 if registers[to] != i64::from(i.value) => at += jump,
                0x5d if registers[to] != registers[from] => at += jump,
                0x15 | 0x55 | 0x5d => {}
                0x95 => return registers[0] == 1,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn rules_decide_in_their_order() {
        use LinuxDeviceType::{A, B, C};
        let everything = |allow| device(allow, A, None, None, "rwm");
        let (mknod, read, write) = (1, 2, 4);
        let (block, char) = (1, 2);
        for (rules_given, kind, major, minor, access, verdict) in [
            (vec![], char, 1, 3, read | write, true),
            (vec![], char, 10, 200, read, false),
            (vec![everything(false), device(false, C, Some(1), Some(3), "w")], char, 1, 3, write, false),
            (vec![everything(false), device(false, C, Some(1), Some(3), "w")], char, 1, 3, read, true),
            (vec![], block, 8, 0, mknod, true),
            (vec![], block, 8, 0, mknod | read, false),
            (vec![everything(true)], block, 8, 0, read | write, true),
            (vec![everything(true), device(false, B, Some(8), None, "w")], block, 8, 1, read | write, false),
            (vec![everything(true), device(false, B, Some(8), None, "w")], block, 8, 1, read, true),
            (vec![everything(true), everything(false)], block, 8, 1, read, false),
            (vec![device(true, C, Some(10), Some(229), "rw")], char, 10, 229, read, true),
            (vec![device(true, C, Some(10), Some(229), "rw")], char, 10, 228, read, false),
            (vec![device(true, A, Some(7), Some(-1), "r")], block, 7, 4, read, true),
            (vec![device(true, A, Some(7), None, "r")], char, 7, 4, read, true),
            (vec![device(true, A, Some(7), None, "r")], char, 7, 4, write, false),
        ] {
            let (base, rules) = rules(&rules_given).unwrap();
            let verdict_given = run(&program(base, &rules), kind, major, minor, access);
            assert_eq!(verdict_given, verdict, "{rules_given:?} {kind} {major}:{minor} {access}");
        }
    }

    #[test]
    fn lines_of_cgroup_v1() {
        let (base, list) = rules(&[device(true, LinuxDeviceType::C, Some(10), None, "mr")]).unwrap();
        assert!(!base);
        assert_eq!(list[0].to_string(), "c *:* m");
        assert_eq!(list[DEFAULT.len()].to_string(), "c 10:* rm");
        assert_eq!(list.len(), 1 + DEFAULT.len());
        let (base, list) = rules(&[device(true, LinuxDeviceType::A, None, None, "rwm")]).unwrap();
        assert!(base && list.is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        for device in [
            device(true, LinuxDeviceType::C, Some(-2), None, "r"),
            device(true, LinuxDeviceType::C, Some(1 << 40), None, "r"),
            device(true, LinuxDeviceType::C, None, None, "x"),
            device(true, LinuxDeviceType::P, None, None, "r"),
        ] {
            assert!(rules(&[device]).is_err());
        }
    }
}
