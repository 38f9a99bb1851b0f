//! Sizes as people write and read them: go-units' syntax and rounding, which docker and podman share.

use std::fmt;

/// A size that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SizeError(String);

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SizeError {}

/// Reads a size in powers of 1024: `1g`, `512m`, `1.5GiB`, `64 kb` (go-units' `RAMInBytes`).
pub(crate) fn parse_ram(text: &str) -> Result<u64, SizeError> {
    parse(text, 1024)
}

fn parse(text: &str, base: u64) -> Result<u64, SizeError> {
    let bad = || SizeError(format!("invalid size: '{text}'"));
    let last = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(bad)?;
    let (number, suffix) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    // f64's own parser also takes `inf` and `nan`.
    if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(bad());
    }
    let suffix = suffix.to_ascii_lowercase();
    let power = match suffix.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(SizeError(format!("invalid suffix: '{suffix}'"))),
    };
    let known = match suffix.get(1..) {
        None => true,
        Some(rest) if power == 0 => rest.is_empty() && suffix == "b",
        Some(rest) => matches!(rest, "" | "b" | "ib"),
    };
    if !known {
        return Err(SizeError(format!("invalid suffix: '{suffix}'")));
    }
    let unit = base.pow(power);
    let size = match number.parse::<u64>() {
        // Whole numbers stay exact.
        Ok(whole) => whole.checked_mul(unit),
        Err(_) => {
            let number: f64 = number.parse().map_err(|_| bad())?;
            whole(number * f64::from(u32::try_from(base).unwrap_or(u32::MAX)).powi(power.cast_signed()))
        }
    };
    // The kernel and Go count in signed words.
    size.filter(|&size| i64::try_from(size).is_ok()).ok_or_else(|| SizeError(format!("size out of range: '{text}'")))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn whole(number: f64) -> Option<u64> {
    (0.0..9.2e18).contains(&number).then_some(number as u64)
}

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// Prints a size in powers of 1000 with four digits: `1.234MB` (go-units' `HumanSize`).
pub(crate) fn human(size: u64) -> String {
    human_precise(size, 4)
}

/// Prints a size in powers of 1000 with so many significant digits.
pub(crate) fn human_precise(size: u64, digits: usize) -> String {
    scaled(size, 1000.0, &DECIMAL, digits, "")
}

/// Prints a size as `podman images` does: three digits and a space, `11.3 kB`.
pub(crate) fn human_spaced(size: u64) -> String {
    scaled(size, 1000.0, &DECIMAL, 3, " ")
}

/// Prints a size in powers of 1024: `1.5GiB` (go-units' `BytesSize`).
pub(crate) fn binary(size: u64) -> String {
    scaled(size, 1024.0, &BINARY, 4, "")
}

#[expect(clippy::cast_precision_loss, reason = "four digits are printed")]
fn scaled(size: u64, base: f64, units: &[&str], digits: usize, space: &str) -> String {
    let (mut value, mut unit) = (size as f64, 0);
    while value >= base && unit < units.len() - 1 {
        value /= base;
        unit += 1;
    }
    format!("{}{space}{}", general(value, digits), units[unit])
}

/// Prints a number as C's and Go's `%.{digits}g`: significant digits, no trailing zeros.
pub(crate) fn general(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return match value {
            v if v.is_nan() => "NaN".to_owned(),
            v if v.is_infinite() => if v > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
            _ => "0".to_owned(),
        };
    }
    let digits = digits.clamp(1, 64);
    // Rust rounds the mantissa; its exponent then tells which form %g takes.
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= i32::try_from(digits).unwrap_or(i32::MAX) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let decimals = i32::try_from(digits).unwrap_or(64) - 1 - exponent;
    trim(&format!("{value:.*}", usize::try_from(decimals).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_go_units_reads_them() {
        for (text, want) in [
            ("32", 32),
            ("32b", 32),
            ("32B", 32),
            ("32k", 32 << 10),
            ("32K", 32 << 10),
            ("32kb", 32 << 10),
            ("32Kib", 32 << 10),
            ("32 mb", 32 << 20),
            ("1g", 1 << 30),
            ("1.5GiB", 3 << 29),
            ("0.5k", 512),
            (".5k", 512),
            ("32.3", 32),
            ("9007199254740993", 9_007_199_254_740_993),
            ("2p", 2 << 50),
        ] {
            assert_eq!(parse_ram(text).unwrap(), want, "{text}");
        }
        for (text, want) in [
            ("", "invalid size: ''"),
            ("hello", "invalid size: 'hello'"),
            ("-32", "invalid size: '-32'"),
            ("1.2.3", "invalid size: '1.2.3'"),
            (" 32 ", "invalid size: ' 32 '"),
            (".", "invalid size: '.'"),
            ("32bb", "invalid suffix: 'bb'"),
            ("32ib", "invalid suffix: 'ib'"),
            ("32kx", "invalid suffix: 'kx'"),
            ("32ki", "invalid suffix: 'ki'"),
            ("32x", "invalid suffix: 'x'"),
            ("9999999p", "size out of range: '9999999p'"),
        ] {
            assert_eq!(parse_ram(text).unwrap_err().to_string(), want, "{text}");
        }
    }

    #[test]
    fn sizes_are_printed_as_go_units_prints_them() {
        for (size, want) in
            [(0, "0B"), (999, "999B"), (1000, "1kB"), (1024, "1.024kB"), (1_234_567, "1.235MB"), (u64::MAX, "18.45EB")]
        {
            assert_eq!(human(size), want);
        }
        for (size, want) in [(0, "0 B"), (11_264, "11.3 kB"), (999_900, "1e+03 kB"), (4_500_000, "4.5 MB")] {
            assert_eq!(human_spaced(size), want);
        }
        for (size, want) in [(0, "0B"), (1024, "1KiB"), (1 << 20, "1MiB"), (1_677_721_600, "1.562GiB")] {
            assert_eq!(binary(size), want);
        }
    }

    #[test]
    fn numbers_are_printed_as_percent_g() {
        for (value, digits, want) in [
            (0.000_012_34, 3, "1.23e-05"),
            (0.000_123_4, 3, "0.000123"),
            (1234.5, 4, "1234"),
            (12345.0, 4, "1.234e+04"),
            (-0.5, 4, "-0.5"),
            (100.0, 3, "100"),
        ] {
            assert_eq!(general(value, digits), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            drop(parse_ram(&text));
        }

        #[test]
        fn whole_numbers_are_exact(n in 0..i64::MAX.cast_unsigned()) {
            proptest::prop_assert_eq!(parse_ram(&n.to_string()), Ok(n));
        }
    }
}
