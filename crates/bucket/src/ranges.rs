//! Range reads: many small wants made few requests, all in flight at once.

use std::ops::Range;

use bytes::Bytes;
use futures::future::try_join_all;
use gauntlet_objstore::{Bucket, ObjstoreError};

/// Gap over which two ranges are still one request, as the peer has it: reading on costs less than asking again.
pub const MAX_GAP_BYTES: u64 = 512 << 10;

/// Parts of one object, ascending and apart from each other.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    parts: Vec<(u64, Bytes)>,
}

impl Parts {
    /// The bytes of a range, as many of them as were read: fewer at the end of the object, none where the range was not read.
    pub fn get(&self, range: Range<u64>) -> Bytes {
        let after = self.parts.partition_point(|(start, _)| *start <= range.start);
        let Some((start, bytes)) = after.checked_sub(1).and_then(|i| self.parts.get(i)) else {
            return Bytes::new();
        };
        let from = usize::try_from(range.start - start).unwrap_or(usize::MAX).min(bytes.len());
        let to = usize::try_from(range.end.saturating_sub(*start)).unwrap_or(usize::MAX);
        bytes.slice(from..to.clamp(from, bytes.len()))
    }

    /// Bytes held.
    pub fn len_bytes(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}

/// Joins ranges, ascending by start, whose gap is small.
pub fn join(wanted: &[Range<u64>], max_gap: u64) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in wanted.iter().filter(|r| !r.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.end.saturating_add(max_gap) >= range.start => {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range.clone()),
        }
    }
    joined
}

/// Reads ranges of an object, given in any order. Ranges may reach past its end.
pub async fn fetch(
    bucket: &dyn Bucket,
    name: &str,
    mut wanted: Vec<Range<u64>>,
) -> Result<Parts, ObjstoreError> {
    wanted.sort_unstable_by_key(|range| (range.start, range.end));
    let joined = join(&wanted, MAX_GAP_BYTES);
    let reads = joined.into_iter().map(|range| async move {
        let start = range.start;
        Ok::<_, ObjstoreError>((start, bucket.get_range(name, range).await?))
    });
    Ok(Parts { parts: try_join_all(reads).await? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_gaps_are_read_over() {
        let gap = MAX_GAP_BYTES;
        let check = |wanted: &[(u64, u64)], expect: &[(u64, u64)]| {
            let wanted: Vec<Range<u64>> = wanted.iter().map(|(a, b)| *a..*b).collect();
            let joined = join(&wanted, gap);
            assert_eq!(joined.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>(), expect);
        };
        check(&[(1, 2), (3, 5), (7, 10)], &[(1, 10)]);
        check(&[(1, 2), (gap + 3, gap + 11)], &[(1, 2), (gap + 3, gap + 11)]);
        check(&[(1, 30), (1, 4), (3, 28)], &[(1, 30)]);
        check(&[(1, 15), (1, gap + 100), (gap + 31, gap + 40)], &[(1, gap + 100)]);
    }

    #[tokio::test]
    async fn what_was_read_is_found_and_the_rest_is_short() {
        let bucket = gauntlet_objstore::ObjectStoreBucket::in_memory();
        bucket.upload("a", "0123456789".into()).await.unwrap();
        let parts = fetch(&bucket, "a", vec![8..30, 2..4]).await.unwrap();
        assert_eq!(parts.get(8..20), "89");
        assert_eq!(parts.get(2..4), "23");
        assert_eq!(parts.get(0..2), "");
    }
}
