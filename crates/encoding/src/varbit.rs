//! Integers in a variable number of bits, as histogram chunks store them. Source: upstream `tsdb/chunkenc/varbit.go`.
//!
//! A run of ones, closed by a zero, names the width: `0` is zero itself, then 3, 6, 9, 12, 18, 25, 56 bits follow; eight ones: 64 bits.
//! A signed number of n bits lies in `-(2^(n-1)-1) ..= 2^(n-1)`: the one pattern that two's complement would read as the least
//! number stands for the greatest.

use crate::bits::{BitReader, BitWriter};
use crate::cursor::DecodeError;

const WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

/// Whether `value` fits `bits` bits in the shifted signed range.
#[inline]
pub fn fits_signed(value: i64, bits: u32) -> bool {
    -((1i64 << (bits - 1)) - 1) <= value && value <= 1i64 << (bits - 1)
}

/// Widens `bits` bits, read as unsigned, from the shifted signed range. `width` is below 64.
#[inline]
pub fn widen_signed(bits: u64, width: u32) -> i64 {
    if bits > 1 << (width - 1) { bits.wrapping_sub(1 << width) as i64 } else { bits as i64 }
}

impl BitWriter<'_> {
    pub fn varbit_int(&mut self, value: i64) {
        let class = if value == 0 {
            0
        } else {
            (1..8).find(|class| fits_signed(value, WIDTHS[*class])).unwrap_or(8)
        };
        self.varbit(value as u64, class);
    }

    pub fn varbit_uint(&mut self, value: u64) {
        let needed = 64 - value.leading_zeros();
        let class = (0..8).find(|class| needed <= WIDTHS[*class]).unwrap_or(8);
        self.varbit(value, class);
    }

    fn varbit(&mut self, value: u64, class: usize) {
        match class {
            0 => self.bits(0, 1),
            8 => {
                self.bits(0xff, 8);
                self.bits(value, 64);
            }
            class => {
                self.bits((2 << class) - 2, class as u32 + 1);
                self.bits(value, WIDTHS[class]);
            }
        }
    }
}

impl BitReader<'_> {
    #[inline]
    pub fn varbit_int(&mut self) -> Result<i64, DecodeError> {
        let (bits, width) = self.varbit()?;
        Ok(if width == 0 || width == 64 { bits as i64 } else { widen_signed(bits, width) })
    }

    #[inline]
    pub fn varbit_uint(&mut self) -> Result<u64, DecodeError> {
        self.varbit().map(|(bits, _)| bits)
    }

    #[inline]
    fn varbit(&mut self) -> Result<(u64, u32), DecodeError> {
        let word = self.peek();
        let ones = word.leading_ones().min(8);
        let width = WIDTHS[ones as usize];
        let prefix = if ones == 8 { 8 } else { ones + 1 };
        if ones < 7 {
            self.advance((prefix + width) as usize)?;
            return Ok((if width == 0 { 0 } else { word << prefix >> (64 - width) }, width));
        }
        let start = self.clone();
        self.advance(prefix as usize)?;
        let bits = self.bits(width).inspect_err(|_| *self = start)?;
        Ok((bits, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn widths_of(value: i64) -> usize {
        let mut out = Vec::new();
        let mut writer = BitWriter::resume(&mut out, 0);
        writer.varbit_int(value);
        let free = writer.free_bits() as usize;
        out.len() * 8 - free
    }

    #[test]
    fn classes_end_where_upstream_ends_them() {
        let cases = [(0, 1), (4, 5), (-3, 5), (5, 9), (-4, 9), (32, 9), (256, 13), (2048, 17)];
        for (value, bits) in cases {
            assert_eq!(widths_of(value), bits, "{value}");
        }
        assert_eq!(widths_of(131_072), 24);
        assert_eq!(widths_of(16_777_216), 32);
        assert_eq!(widths_of(1 << 55), 64);
        assert_eq!(widths_of((1 << 55) + 1), 72);
        assert_eq!(widths_of(i64::MIN), 72);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec((any::<i64>(), 0u32..64), 0..60)) {
            let mut out = Vec::new();
            let mut writer = BitWriter::resume(&mut out, 0);
            for (number, shift) in &numbers {
                writer.varbit_int(number >> shift);
                writer.varbit_uint(*number as u64 >> shift);
            }
            let mut reader = BitReader::new(&out);
            for (number, shift) in numbers {
                prop_assert_eq!(reader.varbit_int(), Ok(number >> shift));
                prop_assert_eq!(reader.varbit_uint(), Ok(number as u64 >> shift));
            }
            prop_assert!(reader.bits(64).is_err());
        }
    }
}
