//! Rules as libseccomp takes them: for a call that has rules with conditions and one without, no two of them match the
//! same arguments. dhow's own compiler goes by their order; libseccomp has none, and refuses such rules.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator, LinuxSyscall,
    LinuxSyscallBuilder,
};

/// A set of arguments: bits that are fixed, `(mask, value)` by the index of the argument.
type Cube = BTreeMap<usize, (u64, u64)>;

/// For 32-bit programs libseccomp makes one rule of all that there are for such a call, and refuses a second one that says
/// otherwise by its first argument alone: that is left to the default, which denies too, though with an error of its own.
const MULTIPLEXED: [&str; 20] = [
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
    "socketpair",
];

fn one_condition(rule: &LinuxSyscall) -> bool {
    rule.args().as_ref().is_some_and(|args| args.len() == 1)
}

/// The same filter for who does not know the order of rules.
pub(crate) fn disjoint(profile: &LinuxSeccomp) -> Result<LinuxSeccomp> {
    let rules = profile.syscalls().as_deref().unwrap_or_default();
    let conditional = |rule: &&LinuxSyscall| rule.args().as_ref().is_some_and(|args| !args.is_empty());
    let names = |of: &mut dyn Iterator<Item = &LinuxSyscall>| -> BTreeSet<String> {
        of.flat_map(|rule| rule.names().iter().cloned()).collect()
    };
    let with = names(&mut rules.iter().filter(conditional));
    let without = names(&mut rules.iter().filter(|rule| !conditional(rule)));
    let mut mixed = BTreeMap::new();
    for name in with.intersection(&without) {
        let own: Vec<_> = rules.iter().filter(|rule| rule.names().contains(name)).collect();
        // What cannot be written so stays: then the runtime refuses it.
        if let Some(split) = split(name, &own, profile)? {
            mixed.insert(name.clone(), split);
        }
    }
    let mut kept = Vec::with_capacity(rules.len());
    for rule in rules {
        let names: Vec<_> = rule.names().iter().filter(|name| !mixed.contains_key(*name)).cloned().collect();
        if !names.is_empty() {
            let mut rule = rule.clone();
            rule.set_names(names);
            kept.push(rule);
        }
    }
    kept.extend(mixed.into_values().flatten());
    let mut profile = profile.clone();
    profile.set_syscalls(Some(kept));
    Ok(profile)
}

/// The rules of one call, of which the first that matches holds, as rules that do not overlap. `None`: one compares in
/// another way than for equality.
fn split(name: &str, rules: &[&LinuxSyscall], profile: &LinuxSeccomp) -> Result<Option<Vec<LinuxSyscall>>> {
    let fails = |action| action == LinuxSeccompAction::ScmpActErrno;
    let errno = |errno: Option<u32>| errno.unwrap_or(libc::EPERM.unsigned_abs());
    let (action, default_errno) = (profile.default_action(), errno(profile.default_errno_ret()));
    let default =
        |rule: &LinuxSyscall| rule.action() == action && (!fails(action) || errno(rule.errno_ret()) == default_errno);
    let denies = |rule: &LinuxSyscall| fails(rule.action()) && fails(action);
    let mut left = vec![Cube::new()];
    let mut found = Vec::new();
    for rule in rules {
        let Some(cube) = cube(rule.args().as_deref().unwrap_or_default()) else { return Ok(None) };
        // Conditions that contradict each other never hold.
        let Some(cube) = cube else { continue };
        // What the default does anyway needs no rule.
        let merged = denies(rule) && one_condition(rule) && MULTIPLEXED.contains(&name);
        if !default(rule) && !merged {
            for part in left.iter().filter_map(|part| meet(part, &cube)) {
                found.push(written(name, rule, &part)?);
            }
        }
        left = left.iter().flat_map(|part| less(part, &cube)).collect();
    }
    // The one that stays for 32-bit programs.
    found.sort_by_key(|rule| rule.action() != LinuxSeccompAction::ScmpActAllow);
    Ok(Some(found))
}

/// What conditions hold for, if for anything. `None`: not known, for one compares in another way than for equality.
fn cube(args: &[LinuxSeccompArg]) -> Option<Option<Cube>> {
    let mut cube = Some(Cube::new());
    for arg in args {
        let fixed = match arg.op() {
            LinuxSeccompOperator::ScmpCmpEq => (u64::MAX, arg.value()),
            LinuxSeccompOperator::ScmpCmpMaskedEq => (arg.value(), arg.value_two().unwrap_or(0) & arg.value()),
            _ => return None,
        };
        let one = Cube::from([(arg.index(), fixed)]);
        cube = cube.and_then(|cube| meet(&cube, &one));
    }
    Some(cube)
}

/// What both have.
fn meet(one: &Cube, other: &Cube) -> Option<Cube> {
    let mut both = one.clone();
    for (&index, &(mask, value)) in other {
        let known = both.entry(index).or_insert((0, 0));
        if (known.1 ^ value) & known.0 & mask != 0 {
            return None;
        }
        *known = (known.0 | mask, known.1 | value);
    }
    Some(both)
}

/// What `one` has without `other`, in parts that do not overlap.
fn less(one: &Cube, other: &Cube) -> Vec<Cube> {
    if meet(one, other).is_none() {
        return vec![one.clone()];
    }
    let mut parts = Vec::new();
    let mut inside = one.clone();
    for (&index, &(mask, value)) in other {
        let known = one.get(&index).map_or(0, |(mask, _)| *mask);
        for bit in (0..64).map(|bit| 1_u64 << bit).filter(|bit| mask & bit != 0 && known & bit == 0) {
            let fixed = inside.entry(index).or_insert((0, 0));
            fixed.0 |= bit;
            fixed.1 |= value & bit;
            let mut part = inside.clone();
            if let Some(fixed) = part.get_mut(&index) {
                fixed.1 ^= bit;
            }
            parts.push(part);
        }
    }
    parts
}

fn written(name: &str, rule: &LinuxSyscall, cube: &Cube) -> Result<LinuxSyscall> {
    let args = cube.iter().map(|(&index, &(mask, value))| {
        LinuxSeccompArgBuilder::default()
            .index(index)
            .value(mask)
            .value_two(value)
            .op(LinuxSeccompOperator::ScmpCmpMaskedEq)
            .build()
            .context("build a condition")
    });
    let args = args.collect::<Result<Vec<_>>>()?;
    let mut built = LinuxSyscallBuilder::default().names([name.to_owned()]).action(rule.action());
    if let Some(errno) = rule.errno_ret() {
        built = built.errno_ret(errno);
    }
    if !args.is_empty() {
        built = built.args(args);
    }
    built.build().context("build a rule")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(args: &[LinuxSeccompArg], given: [u64; 2]) -> bool {
        args.iter().all(|arg| {
            let value = given[arg.index()];
            match arg.op() {
                LinuxSeccompOperator::ScmpCmpEq => value == arg.value(),
                _ => value & arg.value() == arg.value_two().unwrap_or(0) & arg.value(),
            }
        })
    }

    fn profile(rules: &serde_json::Value) -> LinuxSeccomp {
        serde_json::from_value(serde_json::json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})).unwrap()
    }

    proptest! {
        #[test]
        fn no_two_rules_match_and_what_matches_is_what_matched_first(
            rules in proptest::collection::vec(
                (proptest::collection::vec((0_usize..2, 0_u64..16, 0_u64..16), 1..3), 1_u32..5), 1..5),
            given in (0_u64..16, 0_u64..16),
        ) {
            let mut list: Vec<_> = rules.iter().map(|(args, errno)| {
                let args: Vec<_> = args.iter().map(|(index, mask, value)| serde_json::json!({
                    "index": index, "value": mask, "valueTwo": value & mask, "op": "SCMP_CMP_MASKED_EQ"})).collect();
                serde_json::json!({"names": ["a", "b"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": args})
            }).collect();
            list.push(serde_json::json!({"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 9}));
            let profile = profile(&serde_json::Value::Array(list));
            let given = [given.0, given.1];
            let matching = |profile: &LinuxSeccomp| -> Vec<u32> {
                let rules = profile.syscalls().as_ref().unwrap().iter().filter(|rule| rule.names().contains(&"a".into()));
                let rules = rules.filter(|rule| holds(rule.args().as_deref().unwrap_or_default(), given));
                rules.map(|rule| rule.errno_ret().unwrap()).collect()
            };
            let first = matching(&profile)[0];
            let split = disjoint(&profile).unwrap();
            // 1 is what the default does.
            prop_assert_eq!(matching(&split), if first == 1 { Vec::new() } else { vec![first] });
            // A call without an unconditional rule stays as it is.
            let rest = split.syscalls().as_ref().unwrap().iter().filter(|rule| rule.names() == &["b".to_owned()]);
            prop_assert_eq!(rest.count(), rules.len());
        }
    }
}
