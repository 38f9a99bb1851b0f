//! Value parsers that several commands share, for `#[arg(value_parser = value::duration)]`.

use std::time::Duration;

use crate::model::time;

/// Reads a Go duration: `1h30m`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, time::TimeError> {
    let nanos = time::parse_duration(text)?;
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| time::TimeError::negative(text))
}

/// Reads `key=value`, where a bare key has the empty value.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(format!("invalid format: {text:?}, must be KEY=VALUE"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Reads seconds of patience; a negative number is forever.
pub(crate) fn seconds(text: &str) -> Result<u32, String> {
    match text.parse::<i64>() {
        Ok(..0) => Ok(u32::MAX),
        Ok(seconds) => Ok(u32::try_from(seconds).unwrap_or(u32::MAX)),
        Err(_) => Err(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
    }
}
