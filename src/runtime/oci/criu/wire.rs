//! Protocol Buffers as criu speaks them: fields of numbers, texts and messages, one after the other.

use anyhow::{Result, bail};

/// A varint; else a length and so many bytes.
const NUMBER: u64 = 0;
const BYTES: u64 = 2;

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// A number, an enumeration's member, or a truth value.
    #[must_use]
    pub(crate) fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3 | NUMBER);
        self.varint(value);
        self
    }

    /// A truth value, where it is not the one that is meant without.
    #[must_use]
    pub(crate) fn flag(self, field: u32, value: bool) -> Self {
        if value { self.number(field, 1) } else { self }
    }

    #[must_use]
    pub(crate) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    #[must_use]
    pub(crate) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in its order.
pub(crate) fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            NUMBER => Value::Number(varint(&mut bytes)?),
            BYTES => {
                let length = usize::try_from(varint(&mut bytes)?)?;
                let Some((value, rest)) = bytes.split_at_checked(length) else { bail!("a field is cut off") };
                bytes = rest;
                Value::Bytes(value)
            }
            other => bail!("a field of unknown type {other}"),
        };
        found.push((key >> 3, value));
    }
    Ok(found)
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some((first, rest)) = bytes.split_first() else { bail!("a number is cut off") };
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift).unwrap_or_default();
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number is too long")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_written_as_protobuf_writes_it() {
        let inner = Message::default().text(1, "k").number(2, 300);
        let message = Message::default().number(1, 2).flag(3, true).flag(4, false).message(37, &inner);
        assert_eq!(message.as_bytes(), [0x08, 2, 0x18, 1, 0xaa, 0x02, 6, 0x0a, 1, b'k', 0x10, 0xac, 0x02]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(field in 1_u32..1000, number: u64, text in ".{0,40}") {
            let message = Message::default().number(field, number).text(field + 1, &text);
            let read = fields(message.as_bytes()).unwrap();
            let expected = vec![
                (u64::from(field), Value::Number(number)),
                (u64::from(field) + 1, Value::Bytes(text.as_bytes())),
            ];
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn nothing_that_comes_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(fields(&bytes));
        }
    }
}
