//! The k8s-file format, podman's default: `TIME STREAM TAG TEXT`, one record a line.
//!
//! ```text
//! 2024-01-01T00:00:00.000000000+00:00 stdout F a whole line
//! 2024-01-01T00:00:00.000000000+00:00 stdout P the beginning of one that goes on in the next record of its stream
//! ```
//!
//! The newline of a line is the record's own. Any other byte stands for itself, so nothing needs an escape.

use super::time;
use super::{PIECE, Record, Stream, Tail};

/// Length of the text before a record's: time, zone, stream, tag and three spaces.
const PREFIX: usize = 29 + 6 + 1 + 6 + 1 + 1 + 1;

/// Room that [`encode`] may need for one piece of output.
pub(crate) const ROOM: usize = PREFIX + PIECE + 1;

/// Appends one record for `text` (no newline in it, at most [`PIECE`] bytes); `ends`: the line ends here.
pub(crate) fn encode(out: &mut Vec<u8>, stem: &[u8; 29], stream: Stream, text: &[u8], ends: bool) {
    out.extend_from_slice(stem);
    out.extend_from_slice(match (stream, ends) {
        (Stream::Stdout, true) => b"+00:00 stdout F ",
        (Stream::Stdout, false) => b"+00:00 stdout P ",
        (Stream::Stderr, true) => b"+00:00 stderr F ",
        (Stream::Stderr, false) => b"+00:00 stderr P ",
    });
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Reads one record, without its newline. `None`: torn, or not ours.
pub(crate) fn decode(line: &[u8]) -> Option<Record<'_>> {
    let mut fields = line.splitn(4, |b| *b == b' ');
    let (when, stream, tag) = (fields.next()?, fields.next()?, fields.next()?);
    let text = fields.next()?;
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    // Tags may grow by `:word`, says the format's specification.
    let ends = match tag.split(|b| *b == b':').next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    Some(Record { time: time::parse(when)?, stream, text: Tail::Plain(text), ends })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_podmans_format() {
        let mut out = Vec::new();
        encode(&mut out, &time::stem(0), Stream::Stdout, b"hello world", true);
        encode(&mut out, &time::stem(1), Stream::Stderr, b"", false);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "1970-01-01T00:00:00.000000000+00:00 stdout F hello world\n\
             1970-01-01T00:00:00.000000001+00:00 stderr P \n"
        );
    }

    #[test]
    fn torn_records_are_none() {
        let whole = b"1970-01-01T00:00:00.000000000+00:00 stdout F x";
        assert!(decode(whole).is_some());
        for length in 0..whole.len() - 1 {
            assert!(decode(&whole[..length]).is_none(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(text in proptest::collection::vec(any::<u8>().prop_filter("newline", |b| *b != b'\n'), 0..200),
                      nanos in 0_i64..i64::MAX, stderr: bool, ends: bool) {
            let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
            let mut out = Vec::new();
            encode(&mut out, &time::stem(nanos), stream, &text, ends);
            prop_assert_eq!(out.pop(), Some(b'\n'));
            prop_assert!(!out.contains(&b'\n'));
            let record = decode(&out).unwrap();
            prop_assert_eq!((record.time, record.stream, record.ends), (nanos, stream, ends));
            prop_assert_eq!(record.text, Tail::Plain(&text));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            drop(decode(&bytes));
        }
    }
}
