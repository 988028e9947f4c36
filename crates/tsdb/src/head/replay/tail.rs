//! The end of a log, looked at before anything else: its newest time, and what a kill left of a record.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_model::Timestamp;
use gauntlet_runtime::{File, Fs};

use super::take_values;
use crate::wal::format::{PAGE_BYTES, segment_name};
use crate::wal::{Damage, Records, SegmentReader};

/// Bytes at the end of the log that are looked at for its newest time.
const TAIL_BYTES: u64 = 4 << 20;

/// What is seen at the end of a log.
pub(in crate::head) struct Tail {
    /// The newest time; `MIN` where there is none.
    pub(in crate::head) newest: Timestamp,
    pub(in crate::head) torn: Option<Damage>,
}

/// Looks at the end of the log: for its newest time, and for what a kill left of a record there. That is cut off: upstream would
/// give up all that is written behind it.
pub(in crate::head) fn look_at_tail(fs: &Arc<dyn Fs>, dir: &Path, segments: &[(u32, u64)]) -> Tail {
    let page = PAGE_BYTES as u64;
    let (mut tail, mut left) = (Tail { newest: Timestamp::MIN, torn: None }, TAIL_BYTES);
    for (n, (segment, size)) in segments.iter().rev().filter(|(_, size)| *size > 0).enumerate() {
        let path = dir.join(segment_name(*segment));
        let Ok(file) = fs.open(&path) else { continue };
        let from = size.saturating_sub(left) / page * page;
        let mut reader = SegmentReader::within(Arc::clone(&file), path.clone(), from, u64::MAX);
        let mut records = Records::default();
        let mut end = from;
        // Damage is named by the replay.
        while let Ok(Some(record)) = reader.next_record() {
            records.clear();
            let _ = records.decode(record);
            take_values(&mut records, |_, t, _| tail.newest = tail.newest.max(t));
            end = reader.position();
        }
        if n == 0 && end > from {
            tail.torn = cut_torn(&**fs, &*file, path, end, *size);
        }
        left = left.saturating_sub(size - from);
        if left == 0 {
            break;
        }
    }
    tail
}

/// Cuts a segment behind its last whole record, if anything but padding is there.
fn cut_torn(fs: &dyn Fs, file: &dyn File, path: PathBuf, end: u64, size: u64) -> Option<Damage> {
    let mut rest = vec![0; usize::try_from(size.saturating_sub(end)).ok()?];
    let read = file.read_at(&mut rest, end).ok()?;
    if rest[..read].iter().all(|byte| *byte == 0) {
        return None;
    }
    let cut = fs.open_write(&path).and_then(|file| file.truncate(end));
    let reason = match cut {
        Ok(()) => format!("{read} bytes behind the last whole record, cut off"),
        Err(err) => format!("{read} bytes behind the last whole record: {err}"),
    };
    Some(Damage { path, offset: end, reason })
}
