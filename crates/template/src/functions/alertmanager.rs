//! Alertmanager's functions. Its data (alerts, groups) belongs to whoever sends notifications.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gauntlet_runtime::Clock;

use super::{casing, humanize, patterns, string, text};
use crate::func::{CallError, Funcs, Signature};
use crate::time::{self, Time, Zone};
use crate::utf8;
use crate::value::{Map, StrType, Type, Value};

/// Most bytes of JSON that `toJson` makes; the limits of the execution hold beside it.
const JSON_BYTES: usize = 16 << 20;

/// All functions but `routeLabels` (see [`add_route_labels`]).
pub fn funcs(clock: Arc<dyn Clock>) -> Funcs {
    let mut funcs = Funcs::new();
    patterns::add(&mut funcs);
    add_texts(&mut funcs);
    add_lists(&mut funcs);
    add_times(&mut funcs, clock);
    funcs.add("humanizeDuration", Signature::of(&[Type::Any]), |args, _| {
        Ok(Value::from(humanize::duration(humanize::to_float(&args[0])?)))
    });
    funcs
}

/// Adds `routeLabels NAME`: the label of the route, its text executed as a template over `data`, once per name.
pub fn add_route_labels(funcs: &mut Funcs, labels: HashMap<Bytes, Bytes>, data: Value) {
    let state = Mutex::new(RouteLabels::default());
    funcs.add("routeLabels", Signature::of(&[Type::STRING]), move |args, cx| {
        let name = text(args, 0);
        {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = state.known.get(&name) {
                return Ok(Value::string(known.clone()));
            }
            if state.path.contains(&name) {
                let mut path: Vec<_> =
                    state.path.iter().map(|n| String::from_utf8_lossy(n)).collect();
                let last = String::from_utf8_lossy(&name);
                path.push(last);
                return Err(format!("route label cycle detected: {}", path.join(" -> ")).into());
            }
            state.path.push(name.clone());
        }
        let executed = match labels.get(&name) {
            Some(label) => cx.execute_text(label, data.clone()),
            None => Ok(Bytes::new()),
        };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.path.pop();
        let executed = executed?;
        state.known.insert(name, executed.clone());
        Ok(Value::string(executed))
    });
}

/// Labels executed already, and those being executed within each other.
#[derive(Debug, Default)]
struct RouteLabels {
    known: HashMap<Bytes, Bytes>,
    path: Vec<Bytes>,
}

fn add_texts(funcs: &mut Funcs) {
    const STRING: Signature = Signature::of(&[Type::STRING]);
    funcs
        .add("toUpper", STRING, |a, _| Ok(Value::string(casing::upper(&text(a, 0)))))
        .add("toLower", STRING, |a, _| Ok(Value::string(casing::lower(&text(a, 0)))))
        .add("title", STRING, |a, _| Ok(Value::string(casing::title(&text(a, 0), true))))
        .add("trimSpace", STRING, |a, _| Ok(Value::string(trim_space(&text(a, 0)))))
        .add("safeHtml", STRING, |a, _| Ok(Value::Str(text(a, 0), StrType::Html)))
        .add("safeUrl", STRING, |a, _| Ok(Value::Str(text(a, 0), StrType::Url)))
        .add("urlUnescape", STRING, |a, _| Ok(Value::string(url_unescape(&text(a, 0))?)))
        .add("base64encode", STRING, |a, _| {
            use base64::Engine as _;
            let engine = base64::engine::general_purpose::URL_SAFE;
            Ok(Value::from(engine.encode(text(a, 0))))
        })
        .add("base64decode", STRING, |a, _| Ok(Value::string(base64_decode(&text(a, 0))?)))
        .add("toJson", Signature::of(&[Type::Any]), |args, cx| {
            let json = crate::to_json(&args[0], JSON_BYTES)?;
            cx.spend(1 + json.len() as u64 / 64)?;
            Ok(Value::string(json))
        });
}

fn add_lists(funcs: &mut Funcs) {
    const ANYS: Signature = Signature::variadic(&[Type::Any]);
    funcs
        .add("join", Signature::of(&[Type::STRING, Type::STRINGS]), |args, cx| {
            let Value::List(list) = &args[1] else { return Ok(Value::str("")) };
            let separator = text(args, 0);
            let mut out = Vec::new();
            for (i, item) in list.items.iter().enumerate() {
                if i > 0 {
                    out.extend_from_slice(&separator);
                }
                out.extend_from_slice(item.as_bytes().map_or(&[][..], |b| b));
                cx.spend(1 + separator.len() as u64 / 64)?;
            }
            Ok(Value::string(out))
        })
        .add("stringSlice", Signature::variadic(&[Type::STRING]), |args, _| {
            Ok(Value::list(Type::STRING, args.to_vec()))
        })
        .add("list", ANYS, |args, _| Ok(Value::list(Type::Any, args.to_vec())))
        .add("append", Signature::variadic(&[Type::ANYS, Type::Any]), |args, cx| {
            let mut items = match &args[0] {
                Value::List(list) => list.items.clone(),
                _ => Vec::new(),
            };
            cx.spend(items.len() as u64)?;
            items.extend_from_slice(&args[1..]);
            Ok(Value::list(Type::Any, items))
        })
        .add("dict", ANYS, |args, _| {
            if args.len() % 2 != 0 {
                return Err("dict requires an even number of arguments".into());
            }
            let mut entries = Vec::with_capacity(args.len() / 2);
            for pair in args.chunks_exact(2) {
                if !matches!(pair[0], Value::Str(_, StrType::String)) {
                    return Err("dict keys must be strings".into());
                }
                entries.push((pair[0].clone(), pair[1].clone()));
            }
            Ok(Value::map(Map::new(Type::STRING, Type::Any, entries)))
        });
}

fn add_times(funcs: &mut Funcs, clock: Arc<dyn Clock>) {
    const TWO: Signature = Signature::of(&[Type::STRING, Type::STRING]);
    const TEXT_TIME: Signature = Signature::of(&[Type::STRING, Type::Time]);
    fn time_arg(args: &[Value], at: usize) -> Time {
        match args.get(at) {
            Some(Value::Time(time)) => time.clone(),
            _ => Time::ZERO,
        }
    }
    let for_since = clock.clone();
    funcs
        .add("date", TEXT_TIME, |a, _| Ok(Value::string(time_arg(a, 1).format(&text(a, 0)))))
        .add("tz", TEXT_TIME, |args, _| {
            let zone = Zone::load(&string(args, 0))?;
            Ok(Value::Time(time_arg(args, 1).in_zone(zone)))
        })
        .add("toDate", TWO, |a, _| {
            Ok(Value::Time(time::parse(&text(a, 0), &text(a, 1)).unwrap_or(Time::ZERO)))
        })
        .add("mustToDate", TWO, |a, _| Ok(Value::Time(time::parse(&text(a, 0), &text(a, 1))?)))
        .add("now", Signature::NONE, move |_, _| {
            Ok(Value::Time(Time::from_unix_ms(clock.now_ms()).in_zone(Zone::Local)))
        })
        .add("since", Signature::of(&[Type::Time]), move |args, _| {
            let now = Time::from_unix_ms(for_since.now_ms());
            Ok(Value::duration(now.since(&time_arg(args, 0))))
        });
}

/// Unicode's white space, on both sides.
fn trim_space(text: &[u8]) -> Bytes {
    let runes: Vec<_> = utf8::runes(text).filter(|(_, c, _)| !c.is_whitespace()).collect();
    match (runes.first(), runes.last()) {
        (Some((from, ..)), Some((last, _, width))) => {
            Bytes::copy_from_slice(&text[*from..last + width])
        }
        _ => Bytes::new(),
    }
}

/// Go's `url.QueryUnescape`.
fn url_unescape(text: &[u8]) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'%' => {
                let digit = |i: usize| text.get(at + i).and_then(|b| char::from(*b).to_digit(16));
                let (Some(high), Some(low)) = (digit(1), digit(2)) else {
                    let bad = &text[at..text.len().min(at + 3)];
                    let shown = crate::fmt::quoted(bad);
                    return Err(format!("invalid URL escape {shown}").into());
                };
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            b'+' => out.push(b' '),
            byte => out.push(*byte),
        }
        at += 1;
    }
    Ok(out)
}

/// Go's decoder for the URL-safe alphabet with padding: line ends are skipped, errors name the byte.
fn base64_decode(text: &[u8]) -> Result<Vec<u8>, CallError> {
    let bad = |at: usize| CallError::Failed(format!("illegal base64 data at input byte {at}"));
    let mut out = Vec::new();
    let (mut group, mut have) = (0u32, 0);
    let mut at = 0;
    let line_end = |b: u8| matches!(b, b'\n' | b'\r');
    while let Some(byte) = text.get(at).copied() {
        at += 1;
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            byte if line_end(byte) => continue,
            b'=' if have >= 2 => {
                while text.get(at).copied().is_some_and(line_end) {
                    at += 1;
                }
                if have == 2 {
                    match text.get(at) {
                        None => return Err(bad(text.len())),
                        Some(b'=') => at += 1,
                        Some(_) => return Err(bad(at - 1)),
                    }
                    while text.get(at).copied().is_some_and(line_end) {
                        at += 1;
                    }
                }
                if at < text.len() {
                    return Err(bad(at));
                }
                if have == 2 {
                    out.push((group >> 4) as u8);
                } else {
                    out.extend_from_slice(&[(group >> 10) as u8, (group >> 2) as u8]);
                }
                return Ok(out);
            }
            _ => return Err(bad(at - 1)),
        };
        group = group << 6 | u32::from(value);
        have += 1;
        if have == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            (group, have) = (0, 0);
        }
    }
    if have > 0 {
        return Err(bad(at - have));
    }
    Ok(out)
}
