//! Snappy block format with a limit on what it may grow to. Remote read and write bodies are such blocks.

use crate::WireError;

/// Unpacks a block; errs before allocating where its header names more than `limit` bytes.
pub fn unpack(block: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let size = snap::raw::decompress_len(block)?;
    if size > limit {
        return Err(WireError::TooLarge { size, limit });
    }
    Ok(snap::raw::Decoder::new().decompress_vec(block)?)
}

/// Packs bytes as a block.
pub fn pack(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    Ok(snap::raw::Encoder::new().compress_vec(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_over_the_limit_is_refused_unopened() {
        let packed = pack(&[7; 1000]).unwrap();
        assert_eq!(unpack(&packed, 1000).unwrap(), [7; 1000]);
        assert!(matches!(
            unpack(&packed, 999),
            Err(WireError::TooLarge { size: 1000, limit: 999 })
        ));
        assert!(unpack(&[0xff; 9], 10).is_err());
    }
}
