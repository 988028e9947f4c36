//! What is due when. Timers are never taken back: a due one that no longer means anything is ignored by its owner.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::flush::FlushId;
use crate::dispatch::GroupId;
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A group speaks, if it still wants to at this time.
    Flush(GroupId),
    /// A flush of a large group goes on.
    Work(FlushId),
    /// A step of a flush goes on: its turn has come, or its next attempt.
    Step(FlushId, usize),
    /// A flush has no time left.
    Deadline(FlushId),
    /// Resolved alerts leave the store.
    Collect,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, u64, Timer)>>,
    /// Equal times keep their order.
    number: u64,
}

impl Timers {
    pub(super) fn add(&mut self, at: Time, timer: Timer) {
        self.number += 1;
        self.heap.push(Reverse((at, self.number, timer)));
    }

    /// Takes the first timer due at a time, with when it was due.
    pub(super) fn due(&mut self, now: Time) -> Option<(Time, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, timer))| (at, timer))
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }
}
