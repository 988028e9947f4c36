//! XOR2 chunks: floats with joint control bits for time and value, and optional start timestamps. Source: upstream chunk format,
//! encoding 4 (feature `xor2-encoding`). Page: docs/formats/chunk.md.
//! | count u16 be | start header u8 | t0 varint | v0 64 bits | dt1 uvarint | value | (control, value)* |, a start time behind each sample
//! control: 0 same distance and value | 10 same distance | 110 + 13 bits | 1110 + 20 bits | 11110 + 64 bits change of distance |
//! 11111 same distance, stale marker. A stale marker never becomes the value that later ones are compared with.

use gauntlet_encoding::{BitReader, BitWriter};
use gauntlet_model::{STALE_NAN, Timestamp, is_stale_nan};

use crate::columns::Columns;
use crate::fault::Fault;
use crate::start_time::{HEADER_AT, LAST_CHANGE, StartDecoder, StartEncoder};
use crate::window::XorWindow;
use crate::xor::XorState;
use crate::{ChunkError, Encoding};

/// Bytes in front of the first sample: count and start header.
pub const XOR2_HEADER_BYTES: usize = 3;
const HEADER_BYTES: usize = XOR2_HEADER_BYTES;

/// Start timestamps of a chunk that is being written; not needed while none was and [`Starts::are_needed`] says so. 24 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Starts {
    encoder: StartEncoder,
    header: u8,
}

impl Starts {
    /// Whether sample `index` of a chunk without start timestamps so far needs this to be written.
    #[inline]
    pub fn are_needed(index: u16, start: Timestamp) -> bool {
        start != 0 || usize::from(index) == LAST_CHANGE
    }

    /// The chunk's third byte; 0 without start timestamps.
    pub fn header(&self) -> u8 {
        self.header
    }
}

/// Writes a sample behind the bits of a chunk in `out`, the last byte of which has `free_bits` unused; returns how many are unused
/// then. `state` is as for encoding 1, but its value is the last that was no stale marker and its `len_bits` stays as it is. What is
/// in front, count and start header, is the caller's. Order of time, too, and that there are not more than 65535 samples.
pub fn append_step(
    state: &mut XorState,
    out: &mut Vec<u8>,
    free_bits: u8,
    t: Timestamp,
    value: f64,
    starts: Option<(&mut Starts, Timestamp)>,
) -> u8 {
    let mut writer = BitWriter::resume(out, free_bits);
    let mut window = XorWindow { leading: state.leading, trailing: state.trailing };
    let delta = if state.count == 0 { 0 } else { t.wrapping_sub(state.t) };
    match state.count {
        0 => {
            writer.varint(t);
            writer.bits(value.to_bits(), 64);
        }
        1 => {
            writer.uvarint(delta as u64);
            put_value(&mut writer, &mut window, state.value(), value);
        }
        _ => {
            let change = delta.wrapping_sub(state.delta);
            put_joint(&mut writer, &mut window, change, state.value(), value);
        }
    }
    if let Some((starts, start)) = starts {
        let index = usize::from(state.count);
        starts.header |= starts.encoder.put(&mut writer, index, t, state.t, start);
    }
    (state.leading, state.trailing) = (window.leading, window.trailing);
    (state.t, state.delta) = (t, delta);
    if !is_stale_nan(value) {
        state.value_bits = value.to_bits();
    }
    state.count += 1;
    writer.free_bits()
}

/// Encodes a chunk into memory of its own.
#[derive(Clone, Debug)]
pub struct Xor2Appender {
    out: Vec<u8>,
    free_bits: u8,
    state: XorState,
    starts: Starts,
}

impl Default for Xor2Appender {
    fn default() -> Self {
        Self::new()
    }
}

impl Xor2Appender {
    pub fn new() -> Self {
        Self {
            out: vec![0; HEADER_BYTES],
            free_bits: 0,
            state: XorState::default(),
            starts: Starts::default(),
        }
    }

    /// Goes on with a chunk that was encoded before. Decodes it once.
    pub fn resume(chunk: &[u8]) -> Result<Self, ChunkError> {
        let mut decoder = Decoder::new(chunk)?;
        while decoder.next()? {}
        if decoder.total == 0 {
            return Ok(Self::new());
        }
        let bits = decoder.reader.position();
        Ok(Self {
            out: chunk[..bits.div_ceil(8)].to_vec(),
            free_bits: (bits.next_multiple_of(8) - bits) as u8,
            state: XorState {
                t: decoder.t,
                delta: decoder.delta,
                value_bits: decoder.last.to_bits(),
                count: decoder.total as u16,
                leading: decoder.window.leading,
                trailing: decoder.window.trailing,
                ..XorState::default()
            },
            starts: Starts { encoder: decoder.start.encoder(), header: chunk[HEADER_AT] },
        })
    }

    /// Appends a sample; `start` is its start timestamp, 0 if unknown. Returns false where the chunk holds 65535 samples.
    pub fn append(&mut self, start: Timestamp, t: Timestamp, value: f64) -> bool {
        if self.state.count == u16::MAX {
            return false;
        }
        let starts = Some((&mut self.starts, start));
        self.free_bits =
            append_step(&mut self.state, &mut self.out, self.free_bits, t, value, starts);
        self.out[HEADER_AT] = self.starts.header;
        self.out[..2].copy_from_slice(&self.state.count.to_be_bytes());
        true
    }

    pub fn count(&self) -> usize {
        usize::from(self.state.count)
    }

    /// Time of the last sample.
    pub fn last_time(&self) -> Timestamp {
        self.state.t
    }

    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// Control bits and value of the third sample and later ones.
fn put_joint(
    writer: &mut BitWriter<'_>,
    window: &mut XorWindow,
    change: i64,
    last: f64,
    value: f64,
) {
    if change == 0 {
        let xor = value.to_bits() ^ last.to_bits();
        if is_stale_nan(value) {
            writer.bits(0b11111, 5);
        } else if xor == 0 {
            writer.bits(0, 1);
        } else if window.fit(xor) {
            writer.bits(0b100, 3);
            window.put_bits(writer, xor);
        } else {
            writer.bits(0b101, 3);
            window.put_new(writer, xor);
        }
        return;
    }
    let fits = |bits: u32| (-(1i64 << (bits - 1))..1 << (bits - 1)).contains(&change);
    if fits(13) {
        writer.bits(0b110, 3);
        writer.bits(change as u64, 13);
    } else if fits(20) {
        writer.bits(0b1110, 4);
        writer.bits(change as u64, 20);
    } else {
        writer.bits(0b11110, 5);
        writer.bits(change as u64, 64);
    }
    put_value(writer, window, last, value);
}

/// A value whose control bits stand alone: 0 same | 10 last window | 110 new window | 111 stale marker.
fn put_value(writer: &mut BitWriter<'_>, window: &mut XorWindow, last: f64, value: f64) {
    let xor = value.to_bits() ^ last.to_bits();
    if is_stale_nan(value) {
        writer.bits(0b111, 3);
    } else if xor == 0 {
        writer.bits(0, 1);
    } else if window.fit(xor) {
        writer.bits(0b10, 2);
        window.put_bits(writer, xor);
    } else {
        writer.bits(0b110, 3);
        window.put_new(writer, xor);
    }
}

/// Appends the samples with `min_t <= t <= max_t`. On error the caller restores `out`.
pub(crate) fn decode(
    chunk: &[u8],
    min_t: Timestamp,
    max_t: Timestamp,
    out: &mut Columns,
) -> Result<(), ChunkError> {
    let mut decoder = Decoder::new(chunk)?;
    while decoder.next()? {
        if decoder.t > max_t {
            break;
        }
        if decoder.t >= min_t {
            out.push_float(decoder.t, decoder.value);
            out.set_last_start(decoder.start.start);
        }
    }
    Ok(())
}

struct Decoder<'a> {
    reader: BitReader<'a>,
    len: usize,
    total: usize,
    read: usize,
    t: Timestamp,
    delta: i64,
    value: f64,
    /// Last value that was no stale marker.
    last: f64,
    window: XorWindow,
    start: StartDecoder,
}

impl<'a> Decoder<'a> {
    fn new(chunk: &'a [u8]) -> Result<Self, ChunkError> {
        let Some([high, low, start]) = chunk.first_chunk::<HEADER_BYTES>() else {
            return Err(Fault::Cut.at(Encoding::Xor2, 0, chunk.len()));
        };
        Ok(Self {
            reader: BitReader::at(chunk, HEADER_BYTES * 8),
            len: chunk.len(),
            total: usize::from(u16::from_be_bytes([*high, *low])),
            read: 0,
            t: 0,
            delta: 0,
            value: 0.0,
            last: 0.0,
            window: XorWindow::default(),
            start: StartDecoder::new(*start),
        })
    }

    fn next(&mut self) -> Result<bool, ChunkError> {
        if self.read == self.total {
            return Ok(false);
        }
        self.step().map_err(|fault| fault.at(Encoding::Xor2, self.read, self.len))?;
        self.read += 1;
        Ok(true)
    }

    fn step(&mut self) -> Result<(), Fault> {
        let previous_t = self.t;
        match self.read {
            0 => {
                self.t = self.reader.varint()?;
                let value = f64::from_bits(self.reader.bits(64)?);
                self.set(value);
            }
            1 => {
                self.delta = self.reader.uvarint()? as i64;
                self.t = self.t.wrapping_add(self.delta);
                self.read_value()?;
            }
            _ => self.read_joint()?,
        }
        self.start.read(&mut self.reader, self.read, self.t, previous_t)
    }

    fn set(&mut self, value: f64) {
        self.value = value;
        if !is_stale_nan(value) {
            self.last = value;
        }
    }

    fn read_joint(&mut self) -> Result<(), Fault> {
        let ones = self.reader.peek().leading_ones().min(5);
        self.reader.advance(ones.min(4) as usize + 1)?;
        let width = match ones {
            0 | 1 | 5 => 0,
            2 => 13,
            3 => 20,
            _ => 64,
        };
        if width > 0 {
            let change = self.reader.bits(width)? << (64 - width);
            self.delta = self.delta.wrapping_add(change as i64 >> (64 - width));
        }
        self.t = self.t.wrapping_add(self.delta);
        match ones {
            0 => self.value = self.last,
            5 => self.value = STALE_NAN,
            1 => {
                let new = self.reader.bit()?;
                self.read_bits(new)?;
            }
            _ => self.read_value()?,
        }
        Ok(())
    }

    fn read_value(&mut self) -> Result<(), Fault> {
        let ones = self.reader.peek().leading_ones().min(3);
        self.reader.advance(ones.min(2) as usize + 1)?;
        match ones {
            0 => self.value = self.last,
            3 => self.value = STALE_NAN,
            ones => self.read_bits(ones == 2)?,
        }
        Ok(())
    }

    fn read_bits(&mut self, new: bool) -> Result<(), Fault> {
        let xor = match new {
            true => self.window.new_bits(&mut self.reader)?,
            false => self.window.bits(&mut self.reader)?,
        };
        // Upstream takes over even a value that happens to be the stale marker.
        self.value = f64::from_bits(self.last.to_bits() ^ xor);
        self.last = self.value;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            steps in prop::collection::vec(
                (
                    prop_oneof![4 => Just(15_000i64), 2 => 10_000i64..20_000, 1 => any::<i64>()],
                    prop_oneof![4 => Just(1.0), 2 => any::<u64>().prop_map(f64::from_bits), 1 => Just(STALE_NAN)],
                    prop_oneof![6 => Just(5000i64), 1 => any::<i64>(), 1 => Just(0)],
                ),
                0..200,
            ),
            with_start: bool,
            resume_at in 0usize..200,
        ) {
            let mut appender = Xor2Appender::new();
            let mut expect = Columns::default();
            let mut t = 1_700_000_000_000i64;
            for (i, (delta, value, start)) in steps.iter().enumerate() {
                if i == resume_at {
                    appender = Xor2Appender::resume(appender.bytes()).unwrap();
                }
                t = t.wrapping_add(*delta);
                let start = if with_start { *start } else { 0 };
                prop_assert!(appender.append(start, t, *value));
                expect.push_float(t, *value);
                expect.set_last_start(start);
            }
            let mut out = Columns::default();
            decode(appender.bytes(), i64::MIN, i64::MAX, &mut out).unwrap();
            prop_assert_eq!(&out.timestamps, &expect.timestamps);
            prop_assert_eq!(&out.start_timestamps, &expect.start_timestamps);
            let bits = |c: &Columns| c.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&out), bits(&expect));
        }

        #[test]
        fn any_bytes_decode_or_err(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, 0, i64::MAX, &mut Columns::default());
        }
    }
}
