//! What both snapshot files of the peer have in common: protobuf messages one after the other, each with its length before it,
//! no header and no checksum; of messages about the same thing the later counts. Page: docs/formats/alertmanager-state.md.
//!
//! That a later message counts is what lets us append to the very file the peer reads instead of keeping a log beside it.

use gauntlet_encoding::Cursor;
use prost::Message;

use crate::time::Time;

/// Largest snapshot that is read, in bytes.
pub(crate) const MAX_SNAPSHOT_BYTES: u64 = 1 << 30;
/// Gossip messages above this many bytes go to each peer directly and are not passed on.
pub const OVERSIZED_BYTES: usize = 700;

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        Self { seconds: time.unix_secs(), nanos: time.subsec_nanos() as i32 }
    }
}

impl From<Timestamp> for Time {
    fn from(stamp: Timestamp) -> Self {
        Self::from_unix(stamp.seconds, i64::from(stamp.nanos))
    }
}

/// Splits delimited messages and reads each. What cannot be read is described in the second list with its offset; a length
/// that leads beyond the end stops the reading.
pub(crate) fn read_delimited<M: Message + Default, T>(
    bytes: &[u8],
    take: impl Fn(M) -> Result<T, String>,
) -> (Vec<T>, Vec<String>) {
    let (mut found, mut damage) = (Vec::new(), Vec::new());
    let mut cursor = Cursor::new(bytes);
    while !cursor.is_empty() {
        let offset = cursor.offset();
        let Ok(message) = cursor.len_bytes() else {
            let lost = bytes.len() - offset;
            damage.push(format!("no whole message at offset {offset}, {lost} bytes dropped"));
            break;
        };
        match M::decode(message).map_err(|err| err.to_string()).and_then(&take) {
            Ok(value) => found.push(value),
            Err(reason) => damage.push(format!("message at offset {offset}: {reason}")),
        }
    }
    (found, damage)
}
