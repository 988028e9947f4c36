//! Blocks of one label set by resolution, and which of them answer for a time range.
//! Source: upstream `pkg/store/bucket.go` (`getFor`): the coarsest allowed lane first, its gaps from the next finer.

use std::sync::Arc;

use gauntlet_model::{Labels, Timestamp};

use crate::BucketBlock;

/// Resolutions there are, coarsest first, milliseconds.
pub const RESOLUTIONS_MS: [i64; 3] = [3_600_000, 300_000, 0];

/// What the choice needs to know of a block.
pub trait Span {
    fn min_time(&self) -> Timestamp;
    /// Outside the block.
    fn max_time(&self) -> Timestamp;
    fn resolution_ms(&self) -> i64;
}

impl Span for Arc<BucketBlock> {
    fn min_time(&self) -> Timestamp {
        self.meta().min_time
    }
    fn max_time(&self) -> Timestamp {
        self.meta().max_time
    }
    fn resolution_ms(&self) -> i64 {
        BucketBlock::resolution_ms(self)
    }
}

/// Blocks with equal external labels.
#[derive(Clone, Debug)]
pub struct BlockSet<B> {
    pub labels: Labels,
    /// In the order of [`RESOLUTIONS_MS`]; each ascending by (min, max) time.
    lanes: [Vec<B>; 3],
}

impl<B: Span + Clone> BlockSet<B> {
    pub fn new(labels: Labels) -> Self {
        Self { labels, lanes: Default::default() }
    }

    /// False, and not added, where the block has a resolution that there is not.
    pub fn add(&mut self, block: B) -> bool {
        let Some(lane) = RESOLUTIONS_MS.iter().position(|r| *r == block.resolution_ms()) else {
            return false;
        };
        let lane = &mut self.lanes[lane];
        let key = |b: &B| (b.min_time(), b.max_time());
        let at = lane.partition_point(|b| key(b) <= key(&block));
        lane.insert(at, block);
        true
    }

    /// All blocks that overlap a range with both ends in, whatever their resolution.
    pub fn overlapping(&self, min: Timestamp, max: Timestamp) -> impl Iterator<Item = &B> {
        let all = self.lanes.iter().flatten();
        all.filter(move |b| b.min_time() <= max && min < b.max_time())
    }

    pub fn iter(&self) -> impl Iterator<Item = &B> {
        self.lanes.iter().flatten()
    }

    /// Blocks for a range with both ends in, none coarser than `max_resolution_ms`, ordered by time.
    pub fn blocks_for(&self, min: Timestamp, max: Timestamp, max_resolution_ms: i64) -> Vec<B> {
        let coarsest = RESOLUTIONS_MS.iter().position(|r| *r <= max_resolution_ms).unwrap_or(2);
        let mut out = Vec::new();
        self.fill(coarsest, min, max, &mut out);
        out
    }

    fn fill(&self, lane: usize, min: Timestamp, max: Timestamp, out: &mut Vec<B>) {
        let Some(blocks) = self.lanes.get(lane).filter(|_| min <= max) else { return };
        let mut start = min;
        for block in blocks {
            if block.max_time() <= min {
                continue;
            }
            if block.min_time() > max {
                break;
            }
            self.fill(lane + 1, start, block.min_time().saturating_sub(1), out);
            out.push(block.clone());
            start = block.max_time();
        }
        self.fill(lane + 1, start, max, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Fake(i64, i64, i64);

    impl Span for Fake {
        fn min_time(&self) -> Timestamp {
            self.0
        }
        fn max_time(&self) -> Timestamp {
            self.1
        }
        fn resolution_ms(&self) -> i64 {
            self.2
        }
    }

    #[test]
    fn gaps_are_filled_from_finer_lanes() {
        let (raw, five, hour) = (0, 300_000, 3_600_000);
        let mut set = BlockSet::new(Labels::empty());
        let raws = [
            (0, 100),
            (100, 200),
            (100, 200),
            (200, 299),
            (200, 300),
            (300, 400),
            (300, 600),
            (400, 500),
        ];
        raws.iter().for_each(|(a, b)| assert!(set.add(Fake(*a, *b, raw))));
        (0..4).for_each(|i| assert!(set.add(Fake(i * 100, i * 100 + 100, five))));
        (1..3).for_each(|i| assert!(set.add(Fake(i * 100, i * 100 + 100, hour))));
        assert!(!set.add(Fake(0, 1, 7)));
        let five_of = |i: i64| Fake(i * 100, i * 100 + 100, five);
        let hour_of = |i: i64| Fake(i * 100, i * 100 + 100, hour);
        assert_eq!(
            set.blocks_for(100, 500, five),
            [five_of(1), five_of(2), five_of(3), Fake(300, 600, raw), Fake(400, 500, raw)]
        );
        assert_eq!(
            set.blocks_for(0, 500, hour),
            [
                five_of(0),
                hour_of(1),
                hour_of(2),
                five_of(3),
                Fake(300, 600, raw),
                Fake(400, 500, raw)
            ]
        );
        let raw_only = set.blocks_for(100, 400, five - 1);
        assert_eq!(raw_only.len(), 7);
        assert_eq!(raw_only[6], Fake(400, 500, raw), "the end of the request is in");
    }
}
