//! The layers around the messages of a packet, outermost first: label, checksum, compression, compound.
//!
//! ```text
//! label:      f4, length u8, label            checksum: 0c, CRC-32 (IEEE) u32 be of all that follows
//! compressed: 09, {Algo: 0, Buf: LZW}         compound: 07, count u8, count x length u16 be, then the messages
//! ```
//! A reader takes any subset, compound and compressed in either order.

use super::lzw::{self, LzwError};
use super::message::{Message, kind, put_compressed, read_compressed};
use super::msgpack::{MsgpackError, Reader};

/// Largest packet that is read, and the most that one may inflate to: the most that UDP carries, rounded up.
pub const MAX_PACKET_BYTES: usize = 65_536;
/// Most messages taken from one packet.
const MAX_MESSAGES: usize = 1024;
/// Deepest nesting of compression and compounds; real packets have two.
const MAX_LAYERS: u32 = 4;
/// Most messages of one compound.
const MAX_COMPOUND: usize = 255;
/// Bytes of a compound itself, and what each message in it costs beside its own.
pub(crate) const COMPOUND_OVERHEAD: usize = 2;

/// Why a packet, or a part of it, is dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    #[error("packet is empty or cut short")]
    Cut,
    #[error("packet has label {found:?}, expected {expected:?}")]
    Label { found: String, expected: String },
    #[error("label header is malformed")]
    BadLabel,
    #[error("checksum {found:08x}, expected {expected:08x}")]
    Checksum { found: u32, expected: u32 },
    #[error("packet is encrypted; encryption is not supported")]
    Encrypted,
    #[error("packet nests too deep or holds too many messages")]
    TooMuch,
    #[error(transparent)]
    Compression(#[from] LzwError),
    #[error(transparent)]
    Message(#[from] MsgpackError),
}

/// The messages of a packet as far as they can be read, and the first error of what could not.
#[derive(Debug, Default)]
pub struct Opened {
    pub messages: Vec<Message>,
    pub error: Option<PacketError>,
}

/// Takes off all layers of a packet. One of another label gives nothing but the error.
pub fn open(data: &[u8], label: &str) -> Opened {
    let mut opened = Opened::default();
    let mut budget = MAX_PACKET_BYTES;
    let result = strip_label(data)
        .and_then(|(found, rest)| check_label(found, label).map(|()| rest))
        .and_then(strip_checksum)
        .and_then(|rest| open_body(rest, MAX_LAYERS, &mut budget, &mut opened));
    if let Err(err) = result {
        opened.error.get_or_insert(err);
    }
    opened
}

fn open_body(
    data: &[u8],
    layers: u32,
    budget: &mut usize,
    opened: &mut Opened,
) -> Result<(), PacketError> {
    if layers == 0 || opened.messages.len() >= MAX_MESSAGES {
        return Err(PacketError::TooMuch);
    }
    match *data.first().ok_or(PacketError::Cut)? {
        kind::COMPRESS => {
            let plain = inflate(&data[1..], *budget)?;
            *budget -= plain.len();
            open_body(&plain, layers - 1, budget, opened)
        }
        kind::COMPOUND => {
            let (parts, whole) = split_compound(&data[1..])?;
            for part in parts {
                if let Err(err) = open_body(part, layers - 1, budget, opened) {
                    opened.error.get_or_insert(err);
                }
            }
            if whole { Ok(()) } else { Err(PacketError::Cut) }
        }
        kind::ENCRYPT => Err(PacketError::Encrypted),
        _ => {
            opened.messages.push(Message::decode(data)?);
            Ok(())
        }
    }
}

/// Takes the label header off, if there is one.
pub(crate) fn strip_label(data: &[u8]) -> Result<(&str, &[u8]), PacketError> {
    match data {
        [] => Err(PacketError::Cut),
        [kind::LABEL, len, rest @ ..] if *len > 0 && rest.len() > usize::from(*len) => {
            let (label, rest) = rest.split_at(usize::from(*len));
            Ok((std::str::from_utf8(label).map_err(|_| PacketError::BadLabel)?, rest))
        }
        [kind::LABEL, ..] => Err(PacketError::BadLabel),
        _ => Ok(("", data)),
    }
}

pub(crate) fn check_label(found: &str, expected: &str) -> Result<(), PacketError> {
    if found == expected {
        return Ok(());
    }
    Err(PacketError::Label { found: found.to_owned(), expected: expected.to_owned() })
}

/// Checks the checksum and takes it off, if there is one.
pub(crate) fn strip_checksum(data: &[u8]) -> Result<&[u8], PacketError> {
    let [kind::CHECKSUM, rest @ ..] = data else { return Ok(data) };
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or(PacketError::Cut)?;
    let (expected, found) = (u32::from_be_bytes(*sum), crc32fast::hash(rest));
    if found != expected {
        return Err(PacketError::Checksum { found, expected });
    }
    Ok(rest)
}

/// Inflates what follows the type byte of a compressed message.
pub(crate) fn inflate(data: &[u8], limit: usize) -> Result<Vec<u8>, PacketError> {
    let packed = read_compressed(&mut Reader::new(data))?;
    Ok(lzw::inflate(packed, limit)?)
}

/// The complete parts of what follows the type byte of a compound, and whether those are all.
pub(crate) fn split_compound(data: &[u8]) -> Result<(Vec<&[u8]>, bool), PacketError> {
    let (count, rest) = data.split_first().ok_or(PacketError::Cut)?;
    let count = usize::from(*count);
    let lengths = rest.get(..2 * count).ok_or(PacketError::Cut)?;
    let mut rest = &rest[2 * count..];
    let mut parts = Vec::with_capacity(count);
    for length in lengths.chunks_exact(2) {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let Some(part) = rest.get(..length) else { return Ok((parts, false)) };
        rest = &rest[length..];
        parts.push(part);
    }
    Ok((parts, true))
}

/// Bytes that the label header takes.
pub(crate) fn label_overhead(label: &str) -> usize {
    if label.is_empty() { 0 } else { 2 + label.len() }
}

/// Writes the label header, if there is a label. Labels over 255 bytes are refused when a configuration is checked.
pub(crate) fn put_label(out: &mut Vec<u8>, label: &str) {
    if !label.is_empty() {
        out.extend_from_slice(&[kind::LABEL, label.len() as u8]);
        out.extend_from_slice(label.as_bytes());
    }
}

/// Packs messages into as few packets as their number allows: bare if it is one, else as compounds, compressed where that is
/// shorter, with a checksum if the receiver knows of it.
pub(crate) fn seal(messages: &[Vec<u8>], label: &str, checksum: bool) -> Vec<Vec<u8>> {
    match messages {
        [] => Vec::new(),
        [one] => vec![wrap(one, label, checksum)],
        many => {
            many.chunks(MAX_COMPOUND).map(|chunk| wrap(&compound(chunk), label, checksum)).collect()
        }
    }
}

pub(crate) fn compound(messages: &[Vec<u8>]) -> Vec<u8> {
    let total: usize = messages.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(2 + 2 * messages.len() + total);
    out.extend_from_slice(&[kind::COMPOUND, messages.len() as u8]);
    for message in messages {
        out.extend_from_slice(&(message.len() as u16).to_be_bytes());
    }
    for message in messages {
        out.extend_from_slice(message);
    }
    out
}

/// The compressed form, if it is shorter.
fn compress(message: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len());
    put_compressed(&mut out, &lzw::deflate(message));
    (out.len() < message.len()).then_some(out)
}

fn wrap(message: &[u8], label: &str, checksum: bool) -> Vec<u8> {
    let packed = compress(message);
    let body = packed.as_deref().unwrap_or(message);
    let mut out = Vec::with_capacity(label_overhead(label) + 5 + body.len());
    put_label(&mut out, label);
    if checksum {
        out.push(kind::CHECKSUM);
        out.extend_from_slice(&crc32fast::hash(body).to_be_bytes());
    }
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nack(seq: u32) -> Vec<u8> {
        Message::Nack(seq).encode()
    }

    #[test]
    fn what_is_sealed_opens() {
        let long = Message::User(vec![b'x'; 600]).encode();
        for messages in [vec![nack(1)], vec![nack(1), long.clone()], vec![nack(1), nack(2)]] {
            for label in ["", "blue"] {
                for checksum in [false, true] {
                    let [packet] = seal(&messages, label, checksum).try_into().unwrap();
                    let opened = open(&packet, label);
                    assert_eq!(opened.error, None);
                    let again: Vec<_> = opened.messages.iter().map(Message::encode).collect();
                    assert_eq!(again, messages);
                    assert!(matches!(open(&packet, "red").error, Some(PacketError::Label { .. })));
                }
            }
        }
    }

    #[test]
    fn more_than_a_compound_takes_makes_two() {
        let messages: Vec<_> = (0..300).map(nack).collect();
        let packets = seal(&messages, "", true);
        assert_eq!(packets.len(), 2);
        let seen: usize = packets.iter().map(|packet| open(packet, "").messages.len()).sum();
        assert_eq!(seen, 300);
    }

    #[test]
    fn a_wrong_checksum_drops_the_packet() {
        let [mut packet] = seal(&[nack(1)], "", true).try_into().unwrap();
        *packet.last_mut().unwrap() ^= 1;
        let opened = open(&packet, "");
        assert!(matches!(opened.error, Some(PacketError::Checksum { .. })));
        assert!(opened.messages.is_empty());
    }

    #[test]
    fn a_cut_compound_gives_its_whole_leading_parts() {
        let whole = compound(&[nack(1), nack(2)]);
        let opened = open(&whole[..whole.len() - 1], "");
        assert_eq!(opened.messages, [Message::Nack(1)]);
        assert_eq!(opened.error, Some(PacketError::Cut));
    }

    #[test]
    fn bad_parts_leave_the_good_ones() {
        let opened = open(&compound(&[vec![99], nack(2), vec![]]), "");
        assert_eq!(opened.messages, [Message::Nack(2)]);
        assert!(matches!(opened.error, Some(PacketError::Message(_))));
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = Vec::new();
        put_compressed(&mut bomb, &lzw::deflate(&vec![0; 10 << 20]));
        assert!(bomb.len() < MAX_PACKET_BYTES);
        let limit = MAX_PACKET_BYTES;
        let error = PacketError::Compression(LzwError::TooLong { limit });
        assert_eq!(open(&bomb, "").error, Some(error));

        let mut nested = nack(1);
        for _ in 0..6 {
            nested = compound(&[nested]);
        }
        assert_eq!(open(&nested, "").error, Some(PacketError::TooMuch));

        // Many compressed parts share one budget.
        let mut part = Vec::new();
        put_compressed(&mut part, &lzw::deflate(&Message::User(vec![0; 40_000]).encode()));
        let opened = open(&compound(&[part.clone(), part.clone(), part]), "");
        assert_eq!(opened.messages.len(), 1);
        assert!(opened.error.is_some());
    }

    #[test]
    fn malformed_labels_are_refused() {
        for packet in [&[kind::LABEL][..], &[kind::LABEL, 0, 1], &[kind::LABEL, 2, b'a', b'b']] {
            assert_eq!(open(packet, "ab").error, Some(PacketError::BadLabel));
        }
    }
}
