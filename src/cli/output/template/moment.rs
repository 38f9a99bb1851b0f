//! Times in templates: what Go's `time.Time` prints, and the methods that people call on it. pkg.go.dev/time

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::value::Data;

/// Calls a method of `at`; `None` where there is no such one.
pub(super) fn method(at: Timestamp, name: &str, arguments: &[Data]) -> Option<Result<Data, String>> {
    let local = at.to_zoned(TimeZone::system());
    let number = |number: i64| Some(Ok(Data::Int(number.into())));
    let plain = match (name, arguments) {
        ("Format", [layout]) => {
            let layout = layout.as_text().cloned();
            return Some(
                layout
                    .map(|layout| Data::text(format(&local, &layout)))
                    .ok_or_else(|| "wrong type for value; expected string".to_owned()),
            );
        }
        ("Format", _) => return Some(Err(format!("wrong number of args for Format: want 1 got {}", arguments.len()))),
        (_, []) => name,
        _ => return None,
    };
    match plain {
        "Unix" => number(at.as_second()),
        "UnixMilli" => number(at.as_millisecond()),
        "UnixNano" => number(i64::try_from(at.as_nanosecond()).unwrap_or(0)),
        "Year" => number(local.year().into()),
        "Day" => number(local.day().into()),
        "Hour" => number(local.hour().into()),
        "Minute" => number(local.minute().into()),
        "Second" => number(local.second().into()),
        "YearDay" => number(local.day_of_year().into()),
        "Month" => Some(Ok(Data::text(local.strftime("%B").to_string()))),
        "Weekday" => Some(Ok(Data::text(local.strftime("%A").to_string()))),
        "IsZero" => Some(Ok(Data::Bool(at.to_zoned(TimeZone::UTC).year() == 1 && at.subsec_nanosecond() == 0))),
        "String" => Some(Ok(Data::text(crate::model::time::print_go(at, &TimeZone::system())))),
        "Local" | "UTC" => Some(Ok(Data::Time(at, at.to_string().into()))),
        _ => None,
    }
}

/// The parts of a layout, the longer ones first, and what strftime(3) calls them.
const PARTS: [(&str, &str); 24] = [
    ("January", "%B"),
    ("Monday", "%A"),
    ("Z07:00", "Z%:z"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("2006", "%Y"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("002", "%j"),
    ("-07", "%:z"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("_2", "%e"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
];

/// Prints a time as a layout of Go's shows it.
fn format(at: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = fraction(rest) {
            let digits = format!("{:09}", at.subsec_nanosecond());
            let shown = &digits[..(length - 1).min(9)];
            match &rest[1..2] {
                "0" => out.push_str(&format!("{}{shown}", &rest[..1])),
                _ => {
                    let shown = shown.trim_end_matches('0');
                    if !shown.is_empty() {
                        out.push_str(&format!("{}{shown}", &rest[..1]));
                    }
                }
            }
            rest = &rest[length..];
            continue;
        }
        match PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            Some((part, how)) => {
                let offset = at.offset().seconds();
                match *part {
                    "Z07:00" if offset == 0 => out.push('Z'),
                    "Z07:00" => out.push_str(&at.strftime("%:z").to_string()),
                    "-07" => out.push_str(&at.strftime("%:z").to_string()[..3]),
                    _ => out.push_str(&at.strftime(how).to_string()),
                }
                rest = &rest[part.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// The length of a fraction of a second: a point or comma, and nothing but zeros or nines up to what is no digit.
fn fraction(rest: &str) -> Option<usize> {
    let mut chars = rest.chars();
    if !matches!(chars.next(), Some('.' | ',')) {
        return None;
    }
    let digit = chars.next().filter(|c| matches!(c, '0' | '9'))?;
    let count = rest[1..].chars().take_while(|c| *c == digit).count();
    let ends = rest[1 + count..].chars().next().is_none_or(|c| !c.is_ascii_digit());
    ends.then_some(1 + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_gos() {
        let at: Timestamp = "2026-03-04T05:06:07.0891Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (layout, utc, east) in [
            ("2006-01-02T15:04:05Z07:00", "2026-03-04T05:06:07Z", "2026-03-04T07:06:07+02:00"),
            ("Mon Jan _2 15:04:05 2006", "Wed Mar  4 05:06:07 2026", "Wed Mar  4 07:06:07 2026"),
            ("3:04PM", "5:06AM", "7:06AM"),
            ("2006-01-02 15:04:05.999999999 -0700", "2026-03-04 05:06:07.0891 +0000", "2026-03-04 07:06:07.0891 +0200"),
            ("05.000", "07.089", "07.089"),
            ("Monday, 2. January 06 at 1/2", "Wednesday, 4. March 26 at 3/4", "Wednesday, 4. March 26 at 3/4"),
            ("at -07", "at +00", "at +02"),
        ] {
            assert_eq!(format(&at.to_zoned(TimeZone::UTC), layout), utc, "{layout}");
            assert_eq!(format(&at.to_zoned(zone.clone()), layout), east, "{layout}");
        }
    }
}
