//! The server's configuration: where it comes from, what of it this build cannot do, and who gets which part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gauntlet_config::{Config, ConfigErrors, LoadOptions, Loaded, ProcessEnv};
use gauntlet_discovery::{SdConfig, SdConfigs, discoverer};
use gauntlet_net::config::HttpClientConfig;
use gauntlet_net::{ClientOptions, HttpClient};
use gauntlet_scrape::ScrapeConfig;

/// Where the configuration is read from, at start and at each reload.
#[derive(Clone, Debug)]
pub(crate) enum ConfigSource {
    File(PathBuf),
    /// Built in: `up` without `--config.file`.
    Text(String),
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFailure {
    #[error("{0}")]
    Invalid(#[from] ConfigErrors),
    /// Valid for the peer, but asking for what is not built: each with its cure.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
}

impl ConfigSource {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => "built-in configuration".to_owned(),
        }
    }

    /// Reads, checks, and refuses what cannot be done.
    pub(crate) fn load(&self, options: &LoadOptions) -> Result<Loaded, ConfigFailure> {
        let loaded = match self {
            Self::File(path) => Config::load_with(path, &ProcessEnv, options)?,
            Self::Text(text) => {
                let (config, warnings) =
                    Config::parse(text.as_bytes(), &self.name(), &ProcessEnv, options)?;
                Loaded { jobs: config.scrape_configs.clone(), config, warnings }
            }
        };
        let refused = refused(&loaded);
        if refused.is_empty() { Ok(loaded) } else { Err(ConfigFailure::Refused(refused)) }
    }

    /// What changes when the files change: paths with sizes and times.
    pub(crate) fn fingerprint(&self) -> String {
        let Self::File(path) = self else { return String::new() };
        let mut files = vec![path.clone()];
        if let Ok(loaded) = Config::load(path, &ProcessEnv) {
            let base = path.parent().unwrap_or(Path::new("."));
            for pattern in &loaded.config.scrape_config_files {
                let pattern = base.join(pattern).display().to_string();
                files.extend(gauntlet_discovery::glob::glob(&pattern).unwrap_or_default());
            }
        }
        let mut out = String::new();
        for file in files {
            let content = std::fs::read(&file).unwrap_or_default();
            out.push_str(&format!("{}:{}:{:x};", file.display(), content.len(), fnv(&content)));
        }
        out
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Everything that a real Prometheus would do with this configuration and this build would not.
fn refused(loaded: &Loaded) -> Vec<String> {
    let config = &loaded.config;
    let mut out = Vec::new();
    let named: Vec<String> = config
        .rule_files
        .iter()
        .flat_map(|pattern| gauntlet_discovery::glob::glob(pattern).unwrap_or_default())
        .map(|path| path.display().to_string())
        .collect();
    if !named.is_empty() {
        out.push(format!(
            "rule_files: rules are not evaluated yet, and leaving alerts out in silence would be worse: take {} out of the configuration",
            named.join(", ")
        ));
    }
    if config.alerting.alertmanagers.iter().any(|am| names_targets(&am.discovery)) {
        out.push(
            "alerting: nothing is sent to an Alertmanager yet: take its targets out of the configuration"
                .to_owned(),
        );
    }
    for entry in &config.remote_write {
        if let Some(what) = gauntlet_remote::send::unsupported(entry) {
            out.push(format!("remote_write: {}: {what}", entry.url.as_str()));
        }
    }
    if config.tracing.is_some() {
        out.push("tracing: traces are not exported yet: take the section out".to_owned());
    }
    if config.storage.tsdb.retention.percentage > 0.0 {
        out.push(
            "storage.tsdb.retention.percentage: a share of the disk does not limit the storage yet, and it would fill up: give a size or a time"
                .to_owned(),
        );
    }
    // All of them before any is put into effect: a reload that fails changes nothing.
    let client = |http: &HttpClientConfig| HttpClient::new(http, ClientOptions::default()).err();
    for entry in &config.remote_read {
        if let Some(err) = client(&entry.http) {
            out.push(format!("remote_read: {}: {err}", entry.url.as_str()));
        }
    }
    for job in &loaded.jobs {
        if let Some(err) = client(&job.scrape.http) {
            out.push(format!("scrape_configs: job {:?}: {err}", job.scrape.job_name));
        }
        for sd in &job.discovery.0 {
            if !discoverer::is_supported(sd.kind()) {
                out.push(format!(
                    "scrape_configs: job {:?}: discovery {} is known but not built yet",
                    job.scrape.job_name,
                    sd.kind()
                ));
            }
        }
    }
    out
}

/// Whether a discovery can find anything: the stock file has a section without targets.
fn names_targets(discovery: &SdConfigs) -> bool {
    discovery.0.iter().any(|sd| match sd {
        SdConfig::Static(groups) => groups.iter().any(|group| !group.targets.is_empty()),
        SdConfig::Described { .. } => true,
    })
}

/// Discoveries by job, for the discovery manager.
pub(crate) fn discoveries(loaded: &Loaded) -> BTreeMap<String, SdConfigs> {
    loaded.jobs.iter().map(|job| (job.scrape.job_name.clone(), job.discovery.clone())).collect()
}

/// Jobs, for the scrape manager.
pub(crate) fn jobs(loaded: &Loaded) -> Vec<Arc<ScrapeConfig>> {
    loaded.jobs.iter().map(|job| Arc::new(job.scrape.clone())).collect()
}
