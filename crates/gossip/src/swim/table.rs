//! The nodes that are known, in the order of probing, and where each stands.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use gauntlet_runtime::Chance;

use crate::codec::{MAX_META_BYTES, MAX_NAME_BYTES, NodeState, Versions};

/// Most nodes of a table; further names are ignored.
pub(crate) const MAX_NODES: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeStatus {
    Alive,
    Suspect,
    Dead,
    Left,
}

/// A known node.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: Arc<str>,
    /// As it came: 4-in-6 stays 16 bytes.
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    pub(crate) meta: Vec<u8>,
    pub(crate) versions: Versions,
    pub(crate) incarnation: u32,
    pub(crate) status: NodeStatus,
    pub(crate) changed_at: Duration,
}

impl Record {
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip.to_canonical(), self.port)
    }

    /// Alive or suspect.
    pub(crate) fn is_member(&self) -> bool {
        matches!(self.status, NodeStatus::Alive | NodeStatus::Suspect)
    }

    pub(crate) fn state(&self) -> NodeState {
        NodeState {
            addr: ip_bytes(self.ip),
            incarnation: self.incarnation,
            meta: self.meta.clone(),
            name: self.name.to_string(),
            port: self.port,
            state: match self.status {
                NodeStatus::Alive => 0,
                NodeStatus::Suspect => 1,
                NodeStatus::Dead => 2,
                NodeStatus::Left => 3,
            },
            versions: self.versions.0.to_vec(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    list: Vec<Record>,
    index: HashMap<Arc<str>, usize>,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Record> {
        self.index.get(name).map(|at| &self.list[*at])
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Record> {
        self.index.get(name).map(|at| &mut self.list[*at])
    }

    pub(crate) fn at(&self, place: usize) -> Option<&Record> {
        self.list.get(place)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.list.iter()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Record> {
        self.list.iter().filter(|record| record.is_member())
    }

    /// Puts a new record at a random place, the record there moving to the end.
    pub(crate) fn insert(&mut self, record: Record, chance: &mut Chance) {
        let last = self.list.len();
        let place = chance.index(last);
        self.list.push(record);
        self.list.swap(place, last);
        for at in [place, last] {
            self.index.insert(Arc::clone(&self.list[at].name), at);
        }
    }

    /// Forgets who has been dead or gone since before `since`, and shuffles the rest. Gives the forgotten names.
    pub(crate) fn reap(&mut self, since: Duration, chance: &mut Chance) -> Vec<Arc<str>> {
        let mut forgotten = Vec::new();
        self.list.retain(|record| {
            let keep = record.is_member() || record.changed_at >= since;
            if !keep {
                forgotten.push(Arc::clone(&record.name));
            }
            keep
        });
        chance.shuffle(&mut self.list);
        self.index = self
            .list
            .iter()
            .enumerate()
            .map(|(at, record)| (Arc::clone(&record.name), at))
            .collect();
        forgotten
    }

    /// Up to `count` random records for which `wanted` holds.
    pub(crate) fn pick(
        &self,
        count: usize,
        chance: &mut Chance,
        wanted: impl Fn(&Record) -> bool,
    ) -> Vec<Record> {
        let mut places: Vec<usize> = (0..self.list.len()).collect();
        let mut picked = Vec::new();
        // A partial shuffle: as many draws as it takes, each place at most once.
        for drawn in 0..places.len() {
            if picked.len() == count {
                break;
            }
            let other = drawn + chance.index(places.len() - drawn);
            places.swap(drawn, other);
            let record = &self.list[places[drawn]];
            if wanted(record) {
                picked.push(record.clone());
            }
        }
        picked
    }
}

/// An address as it travels.
pub(crate) fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// An address of 4 or 16 bytes.
pub(crate) fn ip_from(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Whether a node of this name and metadata may be known at all.
pub(crate) fn is_acceptable(name: &str, meta: &[u8]) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && meta.len() <= MAX_META_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, status: NodeStatus, changed_s: u64) -> Record {
        Record {
            name: name.into(),
            ip: IpAddr::from([127, 0, 0, 1]),
            port: 1,
            meta: Vec::new(),
            versions: Versions::OURS,
            incarnation: 1,
            status,
            changed_at: Duration::from_secs(changed_s),
        }
    }

    #[test]
    fn names_are_found_wherever_records_move() {
        let mut chance = Chance::seeded(5);
        let mut table = Table::default();
        for number in 0..50 {
            let status = if number % 2 == 0 { NodeStatus::Alive } else { NodeStatus::Left };
            table.insert(record(&number.to_string(), status, number), &mut chance);
        }
        let all = |table: &Table, count: usize| {
            assert_eq!(table.len(), count);
            for at in 0..count {
                let name = &table.at(at).unwrap().name;
                assert_eq!(&table.get(name).unwrap().name, name);
            }
        };
        all(&table, 50);
        let forgotten = table.reap(Duration::from_secs(25), &mut chance);
        assert_eq!(forgotten.len(), 12);
        all(&table, 38);
        assert!(table.get("1").is_none() && table.get("25").is_some());
        let picked = table.pick(100, &mut chance, Record::is_member);
        assert_eq!(picked.len(), 25);
        assert_eq!(table.pick(3, &mut chance, Record::is_member).len(), 3);
    }
}
