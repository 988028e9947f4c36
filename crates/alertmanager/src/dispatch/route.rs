//! The routing tree at work: inheritance resolved, matchers compiled, routes named by small numbers.
//!
//! An alert goes down depth first; the first child that takes it ends the search on its level unless it says `continue`; a
//! node whose children all decline takes it itself. Texts of [`RouteTree::key`] are part of the notification log's keys and
//! must not drift from upstream's.

use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_model::Labels;

use crate::config::RouteConfig;
use crate::labels::Fingerprint;
use crate::matcher::Matchers;

/// Number of a route in its tree; children come before their parents, as upstream numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// A route with everything inherited filled in. Durations are in nanoseconds.
#[derive(Clone, Debug)]
pub struct Route {
    pub id: RouteId,
    pub parent: Option<RouteId>,
    pub children: Vec<RouteId>,
    pub matchers: Matchers,
    pub continue_matching: bool,
    pub receiver: Arc<str>,
    /// Sorted.
    pub group_by: Vec<String>,
    pub group_by_all: bool,
    pub group_wait_ns: i64,
    pub group_interval_ns: i64,
    pub repeat_interval_ns: i64,
    pub mute_time_intervals: Vec<String>,
    pub active_time_intervals: Vec<String>,
    /// Templates, merged over all parents.
    pub labels: BTreeMap<String, String>,
    /// Matchers from the root down, `/` between; the first part of group keys.
    pub key: Arc<str>,
    /// As the key, with positions, so that it is unique.
    pub id_text: Arc<str>,
}

const SECOND: i64 = 1_000_000_000;

impl Route {
    /// The labels that make a group of this route's alerts.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        if self.group_by_all {
            return labels.clone();
        }
        let wanted = |name: &str| self.group_by.binary_search_by(|n| n.as_str().cmp(name)).is_ok();
        Labels::from_sorted(labels.iter().filter(|(name, _)| wanted(name)))
    }

    /// Identity of an alert's group without building its labels.
    pub(crate) fn group_fingerprint(&self, labels: &Labels) -> Fingerprint {
        let wanted = |name: &str| {
            self.group_by_all || self.group_by.binary_search_by(|n| n.as_str().cmp(name)).is_ok()
        };
        crate::labels::fingerprint_of(labels.iter().filter(|(name, _)| wanted(name)))
    }
}

/// The tree.
#[derive(Clone, Debug)]
pub struct RouteTree {
    routes: Vec<Arc<Route>>,
}

impl RouteTree {
    pub fn new(config: &RouteConfig) -> Self {
        let mut slots = Vec::new();
        build(config, None, &mut slots);
        let routes = slots.into_iter().map(Arc::new).collect();
        Self { routes }
    }

    pub fn root(&self) -> &Arc<Route> {
        self.routes.last().expect("BUG: a tree has a root")
    }

    pub fn route(&self, id: RouteId) -> &Arc<Route> {
        &self.routes[id.0 as usize]
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Never: a tree has a root.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Routes by number.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    /// Depth first, parents before children, as configuration lists them.
    pub fn walk(&self) -> Vec<&Arc<Route>> {
        let mut found = Vec::with_capacity(self.routes.len());
        let mut stack = vec![self.root().id];
        while let Some(id) = stack.pop() {
            let route = self.route(id);
            found.push(route);
            stack.extend(route.children.iter().rev());
        }
        found
    }

    /// The routes that take an alert, in the order they are met; at least one.
    pub fn matching(&self, labels: &Labels) -> Vec<RouteId> {
        let mut found = Vec::new();
        self.descend(self.root(), labels, &mut found);
        found
    }

    fn descend(&self, route: &Route, labels: &Labels, found: &mut Vec<RouteId>) -> bool {
        if !route.matchers.matches(labels) {
            return false;
        }
        let before = found.len();
        for child in &route.children {
            let child = self.route(*child);
            if self.descend(child, labels, found) && !child.continue_matching {
                break;
            }
        }
        if found.len() == before {
            found.push(route.id);
        }
        true
    }
}

/// Adds a route below its children and returns its number. `parent` is the parent still without number or children.
fn build(config: &RouteConfig, parent: Option<(&Route, usize)>, slots: &mut Vec<Route>) -> RouteId {
    let matchers = config.all_matchers();
    let (key, id_text) = match parent {
        None => (matchers.to_string(), matchers.to_string()),
        Some((up, position)) => {
            (format!("{}/{matchers}", up.key), format!("{}/{matchers}/{position}", up.id_text))
        }
    };
    let mut route = match parent {
        Some((up, _)) => up.clone(),
        None => Route {
            id: RouteId(0),
            parent: None,
            children: Vec::new(),
            matchers: Matchers::default(),
            continue_matching: false,
            receiver: "".into(),
            group_by: Vec::new(),
            group_by_all: false,
            group_wait_ns: 30 * SECOND,
            group_interval_ns: 300 * SECOND,
            repeat_interval_ns: 4 * 3600 * SECOND,
            mute_time_intervals: Vec::new(),
            active_time_intervals: Vec::new(),
            labels: BTreeMap::new(),
            key: "".into(),
            id_text: "".into(),
        },
    };
    route.children = Vec::new();
    route.matchers = matchers;
    route.continue_matching = config.continue_matching;
    route.mute_time_intervals = config.mute_time_intervals.clone();
    route.active_time_intervals = config.active_time_intervals.clone();
    route.key = key.into();
    route.id_text = id_text.into();
    if !config.receiver.is_empty() {
        route.receiver = config.receiver.as_str().into();
    }
    if config.groups_by_all() {
        // What the parent grouped by stays beside it, unseen, as upstream keeps it.
        route.group_by_all = true;
    } else if let Some(names) = &config.group_by {
        route.group_by = names.clone();
        route.group_by.sort();
        route.group_by_all = false;
    }
    let overrides = [
        (config.group_wait, &mut route.group_wait_ns),
        (config.group_interval, &mut route.group_interval_ns),
        (config.repeat_interval, &mut route.repeat_interval_ns),
    ];
    for (given, field) in overrides {
        if let Some(given) = given {
            *field = given.as_ns();
        }
    }
    for (name, value) in &config.labels {
        route.labels.insert(name.clone(), value.clone());
    }
    let children: Vec<RouteId> = config
        .routes
        .iter()
        .enumerate()
        .map(|(at, child)| build(child, Some((&route, at)), slots))
        .collect();
    let id = RouteId(slots.len() as u32);
    for child in &children {
        slots[child.0 as usize].parent = Some(id);
    }
    route.id = id;
    route.children = children;
    slots.push(route);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::matcher::ParseMode;

    const TREE: &str = "
receivers: [{name: n}, {name: a}, {name: ab}, {name: all}]
route:
  receiver: n
  group_by: [env, job]
  group_wait: 2m
  labels: {x: '1', y: '1'}
  routes:
  - match: {owner: team-A}
    receiver: a
    group_interval: 1m
    labels: {y: '2'}
    routes:
    - match: {env: testing}
      group_by: ['...']
    - match: {env: production}
      receiver: ab
      continue: true
    - match_re: {env: 'produ.*|staging'}
      receiver: all
      group_by: []
  - matchers: ['group=~\"a|b\"', 'owner!=\"team-C\"']
    continue: true
    receiver: ab
  - match: {group: a}
    receiver: all
";

    fn tree() -> RouteTree {
        let config = Config::parse(TREE, ParseMode::Fallback).expect("config").config;
        RouteTree::new(&config.route)
    }

    #[test]
    fn alerts_go_to_the_deepest_routes_that_take_them() {
        let tree = tree();
        let check = |labels: &[(&str, &str)], wanted: &[&str]| {
            let labels = Labels::from_pairs(labels.iter().copied());
            let found = tree.matching(&labels);
            let keys: Vec<&str> = found.iter().map(|id| tree.route(*id).key.as_ref()).collect();
            assert_eq!(keys, wanted, "{labels}");
        };
        let a = "{}/{owner=\"team-A\"}";
        check(&[("x", "1")], &["{}"]);
        check(&[("owner", "team-A")], &[a]);
        check(&[("owner", "team-A"), ("env", "testing")], &[&format!("{a}/{{env=\"testing\"}}")]);
        check(
            &[("owner", "team-A"), ("env", "production")],
            &[
                &format!("{a}/{{env=\"production\"}}"),
                &format!("{a}/{{env=~\"^(?:produ.*|staging)$\"}}"),
            ],
        );
        check(&[("group", "a")], &["{}/{group=~\"a|b\",owner!=\"team-C\"}", "{}/{group=\"a\"}"]);
        check(&[("group", "b"), ("owner", "team-C")], &["{}"]);
    }

    #[test]
    fn what_is_not_said_is_inherited() {
        let tree = tree();
        let names: Vec<&str> = tree.walk().iter().map(|r| r.receiver.as_ref()).collect();
        assert_eq!(names, ["n", "a", "a", "ab", "all", "ab", "all"]);
        let walk = tree.walk();
        let testing = walk[2];
        assert!(testing.group_by_all && testing.group_wait_ns == 120 * SECOND);
        assert_eq!(testing.group_interval_ns, 60 * SECOND);
        assert_eq!(testing.repeat_interval_ns, 4 * 3600 * SECOND);
        assert_eq!(testing.labels.values().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(testing.id_text.as_ref(), "{}/{owner=\"team-A\"}/0/{env=\"testing\"}/0");
        assert_eq!((walk[0].id, testing.id), (RouteId(6), RouteId(0)));
        assert_eq!(tree.route(testing.parent.expect("parent")).receiver.as_ref(), "a");
        assert!(walk[4].group_by.is_empty() && !walk[4].group_by_all);
        let labels = Labels::from_pairs([("env", "e"), ("job", "j"), ("z", "z")]);
        assert_eq!(walk[0].group_labels(&labels).len(), 2);
        assert_eq!(
            walk[0].group_fingerprint(&labels),
            crate::labels::fingerprint(&walk[0].group_labels(&labels))
        );
        assert_eq!(testing.group_labels(&labels), labels);
    }
}
