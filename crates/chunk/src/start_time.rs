//! Start timestamps beside samples: XOR2 and the histogram encodings with start time. Source: upstream `tsdb/chunkenc/st.go`.
//!
//! Header byte: bit 7 says that the first sample has one; bits 0-6 name the sample at which it first changes (0: never). The
//! first is stored as `t - start`; from the change on every sample stores `previous t - start`, later ones as difference of that.

use gauntlet_encoding::{BitReader, BitWriter};
use gauntlet_model::Timestamp;

use crate::fault::Fault;

/// Where the header byte is in all three encodings.
pub(crate) const HEADER_AT: usize = 2;
/// Highest index that fits the header; at it the column begins, changed or not.
pub(crate) const LAST_CHANGE: usize = 0x7f;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StartEncoder {
    start: Timestamp,
    distance: i64,
    change_at: u8,
}

impl StartEncoder {
    /// Writes what sample `index` needs; returns bits to set in the header byte.
    pub(crate) fn put(
        &mut self,
        writer: &mut BitWriter<'_>,
        index: usize,
        t: Timestamp,
        previous_t: Timestamp,
        start: Timestamp,
    ) -> u8 {
        let distance = previous_t.wrapping_sub(start);
        let mut header = 0;
        if index == 0 {
            if start != 0 {
                writer.varint(t.wrapping_sub(start));
                header = 0x80;
            }
        } else if self.change_at > 0 {
            writer.varbit_int(distance.wrapping_sub(self.distance));
            self.distance = distance;
        } else if start != self.start || index == LAST_CHANGE {
            writer.varbit_int(distance);
            self.distance = distance;
            self.change_at = index as u8;
            header = self.change_at;
        }
        self.start = start;
        header
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StartDecoder {
    pub(crate) start: Timestamp,
    distance: i64,
    change_at: u8,
    first_known: bool,
}

impl StartDecoder {
    pub(crate) fn new(header: u8) -> Self {
        Self { change_at: header & 0x7f, first_known: header & 0x80 != 0, ..Self::default() }
    }

    #[inline]
    pub(crate) fn read(
        &mut self,
        reader: &mut BitReader<'_>,
        index: usize,
        t: Timestamp,
        previous_t: Timestamp,
    ) -> Result<(), Fault> {
        if index == 0 {
            if self.first_known {
                self.start = t.wrapping_sub(reader.varint()?);
            }
        } else if self.change_at > 0 && index >= usize::from(self.change_at) {
            let step = reader.varbit_int()?;
            let first = index == usize::from(self.change_at);
            self.distance = if first { step } else { self.distance.wrapping_add(step) };
            self.start = previous_t.wrapping_sub(self.distance);
        }
        Ok(())
    }

    /// The encoder that would have written what was read.
    pub(crate) fn encoder(&self) -> StartEncoder {
        StartEncoder { start: self.start, distance: self.distance, change_at: self.change_at }
    }
}
