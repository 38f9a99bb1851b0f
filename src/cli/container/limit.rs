//! Limits and devices: `--memory`, `--cpus`, `--pids-limit`, `--ulimit`, `--device` and what belongs to them.

use crate::cli::flags::create::CreateFlags;
use crate::model::container::{Device, DeviceLimit, DeviceRule, Resources, Ulimit};
use crate::model::error::Error;
use crate::model::size;

/// Microseconds of the period that `--cpus` is reckoned in.
const PERIOD: u64 = 100_000;

/// Reads the limits of the cgroup.
pub(super) fn resources(flags: &CreateFlags) -> Result<Resources, Error> {
    let memory_swap = match flags.memory_swap.as_deref() {
        Some("-1") => Some(-1),
        text => bytes("memory-swap", text)?,
    };
    let mut resources = Resources {
        memory: bytes("memory", flags.memory.as_deref())?,
        memory_reservation: bytes("memory-reservation", flags.memory_reservation.as_deref())?,
        memory_swap,
        memory_swappiness: swappiness(flags.memory_swappiness)?,
        oom_kill_disable: flags.oom_kill_disable,
        cpu_shares: flags.cpu_shares.filter(|shares| *shares > 0),
        cpu_quota: flags.cpu_quota.filter(|quota| *quota != 0),
        cpu_period: flags.cpu_period.filter(|period| *period > 0),
        cpuset_cpus: filled(flags.cpuset_cpus.as_deref()),
        cpuset_mems: filled(flags.cpuset_mems.as_deref()),
        // podman: 0 is without limit too.
        pids: flags.pids_limit.map(|limit| if limit <= 0 { -1 } else { limit }),
        pids_is_default: false,
        cpu_rt_period: flags.cpu_rt_period.filter(|period| *period > 0),
        cpu_rt_runtime: flags.cpu_rt_runtime.filter(|runtime| *runtime != 0),
        blkio_weight: flags.blkio_weight.filter(|weight| *weight > 0).map(weight).transpose()?,
        blkio_weight_device: device_limits(
            &flags.blkio_weight_device,
            |text| text.parse::<u16>().ok().and_then(|value| weight(value).ok()).map(u64::from),
            |text| format!("invalid weight for device: {text}"),
        )?,
        device_read_bps: device_limits(&flags.device_read_bps, |text| size::parse_ram(text).ok(), bad_rate)?,
        device_write_bps: device_limits(&flags.device_write_bps, |text| size::parse_ram(text).ok(), bad_rate)?,
        device_read_iops: device_limits(&flags.device_read_iops, |text| text.parse().ok(), bad_count)?,
        device_write_iops: device_limits(&flags.device_write_iops, |text| text.parse().ok(), bad_count)?,
        cgroup_conf: super::environment::pairs(&flags.cgroup_conf, |_| {
            "--cgroup-conf must be formatted KEY=VALUE".to_owned()
        })?,
    };
    check_memory(&resources)?;
    if let Some(cpus) = flags.cpus.filter(|cpus| *cpus != 0.0) {
        for (set, name) in [(flags.cpu_period.is_some(), "cpu-period"), (flags.cpu_quota.is_some(), "cpu-quota")] {
            if set {
                return Err(Error::invalid(format!("--{name} and --cpus cannot be set together")));
            }
        }
        resources.cpu_period = Some(PERIOD);
        resources.cpu_quota = Some(quota(cpus)?);
    }
    Ok(resources)
}

fn weight(value: u16) -> Result<u16, Error> {
    match value {
        10..=1000 => Ok(value),
        _ => Err(Error::invalid(format!("blkio weight {value} is out of range: 10 to 1000"))),
    }
}

/// Reads `DEVICE:VALUE`, where `read` knows what a value is and `bad` says what is wrong with one that it does not.
fn device_limits(
    texts: &[String],
    read: impl Fn(&str) -> Option<u64>,
    bad: impl Fn(&str) -> String,
) -> Result<Vec<DeviceLimit>, Error> {
    let limit = |text: &String| {
        let parts = text.rsplit_once(':').filter(|(path, _)| !path.is_empty());
        let (path, value) = parts.ok_or_else(|| Error::invalid(format!("bad format: {text}")))?;
        if !path.starts_with("/dev/") {
            return Err(Error::invalid(format!("bad format for device path: {text}")));
        }
        Ok(DeviceLimit { path: path.to_owned(), value: read(value).ok_or_else(|| Error::invalid(bad(text)))? })
    };
    texts.iter().map(limit).collect()
}

fn bad_rate(text: &str) -> String {
    format!(
        "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
    )
}

fn bad_count(text: &str) -> String {
    format!(
        "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive integer"
    )
}

/// Reads `KIND MAJOR:MINOR ACCESS`, where a number may be `*`.
pub(super) fn device_rule(text: &str) -> Result<DeviceRule, Error> {
    let bad =
        || Error::invalid(format!("invalid device cgroup rule requires type, major:Minor, and access rules: {text:?}"));
    let number = |text: &str| match text {
        "*" => Ok(None),
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u32>().map(|n| Some(i64::from(n))).map_err(|_| bad())
        }
        _ => Err(bad()),
    };
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, numbers, access] = words[..] else { return Err(bad()) };
    if !matches!(kind, "a" | "b" | "c") {
        return Err(Error::invalid(format!("invalid device type in device-access-add: {kind}")));
    }
    // As podman: without a minor number, every one.
    let (major, minor) = numbers.split_once(':').unwrap_or((numbers, "*"));
    let known = access.bytes().all(|byte| matches!(byte, b'r' | b'w' | b'm'));
    if !known || access.is_empty() || access.len() > 3 {
        return Err(bad());
    }
    let kind = kind.chars().next().unwrap_or('a');
    Ok(DeviceRule { kind, major: number(major)?, minor: number(minor)?, access: access.to_owned() })
}

/// Reads a size; 0 is none.
fn bytes(flag: &str, text: Option<&str>) -> Result<Option<i64>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let size = size::parse_ram(text).map_err(|why| Error::invalid(format!("invalid value for {flag}: {why}")))?;
    Ok(i64::try_from(size).ok().filter(|size| *size > 0))
}

fn filled(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn swappiness(asked: Option<i64>) -> Result<Option<u64>, Error> {
    match asked {
        None | Some(-1) => Ok(None),
        Some(value @ 0..=100) => Ok(u64::try_from(value).ok()),
        Some(value) => Err(Error::invalid(format!("invalid value: {value}, valid memory swappiness range is 0-100"))),
    }
}

fn check_memory(resources: &Resources) -> Result<(), Error> {
    match (resources.memory, resources.memory_swap) {
        (None, Some(1..)) => {
            Err(Error::invalid("you should always set a memory limit when using a memoryswap limit, see usage"))
        }
        (Some(memory), Some(swap @ 1..)) if swap < memory => {
            Err(Error::invalid("minimum memoryswap limit should be larger than memory limit, see usage"))
        }
        _ if resources.memory.zip(resources.memory_reservation).is_some_and(|(limit, kept)| limit < kept) => {
            Err(Error::invalid("minimum memory limit cannot be less than memory reservation limit, see usage"))
        }
        _ => Ok(()),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the range is checked")]
fn quota(cpus: f64) -> Result<i64, Error> {
    // The kernel takes no quota below a millisecond.
    if !(0.01..=100_000.0).contains(&cpus) {
        return Err(Error::invalid(format!("invalid number of CPUs {cpus}: the least is 0.01")));
    }
    Ok((cpus * PERIOD as f64).round() as i64)
}

/// The limits that `--ulimit` knows.
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads every `--ulimit`; the last one of a name wins.
pub(super) fn ulimits(texts: &[String]) -> Result<Vec<Ulimit>, Error> {
    let mut limits: Vec<Ulimit> = Vec::new();
    for text in texts {
        let read = if text == "host" { host_limits() } else { vec![ulimit(text)?] };
        for limit in read {
            limits.retain(|known| known.name != limit.name);
            limits.push(limit);
        }
    }
    Ok(limits)
}

/// Reads `NAME=SOFT[:HARD]`; -1 is unlimited.
fn ulimit(text: &str) -> Result<Ulimit, Error> {
    let fail = |why: String| {
        Error::invalid(format!("ulimit option {text:?} requires name=SOFT:HARD, failed to be parsed: {why}"))
    };
    let (name, values) = text.split_once('=').ok_or_else(|| fail(format!("invalid ulimit argument: {text}")))?;
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("rlimit_").unwrap_or(&name);
    if !ULIMITS.contains(&name) {
        return Err(fail(format!("invalid ulimit type: {name}")));
    }
    let number = |part: &str| match part.parse::<i64>() {
        Ok(-1) => Ok(-1),
        Ok(value @ 0..) => Ok(value),
        _ if part == "unlimited" => Ok(-1),
        _ => Err(fail(format!("strconv.ParseInt: parsing {part:?}: invalid syntax"))),
    };
    let (soft, hard) = match values.split_once(':') {
        None => (number(values)?, number(values)?),
        Some((_, hard)) if hard.contains(':') => {
            return Err(fail(format!(
                "too many limit value arguments - {values}, can only have up to two, `soft[:hard]`"
            )));
        }
        Some((soft, hard)) => (number(soft)?, number(hard)?),
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(fail(format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

/// The limits of this very process.
fn host_limits() -> Vec<Ulimit> {
    use rustix::process::Resource as R;
    const RESOURCES: [(&str, R); 16] = [
        ("as", R::As),
        ("core", R::Core),
        ("cpu", R::Cpu),
        ("data", R::Data),
        ("fsize", R::Fsize),
        ("locks", R::Locks),
        ("memlock", R::Memlock),
        ("msgqueue", R::Msgqueue),
        ("nice", R::Nice),
        ("nofile", R::Nofile),
        ("nproc", R::Nproc),
        ("rss", R::Rss),
        ("rtprio", R::Rtprio),
        ("rttime", R::Rttime),
        ("sigpending", R::Sigpending),
        ("stack", R::Stack),
    ];
    let number = |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(-1));
    let limit = |(name, resource): (&str, R)| {
        let limit = rustix::process::getrlimit(resource);
        Ulimit { name: name.to_owned(), soft: number(limit.current), hard: number(limit.maximum) }
    };
    RESOURCES.into_iter().map(limit).collect()
}

/// Reads `HOST[:INSIDE][:rwm]`.
pub(super) fn device(text: &str) -> Result<Device, Error> {
    let is_mode = |part: &str| {
        let known = part.bytes().all(|b| matches!(b, b'r' | b'w' | b'm'));
        known && !part.is_empty() && part.len() == part.bytes().collect::<std::collections::BTreeSet<_>>().len()
    };
    let bad_mode = |part: &str| Error::invalid(format!("invalid device mode: {part}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (host, inside, access) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, mode] if is_mode(mode) => (host, host, mode),
        [host, inside] if inside.starts_with('/') => (host, inside, "rwm"),
        [_, mode] => return Err(bad_mode(mode)),
        [host, inside, mode] if is_mode(mode) => (host, inside, mode),
        [_, _, mode] => return Err(bad_mode(mode)),
        _ => return Err(Error::invalid(format!("invalid device specification: {text}"))),
    };
    if !host.starts_with('/') || !inside.starts_with('/') {
        return Err(Error::invalid(format!("invalid device specification: {text}")));
    }
    Ok(Device { host: host.to_owned(), inside: crate::model::mount::clean(inside), access: access.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits_are_read() {
        let read = |text: &str| ulimit(text).map(|limit| (limit.name, limit.soft, limit.hard));
        assert_eq!(read("nofile=10:20").unwrap(), ("nofile".into(), 10, 20));
        assert_eq!(read("RLIMIT_CORE=-1").unwrap(), ("core".into(), -1, -1));
        for bad in
            ["nofile", "nofile=", "nofile=a", "bogus=1", "nofile=2:1", "nofile=1:2:3", "nofile=-2", "nofile=-1:5"]
        {
            let error = ulimit(bad).unwrap_err().message;
            assert!(error.starts_with(&format!("ulimit option {bad:?} requires name=SOFT:HARD, ")), "{error}");
        }
    }

    #[test]
    fn devices_are_read() {
        let read = |text: &str| device(text).map(|device| (device.host, device.inside, device.access));
        assert_eq!(read("/dev/a").unwrap(), ("/dev/a".into(), "/dev/a".into(), "rwm".into()));
        assert_eq!(read("/dev/a:r").unwrap(), ("/dev/a".into(), "/dev/a".into(), "r".into()));
        assert_eq!(read("/dev/a:/dev/b:rw").unwrap(), ("/dev/a".into(), "/dev/b".into(), "rw".into()));
        for bad in ["", "a", "/dev/a:x", "/dev/a:/b:rr", "/dev/a:/b:", "/a:/b:r:w"] {
            assert!(device(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_and_rules_of_devices_are_read() {
        let read = |text: &str| device_limits(&[text.to_owned()], |text| size::parse_ram(text).ok(), bad_rate);
        assert_eq!(read("/dev/sda:1m").unwrap(), [DeviceLimit { path: "/dev/sda".into(), value: 1 << 20 }]);
        for bad in ["/dev/sda", "sda:1", ":1", "/dev/sda:x", "/dev/sda:"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let rule = device_rule("c 1:* rm").unwrap();
        assert_eq!((rule.kind, rule.major, rule.minor, rule.access.as_str()), ('c', Some(1), None, "rm"));
        for bad in ["", "c", "d 1:1 r", "c x r", "c 1:1 x", "c 1:1 ", "c : r", "c -1:1 r", "c 1:1  r", "c 1:1 rrrr"] {
            assert!(device_rule(bad).is_err(), "{bad}");
        }
        assert!(weight(9).is_err() && weight(10).is_ok() && weight(1001).is_err());
    }

    #[test]
    fn memory_limits_fit_together() {
        let with = |memory, memory_swap, memory_reservation| {
            check_memory(&Resources { memory, memory_swap, memory_reservation, ..Resources::default() }).is_ok()
        };
        assert!(with(Some(10), Some(20), Some(5)) && with(Some(10), Some(-1), None) && with(None, Some(-1), None));
        assert!(!with(None, Some(5), None) && !with(Some(10), Some(5), None) && !with(Some(10), None, Some(11)));
        assert_eq!((quota(0.5).unwrap(), quota(1.5).unwrap()), (50_000, 150_000));
        assert!(quota(-1.0).is_err() && quota(f64::NAN).is_err() && quota(0.001).is_err());
        assert!(swappiness(Some(101)).is_err() && swappiness(Some(-2)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z/]{0,8}[:=][-0-9a-z/:]{0,12}|\\PC{0,30}") {
            drop(device(&text));
            drop(bytes("memory", Some(&text)));
            if let Ok(limit) = ulimit(&text) {
                proptest::prop_assert!(ULIMITS.contains(&limit.name.as_str()), "{}", limit.name);
                proptest::prop_assert!(limit.hard == -1 || (0..=limit.hard).contains(&limit.soft), "{limit:?}");
            }
        }
    }
}
