//! From raw flags to values: types, repeats, defaults, environment, and what is refused.

use std::collections::BTreeMap;

use gauntlet_model::duration::{Duration, GoDuration};
use gauntlet_model::size::ByteSize;

use crate::flags::parse::Given;
use crate::flags::spec::{Flag, Kind, Mode, Support};

/// A value that cannot be taken. The texts are the peers' where a peer has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("{0}")]
    Value(String),
    #[error("flag '{0}' cannot be repeated")]
    Repeated(&'static str),
    #[error("flag '--{name}' is known but refused: {why}")]
    Refused { name: &'static str, why: &'static str },
    #[error("The following flag(s) can {} be used in agent mode: [{flags}]", if *agent { "not" } else { "only" })]
    WrongMode { agent: bool, flags: String },
}

/// Checked values of a command's flags.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    flags: Vec<Flag>,
    given: BTreeMap<&'static str, Vec<String>>,
}

impl Values {
    /// Checks everything that can be checked flag by flag.
    pub(crate) fn check(flags: &[Flag], given: Vec<Given>) -> Result<Self, ValueError> {
        let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        let mut order = Vec::new();
        for Given { flag, value } in given {
            check_value(&flag, &value)?;
            let all = values.entry(flag.name).or_default();
            if !flag.repeatable && !all.is_empty() {
                return Err(ValueError::Repeated(flag.name));
            }
            all.push(value);
            order.push(flag);
        }
        check_mode(&order)?;
        for flag in flags {
            if let (Support::Refused(why), Some(given)) = (flag.support, values.get(flag.name)) {
                let off = given.iter().all(|v| is_default(flag, v));
                if !off {
                    return Err(ValueError::Refused { name: flag.name, why });
                }
            }
            if let (Some(env), false) = (flag.env, values.contains_key(flag.name))
                && let Ok(value) = std::env::var(env)
                && check_value(flag, &value).is_ok()
            {
                values.insert(flag.name, vec![value]);
            }
        }
        Ok(Self { flags: flags.to_vec(), given: values })
    }

    /// Flags that were given but change nothing, each with the reason.
    pub(crate) fn without_effect(&self) -> Vec<(&'static str, &'static str)> {
        self.flags
            .iter()
            .filter(|f| self.given.contains_key(f.name))
            .filter_map(|f| match f.support {
                Support::Accepted(why) => Some((f.name, why)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// All values: those given, or the defaults.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        match self.given.get(name) {
            Some(values) => values.clone(),
            None => self.flag(name).default.iter().map(|v| (*v).to_owned()).collect(),
        }
    }

    /// The one value, or the default, or the empty string.
    pub(crate) fn text(&self, name: &str) -> String {
        self.texts(name).into_iter().next().unwrap_or_default()
    }

    pub(crate) fn bool(&self, name: &str) -> bool {
        match self.given.get(name).and_then(|v| v.last()) {
            Some(value) => value == "true",
            None => self.flag(name).on,
        }
    }

    /// A duration of either dialect, in milliseconds (rounded down).
    pub(crate) fn duration_ms(&self, name: &str) -> i64 {
        let text = self.text(name);
        match self.flag(name).kind {
            Kind::GoDuration => GoDuration::parse_flag(&text).map_or(0, |d| d.as_ns() / 1_000_000),
            _ => text.parse::<Duration>().map_or(0, Duration::as_ms),
        }
    }

    pub(crate) fn int(&self, name: &str) -> i64 {
        self.text(name).parse::<f64>().map_or(0, |v| v as i64)
    }

    /// A count that cannot be negative.
    pub(crate) fn count(&self, name: &str) -> usize {
        usize::try_from(self.int(name)).unwrap_or(0)
    }

    pub(crate) fn bytes(&self, name: &str) -> u64 {
        let size = self.text(name).parse::<ByteSize>().map_or(0, |size| size.0);
        u64::try_from(size).unwrap_or(0)
    }

    /// Every flag that has a value, with it, ascending by name: what `/api/v1/status/flags` shows.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        self.flags
            .iter()
            .map(|flag| {
                let value = match flag.kind {
                    Kind::Bool => self.bool(flag.name).to_string(),
                    _ => self.texts(flag.name).join(","),
                };
                (flag.name.to_owned(), value)
            })
            .collect()
    }

    fn flag(&self, name: &str) -> &Flag {
        self.flags
            .iter()
            .find(|f| f.name == name)
            .unwrap_or_else(|| panic!("BUG: no flag --{name} in this table"))
    }
}

/// Flags of the server must not meet `--agent`, and flags of the agent need it. `given` is in the order of the command line.
fn check_mode(given: &[Flag]) -> Result<(), ValueError> {
    let agent = given.iter().any(|f| f.name == "agent");
    let foreign = if agent { Mode::Server } else { Mode::Agent };
    let wrong: Vec<String> =
        given.iter().filter(|f| f.mode == foreign).map(|f| format!("\"--{}\"", f.name)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(ValueError::WrongMode { agent, flags: wrong.join(" ") })
}

fn is_default(flag: &Flag, value: &str) -> bool {
    match flag.kind {
        Kind::Bool => value == flag.on.to_string(),
        _ => flag.default.contains(&value),
    }
}

fn check_value(flag: &Flag, value: &str) -> Result<(), ValueError> {
    let fail = |text: String| Err(ValueError::Value(text));
    match flag.kind {
        Kind::Bool | Kind::Text => Ok(()),
        Kind::Duration => value.parse::<Duration>().map(drop).or_else(|err| fail(err.to_string())),
        Kind::GoDuration => {
            GoDuration::parse_flag(value).map(drop).or_else(|err| fail(err.to_string()))
        }
        Kind::Int | Kind::Float => match value.parse::<f64>() {
            Ok(_) => Ok(()),
            Err(_) => fail(format!("strconv.ParseFloat: parsing {value:?}: invalid syntax")),
        },
        Kind::Uint => match value.parse::<u64>() {
            Ok(_) => Ok(()),
            Err(_) => fail(format!("strconv.ParseUint: parsing {value:?}: invalid syntax")),
        },
        Kind::Bytes => value.parse::<ByteSize>().map(drop).or_else(|err| fail(err.to_string())),
        Kind::Url if value.starts_with(':') => {
            fail(format!("invalid URL: parse {value:?}: missing protocol scheme"))
        }
        Kind::Url => match url::Url::parse(value) {
            Ok(_) => Ok(()),
            Err(err) => fail(format!("invalid URL: parse {value:?}: {err}")),
        },
        Kind::TimeOrDuration => parse_time_or_duration(value, 0).map(drop).or_else(fail),
        Kind::Address => check_address(value).or_else(fail),
        Kind::LogLevel => match value.to_ascii_lowercase().as_str() {
            "debug" | "info" | "warn" | "error" => Ok(()),
            _ => fail(format!("unrecognized log level {value}")),
        },
        Kind::LogFormat => match value {
            "logfmt" | "json" => Ok(()),
            _ => fail(format!("unrecognized log format {value}")),
        },
        Kind::Enum(values) if values.contains(&value) => Ok(()),
        Kind::Enum(values) => {
            fail(format!("enum value must be one of {}, got '{value}'", values.join(",")))
        }
    }
}

/// A time, or a duration relative to `now_ms` (`-2h` is two hours ago), in milliseconds.
pub(crate) fn parse_time_or_duration(text: &str, now_ms: i64) -> Result<i64, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    // The peers' defaults, at the ends of what their calendar can say.
    match text {
        "0000-01-01T00:00:00Z" => return Ok(-62_167_219_200_000),
        "9999-12-31T23:59:59Z" => return Ok(253_402_300_799_000),
        _ => {}
    }
    let (sign, bare) = match text.strip_prefix('-') {
        Some(bare) => (-1, bare),
        None => (1, text),
    };
    let duration = bare.parse::<Duration>().map_err(|err| err.to_string())?;
    Ok(now_ms.saturating_add(sign * duration.as_ms()))
}

fn check_address(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Err("Address is empty.".to_owned());
    }
    let bare = address.rsplit_once("+").map_or(address, |(_, bare)| bare);
    let has_port = bare.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port || address.starts_with("dnssrv") {
        return Ok(());
    }
    Err(format!("Address {address} is not of <host>:<port> format or a valid DNS query."))
}
