//! Bytes of the memberlist protocol: messages, the layers of a packet, streams, and Alertmanager's parts inside them.
//!
//! Nothing here knows time, nodes or sockets. Page: docs/formats/gossip.md.

#[cfg(test)]
mod golden;
pub(crate) mod lzw;
pub(crate) mod message;
pub(crate) mod msgpack;
pub(crate) mod packet;
pub(crate) mod part;
pub(crate) mod stream;

pub use lzw::LzwError;
pub use message::{
    Ack, Alive, IndirectPing, MAX_META_BYTES, MAX_NAME_BYTES, Message, Ping, Verdict, Versions,
};
pub use msgpack::MsgpackError;
pub use packet::{MAX_PACKET_BYTES, Opened, PacketError, open as open_packet};
pub use part::{FullState, Part};
pub use stream::{
    MAX_STREAM_BYTES, MAX_STREAM_NODES, NodeState, PushPull, StreamDecoder, StreamError,
    StreamMessage,
};
