//! Snappy for gRPC messages: each compressed message is a stream in snappy's framed format, as Thanos' compressor `snappy` has it.
//!
//! tonic knows no snappy, so bodies are rewritten on their way: [`SnappyService`] around a server, or [`SnappyClient`] around a
//! channel, turns snappy messages into plain ones and back. As in Go, an answer is compressed the way its request was.

use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{HeaderName, HeaderValue};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const SNAPPY: HeaderValue = HeaderValue::from_static("snappy");
/// Flag and length in front of a message.
const PREFIX_BYTES: usize = 5;
/// Largest message, packed or not.
pub const MAX_MESSAGE_BYTES: usize = 1 << 30;

/// Which way messages are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Pack,
    Unpack,
}

/// A body whose messages are rewritten one by one. Trailers pass.
struct Rewritten {
    inner: Body,
    direction: Direction,
    buffer: BytesMut,
    ended: bool,
}

impl Rewritten {
    fn wrap(inner: Body, direction: Direction) -> Body {
        Body::new(Self { inner, direction, buffer: BytesMut::new(), ended: false })
    }

    /// Takes whole messages from the buffer and rewrites them.
    fn take(&mut self) -> Result<Option<Bytes>, Status> {
        let mut out = BytesMut::new();
        while let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() {
            let [flag, a, b, c, d] = *prefix;
            let len = u32::from_be_bytes([a, b, c, d]) as usize;
            if len > MAX_MESSAGE_BYTES {
                return Err(Status::resource_exhausted(format!("message of {len} bytes")));
            }
            if self.buffer.len() < PREFIX_BYTES + len {
                break;
            }
            self.buffer.advance(PREFIX_BYTES);
            let message = self.buffer.split_to(len);
            let (flag, message) = match (self.direction, flag) {
                (Direction::Unpack, 0) => (0, message.to_vec()),
                (Direction::Unpack, _) => (0, unpack(&message)?),
                (Direction::Pack, _) => (1, pack(&message)?),
            };
            out.reserve(PREFIX_BYTES + message.len());
            out.put_u8(flag);
            out.put_u32(message.len() as u32);
            out.put_slice(&message);
        }
        Ok((!out.is_empty()).then(|| out.freeze()))
    }
}

impl HttpBody for Rewritten {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                None => {
                    self.ended = true;
                    if !self.buffer.is_empty() {
                        return Poll::Ready(Some(Err(Status::internal("body ends in a message"))));
                    }
                }
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.buffer.extend_from_slice(&data);
                        match self.take() {
                            Ok(Some(out)) => return Poll::Ready(Some(Ok(Frame::data(out)))),
                            Ok(None) => {}
                            Err(status) => {
                                self.ended = true;
                                return Poll::Ready(Some(Err(status)));
                            }
                        }
                    }
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
    }
}

/// Unpacks one message. Public for the fuzz target.
pub fn unpack(message: &[u8]) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    let limit = MAX_MESSAGE_BYTES as u64 + 1;
    let read = snap::read::FrameDecoder::new(message).take(limit).read_to_end(&mut out);
    read.map_err(|err| Status::internal(format!("snappy: {err}")))?;
    if out.len() > MAX_MESSAGE_BYTES {
        return Err(Status::resource_exhausted("snappy: message unpacks to over 1 GiB"));
    }
    Ok(out)
}

fn pack(message: &[u8]) -> Result<Vec<u8>, Status> {
    let failed = |err: std::io::Error| Status::internal(format!("snappy: {err}"));
    let mut writer = snap::write::FrameEncoder::new(Vec::with_capacity(message.len() / 2));
    writer.write_all(message).map_err(failed)?;
    writer.into_inner().map_err(|err| failed(err.into_error()))
}

/// A server's service, snappy understood.
#[derive(Clone, Debug)]
pub struct SnappyService<S>(pub S);

impl<S, B> Service<http::Request<B>> for SnappyService<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<http::Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let mut request = request.map(Body::new);
        let packed = request.headers().get(ENCODING) == Some(&SNAPPY);
        match request.headers().get(ENCODING).cloned() {
            Some(other) if !packed && other != "identity" => {
                request.headers_mut().insert(ACCEPT, other);
            }
            _ => {
                request.headers_mut().remove(ACCEPT);
            }
        }
        if packed {
            request.headers_mut().remove(ENCODING);
            request = request.map(|body| Rewritten::wrap(body, Direction::Unpack));
        }
        let answer = self.0.call(request);
        async move {
            let mut response = answer.await?;
            if packed {
                response.headers_mut().insert(ENCODING, SNAPPY);
                response = response.map(|body| Rewritten::wrap(body, Direction::Pack));
            }
            Ok(response)
        }
        .boxed()
    }
}

/// A client's channel; messages go out packed if `pack` is set, and come in either way.
#[derive(Clone, Debug)]
pub struct SnappyClient<S> {
    pub inner: S,
    pub pack: bool,
}

impl<S> Service<http::Request<Body>> for SnappyClient<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<http::Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if self.pack {
            request.headers_mut().insert(ENCODING, SNAPPY);
            request.headers_mut().insert(ACCEPT, SNAPPY);
            request = request.map(|body| Rewritten::wrap(body, Direction::Pack));
        }
        let answer = self.inner.call(request);
        async move {
            let mut response = answer.await?;
            if response.headers().get(ENCODING) == Some(&SNAPPY) {
                response.headers_mut().remove(ENCODING);
                response = response.map(|body| Rewritten::wrap(body, Direction::Unpack));
            }
            Ok(response)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_and_damage_is_an_error() {
        let message: Vec<u8> = (0..100_000u32).map(|i| (i / 7) as u8).collect();
        let packed = pack(&message).unwrap();
        assert!(packed.len() < message.len());
        assert_eq!(unpack(&packed).unwrap(), message);
        assert_eq!(unpack(&pack(&[]).unwrap()).unwrap(), Vec::<u8>::new());
        assert!(unpack(&packed[..packed.len() - 1]).is_err());
        assert!(unpack(&[0xff; 20]).is_err());
    }
}
