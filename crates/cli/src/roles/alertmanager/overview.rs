//! What the role says of itself to the web app: its pages, its parts, what needs attention.

use gauntlet_alertmanager::Manager;
use gauntlet_alertmanager::alert::AlertState;
use gauntlet_alertmanager::ledger::{Kind, LedgerQuery};
use gauntlet_alertmanager::pipeline::AlertQuery;
use gauntlet_alertmanager::silence::SilenceState;
use gauntlet_telemetry::logs::RecentWarnings;
use serde_json::Value;

use crate::roles::overview::{Part, overview_json};

const PAGES: [&str; 6] = ["alerts", "silences", "ledger", "overview", "status", "log"];
/// How far back a failed notification counts as trouble.
const TROUBLE_NS: i64 = 10 * 60 * 1_000_000_000;

/// JSON of `/api/v1/status/overview`.
pub(super) async fn overview(manager: &Manager, recent: &RecentWarnings) -> Value {
    let alerts = manager.alerts(AlertQuery::ALL);
    let quiet = alerts.iter().filter(|a| a.status.state == AlertState::Suppressed).count();
    let now = manager.now();
    let silences = manager.silences(|silence| silence.state(now) == SilenceState::Active).len();
    let receivers = manager.config().map_or(0, |config| config.receivers.len());
    let parts = [
        Part::good("Alerts", format!("{} known, {quiet} of them kept quiet", alerts.len()))
            .link("alerts"),
        Part::good("Silences", format!("{silences} active")).link("silences"),
        Part::good("Configuration", format!("{receivers} receivers")).link("status"),
        notifications(manager).await.link("ledger"),
    ];
    overview_json("alertmanager", &PAGES, None, manager.started_at().as_ms(), &parts, recent)
}

async fn notifications(manager: &Manager) -> Part {
    let query = LedgerQuery {
        kinds: vec![Kind::Failed, Kind::Sent],
        from: Some(manager.now().plus_ns(-TROUBLE_NS)),
        limit: 1,
        ..LedgerQuery::default()
    };
    match manager.ledger(query).await {
        Err(err) => Part::failing(
            "Notifications",
            format!("the ledger cannot be read: {err}"),
            "check the folder that --storage.path names",
        ),
        Ok(found) => match found.first() {
            Some(entry) if entry.event.kind() == Kind::Failed => Part::degraded(
                "Notifications",
                format!("the last one failed: {}", entry.in_words()),
                "check the receiver and its address in the configuration",
            ),
            Some(_) => Part::good("Notifications", "the last one was delivered"),
            None => Part::good("Notifications", "none in the last ten minutes"),
        },
    }
}
