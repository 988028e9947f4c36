//! `GET /receivers`.

use gauntlet_encoding::push_json_str;

use super::answer::Answer;
use super::encode::push_pairs;
use super::params::{Params, pass_map};
use crate::manager::Manager;
use crate::matcher::ParseMode;

pub(super) fn get(manager: &Manager, mode: ParseMode, params: &Params) -> Result<Answer, Answer> {
    let matchers = params
        .matchers("receiver_matchers", mode)
        .map_err(|err| Answer::bad(&format!("failed to parse receiver_matchers param: {err}")))?;
    let config = manager.config();
    let receivers = config.iter().flat_map(|config| &config.receivers);
    let mut out = String::from("[");
    for receiver in receivers {
        if !matchers.is_empty() && !pass_map(&matchers, &receiver.labels) {
            continue;
        }
        out.push_str(if out.len() > 1 { ",{" } else { "{" });
        if !receiver.labels.is_empty() {
            out.push_str("\"labels\":");
            push_pairs(&mut out, receiver.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            out.push(',');
        }
        out.push_str("\"name\":");
        push_json_str(&mut out, &receiver.name);
        out.push('}');
    }
    out.push(']');
    Ok(Answer::json(out))
}
