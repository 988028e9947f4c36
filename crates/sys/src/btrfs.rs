//! Read-only questions to a mounted btrfs: its devices, their sizes and error counters. Source: linux/btrfs.h.
//! Each argument block is a byte array of the size that the request number names; fields are picked out by offset.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

const FS_INFO: libc::c_ulong = 0x8400_941f;
const DEV_INFO: libc::c_ulong = 0xd000_941e;
const GET_DEV_STATS: libc::c_ulong = 0xc408_9434;
const DEV_INFO_PATH: usize = 3072;
/// More devices than a file system can have in practice; bounds the walk over ids.
const MAX_DEVICES: u64 = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// 32 hex digits.
    pub uuid: String,
    pub devices: Vec<Device>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub path: String,
    /// 32 hex digits.
    pub uuid: String,
    pub bytes_used: u64,
    pub total_bytes: u64,
    /// Write, read, flush, corruption, generation.
    pub errors: [u64; 5],
}

/// Asks the file system mounted at `mount_point`; errs when it is no btrfs or the rights are missing.
pub fn file_system(mount_point: &str) -> io::Result<FileSystem> {
    let file = File::open(mount_point)?;
    let mut info = [0u8; 1024];
    ask_1024(&file, &mut info)?;
    let (max_id, count) = (u64_at(&info, 0), u64_at(&info, 8));
    let mut devices = Vec::new();
    for id in 0..=max_id.min(MAX_DEVICES) {
        let mut info_block = [0u8; 4096];
        info_block[..8].copy_from_slice(&id.to_ne_bytes());
        match ask_4096(&file, &mut info_block) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(libc::ENODEV) => continue,
            Err(e) => return Err(e),
        }
        let mut stats = [0u8; 1032];
        stats[..8].copy_from_slice(&id.to_ne_bytes());
        stats[8..16].copy_from_slice(&5u64.to_ne_bytes());
        ask_1032(&file, &mut stats)?;
        let path = &info_block[DEV_INFO_PATH..];
        let end = path.iter().position(|&b| b == 0).unwrap_or(path.len());
        devices.push(Device {
            path: String::from_utf8_lossy(&path[..end]).into_owned(),
            uuid: hex(&info_block[8..24]),
            bytes_used: u64_at(&info_block, 24),
            total_bytes: u64_at(&info_block, 32),
            errors: std::array::from_fn(|i| u64_at(&stats, 24 + 8 * i)),
        });
        if devices.len() as u64 == count {
            break;
        }
    }
    Ok(FileSystem { uuid: hex(&info[16..32]), devices })
}

#[expect(unsafe_code, reason = "ioctl")]
fn ask_1024(file: &File, block: &mut [u8; 1024]) -> io::Result<()> {
    // SAFETY: FS_INFO writes 1024 bytes, the size of `block`, which lives through the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), FS_INFO as _, block.as_mut_ptr()) })
}

#[expect(unsafe_code, reason = "ioctl")]
fn ask_4096(file: &File, block: &mut [u8; 4096]) -> io::Result<()> {
    // SAFETY: DEV_INFO reads and writes 4096 bytes, the size of `block`, which lives through the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), DEV_INFO as _, block.as_mut_ptr()) })
}

#[expect(unsafe_code, reason = "ioctl")]
fn ask_1032(file: &File, block: &mut [u8; 1032]) -> io::Result<()> {
    // SAFETY: GET_DEV_STATS reads and writes 1032 bytes, the size of `block`, which lives through the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), GET_DEV_STATS as _, block.as_mut_ptr()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn u64_at(block: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&block[at..at + 8]);
    u64::from_ne_bytes(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn other_file_systems_are_refused() {
        assert!(super::file_system("/proc").is_err());
    }
}
