//! Reading numbers and strings from a byte slice, every step checked.

use crate::put::unzigzag;

/// Why bytes could not be read. Offsets count from the start of the slice the cursor was made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("data ends at offset {offset}, {needed} more bytes expected")]
    CutShort { offset: usize, needed: usize },
    #[error("varint at offset {offset} does not fit its type")]
    VarintTooLong { offset: usize },
    #[error("text at offset {offset} is not UTF-8")]
    NotUtf8 { offset: usize },
}

/// A position in a byte slice. A failed read leaves the position where it was.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    data: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, offset: 0 }
    }

    /// Bytes read so far.
    #[inline]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.data.len() - self.offset
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// What is left, without reading it.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.data[self.offset..]
    }

    #[inline]
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.rest();
        let Some(found) = rest.get(..len) else {
            return Err(DecodeError::CutShort {
                offset: self.data.len(),
                needed: len - rest.len(),
            });
        };
        self.offset += len;
        Ok(found)
    }

    pub fn skip(&mut self, len: usize) -> Result<(), DecodeError> {
        self.bytes(len).map(|_| ())
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((found, _)) = self.rest().split_first_chunk::<N>() else {
            let needed = N - self.remaining();
            return Err(DecodeError::CutShort { offset: self.data.len(), needed });
        };
        self.offset += N;
        Ok(*found)
    }

    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A float stored as its bits, big endian.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.u64().map(f64::from_bits)
    }

    #[inline]
    pub fn uvarint(&mut self) -> Result<u64, DecodeError> {
        let rest = self.rest();
        if let [byte, ..] = rest
            && *byte < 0x80
        {
            self.offset += 1;
            return Ok(u64::from(*byte));
        }
        let mut value = 0u64;
        for (i, byte) in rest.iter().enumerate() {
            if i == 9 && *byte > 1 || i > 9 {
                return Err(DecodeError::VarintTooLong { offset: self.offset });
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if *byte < 0x80 {
                self.offset += i + 1;
                return Ok(value);
            }
        }
        Err(DecodeError::CutShort { offset: self.data.len(), needed: 1 })
    }

    /// A uvarint that must fit 32 bits.
    #[inline]
    pub fn uvarint32(&mut self) -> Result<u32, DecodeError> {
        let offset = self.offset;
        u32::try_from(self.uvarint()?).map_err(|_| {
            self.offset = offset;
            DecodeError::VarintTooLong { offset }
        })
    }

    /// A uvarint that is a length or count; it must fit `usize`.
    #[inline]
    pub fn uvarint_len(&mut self) -> Result<usize, DecodeError> {
        let offset = self.offset;
        usize::try_from(self.uvarint()?).map_err(|_| {
            self.offset = offset;
            DecodeError::VarintTooLong { offset }
        })
    }

    /// A zigzag varint.
    #[inline]
    pub fn varint(&mut self) -> Result<i64, DecodeError> {
        self.uvarint().map(unzigzag)
    }

    /// Bytes after their length as uvarint.
    #[inline]
    pub fn len_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.offset;
        let len = self.uvarint_len()?;
        self.bytes(len).inspect_err(|_| self.offset = start)
    }

    /// UTF-8 text after its length as uvarint.
    #[inline]
    pub fn len_str(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.offset;
        let bytes = self.len_bytes()?;
        std::str::from_utf8(bytes).map_err(|_| {
            self.offset = start;
            DecodeError::NotUtf8 { offset: start }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::put::*;
    use proptest::prelude::*;

    #[test]
    fn a_failed_read_moves_nothing() {
        let mut cursor = Cursor::new(&[5, b'a', b'b']);
        assert_eq!(cursor.len_str(), Err(DecodeError::CutShort { offset: 3, needed: 3 }));
        assert_eq!(cursor.offset(), 0);
        assert_eq!(cursor.u32(), Err(DecodeError::CutShort { offset: 3, needed: 1 }));
        assert_eq!(cursor.u8(), Ok(5));
    }

    #[test]
    fn a_varint_over_64_bits_is_refused() {
        let long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Cursor::new(&long).uvarint(), Err(DecodeError::VarintTooLong { offset: 0 }));
        assert!(Cursor::new(&[0x80; 30]).uvarint().is_err());
        assert!(Cursor::new(&[0x80; 3]).uvarint().is_err());
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(unsigned: u64, signed: i64, float: u64, text in ".*") {
            let mut out = Vec::new();
            put_uvarint(&mut out, unsigned);
            put_varint(&mut out, signed);
            put_f64(&mut out, f64::from_bits(float));
            put_len_bytes(&mut out, text.as_bytes());
            put_u16(&mut out, unsigned as u16);
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(cursor.uvarint(), Ok(unsigned));
            prop_assert_eq!(cursor.varint(), Ok(signed));
            prop_assert_eq!(cursor.f64().map(f64::to_bits), Ok(float));
            prop_assert_eq!(cursor.len_str(), Ok(text.as_str()));
            prop_assert_eq!(cursor.u16(), Ok(unsigned as u16));
            prop_assert!(cursor.is_empty());
        }
    }
}
