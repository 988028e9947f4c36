//! How packets and streams travel: as UDP and TCP, or all over TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::Budget;
use gauntlet_telemetry::{Counter, Registry};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::ClusterOptions;
use super::plain::Plain;
use super::tls::Tls;
use crate::codec::{StreamDecoder, StreamMessage};
use crate::error::GossipError;
use crate::swim::StreamId;

/// Most messages of streams that are being answered at once, as in the peer.
const MAX_INBOUND_STREAMS: usize = 128;
/// Most bytes of inbound streams in memory, read and inflated.
const INBOUND_BYTES: u64 = 256 << 20;
const READ_BYTES: usize = 16 * 1024;

/// What comes from outside, for the task that runs the state machine.
#[derive(Debug)]
pub(super) enum Event {
    Packet { from: SocketAddr, data: Vec<u8> },
    PacketFailed(SocketAddr),
    Stream { from: SocketAddr, message: StreamMessage, answer: oneshot::Sender<Option<Vec<u8>>> },
    StreamEnd { id: StreamId, result: Result<Option<StreamMessage>, String> },
    Resolved(Vec<SocketAddr>),
}

/// Bytes both ways.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

#[derive(Debug)]
pub(super) enum Transport {
    Plain(Plain),
    Tls(Arc<Tls>),
}

impl Transport {
    /// Listens; nothing is read before [`Self::start`].
    pub(super) async fn open(
        options: &ClusterOptions,
        bind: SocketAddr,
        registry: &Registry,
    ) -> Result<Self, GossipError> {
        match &options.tls_config_file {
            None => Ok(Self::Plain(Plain::open(bind).await?)),
            Some(file) => Ok(Self::Tls(Arc::new(Tls::open(file, bind, registry).await?))),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Plain(plain) => plain.address(),
            Self::Tls(tls) => tls.address(),
        }
    }

    /// Reads what comes, until the transport is dropped.
    pub(super) fn start(&mut self, inbound: Inbound) {
        match self {
            Self::Plain(plain) => plain.start(inbound),
            Self::Tls(tls) => tls.start(inbound),
        }
    }

    /// Sends a packet, or drops it where it cannot go at once.
    pub(super) fn send_packet(&self, to: SocketAddr, data: Vec<u8>) {
        match self {
            Self::Plain(plain) => plain.send_packet(to, &data),
            Self::Tls(tls) => tls.send_packet(to, data),
        }
    }

    /// What opens streams, for a task of its own.
    pub(super) fn dialer(&self) -> Dialer {
        match self {
            Self::Plain(_) => Dialer::Plain,
            Self::Tls(tls) => Dialer::Tls(Arc::clone(tls)),
        }
    }

    /// Lets packets that are on their way leave, then closes.
    pub(super) async fn close(self) {
        match self {
            Self::Plain(_) => {}
            Self::Tls(tls) => tls.close().await,
        }
    }
}

/// Opens streams.
#[derive(Clone, Debug)]
pub(super) enum Dialer {
    Plain,
    Tls(Arc<Tls>),
}

impl Dialer {
    /// Sends `data` on a stream of its own; reads the answer, if one is due.
    pub(super) async fn exchange(
        &self,
        to: SocketAddr,
        data: &[u8],
        answered: bool,
    ) -> Result<Option<StreamMessage>, String> {
        let mut stream = self.dial(to).await.map_err(|err| format!("dial {to}: {err}"))?;
        let text = |err: io::Error| err.to_string();
        stream.write_all(data).await.map_err(text)?;
        stream.flush().await.map_err(text)?;
        if answered {
            let mut decoder = StreamDecoder::answer();
            return read_message(&mut stream, &mut decoder).await.and_then(|message| {
                message.map(Some).ok_or_else(|| "the peer closed the stream".to_owned())
            });
        }
        // Closing before the other end has read all, or with bytes of its unread, could lose what was sent.
        let _ = stream.shutdown().await;
        let mut rest = [0; 1024];
        while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
        Ok(None)
    }

    async fn dial(&self, to: SocketAddr) -> io::Result<Box<dyn Io>> {
        match self {
            Self::Plain => {
                let stream = tokio::net::TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Tls(tls) => Ok(Box::new(tls.dial_stream(to).await?)),
        }
    }
}

/// What readers of inbound bytes need.
#[derive(Clone, Debug)]
pub(super) struct Inbound {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) label: String,
    pub(super) timeout: Duration,
    pub(super) dropped: Counter,
    budget: Arc<Budget>,
    permits: Arc<Semaphore>,
}

impl Inbound {
    pub(super) fn new(
        events: mpsc::Sender<Event>,
        label: String,
        timeout: Duration,
        dropped: Counter,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_INBOUND_STREAMS));
        Self { events, label, timeout, dropped, budget: Budget::new(INBOUND_BYTES), permits }
    }

    /// Hands a packet on, or drops it where too many wait.
    pub(super) fn packet(&self, from: SocketAddr, data: Vec<u8>) {
        if self.events.try_send(Event::Packet { from, data }).is_err() {
            self.dropped.inc();
        }
    }

    /// Serves one stream of another node, within the timeout.
    pub(super) async fn serve(&self, from: SocketAddr, mut stream: impl Io) {
        let served = tokio::time::timeout(self.timeout, self.serve_message(from, &mut stream));
        match served.await {
            Ok(Ok(())) => {}
            Ok(Err(err)) => tracing::debug!(%from, err, "stream of a peer failed"),
            Err(_) => tracing::debug!(%from, "stream of a peer took too long"),
        }
    }

    async fn serve_message(&self, from: SocketAddr, stream: &mut impl Io) -> Result<(), String> {
        let mut decoder =
            StreamDecoder::inbound(&self.label, &self.budget).map_err(|err| err.to_string())?;
        let Some(message) = read_message(stream, &mut decoder).await? else { return Ok(()) };
        // Only now, so that connections that say nothing do not keep out others.
        let Ok(_permit) = self.permits.try_acquire() else {
            self.dropped.inc();
            return Err("too many streams at once".to_owned());
        };
        let (answer, wanted) = oneshot::channel();
        let event = Event::Stream { from, message, answer };
        self.events.send(event).await.map_err(|_| "the node is closing".to_owned())?;
        if let Ok(Some(answer)) = wanted.await {
            write_last(stream, &answer).await?;
        }
        Ok(())
    }
}

/// Reads one message; `None` when the stream ends before its first byte. The peer is told what hides a message.
async fn read_message(
    stream: &mut (impl Io + ?Sized),
    decoder: &mut StreamDecoder,
) -> Result<Option<StreamMessage>, String> {
    let mut buf = vec![0; READ_BYTES];
    loop {
        let read = stream.read(&mut buf).await.map_err(|err| err.to_string())?;
        if read == 0 {
            return if decoder.is_empty() {
                Ok(None)
            } else {
                Err("the stream ends inside a message".to_owned())
            };
        }
        match decoder.feed(&buf[..read]) {
            Ok(None) => {}
            Ok(Some(message)) => return Ok(Some(message)),
            Err(err) => {
                if err.is_answered() && decoder.is_inbound() {
                    let answer = StreamMessage::Error(err.to_string()).encode("");
                    write_last(stream, &answer).await?;
                }
                return Err(err.to_string());
            }
        }
    }
}

async fn write_last(stream: &mut (impl Io + ?Sized), data: &[u8]) -> Result<(), String> {
    stream.write_all(data).await.map_err(|err| err.to_string())?;
    stream.flush().await.map_err(|err| err.to_string())?;
    stream.shutdown().await.map_err(|err| err.to_string())
}
