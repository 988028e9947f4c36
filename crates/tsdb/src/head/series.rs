//! State of one series: 64 bytes, one cache line, all that an append touches besides the last cell of its open chunk.

use std::sync::atomic::AtomicU8;

use gauntlet_chunk::xor::XorState;
use gauntlet_model::Timestamp;
use gauntlet_model::sample::STALE_NAN_BITS;

use super::cells::Chain;

/// No closed chunk.
pub(crate) const NO_CHUNK: u32 = u32::MAX;

/// The slot is in use.
pub(crate) const ALIVE: u8 = 1;
/// Its series record is in the log.
pub(crate) const LOGGED: u8 = 2;
/// `t` is the time of a sample.
pub(crate) const HAS_SAMPLE: u8 = 4;
/// The last sample is a whole-count or float histogram; the open chunk is in the side map of histograms.
pub(crate) const HISTOGRAM: u8 = 8;
pub(crate) const FLOAT_HISTOGRAM: u8 = 16;
/// The last sample is a stale marker.
pub(crate) const STALE: u8 = 32;
/// The last value is not known (its chunk was loaded, not written): equal times are refused as older ones are.
pub(crate) const NO_VALUE: u8 = 64;
/// The open float chunk is of encoding 4. Its state's value is the last that was no stale marker.
pub(crate) const XOR2: u8 = 128;

#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Series {
    /// Time of the newest in-order sample.
    pub(crate) t: Timestamp,
    /// First time of the open chunk.
    pub(crate) min_t: Timestamp,
    pub(crate) value_bits: u64,
    /// Distance of the last two samples in ms.
    pub(crate) delta: u32,
    /// The open chunk ends before `min_t + next_in`.
    pub(crate) next_in: u32,
    pub(crate) chain: Chain,
    /// Newest closed chunk.
    pub(crate) closed: u32,
    /// The reference is `number * shards + shard`.
    pub(crate) number: u32,
    /// Id in the index.
    pub(crate) id: u32,
    pub(crate) len_bits: u16,
    pub(crate) count: u16,
    pub(crate) leading: u8,
    pub(crate) trailing: u8,
    pub(crate) flags: u8,
    /// Round of cleaning in which an appender last met the series.
    pub(crate) touched: AtomicU8,
}

impl Series {
    pub(crate) fn new(number: u32, id: u32, round: u8) -> Self {
        Self {
            t: 0,
            min_t: 0,
            value_bits: 0,
            delta: 0,
            next_in: 0,
            chain: Chain::default(),
            closed: NO_CHUNK,
            number,
            id,
            len_bits: 0,
            count: 0,
            leading: 0,
            trailing: 0,
            flags: ALIVE,
            touched: AtomicU8::new(round),
        }
    }

    #[inline]
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// Time of the newest in-order sample.
    pub(crate) fn last_t(&self) -> Option<Timestamp> {
        self.has(HAS_SAMPLE).then_some(self.t)
    }

    pub(crate) fn is_histogram(&self) -> bool {
        self.has(HISTOGRAM | FLOAT_HISTOGRAM)
    }

    /// Bytes of the open float chunk.
    pub(crate) fn chunk_bytes(&self) -> usize {
        usize::from(self.len_bits).div_ceil(8) + usize::from(self.has(XOR2))
    }

    /// Bits of the newest sample's value, which must be a float.
    pub(crate) fn last_bits(&self) -> u64 {
        if self.has(STALE) { STALE_NAN_BITS } else { self.value_bits }
    }

    #[inline]
    pub(crate) fn xor_state(&self) -> XorState {
        XorState {
            t: self.t,
            delta: i64::from(self.delta),
            value_bits: self.value_bits,
            len_bits: u32::from(self.len_bits),
            count: self.count,
            leading: self.leading,
            trailing: self.trailing,
        }
    }

    #[inline]
    pub(crate) fn set_xor_state(&mut self, state: &XorState) {
        self.t = state.t;
        self.delta = state.delta as u32;
        self.value_bits = state.value_bits;
        self.len_bits = state.len_bits as u16;
        self.count = state.count;
        self.leading = state.leading;
        self.trailing = state.trailing;
    }
}
