//! All over TLS: packets as frames on connections kept open, streams on connections of their own.
//!
//! ```text
//! frame = length u32 LITTLE endian, protobuf {version = "v0.1.0", kind: 0 stream | 1 packet, from_addr, msg}
//! ```
//! A stream's connection begins with one frame of kind 0; what follows is the stream as over TCP. The peer reads each frame
//! with a new buffer and loses what else was in the same TLS record: one frame, one record. It also loses what it has not read
//! when the connection is reset, which happens if a side closes with bytes unread: so no session tickets are sent, and all ends
//! are read to their end.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gauntlet_net::PeerTls;
use gauntlet_telemetry::{Counter, Family, Registry};
use parking_lot::Mutex;
use prost::Message as _;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::transport::{Event, Inbound};
use crate::codec::MAX_PACKET_BYTES;
use crate::codec::part::Frame;
use crate::error::GossipError;

const VERSION: &str = "v0.1.0";
const STREAM: i32 = 0;
const PACKET: i32 = 1;
/// Largest frame that is read: a packet and what frames it.
const MAX_FRAME_BYTES: usize = MAX_PACKET_BYTES + 1024;
/// Most connections for packets to others, as in the peer.
const MAX_POOLED: usize = 1024;
/// Most connections of others.
const MAX_CONNECTIONS: usize = 1024;
/// Most packets that wait for one connection; further ones are dropped.
const MAX_WAITING: usize = 128;
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// For packets on their way, at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Tls {
    address: SocketAddr,
    config: Arc<PeerTls>,
    listener: Mutex<Option<TcpListener>>,
    pool: Arc<Mutex<Pool>>,
    events: Mutex<Option<mpsc::Sender<Event>>>,
    listening: Mutex<Option<AbortHandle>>,
    metrics: Metrics,
}

/// Connections for packets, by target.
#[derive(Debug, Default)]
struct Pool {
    senders: HashMap<SocketAddr, Pooled>,
    /// Counts uses, to find the connection unused for longest.
    uses: u64,
    writers: JoinSet<()>,
    closed: bool,
}

#[derive(Debug)]
struct Pooled {
    packets: mpsc::Sender<Bytes>,
    used: u64,
}

#[derive(Clone, Debug)]
struct Metrics {
    packet_bytes_sent: Counter,
    packet_bytes_received: Counter,
    streams_sent: Counter,
    streams_received: Counter,
    read_errors: Counter,
    write_errors: Family<Counter>,
}

impl Tls {
    pub(super) async fn open(
        file: &Path,
        bind: SocketAddr,
        registry: &Registry,
    ) -> Result<Self, GossipError> {
        let path = file.display().to_string();
        let text = tokio::fs::read(file)
            .await
            .map_err(|err| GossipError::Tls(format!("{path}: {err}")))?;
        let config =
            PeerTls::parse(&path, &text).map_err(|err| GossipError::Tls(err.to_string()))?;
        // Both sides are built once now, so that what cannot work fails at the start.
        config.server().map_err(GossipError::Tls)?;
        config.client().await.map_err(|err| GossipError::Tls(err.to_string()))?;
        let listen = |err| GossipError::Listen { address: bind, err };
        let listener = TcpListener::bind(bind).await.map_err(listen)?;
        Ok(Self {
            address: listener.local_addr().map_err(listen)?,
            config: Arc::new(config),
            listener: Mutex::new(Some(listener)),
            pool: Arc::default(),
            events: Mutex::new(None),
            listening: Mutex::new(None),
            metrics: Metrics::new(registry),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn start(&self, inbound: Inbound) {
        *self.events.lock() = Some(inbound.events.clone());
        let Some(listener) = self.listener.lock().take() else { return };
        let (config, metrics) = (Arc::clone(&self.config), self.metrics.clone());
        let task = tokio::spawn(accept(listener, config, metrics, inbound));
        *self.listening.lock() = Some(task.abort_handle());
    }

    pub(super) fn send_packet(&self, to: SocketAddr, data: Vec<u8>) {
        let len = data.len();
        let frame = encode_frame(PACKET, self.address.to_string(), Bytes::from(data));
        let mut pool = self.pool.lock();
        while pool.writers.try_join_next().is_some() {}
        if pool.closed {
            return;
        }
        pool.uses += 1;
        let used = pool.uses;
        let packets = match pool.senders.get_mut(&to).filter(|p| !p.packets.is_closed()) {
            Some(pooled) => {
                pooled.used = used;
                pooled.packets.clone()
            }
            None => {
                if pool.senders.len() >= MAX_POOLED {
                    pool.evict();
                }
                let (packets, waiting) = mpsc::channel(MAX_WAITING);
                pool.senders.insert(to, Pooled { packets: packets.clone(), used });
                let writer = Writer {
                    to,
                    config: Arc::clone(&self.config),
                    metrics: self.metrics.clone(),
                    events: self.events.lock().clone(),
                };
                pool.writers.spawn(writer.run(waiting));
                packets
            }
        };
        match packets.try_send(frame) {
            Ok(()) => self.metrics.packet_bytes_sent.add(len as u64),
            Err(_) => tracing::debug!(%to, "packet dropped: the connection is busy"),
        }
    }

    pub(super) async fn dial_stream(&self, to: SocketAddr) -> io::Result<ClientStream<TcpStream>> {
        let opened = async {
            let mut stream = dial(&self.config, to).await?;
            stream.write_all(&encode_frame(STREAM, String::new(), Bytes::new())).await?;
            stream.flush().await?;
            Ok(stream)
        };
        let opened = opened.await;
        match &opened {
            Ok(_) => self.metrics.streams_sent.inc(),
            Err(_) => self.metrics.write_errors.with(&["stream"]).inc(),
        }
        opened
    }

    /// Stops listening, and gives the packets that wait a moment to leave.
    pub(super) async fn close(&self) {
        if let Some(listening) = self.listening.lock().take() {
            listening.abort();
        }
        let mut writers = {
            let mut pool = self.pool.lock();
            pool.closed = true;
            pool.senders.clear();
            std::mem::take(&mut pool.writers)
        };
        let all = async { while writers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, all).await;
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.lock().take() {
            listening.abort();
        }
    }
}

impl Pool {
    /// Lets go of the connection unused for longest; it ends when its packets are written.
    fn evict(&mut self) {
        let oldest = self.senders.iter().min_by_key(|(_, pooled)| pooled.used);
        if let Some(address) = oldest.map(|(address, _)| *address) {
            self.senders.remove(&address);
        }
    }
}

/// Writes packets to one node on one connection.
struct Writer {
    to: SocketAddr,
    config: Arc<PeerTls>,
    metrics: Metrics,
    events: Option<mpsc::Sender<Event>>,
}

impl Writer {
    async fn run(self, waiting: mpsc::Receiver<Bytes>) {
        if let Err(err) = self.write_all(waiting).await {
            tracing::debug!(to = %self.to, %err, "connection for packets failed");
            self.metrics.write_errors.with(&["packet"]).inc();
            if let Some(events) = &self.events {
                let _ = events.try_send(Event::PacketFailed(self.to));
            }
        }
    }

    async fn write_all(&self, mut waiting: mpsc::Receiver<Bytes>) -> io::Result<()> {
        let dialled = tokio::time::timeout(DIAL_TIMEOUT, dial(&self.config, self.to));
        let stream = dialled.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut ignored = [0; 1024];
        loop {
            tokio::select! {
                // The other end sends nothing but its end, and what TLS itself has to say.
                read = reader.read(&mut ignored) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::ConnectionReset.into());
                    }
                }
                frame = waiting.recv() => match frame {
                    Some(frame) => {
                        writer.write_all(&frame).await?;
                        writer.flush().await?;
                    }
                    None => return writer.shutdown().await,
                },
            }
        }
    }
}

async fn dial(config: &PeerTls, to: SocketAddr) -> io::Result<ClientStream<TcpStream>> {
    let client = config.client().await.map_err(io::Error::other)?;
    let name = match config.server_name() {
        Some(name) => ServerName::try_from(name.to_owned()).map_err(io::Error::other)?,
        None => ServerName::IpAddress(to.ip().into()),
    };
    let tcp = TcpStream::connect(to).await?;
    tcp.set_nodelay(true)?;
    TlsConnector::from(client).connect(name, tcp).await
}

async fn accept(listener: TcpListener, config: Arc<PeerTls>, metrics: Metrics, inbound: Inbound) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, from)) if connections.len() < MAX_CONNECTIONS => {
                    let (config, metrics) = (Arc::clone(&config), metrics.clone());
                    let inbound = inbound.clone();
                    connections.spawn(async move {
                        if let Err(err) = serve(tcp, from, &config, &metrics, inbound).await {
                            metrics.read_errors.inc();
                            tracing::debug!(%from, %err, "reading from a peer's connection");
                        }
                    });
                }
                Ok(_) => inbound.dropped.inc(),
                Err(err) => {
                    metrics.read_errors.inc();
                    tracing::warn!(%err, "accepting a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Reads frames until the connection ends, or turns out to be a stream.
async fn serve(
    tcp: TcpStream,
    from: SocketAddr,
    config: &PeerTls,
    metrics: &Metrics,
    inbound: Inbound,
) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    tcp.set_nodelay(true)?;
    let acceptor = TlsAcceptor::from(config.server().map_err(io::Error::other)?);
    let mut stream =
        tokio::time::timeout(inbound.timeout, acceptor.accept(tcp)).await.map_err(late)??;
    let first = tokio::time::timeout(inbound.timeout, read_frame(&mut stream));
    let mut frame = first.await.map_err(late)??;
    while let Some(read) = frame {
        match read.kind {
            STREAM => {
                metrics.streams_received.inc();
                inbound.serve(from, stream).await;
                return Ok(());
            }
            PACKET => {
                let from = read.from_addr.parse().map_err(io::Error::other)?;
                metrics.packet_bytes_received.add(read.msg.len() as u64);
                inbound.packet(from, read.msg.to_vec());
            }
            _ => return Err(io::Error::other("neither a packet nor a stream")),
        }
        frame = read_frame(&mut stream).await?;
    }
    Ok(())
}

/// The next frame; `None` at the end.
async fn read_frame(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut len = [0; 4];
    match stream.read_exact(&mut len).await {
        Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    };
    let len = u32::from_le_bytes(len) as usize;
    if len > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!("frame of {len} bytes")));
    }
    let mut data = vec![0; len];
    stream.read_exact(&mut data).await?;
    decode_frame(Bytes::from(data)).map(Some).map_err(io::Error::other)
}

fn encode_frame(kind: i32, from_addr: String, msg: Bytes) -> Bytes {
    let body = Frame { version: VERSION.to_owned(), kind, from_addr, msg };
    let len = body.encoded_len();
    let mut frame = Vec::with_capacity(4 + len);
    frame.extend_from_slice(&(len as u32).to_le_bytes());
    body.encode_raw(&mut frame);
    Bytes::from(frame)
}

fn decode_frame(data: Bytes) -> Result<Frame, String> {
    let frame = Frame::decode(data).map_err(|err| err.to_string())?;
    if frame.version != VERSION {
        return Err(format!("version {:?} of frames, expected {VERSION:?}", frame.version));
    }
    Ok(frame)
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        let write_errors = registry.counter_vec(
            "alertmanager_tls_transport_write_errors_total",
            "The number of errors encountered while writing to outgoing connections.",
            &["connection_type"],
        );
        let counter = |name, help| registry.counter(name, help);
        Self {
            packet_bytes_sent: counter(
                "alertmanager_tls_transport_packet_bytes_sent_total",
                "The number of packet bytes sent to outgoing connections (excluding internal metadata).",
            ),
            packet_bytes_received: counter(
                "alertmanager_tls_transport_packet_bytes_received_total",
                "The number of packet bytes received from incoming connections (excluding internal metadata).",
            ),
            streams_sent: counter(
                "alertmanager_tls_transport_stream_connections_sent_total",
                "The number of stream connections sent.",
            ),
            streams_received: counter(
                "alertmanager_tls_transport_stream_connections_received_total",
                "The number of stream connections received.",
            ),
            read_errors: counter(
                "alertmanager_tls_transport_read_errors_total",
                "The number of errors encountered while reading from incoming connections.",
            ),
            write_errors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_frame_is_the_peers() {
        let frame = encode_frame(STREAM, String::new(), Bytes::new());
        assert_eq!(&frame[..], b"\x08\0\0\0\x0a\x06v0.1.0");
        let packet = encode_frame(PACKET, "127.0.0.1:9".to_owned(), Bytes::from_static(b"xy"));
        let read = decode_frame(packet.slice(4..)).unwrap();
        assert_eq!((read.kind, &read.from_addr[..], &read.msg[..]), (1, "127.0.0.1:9", &b"xy"[..]));
        assert!(decode_frame(Bytes::from_static(b"\x0a\x06v0.2.0")).is_err());
    }
}
