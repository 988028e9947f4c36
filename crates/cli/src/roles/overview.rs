//! What a role says of itself to the web app and the plain page: its parts, what needs attention, and how to mend it.

use gauntlet_telemetry::logs::RecentWarnings;
use gauntlet_ui::{PlainPage, Section};
use serde_json::{Value, json};

/// How a part fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Good,
    Warn,
    Bad,
}

/// One thing that runs.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) health: Health,
    pub(crate) text: String,
    /// For what is not good: what to do.
    pub(crate) cure: Option<String>,
    /// Page of the app that shows more.
    pub(crate) link: Option<&'static str>,
}

impl Part {
    pub(crate) fn good(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), health: Health::Good, text: text.into(), cure: None, link: None }
    }

    pub(crate) fn failing(
        name: impl Into<String>,
        text: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            health: Health::Bad,
            text: text.into(),
            cure: Some(cure.into()),
            link: None,
        }
    }

    pub(crate) fn degraded(
        name: impl Into<String>,
        text: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { health: Health::Warn, ..Self::failing(name, text, cure) }
    }

    pub(crate) fn link(mut self, page: &'static str) -> Self {
        self.link = Some(page);
        self
    }
}

/// JSON of `/api/v1/status/overview`.
pub(crate) fn overview_json(
    role: &str,
    pages: &[&str],
    not_ready: Option<&str>,
    started_ms: i64,
    parts: &[Part],
    recent: &RecentWarnings,
) -> Value {
    let parts: Vec<Value> = parts
        .iter()
        .map(|part| {
            json!({
                "name": part.name,
                "state": match part.health {
                    Health::Good => "good",
                    Health::Warn => "warn",
                    Health::Bad => "bad",
                },
                "text": part.text,
                "cure": part.cure,
                "link": part.link,
            })
        })
        .collect();
    let log: Vec<Value> = recent
        .snapshot()
        .into_iter()
        .map(|line| {
            json!({
                "timeMs": line.time_ms, "level": line.level, "message": line.message, "fields": line.fields,
            })
        })
        .collect();
    json!({
        "role": role,
        "version": env!("CARGO_PKG_VERSION"),
        "ready": not_ready.is_none(),
        "notReady": not_ready,
        "startedMs": started_ms,
        "pages": pages,
        "parts": parts,
        "log": log,
    })
}

/// The same without scripts.
pub(crate) fn overview_page(title: &str, lead: &str, parts: &[Part], links: Section) -> PlainPage {
    let mut running = Section::new("What runs");
    for part in parts {
        let mut text = match part.health {
            Health::Good => part.text.clone(),
            Health::Warn => format!("degraded: {}", part.text),
            Health::Bad => format!("failing: {}", part.text),
        };
        if let Some(cure) = &part.cure {
            text.push_str(&format!(" What to do: {cure}"));
        }
        running = running.row(&part.name, text);
    }
    PlainPage { title: title.to_owned(), lead: lead.to_owned(), sections: vec![running, links] }
}

/// Links that every role with the API has.
pub(crate) fn api_links(prefix: &str) -> Section {
    Section::new("Where to look")
        .link("Metrics", "of this process", format!("{prefix}/metrics"))
        .link("Query API", "api/v1/query?query=up", format!("{prefix}/api/v1/query?query=up"))
        .link("Labels", "api/v1/labels", format!("{prefix}/api/v1/labels"))
        .link("Readiness", "-/ready", format!("{prefix}/-/ready"))
}
