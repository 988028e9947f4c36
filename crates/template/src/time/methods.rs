//! Methods of `time.Time`, `time.Duration`, `time.Month`, `time.Weekday` and `*time.Location`.

use bytes::Bytes;
use gauntlet_model::duration::GoDuration;

use super::{Time, Zone};
use crate::fmt::stringer_of;
use crate::func::{CallError, Context, Signature};
use crate::value::{IntType, Object, Type, Value};

const TIME: Signature = Signature::of(&[Type::Time]);
const DURATION: Signature = Signature::of(&[Type::DURATION]);
const STRING: Signature = Signature::of(&[Type::STRING]);
const DATE: Signature = Signature::of(&[Type::INT, Type::INT, Type::INT]);
const LOCATION: Signature = Signature::of(&[Type::Object("*time.Location")]);

/// Parameters of a method of a built-in value; `None` if it has no such method.
pub(crate) fn signature(value: &Value, name: &str) -> Option<Signature> {
    Some(match value {
        Value::Time(_) => match name {
            "Add" | "Round" | "Truncate" => DURATION,
            "AddDate" => DATE,
            "After" | "Before" | "Compare" | "Equal" | "Sub" => TIME,
            "Format" => STRING,
            "In" => LOCATION,
            "Clock" | "Date" | "Day" | "GoString" | "Hour" | "ISOWeek" | "IsDST" | "IsZero"
            | "Local" | "Location" | "MarshalJSON" | "MarshalText" | "Minute" | "Month"
            | "Nanosecond" | "Second" | "String" | "UTC" | "Unix" | "UnixMicro" | "UnixMilli"
            | "UnixNano" | "Weekday" | "Year" | "YearDay" | "Zone" | "ZoneBounds" => {
                Signature::NONE
            }
            _ => return None,
        },
        Value::Int(_, IntType::Duration) => match name {
            "Round" | "Truncate" => DURATION,
            "Abs" | "Hours" | "Microseconds" | "Milliseconds" | "Minutes" | "Nanoseconds"
            | "Seconds" | "String" => Signature::NONE,
            _ => return None,
        },
        Value::Int(_, IntType::Month | IntType::Weekday) if name == "String" => Signature::NONE,
        _ => return None,
    })
}

/// Calls a method that [`signature`] knows with arguments that fit it.
pub(crate) fn call(value: &Value, name: &str, args: &[Value]) -> Result<Value, CallError> {
    match value {
        Value::Time(time) => time_method(time, name, args),
        Value::Int(ns, IntType::Duration) => Ok(duration_method(*ns, name, args)),
        _ => Ok(Value::string(stringer_of(value))),
    }
}

fn time_arg(args: &[Value]) -> Time {
    match args.first() {
        Some(Value::Time(time)) => time.clone(),
        _ => Time::ZERO,
    }
}

fn int_arg(args: &[Value], at: usize) -> i64 {
    match args.get(at) {
        Some(Value::Int(value, _)) => *value,
        _ => 0,
    }
}

fn time_method(time: &Time, name: &str, args: &[Value]) -> Result<Value, CallError> {
    let int64 = |v: i64| Value::Int(v, IntType::Int64);
    let refused = |text: String| Err(CallError::Refused(text));
    let several =
        |n: u32| refused(format!("function {name} has {n} return values; should be 1 or 2"));
    let second = |ty: &str| {
        refused(format!(
            "invalid function signature for {name}: second return value should be error; is {ty}"
        ))
    };
    let civil = time.civil();
    Ok(match name {
        "Add" => Value::Time(time.add_ns(int_arg(args, 0))),
        "AddDate" => {
            let date = (
                civil.year.saturating_add(int_arg(args, 0)),
                civil.month.saturating_add(int_arg(args, 1)),
                civil.day.saturating_add(int_arg(args, 2)),
            );
            let clock = (civil.hour, civil.minute, civil.second);
            Value::Time(Time::from_civil(date, clock, time.nanos(), time.zone().clone()))
        }
        "After" => Value::Bool(time.instant() > time_arg(args).instant()),
        "Before" => Value::Bool(time.instant() < time_arg(args).instant()),
        "Equal" => Value::Bool(time.instant() == time_arg(args).instant()),
        "Compare" => Value::int(time.instant().cmp(&time_arg(args).instant()) as i64),
        "Sub" => Value::duration(time.since(&time_arg(args))),
        "Round" => Value::Time(round(time, int_arg(args, 0), true)),
        "Truncate" => Value::Time(round(time, int_arg(args, 0), false)),
        "Format" => {
            let layout = args.first().and_then(Value::as_bytes).cloned().unwrap_or_default();
            Value::string(time.format(&layout))
        }
        "In" => match args.first() {
            Some(Value::Object(object)) => match Zone::load(
                object.string().as_deref().map_or("", |s| std::str::from_utf8(s).unwrap_or("")),
            ) {
                Ok(zone) => Value::Time(time.clone().in_zone(zone)),
                Err(error) => return Err(CallError::Failed(error)),
            },
            _ => return Err("time: missing Location in call to Time.In".into()),
        },
        "UTC" => Value::Time(time.clone().in_zone(Zone::Utc)),
        "Local" => Value::Time(time.clone().in_zone(Zone::Local)),
        "Location" => Value::object(Location(time.zone().name().to_owned())),
        "Year" => Value::int(civil.year),
        "Month" => Value::Int(civil.month, IntType::Month),
        "Day" => Value::int(civil.day),
        "Hour" => Value::int(civil.hour),
        "Minute" => Value::int(civil.minute),
        "Second" => Value::int(civil.second),
        "Nanosecond" => Value::int(i64::from(time.nanos())),
        "Weekday" => Value::Int(civil.weekday, IntType::Weekday),
        "YearDay" => Value::int(civil.year_day),
        "IsZero" => Value::Bool(time.is_zero()),
        "IsDST" => Value::Bool(time.zone().is_dst(time.unix())),
        "Unix" => int64(time.unix()),
        "UnixMilli" => int64(time.unix_ms()),
        "UnixMicro" => {
            int64(time.unix().wrapping_mul(1_000_000).wrapping_add(i64::from(time.nanos() / 1000)))
        }
        "UnixNano" => {
            int64(time.unix().wrapping_mul(1_000_000_000).wrapping_add(i64::from(time.nanos())))
        }
        "String" => Value::string(time.to_string()),
        "GoString" => Value::string(time.go_string()),
        "MarshalJSON" | "MarshalText" => {
            let mut text = time.format(b"2006-01-02T15:04:05.999999999Z07:00");
            if name == "MarshalJSON" {
                text.insert(0, b'"');
                text.push(b'"');
            }
            let items = text.iter().map(|b| Value::Int(i64::from(*b), IntType::Uint8)).collect();
            Value::list(Type::Int(IntType::Uint8), items)
        }
        "Clock" | "Date" => return several(3),
        "ISOWeek" | "Zone" => return second("int"),
        _ => return second("time.Time"),
    })
}

/// To a multiple of `ns` nanoseconds since year 1: down, or to the nearest (halves up).
fn round(time: &Time, ns: i64, nearest: bool) -> Time {
    if ns <= 0 {
        return time.clone();
    }
    let since =
        i128::from(time.seconds_since_year_one()) * 1_000_000_000 + i128::from(time.nanos());
    let over = since.rem_euclid(i128::from(ns)) as i64;
    if nearest && over >= ns - over { time.add_ns(ns - over) } else { time.add_ns(-over) }
}

fn duration_method(ns: i64, name: &str, args: &[Value]) -> Value {
    let parts = |unit: i64| (ns / unit) as f64 + (ns % unit) as f64 / unit as f64;
    let to = int_arg(args, 0);
    match name {
        "Abs" => Value::duration(ns.saturating_abs()),
        "Hours" => Value::Float(parts(3_600_000_000_000)),
        "Minutes" => Value::Float(parts(60_000_000_000)),
        "Seconds" => Value::Float(parts(1_000_000_000)),
        "Milliseconds" => Value::Int(ns / 1_000_000, IntType::Int64),
        "Microseconds" => Value::Int(ns / 1000, IntType::Int64),
        "Nanoseconds" => Value::Int(ns, IntType::Int64),
        "Truncate" if to > 0 => Value::duration(ns - ns % to),
        "Round" if to > 0 => {
            // Halves away from zero.
            let over = (ns % to).unsigned_abs();
            let down = ns - ns % to;
            let up = over >= to as u64 - over;
            Value::duration(if up { down.saturating_add(to * ns.signum()) } else { down })
        }
        "Truncate" | "Round" => Value::duration(ns),
        _ => Value::string(GoDuration::from_ns(ns).to_string()),
    }
}

impl Zone {
    /// Whether daylight saving is on at an instant.
    fn is_dst(&self, seconds: i64) -> bool {
        let zone = match self {
            Self::Named(_, zone) => zone.clone(),
            Self::Local => jiff::tz::TimeZone::system(),
            _ => return false,
        };
        jiff::Timestamp::from_second(seconds).is_ok_and(|at| zone.to_offset_info(at).dst().is_dst())
    }
}

/// `*time.Location`.
#[derive(Debug)]
struct Location(String);

impl Object for Location {
    fn type_name(&self) -> &'static str {
        "*time.Location"
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then_some(Signature::NONE)
    }

    fn call(
        &self,
        _name: &str,
        _args: &[Value],
        _cx: &mut Context<'_>,
    ) -> Result<Value, CallError> {
        Ok(Value::str(&self.0))
    }

    fn string(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::civil;
    use super::*;

    #[test]
    fn days_and_dates_agree_over_centuries() {
        for days in (-800_000..800_000).step_by(997) {
            let c = civil(days * 86_400 + 1);
            let back = Time::from_civil((c.year, c.month, c.day), (0, 0, 1), 0, Zone::Utc);
            assert_eq!(back.unix(), days * 86_400 + 1);
        }
    }

    #[test]
    fn rounding_follows_gos_rules() {
        let round = |ns, to| duration_method(ns, "Round", &[Value::duration(to)]);
        assert!(matches!(round(1500, 1000), Value::Int(2000, _)));
        assert!(matches!(round(-1500, 1000), Value::Int(-2000, _)));
        assert!(matches!(round(1499, 1000), Value::Int(1000, _)));
    }
}
