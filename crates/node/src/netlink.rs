//! A small client of the kernel's route netlink: dumps of links, neighbours, routes and queueing disciplines, and a walker over
//! their attributes. One socket is kept per user; answers are read with a deadline. Formats: linux/netlink.h, linux/rtnetlink.h.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::error::Malformed;

pub(crate) const GET_LINK: u16 = 18;
pub(crate) const GET_ROUTE: u16 = 26;
pub(crate) const GET_NEIGHBOUR: u16 = 30;
pub(crate) const GET_QDISC: u16 = 38;

const DONE: u16 = 3;
const ERROR: u16 = 2;
const REQUEST_DUMP: u16 = 0x1 | 0x300;
const HEADER: usize = 16;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// One datagram of a dump is at most 32 KiB on current kernels.
const DATAGRAM: usize = 64 << 10;
/// A dump that is larger is refused.
const MAX_DUMP: usize = 64 << 20;

/// A netlink socket with its buffers.
#[derive(Debug)]
pub(crate) struct Netlink {
    protocol: Option<rustix::net::Protocol>,
    socket: Option<OwnedFd>,
    sequence: u32,
    datagram: Vec<u8>,
    dump: Vec<u8>,
}

impl Netlink {
    /// For route messages.
    pub(crate) fn route() -> Netlink {
        Netlink {
            protocol: None,
            socket: None,
            sequence: 0,
            datagram: Vec::new(),
            dump: Vec::new(),
        }
    }

    /// For generic netlink families.
    pub(crate) fn generic() -> Netlink {
        Netlink { protocol: Some(netlink::GENERIC), ..Netlink::route() }
    }

    /// For socket diagnostics.
    pub(crate) fn sockets() -> Netlink {
        Netlink { protocol: Some(netlink::SOCK_DIAG), ..Netlink::route() }
    }

    /// Asks for a dump and gives all its messages, headers included. `body` is the message's fixed part. After an error the
    /// next call starts with a new socket.
    pub(crate) fn dump(&mut self, kind: u16, body: &[u8]) -> io::Result<Messages<'_>> {
        self.request(kind, REQUEST_DUMP, body)
    }

    /// Sends one request and reads until its end: the closing message of a dump, or an acknowledgement.
    pub(crate) fn request(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
    ) -> io::Result<Messages<'_>> {
        let mut dump = std::mem::take(&mut self.dump);
        dump.clear();
        let result = self.exchange(kind, flags, body, &mut |message| {
            if dump.len() > MAX_DUMP {
                return Err(io::Error::other("netlink dump is larger than 64 MiB"));
            }
            dump.extend_from_slice(message.whole);
            dump.resize(dump.len().next_multiple_of(4), 0);
            Ok(())
        });
        self.dump = dump;
        result?;
        Ok(Messages { rest: &self.dump })
    }

    /// Like [`Netlink::dump`] for dumps of any size: each message is given away as it comes.
    pub(crate) fn dump_each(
        &mut self,
        kind: u16,
        body: &[u8],
        mut each: impl FnMut(&Message<'_>),
    ) -> io::Result<()> {
        self.exchange(kind, REQUEST_DUMP, body, &mut |message| {
            each(message);
            Ok(())
        })
    }

    fn exchange(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        each: &mut dyn FnMut(&Message<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let result = self.talk(kind, flags, body, each);
        if result.is_err() {
            self.socket = None;
        }
        result
    }

    fn talk(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        each: &mut dyn FnMut(&Message<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        if self.datagram.is_empty() {
            self.datagram.resize(DATAGRAM, 0);
        }
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.socket.insert(open(self.protocol)?),
        };
        let mut message = Vec::with_capacity(HEADER + body.len());
        message.extend_from_slice(&((HEADER + body.len()) as u32).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&0u32.to_ne_bytes());
        message.extend_from_slice(body);
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(socket, &message, SendFlags::empty(), &kernel)?;
        loop {
            let (size, _) = rustix::net::recv(socket, &mut self.datagram[..], RecvFlags::empty())?;
            for message in (Messages { rest: &self.datagram[..size] }) {
                if message.sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => {
                        let code = message.body.first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
                        if code != 0 {
                            return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
                        }
                        return Ok(());
                    }
                    _ => each(&message)?,
                }
            }
        }
    }
}

fn open(protocol: Option<rustix::net::Protocol>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT))?;
    Ok(socket)
}

/// One message: its type and what follows the header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) body: &'a [u8],
    sequence: u32,
    whole: &'a [u8],
}

/// Walks messages; a broken length ends the walk.
#[derive(Clone, Debug)]
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(crate) fn over(bytes: &'a [u8]) -> Messages<'a> {
        Messages { rest: bytes }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32_at(self.rest, 0)? as usize;
        let whole = self.rest.get(..length)?;
        let kind = u16_at(whole, 4)?;
        let sequence = u32_at(whole, 8)?;
        let body = whole.get(HEADER..)?;
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Message { kind, body, sequence, whole })
    }
}

/// Walks attributes (type, value); a broken length ends the walk.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Attributes after a fixed part of `skip` bytes.
    pub(crate) fn after(body: &'a [u8], skip: usize) -> Attributes<'a> {
        Attributes { rest: body.get(skip..).unwrap_or(&[]) }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = u16_at(self.rest, 0)? as usize;
        let kind = u16_at(self.rest, 2)? & 0x3fff; // without the flags for nested and byte order
        let value = self.rest.get(4..length)?;
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    }
}

const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// NLM_F_REQUEST | NLM_F_ACK
const REQUEST_ACKNOWLEDGED: u16 = 0x1 | 0x4;

/// Number of a generic netlink family; `None` where the kernel does not have it.
pub(crate) fn generic_family(netlink: &mut Netlink, name: &str) -> io::Result<Option<u16>> {
    let mut body = vec![GET_FAMILY, 1, 0, 0];
    body.extend_from_slice(&(4 + name.len() as u16 + 1).to_ne_bytes());
    body.extend_from_slice(&FAMILY_NAME.to_ne_bytes());
    body.extend_from_slice(name.as_bytes());
    body.push(0);
    body.resize(body.len().next_multiple_of(4), 0);
    let messages = match netlink.request(CONTROL, REQUEST_ACKNOWLEDGED, &body) {
        Ok(messages) => messages,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let id = |m: Message<'_>| {
        let found = Attributes::after(m.body, 4).find(|(kind, _)| *kind == FAMILY_ID);
        found.and_then(|(_, value)| u16_at(value, 0))
    };
    Ok(messages.into_iter().find_map(id))
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A text attribute, without its closing zero byte.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// Number, name, alias and counters of a network device.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) flags: u32,
    pub(crate) kind: u16,
    pub(crate) name: String,
    pub(crate) alias: String,
    /// In the order of `struct rtnl_link_stats64`: rx packets, tx packets, rx bytes, tx bytes, ...
    pub(crate) stats: Option<[u64; 24]>,
}

const LINK_NAME: u16 = 3;
const LINK_STATS: u16 = 7;
const LINK_ALIAS: u16 = 20;
const LINK_STATS64: u16 = 23;
/// Fixed part of a link message: struct ifinfomsg.
pub(crate) const LINK_HEADER: usize = 16;

/// The counters of [`Link::stats`] in their order, as the collectors call them.
pub(crate) const LINK_STATISTICS: [&str; 24] = [
    "receive_packets",
    "transmit_packets",
    "receive_bytes",
    "transmit_bytes",
    "receive_errors",
    "transmit_errors",
    "receive_dropped",
    "transmit_dropped",
    "multicast",
    "collisions",
    "receive_length_errors",
    "receive_over_errors",
    "receive_crc_errors",
    "receive_frame_errors",
    "receive_fifo_errors",
    "receive_missed_errors",
    "transmit_aborted_errors",
    "transmit_carrier_errors",
    "transmit_fifo_errors",
    "transmit_heartbeat_errors",
    "transmit_window_errors",
    "receive_compressed",
    "transmit_compressed",
    "receive_nohandler",
];

/// All links of a dump.
pub(crate) fn parse_links(messages: Messages<'_>) -> Result<Vec<Link>, Malformed> {
    let mut links = Vec::new();
    for message in messages {
        let short = || Malformed::new("short link message");
        let mut link = Link {
            kind: u16_at(message.body, 2).ok_or_else(short)?,
            index: u32_at(message.body, 4).ok_or_else(short)?,
            flags: u32_at(message.body, 8).ok_or_else(short)?,
            ..Link::default()
        };
        for (kind, value) in Attributes::after(message.body, LINK_HEADER) {
            match kind {
                LINK_NAME => link.name = text(value),
                LINK_ALIAS => link.alias = text(value),
                LINK_STATS64 => {
                    let mut stats = [0; 24];
                    for (i, slot) in stats.iter_mut().enumerate() {
                        *slot = u64_at(value, i * 8).unwrap_or(0);
                    }
                    link.stats = Some(stats);
                }
                LINK_STATS if link.stats.is_none() => {
                    let mut stats = [0; 24];
                    for (i, slot) in stats.iter_mut().enumerate() {
                        *slot = u32_at(value, i * 4).unwrap_or(0).into();
                    }
                    link.stats = Some(stats);
                }
                _ => {}
            }
        }
        links.push(link);
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_links_are_listed_with_loopback_among_them() {
        let mut netlink = Netlink::route();
        for _ in 0..2 {
            let links = parse_links(netlink.dump(GET_LINK, &[0; LINK_HEADER]).unwrap()).unwrap();
            let lo = links.iter().find(|l| l.name == "lo").unwrap();
            assert!(lo.index > 0 && lo.stats.is_some());
        }
    }

    #[test]
    fn broken_lengths_end_the_walk() {
        assert!(Messages::over(&[5, 0, 0, 0]).next().is_none());
        assert!(Messages::over(&[0; 32]).next().is_none());
        assert!(Attributes::after(&[2, 0, 1, 0, 9, 9], 0).next().is_none());
        assert_eq!(Attributes::after(&[5, 0, 1, 0, 9], 0).next(), Some((1, &[9u8][..])));
    }
}
