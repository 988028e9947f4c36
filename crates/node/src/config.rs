//! Configuration: flag values checked for type, the four paths, which collectors run, and which of them one scrape wants.

use std::time::Duration;

use crate::collectors;
use crate::error::{ConfigError, FilterError};
use crate::flags::{self, FlagKind};

/// Where the host's file systems are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    pub procfs: String,
    pub sysfs: String,
    pub rootfs: String,
    pub udev_data: String,
}

impl Paths {
    /// A mount point as the host sees it: without the rootfs prefix.
    pub(crate) fn strip_rootfs<'a>(&self, path: &'a str) -> &'a str {
        if self.rootfs == "/" {
            return path;
        }
        match path.strip_prefix(self.rootfs.as_str()) {
            Some("") => "/",
            Some(rest) => rest,
            None => path,
        }
    }

    /// A path of the host as this process reaches it.
    pub(crate) fn in_rootfs(&self, path: &str) -> String {
        format!("{}/{}", self.rootfs.trim_end_matches('/'), path.trim_start_matches('/'))
    }
}

/// Everything a [`crate::NodeExporter`] is built from.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub paths: Paths,
    /// A collector that takes longer is left behind: its last values are shown, with success 0. Ours, not upstream's.
    pub collector_deadline: Duration,
    /// Most threads that collectors may occupy at once, stuck ones included.
    pub max_workers: usize,
    pub(crate) settings: Settings,
    /// Parallel to the table of collectors.
    pub(crate) enabled: Vec<bool>,
}

/// Deadline unless changed: well below the usual scrape timeout of 10 s.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(6);
const DEFAULT_WORKERS: usize = 8;

impl NodeConfig {
    /// Reads the flags through `get`, which gives all values of one flag in the order given (`true`/`false` for switches, so
    /// `--no-collector.x` is `collector.x` = `false`), and nothing for a flag that was not given.
    pub fn from_flags(get: &dyn Fn(&str) -> Vec<String>) -> Result<NodeConfig, ConfigError> {
        let mut given = Vec::new();
        for spec in flags::flags() {
            let values = get(spec.name);
            if values.is_empty() {
                continue;
            }
            for value in &values {
                check_kind(spec.name, spec.kind, value)?;
            }
            given.push((spec.name, values));
        }
        let settings = Settings { given };
        let keep_defaults = !settings.switch("collector.disable-defaults");
        let enabled = collectors::all()
            .iter()
            .map(|info| {
                let flag = format!("collector.{}", info.name);
                if settings.given(&flag) {
                    settings.switch(&flag)
                } else {
                    keep_defaults && info.default_on
                }
            })
            .collect();
        Ok(NodeConfig {
            paths: settings.paths(),
            collector_deadline: DEFAULT_DEADLINE,
            max_workers: DEFAULT_WORKERS,
            settings,
            enabled,
        })
    }

    pub fn is_enabled(&self, collector: &str) -> bool {
        collectors::all().iter().zip(&self.enabled).any(|(info, &on)| on && info.name == collector)
    }
}

fn check_kind(flag: &str, kind: FlagKind, value: &str) -> Result<(), ConfigError> {
    let bad = |reason: &str| ConfigError::Value {
        flag: flag.to_owned(),
        value: value.to_owned(),
        reason: reason.to_owned(),
    };
    match kind {
        FlagKind::Text => Ok(()),
        FlagKind::Bool => match value {
            "true" | "false" => Ok(()),
            _ => Err(bad("expected true or false")),
        },
        FlagKind::Int => value.parse::<i64>().map(|_| ()).map_err(|_| bad("expected an integer")),
        FlagKind::Duration => {
            parse_duration(value).map(|_| ()).ok_or_else(|| bad("expected a duration such as 5s"))
        }
    }
}

/// Values of the flags, with the table's defaults behind them. Types were checked when it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    given: Vec<(&'static str, Vec<String>)>,
}

impl Settings {
    /// Whether the flag was given on the command line.
    pub(crate) fn given(&self, flag: &str) -> bool {
        self.given.iter().any(|(name, _)| *name == flag)
    }

    /// All values of a repeatable flag.
    pub(crate) fn all(&self, flag: &str) -> Vec<&str> {
        if let Some((_, values)) = self.given.iter().find(|(name, _)| *name == flag) {
            return values.iter().map(String::as_str).collect();
        }
        let spec = flags::find(flag).unwrap_or_else(|| panic!("BUG: no flag {flag}"));
        spec.default.to_vec()
    }

    pub(crate) fn text(&self, flag: &str) -> &str {
        if let Some((_, values)) = self.given.iter().find(|(name, _)| *name == flag) {
            return values.last().map_or("", String::as_str);
        }
        let spec = flags::find(flag).unwrap_or_else(|| panic!("BUG: no flag {flag}"));
        spec.default.first().copied().unwrap_or("")
    }

    pub(crate) fn switch(&self, flag: &str) -> bool {
        self.text(flag) == "true"
    }

    pub(crate) fn int(&self, flag: &str) -> i64 {
        self.text(flag).parse().unwrap_or(0)
    }

    pub(crate) fn duration(&self, flag: &str) -> Duration {
        parse_duration(self.text(flag)).unwrap_or_default()
    }

    pub(crate) fn collector_enabled(&self, name: &str) -> bool {
        let flag = format!("collector.{name}");
        if self.given(&flag) {
            return self.switch(&flag);
        }
        !self.switch("collector.disable-defaults") && self.switch(&flag)
    }

    pub(crate) fn paths(&self) -> Paths {
        Paths {
            procfs: self.text("path.procfs").to_owned(),
            sysfs: self.text("path.sysfs").to_owned(),
            rootfs: self.text("path.rootfs").to_owned(),
            udev_data: self.text("path.udev.data").to_owned(),
        }
    }
}

/// A Go duration: a sum of decimal numbers with units, or `0`. Negative ones have no use here and are refused.
fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0f64;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest[..number].parse().ok()?;
        rest = &rest[number..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += value
            * match &rest[..unit] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// Which collectors one scrape wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// Every enabled one.
    #[default]
    All,
    /// `collect[]`: these only.
    Only(Vec<String>),
    /// `exclude[]`: all enabled ones but these.
    Except(Vec<String>),
}

impl Filter {
    /// From the two query parameters; both at once is refused.
    pub fn from_query(collect: Vec<String>, exclude: Vec<String>) -> Result<Filter, FilterError> {
        match (collect.is_empty(), exclude.is_empty()) {
            (true, true) => Ok(Filter::All),
            (false, true) => Ok(Filter::Only(collect)),
            (true, false) => Ok(Filter::Except(exclude)),
            (false, false) => Err(FilterError::Combined),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        for (text, ms) in [
            ("5s", Some(5000)),
            ("1m1.5s", Some(61_500)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("-1s", None),
        ] {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn disabled_defaults_leave_what_was_asked_for() {
        let get = |name: &str| match name {
            "collector.disable-defaults" | "collector.cpu" => vec!["true".to_owned()],
            _ => vec![],
        };
        let config = NodeConfig::from_flags(&get).unwrap();
        assert!(config.is_enabled("cpu") && !config.is_enabled("meminfo"));
        assert_eq!(config.enabled.iter().filter(|&&on| on).count(), 1);
    }

    #[test]
    fn bad_values_are_refused_with_the_flag_named() {
        let get = |name: &str| match name {
            "collector.filesystem.stat-workers" => vec!["x".to_owned()],
            _ => vec![],
        };
        let error = NodeConfig::from_flags(&get).unwrap_err().to_string();
        assert!(error.contains("collector.filesystem.stat-workers"), "{error}");
    }

    #[test]
    fn rootfs_is_stripped_from_mount_points() {
        let paths =
            |rootfs: &str| Paths { rootfs: rootfs.to_owned(), ..Settings::default().paths() };
        assert_eq!(paths("/host").strip_rootfs("/host/var"), "/var");
        assert_eq!(paths("/host").strip_rootfs("/host"), "/");
        assert_eq!(paths("/").strip_rootfs("/var"), "/var");
        assert_eq!(paths("/").in_rootfs("/var"), "/var");
        assert_eq!(paths("/host").in_rootfs("/var"), "/host/var");
    }
}
