//! `GET /alerts/groups`.

use gauntlet_encoding::push_json_str;

use super::ApiOptions;
use super::alerts::status_filter;
use super::answer::Answer;
use super::encode::{push_alert, push_pairs};
use super::params::{Params, ReceiverFilter, pass};
use crate::manager::rendered_route_labels;
use crate::pipeline::AlertQuery;

pub(super) fn get(options: &ApiOptions, params: &Params) -> Result<Answer, Answer> {
    let (manager, mode) = (&options.manager, options.mode);
    let matchers = params.matchers("filter", mode).map_err(|err| Answer::bad(&err))?;
    let receivers = ReceiverFilter::new(params, mode)?;
    let config = manager.config();
    let labels_of =
        |name: &str| config.as_ref()?.receivers.iter().find(|r| r.name == name).map(|r| &r.labels);
    let wanted_status = status_filter(params);
    let muted = params.switch("muted");
    let groups = manager.groups(
        &|route| receivers.passes(&route.receiver, labels_of),
        AlertQuery {
            labels: &|labels| pass(&matchers, labels),
            status: &wanted_status,
            ..AlertQuery::ALL
        },
    );
    let mut out = String::from("[");
    for group in groups.iter().filter(|group| muted || group.muted_by.is_empty()) {
        out.push_str(if out.len() > 1 { ",{\"alerts\":[" } else { "{\"alerts\":[" });
        for (i, info) in group.alerts.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_alert(&mut out, info, &group.muted_by);
        }
        out.push_str("],\"labels\":");
        push_pairs(&mut out, group.labels.iter());
        out.push_str(",\"receiver\":{\"name\":");
        push_json_str(&mut out, &group.receiver);
        out.push_str("},\"routeLabels\":");
        match (group.route_labels.is_empty(), (options.templates)()) {
            (false, Some(templates)) => {
                let labels = rendered_route_labels(&templates, group, manager.now());
                push_pairs(&mut out, labels.iter());
            }
            _ => out.push_str("{}"),
        }
        out.push('}');
    }
    out.push(']');
    Ok(Answer::json(out))
}
