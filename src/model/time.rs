//! Times and durations as Go writes and reads them, so that scripts made for podman find what they expect.

use std::fmt;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

/// A time or duration that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeError(String);

impl TimeError {
    /// Returns the error for a duration that may not be negative.
    pub(crate) fn negative(text: &str) -> Self {
        Self(format!("negative duration {text:?}"))
    }
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TimeError {}

/// Where a bare duration points from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `--since 10m` is ten minutes ago.
    Back,
    /// `--until 10m` is in ten minutes, as podman has it.
    Ahead,
}

/// Reads what `--since` and `--until` take: RFC 3339, a date and time or a date (UTC), seconds of the epoch with a
/// fraction, `now`, or a duration from it.
pub(crate) fn parse_moment(text: &str, now: Timestamp, direction: Direction) -> Result<Timestamp, TimeError> {
    if text == "now" {
        return Ok(now);
    }
    if let Some(moment) = parse_calendar(text) {
        return Ok(moment);
    }
    if let Some(moment) = parse_epoch(text) {
        return Ok(moment);
    }
    let bad = || TimeError(format!("unable to interpret time value {text:?}"));
    let nanos = parse_duration(text).map_err(|_| bad())?;
    let nanos = if direction == Direction::Back { -i128::from(nanos) } else { i128::from(nanos) };
    Timestamp::from_nanosecond(now.as_nanosecond() + nanos).map_err(|_| bad())
}

fn parse_calendar(text: &str) -> Option<Timestamp> {
    // jiff alone would also take `20240101`, which is seconds of the epoch to podman.
    if text.get(4..5) != Some("-") {
        return None;
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if let Some((date, zone)) = text
        .split_at_checked(10)
        .filter(|(_, zone)| !zone.is_empty() && !zone.contains(':') || zone.starts_with(['+', '-', 'Z']))
        && let Ok(moment) = format!("{date}T00:00:00{zone}").parse::<Timestamp>()
    {
        return Some(moment);
    }
    let utc = |at: civil::DateTime| at.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp());
    text.parse::<civil::DateTime>().ok().and_then(utc)
}

/// Reads `seconds[.fraction]` of the epoch exactly.
fn parse_epoch(text: &str) -> Option<Timestamp> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if seconds.is_empty() || !numeric(seconds) || !numeric(fraction) {
        return None;
    }
    let padded: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos = seconds.parse::<i64>().ok().map(i128::from)? * 1_000_000_000 + padded.parse::<i128>().ok()?;
    Timestamp::from_nanosecond(if negative { -nanos } else { nanos }).ok()
}

/// Reads a Go duration (`1h30m`, `-1.5s`, `0`) as nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Result<i64, TimeError> {
    let invalid = || TimeError(format!("time: invalid duration {text:?}"));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return Err(invalid());
        }
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (name, next) = tail.split_at(end);
        let unit: i128 = match name {
            "" => return Err(TimeError(format!("time: missing unit in duration {text:?}"))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(TimeError(format!("time: unknown unit {name:?} in duration {text:?}"))),
        };
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        // Eighteen digits are beyond a nanosecond of an hour.
        let fraction = &fraction[..fraction.len().min(18)];
        let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(18));
        let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| invalid())? };
        total = i128::from(whole)
            .checked_mul(unit)
            .and_then(|n| n.checked_add(part * unit / scale))
            .and_then(|n| n.checked_add(total))
            .filter(|&n| n <= i128::from(i64::MAX))
            .ok_or_else(invalid)?;
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// Prints a duration as Go does: `1h30m0s`, `1.5s`, `20ms`, `0s`.
pub(crate) fn print_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let decimal = |value: u64, unit: u64| {
        let fraction = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
        match fraction.trim_end_matches('0') {
            "" => (value / unit).to_string(),
            digits => format!("{}.{digits}", value / unit),
        }
    };
    match n {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{n}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(n, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(n, 1_000_000)),
        _ => {
            let (hours, minutes) = (n / 3_600_000_000_000, n / 60_000_000_000 % 60);
            let seconds = decimal(n % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// Says how long something took or is ago, in one word and a number (go-units' `HumanDuration`).
pub(crate) fn human_duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds.saturating_add(1800) / 3600);
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// Says how long ago `then` was: `3 minutes ago`.
pub(crate) fn human_ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", human_duration(now.as_second().saturating_sub(then.as_second())))
}

/// Prints a time as Go's `Time.String`: `2024-01-01 10:00:00.123456789 +0000 UTC`.
pub(crate) fn print_go(at: Timestamp, zone: &TimeZone) -> String {
    let fraction = format!("{:09}", at.subsec_nanosecond().unsigned_abs());
    let zoned = at.to_zoned(zone.clone());
    let dot = match (at.as_nanosecond() < 0, fraction.trim_end_matches('0')) {
        // Before the epoch the parts of a timestamp are negative, those of the civil time are not.
        (true, _) => civil_fraction(&zoned),
        (false, "") => String::new(),
        (false, digits) => format!(".{digits}"),
    };
    format!("{}{dot} {}", zoned.strftime("%Y-%m-%d %H:%M:%S"), zoned.strftime("%z %Z"))
}

fn civil_fraction(zoned: &jiff::Zoned) -> String {
    let fraction = format!("{:09}", zoned.subsec_nanosecond());
    match fraction.trim_end_matches('0') {
        "" => String::new(),
        digits => format!(".{digits}"),
    }
}

/// Prints a time as Go's JSON has it: RFC 3339 with as many decimals as are needed.
pub(crate) fn print_rfc3339(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = at.to_zoned(zone.clone());
    let offset = zoned.offset();
    let offset = if offset.is_zero() { "Z".to_owned() } else { zoned.strftime("%:z").to_string() };
    format!("{}{}{offset}", zoned.strftime("%Y-%m-%dT%H:%M:%S"), civil_fraction(&zoned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_form() {
        let now: Timestamp = "2024-06-01T12:00:00Z".parse().unwrap();
        for (text, want) in [
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05.123456789+02:00", "2024-01-02T01:04:05.123456789Z"),
            ("2024-01-02T03:04:05", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05.5", "2024-01-02T03:04:05.5Z"),
            ("2024-01-02", "2024-01-02T00:00:00Z"),
            ("2024-01-02Z", "2024-01-02T00:00:00Z"),
            ("2024-01-02+02:00", "2024-01-01T22:00:00Z"),
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("1700000000.000000001", "2023-11-14T22:13:20.000000001Z"),
            ("20240101", "1970-08-23T06:15:01Z"),
            ("10m", "2024-06-01T11:50:00Z"),
            ("1h30m", "2024-06-01T10:30:00Z"),
        ] {
            assert_eq!(parse_moment(text, now, Direction::Back), Ok(want.parse().unwrap()), "{text}");
        }
        assert_eq!(parse_moment("1m", now, Direction::Ahead), Ok("2024-06-01T12:01:00Z".parse().unwrap()));
        for text in ["", "yesterday", "2024-13-01", "1d", ".", "2024-01-02T25:00:00Z"] {
            assert!(parse_moment(text, now, Direction::Back).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_printed_as_in_go() {
        for (text, want) in [
            ("0", "0s"),
            ("1h30m", "1h30m0s"),
            ("90m", "1h30m0s"),
            ("1.5s", "1.5s"),
            ("-1.5h", "-1h30m0s"),
            ("+5ms", "5ms"),
            ("1500us", "1.5ms"),
            ("1ns", "1ns"),
            ("61s", "1m1s"),
            (".5s", "500ms"),
            ("1.s", "1s"),
            ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
        ] {
            assert_eq!(parse_duration(text).map(print_duration).unwrap(), want, "{text}");
        }
        for (text, want) in [
            ("", "time: invalid duration \"\""),
            ("1", "time: missing unit in duration \"1\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("h", "time: invalid duration \"h\""),
            ("1..5s", "time: invalid duration \"1..5s\""),
            ("99999999h", "time: invalid duration \"99999999h\""),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().to_string(), want, "{text}");
        }
    }

    #[test]
    fn ages_are_said_as_go_units_says_them() {
        for (seconds, want) in [
            (-5, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (185, "3 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"),
            (3 * 86_400, "3 days"),
            (20 * 86_400, "2 weeks"),
            (90 * 86_400, "3 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(human_duration(seconds), want);
        }
    }

    #[test]
    fn times_are_printed_as_in_go() {
        let at: Timestamp = "2024-01-01T10:00:00.123456789Z".parse().unwrap();
        assert_eq!(print_go(at, &TimeZone::UTC), "2024-01-01 10:00:00.123456789 +0000 UTC");
        assert_eq!(print_rfc3339(at, &TimeZone::UTC), "2024-01-01T10:00:00.123456789Z");
        let whole: Timestamp = "2024-01-01T10:00:00.5Z".parse().unwrap();
        assert_eq!(print_go(whole, &TimeZone::UTC), "2024-01-01 10:00:00.5 +0000 UTC");
        let before: Timestamp = "1969-12-31T23:59:59.25Z".parse().unwrap();
        assert_eq!(print_go(before, &TimeZone::UTC), "1969-12-31 23:59:59.25 +0000 UTC");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(print_rfc3339(whole, &east), "2024-01-01T12:00:00.5+02:00");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[0-9hmsu.+-]{0,30}") {
            drop(parse_moment(&text, Timestamp::UNIX_EPOCH, Direction::Back));
            drop(parse_duration(&text));
        }

        #[test]
        fn printed_durations_are_read_back(nanos in -i64::MAX..i64::MAX) {
            proptest::prop_assert_eq!(parse_duration(&print_duration(nanos)), Ok(nanos));
        }
    }
}
