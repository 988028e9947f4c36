//! Messages that travel in packets: a type byte, then a msgpack struct (or, for user messages, bytes as they are).

use super::msgpack::{
    MsgpackError, Reader, put_bool, put_bytes, put_map, put_nil, put_text, put_unsigned,
};

/// Longest node name that is taken; the peer knows no bound, but a longer one does not fit its packets with other fields.
pub const MAX_NAME_BYTES: usize = 512;
/// Longest metadata of a node, as in the peer.
pub const MAX_META_BYTES: usize = 512;

pub(crate) mod kind {
    pub(crate) const PING: u8 = 0;
    pub(crate) const INDIRECT_PING: u8 = 1;
    pub(crate) const ACK: u8 = 2;
    pub(crate) const SUSPECT: u8 = 3;
    pub(crate) const ALIVE: u8 = 4;
    pub(crate) const DEAD: u8 = 5;
    pub(crate) const PUSH_PULL: u8 = 6;
    pub(crate) const COMPOUND: u8 = 7;
    pub(crate) const USER: u8 = 8;
    pub(crate) const COMPRESS: u8 = 9;
    pub(crate) const ENCRYPT: u8 = 10;
    pub(crate) const NACK: u8 = 11;
    pub(crate) const CHECKSUM: u8 = 12;
    pub(crate) const ERROR: u8 = 13;
    pub(crate) const LABEL: u8 = 244;
}

/// A message of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Ping(Ping),
    IndirectPing(IndirectPing),
    Ack(Ack),
    /// An indirect ping, by its sequence number, got no answer in time.
    Nack(u32),
    Suspect(Verdict),
    Alive(Alive),
    Dead(Verdict),
    /// A message of the layer above.
    User(Vec<u8>),
}

/// Asks a node for an [`Ack`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ping {
    /// Name of the node asked; only it answers.
    pub node: String,
    pub seq: u32,
    /// Where to answer to, 4 or 16 bytes; empty: to the sender.
    pub source_addr: Vec<u8>,
    pub source_node: String,
    pub source_port: u16,
}

/// Asks a node to ping another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndirectPing {
    /// Whether a nack is wanted.
    pub nack: bool,
    /// Name of the node to ping.
    pub node: String,
    pub port: u16,
    pub seq: u32,
    pub source_addr: Vec<u8>,
    pub source_node: String,
    pub source_port: u16,
    /// Address of the node to ping, 4 or 16 bytes.
    pub target: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// Ignored by all; nil in relayed acks and those of streams.
    pub payload: Option<Vec<u8>>,
    pub seq: u32,
}

/// What `from` says of `node`: suspected, or dead. A node that says it of itself has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub from: String,
    pub incarnation: u32,
    pub node: String,
}

/// A node is alive, where and since which incarnation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alive {
    pub addr: Vec<u8>,
    pub incarnation: u32,
    pub meta: Vec<u8>,
    pub node: String,
    pub port: u16,
    /// Six numbers in real messages: see [`Versions`].
    pub versions: Vec<u8>,
}

/// Protocol versions of a node and of the layer above: least, most, current of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions(pub [u8; 6]);

impl Versions {
    /// What Alertmanager says, and we.
    pub const OURS: Self = Self([1, 5, 2, 0, 0, 0]);

    pub fn protocol_max(self) -> u8 {
        self.0[1]
    }
}

impl Message {
    /// Reads one message of a packet, its layers taken off.
    pub fn decode(data: &[u8]) -> Result<Self, MsgpackError> {
        let Some((tag, body)) = data.split_first() else {
            return Err(MsgpackError::Cut { needed: 1 });
        };
        let mut reader = Reader::new(body);
        Ok(match *tag {
            kind::PING => Self::Ping(Ping::read(&mut reader)?),
            kind::INDIRECT_PING => Self::IndirectPing(IndirectPing::read(&mut reader)?),
            kind::ACK => Self::Ack(Ack::read(&mut reader)?),
            kind::NACK => Self::Nack(Ack::read(&mut reader)?.seq),
            kind::SUSPECT => Self::Suspect(Verdict::read(&mut reader)?),
            kind::ALIVE => Self::Alive(Alive::read(&mut reader)?),
            kind::DEAD => Self::Dead(Verdict::read(&mut reader)?),
            kind::USER => Self::User(body.to_vec()),
            _ => return Err(MsgpackError::Bad { offset: 0, reason: "unknown type of message" }),
        })
    }

    /// The bytes of the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        match self {
            Self::Ping(ping) => ping.put(&mut out),
            Self::IndirectPing(ping) => ping.put(&mut out),
            Self::Ack(ack) => ack.put(&mut out),
            Self::Nack(seq) => {
                out.push(kind::NACK);
                put_map(&mut out, 1);
                put_text(&mut out, "SeqNo");
                put_unsigned(&mut out, u64::from(*seq));
            }
            Self::Suspect(verdict) => verdict.put(kind::SUSPECT, &mut out),
            Self::Alive(alive) => alive.put(&mut out),
            Self::Dead(verdict) => verdict.put(kind::DEAD, &mut out),
            Self::User(data) => {
                out.push(kind::USER);
                out.extend_from_slice(data);
            }
        }
        out
    }
}

impl Ping {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, MsgpackError> {
        let mut ping = Self::default();
        reader.fields(|value, key| {
            match key {
                b"Node" => ping.node = value.text()?.to_owned(),
                b"SeqNo" => ping.seq = u32(value)?,
                b"SourceAddr" => ping.source_addr = bytes(value)?,
                b"SourceNode" => ping.source_node = value.text()?.to_owned(),
                b"SourcePort" => ping.source_port = u16(value)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(ping)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.push(kind::PING);
        let source = Source::of(&self.source_addr, &self.source_node, self.source_port);
        put_map(out, 2 + source.fields());
        put_text(out, "Node");
        put_text(out, &self.node);
        put_text(out, "SeqNo");
        put_unsigned(out, u64::from(self.seq));
        source.put(out);
    }
}

impl IndirectPing {
    fn read(reader: &mut Reader<'_>) -> Result<Self, MsgpackError> {
        let mut ping = Self::default();
        reader.fields(|value, key| {
            match key {
                b"Nack" => ping.nack = value.bool()?,
                b"Node" => ping.node = value.text()?.to_owned(),
                b"Port" => ping.port = u16(value)?,
                b"SeqNo" => ping.seq = u32(value)?,
                b"SourceAddr" => ping.source_addr = bytes(value)?,
                b"SourceNode" => ping.source_node = value.text()?.to_owned(),
                b"SourcePort" => ping.source_port = u16(value)?,
                b"Target" => ping.target = bytes(value)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(ping)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(kind::INDIRECT_PING);
        let source = Source::of(&self.source_addr, &self.source_node, self.source_port);
        put_map(out, 5 + source.fields());
        put_text(out, "Nack");
        put_bool(out, self.nack);
        put_text(out, "Node");
        put_text(out, &self.node);
        put_text(out, "Port");
        put_unsigned(out, u64::from(self.port));
        put_text(out, "SeqNo");
        put_unsigned(out, u64::from(self.seq));
        source.put(out);
        put_text(out, "Target");
        put_bytes(out, &self.target);
    }
}

/// The three fields that say who pings; each is left out where it says nothing.
struct Source<'a> {
    addr: &'a [u8],
    node: &'a str,
    port: u16,
}

impl<'a> Source<'a> {
    fn of(addr: &'a [u8], node: &'a str, port: u16) -> Self {
        Self { addr, node, port }
    }

    fn fields(&self) -> u8 {
        u8::from(!self.addr.is_empty()) + u8::from(!self.node.is_empty()) + u8::from(self.port != 0)
    }

    fn put(&self, out: &mut Vec<u8>) {
        if !self.addr.is_empty() {
            put_text(out, "SourceAddr");
            put_bytes(out, self.addr);
        }
        if !self.node.is_empty() {
            put_text(out, "SourceNode");
            put_text(out, self.node);
        }
        if self.port != 0 {
            put_text(out, "SourcePort");
            put_unsigned(out, u64::from(self.port));
        }
    }
}

impl Ack {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, MsgpackError> {
        let mut ack = Self::default();
        reader.fields(|value, key| {
            match key {
                b"Payload" => ack.payload = value.bytes()?.map(<[u8]>::to_vec),
                b"SeqNo" => ack.seq = u32(value)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(ack)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.push(kind::ACK);
        put_map(out, 2);
        put_text(out, "Payload");
        match &self.payload {
            Some(payload) => put_bytes(out, payload),
            None => put_nil(out),
        }
        put_text(out, "SeqNo");
        put_unsigned(out, u64::from(self.seq));
    }
}

impl Verdict {
    fn read(reader: &mut Reader<'_>) -> Result<Self, MsgpackError> {
        let mut verdict = Self::default();
        reader.fields(|value, key| {
            match key {
                b"From" => verdict.from = value.text()?.to_owned(),
                b"Incarnation" => verdict.incarnation = u32(value)?,
                b"Node" => verdict.node = value.text()?.to_owned(),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(verdict)
    }

    fn put(&self, tag: u8, out: &mut Vec<u8>) {
        out.push(tag);
        put_map(out, 3);
        put_text(out, "From");
        put_text(out, &self.from);
        put_text(out, "Incarnation");
        put_unsigned(out, u64::from(self.incarnation));
        put_text(out, "Node");
        put_text(out, &self.node);
    }
}

impl Alive {
    fn read(reader: &mut Reader<'_>) -> Result<Self, MsgpackError> {
        let mut alive = Self::default();
        reader.fields(|value, key| {
            match key {
                b"Addr" => alive.addr = bytes(value)?,
                b"Incarnation" => alive.incarnation = u32(value)?,
                b"Meta" => alive.meta = bytes(value)?,
                b"Node" => alive.node = value.text()?.to_owned(),
                b"Port" => alive.port = u16(value)?,
                b"Vsn" => alive.versions = bytes(value)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(alive)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(kind::ALIVE);
        put_map(out, 6);
        put_text(out, "Addr");
        put_bytes(out, &self.addr);
        put_text(out, "Incarnation");
        put_unsigned(out, u64::from(self.incarnation));
        put_text(out, "Meta");
        put_bytes(out, &self.meta);
        put_text(out, "Node");
        put_text(out, &self.node);
        put_text(out, "Port");
        put_unsigned(out, u64::from(self.port));
        put_text(out, "Vsn");
        put_bytes(out, &self.versions);
    }
}

pub(crate) fn u32(value: &mut Reader<'_>) -> Result<u32, MsgpackError> {
    value.unsigned(u64::from(u32::MAX)).map(|number| number as u32)
}

pub(crate) fn u16(value: &mut Reader<'_>) -> Result<u16, MsgpackError> {
    value.unsigned(u64::from(u16::MAX)).map(|number| number as u16)
}

pub(crate) fn bytes(value: &mut Reader<'_>) -> Result<Vec<u8>, MsgpackError> {
    Ok(value.bytes()?.unwrap_or_default().to_vec())
}

/// Wraps packed bytes as a compressed message.
pub(crate) fn put_compressed(out: &mut Vec<u8>, packed: &[u8]) {
    out.push(kind::COMPRESS);
    put_map(out, 2);
    put_text(out, "Algo");
    put_unsigned(out, 0);
    put_text(out, "Buf");
    put_bytes(out, packed);
}

/// Reads what follows the type byte of a compressed message: the packed bytes.
pub(crate) fn read_compressed<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], MsgpackError> {
    let start = reader.offset();
    let (mut algorithm, mut packed) = (0, &[][..]);
    reader.fields(|value, key| {
        match key {
            b"Algo" => algorithm = value.unsigned(u64::from(u8::MAX))?,
            b"Buf" => packed = value.bytes()?.unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if algorithm != 0 {
        return Err(MsgpackError::Bad { offset: start, reason: "unknown compression" });
    }
    Ok(packed)
}
