//! Reading bodies into a buffer that is used again: unpacked, and bounded after unpacking.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::write::GzDecoder;
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use parking_lot::Mutex;

use super::error::{ClientError, Stage, io_text};

/// Reads bodies one after the other. Keeps its buffer between them, unless it is given back to a pool.
#[derive(Debug, Default)]
pub struct BodyReader {
    buffer: Vec<u8>,
    pool: Arc<BufferPool>,
}

/// Buffers that many readers share: as many are kept as readers are at work at once, not one a reader.
#[derive(Debug, Default)]
pub struct BufferPool {
    free: Mutex<Vec<Vec<u8>>>,
}

/// Buffers kept for readers to come.
const FREE_BUFFERS: usize = 16;

/// A body that was read.
#[derive(Debug)]
pub struct ReadBody<'a> {
    pub bytes: &'a [u8],
    /// The Content-Type header; empty if there is none.
    pub content_type: String,
    /// Bytes that came over the wire.
    pub wire_bytes: u64,
}

impl BodyReader {
    /// A reader that takes its buffers from `pool`; [`BodyReader::release`] gives them back.
    pub fn with_pool(pool: Arc<BufferPool>) -> Self {
        Self { buffer: Vec::new(), pool }
    }

    /// Gives the buffer to the pool. The last body is gone.
    pub fn release(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut free = self.pool.free.lock();
        if buffer.capacity() > 0 && free.len() < FREE_BUFFERS {
            free.push(buffer);
        }
    }

    /// Reads the body of a response with status 200, unpacking gzip. `limit` bounds the unpacked bytes (0: no bound): that many
    /// or more are refused, as upstream refuses them. `deadline` bounds the reading.
    pub async fn read(
        &mut self,
        response: Response<Incoming>,
        limit: u64,
        deadline: Duration,
    ) -> Result<ReadBody<'_>, ClientError> {
        let (parts, body) = response.into_parts();
        if parts.status != http::StatusCode::OK {
            // A short body is read to its end, so that the connection can be used again.
            let drained = tokio::time::timeout(deadline.min(DRAIN_TIME), drain(body)).await;
            drop(drained);
            let message = format!("server returned HTTP status {}", parts.status);
            return Err(ClientError::new(Stage::Status, message.trim_end()));
        }
        let text = |name| parts.headers.get(name).and_then(|v: &http::HeaderValue| v.to_str().ok());
        let gzip = text(CONTENT_ENCODING) == Some("gzip");
        let content_type = text(CONTENT_TYPE).unwrap_or_default().to_owned();
        let limit = if limit == 0 { u64::MAX } else { limit };
        let read = tokio::time::timeout(deadline, self.fill(body, gzip, limit)).await;
        let wire_bytes = read.map_err(|_| ClientError::timeout())??;
        Ok(ReadBody { bytes: &self.buffer, content_type, wire_bytes })
    }

    async fn fill(
        &mut self,
        mut body: Incoming,
        gzip: bool,
        limit: u64,
    ) -> Result<u64, ClientError> {
        if self.buffer.capacity() == 0
            && let Some(buffer) = self.pool.free.lock().pop()
        {
            self.buffer = buffer;
        }
        self.buffer.clear();
        let mut wire_bytes = 0;
        let bounded = Bounded { out: &mut self.buffer, limit };
        if !gzip {
            let mut out = bounded;
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(read_error)?.into_data() else { continue };
                wire_bytes += data.len() as u64;
                out.write_all(&data).map_err(unpack_error)?;
            }
            return out.check(wire_bytes);
        }
        let mut decoder = GzDecoder::new(bounded);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(read_error)?.into_data() else { continue };
            wire_bytes += data.len() as u64;
            decoder.write_all(&data).map_err(unpack_error)?;
        }
        decoder.finish().map_err(unpack_error)?.check(wire_bytes)
    }
}

/// How long and how far the body of an error is read.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 64 << 10;

async fn drain(mut body: Incoming) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, bytes::Bytes::len);
        if seen > DRAIN_BYTES {
            return;
        }
    }
}

/// A buffer that refuses to grow to its limit.
struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    limit: u64,
}

impl Bounded<'_> {
    fn check(self, wire_bytes: u64) -> Result<u64, ClientError> {
        if self.out.len() as u64 >= self.limit { Err(too_large()) } else { Ok(wire_bytes) }
    }
}

impl std::io::Write for Bounded<'_> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if (self.out.len() + data.len()) as u64 >= self.limit {
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, TooLarge));
        }
        self.out.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("body size limit exceeded")]
struct TooLarge;

fn too_large() -> ClientError {
    ClientError::new(Stage::Limit, TooLarge.to_string())
}

fn unpack_error(err: std::io::Error) -> ClientError {
    if err.kind() == std::io::ErrorKind::FileTooLarge {
        return too_large();
    }
    ClientError::new(Stage::Read, format!("gzip: {err}"))
}

fn read_error(err: hyper::Error) -> ClientError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&err);
    while let Some(err) = source {
        if let Some(io) = err.downcast_ref::<std::io::Error>()
            && io.raw_os_error().is_some()
        {
            return ClientError::new(Stage::Read, io_text(io));
        }
        source = err.source();
    }
    let message = if err.is_incomplete_message() || err.is_body_write_aborted() {
        "unexpected EOF".to_owned()
    } else {
        err.to_string()
    };
    ClientError::new(Stage::Read, message)
}
