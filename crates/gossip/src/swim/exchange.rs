//! Push/pull: two nodes exchange their whole tables and the state of the layer above, on a stream.

use std::net::SocketAddr;
use std::time::Duration;

use super::table::{NodeStatus, ip_from};
use super::{Note, Purpose, Swim};
use crate::codec::{Alive, NodeState, PushPull, StreamMessage, Verdict};

/// Up to so many nodes the interval of push/pulls is the configured one.
const SCALE_FROM: f64 = 32.0;

impl Swim {
    /// Exchanges all with the node at `to`; the end is told with the token.
    pub(crate) fn exchange(&mut self, to: SocketAddr, join: bool, token: Option<u64>) {
        let ours = StreamMessage::PushPull(self.table_and_state(join));
        let data = ours.encode(&self.config.label);
        let timeout = self.config.stream_timeout;
        self.open_stream(to, data, true, timeout, Purpose::Exchange { token });
    }

    /// Time until the next exchange by the clock: longer in large clusters.
    pub(super) fn push_pull_pause(&self) -> Duration {
        let nodes = self.table.len() as f64;
        let factor = if nodes <= SCALE_FROM {
            1
        } else {
            (nodes.log2() - SCALE_FROM.log2()).ceil() as u32 + 1
        };
        self.config.push_pull_interval * factor
    }

    pub(super) fn push_pull_random(&mut self) {
        let own = self.config.name.clone();
        let picked = self.table.pick(1, &mut self.chance, |record| {
            record.name != own && record.status == NodeStatus::Alive
        });
        if let Some(target) = picked.first() {
            self.exchange(target.address(), false, None);
        }
    }

    /// The other side of an exchange: gives the answer, then merges what came.
    pub(super) fn on_push_pull(
        &mut self,
        now: Duration,
        from: SocketAddr,
        theirs: PushPull,
    ) -> Vec<u8> {
        let ours = StreamMessage::PushPull(self.table_and_state(theirs.join));
        if let Err(reason) = self.merge(now, theirs) {
            tracing::warn!(%from, reason, "refused the state of a peer");
        }
        ours.encode("")
    }

    pub(super) fn on_exchange_end(
        &mut self,
        now: Duration,
        token: Option<u64>,
        result: Result<Option<StreamMessage>, String>,
    ) {
        let merged = match result {
            Ok(Some(StreamMessage::PushPull(theirs))) => {
                self.merge(now, theirs).map_err(str::to_owned)
            }
            Ok(Some(StreamMessage::Error(text))) => Err(format!("remote error: {text:.200}")),
            Ok(_) => Err("the peer closed the stream or answered something else".to_owned()),
            Err(reason) => Err(reason),
        };
        match token {
            Some(token) => self.notes.push(Note::Exchanged { token, error: merged.err() }),
            None => {
                if let Err(reason) = merged {
                    tracing::debug!(reason, "push/pull failed");
                }
            }
        }
    }

    fn table_and_state(&self, join: bool) -> PushPull {
        PushPull {
            join,
            nodes: self.table.iter().map(super::Record::state).collect(),
            user_state: self.local_state.local_state(),
        }
    }

    fn merge(&mut self, now: Duration, theirs: PushPull) -> Result<(), &'static str> {
        self.check_versions(&theirs.nodes)?;
        for node in theirs.nodes {
            self.merge_node(now, node);
        }
        if !theirs.user_state.is_empty() {
            self.notes.push(Note::UserState(theirs.user_state));
        }
        Ok(())
    }

    fn merge_node(&mut self, now: Duration, node: NodeState) {
        let said_by = |from: String, node: NodeState| Verdict {
            from,
            incarnation: node.incarnation,
            node: node.name,
        };
        match node.state {
            0 => self.on_alive(
                now,
                &Alive {
                    addr: node.addr,
                    incarnation: node.incarnation,
                    meta: node.meta,
                    node: node.name,
                    port: node.port,
                    versions: node.versions,
                },
            ),
            3 => self.on_dead(now, &said_by(node.name.clone(), node)),
            // That another takes a node for dead is a suspicion here: it may refute.
            _ => self.on_suspect(now, &said_by(self.config.name.to_string(), node)),
        }
    }

    /// Whether all nodes of both tables can understand each other; a table where they cannot is not merged at all.
    fn check_versions(&self, theirs: &[NodeState]) -> Result<(), &'static str> {
        let mut range = Range::default();
        for node in theirs {
            if let Some(ip) = Some(&node.addr).filter(|addr| !addr.is_empty())
                && ip_from(ip).is_none()
            {
                return Err("a node has an address of neither 4 nor 16 bytes");
            }
            match node.versions.as_slice() {
                [] => {}
                &[min, max, _, delegate_min, delegate_max, _] if node.state == 0 => {
                    range.narrow([min, max, delegate_min, delegate_max]);
                }
                [_, _, _, _, _, _] => {}
                _ => return Err("a node has versions of another number than 6"),
            }
        }
        for record in self.table.iter().filter(|record| record.status == NodeStatus::Alive) {
            let [min, max, _, delegate_min, delegate_max, _] = record.versions.0;
            range.narrow([min, max, delegate_min, delegate_max]);
        }
        let their_current = theirs.iter().map(|node| match node.versions.as_slice() {
            &[_, _, current, _, _, delegate] => (current, delegate),
            _ => (0, 0),
        });
        let our_current = self.table.iter().map(|r| (r.versions.0[2], r.versions.0[5]));
        if their_current.chain(our_current).all(|current| range.holds(current)) {
            Ok(())
        } else {
            Err("the nodes of both tables have no protocol version in common")
        }
    }
}

/// Versions that all alive nodes speak, of the protocol and of the layer above.
struct Range {
    protocol: (u8, u8),
    delegate: (u8, u8),
}

impl Default for Range {
    fn default() -> Self {
        Self { protocol: (0, u8::MAX), delegate: (0, u8::MAX) }
    }
}

impl Range {
    fn narrow(&mut self, [min, max, delegate_min, delegate_max]: [u8; 4]) {
        self.protocol = (self.protocol.0.max(min), self.protocol.1.min(max));
        self.delegate = (self.delegate.0.max(delegate_min), self.delegate.1.min(delegate_max));
    }

    fn holds(&self, (protocol, delegate): (u8, u8)) -> bool {
        (self.protocol.0..=self.protocol.1).contains(&protocol)
            && (self.delegate.0..=self.delegate.1).contains(&delegate)
    }
}
