//! A section: length, content, checksum. | len u32 be | content, len bytes | crc32c u32 be |

use bytes::Bytes;
use gauntlet_encoding::{Cursor, DecodeError, crc32c, crc32c_append};

use crate::BlockError;
use crate::source::ByteSource;

/// Reads `len` bytes at `offset`; the end of the file is damage, since something in the file pointed here.
pub(crate) fn read(source: &dyn ByteSource, offset: u64, len: usize) -> Result<Bytes, BlockError> {
    source.read(offset, len).map_err(|err| {
        if err.kind() == std::io::ErrorKind::UnexpectedEof {
            let expected = format!("{len} more bytes");
            return BlockError::corrupt(
                source.name(),
                offset,
                expected,
                format!("a file of {} bytes", source.len()),
            );
        }
        BlockError::io(source.name(), "read", err)
    })
}

/// Reads a section at `offset` and verifies it; returns its content.
pub(crate) fn read_section(
    source: &dyn ByteSource,
    offset: u64,
    what: &str,
) -> Result<Bytes, BlockError> {
    let head = read(source, offset, 4)?;
    let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if len as u64 + 8 > source.len().saturating_sub(offset) {
        let expected = format!("{what} that ends before offset {}", source.len());
        return Err(BlockError::corrupt(source.name(), offset, expected, format!("length {len}")));
    }
    let content = read(source, offset + 4, len + 4)?;
    check_crc(source, offset + 4, &content, what)?;
    Ok(content.slice(..len))
}

/// Bytes read at a time by [`walk_section`].
const WINDOW_BYTES: u64 = 1 << 20;

/// Reads a section that begins with a count of entries, a window at a time, and verifies it. Calls `each` with the offset of an entry
/// and a cursor on it; `each` must read the entry whole before it acts, since it is called again where the window ended within. Returns
/// the end of the entries. What `each` did counts only if this succeeds.
pub(crate) fn walk_section(
    source: &dyn ByteSource,
    offset: u64,
    what: &str,
    mut each: impl FnMut(u64, &mut Cursor<'_>) -> Result<(), WalkError>,
) -> Result<u64, BlockError> {
    let head = read(source, offset, 8.min(source.len().saturating_sub(offset)) as usize)?;
    let mut counts = cursor(&head);
    let len = u64::from(counts.u32().at(source, offset, what)?);
    let count = counts.u32().at(source, offset, what)?;
    let (start, end) = (offset + 4, offset + 4 + len);
    if len < 4 || end + 4 > source.len() {
        let expected = format!("{what} that ends before offset {}", source.len());
        return Err(BlockError::corrupt(source.name(), offset, expected, format!("length {len}")));
    }
    // The window holds the section from `at` on; `next` is where the next read begins.
    let (mut window, mut at, mut next, mut crc) = (Vec::new(), start, start, 0u32);
    let mut refill = |window: &mut Vec<u8>, next: &mut u64| -> Result<bool, BlockError> {
        let wanted = (end - *next).min(WINDOW_BYTES);
        if wanted == 0 {
            return Ok(false);
        }
        let bytes = read(source, *next, wanted as usize)?;
        crc = crc32c_append(crc, &bytes);
        window.extend_from_slice(&bytes);
        *next += wanted;
        Ok(true)
    };
    refill(&mut window, &mut next)?;
    let mut position = 4;
    for _ in 0..count {
        loop {
            let mut entry = cursor(&window[position..]);
            match each(at + position as u64, &mut entry) {
                Ok(()) => {
                    position += entry.offset();
                    break;
                }
                Err(WalkError::Decode(DecodeError::CutShort { .. })) if next < end => {
                    window.drain(..position);
                    at += position as u64;
                    position = 0;
                    refill(&mut window, &mut next)?;
                }
                Err(WalkError::Decode(err)) => {
                    return Err(BlockError::decode(source.name(), at + position as u64, what, err));
                }
                Err(WalkError::Block(err)) => return Err(err),
            }
        }
    }
    let entries_end = at + position as u64;
    while {
        window.clear();
        refill(&mut window, &mut next)?
    } {}
    let stored = read(source, end, 4)?;
    let stored = u32::from_be_bytes([stored[0], stored[1], stored[2], stored[3]]);
    if stored != crc {
        let expected = format!("checksum {stored:08x} of {what}");
        return Err(BlockError::corrupt(source.name(), start, expected, format!("{crc:08x}")));
    }
    Ok(entries_end)
}

/// Why an entry was not taken.
pub(crate) enum WalkError {
    Decode(DecodeError),
    Block(BlockError),
}

impl From<DecodeError> for WalkError {
    fn from(err: DecodeError) -> Self {
        Self::Decode(err)
    }
}

impl From<BlockError> for WalkError {
    fn from(err: BlockError) -> Self {
        Self::Block(err)
    }
}

/// Checks the CRC in the last four bytes of `content` over those before.
pub(crate) fn check_crc(
    source: &dyn ByteSource,
    offset: u64,
    content: &[u8],
    what: &str,
) -> Result<(), BlockError> {
    let Some((data, crc)) = content.split_last_chunk::<4>() else {
        return Err(BlockError::corrupt(source.name(), offset, "a checksum", "nothing"));
    };
    let (stored, found) = (u32::from_be_bytes(*crc), crc32c(data));
    if stored == found {
        return Ok(());
    }
    let expected = format!("checksum {stored:08x} of {what}");
    Err(BlockError::corrupt(source.name(), offset, expected, format!("{found:08x}")))
}

/// Names file, offset and intent of a failed decode.
pub(crate) trait DecodeAt<T> {
    fn at(self, source: &dyn ByteSource, base: u64, what: &str) -> Result<T, BlockError>;
}

impl<T> DecodeAt<T> for Result<T, gauntlet_encoding::DecodeError> {
    fn at(self, source: &dyn ByteSource, base: u64, what: &str) -> Result<T, BlockError> {
        self.map_err(|err| BlockError::decode(source.name(), base, what, err))
    }
}

/// A cursor over the content of a section.
pub(crate) fn cursor(content: &[u8]) -> Cursor<'_> {
    Cursor::new(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use gauntlet_encoding::{put_len_bytes, put_u32};

    /// A section of numbered texts of `len` bytes each, behind three bytes of something else.
    fn section(count: usize, len: usize) -> (MemorySource, Vec<u8>) {
        let mut content = Vec::new();
        put_u32(&mut content, count as u32);
        for i in 0..count {
            let digits = i.to_string();
            let text = "0".repeat(len - digits.len()) + &digits;
            put_len_bytes(&mut content, text.as_bytes());
        }
        let mut file = vec![7, 7, 7];
        put_u32(&mut file, content.len() as u32);
        file.extend_from_slice(&content);
        put_u32(&mut file, crc32c(&content));
        (MemorySource::new("s", file.clone()), file)
    }

    fn walk(source: &MemorySource) -> Result<Vec<(u64, usize)>, BlockError> {
        let mut out = Vec::new();
        let end = walk_section(source, 3, "texts", |at, entry| {
            let text = entry.len_str()?;
            out.push((at, text.parse().unwrap_or(usize::MAX)));
            Ok(())
        })?;
        assert_eq!(end, source.len() - 4);
        Ok(out)
    }

    #[test]
    fn entries_may_cross_windows() {
        for (count, len) in [(0, 1), (5, 10), (40_000, 61), (5, 900_000)] {
            let (source, file) = section(count, len);
            let entries = walk(&source).unwrap();
            assert_eq!(entries.len(), count);
            for (i, (at, number)) in entries.into_iter().enumerate() {
                assert_eq!(number, i);
                let text = Cursor::new(&file[at as usize..]).len_str().map(str::len);
                assert_eq!(text, Ok(len));
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        let (_, file) = section(300, 20);
        for at in (3..file.len()).step_by(13) {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert!(walk(&MemorySource::new("s", bad)).is_err(), "{at}");
            assert!(walk(&MemorySource::new("s", file[..at].to_vec())).is_err(), "{at}");
        }
    }
}
