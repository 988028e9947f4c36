//! systemd's units over D-Bus: states, and on request start times, restarts and tasks. Properties are asked for in batches, so a
//! scrape waits for the manager a few times, not once per unit.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::config::Settings;
use crate::dbus::{Call, Connection, Value};
use crate::env::Env;
use crate::error::{ConfigError, Failure};
use crate::exposition::Exposition;
use crate::pattern::Pattern;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "systemd",
    default_on: false,
    reads: "org.freedesktop.systemd1 on the system bus",
    families: "node_systemd_*",
    make: |settings| {
        Ok(Box::new(Systemd {
            include: pattern(
                settings,
                "collector.systemd.unit-include",
                "collector.systemd.unit-whitelist",
            )?,
            exclude: pattern(
                settings,
                "collector.systemd.unit-exclude",
                "collector.systemd.unit-blacklist",
            )?,
            private: settings.switch("collector.systemd.private"),
            tasks: settings.switch("collector.systemd.enable-task-metrics"),
            restarts: settings.switch("collector.systemd.enable-restarts-metrics"),
            start_times: settings.switch("collector.systemd.enable-start-time-metrics"),
        }))
    },
};

struct Systemd {
    include: Pattern,
    exclude: Pattern,
    private: bool,
    tasks: bool,
    restarts: bool,
    start_times: bool,
}

/// A unit pattern must match the whole name.
fn pattern(settings: &Settings, flag: &str, old: &str) -> Result<Pattern, ConfigError> {
    let old_given = !settings.text(old).is_empty();
    if old_given && settings.given(flag) {
        return Err(ConfigError::Exclusive { first: old.to_owned(), second: flag.to_owned() });
    }
    let flag = if old_given { old } else { flag };
    Pattern::new(flag, &format!("^(?:{})$", settings.text(flag)))
}

const SERVICE: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PRIVATE_SOCKET: &str = "/run/systemd/private";
const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];
/// Earlier versions have no SystemState and no timers on the bus.
const MIN_VERSION: f64 = 212.0;

/// One row of ListUnits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unit {
    name: String,
    load_state: String,
    active_state: String,
    path: String,
}

/// What is asked about a unit: (suffix of the unit's name, interface, property, what it becomes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Type,
    Restarts,
    Accepted,
    Connections,
    Refused,
    StartTime,
    Tasks,
    TasksMax,
    LastTrigger,
}

impl Ask {
    fn property(self, unit: &str) -> [&'static str; 2] {
        const UNIT: &str = "org.freedesktop.systemd1.Unit";
        const SERVICE: &str = "org.freedesktop.systemd1.Service";
        const SOCKET: &str = "org.freedesktop.systemd1.Socket";
        match self {
            Ask::Type if unit.ends_with(".mount") => ["org.freedesktop.systemd1.Mount", "Type"],
            Ask::Type => [SERVICE, "Type"],
            Ask::Restarts => [SERVICE, "NRestarts"],
            Ask::Accepted => [SOCKET, "NAccepted"],
            Ask::Connections => [SOCKET, "NConnections"],
            Ask::Refused => [SOCKET, "NRefused"],
            Ask::StartTime => [UNIT, "ActiveEnterTimestamp"],
            Ask::Tasks => [SERVICE, "TasksCurrent"],
            Ask::TasksMax => [SERVICE, "TasksMax"],
            Ask::LastTrigger => ["org.freedesktop.systemd1.Timer", "LastTriggerUSec"],
        }
    }
}

impl Collector for Systemd {
    fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let bus = if self.private {
            Connection::direct(PRIVATE_SOCKET)
        } else {
            Connection::system_bus(SERVICE)
        };
        self.collect(&mut bus.map_err(|e| Failure::io("systemd", e))?, out)
    }
}

impl Systemd {
    fn collect(&self, bus: &mut Connection, out: &mut Exposition) -> Result<(), Failure> {
        let failure = |e| Failure::io("systemd", e);
        let version = manager(bus, "Version").map_err(failure)?.unwrap_or_default();
        let number = version_number(&version);
        let shown = if number > 0.0 { version.as_str() } else { "" };
        let help = "Detected systemd version";
        out.gauge("node_systemd_version", help, &[("version", shown)], number);
        let kind = match manager(bus, "Virtualization").map_err(failure)? {
            None => "unknown".to_owned(),
            Some(kind) if kind.is_empty() => "none".to_owned(),
            Some(kind) => kind,
        };
        let help = "Detected virtualization technology";
        out.gauge("node_systemd_virtualization_info", help, &[("virtualization_type", &kind)], 1.0);
        let list = Call { path: PATH, interface: MANAGER, method: "ListUnits", arguments: &[] };
        let units = units(&bus.call(&list).map_err(failure)?);
        summary(out, &units);
        let units: Vec<Unit> = units.into_iter().filter(|u| self.wants(u)).collect();
        self.properties(bus, out, &units, number >= MIN_VERSION).map_err(failure)?;
        if number >= MIN_VERSION {
            let state = manager(bus, "SystemState").map_err(failure)?;
            let state = state.ok_or_else(|| Failure::Other("systemd: no system state".into()))?;
            let help = "Whether the system is operational (see 'systemctl is-system-running')";
            let running = f64::from(u8::from(state == "running"));
            out.gauge("node_systemd_system_running", help, &[], running);
        }
        Ok(())
    }

    fn wants(&self, unit: &Unit) -> bool {
        unit.load_state == "loaded"
            && self.include.matches(&unit.name)
            && !self.exclude.matches(&unit.name)
    }

    fn questions(&self, unit: &Unit, timers: bool) -> Vec<Ask> {
        let mut asks = Vec::new();
        let is = |suffix: &str| unit.name.ends_with(suffix);
        if is(".service") || is(".mount") {
            asks.push(Ask::Type);
        }
        if is(".service") && self.restarts {
            asks.push(Ask::Restarts);
        }
        if is(".socket") {
            asks.extend([Ask::Accepted, Ask::Connections, Ask::Refused]);
        }
        if self.start_times && unit.active_state == "active" {
            asks.push(Ask::StartTime);
        }
        if is(".service") && self.tasks {
            asks.extend([Ask::Tasks, Ask::TasksMax]);
        }
        if is(".timer") && timers {
            asks.push(Ask::LastTrigger);
        }
        asks
    }

    fn properties(
        &self,
        bus: &mut Connection,
        out: &mut Exposition,
        units: &[Unit],
        timers: bool,
    ) -> std::io::Result<()> {
        let asked: Vec<(usize, Ask, [&str; 2])> = units
            .iter()
            .enumerate()
            .flat_map(|(row, unit)| {
                let asks = self.questions(unit, timers);
                asks.into_iter().map(move |ask| (row, ask, ask.property(&unit.name)))
            })
            .collect();
        let calls: Vec<Call<'_>> = asked
            .iter()
            .map(|(row, _, property)| Call::property(&units[*row].path, property))
            .collect();
        let replies = bus.call_all(&calls)?;
        let mut types = vec![""; units.len()];
        let mut answers: Vec<(usize, Ask, u64)> = Vec::new();
        for ((row, ask, _), reply) in asked.iter().zip(&replies) {
            let Some(value) = reply.as_ref().ok().and_then(|values| values.first()) else {
                continue;
            };
            match (ask, value) {
                (Ask::Type, Value::Text(text)) => types[*row] = text,
                (_, value) => answers.extend(value.uint().map(|n| (*row, *ask, n))),
            }
        }
        for (unit, kind) in units.iter().zip(types) {
            for state in STATES {
                let is = f64::from(u8::from(state == unit.active_state));
                let labels = [("name", unit.name.as_str()), ("state", state), ("type", kind)];
                out.gauge("node_systemd_unit_state", "Systemd unit", &labels, is);
            }
            if self.start_times && unit.active_state != "active" {
                answers.extend(
                    units.iter().position(|u| u == unit).map(|row| (row, Ask::StartTime, 0)),
                );
            }
        }
        for (row, ask, value) in answers {
            show(out, &units[row].name, ask, value);
        }
        Ok(())
    }
}

fn show(out: &mut Exposition, unit: &str, ask: Ask, value: u64) {
    let (suffix, help, kind, divisor) = match ask {
        Ask::Type => return,
        Ask::Restarts => {
            ("service_restart_total", "Service unit count of Restart triggers", Kind::Counter, 1.0)
        }
        Ask::Accepted => (
            "socket_accepted_connections_total",
            "Total number of accepted socket connections",
            Kind::Counter,
            1.0,
        ),
        Ask::Connections => {
            ("socket_current_connections", "Current number of socket connections", Kind::Gauge, 1.0)
        }
        Ask::Refused => (
            "socket_refused_connections_total",
            "Total number of refused socket connections",
            Kind::Gauge,
            1.0,
        ),
        Ask::StartTime => (
            "unit_start_time_seconds",
            "Start time of the unit since unix epoch in seconds.",
            Kind::Gauge,
            1e6,
        ),
        Ask::Tasks => {
            ("unit_tasks_current", "Current number of tasks per Systemd unit", Kind::Gauge, 1.0)
        }
        Ask::TasksMax => {
            ("unit_tasks_max", "Maximum number of tasks per Systemd unit", Kind::Gauge, 1.0)
        }
        Ask::LastTrigger => {
            ("timer_last_trigger_seconds", "Seconds since epoch of last trigger.", Kind::Gauge, 1e6)
        }
    };
    if matches!(ask, Ask::Tasks | Ask::TasksMax) && value == u64::MAX {
        return; // not counted, or no limit
    }
    let family = out.family(&format!("node_systemd_{suffix}"), help, kind);
    out.put(family, &[("name", unit)], value as f64 / divisor);
}

/// A text property of the manager; `None` where it has no such property.
fn manager(bus: &mut Connection, name: &str) -> std::io::Result<Option<String>> {
    let arguments = [MANAGER, name];
    let replies = bus.call_all(&[Call::property(PATH, &arguments)])?;
    let value = replies.into_iter().next().and_then(Result::ok);
    Ok(value.and_then(|values| values.first()?.text().map(str::to_owned)))
}

fn units(reply: &[Value]) -> Vec<Unit> {
    let rows = reply.first().map_or(&[][..], Value::list);
    rows.iter()
        .filter_map(|row| match row.list() {
            [
                Value::Text(name),
                _,
                Value::Text(load),
                Value::Text(active),
                _,
                _,
                Value::Text(path),
                ..,
            ] => Some(Unit {
                name: name.clone(),
                load_state: load.clone(),
                active_state: active.clone(),
                path: path.clone(),
            }),
            _ => None,
        })
        .collect()
}

fn summary(out: &mut Exposition, units: &[Unit]) {
    let mut counts: Vec<(&str, u64)> = STATES.iter().map(|s| (*s, 0)).collect();
    for unit in units {
        match counts.iter_mut().find(|(s, _)| *s == unit.active_state) {
            Some((_, count)) => *count += 1,
            None => counts.push((&unit.active_state, 1)),
        }
    }
    for (state, count) in counts {
        let help = "Summary of systemd unit states";
        out.gauge("node_systemd_units", help, &[("state", state)], count as f64);
    }
}

/// The first number of at least three digits: `249.11-0ubuntu3` is 249.11.
fn version_number(version: &str) -> f64 {
    let bytes = version.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits >= 3 {
            let mut end = at + digits;
            if bytes.get(end) == Some(&b'.') {
                let more = bytes[end + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
                end += if more > 0 { 1 + more } else { 0 };
            }
            return version[at..end].parse().unwrap_or(0.0);
        }
        at += digits.max(1);
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        for (text, expect) in
            [("249.11-0ubuntu3", 249.11), ("v257", 257.0), ("23", 0.0), ("systemd 254", 254.0)]
        {
            assert_eq!(version_number(text), expect, "{text}");
        }
    }

    #[test]
    fn a_manager_is_asked_for_units_and_their_properties() {
        use crate::dbus::fake;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("private");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            fake::serve(&listener, |path, method, arguments| match (method, path) {
                ("ListUnits", _) => Some((
                    "a(ssssssouso)",
                    fake::unit_list(&[
                        ["a.service", "", "loaded", "active", "running", "", "/u/a", "", "", "/"],
                        ["b.socket", "", "loaded", "active", "listening", "", "/u/b", "", "", "/"],
                        ["c.timer", "", "loaded", "inactive", "dead", "", "/u/c", "", "", "/"],
                        ["d.mount", "", "loaded", "active", "mounted", "", "/u/d", "", "", "/"],
                        ["e.service", "", "not-found", "failed", "dead", "", "/u/e", "", "", "/"],
                    ]),
                )),
                ("Get", _) => match arguments[1].as_str() {
                    "Version" => Some(("v", fake::text_variant("252.6-1"))),
                    "SystemState" => Some(("v", fake::text_variant("running"))),
                    "Type" => Some(("v", fake::text_variant("notify"))),
                    "NAccepted" => Some(("v", fake::variant("u", &7u32.to_le_bytes()))),
                    "LastTriggerUSec" => {
                        Some(("v", fake::variant("t", &1_500_000u64.to_le_bytes())))
                    }
                    "TasksMax" => Some(("v", fake::variant("t", &u64::MAX.to_le_bytes()))),
                    "TasksCurrent" => Some(("v", fake::variant("t", &3u64.to_le_bytes()))),
                    _ => None,
                },
                _ => None,
            });
        });
        let pattern = |text| Pattern::new("", text).unwrap();
        let systemd = Systemd {
            include: pattern("^(?:.+)$"),
            exclude: pattern("^(?:.+\\.mount)$"),
            private: true,
            tasks: true,
            restarts: false,
            start_times: false,
        };
        let mut out = Exposition::new();
        let mut bus = Connection::direct(path.to_str().unwrap()).unwrap();
        systemd.collect(&mut bus, &mut out).unwrap();
        drop(bus);
        server.join().unwrap();
        out.finish();
        let mut text = Vec::new();
        crate::exposition::render(&[&out], &mut text);
        let text = String::from_utf8(text).unwrap();
        for line in [
            "node_systemd_version{version=\"252.6-1\"} 252.6",
            "node_systemd_virtualization_info{virtualization_type=\"unknown\"} 1",
            "node_systemd_units{state=\"active\"} 3",
            "node_systemd_units{state=\"failed\"} 1",
            "node_systemd_unit_state{name=\"a.service\",state=\"active\",type=\"notify\"} 1",
            "node_systemd_unit_state{name=\"c.timer\",state=\"active\",type=\"\"} 0",
            "node_systemd_socket_accepted_connections_total{name=\"b.socket\"} 7",
            "node_systemd_timer_last_trigger_seconds{name=\"c.timer\"} 1.5",
            "node_systemd_unit_tasks_current{name=\"a.service\"} 3",
            "node_systemd_system_running 1",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
        }
        assert!(!text.contains("d.mount") && !text.contains("e.service"), "{text}");
        assert!(!text.contains("unit_tasks_max"), "{text}");
    }

    #[test]
    fn units_are_counted_by_state() {
        let text = |s: &str| Value::Text(s.to_owned());
        let row = |name: &str, state: &str| {
            Value::List(vec![
                text(name),
                text(""),
                text("loaded"),
                text(state),
                text(""),
                text(""),
                text("/p"),
            ])
        };
        let reply = [Value::List(vec![row("a.service", "active"), row("b.timer", "failed")])];
        let units = units(&reply);
        assert_eq!(units.len(), 2);
        let mut out = Exposition::new();
        summary(&mut out, &units);
        assert_eq!(out.sample_count(), STATES.len());
    }
}
