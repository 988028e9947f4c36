//! Reading the configuration with its templates, and handing it to the manager: all of it or nothing.

use std::path::PathBuf;
use std::sync::Arc;

use gauntlet_alertmanager::pipeline::Pipelines;
use gauntlet_alertmanager::{Config, Manager, ParseMode, build_pipelines};
use gauntlet_notify::{Setup, Templates};
use gauntlet_runtime::Clock;
use parking_lot::RwLock;
use tracing::{info, warn};

use crate::flags::values::Values;
use crate::roles::{Failure, Start};

/// Loads the configuration at the start and at each reload.
pub(super) struct Loader {
    file: PathBuf,
    mode: ParseMode,
    clock: Arc<dyn Clock>,
    external_url: String,
    prefix: String,
    in_force: Arc<RwLock<Option<Arc<Templates>>>>,
}

impl Loader {
    pub(super) fn new(values: &Values, mode: ParseMode, start: &Start) -> Result<Self, Failure> {
        let listen = values.texts("web.listen-address");
        let (external_url, path) = external_url(
            &values.text("web.external-url"),
            listen.first().map_or("", String::as_str),
        )
        .map_err(|why| Failure::new(format!("failed to determine external URL: {why}")))?;
        let prefix = if values.is_given("web.route-prefix") {
            values.text("web.route-prefix")
        } else {
            path
        };
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        Ok(Self {
            file: values.text("config.file").into(),
            mode,
            clock: Arc::clone(&start.clock),
            external_url,
            prefix,
            in_force: Arc::default(),
        })
    }

    /// Gives the templates of the configuration in force.
    pub(super) fn templates_in_force(&self) -> gauntlet_alertmanager::api::TemplateSource {
        let in_force = Arc::clone(&self.in_force);
        Arc::new(move || in_force.read().clone())
    }

    /// Before all paths; empty or with a slash in front and none behind.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Reads, checks and builds everything, then puts it in force. On failure nothing has changed.
    pub(super) async fn load(&self, manager: &Manager, first: bool) -> Result<(), String> {
        let (config, pipelines, templates) = self.build(first)?;
        manager.apply(Arc::new(config), pipelines);
        *self.in_force.write() = Some(templates);
        info!(file = %self.file.display(), "Completed loading of configuration file");
        Ok(())
    }

    fn build(&self, first: bool) -> Result<(Config, Pipelines, Arc<Templates>), String> {
        let loaded = Config::load(&self.file, self.mode).map_err(|errors| {
            // At the start the text that the peer gives; a person who reloads sees all problems with their places.
            let text = if first { errors.upstream_text() } else { errors.to_string() };
            format!("error loading configuration file: {text}")
        })?;
        for note in &loaded.notes {
            warn!(origin = "config", "{note}");
        }
        let config = loaded.config;
        if config.tracing.is_some() {
            return Err("tracing: traces are not exported: take the section out".to_owned());
        }
        let templates = self
            .templates(&config.templates)
            .map_err(|reason| format!("failed to parse templates: {reason}"))?;
        let templates = Arc::new(templates);
        let setup = Setup::new(Arc::clone(&templates), Arc::clone(&self.clock));
        let pipelines = build_pipelines(&config, &setup).map_err(|errors| {
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })?;
        Ok((config, pipelines, templates))
    }

    /// The built-in templates and those of all files that the patterns name.
    fn templates(&self, patterns: &[String]) -> Result<Templates, String> {
        let files = gauntlet_amtool::template_files(patterns)?;
        Templates::new(&self.external_url, Arc::clone(&self.clock), &files)
            .map_err(|err| err.to_string())
    }
}

/// The URL that links in notifications start with, and its path; made of this host's name where none is given.
fn external_url(given: &str, listen: &str) -> Result<(String, String), String> {
    let text = if given.is_empty() {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let port = listen.rsplit(':').next().unwrap_or_default();
        format!("http://{host}:{port}/")
    } else {
        given.to_owned()
    };
    if text.starts_with(':') {
        return Err(format!("parse {text:?}: missing protocol scheme"));
    }
    let url = url::Url::parse(&text).map_err(|err| format!("parse {text:?}: {err}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "{text:?}: invalid {:?} scheme, only 'http' and 'https' are supported",
            url.scheme()
        ));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok((format!("{}://{host}{port}{path}", url.scheme()), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_start_with_the_external_url() {
        let ok = |url: &str, path: &str| Ok((url.to_owned(), path.to_owned()));
        assert_eq!(
            external_url("https://am.example/x/", ":9093"),
            ok("https://am.example/x", "/x")
        );
        assert!(external_url("", "127.0.0.1:9093").unwrap().0.ends_with(":9093"));
        assert!(external_url("ftp://x", "").unwrap_err().contains("invalid \"ftp\" scheme"));
    }
}
