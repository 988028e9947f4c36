//! Codecs: prost messages in one direction, raw frames in the other. Frames are read and written by `wire::frame`.

use std::marker::PhantomData;

use bytes::{Buf as _, BufMut as _, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Takes messages of type `M` and gives raw frames: the server's side of a stream.
#[derive(Debug)]
pub struct FramesOut<M>(PhantomData<M>);

/// Gives messages of type `M` and takes raw frames: the client's side of a stream.
#[derive(Debug)]
pub struct FramesIn<M>(PhantomData<M>);

impl<M> Default for FramesOut<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M> Default for FramesIn<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: prost::Message + Default + Send + 'static> Codec for FramesOut<M> {
    type Encode = Bytes;
    type Decode = M;
    type Encoder = RawEncoder;
    type Decoder = MessageDecoder<M>;

    fn encoder(&mut self) -> RawEncoder {
        RawEncoder
    }

    fn decoder(&mut self) -> MessageDecoder<M> {
        MessageDecoder(PhantomData)
    }
}

impl<M: prost::Message + Default + Send + 'static> Codec for FramesIn<M> {
    type Encode = M;
    type Decode = Bytes;
    type Encoder = MessageEncoder<M>;
    type Decoder = RawDecoder;

    fn encoder(&mut self) -> MessageEncoder<M> {
        MessageEncoder(PhantomData)
    }

    fn decoder(&mut self) -> RawDecoder {
        RawDecoder
    }
}

/// Writes bytes as they are.
#[derive(Clone, Copy, Debug)]
pub struct RawEncoder;

impl Encoder for RawEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(item.len());
        out.put(item);
        Ok(())
    }
}

/// Takes a frame's bytes without copying them.
#[derive(Clone, Copy, Debug)]
pub struct RawDecoder;

impl Decoder for RawDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = from.remaining();
        Ok(Some(from.copy_to_bytes(len)))
    }
}

#[derive(Debug)]
pub struct MessageEncoder<M>(PhantomData<M>);

impl<M: prost::Message> Encoder for MessageEncoder<M> {
    type Item = M;
    type Error = Status;

    fn encode(&mut self, item: M, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(out).map_err(|err| Status::internal(err.to_string()))
    }
}

#[derive(Debug)]
pub struct MessageDecoder<M>(PhantomData<M>);

impl<M: prost::Message + Default> Decoder for MessageDecoder<M> {
    type Item = M;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<M>, Status> {
        let message = M::decode(from).map_err(|err| Status::invalid_argument(err.to_string()));
        message.map(Some)
    }
}
