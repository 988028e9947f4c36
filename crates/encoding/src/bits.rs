//! Bit streams, most significant bit first, as upstream's chunks have them.
//!
//! A reader is a slice and a bit position; each read is one unaligned load. Decoders that prove their bounds once
//! use [`peek64`] directly, which gives zero bits beyond the end.

use crate::cursor::DecodeError;
use crate::put::unzigzag;

/// The 64 bits from bit `bit` on; bits beyond the end of `data` are zero.
#[inline(always)]
pub fn peek64(data: &[u8], bit: usize) -> u64 {
    let (byte, shift) = (bit >> 3, (bit & 7) as u32);
    match data.get(byte..).and_then(|rest| rest.first_chunk::<9>()) {
        Some([a, b, c, d, e, f, g, h, i]) => {
            let word = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            word << shift | u64::from(*i) >> (8 - shift)
        }
        None => peek64_at_end(data, byte, shift),
    }
}

#[cold]
#[inline(never)]
fn peek64_at_end(data: &[u8], byte: usize, shift: u32) -> u64 {
    let mut word = [0u8; 9];
    let rest = data.get(byte..).unwrap_or(&[]);
    for (to, from) in word.iter_mut().zip(rest) {
        *to = *from;
    }
    peek64(&word, shift as usize)
}

/// Reads bits from a slice. A failed read leaves the position where it was.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    data: &'a [u8],
    bit: usize,
}

impl<'a> BitReader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, bit: 0 }
    }

    /// Starts at a bit position.
    pub fn at(data: &'a [u8], bit: usize) -> Self {
        Self { data, bit }
    }

    /// Bits read so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.bit
    }

    /// The next 64 bits without reading them, zero beyond the end.
    #[inline]
    pub fn peek(&self) -> u64 {
        peek64(self.data, self.bit)
    }

    /// Moves on by `count` bits.
    #[inline]
    pub fn advance(&mut self, count: usize) -> Result<(), DecodeError> {
        let end = self.data.len() * 8;
        if self.bit + count > end {
            let needed = (self.bit + count - end).div_ceil(8);
            return Err(DecodeError::CutShort { offset: self.data.len(), needed });
        }
        self.bit += count;
        Ok(())
    }

    /// Reads `count` bits, at most 64, as the low bits of a number.
    #[inline]
    pub fn bits(&mut self, count: u32) -> Result<u64, DecodeError> {
        debug_assert!(count <= 64);
        let word = self.peek();
        self.advance(count as usize)?;
        Ok(if count == 0 { 0 } else { word >> (64 - count) })
    }

    #[inline]
    pub fn bit(&mut self) -> Result<bool, DecodeError> {
        let word = self.peek();
        self.advance(1)?;
        Ok(word >> 63 == 1)
    }

    /// A uvarint whose bytes need not be aligned.
    pub fn uvarint(&mut self) -> Result<u64, DecodeError> {
        let start = self.bit;
        let mut value = 0u64;
        for i in 0..10 {
            let byte = self.bits(8).inspect_err(|_| self.bit = start)?;
            if i == 9 && byte > 1 {
                break;
            }
            value |= (byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        self.bit = start;
        Err(DecodeError::VarintTooLong { offset: start >> 3 })
    }

    /// A zigzag varint whose bytes need not be aligned.
    pub fn varint(&mut self) -> Result<i64, DecodeError> {
        self.uvarint().map(unzigzag)
    }
}

/// Appends bits to a byte buffer. `free_bits` of the last byte are unused (0..=7) and zero.
#[derive(Debug)]
pub struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    free_bits: u8,
}

impl<'a> BitWriter<'a> {
    /// Goes on where an earlier writer stopped; `free_bits` is what that writer's [`BitWriter::free_bits`] said.
    pub fn resume(out: &'a mut Vec<u8>, free_bits: u8) -> Self {
        debug_assert!(free_bits < 8 && (free_bits == 0 || !out.is_empty()));
        Self { out, free_bits }
    }

    /// Unused bits of the last byte, 0..=7.
    pub fn free_bits(&self) -> u8 {
        self.free_bits
    }

    #[inline]
    pub fn bit(&mut self, bit: bool) {
        self.bits(u64::from(bit), 1);
    }

    /// Appends the low `count` bits of `value`, at most 64; higher bits are ignored.
    #[inline]
    pub fn bits(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 64);
        let mut left = count;
        if self.free_bits > 0 && left > 0 {
            let free = u32::from(self.free_bits);
            let taken = free.min(left);
            let part = (value >> (left - taken)) & ((1 << taken) - 1);
            if let Some(last) = self.out.last_mut() {
                *last |= (part as u8) << (free - taken);
            }
            self.free_bits -= taken as u8;
            left -= taken;
        }
        if left == 0 {
            return;
        }
        let bytes = left.div_ceil(8) as usize;
        self.out.extend_from_slice(&(value << (64 - left)).to_be_bytes()[..bytes]);
        self.free_bits = (bytes as u32 * 8 - left) as u8;
    }

    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.bits(u64::from(byte), 8);
    }

    /// A uvarint, its bytes not aligned.
    pub fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// A zigzag varint, its bytes not aligned.
    pub fn varint(&mut self, value: i64) {
        self.uvarint(crate::put::zigzag(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bits_go_most_significant_first() {
        let mut out = Vec::new();
        let mut writer = BitWriter::resume(&mut out, 0);
        writer.bit(true);
        writer.bits(0b01, 2);
        writer.byte(0xff);
        assert_eq!(writer.free_bits(), 5);
        assert_eq!(out, [0b1011_1111, 0b1110_0000]);
    }

    #[test]
    fn reading_past_the_end_errs_and_stays() {
        let mut reader = BitReader::new(&[0xff]);
        assert_eq!(reader.bits(7), Ok(0x7f));
        assert!(reader.bits(2).is_err());
        assert_eq!(reader.bit(), Ok(true));
        assert!(reader.bit().is_err());
        assert_eq!(reader.peek(), 0);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in prop::collection::vec((any::<u64>(), 0u32..=64), 0..40)) {
            let mut out = Vec::new();
            let mut free = 0;
            for (value, count) in &parts {
                let mut writer = BitWriter::resume(&mut out, free);
                writer.bits(*value, *count);
                writer.uvarint(*value);
                writer.varint(*value as i64);
                free = writer.free_bits();
            }
            let mut reader = BitReader::new(&out);
            for (value, count) in parts {
                let mask = if count == 64 { u64::MAX } else { (1 << count) - 1 };
                prop_assert_eq!(reader.bits(count), Ok(value & mask));
                prop_assert_eq!(reader.uvarint(), Ok(value));
                prop_assert_eq!(reader.varint(), Ok(value as i64));
            }
        }
    }
}
