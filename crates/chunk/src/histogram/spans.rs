//! Bucket layouts against each other: which buckets one has and the other lacks, and how buckets move when a layout grows.

use gauntlet_model::histogram::Span;

use super::bucket::Bucket;

/// Buckets that spans speak of.
pub(crate) fn count_buckets(spans: &[Span]) -> usize {
    spans.iter().map(|span| span.length as usize).sum()
}

/// Index of every bucket, in order.
fn bucket_indexes(spans: &[Span]) -> impl Iterator<Item = i64> + '_ {
    let mut next = 0i64;
    spans.iter().flat_map(move |span| {
        let first = next + i64::from(span.offset);
        next = first + i64::from(span.length);
        first..next
    })
}

/// `count` empty buckets, the first of them with index `bucket`, to be put before the bucket at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insert {
    pub(crate) position: usize,
    pub(crate) count: usize,
    pub(crate) bucket: i64,
}

/// What makes two layouts equal: inserts for the one, for the other, and the layout that both then have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Union {
    /// For the chunk's samples.
    pub(crate) forward: Vec<Insert>,
    /// For the new sample.
    pub(crate) backward: Vec<Insert>,
    pub(crate) spans: Vec<Span>,
}

/// The union of two layouts, whatever the buckets hold (gauges).
pub(crate) fn unite(chunk: &[Span], sample: &[Span]) -> Union {
    let mut union = Union::default();
    let mut merged = SpanBuilder::default();
    let (mut ours, mut theirs) =
        (bucket_indexes(chunk).peekable(), bucket_indexes(sample).peekable());
    let (mut our_position, mut their_position) = (0, 0);
    loop {
        match (ours.peek().copied(), theirs.peek().copied()) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                merged.push(a);
                ours.next();
                theirs.next();
                our_position += 1;
                their_position += 1;
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                merged.push(a);
                add(&mut union.backward, their_position, a);
                ours.next();
                our_position += 1;
            }
            (_, Some(b)) => {
                merged.push(b);
                add(&mut union.forward, our_position, b);
                theirs.next();
                their_position += 1;
            }
            (Some(_), None) => unreachable!("BUG: taken by the arm above"),
        }
    }
    union.spans = merged.spans;
    union
}

/// The union of a counter's layout with that of its next sample. `None` is a counter reset: a bucket fell or one in use is gone.
pub(crate) fn unite_counters<B: Bucket>(
    chunk: (&[Span], &[B]),
    sample: (&[Span], &[B]),
) -> Option<Union> {
    let zero = B::default();
    let absolutes = |buckets: &[B]| -> Vec<B> {
        let mut count = zero;
        buckets
            .iter()
            .map(|stored| {
                count = B::absolute(count, *stored);
                count
            })
            .collect()
    };
    let (old, new) = (absolutes(chunk.1), absolutes(sample.1));
    let union = unite(chunk.0, sample.0);
    // Walk both counts through the union: where the sample has no bucket its count is zero.
    let (mut ours, mut theirs) =
        (bucket_indexes(chunk.0).zip(old), bucket_indexes(sample.0).zip(new).peekable());
    let fell = ours.any(|(index, before)| {
        while theirs.peek().is_some_and(|(i, _)| *i < index) {
            theirs.next();
        }
        match theirs.peek() {
            Some((i, now)) if *i == index => before > *now,
            _ => before != zero,
        }
    });
    (!fell).then_some(union)
}

fn add(inserts: &mut Vec<Insert>, position: usize, bucket: i64) {
    match inserts.last_mut() {
        Some(last) if last.position == position && last.bucket + last.count as i64 == bucket => {
            last.count += 1
        }
        _ => inserts.push(Insert { position, count: 1, bucket }),
    }
}

/// Puts empty buckets in where `inserts` (ascending by position) say.
pub(crate) fn insert<B: Bucket>(buckets: &[B], inserts: &[Insert]) -> Vec<B> {
    let zero = B::default();
    let mut out =
        Vec::with_capacity(buckets.len() + inserts.iter().map(|i| i.count).sum::<usize>());
    let mut inserts = inserts.iter().peekable();
    // The count of the last old bucket, and of the last bucket put out.
    let (mut count, mut last) = (zero, zero);
    for position in 0..=buckets.len() {
        while let Some(found) = inserts.next_if(|i| i.position <= position) {
            for _ in 0..found.count {
                out.push(B::stored(last, zero));
                last = zero;
            }
        }
        if let Some(stored) = buckets.get(position) {
            count = B::absolute(count, *stored);
            out.push(B::stored(last, count));
            last = count;
        }
    }
    out
}

/// Spans from ascending bucket indexes.
#[derive(Default)]
struct SpanBuilder {
    spans: Vec<Span>,
    next: i64,
}

impl SpanBuilder {
    fn push(&mut self, index: i64) {
        let offset = (index - self.next) as i32;
        self.next = index + 1;
        match self.spans.last_mut() {
            Some(last) if offset == 0 => last.length += 1,
            _ => self.spans.push(Span { offset, length: 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i32, u32)]) -> Vec<Span> {
        pairs.iter().map(|(offset, length)| Span { offset: *offset, length: *length }).collect()
    }

    #[test]
    fn a_grown_layout_gives_inserts_for_the_old_buckets() {
        // Layout and numbers of upstream's worked example.
        let old = spans(&[(0, 2), (2, 1), (3, 2), (3, 1), (1, 1)]);
        let new = spans(&[(0, 3), (1, 1), (1, 4), (3, 3)]);
        let counts = [6i64, -3, 0, -1, 2, 1, -4];
        let union = unite(&old, &new);
        assert_eq!(union.spans, new);
        assert!(union.backward.is_empty());
        assert_eq!(insert(&counts, &union.forward), [6, -3, -3, 3, -3, 0, 2, 2, 1, -5, 1]);
        let grown = [6i64, -3, -3, 3, -3, 0, 2, 2, 1, -5, 1];
        assert!(unite_counters((&old, &counts), (&new, &grown)).is_some());
    }

    #[test]
    fn a_bucket_that_falls_or_goes_is_a_reset_and_an_empty_one_is_not() {
        let one = spans(&[(1, 1)]);
        let two = spans(&[(1, 2)]);
        assert!(unite_counters((&two, &[5i64, 1]), (&one, &[9])).is_none());
        assert!(unite_counters((&one, &[5i64]), (&one, &[4])).is_none());
        let union = unite_counters((&two, &[5i64, -5]), (&one, &[5])).unwrap();
        assert_eq!(union.backward, [Insert { position: 1, count: 1, bucket: 2 }]);
        assert_eq!(insert(&[5i64], &union.backward), [5, -5]);
    }
}
