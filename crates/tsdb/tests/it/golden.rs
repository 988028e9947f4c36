//! Folders of a real Prometheus, killed and stopped: what it answered over them, we answer.

use std::path::PathBuf;

use gauntlet_model::{Labels, MatchOp, Matcher, is_stale_nan};
use gauntlet_storage::TimeRange;
use gauntlet_tsdb::{Options, ReadOnlyDb};
use serde_json::Value;

use crate::support::{copy_dir, label_names, label_values, open, read, select};

const LOOKBACK_MS: i64 = 300_000;

fn options() -> Options {
    Options { out_of_order_window_ms: 3 * 3_600_000, ..Options::default() }
}

fn golden() -> Option<PathBuf> {
    Some(gauntlet_testkit::conformance_dir()?.join("golden/prometheus-data"))
}

fn answers(file: &str) -> Option<Value> {
    let text = std::fs::read(golden()?.join(file)).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// Parses `name{a="b",c!~"d"}`; `None` for anything more.
fn selector(text: &str) -> Option<Vec<Matcher>> {
    let (name, rest) = match text.find('{') {
        Some(at) => (&text[..at], text[at + 1..].strip_suffix('}')?),
        None => (text, ""),
    };
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':') {
        return None;
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut matchers = Vec::new();
    if !name.is_empty() {
        matchers.push(Matcher::equal("__name__", name));
    }
    let mut rest = rest;
    while !rest.is_empty() {
        let end = rest.find(['=', '!'])?;
        let label = rest[..end].trim();
        let (op, skip) = match rest.get(end..end + 2)? {
            "=~" => (MatchOp::Regex, 2),
            "!~" => (MatchOp::NotRegex, 2),
            "!=" => (MatchOp::NotEqual, 2),
            _ => (MatchOp::Equal, 1),
        };
        let value = rest[end + skip..].strip_prefix('"')?;
        let close = value.find('"')?;
        if value[..close].contains('\\')
            || !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            return None;
        }
        matchers.push(Matcher::new(op, label, &value[..close]).ok()?);
        rest = value[close + 1..].trim_start_matches(',').trim_start();
    }
    (!matchers.is_empty()).then_some(matchers)
}

fn labels_of(metric: &Value) -> Labels {
    Labels::from_pairs(
        metric.as_object().unwrap().iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap())),
    )
}

fn ms(value: &Value) -> i64 {
    (value.as_f64().unwrap() * 1000.0).round() as i64
}

fn float(value: &Value) -> f64 {
    match value.as_str().unwrap() {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap(),
    }
}

/// Values of floats, sums of histograms, by time; not-a-numbers are all one.
fn expected(series: &Value) -> Vec<(i64, u64)> {
    let mut out = Vec::new();
    let points = |one: &str, many: &str| -> Vec<Value> {
        let one = series.get(one).cloned().into_iter();
        one.chain(series.get(many).and_then(Value::as_array).cloned().unwrap_or_default()).collect()
    };
    for point in points("value", "values") {
        out.push((ms(&point[0]), norm(float(&point[1]))));
    }
    for point in points("histogram", "histograms") {
        out.push((ms(&point[0]), norm(float(&point[1]["sum"]))));
    }
    out.sort_unstable();
    out
}

fn norm(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn check_folder(folder: &str, file: &str) {
    let (Some(source), Some(answers)) = (golden(), answers(file)) else { return };
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&source.join(folder), dir.path());
    {
        let db =
            ReadOnlyDb::open(dir.path(), &options(), gauntlet_runtime::SystemFs::shared()).unwrap();
        assert_eq!(db.replay_stats().damages, 0, "{:?}", db.replay_stats().damage);
        assert_eq!(db.bad_blocks(), []);
        let checked = check_queries(&db, &answers);
        assert!(checked > 20, "only {checked} plain selections");
        check_labels(&db, &answers);
    }
    // Opened for writing, it answers the same, also after a second restart.
    for round in 0..2 {
        let db = open(dir.path(), options());
        assert_eq!(db.replay_stats().damages, 0, "round {round}");
        check_queries(&db, &answers);
        check_labels(&db, &answers);
        let stats = db.head().stats();
        let status = answers["status"].as_array().unwrap();
        let status = status.iter().find(|s| s["path"] == "/api/v1/status/tsdb").unwrap();
        let head = &status["response"]["data"]["headStats"];
        assert_eq!(stats.num_series, head["numSeries"].as_u64().unwrap());
        assert_eq!(stats.num_label_pairs, head["numLabelPairs"].as_u64().unwrap());
        assert_eq!(stats.min_time, head["minTime"].as_i64().unwrap());
        assert_eq!(stats.max_time, head["maxTime"].as_i64().unwrap());
        // The peer still counts late chunks that went into a block and lie in head chunk files.
        let theirs = head["chunkCount"].as_u64().unwrap();
        assert!((theirs - 30..=theirs).contains(&stats.chunk_count), "round {round}");
        db.close().unwrap();
    }
}

/// Checks all plain selectors, instant, over a range, and with a range; returns how many.
fn check_queries(db: &dyn gauntlet_storage::Queryable, answers: &Value) -> usize {
    let mut checked = 0;
    for item in answers["queries"].as_array().unwrap() {
        let query = item["query"].as_str().unwrap();
        if item["status"] != 200 || item.get("response").is_none_or(Value::is_null) {
            continue;
        }
        let (text, range) = match query.strip_suffix(']').and_then(|q| q.split_once('[')) {
            Some((text, range)) => (text, Some(range)),
            None => (query, None),
        };
        let Some(matchers) = selector(text) else { continue };
        let result = item["response"]["data"]["result"].as_array().unwrap();
        let expect: std::collections::BTreeMap<Labels, Vec<(i64, u64)>> =
            result.iter().map(|s| (labels_of(&s["metric"]), expected(s))).collect();
        let found = match range {
            Some(range) => {
                let (number, unit) = range.split_at(range.len() - 1);
                let unit = match unit {
                    "s" => 1000,
                    "m" => 60_000,
                    "h" => 3_600_000,
                    _ => continue,
                };
                let Ok(number) = number.parse::<i64>() else { continue };
                let end = ms(&item["time"]);
                let range = TimeRange::new(end - number * unit + 1, end);
                let mut found = read(db, matchers, range);
                found
                    .values_mut()
                    .for_each(|s| s.retain(|(_, v)| !is_stale_nan(f64::from_bits(*v))));
                found.retain(|_, s| !s.is_empty());
                found
            }
            None => {
                let (start, end, step) = match item.get("time").filter(|t| !t.is_null()) {
                    Some(time) => (ms(time), ms(time), 1),
                    None => (ms(&item["start"]), ms(&item["end"]), ms(&item["step"])),
                };
                let samples = read(db, matchers, TimeRange::new(start - LOOKBACK_MS + 1, end));
                let mut found: std::collections::BTreeMap<Labels, Vec<(i64, u64)>> =
                    Default::default();
                for (labels, samples) in samples {
                    let mut t = start;
                    while t <= end {
                        let last =
                            samples.iter().rfind(|(at, _)| *at <= t && *at > t - LOOKBACK_MS);
                        if let Some((_, value)) =
                            last.filter(|(_, v)| !is_stale_nan(f64::from_bits(*v)))
                        {
                            found.entry(labels.clone()).or_default().push((t, *value));
                        }
                        t += step;
                    }
                }
                found
            }
        };
        let found: std::collections::BTreeMap<Labels, Vec<(i64, u64)>> = found
            .into_iter()
            .map(|(l, s)| (l, s.into_iter().map(|(t, v)| (t, norm(f64::from_bits(v)))).collect()))
            .collect();
        for (labels, samples) in &expect {
            let ours = found.get(labels);
            assert_eq!(ours, Some(samples), "{query}: {labels}");
        }
        assert_eq!(found.len(), expect.len(), "{query}: more series than there should be");
        checked += 1;
    }
    checked
}

fn check_labels(db: &dyn gauntlet_storage::Queryable, answers: &Value) {
    let strings = |item: &Value| -> Vec<String> {
        let data = item["response"]["data"].as_array().unwrap();
        data.iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let plain =
        |item: &Value| item["status"] == 200 && item["params"].as_array().unwrap().is_empty();
    for item in answers["labels"].as_array().unwrap().iter().filter(|i| plain(i)) {
        assert_eq!(label_names(db, Vec::new()), strings(item));
    }
    for item in answers["label_values"].as_array().unwrap().iter().filter(|i| plain(i)) {
        let path = item["path"].as_str().unwrap();
        let name = path.trim_start_matches("/api/v1/label/").trim_end_matches("/values");
        if !name.starts_with("U__") {
            assert_eq!(label_values(db, name, Vec::new()), strings(item), "{name}");
        }
    }
    for item in answers["series"].as_array().unwrap() {
        let params = item["params"].as_array().unwrap();
        let [only] = params.as_slice() else { continue };
        let Some(matchers) = selector(only[1].as_str().unwrap()) else { continue };
        if item["status"] != 200 || only[0] != "match[]" {
            continue;
        }
        let expect: Vec<Labels> =
            item["response"]["data"].as_array().unwrap().iter().map(labels_of).collect();
        let set = select(db, matchers, TimeRange::all());
        let found: Vec<Labels> = (0..set.len()).map(|i| set.labels(i).clone()).collect();
        let mut expect = expect;
        expect.sort();
        assert_eq!(found, expect, "{only}");
    }
}

#[test]
fn a_killed_servers_folder_answers_as_the_server_did() {
    check_folder("killed", "answers.json");
}

#[test]
fn a_stopped_servers_folder_answers_as_the_server_did() {
    check_folder("stopped", "answers-stopped.json");
}
