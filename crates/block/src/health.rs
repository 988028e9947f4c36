//! A walk over an index that counts what is wrong or unusual in it: what Thanos looks at before it compacts or uploads a block, and
//! what its meta.json says of entry sizes. Source: Thanos `pkg/block/index.go`. Chunks are judged by the index alone, not read.

use gauntlet_model::Timestamp;

use crate::BlockError;
use crate::index::{
    ChunkMeta, IndexReader, IndexSource as _, IndexVersion, SERIES_ALIGN, SeriesEntry, SymbolCache,
};
use crate::meta::IndexStats;

/// Smallest, largest and average of a number; all 0 where there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    pub min: i64,
    pub max: i64,
    sum: i64,
    count: i64,
}

impl Spread {
    fn take(&mut self, value: i64) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum = self.sum.saturating_add(value);
        self.count += 1;
    }

    /// Rounded towards zero.
    pub fn average(&self) -> i64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }
}

/// What was found. Durations in ms, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexHealth {
    pub series: u64,
    pub chunks: u64,
    /// Series with chunks that are out of order, and those chunks; exact repetitions of a range are counted apart.
    pub out_of_order_series: u64,
    pub out_of_order_chunks: u64,
    pub duplicated_chunks: u64,
    /// Chunks not wholly within the block's range; of them those wholly outside, and those that begin at its end (an old fault that
    /// dropping the chunk repairs).
    pub outside_chunks: u64,
    pub wholly_outside_chunks: u64,
    pub at_end_chunks: u64,
    /// Series whose labels are not sorted: a fault of Prometheus up to 2.8.
    pub out_of_order_labels: u64,
    pub single_sample_series: u64,
    pub single_sample_chunks: u64,
    pub label_names: u64,
    pub metric_names: u64,
    /// Sum of the lengths of a series' chunks.
    pub series_life_ms: Spread,
    /// The same without series of single samples.
    pub series_life_without_single_ms: Spread,
    pub series_chunks: Spread,
    pub chunk_duration_ms: Spread,
    /// Distances between neighbours, which is about their size; the last ones are not seen.
    pub chunk_size_bytes: Spread,
    pub series_size_bytes: Spread,
}

impl IndexHealth {
    /// Walks the index of a block with range `min_time..max_time`. Errs where series are out of order, or without labels or chunks.
    pub fn gather(
        index: &IndexReader,
        min_time: Timestamp,
        max_time: Timestamp,
    ) -> Result<Self, BlockError> {
        let mut health = Self {
            label_names: index.label_names().count() as u64,
            metric_names: index.label_values("__name__")?.len() as u64,
            ..Self::default()
        };
        let align = if index.version() == IndexVersion::V1 { 1 } else { SERIES_ALIGN as i64 };
        let corrupt = |series_ref: u32, expected: &str, found: String| {
            BlockError::corrupt(
                index.source().name(),
                u64::from(series_ref) * align as u64,
                expected,
                found,
            )
        };
        let (mut entry, mut cache) = (SeriesEntry::default(), SymbolCache::default());
        let mut last: Option<(u32, gauntlet_model::Labels)> = None;
        for series_ref in index.all_postings()? {
            index.series(series_ref, true, &mut entry)?;
            let labels = index.labels(&entry, &mut cache)?;
            if labels.is_empty() {
                return Err(corrupt(series_ref, "a label set", "an empty one".to_owned()));
            }
            if let Some((last_ref, last_labels)) = &last {
                health.series_size_bytes.take(i64::from(series_ref - last_ref) * align);
                if *last_labels >= labels {
                    let found = format!("{labels} after {last_labels}");
                    return Err(corrupt(series_ref, "series in order", found));
                }
            }
            if entry.chunks.is_empty() {
                return Err(corrupt(series_ref, "chunks", format!("none of {labels}")));
            }
            // Symbols ascend with their texts in version 2.
            if index.version() != IndexVersion::V1 {
                let unsorted = entry.labels.windows(2).filter(|w| w[1].0 < w[0].0).count();
                health.out_of_order_labels += unsorted as u64;
            }
            health.take_series(&entry.chunks, min_time, max_time);
            last = Some((series_ref, labels));
        }
        Ok(health)
    }

    fn take_series(&mut self, chunks: &[ChunkMeta], min_time: Timestamp, max_time: Timestamp) {
        self.series += 1;
        let (mut life_ms, mut out_of_order) = (0, 0);
        for (i, chunk) in chunks.iter().enumerate() {
            self.chunks += 1;
            let duration = chunk.max_time - chunk.min_time;
            life_ms += duration;
            self.chunk_duration_ms.take(duration);
            self.single_sample_chunks += u64::from(duration == 0);
            if i + 2 < chunks.len() {
                let next = chunks[i + 1].chunk_ref;
                if next >> 32 == chunk.chunk_ref >> 32 {
                    self.chunk_size_bytes.take(next as i64 - chunk.chunk_ref as i64);
                }
            }
            if chunk.min_time < min_time || chunk.max_time > max_time {
                self.outside_chunks += 1;
                if chunk.min_time > max_time || chunk.max_time < min_time {
                    self.wholly_outside_chunks += 1;
                } else if chunk.min_time == max_time {
                    self.at_end_chunks += 1;
                }
            }
            let Some(before) = i.checked_sub(1).map(|i| &chunks[i]) else { continue };
            if chunk.min_time > before.max_time {
                continue;
            }
            if (chunk.min_time, chunk.max_time) == (before.min_time, before.max_time) {
                self.duplicated_chunks += 1;
            } else {
                out_of_order += 1;
            }
        }
        if out_of_order > 0 {
            self.out_of_order_series += 1;
            self.out_of_order_chunks += out_of_order;
        }
        self.series_chunks.take(chunks.len() as i64);
        self.series_life_ms.take(life_ms);
        if life_ms == 0 {
            self.single_sample_series += 1;
        } else {
            self.series_life_without_single_ms.take(life_ms);
        }
    }

    /// What meta.json says of sizes; 0 where there were too few entries to tell.
    pub fn index_stats(&self) -> IndexStats {
        IndexStats {
            series_max_size: self.series_size_bytes.max.max(0) as u64,
            chunk_max_size: self.chunk_size_bytes.max.max(0) as u64,
        }
    }

    /// What only a person can repair, in the peer's words.
    pub fn critical(&self) -> Option<String> {
        let mut texts = Vec::new();
        let partly = self.outside_chunks - (self.wholly_outside_chunks + self.at_end_chunks);
        if partly > 0 {
            texts
                .push(format!("found {partly} chunks non-completely outside the block time range"));
        }
        if self.wholly_outside_chunks > 0 {
            let count = self.wholly_outside_chunks;
            texts.push(format!("found {count} chunks completely outside the block time range"));
        }
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    /// Chunks that begin at the block's end, in the peer's words.
    pub fn chunks_at_end(&self) -> Option<String> {
        let count = self.at_end_chunks;
        (count > 0).then(|| {
            format!(
                "found {count} chunks outside the block time range introduced by https://github.com/prometheus/tsdb/issues/347"
            )
        })
    }

    /// Chunks out of order, in the peer's words.
    pub fn out_of_order(&self) -> Option<String> {
        let (series, chunks) = (self.out_of_order_series, self.out_of_order_chunks);
        (chunks > 0).then(|| {
            format!(
                "{series}/{} series have an average of {:.3} out-of-order chunks: {:.3} of these are exact duplicates (in terms of data and time range)",
                self.series,
                chunks as f64 / series as f64,
                self.duplicated_chunks as f64 / chunks as f64,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(min_time: i64, max_time: i64, chunk_ref: u64) -> ChunkMeta {
        ChunkMeta { min_time, max_time, chunk_ref }
    }

    #[test]
    fn faults_are_told_apart() {
        let mut health = IndexHealth::default();
        health.take_series(&[chunk(0, 9, 8), chunk(10, 20, 108), chunk(30, 30, 150)], 0, 100);
        assert_eq!((health.critical(), health.out_of_order()), (None, None));
        assert_eq!(health.index_stats().chunk_max_size, 100);
        health.take_series(&[chunk(0, 9, 8), chunk(0, 9, 50), chunk(5, 12, 90)], 0, 100);
        health.take_series(&[chunk(-5, 9, 8), chunk(100, 101, 50), chunk(102, 110, 90)], 0, 100);
        assert_eq!(
            health.critical().unwrap(),
            "found 1 chunks non-completely outside the block time range, found 1 chunks completely outside the block time range"
        );
        assert!(health.chunks_at_end().unwrap().starts_with("found 1 chunks outside"));
        assert_eq!(
            health.out_of_order().unwrap(),
            "1/3 series have an average of 1.000 out-of-order chunks: 1.000 of these are exact duplicates (in terms of data and time range)"
        );
        assert_eq!((health.series_chunks.min, health.series_chunks.average()), (3, 3));
    }
}
