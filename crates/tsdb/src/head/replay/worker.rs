//! Samples of the log into the states of one shard. Those that closed chunks have are passed over; where a chunk should have one
//! and has not, the series' chunks from there on are made anew.

use gauntlet_model::{Timestamp, is_stale_nan};

use super::super::samples::Value;
use super::super::shard::{Cutting, ShardData};
use super::Float;

/// A series' state is asked for so many samples before it is needed, the end of its chunk half as many.
const AHEAD: usize = 16;
/// No slot is as large.
const NO_SLOT: u32 = u32::MAX;

/// A shard in the hands of the thread that replays it.
pub(super) struct Replaying<'a> {
    pub(super) data: &'a mut ShardData,
    pub(super) cutting: Cutting<'a>,
    /// By slot: while nothing was appended, the end of the closed chunk that had the newest sample of the log so far.
    pub(super) covered: &'a mut Vec<Timestamp>,
}

impl Replaying<'_> {
    pub(super) fn slot_of(&mut self, number: u32) -> Option<u32> {
        let slot = self.data.slot_of(number);
        // A reference in use somewhere in the log is not given anew.
        if slot.is_none() && number < u32::MAX >> 1 {
            self.data.reserve_number(number);
        }
        slot
    }

    /// Takes samples in order. Returns how many had no series.
    pub(super) fn take_floats(&mut self, floats: &[Float]) -> u64 {
        let mut unknown = 0;
        // Slots of the samples from `at` to `at + AHEAD`.
        let mut slots = [NO_SLOT; AHEAD];
        let ask = |data: &ShardData, at: usize, slots: &mut [u32; AHEAD]| {
            let slot = floats.get(at).and_then(|float| data.slot_of(float.number));
            slots[at % AHEAD] = slot.unwrap_or(NO_SLOT);
            data.prefetch(slots[at % AHEAD]);
        };
        for at in 0..AHEAD {
            ask(self.data, at, &mut slots);
        }
        for (at, float) in floats.iter().enumerate() {
            self.data.prefetch_end(slots[(at + AHEAD / 2) % AHEAD]);
            let slot = slots[at % AHEAD];
            ask(self.data, at + AHEAD, &mut slots);
            if slot == NO_SLOT {
                unknown += u64::from(self.slot_of(float.number).is_none());
                continue;
            }
            if is_stale_nan(float.value) {
                self.take(slot, float.t, Value::Float(float.value));
            } else if self.is_missing(slot, float.t) {
                self.data.append_float(slot, float.t, float.value, 0, &self.cutting);
            }
        }
        unknown
    }

    pub(super) fn take(&mut self, slot: u32, t: Timestamp, value: Value) {
        let value = if value.is_stale() { self.data.stale_for(slot, value) } else { value };
        if self.is_missing(slot, t) {
            self.data.append(slot, t, &value, &self.cutting);
        }
    }

    /// Whether a sample of the log is to be appended: it is newer than what is there, or in a hole between closed chunks, which are
    /// forgotten from there on then.
    #[inline]
    fn is_missing(&mut self, slot: u32, t: Timestamp) -> bool {
        let state = &self.data.series[slot as usize];
        match state.last_t() {
            Some(last) if t <= last => self.is_in_hole(slot, t),
            _ => true,
        }
    }

    fn is_in_hole(&mut self, slot: u32, t: Timestamp) -> bool {
        // What is open is of the log, and newer than all that the log had before: out of order there too. Upstream's chunks alone have
        // no open one behind them.
        if self.data.has_open(slot) || !self.data.has_closed(slot) {
            return false;
        }
        if self.covered.len() <= slot as usize {
            let len = self.data.series.len().max(slot as usize + 1);
            self.covered.resize(len, Timestamp::MIN);
        }
        let covered = &mut self.covered[slot as usize];
        if t <= *covered {
            return false;
        }
        if let Some(end) = self.data.covering_end(slot, t) {
            *covered = end;
            return false;
        }
        self.data.forget_after(slot, t);
        true
    }
}
