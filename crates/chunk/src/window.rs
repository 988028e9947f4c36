//! The XOR of a float with its predecessor, bit by bit: sums and buckets of histogram chunks, where speed is not all.
//! `0` same | `10` significant bits in the last window | `11`, 5 bits leading zeros, 6 bits length (0 means 64), significant bits.

use gauntlet_encoding::{BitReader, BitWriter};

use crate::fault::Fault;
use crate::xor::NO_WINDOW;

/// Zero bits before and after the significant bits that were written last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct XorWindow {
    pub(crate) leading: u8,
    pub(crate) trailing: u8,
}

impl XorWindow {
    /// A writer's window before the first change: the first change brings its own.
    pub(crate) const NONE: Self = Self { leading: NO_WINDOW, trailing: 0 };

    /// Whether the significant bits of `xor` (not 0) lie in this window; if not, the window becomes theirs.
    pub(crate) fn fit(&mut self, xor: u64) -> bool {
        let leading = xor.leading_zeros().min(31) as u8;
        let trailing = xor.trailing_zeros() as u8;
        if leading >= self.leading && trailing >= self.trailing {
            return true;
        }
        *self = Self { leading, trailing };
        false
    }

    fn width(self) -> u32 {
        64 - u32::from(self.leading) - u32::from(self.trailing)
    }

    /// The significant bits alone.
    pub(crate) fn put_bits(self, writer: &mut BitWriter<'_>, xor: u64) {
        writer.bits(xor >> self.trailing, self.width());
    }

    /// Leading zeros, length, significant bits.
    pub(crate) fn put_new(self, writer: &mut BitWriter<'_>, xor: u64) {
        writer.bits(u64::from(self.leading), 5);
        writer.bits(u64::from(self.width() & 0x3f), 6);
        self.put_bits(writer, xor);
    }

    pub(crate) fn bits(self, reader: &mut BitReader<'_>) -> Result<u64, Fault> {
        Ok(reader.bits(self.width())? << self.trailing)
    }

    pub(crate) fn new_bits(&mut self, reader: &mut BitReader<'_>) -> Result<u64, Fault> {
        let leading = reader.bits(5)? as u8;
        let width = match reader.bits(6)? as u8 {
            0 => 64,
            width => width,
        };
        if leading + width > 64 {
            return Err(Fault::Bad("window wider than 64 bits"));
        }
        *self = Self { leading, trailing: 64 - leading - width };
        self.bits(reader)
    }

    /// Writes `value` after `last`, which becomes `value`.
    pub(crate) fn put(&mut self, writer: &mut BitWriter<'_>, last: &mut f64, value: f64) {
        let xor = value.to_bits() ^ last.to_bits();
        *last = value;
        if xor == 0 {
            writer.bits(0, 1);
        } else if self.fit(xor) {
            writer.bits(0b10, 2);
            self.put_bits(writer, xor);
        } else {
            writer.bits(0b11, 2);
            self.put_new(writer, xor);
        }
    }

    /// Reads the value after `last` into it.
    #[inline]
    pub(crate) fn read(&mut self, reader: &mut BitReader<'_>, last: &mut f64) -> Result<(), Fault> {
        if !reader.bit()? {
            return Ok(());
        }
        let xor = if reader.bit()? { self.new_bits(reader)? } else { self.bits(reader)? };
        *last = f64::from_bits(last.to_bits() ^ xor);
        Ok(())
    }
}
