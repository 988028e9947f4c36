//! Tests of scraping as a whole: what a body becomes, when things happen, and over real connections.

mod bodies;
mod http;
mod recorder;
mod targets;
mod timing;

use crate::config::ScrapeConfig;
use crate::config::tests_support::parse;

/// A job `j` with further lines of configuration.
fn job(lines: &str) -> ScrapeConfig {
    parse(&format!("job_name: j\n{lines}"))
}
