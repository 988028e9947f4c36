//! From stores' chunks to what the engine reads: the aggregate that a function is served from, and the lanes of replicas.

use bytes::Bytes;
use gauntlet_chunk::{ChunkEncoder, Encoding, read_samples};
use gauntlet_runtime::Charge;
use gauntlet_storage::dedup::assign_lanes;
use gauntlet_storage::{
    Chunk, ChunkData, Dedup, QueryError, SelectHints, SeriesSet, SeriesSetBuilder,
};
use gauntlet_wire::frame::{AggrChunk, ChunkBytes, StoreSet};
use gauntlet_wire::store::Aggr;

use crate::average::{Averages, histogram_averages, into_source};
use crate::request::{aggregates_of, is_counter};

/// The engine's set of merged stores' series. Chunks that lack what was asked are left out, as upstream does.
///
/// With replica labels in the hints, chunks that overlap are replicas of each other and go to lanes; without, chunks of a series
/// are one lane, and of overlapping ones the first has its say. Counter functions see counters without resets in both cases.
pub fn into_series_set(
    set: StoreSet,
    charges: Vec<Charge>,
    hints: &SelectHints,
) -> Result<SeriesSet, QueryError> {
    let aggregates = aggregates_of(&hints.func);
    let chunks = set.iter().map(|(_, chunks)| chunks.len()).sum();
    let mut builder = SeriesSetBuilder::with_capacity(set.len(), chunks);
    let mut averages = Averages::default();
    let mut gathered: Vec<Chunk> = Vec::new();
    for (labels, chunks) in set.iter() {
        for chunk in chunks {
            take(chunk, &aggregates, &mut averages, &mut gathered)?;
        }
        if !hints.replica_labels.is_empty() {
            assign_lanes(&mut gathered);
        }
        builder.push_series(labels.clone());
        gathered.drain(..).for_each(|chunk| builder.push_chunk(chunk));
    }
    if !averages.is_empty() {
        builder.add_source(into_source(averages));
    }
    set.warnings.iter().for_each(|warning| builder.warn(warning));
    let mut out = builder.build_sorted();
    out.dedup = Dedup::Penalty { counter: is_counter(&hints.func) };
    out.charges = charges;
    Ok(out)
}

/// Appends what serves the function: one aggregate, an average of two, or the raw chunk.
fn take(
    chunk: &AggrChunk,
    aggregates: &[Aggr],
    averages: &mut Averages,
    out: &mut Vec<Chunk>,
) -> Result<(), QueryError> {
    let push = |out: &mut Vec<Chunk>, data| {
        let (min_time, max_time) = (chunk.min_time, chunk.max_time);
        out.push(Chunk { min_time, max_time, replica: 0, data });
    };
    if let Some(raw) = chunk.part(Aggr::Raw) {
        push(out, encoded(raw)?);
        return Ok(());
    }
    if let [only] = aggregates {
        if let Some(part) = chunk.part(*only) {
            push(out, encoded(part)?);
        }
        return Ok(());
    }
    let (Some(count), Some(sum)) = (chunk.part(Aggr::Count), chunk.part(Aggr::Sum)) else {
        return Ok(());
    };
    if sum.encoding == Encoding::Xor as u8 {
        let chunk_ref = averages.push(count, sum);
        push(out, ChunkData::Stored { source: 0, chunk_ref });
        return Ok(());
    }
    for part in histogram_averages(count, sum)? {
        let data = ChunkData::Encoded { encoding: part.encoding, bytes: part.bytes.into() };
        let (min_time, max_time) = (part.min_time, part.max_time);
        out.push(Chunk { min_time, max_time, replica: 0, data });
    }
    Ok(())
}

fn encoded(chunk: &ChunkBytes) -> Result<ChunkData, QueryError> {
    let encoding = Encoding::from_u8(chunk.encoding)
        .ok_or_else(|| QueryError::Corrupt(format!("unknown chunk encoding {}", chunk.encoding)))?;
    Ok(ChunkData::Encoded { encoding, bytes: chunk.data.clone() })
}

/// A set as the StoreAPI can carry it: raw chunks in encodings younger than it are rewritten, without their start times.
pub fn for_the_wire(set: StoreSet) -> Result<StoreSet, QueryError> {
    let newest = Encoding::FloatHistogram as u8;
    let young =
        |chunk: &AggrChunk| chunk.part(Aggr::Raw).filter(|raw| raw.encoding > newest).cloned();
    if !set.iter().any(|(_, chunks)| chunks.iter().any(|chunk| young(chunk).is_some())) {
        return Ok(set);
    }
    let mut out = StoreSet::new();
    for (labels, chunks) in set.iter() {
        out.push_series(labels.clone());
        for chunk in chunks {
            match young(chunk) {
                None => out.push_chunk(chunk.clone()),
                Some(raw) => rewrite(&raw, &mut out)?,
            }
        }
    }
    out.warnings = set.warnings;
    out.hints = set.hints;
    Ok(out)
}

fn rewrite(raw: &ChunkBytes, out: &mut StoreSet) -> Result<(), QueryError> {
    let corrupt = |err: &dyn std::fmt::Display| QueryError::Corrupt(err.to_string());
    let encoding = Encoding::from_u8(raw.encoding)
        .ok_or_else(|| QueryError::Corrupt(format!("unknown chunk encoding {}", raw.encoding)))?;
    let mut encoder = ChunkEncoder::new(false);
    for mut sample in read_samples(encoding, &raw.data).map_err(|err| corrupt(&err))? {
        sample.start = 0;
        encoder.append(&sample).map_err(|err| corrupt(&err))?;
    }
    for part in encoder.finish() {
        let data = Bytes::from(part.bytes);
        let hash = xxhash_rust::xxh64::xxh64(&data, 0);
        let raw = ChunkBytes { encoding: part.encoding as u8, data, hash };
        out.push_chunk(AggrChunk::raw(part.min_time, part.max_time, raw));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gauntlet_chunk::{Sample, SampleValue};
    use gauntlet_model::Labels;

    use super::*;

    #[test]
    fn young_encodings_are_rewritten_and_others_left_alone() {
        let mut encoder = ChunkEncoder::new(true);
        for i in 0..10 {
            let value = SampleValue::Float(f64::from(i));
            encoder.append(&Sample { t: i64::from(i) * 1000, start: 1, value }).unwrap();
        }
        let mut set = StoreSet::new();
        set.push_series(Labels::from_pairs([("a", "1")]));
        for part in encoder.finish() {
            assert_eq!(part.encoding, Encoding::Xor2);
            let raw =
                ChunkBytes { encoding: part.encoding as u8, data: part.bytes.into(), hash: 0 };
            set.push_chunk(AggrChunk::raw(part.min_time, part.max_time, raw));
        }
        let set = for_the_wire(set).unwrap();
        let chunk = &set.chunks(0)[0];
        let raw = chunk.part(Aggr::Raw).unwrap();
        assert_eq!((raw.encoding, chunk.min_time, chunk.max_time), (1, 0, 9000));
        let samples = read_samples(Encoding::Xor, &raw.data).unwrap();
        assert_eq!((samples.len(), &samples[9].value), (10, &SampleValue::Float(9.0)));
    }
}
