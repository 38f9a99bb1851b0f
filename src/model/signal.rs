//! Signals by name and number.

/// Names without `SIG`, in the kernel's order from 1 on (signal(7), x86 and arm).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// The first real-time signal that libc leaves to programs.
const RTMIN: i32 = 34;
const MAX: i32 = 64;

/// The number of a signal: `9`, `KILL`, `SIGKILL`, `rtmin+3`, in any case. `None` for what is none.
pub(crate) fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=MAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let alias = match name {
        "IOT" => "ABRT",
        "CLD" => "CHLD",
        "POLL" => "IO",
        name => name,
    };
    if let Some(index) = NAMES.iter().position(|known| *known == alias) {
        return i32::try_from(index + 1).ok();
    }
    let offset = |rest: &str, sign: char| match rest {
        "" => Some(0),
        rest => rest.strip_prefix(sign)?.parse::<i32>().ok().filter(|offset| (0..=MAX - RTMIN).contains(offset)),
    };
    match (alias.strip_prefix("RTMIN"), alias.strip_prefix("RTMAX")) {
        (Some(rest), _) => Some(RTMIN + offset(rest, '+')?),
        (_, Some(rest)) => Some(MAX - offset(rest, '-')?),
        _ => None,
    }
}

/// The name of a signal, `SIGTERM`; its number where it has none.
pub(crate) fn name(number: i32) -> String {
    let index = usize::try_from(number - 1).ok();
    match index.and_then(|index| NAMES.get(index)) {
        Some(name) => format!("SIG{name}"),
        None if number == RTMIN => "SIGRTMIN".to_owned(),
        None if (RTMIN..=MAX).contains(&number) => format!("SIGRTMIN+{}", number - RTMIN),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let cases = [
            ("9", Some(9)),
            ("kill", Some(9)),
            ("SIGTERM", Some(15)),
            ("sigrtmin", Some(34)),
            ("RTMIN+3", Some(37)),
            ("SIGRTMAX-1", Some(63)),
            ("0", None),
            ("65", None),
            ("-9", None),
            ("RTMIN3", None),
            ("RTMIN+99", None),
            ("bogus", None),
            ("", None),
        ];
        for (text, number) in cases {
            assert_eq!(parse(text), number, "{text}");
        }
        for number in 1..=31 {
            assert_eq!(parse(&name(number)), Some(number));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_signal_or_not(text in "(SIG|sig)?[A-Z0-9+-]{0,12}|\\PC{0,12}") {
            if let Some(signal) = parse(&text) {
                proptest::prop_assert!((1..=64).contains(&signal), "{text} {signal}");
            }
        }
    }
}
