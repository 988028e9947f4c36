//! `GET /routes`: the routing tree at work, and which of its routes take given labels. Ours alone; the screens draw it.
//!
//! Parameter: `label` (`name="value"`, repeatable): with it each route says whether an alert with these labels would be its.
//! Answer: `{"routes":[{"id","depth","receiver","matchers","groupBy","groupByAll","groupWaitMs","groupIntervalMs","repeatIntervalMs",
//! "continue","muteTimeIntervals","activeTimeIntervals","groups","alerts","takes"}]}`, depth first, parents before their children.

use std::collections::HashMap;

use gauntlet_model::{Labels, MatchOp};
use serde_json::{Value, json};

use super::answer::Answer;
use super::params::Params;
use crate::dispatch::{RouteId, RouteTree};
use crate::manager::Manager;
use crate::matcher::ParseMode;
use crate::pipeline::AlertQuery;

pub(super) fn get(manager: &Manager, mode: ParseMode, params: &Params) -> Result<Answer, Answer> {
    let matchers = params.matchers("label", mode).map_err(|err| Answer::bad(&err))?;
    if let Some(odd) = matchers.iter().find(|matcher| matcher.op != MatchOp::Equal) {
        return Err(Answer::bad(&format!("label: {odd} gives no label its value")));
    }
    let Some(config) = manager.config() else { return Ok(Answer::json("{\"routes\":[]}".into())) };
    let tree = RouteTree::new(&config.route);
    let labels = Labels::from_pairs(matchers.iter().map(|m| (m.name.as_ref(), m.value.as_ref())));
    let takes = (!matchers.is_empty()).then(|| tree.matching(&labels));
    // Groups and the alerts in them, by route.
    let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
    for group in manager.groups(&|_| true, AlertQuery::ALL) {
        let count = counts.entry(group.route_id.to_string()).or_default();
        count.0 += 1;
        count.1 += group.alerts.len();
    }
    let mut depths: HashMap<RouteId, usize> = HashMap::new();
    let routes: Vec<Value> = tree
        .walk()
        .into_iter()
        .map(|route| {
            let depth = route.parent.and_then(|id| depths.get(&id)).map_or(0, |depth| depth + 1);
            depths.insert(route.id, depth);
            let (groups, alerts) = counts.get(&*route.id_text).copied().unwrap_or_default();
            let mut value = json!({
                "id": &*route.id_text,
                "depth": depth,
                "receiver": &*route.receiver,
                "matchers": route.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "groupBy": route.group_by,
                "groupByAll": route.group_by_all,
                "groupWaitMs": route.group_wait_ns / NS_PER_MS,
                "groupIntervalMs": route.group_interval_ns / NS_PER_MS,
                "repeatIntervalMs": route.repeat_interval_ns / NS_PER_MS,
                "continue": route.continue_matching,
                "muteTimeIntervals": route.mute_time_intervals,
                "activeTimeIntervals": route.active_time_intervals,
                "groups": groups,
                "alerts": alerts,
            });
            if let Some(takes) = &takes {
                value["takes"] = takes.contains(&route.id).into();
            }
            value
        })
        .collect();
    Ok(Answer::json(json!({ "routes": routes }).to_string()))
}

const NS_PER_MS: i64 = 1_000_000;
