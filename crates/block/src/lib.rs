//! The immutable block: meta.json, index, chunk segments, tombstones.
