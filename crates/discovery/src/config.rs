//! The `*_sd_configs` of a job or a notifier: 37 kinds, read, checked and echoed as upstream does.
//!
//! Kinds are rows of a table (module `table`): their fields, defaults and checks are data. Those that this build can run have
//! discoverers beside this module; the others are read in full and refused by name when they are to start.

mod check;
mod fields;
mod schema;
mod table;

use gauntlet_yaml::{Context, FromYaml, Kind as NodeKind, MapBuilder, Mapping, ToYaml, mismatch};

use crate::discoverer::{StartError, is_supported};
use gauntlet_model::TargetGroup;

pub use fields::{Fields, Value as FieldValue};
pub use schema::Schema;

/// One configured discovery.
#[derive(Clone, Debug, PartialEq)]
pub enum SdConfig {
    /// `static_configs`, all of them.
    Static(Vec<TargetGroup>),
    /// Any other kind, by its schema.
    Described { schema: &'static Schema, fields: Fields },
}

impl SdConfig {
    /// The key it was configured under.
    fn key(&self) -> &'static str {
        match self {
            Self::Static(_) => "static_configs",
            Self::Described { schema, .. } => schema.key,
        }
    }

    /// The kind's name: `consul`, `file`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Described { schema, .. } => schema.name,
        }
    }
}

/// All discoveries of one job, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SdConfigs(pub Vec<SdConfig>);

impl SdConfigs {
    /// Takes every `*_sd_configs` and `static_configs` out of a mapping.
    pub fn read(map: &mut Mapping<'_>, cx: &mut Context) -> Self {
        let mut configs = Vec::new();
        for schema in table::KINDS {
            let Some(list) = map.node(schema.key) else { continue };
            if list.kind() != NodeKind::Sequence {
                mismatch(list, &format!("[]*{}", schema.go_type), cx);
                continue;
            }
            for (index, item) in list.items().enumerate() {
                cx.in_key(schema.key, |cx| {
                    cx.in_index(index, |cx| {
                        if item.is_null() {
                            let reason = format!("empty or null section in {}", schema.key);
                            cx.problem(item.position(), reason);
                        } else if let Some(fields) = Fields::read(schema, item, cx) {
                            configs.push(SdConfig::Described { schema, fields });
                        }
                    });
                });
            }
        }
        if let Some(mut groups) = map.take::<Vec<TargetGroup>>(cx, "static_configs") {
            for (index, group) in groups.iter_mut().enumerate() {
                group.source = index.to_string();
            }
            configs.push(SdConfig::Static(groups));
        }
        configs.sort_by_key(SdConfig::key);
        Self(configs)
    }

    /// Refuses static targets that are URLs; asked where no relabelling could mend them.
    pub fn check_static_targets(&self, map: &Mapping<'_>, cx: &mut Context) {
        for config in &self.0 {
            let SdConfig::Static(groups) = config else { continue };
            for address in groups.iter().flat_map(TargetGroup::addresses) {
                if address.contains('/') {
                    let reason = format!("{address:?} is not a valid hostname");
                    map.problem(cx, "static_configs", reason);
                }
            }
        }
    }

    /// Joins relative file names to the configuration's folder.
    pub fn set_directory(&mut self, dir: &str) {
        for config in &mut self.0 {
            if let SdConfig::Described { fields, .. } = config {
                fields.set_directory(dir);
            }
        }
    }

    /// Prints the lists, by key.
    pub fn write(&self, map: &mut MapBuilder) {
        let mut at = 0;
        while let Some(config) = self.0.get(at) {
            match config {
                SdConfig::Static(groups) => {
                    map.put("static_configs", groups);
                    at += 1;
                }
                SdConfig::Described { schema, .. } => {
                    let same: Vec<_> = self.0[at..]
                        .iter()
                        .map_while(|c| match c {
                            SdConfig::Described { schema: s, fields } if s.key == schema.key => {
                                Some(fields.to_yaml())
                            }
                            _ => None,
                        })
                        .collect();
                    at += same.len();
                    map.put(schema.key, same);
                }
            }
        }
    }

    /// Errs with the first kind that this build cannot run; to be asked before anything starts.
    pub fn check_supported(&self) -> Result<(), StartError> {
        match self.0.iter().map(SdConfig::kind).find(|kind| !is_supported(kind)) {
            Some(kind) => Err(StartError::Unsupported(kind)),
            None => Ok(()),
        }
    }

    /// Names of all kinds that can be configured, ascending.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        let mut names: Vec<_> = table::KINDS.iter().map(|s| s.name).chain(["static"]).collect();
        names.sort_unstable();
        names.into_iter()
    }
}

impl FromYaml for SdConfigs {
    fn from_yaml(node: gauntlet_yaml::Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, "discovery.Configs", cx)?;
        let configs = Self::read(&mut map, cx);
        map.finish(cx).then_some(configs)
    }

    fn go_type() -> std::borrow::Cow<'static, str> {
        "discovery.Configs".into()
    }
}

#[cfg(test)]
mod tests;
