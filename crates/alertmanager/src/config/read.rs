//! From text to [`Config`]: sections first, each for itself, then what must hold between them.

use std::collections::HashSet;
use std::path::Path;

use gauntlet_notify::config::{GlobalReceivers, Receiver};
use gauntlet_yaml::{
    Context, Dialect, Document, Kind, Mapping, Node, Position, Problem, ProblemKind, mismatch,
};

use super::matchers::ReadMatchers;
use super::{Config, ConfigErrors, GlobalConfig, InhibitRuleConfig, Loaded, RouteConfig};
use crate::intervals::NamedIntervals;
use crate::matcher::ParseMode;

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

pub(super) fn file(path: &Path) -> Result<Vec<u8>, ConfigErrors> {
    let fail = |text: String| ConfigErrors { io: Some(text), within: vec![], between: vec![] };
    let name = path.display();
    let io = |err: std::io::Error| match err.kind() {
        std::io::ErrorKind::NotFound => fail(format!("open {name}: no such file or directory")),
        std::io::ErrorKind::IsADirectory => fail(format!("read {name}: is a directory")),
        _ => fail(format!("open {name}: {err}")),
    };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > MAX_FILE_BYTES {
        return Err(fail(format!("{name}: {size} bytes are over the limit of {MAX_FILE_BYTES}")));
    }
    std::fs::read(path).map_err(io)
}

impl Config {
    pub(super) fn parse_bytes(text: &[u8], mode: ParseMode) -> Result<Loaded, ConfigErrors> {
        let syntax = |err| {
            let problems = gauntlet_yaml::Problems::from(err);
            ConfigErrors { io: None, within: problems.0, between: vec![] }
        };
        let document = Document::parse(text, Dialect::V2).map_err(syntax)?;
        let Some(root) = document.root().filter(|root| !root.is_null()) else {
            let nowhere = Position { line: 0, column: 0 };
            let between = vec![meaning(nowhere, "no route provided in config".to_owned())];
            return Err(ConfigErrors { io: None, within: vec![], between });
        };
        let mut reader = Reader { matchers: ReadMatchers { mode, notes: vec![] }, between: vec![] };
        let mut cx = Context::new();
        let config = reader.config(root, &mut cx, text);
        let within = match cx.finish(Some(())) {
            Ok(()) => vec![],
            Err(problems) => problems.0,
        };
        match config {
            Some(config) if within.is_empty() && reader.between.is_empty() => {
                Ok(Loaded { config, notes: reader.matchers.notes })
            }
            _ => Err(ConfigErrors { io: None, within, between: reader.between }),
        }
    }
}

fn meaning(position: Position, reason: String) -> Problem {
    Problem { position, path: String::new(), reason, kind: ProblemKind::Meaning }
}

struct Reader {
    matchers: ReadMatchers,
    between: Vec<Problem>,
}

impl Reader {
    fn config(&mut self, root: Node<'_>, cx: &mut Context, text: &[u8]) -> Option<Config> {
        let mut map = Mapping::read(root, "config.plain", cx)?;
        let route_at = map.position_of("route");
        let global = match map.node("global") {
            None => Some(GlobalConfig::default()),
            Some(node) => cx.in_key("global", |cx| global(node, cx)),
        };
        let receivers = map.node("receivers").map(|list| {
            let globals = global.as_ref().map(|g| &g.receivers);
            list_of(list, cx, "receivers", "[]config.Receiver", |node, cx| {
                Receiver::read(node, cx, globals).map(|r| (r, node.position()))
            })
        });
        let receivers = receivers.unwrap_or_default();
        let route = map
            .node("route")
            .map(|node| cx.in_key("route", |cx| RouteConfig::read(node, cx, &mut self.matchers)));
        let inhibit_rules = map.node("inhibit_rules").map(|list| {
            list_of(list, cx, "inhibit_rules", "[]common.InhibitRule", |node, cx| {
                InhibitRuleConfig::read(node, cx, &mut self.matchers)
            })
        });
        let templates: Vec<String> = map.take_default(cx, "templates");
        let mut intervals = |map: &mut Mapping<'_>, key: &str, go_type: &str, what: &str| {
            let list = map.node(key);
            list.map(|list| {
                list_of(list, cx, key, go_type, |node, cx| {
                    NamedIntervals::read(node, cx, what).map(|n| (n, node.position()))
                })
            })
            .unwrap_or_default()
        };
        let mute = intervals(
            &mut map,
            "mute_time_intervals",
            "[]config.MuteTimeInterval",
            "mute time interval",
        );
        let named = intervals(&mut map, "time_intervals", "[]config.TimeInterval", "time interval");
        let tracing = map.take(cx, "tracing");
        if map.node("event_recorder").is_some_and(|node| node.pairs().len() > 0) {
            let reason = "event_recorder is not supported; the ledger records what it would";
            map.problem(cx, "event_recorder", reason);
        }
        map.finish(cx);
        self.check_receivers(&receivers);
        let known: HashSet<&str> = receivers.iter().map(|(r, _)| r.name.as_str()).collect();
        // A section that could not be read has told of it.
        let route = match route {
            None => {
                self.between.push(meaning(root.position(), "no routes provided".to_owned()));
                return None;
            }
            Some(route) => route?,
        };
        self.check_root(&route, route_at);
        self.check_used(&route, route_at, &known);
        self.check_intervals(&route, route_at, &mute, &named);
        if route.continue_matching {
            self.note(route_at, "cannot have continue in root route");
        }
        Some(Config {
            global: global?,
            route,
            inhibit_rules: inhibit_rules.unwrap_or_default(),
            receivers: receivers.into_iter().map(|(receiver, _)| receiver).collect(),
            templates,
            mute_time_intervals: mute.into_iter().map(|(n, _)| n).collect(),
            time_intervals: named.into_iter().map(|(n, _)| n).collect(),
            tracing,
            original: String::from_utf8_lossy(text).into_owned(),
        })
    }

    fn note(&mut self, position: Position, reason: impl Into<String>) {
        self.between.push(meaning(position, reason.into()));
    }

    fn check_receivers(&mut self, receivers: &[(Receiver, Position)]) {
        let mut names = HashSet::new();
        for (receiver, at) in receivers {
            if !names.insert(&receiver.name) {
                let reason = format!("notification config name {:?} is not unique", receiver.name);
                self.note(*at, reason);
            }
        }
    }

    fn check_root(&mut self, root: &RouteConfig, at: Position) {
        if root.receiver.is_empty() {
            self.note(at, "root route must specify a default receiver");
        }
        if !(root.match_equal.is_empty() && root.match_re.is_empty() && root.matchers.is_empty()) {
            self.note(at, "root route must not have any matchers");
        }
        if !root.mute_time_intervals.is_empty() {
            self.note(at, "root route must not have any mute time intervals");
        }
        if !root.active_time_intervals.is_empty() {
            self.note(at, "root route must not have any active time intervals");
        }
    }

    /// Children first, as upstream looks.
    fn check_used(&mut self, route: &RouteConfig, at: Position, known: &HashSet<&str>) {
        route.routes.iter().for_each(|child| self.check_used(child, at, known));
        if !route.receiver.is_empty() && !known.contains(route.receiver.as_str()) {
            self.note(at, format!("undefined receiver {:?} used in route", route.receiver));
        }
    }

    fn check_intervals(
        &mut self,
        route: &RouteConfig,
        at: Position,
        mute: &[(NamedIntervals, Position)],
        named: &[(NamedIntervals, Position)],
    ) {
        let mut names = HashSet::new();
        for (list, what) in [(mute, "mute time interval"), (named, "time interval")] {
            for (intervals, at) in list {
                if !names.insert(intervals.name.as_str()) {
                    self.note(*at, format!("{what} {:?} is not unique", intervals.name));
                }
            }
        }
        self.check_intervals_used(route, at, &names);
    }

    fn check_intervals_used(&mut self, route: &RouteConfig, at: Position, names: &HashSet<&str>) {
        route.routes.iter().for_each(|child| self.check_intervals_used(child, at, names));
        for name in route.active_time_intervals.iter().chain(&route.mute_time_intervals) {
            if !names.contains(name.as_str()) {
                self.note(at, format!("undefined time interval {name:?} used in route"));
            }
        }
    }
}

fn global(node: Node<'_>, cx: &mut Context) -> Option<GlobalConfig> {
    let mut map = Mapping::read(node, "config.plain", cx)?;
    let default = GlobalConfig::default();
    let resolve_timeout = map.take_or(cx, "resolve_timeout", default.resolve_timeout);
    let receivers = GlobalReceivers::read(&mut map, cx);
    if let Err((key, reason)) = receivers.check() {
        map.problem(cx, key, reason);
    }
    map.finish(cx).then_some(GlobalConfig { resolve_timeout, receivers })
}

/// The items of a list that could be read, each with its place on the path.
fn list_of<T>(
    list: Node<'_>,
    cx: &mut Context,
    key: &str,
    go_type: &str,
    mut read: impl FnMut(Node<'_>, &mut Context) -> Option<T>,
) -> Vec<T> {
    if list.kind() != Kind::Sequence {
        mismatch(list, go_type, cx);
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, item) in list.items().enumerate() {
        if item.is_null() {
            cx.problem(item.position(), format!("empty or null entry in {key}"));
            continue;
        }
        found.extend(cx.in_key(key, |cx| cx.in_index(index, |cx| read(item, cx))));
    }
    found
}
