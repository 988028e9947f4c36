//! Alertmanager's own messages inside the gossip: keyed parts of state, in protobuf.
//!
//! Source: upstream `cluster/clusterpb/cluster.proto`. A user message is one [`Part`], the user state of a push/pull a
//! [`FullState`]. What a part's data mean is its key's business.

use bytes::Bytes;
use gauntlet_encoding::Cursor;
use prost::Message as _;

/// Most parts of a full state; the peer has two.
const MAX_PARTS: usize = 64;

/// State, or news of it, of one key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Part {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

/// All state of a node.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FullState {
    #[prost(message, repeated, tag = "1")]
    pub parts: Vec<Part>,
}

/// Frame of the TLS transport.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Frame {
    #[prost(string, tag = "1")]
    pub(crate) version: String,
    /// 0: a stream follows; 1: a packet.
    #[prost(int32, tag = "2")]
    pub(crate) kind: i32,
    #[prost(string, tag = "3")]
    pub(crate) from_addr: String,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) msg: Bytes,
}

/// Reads a [`FullState`] part by part, so that many empty parts cannot take more memory than they have bytes.
///
/// # Errors
/// When `data` are no such message, or have more parts than any real one.
pub(crate) fn read_full_state(data: Bytes) -> Result<Vec<Part>, PartError> {
    let mut parts = Vec::new();
    let mut cursor = Cursor::new(&data);
    while !cursor.is_empty() {
        let tag = cursor.uvarint()?;
        match (tag >> 3, tag & 7) {
            (1, 2) => {
                let body = cursor.len_bytes()?;
                if parts.len() == MAX_PARTS {
                    return Err(PartError::TooMany);
                }
                parts.push(Part::decode(data.slice_ref(body))?);
            }
            (_, 0) => cursor.uvarint().map(drop)?,
            (_, 1) => cursor.skip(8)?,
            (_, 2) => cursor.len_bytes().map(drop)?,
            (_, 5) => cursor.skip(4)?,
            _ => return Err(PartError::WireType),
        }
    }
    Ok(parts)
}

/// Why bytes are no full state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PartError {
    #[error("more than {MAX_PARTS} parts")]
    TooMany,
    #[error("unknown wire type")]
    WireType,
    #[error(transparent)]
    Cut(#[from] gauntlet_encoding::DecodeError),
    #[error(transparent)]
    Part(#[from] prost::DecodeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_written() {
        let part = |key: &str, data: &'static [u8]| Part {
            key: key.to_owned(),
            data: Bytes::from_static(data),
        };
        let whole = FullState { parts: vec![part("nfl", b""), part("sil", b"xyz")] };
        let mut encoded = whole.encode_to_vec();
        assert_eq!(read_full_state(encoded.clone().into()), Ok(whole.parts));
        encoded.pop();
        assert!(read_full_state(encoded.into()).is_err());
        assert_eq!(read_full_state([0x0a, 0].repeat(65).into()), Err(PartError::TooMany));
        assert_eq!(read_full_state(vec![0x10, 5, 0x1d, 0, 0, 0, 0].into()), Ok(vec![]));
    }
}
