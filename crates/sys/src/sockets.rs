//! Sockets that systemd opened for this process (`LISTEN_PID`, `LISTEN_FDS`; source: sd_listen_fds(3)).
#![expect(unsafe_code, reason = "takes ownership of descriptors by number")]

use std::net::TcpListener;
use std::os::fd::FromRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// Number of the first descriptor that is handed over.
const FIRST: i32 = 3;
/// Most descriptors that are taken.
const MOST: i32 = 1024;

/// Set once the descriptors were taken: they have one owner.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The listening sockets handed over, in order; none where there are none, and none at a second call.
pub fn inherited_listeners() -> Vec<TcpListener> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<i32>().ok();
    let for_us =
        number("LISTEN_PID").is_some_and(|pid| u32::try_from(pid) == Ok(std::process::id()));
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, MOST);
    if !for_us || count == 0 || TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    (FIRST..FIRST + count)
        .filter(|fd| std::fs::metadata(format!("/proc/self/fd/{fd}")).is_ok())
        .map(|fd| {
            // SAFETY: the descriptor is open (looked up just now), was opened for this process by the service manager, and
            // nothing else takes it, because `TAKEN` lets one caller through once.
            unsafe { TcpListener::from_raw_fd(fd) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn without_a_service_manager_there_are_none() {
        assert!(super::inherited_listeners().is_empty());
    }
}
