//! A section: length, content, checksum. | len u32 be | content, len bytes | crc32c u32 be |

use bytes::Bytes;
use gauntlet_encoding::{Cursor, crc32c};

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
