//! What of the log is settled. Each read of the log is an epoch with the place behind it; batches of several shards end in any
//! order, and the place moves over the oldest epochs that have nothing left to wait for.

use std::collections::VecDeque;

use gauntlet_tsdb::wal::Position;
use parking_lot::Mutex;

#[derive(Debug)]
struct Inner {
    epochs: VecDeque<(Position, u64)>,
    /// Number of the first epoch in the queue.
    first: u64,
    settled: Position,
}

#[derive(Debug)]
pub(super) struct Acks(Mutex<Inner>);

impl Acks {
    pub(super) fn new(start: Position) -> Self {
        Self(Mutex::new(Inner { epochs: VecDeque::new(), first: 0, settled: start }))
    }

    /// Number that the next epoch will have.
    pub(super) fn next(&self) -> u64 {
        let inner = self.0.lock();
        inner.first + inner.epochs.len() as u64
    }

    /// Adds an epoch with the place behind it and the number of entries to wait for.
    pub(super) fn push(&self, end: Position, outstanding: u64) {
        let mut inner = self.0.lock();
        inner.epochs.push_back((end, outstanding));
        inner.advance();
    }

    /// Entries of epochs are settled.
    pub(super) fn settle(&self, counts: &[(u64, u32)]) {
        let mut inner = self.0.lock();
        for (epoch, count) in counts {
            let first = inner.first;
            if let Some(entry) = inner.epochs.get_mut((epoch - first) as usize) {
                entry.1 = entry.1.saturating_sub(u64::from(*count));
            }
        }
        inner.advance();
    }

    /// Everything before it is settled.
    pub(super) fn settled(&self) -> Position {
        self.0.lock().settled
    }
}

impl Inner {
    fn advance(&mut self) {
        while let Some((end, 0)) = self.epochs.front() {
            self.settled = *end;
            self.epochs.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_moves_over_settled_epochs_only() {
        let at = |offset| Position { segment: 0, offset };
        let acks = Acks::new(at(0));
        for (number, outstanding) in [(0, 2), (1, 0), (2, 3)] {
            assert_eq!(acks.next(), number);
            acks.push(at(number + 1), outstanding);
        }
        acks.settle(&[(2, 3)]);
        assert_eq!(acks.settled(), at(0));
        acks.settle(&[(0, 1)]);
        assert_eq!(acks.settled(), at(0));
        acks.settle(&[(0, 1)]);
        assert_eq!(acks.settled(), at(3));
        acks.push(at(9), 0);
        assert_eq!(acks.settled(), at(9));
    }
}
