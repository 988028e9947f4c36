//! Silences as bytes: the snapshot file `silences`, and gossip, which has the same form.

use prost::Message as _;

use super::Silence;
use super::proto::MeshSilenceProto;
use crate::snapshot::read_delimited;
use crate::time::Time;

/// A silence with the time until which it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshSilence {
    pub silence: Silence,
    pub expires_at: Time,
}

/// What bytes held.
#[derive(Debug, Default)]
pub struct RestoredSilences {
    /// In the order of the bytes; of equal ids the later counts.
    pub silences: Vec<MeshSilence>,
    pub damage: Vec<String>,
}

impl MeshSilence {
    /// Adds the message with its length before it.
    pub(super) fn encode(silence: &Silence, expires_at: Time, out: &mut Vec<u8>) {
        let message = MeshSilenceProto::new(silence, expires_at);
        message.encode_length_delimited(out).expect("BUG: a vector grows");
    }

    /// Size of an encoded message without the length before it.
    pub(super) fn size_bytes(encoded: &[u8]) -> usize {
        prost::decode_length_delimiter(encoded).unwrap_or(encoded.len())
    }
}

/// Reads a snapshot or a gossip message.
pub fn decode(bytes: &[u8]) -> RestoredSilences {
    let (silences, damage) = read_delimited(bytes, |mesh: MeshSilenceProto| {
        let proto = mesh.silence.ok_or("no silence in it")?;
        let expires_at = Time::from(mesh.expires_at.unwrap_or_default());
        Ok(MeshSilence { silence: proto.into_silence()?, expires_at })
    });
    RestoredSilences { silences, damage }
}

/// For the fuzzer: reads any bytes, and reads again what was read.
pub fn fuzz_state(bytes: &[u8]) {
    let first = decode(bytes);
    let mut again = Vec::new();
    for mesh in &first.silences {
        MeshSilence::encode(&mesh.silence, mesh.expires_at, &mut again);
    }
    let second = decode(&again);
    assert!(second.damage.is_empty(), "BUG: our own bytes are unreadable");
    assert_eq!(second.silences, first.silences);
}
