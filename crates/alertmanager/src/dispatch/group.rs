//! Groups: the alerts of one route with equal group labels. Who is in one, and when it speaks next.
//!
//! A group is made by its first alert and ends when its last resolved alert has been told of. Between flushes it only holds
//! numbers of alerts; what an alert is, is read when it speaks.

use std::sync::Arc;

use gauntlet_model::Labels;
use hashbrown::HashMap;

use super::{Route, RouteId};
use crate::alert::{AlertId, AlertState};
use crate::labels::{Fingerprint, SetText};
use crate::pipeline::FlushId;
use crate::time::Time;

/// Number of a group, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub(crate) u64);

/// An alert in a group, with what the last flush made of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Member {
    pub(crate) state: AlertState,
    /// Tells one cause of silence from another, so that the ledger notes changes alone; 0 is none.
    pub(crate) cause: u32,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) route: Arc<Route>,
    pub(crate) labels: Labels,
    /// `{route}:{labels}`, the name in notification log, webhooks and ledger.
    pub(crate) key: Arc<str>,
    fingerprint: Fingerprint,
    pub(crate) members: HashMap<AlertId, Member>,
    pub(crate) next_flush: Time,
    pub(crate) flushing: Option<FlushId>,
    /// The next flush came due while one was under way.
    pub(crate) overdue: bool,
    /// Names of intervals that kept the last flush quiet.
    pub(crate) muted_by: Vec<String>,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: HashMap<GroupId, Group>,
    by_key: HashMap<(RouteId, Fingerprint), GroupId>,
    next: u64,
}

impl Groups {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: GroupId) -> Option<&Group> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.by_id.get_mut(&id)
    }

    /// The group of a route that an alert with these labels belongs to.
    pub(crate) fn find(&self, route: &Route, labels: &Labels) -> Option<GroupId> {
        self.by_key.get(&(route.id, route.group_fingerprint(labels))).copied()
    }

    pub(crate) fn create(
        &mut self,
        route: &Arc<Route>,
        labels: &Labels,
        flush_at: Time,
    ) -> GroupId {
        let group_labels = route.group_labels(labels);
        let fingerprint = route.group_fingerprint(labels);
        let id = GroupId(self.next);
        self.next += 1;
        let group = Group {
            key: format!("{}:{}", route.key, SetText(&group_labels)).into(),
            route: Arc::clone(route),
            labels: group_labels,
            fingerprint,
            members: HashMap::new(),
            next_flush: flush_at,
            flushing: None,
            overdue: false,
            muted_by: Vec::new(),
        };
        self.by_key.insert((route.id, fingerprint), id);
        self.by_id.insert(id, group);
        id
    }

    pub(crate) fn remove(&mut self, id: GroupId) {
        if let Some(group) = self.by_id.remove(&id) {
            self.by_key.remove(&(group.route.id, group.fingerprint));
        }
    }

    /// Forgets all groups; numbers go on.
    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
        self.by_key.clear();
    }

    /// In no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.by_id.iter().map(|(id, group)| (*id, group))
    }
}
