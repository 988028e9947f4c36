//! Login sessions by seat, remoteness, type and class.

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::dbus::{Call, Connection, Value};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "logind",
    default_on: false,
    reads: "org.freedesktop.login1 on the system bus",
    families: "node_logind_sessions",
    make: |_| Ok(Box::new(Logind)),
};

struct Logind;

const SERVICE: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const SESSION: &str = "org.freedesktop.login1.Session";
const TYPES: [&str; 7] = ["other", "unspecified", "tty", "x11", "wayland", "mir", "web"];
const CLASSES: [&str; 5] = ["other", "user", "greeter", "lock-screen", "background"];

/// Seat, remote, type, class.
type Session = (String, bool, &'static str, &'static str);

impl Collector for Logind {
    fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let failure = |e| Failure::io("system bus", e);
        let mut bus = Connection::system_bus(SERVICE).map_err(failure)?;
        let manager = |method| Call {
            path: PATH,
            interface: "org.freedesktop.login1.Manager",
            method,
            arguments: &[],
        };
        let seats = bus.call(&manager("ListSeats")).map_err(failure)?;
        let mut seats: Vec<&str> =
            first_list(&seats).iter().filter_map(|seat| seat.list().first()?.text()).collect();
        seats.push(""); // sessions without a seat
        let listed = bus.call(&manager("ListSessions")).map_err(failure)?;
        let mut sessions = Vec::new();
        for row in first_list(&listed) {
            let [_, _, _, Value::Text(seat), Value::Text(path)] = row.list() else { continue };
            if let Some(session) = session(&mut bus, seat, path).map_err(failure)? {
                sessions.push(session);
            }
        }
        show(out, &seats, &sessions);
        Ok(())
    }
}

fn first_list(values: &[Value]) -> &[Value] {
    values.first().map_or(&[], Value::list)
}

/// `None` for a session that has ended meanwhile.
fn session(bus: &mut Connection, seat: &str, path: &str) -> std::io::Result<Option<Session>> {
    let names = [[SESSION, "Remote"], [SESSION, "Type"], [SESSION, "Class"]];
    let calls: Vec<Call<'_>> = names.iter().map(|n| Call::property(path, n)).collect();
    let replies = bus.call_all(&calls)?;
    let value = |i: usize| replies[i].as_ref().ok().and_then(|values| values.first());
    let known = |value: Option<&Value>, words: &'static [&'static str]| {
        let text = value?.text()?;
        Some(words.iter().find(|w| **w == text).copied().unwrap_or("other"))
    };
    let (Some(Value::Bool(remote)), Some(kind), Some(class)) =
        (value(0), known(value(1), &TYPES), known(value(2), &CLASSES))
    else {
        return Ok(None);
    };
    Ok(Some((seat.to_owned(), *remote, kind, class)))
}

/// Every combination is shown, most of them as zero.
fn show(out: &mut Exposition, seats: &[&str], sessions: &[Session]) {
    let help = "Number of sessions registered in logind.";
    let family = out.family("node_logind_sessions", help, Kind::Gauge);
    for remote in [true, false] {
        for kind in TYPES {
            for class in CLASSES {
                for seat in seats {
                    let same =
                        |s: &&Session| s.0 == *seat && s.1 == remote && s.2 == kind && s.3 == class;
                    let count = sessions.iter().filter(same).count();
                    let remote = if remote { "true" } else { "false" };
                    let labels =
                        [("class", class), ("remote", remote), ("seat", seat), ("type", kind)];
                    out.put(family, &labels, count as f64);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_shown() {
        let mut out = Exposition::new();
        show(&mut out, &["seat0", ""], &[("seat0".into(), false, "tty", "user")]);
        assert_eq!(out.sample_count(), 2 * 7 * 5 * 2);
    }
}
