//! The json-file format, Docker's: one JSON object a line.
//!
//! ```text
//! {"log":"a whole line\n","stream":"stdout","time":"2024-01-01T00:00:00.000000000Z"}
//! {"log":"the beginning of one","stream":"stdout","time":"2024-01-01T00:00:00.000000000Z"}
//! ```
//!
//! JSON is UTF-8: what is not becomes U+FFFD, as with Docker. A character that two reads tore apart is put together
//! again first: see [`incomplete`].

use super::{PIECE, Record, Stream, Tail, time};

/// Room that [`encode`] may need for one piece of output: six bytes for each of its own, and the frame.
pub(crate) const ROOM: usize = PIECE * 6 + 128;

/// Appends one record for `text` (no newline in it, at most [`PIECE`] bytes); `ends`: the line ends here.
pub(crate) fn encode(out: &mut Vec<u8>, stem: &[u8; 29], stream: Stream, text: &[u8], ends: bool) {
    out.extend_from_slice(b"{\"log\":\"");
    for chunk in text.utf8_chunks() {
        escape(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    if ends {
        out.extend_from_slice(b"\\n");
    }
    out.extend_from_slice(match stream {
        Stream::Stdout => b"\",\"stream\":\"stdout\",\"time\":\"",
        Stream::Stderr => b"\",\"stream\":\"stderr\",\"time\":\"",
    });
    out.extend_from_slice(stem);
    out.extend_from_slice(b"Z\"}\n");
}

/// Appends `text` as the inside of a JSON string.
fn escape(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f) {
            continue;
        }
        out.extend_from_slice(&bytes[done..at]);
        done = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.extend_from_slice(&bytes[done..]);
}

/// How many bytes at the end of `text` begin a UTF-8 character that is not complete (at most 3).
pub(crate) fn incomplete(text: &[u8]) -> usize {
    for length in 1..=text.len().min(3) {
        let byte = text[text.len() - length];
        let needs = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        return if needs > length { length } else { 0 };
    }
    0
}

/// Reads one record, without its newline. `None`: torn, or not ours.
pub(crate) fn decode(line: &[u8]) -> Option<Record<'_>> {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        #[serde(borrow, default)]
        log: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        stream: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        time: std::borrow::Cow<'a, str>,
    }
    let parsed: Line<'_> = serde_json::from_slice(line).ok()?;
    let stream = match &*parsed.stream {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        _ => return None,
    };
    let mut text = parsed.log.into_owned().into_bytes();
    let ends = text.last() == Some(&b'\n');
    if ends {
        text.pop();
    }
    Some(Record { time: time::parse(parsed.time.as_bytes())?, stream, text: Tail::Owned(text), ends })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_dockers_format() {
        let mut out = Vec::new();
        encode(&mut out, &time::stem(0), Stream::Stdout, b"say \"hi\"\t\x1b\xff", true);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"log\":\"say \\\"hi\\\"\\t\\u001b\u{fffd}\\n\",\"stream\":\"stdout\",\
             \"time\":\"1970-01-01T00:00:00.000000000Z\"}\n"
        );
    }

    #[test]
    fn finds_torn_characters() {
        for (text, want) in [
            (&b""[..], 0),
            (b"a", 0),
            ("é".as_bytes(), 0),
            (b"a\xc3", 1),
            (b"\xe2\x82", 2),
            (b"\xf0\x9f\x98", 3),
            (b"\xf0\x9f\x98\x80", 0),
            (b"\x80\x80\x80\x80", 0),
            (b"\xff", 0),
        ] {
            assert_eq!(incomplete(text), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(text in "[^\n]{0,100}", nanos in 0_i64..i64::MAX, stderr: bool, ends: bool) {
            let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
            let mut out = Vec::new();
            encode(&mut out, &time::stem(nanos), stream, text.as_bytes(), ends);
            prop_assert_eq!(out.pop(), Some(b'\n'));
            prop_assert!(!out.contains(&b'\n'));
            let record = decode(&out).unwrap();
            prop_assert_eq!((record.time, record.stream, record.ends), (nanos, stream, ends));
            prop_assert_eq!(record.text.bytes(), text.as_bytes());
        }

        #[test]
        fn a_record_fits_its_room(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            encode(&mut out, &time::stem(0), Stream::Stdout, &bytes, true);
            prop_assert!(out.len() <= bytes.len() * 6 + 128);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            drop(decode(&bytes));
        }
    }
}
