//! `prometheus.yml` as a whole.

use std::collections::HashSet;
use std::sync::Arc;

use gauntlet_net::config::join_dir;
use gauntlet_remote::config::{OtlpConfig, RemoteReadConfig, RemoteWriteConfig};
use gauntlet_yaml::{Context, Kind, MapBuilder, Mapping, Node, ToYaml, Value, mismatch};

use crate::load::LoadOptions;
use crate::{AlertingConfig, GlobalConfig, ScrapeJob, StorageConfig, TracingConfig};

/// The whole file, defaults filled in and everything checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub global: GlobalConfig,
    /// Upstream's garbage collector setting: read and echoed, of no use here.
    pub gogc: i64,
    pub alerting: AlertingConfig,
    /// Patterns of files.
    pub rule_files: Vec<String>,
    /// Patterns of files with more jobs.
    pub scrape_config_files: Vec<String>,
    /// The file's own jobs.
    pub scrape_configs: Vec<Arc<ScrapeJob>>,
    pub storage: StorageConfig,
    pub tracing: Option<TracingConfig>,
    pub remote_write: Vec<RemoteWriteConfig>,
    pub remote_read: Vec<RemoteReadConfig>,
    pub otlp: OtlpConfig,
}

impl Config {
    /// What holds for an empty file.
    pub(crate) fn empty(options: &LoadOptions, gogc: i64) -> Self {
        Self {
            global: GlobalConfig::with_defaults(options.defaults.clone()),
            gogc,
            alerting: AlertingConfig::default(),
            rule_files: Vec::new(),
            scrape_config_files: Vec::new(),
            scrape_configs: Vec::new(),
            storage: StorageConfig::default(),
            tracing: None,
            remote_write: Vec::new(),
            remote_read: Vec::new(),
            otlp: OtlpConfig::default(),
        }
    }

    pub(crate) fn read(
        node: Node<'_>,
        cx: &mut Context,
        options: &LoadOptions,
        gogc: i64,
    ) -> Option<Self> {
        let mut config = Self::empty(options, gogc);
        let mut map = Mapping::read(node, "config.plain", cx)?;
        if let Some(global) = section(&mut map, cx, "global", |node, cx| {
            // `global: {}` is as good as none.
            (node.pairs().len() > 0 || node.kind() != Kind::Mapping)
                .then(|| GlobalConfig::read(node, cx, &options.defaults))?
        }) {
            config.global = global;
        }
        let scheme = config.global.scrape.metric_name_validation_scheme;
        if let Some(gogc) = section(&mut map, cx, "runtime", read_runtime) {
            config.gogc = if gogc == 0 { config.gogc } else { gogc };
        }
        config.alerting =
            section(&mut map, cx, "alerting", |node, cx| AlertingConfig::read(node, cx, scheme))
                .unwrap_or_default();
        config.rule_files = patterns(&mut map, cx, "rule_files", "rule");
        config.scrape_config_files = patterns(&mut map, cx, "scrape_config_files", "scrape config");
        let globals = &config.global.scrape;
        config.scrape_configs = section(&mut map, cx, "scrape_configs", |node, cx| {
            Some(ScrapeJob::read_list(node, cx, globals))
        })
        .unwrap_or_default()
        .into_iter()
        .map(Arc::new)
        .collect();
        config.storage = map.take_default(cx, "storage");
        config.tracing = map.take(cx, "tracing");
        config.remote_write = remotes(&mut map, cx, "write", |node, cx| {
            RemoteWriteConfig::read(node, cx, scheme).map(|c| (c.name.clone(), c))
        });
        config.remote_read = remotes(&mut map, cx, "read", |node, cx| {
            RemoteReadConfig::read(node, cx).map(|c| (c.name.clone(), c))
        });
        config.otlp = section(&mut map, cx, "otlp", |node, cx| OtlpConfig::read(node, cx, scheme))
            .unwrap_or_default();
        if options.agent {
            config.refuse_for_agent(&map, cx);
        }
        map.finish(cx).then_some(config)
    }

    /// The agent only scrapes and forwards.
    fn refuse_for_agent(&self, map: &Mapping<'_>, cx: &mut Context) {
        let sections = [
            ("alerting", !self.alerting.is_empty()),
            ("rule_files", !self.rule_files.is_empty()),
            ("remote_read", !self.remote_read.is_empty()),
        ];
        for (key, _) in sections.into_iter().filter(|(_, used)| *used) {
            map.problem(cx, key, format!("field {key} is not allowed in agent mode"));
        }
    }

    pub(crate) fn set_directory(&mut self, dir: &str) {
        self.global.set_directory(dir);
        self.alerting.set_directory(dir);
        if let Some(tracing) = &mut self.tracing {
            tracing.tls_config.set_directory(dir);
        }
        self.rule_files.iter_mut().for_each(|file| join_dir(dir, file));
        self.scrape_config_files.iter_mut().for_each(|file| join_dir(dir, file));
        for job in &mut self.scrape_configs {
            Arc::make_mut(job).set_directory(dir);
        }
        self.remote_write.iter_mut().for_each(|c| c.set_directory(dir));
        self.remote_read.iter_mut().for_each(|c| c.http.set_directory(dir));
    }

    /// The configuration as `/api/v1/status/config` shows it: secrets masked, keys in upstream's order.
    pub fn yaml(&self) -> String {
        gauntlet_yaml::to_string(&self.to_yaml())
    }
}

/// Reads a section with its key on the path; `None` if it is absent or null.
fn section<T>(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    key: &str,
    read: impl FnOnce(Node<'_>, &mut Context) -> Option<T>,
) -> Option<T> {
    let node = map.node(key)?;
    cx.in_key(key, |cx| read(node, cx))
}

fn read_runtime(node: Node<'_>, cx: &mut Context) -> Option<i64> {
    let mut map = Mapping::read(node, "config.RuntimeConfig", cx)?;
    let gogc = map.take_default(cx, "gogc");
    map.finish(cx).then_some(gogc)
}

/// Patterns of files, with a star only in the last part of the path.
fn patterns(map: &mut Mapping<'_>, cx: &mut Context, key: &str, what: &str) -> Vec<String> {
    let files: Vec<String> = map.take_default(cx, key);
    for file in &files {
        if file.find('*').is_some_and(|at| file[at..].contains('/')) {
            map.problem(cx, key, format!("invalid {what} file path {file:?}"));
        }
    }
    files
}

/// The endpoints of `remote_write` or `remote_read`, each name once.
fn remotes<T>(
    map: &mut Mapping<'_>,
    cx: &mut Context,
    what: &str,
    read: impl Fn(Node<'_>, &mut Context) -> Option<(String, T)>,
) -> Vec<T> {
    let key = format!("remote_{what}");
    let Some(list) = map.node(&key) else { return Vec::new() };
    if list.kind() != Kind::Sequence {
        mismatch(list, &format!("[]*config.Remote{what}Config"), cx);
        return Vec::new();
    }
    let (mut endpoints, mut names) = (Vec::new(), HashSet::new());
    for (index, item) in list.items().enumerate() {
        if item.is_null() {
            cx.problem(item.position(), format!("empty or null remote {what} config section"));
            continue;
        }
        let found = cx.in_key(&key, |cx| cx.in_index(index, |cx| read(item, cx)));
        let Some((name, endpoint)) = found else { continue };
        if !name.is_empty() && !names.insert(name.clone()) {
            let reason = format!("found multiple remote {what} configs with job name {name:?}");
            cx.problem(item.position(), reason);
        }
        endpoints.push(endpoint);
    }
    endpoints
}

impl ToYaml for Config {
    fn to_yaml(&self) -> Value {
        let jobs: Vec<Value> = self.scrape_configs.iter().map(|job| job.to_yaml()).collect();
        MapBuilder::new()
            .put("global", &self.global)
            .put("runtime", MapBuilder::new().put_nonzero("gogc", self.gogc).build())
            .put_nonzero("alerting", &self.alerting)
            .put_nonzero("rule_files", &self.rule_files)
            .put_nonzero("scrape_config_files", &self.scrape_config_files)
            .put_nonzero("scrape_configs", jobs)
            .put("storage", &self.storage)
            .put_some("tracing", self.tracing.as_ref())
            .put_nonzero("remote_write", &self.remote_write)
            .put_nonzero("remote_read", &self.remote_read)
            .put("otlp", &self.otlp)
            .build()
    }
}
