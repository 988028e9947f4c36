//! Remote read: what client and server share. Page: docs/formats/remote-read.md. Source: upstream `storage/remote`, `prompb/remote.proto`.
//!
//! A request is a snappy block with a `prometheus.ReadRequest`. The answer is either all samples in one snappy block, or a stream of
//! frames with encoded chunks, as the request prefers.

use bytes::{Bytes, BytesMut};
use gauntlet_encoding::{Cursor, crc32c, put_uvarint};
use gauntlet_wire::WireError;
use gauntlet_wire::prompb::ChunkedReadResponse;
use prost::Message as _;

/// `Content-Type` of requests and of sampled answers.
pub const CONTENT_TYPE_SAMPLES: &str = "application/x-protobuf";
/// `Content-Type` of streamed answers.
pub const CONTENT_TYPE_CHUNKS: &str =
    "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
/// Largest frame that a reader takes; the peers' limit.
pub const MAX_FRAME_BYTES: usize = 50_000_000;

/// Why a remote read failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The request is at fault: status 400.
    #[error("{0}")]
    BadRequest(String),
    /// Status 500, or a peer that cannot be reached.
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Query(#[from] gauntlet_storage::QueryError),
    /// Bytes that are no answer.
    #[error("remote read answer is damaged: {0}")]
    Damaged(String),
}

impl ReadError {
    /// The HTTP status that a server answers with.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) | Self::Query(gauntlet_storage::QueryError::BadRequest(_)) => 400,
            _ => 500,
        }
    }
}

impl From<WireError> for ReadError {
    fn from(err: WireError) -> Self {
        Self::BadRequest(err.to_string())
    }
}

/// Appends a frame: | len uvarint | crc32c u32 be over the message | message |
pub fn put_frame(out: &mut Vec<u8>, message: &ChunkedReadResponse) {
    let bytes = message.encode_to_vec();
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(&crc32c(&bytes).to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Takes frames from a stream of bytes, however it is cut.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    limit_bytes: usize,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::with_limit(MAX_FRAME_BYTES)
    }
}

impl FrameReader {
    /// A reader that takes no frame over `limit_bytes`.
    pub fn with_limit(limit_bytes: usize) -> Self {
        Self { buffer: BytesMut::new(), limit_bytes }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, verified. Chunk data stay slices of the buffer.
    pub fn next_frame(&mut self) -> Result<Option<ChunkedReadResponse>, ReadError> {
        let damaged = |text: String| ReadError::Damaged(text);
        let mut cursor = Cursor::new(&self.buffer);
        let len = match cursor.uvarint_len() {
            Ok(len) => len,
            Err(gauntlet_encoding::DecodeError::CutShort { .. }) => return Ok(None),
            Err(err) => return Err(damaged(err.to_string())),
        };
        if len > self.limit_bytes {
            let limit = self.limit_bytes;
            let text = format!("message of {len} bytes, the limit is {limit}");
            return Err(damaged(text));
        }
        let Ok(stored) = cursor.u32() else { return Ok(None) };
        if cursor.remaining() < len {
            return Ok(None);
        }
        let start = cursor.offset();
        let mut frame = self.buffer.split_to(start + len);
        let message: Bytes = frame.split_off(start).freeze();
        let found = crc32c(&message);
        if stored != found {
            return Err(damaged(format!("expected checksum {stored:08x}, found {found:08x}")));
        }
        let message = ChunkedReadResponse::decode(message);
        message.map(Some).map_err(|err| damaged(err.to_string()))
    }

    /// Errs where the stream ended inside a frame.
    pub fn finish(&self) -> Result<(), ReadError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        Err(ReadError::Damaged(format!(
            "stream ends inside a frame, after {} bytes of it",
            self.buffer.len()
        )))
    }
}

/// Reads all there is in a stream's bytes; a door for fuzzing.
pub fn read_all_frames(bytes: &[u8]) -> Result<usize, ReadError> {
    let mut reader = FrameReader::default();
    reader.push(bytes);
    let mut frames = 0;
    while reader.next_frame()?.is_some() {
        frames += 1;
    }
    reader.finish()?;
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_however_they_are_cut() {
        let message = |query_index| ChunkedReadResponse { query_index, ..Default::default() };
        let mut bytes = Vec::new();
        (0..3).for_each(|i| put_frame(&mut bytes, &message(i)));
        for step in 1..bytes.len() {
            let mut reader = FrameReader::default();
            let mut found = Vec::new();
            for part in bytes.chunks(step) {
                reader.push(part);
                while let Some(frame) = reader.next_frame().unwrap() {
                    found.push(frame.query_index);
                }
            }
            reader.finish().unwrap();
            assert_eq!(found, [0, 1, 2]);
        }
        assert!(read_all_frames(&bytes[..bytes.len() - 1]).is_err());
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(read_all_frames(&bytes).is_err());
        assert!(read_all_frames(&[0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]).is_err());
        assert_eq!(read_all_frames(&[]).unwrap(), 0);
    }
}
