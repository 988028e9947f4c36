//! What alive, suspect and dead do to the table, and how this node refutes what is said of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::suspicion::Suspicion;
use super::table::{MAX_NODES, NodeStatus, Record, ip_bytes, ip_from, is_acceptable};
use super::{Note, Swim};
use crate::codec::{Alive, Message, Verdict, Versions};

/// Dead nodes stay this long, and are gossiped to.
pub(crate) const DEAD_LINGER: Duration = Duration::from_secs(30);
const MAX_HEALTH: u32 = 7;

impl Swim {
    /// This node enters its own table.
    pub(super) fn begin(&mut self, now: Duration) {
        self.incarnation = 1;
        let alive = Alive {
            addr: ip_bytes(self.config.advertise.ip()),
            incarnation: 1,
            meta: Vec::new(),
            node: self.config.name.to_string(),
            port: self.config.advertise.port(),
            versions: Versions::OURS.0.to_vec(),
        };
        self.apply_alive(now, &alive, true);
    }

    pub(super) fn on_alive(&mut self, now: Duration, alive: &Alive) {
        self.apply_alive(now, alive, false);
    }

    fn apply_alive(&mut self, now: Duration, alive: &Alive, beginning: bool) {
        let own = self.is_self(&alive.node);
        if self.leaving && own {
            return;
        }
        let Ok(versions) = <[u8; 6]>::try_from(alive.versions.as_slice()) else { return };
        if versions[0] == 0 || versions[1] == 0 || versions[0] > versions[1] {
            return;
        }
        let Some(ip) = ip_from(&alive.addr) else { return };
        if !is_acceptable(&alive.node, &alive.meta) {
            return;
        }
        let port = if alive.port == 0 { self.config.bind_port } else { alive.port };
        let versions = Versions(versions);
        if self.table.get(&alive.node).is_none() {
            if self.table.len() >= MAX_NODES {
                self.metrics.refused_nodes.inc();
                return;
            }
            let record = Record {
                name: Arc::from(alive.node.as_str()),
                ip,
                port,
                meta: alive.meta.clone(),
                versions,
                incarnation: 0,
                status: NodeStatus::Dead,
                changed_at: now,
            };
            self.table.insert(record, &mut self.chance);
        }
        self.metrics.alive_messages.with(&[&alive.node]).inc();
        let Some(record) = self.table.get_mut(&alive.node) else { return };
        let moved = record.ip != ip || record.port != port;
        if moved && record.status != NodeStatus::Left {
            self.metrics.name_conflicts.inc();
            let (known, claimed) = (record.address(), (ip, port));
            tracing::warn!(peer = %record.name, %known, ?claimed, "found conflicting peer IDs");
            return;
        }
        if own && alive.incarnation < record.incarnation
            || !own && !moved && alive.incarnation <= record.incarnation
        {
            return;
        }
        let before = record.status;
        let same_meta = record.meta == alive.meta;
        if own && !beginning {
            self.suspicions.remove(&*alive.node);
            let same =
                alive.incarnation == record.incarnation && same_meta && versions == record.versions;
            if !same {
                self.refute(alive.incarnation);
            }
            return;
        }
        record.versions = versions;
        record.incarnation = alive.incarnation;
        record.meta.clone_from(&alive.meta);
        (record.ip, record.port) = (ip, port);
        if record.status != NodeStatus::Alive {
            record.status = NodeStatus::Alive;
            record.changed_at = now;
        }
        let record = record.clone();
        self.suspicions.remove(&record.name);
        self.broadcast(Arc::clone(&record.name), &Message::Alive(alive.clone()), false);
        if matches!(before, NodeStatus::Dead | NodeStatus::Left) {
            self.notes.push(Note::Joined(record));
        } else if !same_meta {
            self.notes.push(Note::Updated(record));
        }
    }

    pub(super) fn on_suspect(&mut self, now: Duration, verdict: &Verdict) {
        let nodes = self.table.len();
        let own = self.is_self(&verdict.node);
        let Some(record) = self.table.get_mut(&verdict.node) else { return };
        if verdict.incarnation < record.incarnation {
            return;
        }
        let name = Arc::clone(&record.name);
        if let Some(suspicion) = self.suspicions.get_mut(&name) {
            if suspicion.confirm(&verdict.from) {
                self.broadcast(name, &Message::Suspect(verdict.clone()), false);
            }
            return;
        }
        if record.status != NodeStatus::Alive {
            return;
        }
        if own {
            tracing::warn!(from = %verdict.from, "refuting a suspect message");
            self.refute(verdict.incarnation);
            return;
        }
        record.status = NodeStatus::Suspect;
        record.incarnation = verdict.incarnation;
        record.changed_at = now;
        let interval = self.config.probe_interval;
        let suspicion = Suspicion::new(now, &verdict.from, nodes, interval);
        self.suspicions.insert(Arc::clone(&name), suspicion);
        self.broadcast(name, &Message::Suspect(verdict.clone()), false);
    }

    pub(super) fn on_dead(&mut self, now: Duration, verdict: &Verdict) {
        let own = self.is_self(&verdict.node);
        let leaving = self.leaving;
        let Some(record) = self.table.get_mut(&verdict.node) else { return };
        if verdict.incarnation < record.incarnation {
            return;
        }
        self.suspicions.remove(&record.name);
        if matches!(record.status, NodeStatus::Dead | NodeStatus::Left) {
            return;
        }
        if own && !leaving {
            tracing::warn!(from = %verdict.from, "refuting a dead message");
            self.refute(verdict.incarnation);
            return;
        }
        record.incarnation = verdict.incarnation;
        record.status =
            if verdict.node == verdict.from { NodeStatus::Left } else { NodeStatus::Dead };
        record.changed_at = now;
        let record = record.clone();
        self.broadcast(Arc::clone(&record.name), &Message::Dead(verdict.clone()), own);
        self.notes.push(Note::Left(record));
    }

    /// Suspicions that ran out make their nodes dead.
    pub(super) fn expire_suspicions(&mut self, now: Duration) {
        let due: Vec<Arc<str>> = self
            .suspicions
            .iter()
            .filter(|(_, suspicion)| suspicion.deadline <= now)
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in due {
            self.suspicions.remove(&name);
            let Some(record) = self.table.get(&name) else { continue };
            if record.status != NodeStatus::Suspect {
                continue;
            }
            let verdict = Verdict {
                from: self.config.name.to_string(),
                incarnation: record.incarnation,
                node: name.to_string(),
            };
            tracing::info!(peer = %name, "suspect has not refuted; taken for dead");
            self.on_dead(now, &verdict);
        }
    }

    /// Tells the others that this node leaves. [`Note::LeaveTold`] follows.
    pub(crate) fn leave(&mut self, now: Duration) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        let name = self.config.name.to_string();
        let verdict = Verdict { from: name.clone(), incarnation: self.incarnation, node: name };
        self.on_dead(now, &verdict);
        if self.table.members().next().is_none() {
            self.notes.push(Note::LeaveTold);
        }
    }

    pub(super) fn change_health(&mut self, by: i32) {
        self.health = self.health.saturating_add_signed(by).min(MAX_HEALTH);
    }

    /// Takes an incarnation above what this node is accused of, and tells it.
    fn refute(&mut self, accused: u32) {
        self.incarnation = self.incarnation.saturating_add(1);
        if accused >= self.incarnation {
            self.incarnation = accused.saturating_add(1);
        }
        self.change_health(1);
        let incarnation = self.incarnation;
        let Some(record) = self.table.get_mut(&self.config.name) else { return };
        record.incarnation = incarnation;
        let alive = Alive {
            addr: ip_bytes(record.ip),
            incarnation,
            meta: record.meta.clone(),
            node: record.name.to_string(),
            port: record.port,
            versions: record.versions.0.to_vec(),
        };
        // The peer keys refutations by address, so that they do not replace a leave of the same name.
        let key = Arc::from(record.ip.to_string());
        self.broadcast(key, &Message::Alive(alive), false);
    }

    fn broadcast(&mut self, key: Arc<str>, message: &Message, awaited: bool) {
        let (finished, _) = self.queue.push(Some(key), Bytes::from(message.encode()), awaited);
        if finished {
            self.notes.push(Note::LeaveTold);
        }
    }
}
