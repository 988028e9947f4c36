//! `route`: the tree that says who is told of an alert, as written. What inheritance makes of it is [`crate::dispatch::Route`].

use std::collections::BTreeMap;

use gauntlet_model::MatchOp;
use gauntlet_model::duration::Duration;
use gauntlet_yaml::{Context, Kind, MapBuilder, Mapping, Node, ToYaml, Value, mismatch};

use super::matchers::{ReadMatchers, read_match_re};
use crate::matcher::{Matcher, Matchers};

/// How deep routes may nest.
pub(crate) const MAX_DEPTH: usize = 200;

/// A node of the tree. What is `None` comes from the parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteConfig {
    pub receiver: String,
    /// As written: label names, or `...` for all labels.
    pub group_by: Option<Vec<String>>,
    /// Deprecated equality matchers.
    pub match_equal: BTreeMap<String, String>,
    /// Deprecated regex matchers, as written.
    pub match_re: BTreeMap<String, String>,
    /// Sorted.
    pub matchers: Matchers,
    pub mute_time_intervals: Vec<String>,
    pub active_time_intervals: Vec<String>,
    pub continue_matching: bool,
    pub routes: Vec<RouteConfig>,
    pub group_wait: Option<Duration>,
    pub group_interval: Option<Duration>,
    pub repeat_interval: Option<Duration>,
    /// Values are templates.
    pub labels: BTreeMap<String, String>,
}

impl RouteConfig {
    pub(super) fn read(node: Node<'_>, cx: &mut Context, with: &mut ReadMatchers) -> Option<Self> {
        Self::read_at(node, cx, with, 0)
    }

    fn read_at(
        node: Node<'_>,
        cx: &mut Context,
        with: &mut ReadMatchers,
        depth: usize,
    ) -> Option<Self> {
        if depth > MAX_DEPTH {
            cx.problem(node.position(), format!("routes nest deeper than {MAX_DEPTH}"));
            return None;
        }
        let mut map = Mapping::read(node, "config.plain", cx)?;
        let route = Self {
            receiver: map.take_default(cx, "receiver"),
            group_by: map.take(cx, "group_by"),
            match_equal: map.take_default(cx, "match"),
            match_re: read_match_re(&mut map, cx, "match_re"),
            matchers: with.take(&mut map, cx, "matchers"),
            mute_time_intervals: map.take_default(cx, "mute_time_intervals"),
            active_time_intervals: map.take_default(cx, "active_time_intervals"),
            continue_matching: map.take_default(cx, "continue"),
            routes: map
                .node("routes")
                .map(|list| cx.in_key("routes", |cx| Self::read_list(list, cx, with, depth + 1)))
                .unwrap_or_default(),
            group_wait: map.take(cx, "group_wait"),
            group_interval: map.take(cx, "group_interval"),
            repeat_interval: map.take(cx, "repeat_interval"),
            labels: map.take_default(cx, "labels"),
        };
        if let Err((key, reason)) = route.validate(with) {
            map.problem(cx, key, reason);
        }
        map.finish(cx).then_some(route)
    }

    fn read_list(
        list: Node<'_>,
        cx: &mut Context,
        with: &mut ReadMatchers,
        depth: usize,
    ) -> Vec<Self> {
        if list.kind() != Kind::Sequence {
            mismatch(list, "[]*config.Route", cx);
            return Vec::new();
        }
        let mut routes = Vec::new();
        for (index, item) in list.items().enumerate() {
            if item.is_null() {
                cx.problem(item.position(), "empty or null route");
                continue;
            }
            routes.extend(cx.in_index(index, |cx| Self::read_at(item, cx, with, depth)));
        }
        routes
    }

    /// Upstream's checks in its order, with the key to point at.
    fn validate(&self, with: &ReadMatchers) -> Result<(), (&'static str, String)> {
        let legacy = gauntlet_model::labels::is_legacy_label_name;
        if let Some(name) = self.match_equal.keys().find(|name| !legacy(name)) {
            return Err(("match", format!("invalid label name {name:?}")));
        }
        if self.labels.contains_key("") {
            return Err(("labels", "\"\" is not a valid label name".to_owned()));
        }
        if let Some(name) = self.labels.keys().find(|name| !with.mode.is_label_name(name)) {
            return Err(("labels", format!("invalid label name {name:?} in route labels")));
        }
        let names = self.group_by.as_deref().unwrap_or_default();
        let wrong = |name: &&String| *name != "..." && !with.mode.is_label_name(name);
        if let Some(name) = names.iter().find(wrong) {
            return Err(("group_by", format!("invalid label name {name:?} in group_by list")));
        }
        if self.groups_by_all() && names.iter().any(|name| name != "...") {
            let reason = "cannot have wildcard group_by (`...`) and other labels at the same time";
            return Err(("group_by", reason.to_owned()));
        }
        for (at, name) in names.iter().enumerate() {
            if name != "..." && names[..at].contains(name) {
                return Err(("group_by", format!("duplicated label {name:?} in group_by")));
            }
        }
        for (key, value) in
            [("group_interval", self.group_interval), ("repeat_interval", self.repeat_interval)]
        {
            if value.is_some_and(Duration::is_zero) {
                return Err((key, format!("{key} cannot be zero")));
            }
        }
        Ok(())
    }

    /// Whether the route groups by all labels.
    pub fn groups_by_all(&self) -> bool {
        self.group_by.as_ref().is_some_and(|names| names.iter().any(|name| name == "..."))
    }

    /// The matchers of all three kinds, sorted, as group keys print them.
    pub fn all_matchers(&self) -> Matchers {
        Matchers::sorted(all(&self.match_equal, &self.match_re, &self.matchers))
    }

    /// This route and all below it, parents first.
    pub fn walk(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        self.routes.iter().for_each(|route| route.walk(visit));
    }
}

/// Old and new matchers in one list. Of an old regex the anchored text is what counts, and what is anchored again.
pub(crate) fn all(
    equal: &BTreeMap<String, String>,
    regexes: &BTreeMap<String, String>,
    matchers: &Matchers,
) -> Vec<Matcher> {
    let mut list: Vec<Matcher> = equal.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
    list.extend(regexes.iter().filter_map(|(name, pattern)| {
        // Checked when it was read.
        Matcher::new(MatchOp::Regex, name, &format!("^(?:{pattern})$")).ok()
    }));
    list.extend(matchers.iter().cloned());
    list
}

impl ToYaml for RouteConfig {
    fn to_yaml(&self) -> Value {
        let lines: Vec<String> = self.matchers.iter().map(ToString::to_string).collect();
        MapBuilder::new()
            .put_nonzero("receiver", &self.receiver)
            .put_nonzero("group_by", self.group_by.as_deref().unwrap_or_default())
            .put_nonzero("match", &self.match_equal)
            .put_nonzero("match_re", &self.match_re)
            .put_nonzero("matchers", lines)
            .put_nonzero("mute_time_intervals", &self.mute_time_intervals)
            .put_nonzero("active_time_intervals", &self.active_time_intervals)
            .put("continue", self.continue_matching)
            .put_nonzero("routes", &self.routes)
            .put_some("group_wait", self.group_wait)
            .put_some("group_interval", self.group_interval)
            .put_some("repeat_interval", self.repeat_interval)
            .put_nonzero("labels", &self.labels)
            .build()
    }
}
