//! Peers by address: which are here, and which are to be joined again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Most addresses that are remembered.
const MAX_PEERS: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Peers {
    /// Address to since when it has failed, if it has.
    failed_since: BTreeMap<SocketAddr, Option<Duration>>,
    failed: usize,
}

impl Peers {
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn failed_addresses(&self) -> Vec<SocketAddr> {
        let failed = self.failed_since.iter().filter(|(_, since)| since.is_some());
        failed.map(|(address, _)| *address).collect()
    }

    pub(super) fn set_alive(&mut self, address: SocketAddr) {
        self.set(address, None);
    }

    /// A peer that has left or died, or that was configured and has not been met yet.
    pub(super) fn set_failed(&mut self, address: SocketAddr, now: Duration) {
        self.set(address, Some(now));
    }

    pub(super) fn knows(&self, address: SocketAddr) -> bool {
        self.failed_since.contains_key(&address)
    }

    /// Forgets who failed before `before`.
    pub(super) fn sweep(&mut self, before: Duration) {
        self.failed_since.retain(|_, since| since.is_none_or(|since| since > before));
        self.failed = self.failed_since.values().filter(|since| since.is_some()).count();
    }

    fn set(&mut self, address: SocketAddr, since: Option<Duration>) {
        if !self.knows(address) && self.failed_since.len() >= MAX_PEERS {
            return;
        }
        let before = self.failed_since.insert(address, since).flatten();
        self.failed = self.failed + usize::from(since.is_some()) - usize::from(before.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_are_counted_and_swept() {
        let at = Duration::from_secs;
        let [one, two] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut peers = Peers::default();
        peers.set_failed(one, at(1));
        peers.set_failed(one, at(2));
        peers.set_failed(two, at(5));
        assert_eq!(peers.failed(), 2);
        peers.sweep(at(3));
        assert_eq!((peers.failed_addresses(), peers.knows(one)), (vec![two], false));
        peers.set_alive(two);
        peers.sweep(at(100));
        assert_eq!((peers.failed(), peers.knows(two)), (0, true));
    }
}
