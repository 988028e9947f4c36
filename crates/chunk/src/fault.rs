//! Why decoding stopped, before it is known which chunk and sample it was.

use gauntlet_encoding::DecodeError;

use crate::{ChunkError, Encoding};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Cut,
    Bad(&'static str),
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::CutShort { .. } => Self::Cut,
            DecodeError::VarintTooLong { .. } => Self::Bad("varint of more than 64 bits"),
            DecodeError::NotUtf8 { .. } => Self::Bad("text is not UTF-8"),
        }
    }
}

impl Fault {
    pub(crate) fn at(self, encoding: Encoding, sample: usize, offset: usize) -> ChunkError {
        match self {
            Self::Cut => ChunkError::CutShort { encoding, sample, offset },
            Self::Bad(reason) => ChunkError::Damaged { encoding, sample, reason },
        }
    }
}
