//! Parameters of a query string, and what is filtered by them.

use std::collections::BTreeMap;

use gauntlet_model::regex::Regex;
use gauntlet_model::{Labels, MatchOp};
use url::form_urlencoded;

use super::answer::Answer;
use crate::matcher::{Matcher, MatcherError, ParseMode};

/// Parameters in the order they came.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn new(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default().as_bytes();
        Self(form_urlencoded::parse(query).into_owned().collect())
    }

    /// The last value that was given.
    pub(super) fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A switch that is on unless given; what is no word for yes is no.
    pub(super) fn switch(&self, name: &str) -> bool {
        const YES: [&str; 10] =
            ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];
        self.last(name).is_none_or(|text| YES.contains(&text.to_ascii_lowercase().as_str()))
    }

    /// One matcher a value.
    pub(super) fn matchers(&self, name: &str, mode: ParseMode) -> Result<Vec<Matcher>, String> {
        let mut notes = Vec::new();
        let parsed: Result<Vec<Matcher>, MatcherError> =
            self.all(name).map(|text| mode.matcher(text, &mut notes)).collect();
        for note in &notes {
            tracing::warn!(component = "api", origin = "api", "{note}");
        }
        parsed.map_err(|err| err.to_string())
    }
}

/// Which receivers are meant: those whose name matches, and whose labels pass.
pub(super) struct ReceiverFilter {
    name: Option<Regex>,
    matchers: Vec<Matcher>,
}

impl ReceiverFilter {
    pub(super) fn new(params: &Params, mode: ParseMode) -> Result<Self, Answer> {
        let name = params
            .last("receiver")
            .map(Regex::alertmanager)
            .transpose()
            .map_err(|err| Answer::bad(&format!("failed to parse receiver param: {err}")))?;
        let matchers = params.matchers("receiver_matchers", mode).map_err(|err| {
            Answer::bad(&format!("failed to parse receiver_matchers param: {err}"))
        })?;
        Ok(Self { name, matchers })
    }

    /// Whether a receiver passes; `labels` finds the labels of a name.
    pub(super) fn passes<'a>(
        &self,
        receiver: &str,
        labels: impl Fn(&str) -> Option<&'a BTreeMap<String, String>>,
    ) -> bool {
        let named = self.name.as_ref().is_none_or(|name| name.is_match(receiver));
        named
            && (self.matchers.is_empty()
                || labels(receiver).is_some_and(|labels| pass_map(&self.matchers, labels)))
    }

    /// The two conditions may be met by different receivers of one alert.
    pub(super) fn passes_any<'a>(
        &self,
        receivers: &[std::sync::Arc<str>],
        labels: impl Fn(&str) -> Option<&'a BTreeMap<String, String>>,
    ) -> bool {
        let named = |name: &Regex| receivers.iter().any(|r| name.is_match(r));
        let labelled = |receiver: &std::sync::Arc<str>| {
            labels(receiver).is_some_and(|labels| pass_map(&self.matchers, labels))
        };
        self.name.as_ref().is_none_or(named)
            && (self.matchers.is_empty() || receivers.iter().any(labelled))
    }
}

/// Whether labels pass, by the API's rule: a matcher with an empty value asks whether the label is there.
pub(super) fn pass(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| one(matcher, labels.get(&matcher.name)))
}

pub(super) fn pass_map(matchers: &[Matcher], labels: &BTreeMap<String, String>) -> bool {
    matchers.iter().all(|m| one(m, labels.get(&*m.name).map(String::as_str)))
}

fn one(matcher: &Matcher, value: Option<&str>) -> bool {
    let negative = matches!(matcher.op, MatchOp::NotEqual | MatchOp::NotRegex);
    if matcher.value.is_empty() && value.is_some() == negative {
        return true;
    }
    matcher.matches(value.unwrap_or_default())
}
