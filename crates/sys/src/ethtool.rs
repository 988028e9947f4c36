//! Read-only questions to network drivers through SIOCETHTOOL. Source: linux/ethtool.h.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const GET_SETTINGS: u32 = 0x01;
const GET_DRIVER: u32 = 0x03;
const GET_STRINGS: u32 = 0x1b;
const GET_STATS: u32 = 0x1d;
const SET_STATS: u32 = 1;
/// Statistics beyond this number are not asked for.
const MAX_STATS: usize = 16 << 10;
const STRING_BYTES: usize = 32;
/// The largest answer (strings of MAX_STATS statistics) twice over: a driver that grows its set meanwhile stays inside.
const BUFFER_BYTES: usize = 2 * MAX_STATS * STRING_BYTES;

/// A socket to ask through, with its buffer.
#[derive(Debug)]
pub struct Ethtool {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    pub driver: String,
    pub version: String,
    pub firmware: String,
    pub bus: String,
    pub expansion_rom: String,
}

/// Link modes as the bit sets of `ETHTOOL_LINK_MODE_*_BIT` below 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub supported: u32,
    pub advertising: u32,
    pub autonegotiation: u8,
}

impl Ethtool {
    pub fn open() -> io::Result<Ethtool> {
        Ok(Ethtool { socket: UdpSocket::bind("127.0.0.1:0")?, buffer: vec![0; BUFFER_BYTES] })
    }

    pub fn driver(&mut self, device: &str) -> io::Result<Driver> {
        self.ask(device, GET_DRIVER, &[])?;
        let text = |at: usize| {
            let field = &self.buffer[at..at + 32];
            let end = field.iter().position(|&b| b == 0).unwrap_or(32);
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        Ok(Driver {
            driver: text(4),
            version: text(36),
            firmware: text(68),
            bus: text(100),
            expansion_rom: text(132),
        })
    }

    pub fn settings(&mut self, device: &str) -> io::Result<Settings> {
        self.ask(device, GET_SETTINGS, &[])?;
        Ok(Settings {
            supported: self.u32_at(4),
            advertising: self.u32_at(8),
            autonegotiation: self.buffer[18],
        })
    }

    /// Names and values of the driver's statistics.
    pub fn statistics(&mut self, device: &str) -> io::Result<Vec<(String, u64)>> {
        self.ask(device, GET_DRIVER, &[])?;
        let count = self.u32_at(180) as usize; // n_stats
        if count == 0 {
            return Ok(Vec::new());
        }
        if count > MAX_STATS {
            return Err(io::Error::other(format!("{device}: {count} statistics are too many")));
        }
        self.ask(device, GET_STRINGS, &[SET_STATS, count as u32])?;
        let named = (self.u32_at(8) as usize).min(MAX_STATS);
        let names: Vec<String> = (0..named)
            .map(|i| {
                let at = 12 + i * STRING_BYTES;
                let field = &self.buffer[at..at + STRING_BYTES];
                let end = field.iter().position(|&b| b == 0).unwrap_or(STRING_BYTES);
                String::from_utf8_lossy(&field[..end]).into_owned()
            })
            .collect();
        self.ask(device, GET_STATS, &[count as u32])?;
        let valued = (self.u32_at(4) as usize).min(named);
        Ok(names
            .into_iter()
            .take(valued)
            .enumerate()
            .map(|(i, n)| (n, self.u64_at(8 + 8 * i)))
            .collect())
    }

    #[expect(unsafe_code, reason = "ioctl")]
    fn ask(&mut self, device: &str, command: u32, words: &[u32]) -> io::Result<()> {
        let name = device.as_bytes();
        if name.len() >= 16 || name.contains(&0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "bad device name"));
        }
        self.buffer.fill(0);
        self.buffer[..4].copy_from_slice(&command.to_ne_bytes());
        for (i, word) in words.iter().enumerate() {
            self.buffer[4 + 4 * i..8 + 4 * i].copy_from_slice(&word.to_ne_bytes());
        }
        let mut request = Request { name: [0; 16], data: self.buffer.as_mut_ptr(), rest: [0; 16] };
        request.name[..name.len()].copy_from_slice(name);
        // SAFETY: the request has ifreq's layout and size; its data points to BUFFER_BYTES bytes, which live through the call
        // and are more than any answer to these read-only commands for a driver with at most MAX_STATS statistics.
        let result =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL as _, &mut request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn u32_at(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.buffer[at..at + 4]);
        u32::from_ne_bytes(bytes)
    }

    fn u64_at(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.buffer[at..at + 8]);
        u64::from_ne_bytes(bytes)
    }
}

/// struct ifreq with a data pointer.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut u8,
    rest: [u8; 16],
}

#[cfg(test)]
mod tests {
    #[test]
    fn unknown_devices_err_and_loopback_answers_or_errs() {
        let mut ethtool = super::Ethtool::open().unwrap();
        assert!(ethtool.driver("no-such-dev").is_err());
        assert!(ethtool.driver("a name that is far too long").is_err());
        let _ = ethtool.statistics("lo");
        let _ = ethtool.settings("lo");
    }
}
