//! `scrape_configs[]`: a job's scraping and its discoveries.

use gauntlet_discovery::SdConfigs;
use gauntlet_scrape::config::{ScrapeConfig, ScrapeGlobals};
use gauntlet_yaml::{Context, Kind, MapBuilder, Mapping, Node, ToYaml, Value, mismatch};

/// One job.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeJob {
    pub scrape: ScrapeConfig,
    pub discovery: SdConfigs,
}

impl ScrapeJob {
    /// Reads the list of jobs, each name once. Wrong jobs are noted and left out.
    pub(crate) fn read_list(
        list: Node<'_>,
        cx: &mut Context,
        globals: &ScrapeGlobals,
    ) -> Vec<Self> {
        if list.kind() != Kind::Sequence {
            mismatch(list, "[]*config.ScrapeConfig", cx);
            return Vec::new();
        }
        let mut jobs: Vec<Self> = Vec::new();
        let mut names = std::collections::HashSet::new();
        for (index, item) in list.items().enumerate() {
            if item.is_null() {
                cx.problem(item.position(), "empty or null scrape config section");
                continue;
            }
            let (name, job) = cx.in_index(index, |cx| Self::read(item, cx, globals));
            if !name.is_empty() && !names.insert(name.clone()) {
                let reason = format!("found multiple scrape configs with job name {name:?}");
                cx.problem(item.position(), reason);
            }
            jobs.extend(job);
        }
        jobs
    }

    /// The job's name, which may be known even if the job is wrong, and the job.
    fn read(node: Node<'_>, cx: &mut Context, globals: &ScrapeGlobals) -> (String, Option<Self>) {
        let Some(mut map) = Mapping::read(node, "config.ScrapeConfig", cx) else {
            return (String::new(), None);
        };
        let scrape = ScrapeConfig::read(&mut map, cx, globals);
        let discovery = SdConfigs::read(&mut map, cx);
        if scrape.relabel_configs.is_empty() && !map.has("relabel_configs") {
            discovery.check_static_targets(&map, cx);
        }
        let name = scrape.job_name.clone();
        (name, map.finish(cx).then_some(Self { scrape, discovery }))
    }

    pub(crate) fn set_directory(&mut self, dir: &str) {
        self.scrape.set_directory(dir);
        self.discovery.set_directory(dir);
    }
}

impl ToYaml for ScrapeJob {
    fn to_yaml(&self) -> Value {
        let mut map = MapBuilder::new();
        self.scrape.write(&mut map);
        self.discovery.write(&mut map);
        map.build()
    }
}
