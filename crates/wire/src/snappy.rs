//! Snappy block format with a limit on what it may grow to. Remote read and write bodies are such blocks.
//!
//! Besides whole blocks there are the elements of one: who knows what in a body repeats writes it as copies, without a search, and
//! puts the length of what they unpack to in front. Source: the format description of upstream snappy.
//! | uncompressed length uvarint32 | element* |    a literal is tag 0, its length - 1 and its bytes; a copy is tag 1-3, length and distance

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

/// Copies reach back as far as this.
pub const MAX_DISTANCE: usize = u16::MAX as usize;
/// Shorter copies cost more than their bytes as part of a literal.
pub const MIN_COPY: usize = 4;

/// Unpacks into `out`, whose bytes are replaced; errs as [`unpack`]. A buffer that is used again costs no fresh pages.
pub fn unpack_into(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    let size = snap::raw::decompress_len(block)?;
    if size > limit {
        return Err(WireError::TooLarge { size, limit });
    }
    // What is there already need not be cleared: it is overwritten, or the block is refused.
    if out.len() > size {
        out.truncate(size);
    } else {
        out.resize(size, 0);
    }
    let written = snap::raw::Decoder::new().decompress(block, out)?;
    out.truncate(written);
    Ok(())
}

/// Writes bytes as they are.
#[inline]
pub fn put_literal(out: &mut Vec<u8>, bytes: &[u8]) {
    const CHUNK: usize = 1 << 16;
    if let 1..=60 = bytes.len() {
        out.push((bytes.len() as u8 - 1) << 2);
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.chunks(CHUNK) {
        let less = chunk.len() - 1;
        match less {
            0..60 => out.push((less as u8) << 2),
            60..256 => out.extend_from_slice(&[60 << 2, less as u8]),
            _ => out.extend_from_slice(&[61 << 2, less as u8, (less >> 8) as u8]),
        }
        out.extend_from_slice(chunk);
    }
}

/// Writes a copy of `len` bytes that begin `distance` before: 1 to [`MAX_DISTANCE`], of bytes that are there when the block is
/// unpacked up to here.
#[inline]
pub fn put_copy(out: &mut Vec<u8>, distance: usize, mut len: usize) {
    debug_assert!((1..=MAX_DISTANCE).contains(&distance), "{distance}");
    let [low, high] = (distance as u16).to_le_bytes();
    while len > 64 {
        out.extend_from_slice(&[63 << 2 | 2, low, high]);
        len -= 64;
    }
    match len {
        0 => {}
        4..=11 if distance < 2048 => {
            out.extend_from_slice(&[high << 5 | (len as u8 - 4) << 2 | 1, low]);
        }
        _ => out.extend_from_slice(&[(len as u8 - 1) << 2 | 2, low, high]),
    }
}

/// Writes bytes as the elements that packing them alone gives.
pub fn put_packed(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), WireError> {
    let packed = pack(bytes)?;
    let length = packed.iter().position(|byte| *byte < 0x80).map_or(packed.len(), |at| at + 1);
    out.extend_from_slice(&packed[length..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_length(length: usize, elements: &[u8]) -> Vec<u8> {
        let (mut out, mut rest) = (Vec::new(), length);
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
        out.extend_from_slice(elements);
        out
    }

    #[test]
    fn elements_unpack_to_what_they_say() {
        let noise: Vec<u8> =
            (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for literal in [1, 2, 59, 60, 61, 255, 256, 257, 65_535, 65_536, 65_537, 140_000] {
            let (mut elements, mut body) = (Vec::new(), noise[..literal].to_vec());
            put_literal(&mut elements, &body);
            for len in [1, 3, 4, 5, 11, 12, 63, 64, 65, 67, 128, 500] {
                for distance in [1, 2, 10, 2047, 2048, 2049, 40_000, MAX_DISTANCE] {
                    if distance <= body.len() {
                        put_copy(&mut elements, distance, len);
                        (0..len).for_each(|_| body.push(body[body.len() - distance]));
                    }
                }
            }
            put_packed(&mut elements, &noise[..literal]).unwrap();
            body.extend_from_slice(&noise[..literal]);
            put_literal(&mut elements, b"");
            let block = with_length(body.len(), &elements);
            assert!(unpack(&block, 1 << 20).unwrap() == body, "literal of {literal}");
        }
    }

    #[test]
    fn a_buffer_is_used_again() {
        let mut out = vec![9; 50];
        unpack_into(&pack(&[7; 1000]).unwrap(), 1000, &mut out).unwrap();
        assert_eq!(out, [7; 1000]);
        unpack_into(&pack(&[1; 10]).unwrap(), 1000, &mut out).unwrap();
        assert_eq!(out, [1; 10]);
        unpack_into(&pack(&[]).unwrap(), 1000, &mut out).unwrap();
        assert!(out.is_empty());
        let too_large = unpack_into(&pack(&[7; 1000]).unwrap(), 999, &mut out);
        assert!(matches!(too_large, Err(WireError::TooLarge { size: 1000, limit: 999 })));
    }

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
