//! What to compact next, as upstream's leveled compactor decides: overlapping blocks first, then neighbours that fill a range, then
//! blocks with many deletions. The newest block is left alone, so that there is time to save it.

use gauntlet_model::Timestamp;

use crate::meta::{BlockMeta, HINT_SELECTED_SERIES, HINT_STALE_SERIES};

/// Share of tombstones per series above which a block is rewritten.
const TOMBSTONE_SHARE: f64 = 0.05;
/// How many ranges there are, and how much longer each is than the one before.
const RANGES: usize = 10;
const FACTOR: i64 = 3;

/// Lengths of blocks in ms: `min_ms` and its multiples by three, up to `max_ms`.
pub fn block_ranges(min_ms: i64, max_ms: i64) -> Vec<i64> {
    let lengths = std::iter::successors(Some(min_ms), |length| length.checked_mul(FACTOR));
    let mut ranges: Vec<i64> =
        lengths.take(RANGES).take_while(|length| *length <= max_ms).collect();
    if ranges.is_empty() {
        ranges.push(min_ms);
    }
    ranges
}

/// Positions in `metas` of the blocks to compact into one, ascending by time; empty if there is nothing to do. `ranges` ascend.
pub fn plan(metas: &[BlockMeta], ranges: &[i64]) -> Vec<usize> {
    // Partial views of the head never mix with other blocks; those wait for ordinary ones.
    let class = |meta: &BlockMeta| {
        if meta.compaction.has_hint(HINT_STALE_SERIES) {
            1
        } else if meta.compaction.has_hint(HINT_SELECTED_SERIES) {
            2
        } else {
            0
        }
    };
    for wanted in 0..3 {
        let mut blocks: Vec<Block<'_>> = metas
            .iter()
            .enumerate()
            .filter(|(_, meta)| class(meta) == wanted)
            .map(|(position, meta)| Block { position, meta })
            .collect();
        blocks.sort_by_key(|b| b.meta.min_time);
        let planned = plan_class(&blocks, ranges);
        if !planned.is_empty() {
            return planned.into_iter().map(|b| b.position).collect();
        }
    }
    Vec::new()
}

#[derive(Clone, Copy)]
struct Block<'a> {
    position: usize,
    meta: &'a BlockMeta,
}

fn plan_class<'a>(blocks: &[Block<'a>], ranges: &[i64]) -> Vec<Block<'a>> {
    let overlapping = first_overlap(blocks);
    if !overlapping.is_empty() {
        return overlapping;
    }
    let Some((_, older)) = blocks.split_last() else { return Vec::new() };
    let neighbours = fill_range(older, ranges);
    if !neighbours.is_empty() {
        return neighbours;
    }
    much_deleted(older, ranges)
}

/// The first run of blocks that overlap.
fn first_overlap<'a>(blocks: &[Block<'a>]) -> Vec<Block<'a>> {
    let mut run: Vec<Block<'a>> = Vec::new();
    let mut end = blocks.first().map_or(Timestamp::MIN, |b| b.meta.max_time);
    for pair in blocks.windows(2) {
        if pair[1].meta.min_time < end {
            if run.is_empty() {
                run.push(pair[0]);
            }
            run.push(pair[1]);
        } else if !run.is_empty() {
            break;
        }
        end = end.max(pair[1].meta.max_time);
    }
    run
}

/// Blocks in one aligned range that fill it or lie before the newest block.
fn fill_range<'a>(blocks: &[Block<'a>], ranges: &[i64]) -> Vec<Block<'a>> {
    let Some(newest) = blocks.last() else { return Vec::new() };
    let high = newest.meta.min_time;
    for range in ranges.iter().skip(1) {
        for group in split_by_range(blocks, *range) {
            if group.iter().any(|b| b.meta.compaction.failed) {
                continue;
            }
            let (min, max) = (group[0].meta.min_time, group[group.len() - 1].meta.max_time);
            if group.len() > 1 && (max - min == *range || max <= high) {
                return group.to_vec();
            }
        }
    }
    Vec::new()
}

/// Groups blocks by the aligned range that holds them; blocks that none holds are left out.
fn split_by_range<'b, 'a>(blocks: &'b [Block<'a>], range: i64) -> Vec<&'b [Block<'a>]> {
    let mut groups = Vec::new();
    let mut first = 0;
    while first < blocks.len() {
        let end = blocks[first].meta.min_time.div_euclid(range) * range + range;
        if blocks[first].meta.max_time > end {
            first += 1;
            continue;
        }
        let len = blocks[first..].iter().take_while(|b| b.meta.max_time <= end).count();
        groups.push(&blocks[first..first + len]);
        first += len;
    }
    groups
}

/// The newest large block with many deletions, or a small one that is all deleted.
fn much_deleted<'a>(blocks: &[Block<'a>], ranges: &[i64]) -> Vec<Block<'a>> {
    let large = ranges.get(ranges.len() / 2).copied().unwrap_or(i64::MAX);
    for block in blocks.iter().rev() {
        let stats = &block.meta.stats;
        if block.meta.max_time - block.meta.min_time < large {
            if stats.num_tombstones > 0 && stats.num_tombstones >= stats.num_series {
                return vec![*block];
            }
            break;
        }
        if stats.num_tombstones as f64 / (stats.num_series + 1) as f64 > TOMBSTONE_SHARE {
            return vec![*block];
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ulid::Ulid;

    /// Blocks as (min, max), planned for ranges 20, 60, 180, ...
    fn check(blocks: &[(i64, i64)], expect: &[usize]) {
        let metas: Vec<_> =
            blocks.iter().map(|(min, max)| BlockMeta::new(Ulid::nil(), *min, *max)).collect();
        assert_eq!(plan(&metas, &[20, 60, 180, 540, 1620]), expect, "{blocks:?}");
    }

    #[test]
    fn ranges_grow_by_three_up_to_the_limit() {
        assert_eq!(block_ranges(2, 60), [2, 6, 18, 54]);
        assert_eq!(block_ranges(100, 60), [100]);
        assert_eq!(block_ranges(1, i64::MAX).len(), 10);
    }

    #[test]
    fn neighbours_are_taken_once_a_newer_block_exists() {
        check(&[(0, 20)], &[]);
        check(&[(0, 20), (20, 40), (40, 60)], &[]);
        check(&[(0, 20), (20, 40), (40, 60), (60, 80)], &[0, 1, 2]);
        check(&[(0, 20), (20, 40), (60, 80), (80, 100)], &[0, 1]);
        check(&[(0, 20), (60, 80), (80, 100), (120, 140)], &[]);
        check(&[(0, 20), (60, 80), (80, 100), (120, 140), (140, 160)], &[1, 2]);
        check(&[(0, 60), (60, 120), (120, 180), (720, 960), (1200, 1440)], &[0, 1, 2]);
        check(&[(-60, -40), (-40, -20), (-20, 0), (0, 20)], &[0, 1, 2]);
    }

    #[test]
    fn overlaps_come_first_in_order_of_time() {
        check(&[(0, 20), (19, 40), (40, 60)], &[0, 1]);
        check(&[(0, 20), (20, 40), (30, 50), (40, 60), (60, 80)], &[1, 2, 3]);
        check(&[(40, 60), (0, 360), (50, 70)], &[1, 0, 2]);
    }

    #[test]
    fn failed_and_partial_blocks_are_kept_apart() {
        let mut metas: Vec<_> = [(0, 20), (20, 40), (40, 60), (60, 80)]
            .map(|(a, b)| BlockMeta::new(Ulid::nil(), a, b))
            .to_vec();
        metas[1].compaction.failed = true;
        assert!(plan(&metas, &[20, 60]).is_empty());
        metas[1].compaction.failed = false;
        metas[2].compaction.add_hint(HINT_STALE_SERIES);
        assert!(plan(&metas, &[20, 60]).is_empty());
        metas.push(BlockMeta::new(Ulid::nil(), 80, 100));
        assert_eq!(plan(&metas, &[20, 60]), [0, 1]);
    }

    #[test]
    fn many_tombstones_rewrite_a_large_block() {
        let mut metas: Vec<_> =
            [(0, 540), (600, 620)].map(|(a, b)| BlockMeta::new(Ulid::nil(), a, b)).to_vec();
        metas[0].stats.num_series = 99;
        metas[0].stats.num_tombstones = 5;
        assert!(plan(&metas, &[20, 60, 180]).is_empty());
        metas[0].stats.num_tombstones = 6;
        assert_eq!(plan(&metas, &[20, 60, 180]), [0]);
        let mut small =
            vec![BlockMeta::new(Ulid::nil(), 0, 20), BlockMeta::new(Ulid::nil(), 20, 40)];
        small[0].stats.num_tombstones = 1;
        assert_eq!(plan(&small, &[20, 60, 180]), [0]);
    }
}
