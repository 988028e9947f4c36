//! XOR chunks: floats as upstream stores them by default. Source: upstream chunk format, encoding 1. Page: docs/formats/chunk.md.
//! | count u16 be | t0 varint | v0 64 bits | dt1 uvarint | value | (delta of delta, value)* |
//!
//! Encoding is a step on a plain byte slice with a small copyable state, so that the head can keep states in columns and bytes
//! in slabs; [`XorAppender`] is the same over a vector of its own. Decoding is a batch into [`Columns`].
//! Budget: decode 1-5 ns a sample where branches are foreseen, 7 where not; encode 5-10 ns. Bench `xor`, 120 samples, two shared cores:
//! decode 0.9 constant, 4.0 counter, 5.0 counter with jitter, 5.1 two-decimal gauge, 3.6 random mantissas, 6.8 over a thousand different
//! chunks; encode 4.7, 9, 10, 9.3, 11. Tried: choosing the window of a value without a branch; the longer chain of dependent steps
//! costs as much as the mispredictions it saves.

use gauntlet_encoding::put::zigzag;
use gauntlet_encoding::varbit::{fits_signed, widen_signed};
use gauntlet_encoding::{BitReader, DecodeError};
use gauntlet_model::Timestamp;
use gauntlet_sys::simd::{Kernel, vectorised};

use crate::columns::Columns;
use crate::{ChunkError, Encoding};

/// Bytes that must be free behind [`XorState::len_bytes`] for one [`XorState::append`]; they may be overwritten with zeros.
pub const XOR_STEP_BYTES: usize = 32;
/// Bytes of the sample count in front.
pub const XOR_HEADER_BYTES: usize = 2;
/// No window of significant bits yet.
pub(crate) const NO_WINDOW: u8 = 0xff;

/// Where the encoding of a chunk stands. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XorState {
    /// Time of the last sample.
    pub t: Timestamp,
    /// Distance between the last two samples, in milliseconds; 0 before the second.
    pub delta: i64,
    /// Bits of the last value.
    pub value_bits: u64,
    /// Bits written, header included.
    pub len_bits: u32,
    /// Samples written.
    pub count: u16,
    /// Zero bits before and after the significant bits of the last window; leading is 0xff before the first.
    pub leading: u8,
    pub trailing: u8,
}

impl Default for XorState {
    fn default() -> Self {
        Self {
            t: i64::MIN,
            delta: 0,
            value_bits: 0,
            len_bits: XOR_HEADER_BYTES as u32 * 8,
            count: 0,
            leading: NO_WINDOW,
            trailing: 0,
        }
    }
}

impl XorState {
    /// Bytes of the chunk so far.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.len_bits.div_ceil(8) as usize
    }

    /// The last value.
    #[inline]
    pub fn value(&self) -> f64 {
        f64::from_bits(self.value_bits)
    }

    /// Encodes one sample at the end of the chunk in `out`. Returns false, with nothing changed, where fewer than
    /// [`XOR_STEP_BYTES`] are free in `out` or the chunk holds 65535 samples. Order of time is the caller's business.
    #[inline]
    pub fn append(&mut self, out: &mut [u8], t: Timestamp, value: f64) -> bool {
        if out.len() < self.len_bytes() + XOR_STEP_BYTES || self.count == u16::MAX {
            return false;
        }
        let mut writer = SliceWriter { out, bit: self.len_bits as usize };
        let value_bits = value.to_bits();
        let mut delta = 0;
        match self.count {
            0 => {
                writer.uvarint(zigzag(t));
                writer.put(value_bits, 64);
            }
            1 => {
                delta = t.wrapping_sub(self.t);
                writer.uvarint(delta as u64);
                self.write_value(&mut writer, value_bits, 0, 0);
            }
            _ => {
                delta = t.wrapping_sub(self.t);
                let change = delta.wrapping_sub(self.delta);
                if change == 0 {
                    self.write_value(&mut writer, value_bits, 0, 1);
                } else if fits_signed(change, 14) {
                    self.write_value(
                        &mut writer,
                        value_bits,
                        0b10 << 14 | change as u64 & 0x3fff,
                        16,
                    );
                } else if fits_signed(change, 17) {
                    let bits = 0b110 << 17 | change as u64 & 0x1_ffff;
                    self.write_value(&mut writer, value_bits, bits, 20);
                } else if fits_signed(change, 20) {
                    let bits = 0b1110 << 20 | change as u64 & 0xf_ffff;
                    self.write_value(&mut writer, value_bits, bits, 24);
                } else {
                    writer.put(0b1111, 4);
                    writer.put(change as u64, 64);
                    self.write_value(&mut writer, value_bits, 0, 0);
                }
            }
        }
        self.len_bits = writer.bit as u32;
        self.t = t;
        self.delta = delta;
        self.value_bits = value_bits;
        self.count += 1;
        out[..2].copy_from_slice(&self.count.to_be_bytes());
        true
    }

    /// Writes the value behind `width` (at most 24) bits `before`, in as few stores as may be.
    #[inline(always)]
    fn write_value(&mut self, writer: &mut SliceWriter<'_>, bits: u64, before: u64, width: u32) {
        let xor = bits ^ self.value_bits;
        if xor == 0 {
            writer.put(before << 1, width + 1);
            return;
        }
        let leading = xor.leading_zeros().min(31) as u8;
        let trailing = xor.trailing_zeros() as u8;
        if leading >= self.leading && trailing >= self.trailing {
            writer.put(before << 2 | 0b10, width + 2);
            let significant = 64 - u32::from(self.leading) - u32::from(self.trailing);
            writer.put(xor >> self.trailing, significant);
            return;
        }
        self.leading = leading;
        self.trailing = trailing;
        let significant = 64 - u32::from(leading) - u32::from(trailing);
        // A length of 64 does not fit six bits; its low bits, zero, stand for it.
        let window = 0b11 << 11 | u64::from(leading) << 6 | u64::from(significant & 0x3f);
        writer.put(before << 13 | window, width + 13);
        writer.put(xor >> trailing, significant);
    }
}

/// Writes bits into a slice that has eight bytes more than are needed; what follows the written bits becomes zero.
struct SliceWriter<'a> {
    out: &'a mut [u8],
    bit: usize,
}

impl SliceWriter<'_> {
    /// Writes the low `width` bits (1..=64); higher bits of `value` must be zero unless `width` shifts them out.
    #[inline(always)]
    fn put(&mut self, value: u64, width: u32) {
        let (byte, used) = (self.bit >> 3, (self.bit & 7) as u32);
        let word = value << (64 - width);
        if let Some(window) = self.out[byte..].first_chunk_mut::<9>() {
            let kept = u64::from(window[0] & !(0xff >> used)) << 56;
            let [a, b, c, d, e, f, g, h] = (kept | word >> used).to_be_bytes();
            *window = [a, b, c, d, e, f, g, h, (word << (8 - used)) as u8];
        }
        self.bit += width as usize;
    }

    fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(value & 0x7f | 0x80, 8);
            value >>= 7;
        }
        self.put(value, 8);
    }
}

/// Encodes a chunk into memory of its own.
#[derive(Clone, Debug, Default)]
pub struct XorAppender {
    /// The chunk, then at least [`XOR_STEP_BYTES`] unused.
    buffer: Vec<u8>,
    state: XorState,
}

impl XorAppender {
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with a chunk that was encoded before. Decodes it once.
    pub fn resume(chunk: &[u8]) -> Result<Self, ChunkError> {
        let mut decoded = Columns::default();
        let state = decode(chunk, Timestamp::MIN, Timestamp::MAX, &mut decoded)?;
        let mut buffer = chunk[..state.len_bytes()].to_vec();
        buffer.resize(buffer.len() + XOR_STEP_BYTES, 0);
        Ok(Self { buffer, state })
    }

    /// Appends a sample. Returns false where the chunk holds 65535 samples.
    pub fn append(&mut self, t: Timestamp, value: f64) -> bool {
        let needed = self.state.len_bytes() + XOR_STEP_BYTES;
        if self.buffer.len() < needed {
            self.buffer.resize((needed + 32).max(self.buffer.len() * 2), 0);
        }
        self.state.append(&mut self.buffer, t, value)
    }

    pub fn state(&self) -> &XorState {
        &self.state
    }

    pub fn count(&self) -> usize {
        usize::from(self.state.count)
    }

    /// The chunk so far. An empty chunk is two zero bytes.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.state.len_bytes()).unwrap_or(&[0; XOR_HEADER_BYTES])
    }

    /// The chunk, without spare memory.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.buffer.resize(self.state.len_bytes(), 0);
        self.buffer.shrink_to_fit();
        self.buffer
    }
}

/// Appends to `out` the samples with `min_t <= t <= max_t` and returns the state behind the last sample read (which, if `max_t` cut
/// the reading short, is the first one above it).
pub(crate) fn decode(
    chunk: &[u8],
    min_t: Timestamp,
    max_t: Timestamp,
    out: &mut Columns,
) -> Result<XorState, ChunkError> {
    let damaged = |sample, reason| ChunkError::Damaged { encoding: Encoding::Xor, sample, reason };
    let cut =
        |sample| ChunkError::CutShort { encoding: Encoding::Xor, sample, offset: chunk.len() };
    let Some(count) = chunk.first_chunk::<2>().map(|c| u16::from_be_bytes(*c)) else {
        return Err(cut(0));
    };
    let samples = usize::from(count);
    if samples == 0 {
        return Ok(XorState::default());
    }
    // A sample takes two bits at least: no count can make us reserve more than a small multiple of the bytes.
    let end = chunk.len() * 8;
    if samples > end / 2 {
        return Err(cut(end / 2));
    }
    let start = out.timestamps.len();
    out.timestamps.resize(start + samples, 0);
    out.values.resize(start + samples, 0.0);
    let (times, values) = (&mut out.timestamps[start..], &mut out.values[start..]);

    let (state, read) = decode_all(chunk, samples, max_t, times, values).map_err(|failure| {
        finish(out, start, 0, 0);
        match failure {
            Failure::Cut(sample) => cut(sample),
            Failure::Window(sample) => damaged(sample, "window wider than 64 bits"),
        }
    })?;
    let (times, _) = out.timestamps[start..].split_at(read);
    let skipped = times.iter().take_while(|t| **t < min_t).count();
    let surplus = times[skipped..].iter().rev().take_while(|t| **t > max_t).count();
    finish(out, start, skipped, read - surplus);
    Ok(state)
}

/// Keeps of the samples behind `start` those at `first..end`.
fn finish(out: &mut Columns, start: usize, first: usize, end: usize) {
    out.timestamps.truncate(start + end);
    out.values.truncate(start + end);
    if first > 0 {
        out.timestamps.drain(start..start + first);
        out.values.drain(start..start + first);
    }
    if !out.start_timestamps.is_empty() {
        out.start_timestamps.resize(out.timestamps.len(), 0);
    }
}

enum Failure {
    Cut(usize),
    Window(usize),
}

/// Decodes samples until `samples` or the first above `max_t`; returns the state and how many were read.
///
/// The bytes are copied to where zeros follow them, so that a load never needs to ask whether it may: 0.1 ns a sample.
fn decode_all(
    chunk: &[u8],
    samples: usize,
    max_t: Timestamp,
    times: &mut [Timestamp],
    values: &mut [f64],
) -> Result<(XorState, usize), Failure> {
    const SMALL: usize = 320;
    const LARGE: usize = 1280;
    let len = chunk.len();
    if len + SLACK_BYTES <= SMALL {
        let mut padded = [0; SMALL];
        padded[..len].copy_from_slice(chunk);
        return vectorised(Padded { padded: &padded, len, samples, max_t, times, values });
    }
    if len + SLACK_BYTES <= LARGE {
        let mut padded = [0; LARGE];
        padded[..len].copy_from_slice(chunk);
        return vectorised(Padded { padded: &padded, len, samples, max_t, times, values });
    }
    let mut padded = vec![0; len + SLACK_BYTES];
    padded[..len].copy_from_slice(chunk);
    vectorised(Padded { padded: &padded, len, samples, max_t, times, values })
}

/// Zeros behind a chunk. No sample begins more than 8 bytes behind the end, and none makes more than six refills of 7 bytes.
const SLACK_BYTES: usize = 80;

/// Bits of a padded chunk: the next ones at the top of a register, refilled with one load and no branch.
struct Bits<'a> {
    padded: &'a [u8],
    /// Byte of which the next refill begins.
    at: usize,
    /// Of its bits the upper `left` are counted; those below are zero or what a refill will bring.
    word: u64,
    left: u32,
}

impl Bits<'_> {
    /// Makes at least 56 bits ready.
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(bytes) = self.padded.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            self.word |= u64::from_be_bytes(*bytes) >> self.left;
            self.at += ((63 - self.left) >> 3) as usize;
            self.left |= 56;
        }
    }

    /// Moves on by `count` ready bits, at most 63.
    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.word <<= count;
        self.left = self.left.wrapping_sub(count);
    }

    /// Takes 1 to 64 bits.
    #[inline(always)]
    fn take(&mut self, count: u32) -> u64 {
        if count > self.left {
            self.refill();
            if count > 56 {
                let high = self.word >> 32;
                self.skip(32);
                self.refill();
                let low = self.word >> 1 >> (95 - count);
                self.skip(count - 32);
                return high << (count - 32) | low;
            }
        }
        let bits = self.word >> (64 - count);
        self.word = if count == 64 { 0 } else { self.word << count };
        self.left -= count;
        bits
    }

    fn position(&self) -> usize {
        self.at * 8 - self.left as usize
    }
}

/// A chunk of `len` bytes with zeros behind it, and where its samples go.
struct Padded<'a> {
    padded: &'a [u8],
    len: usize,
    samples: usize,
    max_t: Timestamp,
    times: &'a mut [Timestamp],
    values: &'a mut [f64],
}

impl Kernel for Padded<'_> {
    type Output = Result<(XorState, usize), Failure>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { padded, len, samples, max_t, times, values } = self;
        let (times, values) = (&mut times[..samples], &mut values[..samples]);
        let mut reader = BitReader::at(&padded[..len], XOR_HEADER_BYTES * 8);
        let cut = |_: DecodeError| Failure::Cut(0);
        let mut t = reader.varint().map_err(cut)?;
        let mut value = reader.bits(64).map_err(cut)?;
        times[0] = t;
        values[0] = f64::from_bits(value);
        let mut window = Window { leading: 0, trailing: 0, significant: 64 };
        let mut delta = 0i64;
        let mut read = 1;
        let second = samples > 1 && t <= max_t;
        if second {
            delta = reader.uvarint().map_err(|_| Failure::Cut(1))? as i64;
        }
        // Both varints and the first value are whole bytes.
        let mut bits = Bits { padded, at: reader.position() / 8, word: 0, left: 0 };
        if second {
            t = t.wrapping_add(delta);
            bits.refill();
            window.value(&mut bits, &mut value).ok_or(Failure::Window(1))?;
            times[1] = t;
            values[1] = f64::from_bits(value);
            read = 2;
        }
        while read < samples && t <= max_t {
            bits.refill();
            if bits.word >> 62 == 0 {
                // Pairs of zero bits: same distance, same value. Take the whole run that is in sight.
                let ready = (bits.word.leading_zeros().min(bits.left) / 2) as usize;
                let run = ready.min(samples - read);
                let same = f64::from_bits(value);
                for (time, slot) in
                    times[read..read + run].iter_mut().zip(&mut values[read..read + run])
                {
                    t = t.wrapping_add(delta);
                    *time = t;
                    *slot = same;
                }
                read += run;
                bits.skip(run as u32 * 2);
            } else {
                if bits.word >> 63 == 0 {
                    bits.skip(1);
                } else {
                    delta = delta.wrapping_add(change_of_delta(&mut bits));
                }
                t = t.wrapping_add(delta);
                window.value(&mut bits, &mut value).ok_or(Failure::Window(read))?;
                times[read] = t;
                values[read] = f64::from_bits(value);
                read += 1;
            }
            if bits.at > len + 8 {
                return Err(Failure::Cut(read));
            }
        }
        let position = bits.position();
        if position > len * 8 {
            return Err(Failure::Cut(read));
        }
        let state = XorState {
            t,
            delta,
            value_bits: value,
            len_bits: position as u32,
            count: read as u16,
            leading: window.leading as u8,
            trailing: window.trailing as u8,
        };
        Ok((state, read))
    }
}

/// Reads a change that is not zero; at least 56 bits are ready.
#[inline(always)]
fn change_of_delta(bits: &mut Bits<'_>) -> i64 {
    let (prefix, width) = match bits.word.leading_ones() {
        1 => (2, 14),
        2 => (3, 17),
        3 => (4, 20),
        _ => {
            bits.skip(4);
            return bits.take(64) as i64;
        }
    };
    let stored = bits.word << prefix >> (64 - width);
    bits.skip(prefix + width);
    widen_signed(stored, width)
}

/// The significant bits of the last value that had a window of its own.
#[derive(Clone, Copy)]
struct Window {
    leading: u32,
    trailing: u32,
    significant: u32,
}

impl Window {
    /// Reads a value; `None` where its window is none.
    #[inline(always)]
    fn value(&mut self, bits: &mut Bits<'_>, value: &mut u64) -> Option<()> {
        if bits.left < 13 {
            bits.refill();
        }
        if bits.word >> 63 == 0 {
            bits.skip(1);
            return Some(());
        }
        if bits.word >> 62 & 1 == 0 {
            bits.skip(2);
        } else {
            let leading = (bits.word << 2 >> 59) as u32;
            let significant = match (bits.word << 7 >> 58) as u32 {
                0 => 64,
                width => width,
            };
            if leading + significant > 64 {
                return None;
            }
            *self = Self { leading, significant, trailing: 64 - leading - significant };
            bits.skip(13);
        }
        *value ^= bits.take(self.significant) << self.trailing;
        Some(())
    }
}

#[cfg(test)]
mod tests;
