//! What a discovery finds and a scraper takes: groups of targets with labels they share.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_yaml::{Context, FromYaml, MapBuilder, Mapping, Node, ToYaml, Value};

use crate::Labels;

/// The groups of each job. A job without any is there with an empty list; a list that did not change is the same `Arc` as before.
pub type TargetSets = BTreeMap<String, Arc<Vec<Arc<TargetGroup>>>>;

/// The label that holds a target's host and port.
pub const ADDRESS_LABEL: &str = "__address__";

/// Targets found together. A group replaces the last one of the same source; without targets it removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// Tells the groups of one discovery apart.
    pub source: String,
    /// Labels of each target, its address among them.
    pub targets: Vec<Labels>,
    /// Labels of all targets; a target's own win.
    pub labels: Labels,
}

impl TargetGroup {
    /// A group of bare addresses.
    pub fn of_addresses<S: AsRef<str>>(
        source: impl Into<String>,
        addresses: impl IntoIterator<Item = S>,
        labels: Labels,
    ) -> Self {
        let targets = addresses
            .into_iter()
            .map(|a| Labels::from_pairs([(ADDRESS_LABEL, a.as_ref())]))
            .collect();
        Self { source: source.into(), targets, labels }
    }

    /// Addresses of the targets.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|t| t.value(ADDRESS_LABEL))
    }
}

impl FromYaml for TargetGroup {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "targetgroup.plain", cx)?;
        let targets: Vec<String> = map.take_default(cx, "targets");
        let labels: BTreeMap<String, String> = map.take_default(cx, "labels");
        if labels.contains_key("") {
            map.problem(cx, "labels", "\"\" is not a valid label name");
        }
        map.finish(cx).then(|| Self::of_addresses("", targets, Labels::from_pairs(labels)))
    }

    fn go_type() -> Cow<'static, str> {
        "targetgroup.plain".into()
    }

    fn from_null(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        cx.problem(node.position(), "empty or null section in static_configs");
        None
    }
}

impl ToYaml for TargetGroup {
    fn to_yaml(&self) -> Value {
        let targets: Vec<&str> = self.addresses().collect();
        let labels: BTreeMap<&str, &str> = self.labels.iter().collect();
        MapBuilder::new().put("targets", targets).put_nonzero("labels", labels).build()
    }
}
