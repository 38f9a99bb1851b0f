//! Times in logs: RFC 3339 in UTC with nine digits, written and read without allocation.

use rustix::time::{ClockId, clock_gettime};

/// Length of `2024-01-01T00:00:00.000000000`.
const STEM: usize = 29;

/// Nanoseconds since 1970, as far as an i64 goes (until 2262).
pub(crate) type Nanos = i64;

/// Now, by the clock on the wall.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// Writes `nanos` as `2024-01-01T00:00:00.000000000`, without a zone.
pub(crate) fn stem(nanos: Nanos) -> [u8; STEM] {
    let (days, rest) = (nanos.div_euclid(86_400_000_000_000), nanos.rem_euclid(86_400_000_000_000));
    let (seconds, fraction) = (rest / 1_000_000_000, rest % 1_000_000_000);
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00.000000000";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], seconds / 3600);
    digits(&mut text[14..16], seconds / 60 % 60);
    digits(&mut text[17..19], seconds % 60);
    digits(&mut text[20..29], fraction);
    text
}

fn digits(place: &mut [u8], mut value: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Year, month and day of the `days`-th day after 1970-01-01 (the proleptic Gregorian calendar in eras of 400 years).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Reads an RFC 3339 time with a zone (`Z` or `+01:00`) and up to nine digits of a second.
pub(crate) fn parse(text: &[u8]) -> Option<Nanos> {
    let (stem, zone) = text.split_at_checked(19)?;
    let number = |place: &[u8]| -> Option<i64> {
        place.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| stem[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (number(&stem[0..4])?, number(&stem[5..7])?, number(&stem[8..10])?);
    let (hour, minute, second) = (number(&stem[11..13])?, number(&stem[14..16])?, number(&stem[17..19])?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = match zone.strip_prefix(b".") {
        Some(rest) => {
            let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            if length == 0 || length > 9 {
                return None;
            }
            let scale = 10_i64.pow(u32::try_from(9 - length).ok()?);
            (number(&rest[..length])? * scale, &rest[length..])
        }
        None => (0, zone),
    };
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = number(&[*h1, *h2])? * 60 + number(&[*m1, *m2])?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + (minute - offset) * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        assert_eq!(&stem(0), b"1970-01-01T00:00:00.000000000");
        assert_eq!(&stem(1_709_210_096_000_000_007), b"2024-02-29T12:34:56.000000007");
        for (text, want) in [
            ("1970-01-01T00:00:01Z", Some(1_000_000_000)),
            ("1970-01-01T01:00:00.5+01:00", Some(500_000_000)),
            ("1969-12-31T23:00:00-01:00", Some(0)),
            ("1970-01-01 00:00:01Z", None),
            ("1970-01-01T00:00:01", None),
            ("1970-13-01T00:00:01Z", None),
            ("1970-01-01T00:00:01.Z", None),
            ("1970-01-01T00:00:01.1234567890Z", None),
            ("9999-01-01T00:00:00Z", None),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(nanos in 0_i64..i64::MAX) {
            let mut text = stem(nanos).to_vec();
            text.push(b'Z');
            prop_assert_eq!(parse(&text), Some(nanos));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            let _ = parse(&bytes);
        }
    }
}
