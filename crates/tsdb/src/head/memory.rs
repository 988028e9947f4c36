//! Where the head's memory goes, by its own accounts.

use super::Head;

/// Heap bytes of the head by purpose. Capacities, not lengths.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryBreakdown {
    pub series: u64,
    /// Label sets: own pairs, places, bases.
    pub labels_bytes: u64,
    /// Strings of names and values.
    pub strings_bytes: u64,
    /// Tables of pairs.
    pub pairs_bytes: u64,
    pub postings_bytes: u64,
    /// Table from label sets to series.
    pub by_labels_bytes: u64,
    /// Append states.
    pub states_bytes: u64,
    /// References to slots.
    pub refs_bytes: u64,
    /// Cells of open chunks that are in use, of those taken.
    pub cells_used_bytes: u64,
    pub cells_bytes: u64,
    /// Descriptors of closed chunks.
    pub closed_bytes: u64,
    /// Histograms, late samples, metadata.
    pub side_bytes: u64,
    /// Buffer of the head chunk files.
    pub buffer_bytes: u64,
    /// Not in memory: the scratch file of open chunks.
    pub scratch_file_bytes: u64,
}

impl MemoryBreakdown {
    pub fn total_bytes(&self) -> u64 {
        self.labels_bytes
            + self.strings_bytes
            + self.pairs_bytes
            + self.postings_bytes
            + self.by_labels_bytes
            + self.states_bytes
            + self.refs_bytes
            + self.cells_bytes
            + self.closed_bytes
            + self.side_bytes
            + self.buffer_bytes
    }

    /// Parts and their bytes, for printing.
    pub fn parts(&self) -> [(&'static str, u64); 11] {
        [
            ("labels", self.labels_bytes),
            ("strings", self.strings_bytes),
            ("pairs", self.pairs_bytes),
            ("postings", self.postings_bytes),
            ("by labels", self.by_labels_bytes),
            ("states", self.states_bytes),
            ("refs", self.refs_bytes),
            ("open chunks", self.cells_bytes),
            ("closed chunks", self.closed_bytes),
            ("side maps", self.side_bytes),
            ("file buffer", self.buffer_bytes),
        ]
    }
}

impl Head {
    pub fn memory(&self) -> MemoryBreakdown {
        let index = self.index.read();
        let bytes = index.heap_bytes();
        let mut out = MemoryBreakdown {
            series: index.len() as u64,
            labels_bytes: bytes.labels as u64,
            strings_bytes: bytes.strings as u64,
            pairs_bytes: bytes.pairs as u64,
            postings_bytes: bytes.postings as u64,
            by_labels_bytes: bytes.by_labels as u64,
            buffer_bytes: self.files.size_bytes().1 as u64,
            ..MemoryBreakdown::default()
        };
        drop(index);
        if let Some(spill) = &self.spill {
            let (free, file) = spill.size_bytes();
            out.side_bytes += free as u64;
            out.scratch_file_bytes = file;
        }
        for shard in &self.shards {
            let bytes = shard.data.read().heap_bytes();
            out.states_bytes += bytes.series as u64;
            out.refs_bytes += bytes.refs as u64;
            out.cells_used_bytes += bytes.cells_used as u64;
            out.cells_bytes += bytes.cells as u64;
            out.closed_bytes += bytes.closed as u64;
            out.side_bytes += bytes.side as u64;
        }
        out
    }
}
