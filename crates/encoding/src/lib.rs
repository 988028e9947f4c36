//! Varints, bit streams, CRC32C and checked byte cursors.
