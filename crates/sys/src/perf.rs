//! Counting with perf events: perf_event_open(2), one counter per event and CPU.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};

pub const HARDWARE: u32 = 0;
pub const SOFTWARE: u32 = 1;
pub const TRACEPOINT: u32 = 2;
pub const CACHE: u32 = 3;

/// PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING
const READ_FORMAT: u64 = 1 | 2;
const FLAG_CLOSE_ON_EXEC: libc::c_ulong = 8;
const ENABLE: libc::c_ulong = 0x2400;
/// Size of the first published perf_event_attr and then some: everything we set lies within.
const ATTR_BYTES: usize = 112;
/// disabled, inherit
const BITS: u64 = 1 | 2;

/// A running counter over all processes on one CPU.
#[derive(Debug)]
pub struct Counter(File);

/// What a counter says: multiplexed counters ran only part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub value: u64,
    pub enabled_ns: u64,
    pub running_ns: u64,
}

impl Counter {
    /// Opens and starts a counter; `kind` and `config` as in the manual page. Errs without the rights
    /// (`kernel.perf_event_paranoid`) or the hardware.
    #[expect(unsafe_code, reason = "system calls without a wrapper")]
    pub fn start(kind: u32, config: u64, cpu: u32) -> io::Result<Counter> {
        let mut attr = [0u64; ATTR_BYTES / 8];
        attr[0] = u64::from_ne_bytes(join(kind, ATTR_BYTES as u32));
        attr[1] = config;
        attr[4] = READ_FORMAT;
        attr[5] = BITS;
        let cpu = libc::c_int::try_from(cpu).map_err(io::Error::other)?;
        // SAFETY: `attr` is ATTR_BYTES long as its size field says, aligned to 8 and lives through the call.
        let fd = unsafe {
            libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), -1, cpu, -1, FLAG_CLOSE_ON_EXEC)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above returned a new descriptor that nobody else owns.
        let file = unsafe { File::from_raw_fd(fd as libc::c_int) };
        // SAFETY: ENABLE takes no pointer.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), ENABLE as _, 0) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(Counter(file)) }
    }

    pub fn read(&mut self) -> io::Result<Reading> {
        let mut bytes = [0u8; 24];
        self.0.read_exact(&mut bytes)?;
        let word = |i: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[8 * i..8 * i + 8]);
            u64::from_ne_bytes(word)
        };
        Ok(Reading { value: word(0), enabled_ns: word(1), running_ns: word(2) })
    }
}

/// Two 32-bit fields in memory order.
fn join(first: u32, second: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_software_counter_counts_or_is_refused() {
        match Counter::start(SOFTWARE, 2, 0) {
            Ok(mut counter) => assert!(counter.read().unwrap().enabled_ns > 0),
            Err(e) => assert!(e.raw_os_error().is_some()),
        }
    }
}
