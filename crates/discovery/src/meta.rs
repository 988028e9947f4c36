//! Building the labels of a target: names behind a kind's prefix, the characters that names may not hold replaced.

use gauntlet_model::{ADDRESS_LABEL, Labels, LabelsBuilder, TargetGroup};

use crate::dns::join_host_port;

/// Labels of a target or group in the making. An empty value removes the label, as it does for whoever reads it.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    prefix: &'static str,
    labels: LabelsBuilder,
}

impl Meta {
    /// `prefix` is that of the kind, as `__meta_docker_`.
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix, labels: LabelsBuilder::default() }
    }

    /// A label behind the prefix.
    pub(crate) fn put(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        self.labels.set(&format!("{}{name}", self.prefix), value.as_ref());
        self
    }

    /// A label behind the prefix, if there is a value.
    pub(crate) fn put_some(&mut self, name: &str, value: Option<impl AsRef<str>>) -> &mut Self {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    /// A label behind the prefix with anything that can be shown.
    pub(crate) fn show(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.put(name, value.to_string())
    }

    /// One label a pair, its name made fit.
    pub(crate) fn put_all<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        name: &str,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        for (key, value) in pairs {
            self.put(&format!("{name}{}", sanitise(key.as_ref())), value);
        }
        self
    }

    /// Texts joined by a separator that also stands at both ends, so that rules match a whole one. Nothing if there are none.
    pub(crate) fn list<T: AsRef<str>>(
        &mut self,
        name: &str,
        separator: &str,
        items: &[T],
    ) -> &mut Self {
        if items.is_empty() { self } else { self.put(name, enclosed(separator, items)) }
    }

    /// A label by its whole name.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        self.labels.set(name, value.as_ref());
        self
    }

    pub(crate) fn address(&mut self, host: &str, port: i64) -> &mut Self {
        self.set(ADDRESS_LABEL, join_host_port(host, port))
    }

    pub(crate) fn merge(&mut self, labels: &Labels) -> &mut Self {
        for (name, value) in labels {
            self.labels.set(name, value);
        }
        self
    }

    pub(crate) fn build(&self) -> Labels {
        self.labels.build()
    }
}

/// Texts joined by a separator that also stands at both ends.
pub(crate) fn enclosed<T: AsRef<str>>(separator: &str, items: &[T]) -> String {
    let mut out = String::from(separator);
    for item in items {
        out.push_str(item.as_ref());
        out.push_str(separator);
    }
    out
}

/// What no label name may hold becomes `_`.
pub(crate) fn sanitise(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The one group of a kind that knows no others.
pub(crate) fn one_group(source: impl Into<String>, targets: Vec<Labels>) -> Vec<TargetGroup> {
    vec![TargetGroup { source: source.into(), targets, labels: Labels::empty() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_prefix_and_fit() {
        let mut meta = Meta::new("__meta_x_");
        meta.put("a", "1").put("gone", "").put_all("l_", [("k.8s/é", "v")]).address("::1", 9);
        meta.list("tags", ",", &["a", "b"]).list("none", ",", &[""; 0]).show("n", 4);
        let want = "{__address__=\"[::1]:9\", __meta_x_a=\"1\", __meta_x_l_k_8s__=\"v\", __meta_x_n=\"4\", __meta_x_tags=\",a,b,\"}";
        assert_eq!(meta.build().to_string(), want);
    }
}
