//! Which group a series is in: found once a series, by the bytes of the labels that tell groups apart.

use gauntlet_model::Labels;
use gauntlet_model::labels::METRIC_NAME;
use hashbrown::HashMap;

use crate::engine::elementwise::Strip;
use crate::engine::node::Grouping;
use crate::engine::rows::is_metadata_label;

/// Groups in the order in which they were first seen.
pub(in crate::engine) struct Groups<'a> {
    grouping: &'a Grouping,
    by_key: HashMap<Box<[u8]>, u32>,
    labels: Vec<Labels>,
    key: Vec<u8>,
}

impl<'a> Groups<'a> {
    pub(in crate::engine) fn new(grouping: &'a Grouping) -> Self {
        Self { grouping, by_key: HashMap::new(), labels: Vec::new(), key: Vec::new() }
    }

    pub(in crate::engine) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Label sets by group.
    pub(in crate::engine) fn labels(&self) -> &[Labels] {
        &self.labels
    }

    pub(in crate::engine) fn into_labels(self) -> Vec<Labels> {
        self.labels
    }

    /// The group of a label set from which `strip` is still to be taken.
    pub(in crate::engine) fn of(&mut self, labels: &Labels, strip: Strip) -> usize {
        self.key.clear();
        let grouping = self.grouping;
        for pair in labels.iter_bytes().filter(|pair| counts(grouping, pair.name, strip)) {
            self.key.extend_from_slice(pair.encoded);
        }
        let next = self.labels.len() as u32;
        let group = *self.by_key.entry_ref(&self.key[..]).or_insert(next);
        if group == next {
            self.labels.push(labels.filter_bytes(|name| counts(grouping, name, strip)));
        }
        group as usize
    }
}

/// Whether a label tells groups apart.
fn counts(grouping: &Grouping, name: &[u8], strip: Strip) -> bool {
    let stripped = match strip {
        Strip::Nothing => false,
        Strip::Name => name == METRIC_NAME.as_bytes(),
        Strip::Metadata => is_metadata_label(name),
    };
    if stripped {
        return false;
    }
    let named = match &grouping.names[..] {
        [only] => only.as_bytes() == name,
        names => names.binary_search_by(|n| n.as_bytes().cmp(name)).is_ok(),
    };
    if grouping.without { !named && name != METRIC_NAME.as_bytes() } else { named }
}
