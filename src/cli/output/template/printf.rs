//! Go's `Sprintf`, for the values that a template has.

use super::value::{Data, float};
use crate::model::size::general;

/// Flags, width and precision of one verb.
#[derive(Debug, Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    zero: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The widest field: more is a bomb, not a format.
const MAX_WIDTH: usize = 10_000;

/// Formats the arguments; mistakes are in the text, as Go has them (`%!d(string=x)`).
pub(super) fn format(format: &str, args: &[Data], limit: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut args_left = args.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "+-# 0".contains(*c)) {
            match flag {
                '+' => spec.plus = true,
                '-' => spec.minus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                _ => spec.zero = true,
            }
        }
        let mut number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String, what: &str| {
            if chars.next_if_eq(&'*').is_some() {
                return match args_left.next() {
                    Some(Data::Int(n)) if n.unsigned_abs() <= MAX_WIDTH as u128 => Some(*n),
                    _ => {
                        out.push_str(what);
                        None
                    }
                };
            }
            let mut value: Option<usize> = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                chars.next();
                value = Some(value.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize));
            }
            value.map(|v| v as i128)
        };
        if let Some(width) = number(&mut chars, &mut out, "%!(BADWIDTH)") {
            spec.minus |= width < 0;
            spec.width = usize::try_from(width.unsigned_abs()).ok();
        }
        if chars.next_if_eq(&'.').is_some() {
            let precision = number(&mut chars, &mut out, "%!(BADPREC)").unwrap_or(0);
            spec.precision = usize::try_from(precision).ok();
        }
        if spec.width.max(spec.precision).is_some_and(|n| n > MAX_WIDTH) {
            return Err("width or precision out of range".to_owned());
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match args_left.next() {
                Some(arg) => out.push_str(&pad(&spec, verb, arg)),
                None => out.push_str(&format!("%!{verb}(MISSING)")),
            },
        }
        if out.len() > limit {
            return Err("too much output".to_owned());
        }
    }
    let extra: Vec<_> = args_left.map(|a| format!("{}={}", a.type_name(), a.printed())).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(out)
}

/// Formats one argument in its field.
fn pad(spec: &Spec, verb: char, arg: &Data) -> String {
    // Elements of a list get the verb each.
    if let (Data::List(list), false) = (arg, matches!(verb, 'v' | 'T')) {
        let items: Vec<_> = list.iter().map(|item| pad(spec, verb, item)).collect();
        return format!("[{}]", items.join(" "));
    }
    let Some(text) = convert(spec, verb, arg) else {
        return format!("%!{verb}({}={})", arg.type_name(), arg.printed());
    };
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    let numeric = matches!(arg, Data::Int(_) | Data::Float(_));
    if spec.minus {
        return text + &" ".repeat(missing);
    }
    if spec.zero && numeric && !(spec.precision.is_some() && matches!(arg, Data::Int(_))) {
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-', ' '])));
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    " ".repeat(missing) + &text
}

fn convert(spec: &Spec, verb: char, arg: &Data) -> Option<String> {
    let signed = |text: String, negative: bool| match (negative, spec.plus, spec.space) {
        (true, ..) => format!("-{text}"),
        (_, true, _) => format!("+{text}"),
        (_, _, true) => format!(" {text}"),
        _ => text,
    };
    let cut = |text: &str| match spec.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    match (verb, arg) {
        ('T', arg) => Some(arg.type_name().to_owned()),
        ('v', Data::Text(text) | Data::Heading(text)) => Some(if spec.sharp { quote(text) } else { cut(text) }),
        ('v', Data::Int(n)) => Some(signed(n.unsigned_abs().to_string(), *n < 0)),
        ('v', Data::Float(f)) => Some(signed(float(f.abs()), f.is_sign_negative())),
        ('v', arg) => Some(arg.printed()),
        ('t', Data::Bool(b)) => Some(b.to_string()),
        ('s', Data::Text(text) | Data::Heading(text)) => Some(cut(text)),
        ('q', Data::Text(text) | Data::Heading(text)) => Some(quote(&cut(text))),
        ('x', Data::Text(text) | Data::Heading(text)) => Some(text.bytes().map(|b| format!("{b:02x}")).collect()),
        ('X', Data::Text(text) | Data::Heading(text)) => Some(text.bytes().map(|b| format!("{b:02X}")).collect()),
        ('c', Data::Int(n)) => Some(character(*n).to_string()),
        ('q', Data::Int(n)) => Some(format!("{:?}", character(*n))),
        ('U', Data::Int(n)) => Some(format!("U+{n:04X}")),
        ('d' | 'x' | 'X' | 'o' | 'b', Data::Int(n)) => {
            let m = n.unsigned_abs();
            let digits = match (verb, spec.sharp) {
                ('d', _) => m.to_string(),
                ('x', false) => format!("{m:x}"),
                ('x', true) => format!("{m:#x}"),
                ('X', false) => format!("{m:X}"),
                ('X', true) => format!("0X{m:X}"),
                ('o', sharp) => format!("{}{m:o}", if sharp { "0" } else { "" }),
                (_, sharp) => format!("{}{m:b}", if sharp { "0b" } else { "" }),
            };
            let zeros = spec.precision.unwrap_or(0).saturating_sub(digits.len());
            Some(signed("0".repeat(zeros) + &digits, *n < 0))
        }
        ('f' | 'F', Data::Float(f)) => Some(signed(format!("{:.*}", spec.precision.unwrap_or(6), f.abs()), *f < 0.0)),
        ('e' | 'E', Data::Float(f)) => {
            let text = format!("{:.*e}", spec.precision.unwrap_or(6), f.abs());
            let (mantissa, exponent) = text.split_once('e')?;
            let exponent: i32 = exponent.parse().ok()?;
            let sign = if exponent < 0 { '-' } else { '+' };
            Some(signed(format!("{mantissa}{verb}{sign}{:02}", exponent.abs()), *f < 0.0))
        }
        ('g' | 'G', Data::Float(f)) => {
            let text = spec.precision.map_or_else(|| float(f.abs()), |digits| general(f.abs(), digits));
            Some(signed(text, *f < 0.0))
        }
        (_, Data::Nil | Data::NoValue) => None,
        // Whole documents print the same with %s.
        ('s', Data::Map(_) | Data::Struct(_)) => Some(arg.printed()),
        _ => None,
    }
}

fn character(n: i128) -> char {
    u32::try_from(n).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Quotes as Go's `%q`.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\x0b' => out.push_str("\\v"),
            c if c.is_control() && u32::from(c) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_gos() {
        let text = || Data::text("hi");
        for (form, args, want) in [
            ("%s|%5s|%-5s|%.1s|%q", vec![text(), text(), text(), text(), text()], "hi|   hi|hi   |h|\"hi\""),
            (
                "%d %5d %-5d| %05d %+d %x %#X %o %b %c %U",
                vec![Data::Int(42); 11],
                "42    42 42   | 00042 +42 2a 0X2A 52 101010 * U+002A",
            ),
            ("%f %.2f %8.3f %e %g", vec![Data::Float(2.5); 5], "2.500000 2.50    2.500 2.500000e+00 2.5"),
            ("%v %t %T", vec![Data::Bool(true), Data::Bool(false), text()], "true false string"),
            ("%d", vec![text()], "%!d(string=hi)"),
            ("%d", vec![], "%!d(MISSING)"),
            ("x", vec![text()], "x%!(EXTRA string=hi)"),
            ("100%% %", vec![], "100% %!(NOVERB)"),
            ("%*d", vec![Data::Int(4), Data::Int(1)], "   1"),
            ("%s", vec![Data::List([text(), text()].into())], "[hi hi]"),
            ("%z", vec![text()], "%!z(string=hi)"),
        ] {
            assert_eq!(format(form, &args, 1000).unwrap(), want, "{form}");
        }
        assert!(format("%99999999d", &[Data::Int(1)], 1000).is_err());
        assert!(format("%9000d", &[Data::Int(1)], 1000).is_err());
    }
}
