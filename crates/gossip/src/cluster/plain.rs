//! UDP for packets, TCP for streams, on one port.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};

use super::transport::{Event, Inbound};
use crate::codec::MAX_PACKET_BYTES;
use crate::error::GossipError;

/// Most TCP connections at once, those that have said nothing yet included.
const MAX_CONNECTIONS: usize = 1024;
/// Kernel buffer asked for, halved until the kernel agrees.
const RECEIVE_BUFFER_BYTES: usize = 2 << 20;
/// Tries to find a port that is free for both, where any will do.
const PORT_TRIES: u32 = 10;

#[derive(Debug)]
pub(super) struct Plain {
    udp: Arc<UdpSocket>,
    tcp: Option<TcpListener>,
    address: SocketAddr,
    events: Option<tokio::sync::mpsc::Sender<Event>>,
    tasks: Vec<AbortHandle>,
}

impl Plain {
    pub(super) async fn open(bind: SocketAddr) -> Result<Self, GossipError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::bind(bind).await {
                Ok(plain) => return Ok(plain),
                Err(_) if bind.port() == 0 && tries < PORT_TRIES => {}
                Err(err) => return Err(GossipError::Listen { address: bind, err }),
            }
        }
    }

    async fn bind(bind: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(bind).await?;
        let address = tcp.local_addr()?;
        let udp = UdpSocket::bind(address).await?;
        let mut size = RECEIVE_BUFFER_BYTES;
        while size > 0 && rustix::net::sockopt::set_socket_recv_buffer_size(&udp, size).is_err() {
            size /= 2;
        }
        let (udp, tcp) = (Arc::new(udp), Some(tcp));
        Ok(Self { udp, tcp, address, events: None, tasks: Vec::new() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn start(&mut self, inbound: Inbound) {
        self.events = Some(inbound.events.clone());
        let Some(tcp) = self.tcp.take() else { return };
        let packets = tokio::spawn(read_packets(Arc::clone(&self.udp), inbound.clone()));
        let streams = tokio::spawn(accept(tcp, inbound));
        self.tasks = vec![packets.abort_handle(), streams.abort_handle()];
    }

    pub(super) fn send_packet(&self, to: SocketAddr, data: &[u8]) {
        let sent = self.udp.try_send_to(data, as_family_of(self.address, to));
        match sent {
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {
                tracing::debug!(%to, "packet dropped: the socket is full");
            }
            Err(err) => {
                tracing::debug!(%to, %err, "packet not sent");
                if let Some(events) = &self.events {
                    let _ = events.try_send(Event::PacketFailed(to));
                }
            }
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn read_packets(udp: Arc<UdpSocket>, inbound: Inbound) {
    let mut buf = vec![0; MAX_PACKET_BYTES];
    loop {
        match udp.recv_from(&mut buf).await {
            Ok((len, from)) => {
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                inbound.packet(from, buf[..len].to_vec());
            }
            // An earlier packet could not be delivered: no reason to stop, but not to spin either.
            Err(err) => {
                tracing::debug!(%err, "reading packets");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn accept(tcp: TcpListener, inbound: Inbound) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = tcp.accept() => match accepted {
                Ok((stream, from)) if connections.len() < MAX_CONNECTIONS => {
                    let inbound = inbound.clone();
                    connections.spawn(async move { inbound.serve(from, stream).await });
                }
                Ok(_) => inbound.dropped.inc(),
                Err(err) => {
                    // Out of file descriptors, as a rule: wait for some to come back.
                    tracing::warn!(%err, "accepting a stream");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// An IPv4 target as a socket bound to IPv6 must name it.
fn as_family_of(local: SocketAddr, to: SocketAddr) -> SocketAddr {
    match (local.ip(), to.ip()) {
        (IpAddr::V6(_), IpAddr::V4(ip)) => {
            SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), to.port())
        }
        _ => to,
    }
}
