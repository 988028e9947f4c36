//! The dialect of msgpack that memberlist speaks: structs as maps keyed by field name, text and bytes both in the old raw family.
//!
//! Reading takes more than is ever written (the newer text and bytes families, either family of integers, unknown keys) and
//! is bounded: fields a struct, depth and items of a value that is skipped. Page: docs/formats/gossip.md.

/// Most fields of a struct on the wire; the largest real one has seven.
const MAX_FIELDS: usize = 64;
/// Deepest nesting of a value that is skipped.
const MAX_DEPTH: u32 = 8;
/// Most items inside one value that is skipped.
const MAX_SKIPPED: u32 = 1024;

/// Why bytes are no msgpack of this dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsgpackError {
    /// More bytes would be needed: at least up to this length of the whole.
    #[error("message cut short: {needed} bytes needed")]
    Cut { needed: usize },
    #[error("bad msgpack at offset {offset}: {reason}")]
    Bad { offset: usize, reason: &'static str },
}

/// A position in msgpack bytes.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

type Result<T> = std::result::Result<T, MsgpackError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Reads a struct: `field` gets each key and reads the value, or says that it knows no such key.
    pub(crate) fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let start = self.at;
        let count = match self.byte()? {
            0xc0 => 0,
            tag @ 0x80..=0x8f => usize::from(tag & 0x0f),
            0xde => self.number(2)? as usize,
            0xdf => self.number(4)? as usize,
            _ => return Err(bad(start, "a map is expected")),
        };
        if count > MAX_FIELDS {
            return Err(bad(start, "too many fields"));
        }
        for _ in 0..count {
            let key = self.bytes()?.unwrap_or_default();
            if !field(self, key)? {
                let mut left = MAX_SKIPPED;
                self.skip(MAX_DEPTH, &mut left)?;
            }
        }
        Ok(())
    }

    /// Text or bytes; `None` for nil.
    pub(crate) fn bytes(&mut self) -> Result<Option<&'a [u8]>> {
        let start = self.at;
        let len = match self.byte()? {
            0xc0 => return Ok(None),
            tag @ 0xa0..=0xbf => usize::from(tag & 0x1f),
            0xc4 | 0xd9 => self.number(1)? as usize,
            0xc5 | 0xda => self.number(2)? as usize,
            0xc6 | 0xdb => self.number(4)? as usize,
            _ => return Err(bad(start, "text or bytes are expected")),
        };
        self.take(len).map(Some)
    }

    /// Text that must be UTF-8; nil is empty.
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let start = self.at;
        let bytes = self.bytes()?.unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| bad(start, "text is not UTF-8"))
    }

    /// A number from 0 to `max`, of either integer family; nil is 0.
    pub(crate) fn unsigned(&mut self, max: u64) -> Result<u64> {
        let start = self.at;
        let value = match self.byte()? {
            0xc0 => 0,
            tag @ 0..=0x7f => u64::from(tag),
            0xcc => self.number(1)?,
            0xcd => self.number(2)?,
            0xce => self.number(4)?,
            0xcf => self.number(8)?,
            tag @ 0xd0..=0xd3 => {
                let width = 1usize << (tag - 0xd0);
                let raw = self.number(width)?;
                if raw >> (8 * width - 1) != 0 {
                    return Err(bad(start, "a number below zero"));
                }
                raw
            }
            0xe0..=0xff => return Err(bad(start, "a number below zero")),
            _ => return Err(bad(start, "a number is expected")),
        };
        if value > max {
            return Err(bad(start, "a number out of range"));
        }
        Ok(value)
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        let start = self.at;
        match self.byte()? {
            0xc0 | 0xc2 | 0 => Ok(false),
            0xc3 | 1 => Ok(true),
            _ => Err(bad(start, "true or false is expected")),
        }
    }

    fn skip(&mut self, depth: u32, left: &mut u32) -> Result<()> {
        let start = self.at;
        if depth == 0 || *left == 0 {
            return Err(bad(start, "an unknown field is too large"));
        }
        *left -= 1;
        let items = match self.byte()? {
            0xc0 | 0xc2 | 0xc3 | 0..=0x7f | 0xe0..=0xff => 0,
            0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb => {
                self.at = start;
                self.bytes()?;
                0
            }
            tag @ 0x90..=0x9f => u64::from(tag & 0x0f),
            tag @ 0x80..=0x8f => 2 * u64::from(tag & 0x0f),
            0xdc => self.number(2)?,
            0xdd => self.number(4)?,
            0xde => 2 * self.number(2)?,
            0xdf => 2 * self.number(4)?,
            0xca | 0xce | 0xd2 => self.take(4).map(|_| 0)?,
            0xcb | 0xcf | 0xd3 => self.take(8).map(|_| 0)?,
            0xcc | 0xd0 => self.take(1).map(|_| 0)?,
            0xcd | 0xd1 => self.take(2).map(|_| 0)?,
            // Extensions: a type byte, then 1, 2, 4, 8 or 16 bytes, or a length.
            tag @ 0xd4..=0xd8 => self.take(1 + (1usize << (tag - 0xd4))).map(|_| 0)?,
            tag @ 0xc7..=0xc9 => {
                let len = self.number(1usize << (tag - 0xc7))? as usize;
                self.take(len.saturating_add(1)).map(|_| 0)?
            }
            0xc1 => return Err(bad(start, "an unused tag")),
        };
        for _ in 0..items {
            self.skip(depth - 1, left)?;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A big endian number of `width` bytes, at most 8.
    fn number(&mut self, width: usize) -> Result<u64> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at.saturating_add(len);
        let found = self.data.get(self.at..end).ok_or(MsgpackError::Cut { needed: end })?;
        self.at = end;
        Ok(found)
    }
}

fn bad(offset: usize, reason: &'static str) -> MsgpackError {
    MsgpackError::Bad { offset, reason }
}

/// Starts a struct of `fields` fields, at most 15.
pub(crate) fn put_map(out: &mut Vec<u8>, fields: u8) {
    debug_assert!(fields < 16, "BUG: {fields} fields");
    out.push(0x80 | fields);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        len @ 0..=31 => out.push(0xa0 | len as u8),
        len @ 32..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0xdb);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

pub(crate) fn put_nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

pub(crate) fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// A field that is unsigned in the peer.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, value as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend_from_slice(&(value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend_from_slice(&(value as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// A field that is signed in the peer, though never below zero: the signed family above 127.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0x7fff => {
            out.push(0xd1);
            out.extend_from_slice(&(value as u16).to_be_bytes());
        }
        0x8000..=0x7fff_ffff => {
            out.push(0xd2);
            out.extend_from_slice(&(value as u32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(bytes: &[u8]) -> Result<u64> {
        Reader::new(bytes).unsigned(u64::MAX)
    }

    #[test]
    fn numbers_take_the_family_of_their_field() {
        for (value, as_unsigned, as_signed) in [
            (127u64, vec![0x7f], vec![0x7f]),
            (200, vec![0xcc, 200], vec![0xd1, 0, 200]),
            (0x8000, vec![0xcd, 0x80, 0], vec![0xd2, 0, 0, 0x80, 0]),
            (0x7fff, vec![0xcd, 0x7f, 0xff], vec![0xd1, 0x7f, 0xff]),
            (0x1_0000, vec![0xce, 0, 1, 0, 0], vec![0xd2, 0, 1, 0, 0]),
        ] {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            put_unsigned(&mut one, value);
            put_signed(&mut two, value);
            assert_eq!((&one, &two), (&as_unsigned, &as_signed));
            assert_eq!((unsigned(&one), unsigned(&two)), (Ok(value), Ok(value)));
        }
        for value in [0x1_0000_0000, u64::from(u32::MAX), i64::MAX as u64] {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            put_unsigned(&mut one, value);
            put_signed(&mut two, value);
            assert_eq!((unsigned(&one), unsigned(&two)), (Ok(value), Ok(value)));
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert!(unsigned(&[0xd0, 0xff]).is_err());
        assert!(unsigned(&[0xe0]).is_err());
        assert!(Reader::new(&[0xcc, 200]).unsigned(199).is_err());
        assert_eq!(unsigned(&[0xcd, 1]), Err(MsgpackError::Cut { needed: 3 }));
        assert_eq!(
            Reader::new(&[0xdb, 0xff, 0xff, 0xff, 0xff]).bytes(),
            Err(MsgpackError::Cut { needed: 5 + 0xffff_ffff })
        );
    }

    #[test]
    fn both_families_of_bytes_and_nil_are_read() {
        for bytes in [&[0xa2, b'a', b'b'][..], &[0xd9, 2, b'a', b'b'], &[0xc4, 2, b'a', b'b']] {
            assert_eq!(Reader::new(bytes).text(), Ok("ab"));
        }
        assert_eq!(Reader::new(&[0xc0]).bytes(), Ok(None));
        assert_eq!(Reader::new(&[0xa0]).bytes(), Ok(Some(&[][..])));
    }

    #[test]
    fn unknown_fields_are_skipped_up_to_a_bound() {
        let mut deep = vec![0x81, 0xa1, b'x'];
        deep.extend([0x91; 20]);
        deep.push(0);
        assert!(Reader::new(&deep).fields(|_, _| Ok(false)).is_err());
        let mut wide = vec![0x81, 0xa1, b'x', 0xdc, 0xff, 0xff];
        wide.extend([0xc0; 0xffff]);
        assert!(Reader::new(&wide).fields(|_, _| Ok(false)).is_err());
        let known = [
            0x83, 0xa1, b'x', 0x92, 0xa1, b'q', 0x81, 0xc0, 0xc3, 0xa1, b'y', 0xcb, 0, 0, 0, 0, 0,
            0, 0, 0, 0xa1, b'n', 7,
        ];
        let mut found = 0;
        Reader::new(&known)
            .fields(|reader, key| {
                if key == b"n" {
                    found = reader.unsigned(10)?;
                }
                Ok(key == b"n")
            })
            .unwrap();
        assert_eq!(found, 7);
    }
}
