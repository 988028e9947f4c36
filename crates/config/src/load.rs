//! Reading the file and the files it names.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gauntlet_discovery::glob;
use gauntlet_scrape::config::ScrapeGlobals;
use gauntlet_yaml::{Context, Dialect, Document, Mapping};

use crate::env::Env;
use crate::errors::{ConfigError, ConfigErrors};
use crate::{Config, ScrapeJob};

/// Largest file that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 256 << 20;
/// Upstream's default, or that of its environment.
const DEFAULT_GOGC: i64 = 75;

/// What flags say about reading.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Refuse what an agent does not do.
    pub agent: bool,
    /// Defaults of `global`, which feature flags change.
    pub defaults: ScrapeGlobals,
}

/// A configuration read whole.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// The jobs of the file and of the files it names.
    pub jobs: Vec<Arc<ScrapeJob>>,
    /// What is odd but no error, for the log.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a file with default options.
    pub fn load(path: &Path, env: &dyn Env) -> Result<Loaded, ConfigErrors> {
        Self::load_with(path, env, &LoadOptions::default())
    }

    /// Reads a file and the job files it names; relative names are beside it. Lists all that is wrong in all of them.
    pub fn load_with(
        path: &Path,
        env: &dyn Env,
        options: &LoadOptions,
    ) -> Result<Loaded, ConfigErrors> {
        let name = path.display().to_string();
        let text = read_file(path)?;
        let (mut config, warnings) = Self::parse(&text, &name, env, options)?;
        config.set_directory(&parent(path));
        let mut jobs = config.scrape_configs.clone();
        let mut errors = Vec::new();
        let mut names: HashMap<String, String> = jobs
            .iter()
            .map(|job| (job.scrape.job_name.clone(), "main config file".to_owned()))
            .collect();
        for pattern in &config.scrape_config_files {
            let files = glob::glob(pattern).map_err(|err| {
                let reason = format!("error retrieving scrape config files for {pattern:?}: {err}");
                ConfigErrors(vec![ConfigError { file: name.clone(), problem: None, reason }])
            })?;
            for file in files {
                match read_jobs(&file, &config.global.scrape, &mut names) {
                    Ok(found) => jobs.extend(found),
                    Err(err) => errors.extend(err.0),
                }
            }
        }
        if errors.is_empty() {
            Ok(Loaded { config, jobs, warnings })
        } else {
            Err(ConfigErrors(errors))
        }
    }

    /// Reads a text; names of files in it stay as they are. Returns warnings beside it.
    pub fn parse(
        text: &[u8],
        name: &str,
        env: &dyn Env,
        options: &LoadOptions,
    ) -> Result<(Self, Vec<String>), ConfigErrors> {
        let wrong = |problems| ConfigErrors::of_file(name, problems);
        let document = Document::parse(text, Dialect::V2).map_err(|err| wrong(err.into()))?;
        let gogc = gogc(env);
        let mut cx = Context::new();
        let config = match document.root().filter(|root| !root.is_null()) {
            Some(root) => Self::read(root, &mut cx, options, gogc),
            None => Some(Self::empty(options, gogc)),
        };
        let mut config = cx.finish(config).map_err(wrong)?;
        let mut missing = Vec::new();
        config.global.expand(env, &mut missing);
        let warnings =
            missing.into_iter().map(|name| format!("empty environment variable {name}")).collect();
        Ok((config, warnings))
    }
}

/// The jobs of a file named by `scrape_config_files`.
fn read_jobs(
    path: &Path,
    globals: &ScrapeGlobals,
    names: &mut HashMap<String, String>,
) -> Result<Vec<Arc<ScrapeJob>>, ConfigErrors> {
    let name = path.display().to_string();
    let text = read_file(path)?;
    let wrong = |problems| ConfigErrors::of_file(&name, problems);
    let document = Document::parse(&text, Dialect::V2).map_err(|err| wrong(err.into()))?;
    let Some(root) = document.root().filter(|root| !root.is_null()) else { return Ok(Vec::new()) };
    let mut cx = Context::new();
    let mut read = |cx: &mut Context| {
        let mut map = Mapping::read(root, "config.ScrapeConfigs", cx)?;
        let jobs = map.node("scrape_configs").map(|node| {
            let jobs = cx.in_key("scrape_configs", |cx| ScrapeJob::read_list(node, cx, globals));
            for job in &jobs {
                let job_name = &job.scrape.job_name;
                if let Some(first) = names.get(job_name) {
                    let reason = format!(
                        "found multiple scrape configs with job name {job_name:?}, first found in {first}"
                    );
                    cx.problem(node.position(), reason);
                } else {
                    names.insert(job_name.clone(), format!("{name:?}"));
                }
            }
            jobs
        });
        map.finish(cx).then_some(jobs.unwrap_or_default())
    };
    let jobs = read(&mut cx);
    let mut jobs = cx.finish(jobs).map_err(wrong)?;
    let dir = parent(path);
    jobs.iter_mut().for_each(|job| job.set_directory(&dir));
    Ok(jobs.into_iter().map(Arc::new).collect())
}

fn read_file(path: &Path) -> Result<Vec<u8>, ConfigErrors> {
    let name = path.display().to_string();
    let io = |err: &std::io::Error| ConfigErrors::io(&name, err);
    let size = std::fs::metadata(path).map_err(|err| io(&err))?.len();
    if size > MAX_FILE_BYTES {
        let reason = format!("file of {size} bytes is larger than {MAX_FILE_BYTES}");
        return Err(ConfigErrors(vec![ConfigError { file: name, problem: None, reason }]));
    }
    std::fs::read(path).map_err(|err| io(&err))
}

fn parent(path: &Path) -> String {
    let dir = path.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
    if dir.is_empty() { ".".to_owned() } else { dir }
}

fn gogc(env: &dyn Env) -> i64 {
    match env.get("GOGC") {
        Some(text) if text.eq_ignore_ascii_case("off") => -1,
        Some(text) => text.parse().unwrap_or(DEFAULT_GOGC),
        None => DEFAULT_GOGC,
    }
}
