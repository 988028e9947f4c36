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
        for (name, value) in labels.iter().filter(|(name, _)| counts(grouping, name, strip)) {
            for text in [name, value] {
                self.key.extend_from_slice(&(text.len() as u32).to_le_bytes());
                self.key.extend_from_slice(text.as_bytes());
            }
        }
        let next = self.labels.len() as u32;
        let group = *self.by_key.entry_ref(&self.key[..]).or_insert(next);
        if group == next {
            let kept = labels.iter().filter(|(name, _)| counts(grouping, name, strip));
            self.labels.push(Labels::from_sorted(kept));
        }
        group as usize
    }
}

/// Whether a label tells groups apart.
fn counts(grouping: &Grouping, name: &str, strip: Strip) -> bool {
    let stripped = match strip {
        Strip::Nothing => false,
        Strip::Name => name == METRIC_NAME,
        Strip::Metadata => is_metadata_label(name),
    };
    if stripped {
        return false;
    }
    let named = grouping.names.binary_search_by(|n| n.as_str().cmp(name)).is_ok();
    if grouping.without { !named && name != METRIC_NAME } else { named }
}
