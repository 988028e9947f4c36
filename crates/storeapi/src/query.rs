//! From stores' chunks to what the engine reads: the aggregate that a function is served from, and the lanes of replicas.

use gauntlet_chunk::Encoding;
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

/// Chunks as the StoreAPI can carry them: encodings younger than it are rewritten to those it knows.
pub fn to_wire(
    encoding: Encoding,
    bytes: &[u8],
) -> Result<Vec<gauntlet_chunk::EncodedChunk>, QueryError> {
    let corrupt = |err: String| QueryError::Corrupt(err);
    let samples =
        gauntlet_chunk::read_samples(encoding, bytes).map_err(|e| corrupt(e.to_string()))?;
    let mut encoder = gauntlet_chunk::ChunkEncoder::new(false);
    for mut sample in samples {
        sample.start = 0;
        encoder.append(&sample).map_err(|e| corrupt(e.to_string()))?;
    }
    Ok(encoder.finish())
}

/// Whether the StoreAPI has a number for the encoding.
pub fn is_on_the_wire(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::Xor | Encoding::Histogram | Encoding::FloatHistogram)
}
