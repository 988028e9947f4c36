//! Messages of a stream: one each way, then both ends close.
//!
//! ```text
//! label header?  09 {Algo: 0, Buf: LZW of what follows}, or what follows as it is:
//!   00 ping   02 ack   0d {Error}   08 {UserMsgLen} bytes   06 {Join, Nodes, UserStateLen} node* bytes
//! ```
//! There is no length around a message; [`StreamDecoder`] is fed bytes as they come and says when one is whole.

use std::sync::Arc;

use bytes::Bytes;
use gauntlet_runtime::{Budget, Charge};

use super::lzw::{self, LzwError};
use super::message::{Ack, Ping, bytes, kind, put_compressed, read_compressed, u16, u32};
use super::msgpack::{
    MsgpackError, Reader, put_bool, put_bytes, put_map, put_signed, put_text, put_unsigned,
};
use super::packet::{PacketError, check_label, put_label, strip_label};

/// Most bytes of user state, as in the peer.
pub(crate) const MAX_USER_STATE_BYTES: usize = 20 << 20;
/// Most node states of one push/pull. The peer takes a million; no table of ours holds more than this.
pub const MAX_STREAM_NODES: usize = 16_384;
/// Most bytes of one stream, packed and inflated each: user state and node states.
pub const MAX_STREAM_BYTES: usize = MAX_USER_STATE_BYTES + (4 << 20);

/// What one end of a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamMessage {
    Ping(Ping),
    Ack(Ack),
    PushPull(PushPull),
    User(Bytes),
    /// The other end could not read what it was sent.
    Error(String),
}

/// A node's whole table and the state of the layer above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPull {
    pub join: bool,
    pub nodes: Vec<NodeState>,
    pub user_state: Bytes,
}

/// A row of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    pub addr: Vec<u8>,
    pub incarnation: u32,
    pub meta: Vec<u8>,
    pub name: String,
    pub port: u16,
    /// 0 alive, 1 suspect, 2 dead, 3 left.
    pub state: u8,
    pub versions: Vec<u8>,
}

/// Why a stream cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Label(PacketError),
    #[error("remote state is encrypted and encryption is not configured")]
    Encrypted,
    #[error("unknown type {0} of message")]
    Unknown(u8),
    #[error(transparent)]
    Compression(#[from] LzwError),
    #[error(transparent)]
    Message(#[from] MsgpackError),
    #[error("message of {bytes} bytes is over the limit of {limit}")]
    TooLong { bytes: usize, limit: usize },
    #[error("{0} nodes are over the limit")]
    TooManyNodes(u64),
    #[error("too many bytes of streams are in memory: {0}")]
    Budget(#[from] gauntlet_runtime::BudgetError),
}

impl StreamError {
    /// Whether the peer is told. As in the peer, only of what hides the message itself.
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Encrypted | Self::Compression(_))
    }
}

impl StreamMessage {
    /// The message as it is sent: compressed, after the label header if there is a label. Answers have none.
    pub fn encode(&self, label: &str) -> Vec<u8> {
        let plain = self.encode_plain();
        let packed = lzw::deflate(&plain);
        let mut out = Vec::with_capacity(packed.len() + 32);
        put_label(&mut out, label);
        put_compressed(&mut out, &packed);
        out
    }

    fn encode_plain(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        match self {
            Self::Ping(ping) => ping.put(&mut out),
            Self::Ack(ack) => ack.put(&mut out),
            Self::User(data) => {
                out.push(kind::USER);
                put_map(&mut out, 1);
                put_text(&mut out, "UserMsgLen");
                put_signed(&mut out, data.len() as u64);
                out.extend_from_slice(data);
            }
            Self::Error(text) => {
                out.push(kind::ERROR);
                put_map(&mut out, 1);
                put_text(&mut out, "Error");
                put_text(&mut out, text);
            }
            Self::PushPull(push_pull) => push_pull.put(&mut out),
        }
        out
    }
}

impl PushPull {
    fn put(&self, out: &mut Vec<u8>) {
        out.reserve(self.user_state.len() + 128 * self.nodes.len());
        out.push(kind::PUSH_PULL);
        put_map(out, 3);
        put_text(out, "Join");
        put_bool(out, self.join);
        put_text(out, "Nodes");
        put_signed(out, self.nodes.len() as u64);
        put_text(out, "UserStateLen");
        put_signed(out, self.user_state.len() as u64);
        for node in &self.nodes {
            node.put(out);
        }
        out.extend_from_slice(&self.user_state);
    }
}

impl NodeState {
    fn put(&self, out: &mut Vec<u8>) {
        put_map(out, 7);
        put_text(out, "Addr");
        put_bytes(out, &self.addr);
        put_text(out, "Incarnation");
        put_unsigned(out, u64::from(self.incarnation));
        put_text(out, "Meta");
        put_bytes(out, &self.meta);
        put_text(out, "Name");
        put_text(out, &self.name);
        put_text(out, "Port");
        put_unsigned(out, u64::from(self.port));
        put_text(out, "State");
        put_signed(out, u64::from(self.state));
        put_text(out, "Vsn");
        put_bytes(out, &self.versions);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, MsgpackError> {
        let mut node = Self::default();
        reader.fields(|value, key| {
            match key {
                b"Addr" => node.addr = bytes(value)?,
                b"Incarnation" => node.incarnation = u32(value)?,
                b"Meta" => node.meta = bytes(value)?,
                b"Name" => node.name = value.text()?.to_owned(),
                b"Port" => node.port = u16(value)?,
                b"State" => node.state = value.unsigned(3)? as u8,
                b"Vsn" => node.versions = bytes(value)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(node)
    }
}

/// Reads one message from the bytes of a stream.
#[derive(Debug)]
pub struct StreamDecoder {
    /// The label that must come first; `None` for answers, which have none.
    label: Option<String>,
    buf: Vec<u8>,
    /// Where reading goes on, and how many bytes there must be before it is worth trying.
    at: usize,
    wanted: usize,
    phase: Phase,
    /// Whether `buf` is an inflated message: all of it there is.
    inflated: bool,
    charge: Option<Charge>,
}

#[derive(Debug)]
enum Phase {
    Label,
    Type,
    Compressed,
    Small(u8),
    Nodes { message: PushPull, nodes: usize, user_len: usize },
    UserState { message: PushPull, user_len: usize },
    UserHeader,
    User { len: usize },
    Done,
}

enum Step {
    Go(Phase),
    Whole(StreamMessage),
}

impl StreamDecoder {
    /// Of a stream that another node opened; its bytes are charged to `budget`.
    pub fn inbound(label: &str, budget: &Arc<Budget>) -> Result<Self, StreamError> {
        let charge = Some(budget.charge(0)?);
        Ok(Self { label: Some(label.to_owned()), charge, ..Self::answer() })
    }

    /// Of the answer on a stream that this node opened.
    pub fn answer() -> Self {
        Self {
            label: None,
            buf: Vec::new(),
            at: 0,
            wanted: 1,
            phase: Phase::Label,
            inflated: false,
            charge: None,
        }
    }

    /// Whether nothing has come yet: an end here is no error.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Whether another node opened the stream.
    pub fn is_inbound(&self) -> bool {
        self.label.is_some()
    }

    /// Takes further bytes; gives the message once it is whole. Bytes behind it are ignored.
    pub fn feed(&mut self, data: &[u8]) -> Result<Option<StreamMessage>, StreamError> {
        if let Some(charge) = &mut self.charge {
            charge.grow(data.len() as u64)?;
        }
        self.buf.extend_from_slice(data);
        while self.buf.len() >= self.wanted {
            let phase = std::mem::replace(&mut self.phase, Phase::Done);
            match self.step(phase)? {
                Step::Whole(message) => {
                    self.wanted = usize::MAX;
                    return Ok(Some(message));
                }
                Step::Go(phase) => self.phase = phase,
            }
        }
        Ok(None)
    }

    fn step(&mut self, phase: Phase) -> Result<Step, StreamError> {
        match phase {
            Phase::Label => self.read_label(),
            Phase::Type => self.read_type(),
            Phase::Compressed => {
                let mut reader = Reader::new(&self.buf[self.at..]);
                match read_compressed(&mut reader) {
                    Err(MsgpackError::Cut { needed }) => self.want(needed, Phase::Compressed),
                    Err(err) => Err(err.into()),
                    Ok(packed) => {
                        let plain = lzw::inflate(packed, MAX_STREAM_BYTES)?;
                        if let Some(charge) = &mut self.charge {
                            charge.grow(plain.len() as u64)?;
                        }
                        self.buf = plain;
                        self.at = 0;
                        self.inflated = true;
                        self.want(1, Phase::Type)
                    }
                }
            }
            Phase::Small(tag) => {
                let mut reader = Reader::new(&self.buf[self.at..]);
                let read = match tag {
                    kind::PING => Ping::read(&mut reader).map(StreamMessage::Ping),
                    kind::ACK => Ack::read(&mut reader).map(StreamMessage::Ack),
                    kind::ERROR => read_error(&mut reader).map(StreamMessage::Error),
                    _ => return self.read_push_pull_header(),
                };
                match read {
                    Err(MsgpackError::Cut { needed }) => self.want(needed, Phase::Small(tag)),
                    Err(err) => Err(err.into()),
                    Ok(message) => Ok(Step::Whole(message)),
                }
            }
            Phase::Nodes { message, nodes, user_len } => self.read_node(message, nodes, user_len),
            Phase::UserState { mut message, user_len } => {
                message.user_state = self.tail(user_len);
                Ok(Step::Whole(StreamMessage::PushPull(message)))
            }
            Phase::UserHeader => self.read_user_header(),
            Phase::User { len } => Ok(Step::Whole(StreamMessage::User(self.tail(len)))),
            Phase::Done => {
                Err(MsgpackError::Bad { offset: 0, reason: "bytes after the end" }.into())
            }
        }
    }

    fn read_label(&mut self) -> Result<Step, StreamError> {
        let Some(label) = &self.label else { return self.want(1, Phase::Type) };
        // The header is whole when its length byte, the label and a byte behind it are there.
        if self.buf[0] == kind::LABEL {
            let needed = self.buf.get(1).map_or(2, |len| 3 + usize::from(*len));
            if self.buf.len() < needed {
                return self.want(needed, Phase::Label);
            }
        }
        let (found, rest) = strip_label(&self.buf).map_err(StreamError::Label)?;
        check_label(found, label).map_err(StreamError::Label)?;
        self.at = self.buf.len() - rest.len();
        self.want(1, Phase::Type)
    }

    fn read_type(&mut self) -> Result<Step, StreamError> {
        let tag = self.buf[self.at];
        self.at += 1;
        let phase = match tag {
            kind::COMPRESS if !self.inflated => Phase::Compressed,
            kind::ENCRYPT => return Err(StreamError::Encrypted),
            kind::PING | kind::ACK | kind::ERROR | kind::PUSH_PULL => Phase::Small(tag),
            kind::USER => Phase::UserHeader,
            other => return Err(StreamError::Unknown(other)),
        };
        self.want(1, phase)
    }

    fn read_push_pull_header(&mut self) -> Result<Step, StreamError> {
        let mut message = PushPull::default();
        let (mut nodes, mut user_len) = (0, 0);
        let mut reader = Reader::new(&self.buf[self.at..]);
        let read = reader.fields(|value, key| {
            match key {
                b"Join" => message.join = value.bool()?,
                b"Nodes" => nodes = value.unsigned(u64::MAX)?,
                b"UserStateLen" => user_len = value.unsigned(u64::MAX)?,
                _ => return Ok(false),
            }
            Ok(true)
        });
        let used = reader.offset();
        match read {
            Err(MsgpackError::Cut { needed }) => {
                return self.want(needed, Phase::Small(kind::PUSH_PULL));
            }
            read => read?,
        }
        if nodes > MAX_STREAM_NODES as u64 {
            return Err(StreamError::TooManyNodes(nodes));
        }
        let user_len = bounded(user_len)?;
        self.at += used;
        self.want(0, Phase::Nodes { message, nodes: nodes as usize, user_len })
    }

    fn read_node(
        &mut self,
        mut message: PushPull,
        nodes: usize,
        user_len: usize,
    ) -> Result<Step, StreamError> {
        while message.nodes.len() < nodes {
            let mut reader = Reader::new(&self.buf[self.at..]);
            match NodeState::read(&mut reader) {
                Err(MsgpackError::Cut { needed }) => {
                    return self.want(needed, Phase::Nodes { message, nodes, user_len });
                }
                Err(err) => return Err(err.into()),
                Ok(node) => message.nodes.push(node),
            }
            self.at += reader.offset();
        }
        self.want(user_len, Phase::UserState { message, user_len })
    }

    fn read_user_header(&mut self) -> Result<Step, StreamError> {
        let mut len = 0;
        let mut reader = Reader::new(&self.buf[self.at..]);
        let read = reader.fields(|value, key| {
            if key == b"UserMsgLen" {
                len = value.unsigned(u64::MAX)?;
            }
            Ok(key == b"UserMsgLen")
        });
        let used = reader.offset();
        match read {
            Err(MsgpackError::Cut { needed }) => return self.want(needed, Phase::UserHeader),
            read => read?,
        }
        let len = bounded(len)?;
        self.at += used;
        self.want(len, Phase::User { len })
    }

    /// Goes on with `phase` once `more` bytes beyond the present place are there.
    fn want(&mut self, more: usize, phase: Phase) -> Result<Step, StreamError> {
        let wanted = self.at.saturating_add(more);
        if wanted > MAX_STREAM_BYTES {
            return Err(StreamError::TooLong { bytes: wanted, limit: MAX_STREAM_BYTES });
        }
        if self.inflated && wanted > self.buf.len() {
            return Err(MsgpackError::Cut { needed: wanted }.into());
        }
        self.wanted = wanted;
        Ok(Step::Go(phase))
    }

    fn tail(&mut self, len: usize) -> Bytes {
        let mut whole = Bytes::from(std::mem::take(&mut self.buf));
        whole.truncate(self.at + len);
        whole.slice(self.at..)
    }
}

fn bounded(len: u64) -> Result<usize, StreamError> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len > MAX_USER_STATE_BYTES {
        return Err(StreamError::TooLong { bytes: len, limit: MAX_USER_STATE_BYTES });
    }
    Ok(len)
}

fn read_error(reader: &mut Reader<'_>) -> Result<String, MsgpackError> {
    let mut text = String::new();
    reader.fields(|value, key| {
        if key == b"Error" {
            text = String::from_utf8_lossy(value.bytes()?.unwrap_or_default()).into_owned();
        }
        Ok(key == b"Error")
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &[u8]) -> Result<Option<StreamMessage>, StreamError> {
        StreamDecoder::inbound("", &Budget::new(1 << 30))?.feed(data)
    }

    fn compressed(plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_compressed(&mut out, &lzw::deflate(plain));
        out
    }

    fn push_pull(nodes: usize, state: usize) -> PushPull {
        let node = |number: usize| NodeState {
            addr: vec![127, 0, 0, 1],
            name: format!("node {number}"),
            state: (number % 4) as u8,
            versions: vec![1, 5, 2, 0, 0, 0],
            port: 9094,
            ..NodeState::default()
        };
        let user_state = Bytes::from(vec![b's'; state]);
        PushPull { join: true, nodes: (0..nodes).map(node).collect(), user_state }
    }

    #[test]
    fn uncompressed_streams_are_read_however_they_come() {
        let user = StreamMessage::User(Bytes::from_static(b"hello"));
        let all = StreamMessage::PushPull(push_pull(200, 40_000));
        let ping = StreamMessage::Ping(Ping { node: "n".to_owned(), seq: 3, ..Ping::default() });
        for message in [user, all, ping, StreamMessage::Error("no".to_owned())] {
            let plain = message.encode_plain();
            for step in [1, 13, 5_000, plain.len()] {
                let mut decoder = StreamDecoder::answer();
                let mut found = None;
                for chunk in plain.chunks(step) {
                    assert_eq!(found, None);
                    found = decoder.feed(chunk).unwrap();
                }
                assert_eq!(found.as_ref(), Some(&message));
            }
            assert_eq!(read(&message.encode("")), Ok(Some(message.clone())));
            // What is missing from an inflated message will never come.
            assert!(read(&compressed(&plain[..plain.len() - 1])).is_err());
            assert!(read(&compressed(&plain[..1])).is_err());
        }
        assert!(read(&compressed(&[])).is_err());
    }

    #[test]
    fn limits_hold_before_memory_is_taken() {
        let mut header = vec![kind::PUSH_PULL];
        put_map(&mut header, 2);
        put_text(&mut header, "Nodes");
        put_signed(&mut header, MAX_STREAM_NODES as u64 + 1);
        put_text(&mut header, "UserStateLen");
        put_signed(&mut header, 0);
        assert_eq!(read(&header), Err(StreamError::TooManyNodes(MAX_STREAM_NODES as u64 + 1)));
        for (tag, field) in [(kind::PUSH_PULL, "UserStateLen"), (kind::USER, "UserMsgLen")] {
            for (len, fits) in [(MAX_USER_STATE_BYTES, true), (MAX_USER_STATE_BYTES + 1, false)] {
                let mut header = vec![tag];
                put_map(&mut header, 1);
                put_text(&mut header, field);
                put_signed(&mut header, len as u64);
                let error = StreamError::TooLong { bytes: len, limit: MAX_USER_STATE_BYTES };
                assert_eq!(read(&header), if fits { Ok(None) } else { Err(error) });
            }
        }
        // A packed length over all bounds.
        let long = [kind::COMPRESS, 0x81, 0xa3, b'B', b'u', b'f', 0xdb, 0x7f, 0, 0, 0];
        assert!(matches!(read(&long), Err(StreamError::TooLong { .. })));
        // A bomb: 25 MiB of nothing in little.
        let bomb = compressed(&vec![0; 25 << 20]);
        assert!(bomb.len() < 100_000);
        let limit = MAX_STREAM_BYTES;
        assert_eq!(read(&bomb), Err(StreamError::Compression(LzwError::TooLong { limit })));
    }

    #[test]
    fn bytes_are_charged_packed_and_inflated() {
        let message = StreamMessage::User(Bytes::from(vec![0; 10_000]));
        let data = message.encode("");
        let budget = Budget::new(10_000);
        let mut decoder = StreamDecoder::inbound("", &budget).unwrap();
        assert!(matches!(decoder.feed(&data), Err(StreamError::Budget(_))));
        drop(decoder);
        assert_eq!(budget.used_bytes(), 0);
        let budget = Budget::new(20_000);
        let mut decoder = StreamDecoder::inbound("", &budget).unwrap();
        assert_eq!(decoder.feed(&data), Ok(Some(message)));
        assert!(budget.used_bytes() > 10_000);
    }

    #[test]
    fn only_the_dialler_writes_a_label_and_only_the_right_one_is_heard() {
        let ping = StreamMessage::Ping(Ping { node: "n".to_owned(), seq: 3, ..Ping::default() });
        let of = |label: &str| StreamDecoder::inbound(label, &Budget::new(1 << 20)).unwrap();
        let labelled = ping.encode("blue");
        for step in [1, 2, 5, 100] {
            let mut decoder = of("blue");
            let last = labelled.chunks(step).map(|chunk| decoder.feed(chunk).unwrap()).last();
            assert_eq!(last, Some(Some(ping.clone())));
        }
        for (label, data) in
            [("", labelled.clone()), ("red", labelled.clone()), ("blue", ping.encode(""))]
        {
            assert!(matches!(of(label).feed(&data), Err(StreamError::Label(_))), "{label}");
        }
        assert!(of("x").feed(&[kind::LABEL, 0, 6]).is_err());
        assert!(StreamDecoder::answer().feed(&labelled).is_err());
    }

    #[test]
    fn the_peer_is_told_what_hides_a_message() {
        for (data, answered) in [
            (&[kind::ENCRYPT, 0][..], true),
            (&[kind::COMPRESS, 0x81, 0xa3, b'B', b'u', b'f', 0xa2, 0xff, 0xff], true),
            (&[kind::NACK, 0x80], false),
            (&[kind::PING, 0x05], false),
        ] {
            assert_eq!(read(data).unwrap_err().is_answered(), answered, "{data:?}");
        }
    }
}
