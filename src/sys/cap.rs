//! capabilities(7) of the calling thread, each set exactly. Nothing here allocates: a clone may call it.
//!
//! A set is a mask with bit N for capability number N.

use std::io;

/// The five sets of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    pub(crate) bounding: u64,
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
    pub(crate) ambient: u64,
}

/// `_LINUX_CAPABILITY_VERSION_3`: 64 bits in two words.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Reads the five sets. capget(2), prctl(2).
pub(crate) fn current() -> io::Result<Sets> {
    let header = Header { version: VERSION_3, pid: 0 };
    let mut words = [Word::default(); 2];
    // SAFETY: both are live and laid out as capget(2) says for version 3, which has two words.
    if unsafe { libc::syscall(libc::SYS_capget, &raw const header, words.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let mut sets = Sets {
        effective: join(words[0].effective, words[1].effective),
        permitted: join(words[0].permitted, words[1].permitted),
        inheritable: join(words[0].inheritable, words[1].inheritable),
        bounding: bounding()?,
        ambient: 0,
    };
    // An ambient capability is inheritable and permitted.
    let possible = sets.inheritable & sets.permitted;
    for number in (0..64).filter(|number| possible & 1 << number != 0) {
        let raised = prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET.unsigned_abs().into(), number)?;
        sets.ambient |= u64::from(raised == 1) << number;
    }
    Ok(sets)
}

/// Reads the bounding set. prctl(2), PR_CAPBSET_READ.
pub(crate) fn bounding() -> io::Result<u64> {
    let mut set = u64::from(prctl(libc::PR_CAPBSET_READ, 0, 0)? == 1);
    // The kernel refuses the number after its last one.
    for number in 1..64 {
        let Ok(value) = prctl(libc::PR_CAPBSET_READ, number, 0) else { break };
        set |= u64::from(value == 1) << number;
    }
    Ok(set)
}

/// Drops every capability from the bounding set that is not in `keep`. Needs CAP_SETPCAP where there is one to drop.
pub(crate) fn keep_bounding(keep: u64) -> io::Result<()> {
    for number in 0..64 {
        if keep & 1 << number != 0 {
            continue;
        }
        match prctl(libc::PR_CAPBSET_READ, number, 0) {
            Ok(1) => prctl(libc::PR_CAPBSET_DROP, number, 0).map(drop)?,
            Ok(_) => {}
            // Beyond the kernel's last one.
            Err(_) => break,
        }
    }
    Ok(())
}

/// Sets effective, permitted and inheritable. capset(2).
pub(crate) fn set(effective: u64, permitted: u64, inheritable: u64) -> io::Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    #[expect(clippy::cast_possible_truncation, reason = "the two words of a mask are what is wanted")]
    let word = |shift: u32| Word {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let words = [word(0), word(32)];
    // SAFETY: both are live and laid out as capset(2) says for version 3; the kernel only reads them.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, words.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sets the ambient set, which must be within permitted and inheritable.
pub(crate) fn set_ambient(ambient: u64) -> io::Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL.unsigned_abs().into(), 0)?;
    for number in (0..64).filter(|number| ambient & 1 << number != 0) {
        prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE.unsigned_abs().into(), number)?;
    }
    Ok(())
}

/// Makes the permitted set survive a change of all user ids from zero, until the next execve. prctl(2), PR_SET_KEEPCAPS.
pub(crate) fn keep_over_setuid(keep: bool) -> io::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, keep.into(), 0).map(drop)
}

fn prctl(operation: i32, second: u64, third: u64) -> io::Result<i32> {
    // SAFETY: the operations above take numbers only; unused arguments are zero as they ask for.
    match unsafe { libc::prctl(operation, second, third, 0_u64, 0_u64) } {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_proc_says() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let mask = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        let sets = current().unwrap();
        assert_eq!(sets.bounding, mask("CapBnd:"));
        assert_eq!(sets.effective, mask("CapEff:"));
        assert_eq!(sets.permitted, mask("CapPrm:"));
        assert_eq!(sets.inheritable, mask("CapInh:"));
        assert_eq!(sets.ambient, mask("CapAmb:"));
    }

    /// R23.
    #[test]
    fn sets_are_exact_on_a_thread() {
        // Capabilities belong to a thread: this one ends with its own.
        std::thread::spawn(|| {
            let before = current().unwrap();
            let (chown, kill, setpcap) = (1, 1 << 5, 1 << 8);
            if before.effective & setpcap == 0 {
                eprintln!("skipped: no CAP_SETPCAP");
                return;
            }
            keep_bounding(chown | kill).unwrap();
            set(kill, chown | kill, kill).unwrap();
            set_ambient(kill).unwrap();
            let expected = Sets {
                bounding: chown | kill,
                effective: kill,
                permitted: chown | kill,
                inheritable: kill,
                ambient: kill,
            };
            assert_eq!(current().unwrap(), expected);
            assert_eq!(set_ambient(chown).unwrap_err().raw_os_error(), Some(libc::EPERM));
        })
        .join()
        .unwrap();
    }
}
