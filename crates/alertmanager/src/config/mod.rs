//! `alertmanager.yml` as a whole: read strictly, all that is wrong named at once with line and column, checked in upstream's
//! words, and printed with its secrets masked as `GET /api/v2/status` shows it.
//!
//! What a receiver's integrations take is `notify`'s; routes, rules, intervals and what holds between all of them is here.

mod errors;
pub mod fuzz;
mod inhibit;
mod matchers;
mod read;
mod route;
mod tracing;

use std::path::Path;

use gauntlet_model::duration::Duration;
use gauntlet_net::config::join_dir;
use gauntlet_notify::config::{GlobalReceivers, Receiver};
use gauntlet_yaml::{MapBuilder, ToYaml, Value};

use crate::intervals::{Intervals, NamedIntervals};
use crate::matcher::{Note, ParseMode};

pub use errors::ConfigErrors;
pub use inhibit::InhibitRuleConfig;
pub use route::RouteConfig;
pub use tracing::{TracingClient, TracingConfig};

/// What holds for all receivers and alerts unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalConfig {
    /// How long an alert lasts whose sender gave no end.
    pub resolve_timeout: Duration,
    pub receivers: GlobalReceivers,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        Self { resolve_timeout: Duration::from_secs(300), receivers: GlobalReceivers::default() }
    }
}

impl ToYaml for GlobalConfig {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put("resolve_timeout", self.resolve_timeout)
            .inline(&self.receivers)
            .build()
    }
}

/// The whole file, defaults filled in and everything checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub global: GlobalConfig,
    pub route: RouteConfig,
    pub inhibit_rules: Vec<InhibitRuleConfig>,
    pub receivers: Vec<Receiver>,
    /// Patterns of template files.
    pub templates: Vec<String>,
    /// The older name of `time_intervals`.
    pub mute_time_intervals: Vec<NamedIntervals>,
    pub time_intervals: Vec<NamedIntervals>,
    pub tracing: Option<TracingConfig>,
    /// The text it was read from.
    pub original: String,
}

/// A configuration with what a person should know of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// Matchers that the two syntaxes read differently.
    pub notes: Vec<Note>,
}

impl Config {
    /// Reads a file; relative names of templates and of files in HTTP settings are beside it.
    pub fn load(path: &Path, mode: ParseMode) -> Result<Loaded, ConfigErrors> {
        let text = read::file(path)?;
        let mut loaded = Self::parse_bytes(&text, mode)?;
        let dir = path.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
        loaded.config.set_directory(if dir.is_empty() { "." } else { &dir });
        Ok(loaded)
    }

    /// Reads a text; names of files in it stay as they are.
    pub fn parse(text: &str, mode: ParseMode) -> Result<Loaded, ConfigErrors> {
        Self::parse_bytes(text.as_bytes(), mode)
    }

    /// The configuration as upstream prints it: secrets masked, keys in upstream's order.
    pub fn yaml(&self) -> String {
        gauntlet_yaml::to_string(&self.to_yaml())
    }

    /// All intervals by name.
    pub fn intervals(&self) -> Intervals {
        Intervals::new(self.mute_time_intervals.iter().chain(&self.time_intervals))
    }

    /// What the metric `alertmanager_config_hash` shows: 48 bits of the text's MD5.
    pub fn hash(&self) -> f64 {
        use md5::{Digest as _, Md5};
        let sum = Md5::digest(self.original.as_bytes());
        let mut low = [0; 8];
        low[..6].copy_from_slice(&sum[..6]);
        u64::from_le_bytes(low) as f64
    }

    fn set_directory(&mut self, dir: &str) {
        self.templates.iter_mut().for_each(|pattern| join_dir(dir, pattern));
        self.global.receivers.set_directory(dir);
        self.receivers.iter_mut().for_each(|receiver| receiver.set_directory(dir));
    }
}

impl ToYaml for Config {
    fn to_yaml(&self) -> Value {
        MapBuilder::new()
            .put("global", &self.global)
            .put("route", &self.route)
            .put_nonzero("inhibit_rules", &self.inhibit_rules)
            .put_nonzero("receivers", &self.receivers)
            .put("templates", &self.templates)
            .put_nonzero("mute_time_intervals", &self.mute_time_intervals)
            .put_nonzero("time_intervals", &self.time_intervals)
            .put_some("tracing", self.tracing.as_ref())
            .build()
    }
}

#[cfg(test)]
mod tests;
