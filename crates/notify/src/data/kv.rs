//! A set of names and values, as labels and annotations are for templates.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use gauntlet_model::Labels;
use gauntlet_template::{Map, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names and values. Cheap to clone.
#[derive(Clone, Default)]
pub struct Kv(Arc<Inner>);

#[derive(Default)]
struct Inner {
    map: BTreeMap<String, String>,
    /// The same as a map of the template language, made when first needed.
    value: OnceLock<Value>,
}

impl Kv {
    /// Of two pairs with one name the later counts.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self::from(pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect::<BTreeMap<_, _>>())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.map.get(name).map(String::as_str)
    }

    pub fn len(&self) -> usize {
        self.0.map.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.map.is_empty()
    }

    /// Ascending by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.map.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A map of one's own.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.0.map.clone()
    }

    /// `alertname` first, then by name.
    pub(super) fn sorted_pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<(&str, &str)> = self.iter().collect();
        if let Some(at) = pairs.iter().position(|(name, _)| *name == "alertname") {
            pairs[..=at].rotate_right(1);
        }
        pairs
    }

    pub(super) fn value(&self) -> Value {
        self.0.value.get_or_init(|| Value::map(Map::strings(self.0.map.clone()))).clone()
    }
}

impl From<BTreeMap<String, String>> for Kv {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(Arc::new(Inner { map, value: OnceLock::new() }))
    }
}

impl From<&Labels> for Kv {
    fn from(labels: &Labels) -> Self {
        Self::from_pairs(labels.iter())
    }
}

impl PartialEq for Kv {
    fn eq(&self, other: &Self) -> bool {
        self.0.map == other.0.map
    }
}

impl Eq for Kv {}

impl std::fmt::Debug for Kv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map.fmt(f)
    }
}

impl Serialize for Kv {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.map.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Kv {
    /// Null is an empty set.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Option::<BTreeMap<String, String>>::deserialize(deserializer)?;
        Ok(Self::from(map.unwrap_or_default()))
    }
}
