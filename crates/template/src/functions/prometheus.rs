//! Prometheus' functions, the data of an alert's texts, and the expansion of such a text.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use gauntlet_model::duration::Duration;
use gauntlet_model::histogram::Span;
use gauntlet_model::{FloatHistogram, Labels};

use super::humanize::{self, NoTime};
use super::{casing, host, patterns, string, text};
use crate::func::{CallError, Context, Funcs, Signature};
use crate::html::escape_query;
use crate::value::{IntType, Map, Object, StrType, Type, Value};
use crate::{Error, Limits, MissingKey, Mode, Set, time};

/// Answers `query` in a template: the instant vector of a PromQL expression.
pub trait Query: Debug + Send + Sync {
    /// The error's text becomes the template's error.
    fn query(&self, expr: &str) -> Result<Vec<Sample>, String>;
}

/// A series and its value, as `query` gives them.
#[derive(Clone, Debug)]
pub struct Sample {
    pub labels: Labels,
    pub value: SampleValue,
}

/// What a series or an alert's expression has at a moment.
#[derive(Clone, Debug)]
pub enum SampleValue {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

impl SampleValue {
    fn to_value(&self) -> Value {
        match self {
            Self::Float(value) => Value::Float(*value),
            Self::Histogram(histogram) => Value::object(Hist(histogram.clone())),
        }
    }
}

/// What the functions know of the server.
#[derive(Clone, Debug)]
pub struct Env {
    pub query: Arc<dyn Query>,
    /// `--web.external-url`, and its path.
    pub external_url: String,
    pub path_prefix: String,
    /// The evaluation's time, in milliseconds since the epoch.
    pub now_ms: i64,
}

/// The variables every alert text may use; it stands before the text, so that columns of its first line count it.
pub const ALERT_PREFIX: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
    {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// The data of an alert's labels and annotations.
#[derive(Clone, Debug)]
pub struct AlertData {
    /// Made by [`label_map`].
    pub labels: Arc<Map>,
    pub external_labels: Arc<Map>,
    pub external_url: String,
    pub value: SampleValue,
}

impl Object for AlertData {
    fn type_name(&self) -> &'static str {
        "struct { Labels map[string]string; ExternalLabels map[string]string; \
         ExternalURL string; Value interface {} }"
    }

    fn field_names(&self) -> &'static [&'static str] {
        &["Labels", "ExternalLabels", "ExternalURL", "Value"]
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Labels" => Value::Map(self.labels.clone()),
            "ExternalLabels" => Value::Map(self.external_labels.clone()),
            "ExternalURL" => Value::str(&self.external_url),
            "Value" => self.value.to_value(),
            _ => return None,
        })
    }

    fn is_any_field(&self, name: &str) -> bool {
        name == "Value"
    }
}

/// Expands an alert's or a console's text as Prometheus does; `name` is `__alert_NAME` for alerts, whose text has
/// [`ALERT_PREFIX`] before it. The error starts `error parsing template NAME: ` or `error executing template NAME: `; in
/// alerts the label or annotation then holds `<error expanding template: ERROR>`.
pub fn expand(
    mode: Mode,
    name: &str,
    text: &str,
    data: Value,
    funcs: &Funcs,
    limits: &Limits,
) -> Result<Vec<u8>, String> {
    let parsing = |e: Error| format!("error parsing template {name}: {e}");
    let executing = |e: Error| format!("error executing template {name}: {e}");
    let mut set = Set::new(mode, MissingKey::Zero);
    set.parse(name, text, funcs).map_err(parsing)?;
    let program = set.program(name).map_err(executing)?;
    program.execute(data, funcs, limits).map_err(executing)
}

/// All functions but `tmpl`, which only consoles have ([`add_console`]).
pub fn funcs(env: Env) -> Funcs {
    const STRING: Signature = Signature::of(&[Type::STRING]);
    const SAMPLE: Signature = Signature::of(&[SAMPLE_TYPE]);
    let mut funcs = Funcs::new();
    patterns::add(&mut funcs);
    add_texts(&mut funcs);
    add_numbers(&mut funcs);
    let query = env.query;
    funcs.add("query", STRING, move |args, _| {
        let samples = query.query(&string(args, 0))?;
        Ok(result(samples.into_iter().map(Value::object).collect()))
    });
    funcs.add("first", Signature::of(&[RESULT_TYPE]), |args, _| {
        let first = items(args, 0).into_iter().next();
        first.ok_or_else(|| "first() called on vector with no elements".into())
    });
    funcs.add("label", Signature::of(&[Type::STRING, SAMPLE_TYPE]), |args, _| {
        Ok(sample_label(&args[1], &text(args, 0)))
    });
    funcs.add("value", SAMPLE, |args, _| Ok(field(&args[0], "Value")));
    funcs.add("strvalue", SAMPLE, |args, _| Ok(sample_label(&args[0], b"__value__")));
    funcs.add("sortByLabel", Signature::of(&[Type::STRING, RESULT_TYPE]), |args, cx| {
        let name = text(args, 0);
        let mut items = items(args, 1);
        cx.spend(items.len() as u64)?;
        items.sort_by_cached_key(|item| {
            sample_label(item, &name).as_bytes().cloned().unwrap_or_default()
        });
        Ok(result(items))
    });
    funcs.add("args", Signature::variadic(&[Type::Any]), |args, _| {
        let named = args.iter().enumerate();
        let entries = named.map(|(i, v)| (Value::from(format!("arg{i}")), v.clone()));
        Ok(Value::map(Map::new(Type::STRING, Type::Any, entries.collect())))
    });
    let now = env.now_ms as f64 / 1000.0;
    funcs.add("now", Signature::NONE, move |_, _| Ok(Value::Float(now)));
    let path_prefix = Value::from(env.path_prefix);
    funcs.add("pathPrefix", Signature::NONE, move |_, _| Ok(path_prefix.clone()));
    let external_url = Value::from(env.external_url);
    funcs.add("externalURL", Signature::NONE, move |_, _| Ok(external_url.clone()));
    funcs
}

/// Adds `tmpl NAME DATA`: executes a template whose name is only known then.
pub fn add_console(funcs: &mut Funcs) {
    funcs.add("tmpl", Signature::of(&[Type::STRING, Type::Any]), |args, cx| {
        let name = string(args, 0);
        let out = cx.execute(&name, args[1].clone())?;
        Ok(Value::Str(out, StrType::Html))
    });
}

fn add_texts(funcs: &mut Funcs) {
    const STRING: Signature = Signature::of(&[Type::STRING]);
    let link = |tab: char| {
        move |args: &[Value], _: &mut Context<'_>| {
            let mut out = b"/graph?g0.expr=".to_vec();
            out.extend_from_slice(&escape_query(&text(args, 0)));
            out.extend_from_slice(format!("&g0.tab={tab}").as_bytes());
            Ok(Value::string(out))
        }
    };
    funcs
        .add("title", STRING, |a, _| Ok(Value::string(casing::title(&text(a, 0), false))))
        .add("toUpper", STRING, |a, _| Ok(Value::string(casing::upper(&text(a, 0)))))
        .add("toLower", STRING, |a, _| Ok(Value::string(casing::lower(&text(a, 0)))))
        .add("graphLink", STRING, link('0'))
        .add("tableLink", STRING, link('1'))
        .add("safeHtml", STRING, |a, _| Ok(Value::Str(text(a, 0), StrType::Html)))
        .add("urlQueryEscape", STRING, |a, _| Ok(Value::string(escape_query(&text(a, 0)))))
        .add("stripPort", STRING, |a, _| Ok(Value::str(host::strip_port(&string(a, 0)))))
        .add("stripDomain", STRING, |a, _| Ok(Value::from(host::strip_domain(&string(a, 0)))));
}

fn add_numbers(funcs: &mut Funcs) {
    const ANY: Signature = Signature::of(&[Type::Any]);
    fn shown(
        show: fn(f64) -> String,
    ) -> impl Fn(&[Value], &mut Context<'_>) -> Result<Value, CallError> {
        move |args, _| Ok(Value::from(show(humanize::to_float(&args[0])?)))
    }
    funcs
        .add("humanize", ANY, shown(humanize::metric))
        .add("humanize1024", ANY, shown(humanize::binary))
        .add("humanizeDuration", ANY, shown(humanize::duration))
        .add("humanizePercentage", ANY, shown(humanize::percentage))
        .add("humanizeTimestamp", ANY, |args, _| {
            Ok(Value::from(humanize::show_timestamp(humanize::to_float(&args[0])?)?))
        })
        .add("toTime", ANY, |args, _| match humanize::timestamp(humanize::to_float(&args[0])?) {
            Ok(time) => Ok(Value::object(Pointer { name: "*time.Time", to: Value::Time(time) })),
            Err(NoTime::NotFinite) => Err("value is NaN or Inf".into()),
            Err(NoTime::Overflow(text)) => Err(text.into()),
        })
        .add("toDuration", ANY, |args, _| {
            let ns = humanize::to_i64(humanize::to_float(&args[0])? * 1e9);
            Ok(Value::object(Pointer { name: "*time.Duration", to: Value::duration(ns) }))
        })
        .add("parseDuration", Signature::of(&[Type::STRING]), |args, _| {
            let text = string(args, 0);
            let (sign, body) = match text.strip_prefix('-') {
                Some(body) => (-1.0, body),
                None => (1.0, text.as_str()),
            };
            let parsed: Duration = body.parse().map_err(|e| format!("{e}"))?;
            Ok(Value::Float(sign * (parsed.as_ns() as f64 / 1e9)))
        });
}

const RESULT_TYPE: Type = Type::Object("template.queryResult");
const SAMPLE_TYPE: Type = Type::Object("*template.sample");

/// `template.queryResult`.
#[derive(Debug)]
struct QueryResult(Value);

impl Object for QueryResult {
    fn type_name(&self) -> &'static str {
        "template.queryResult"
    }

    fn underlying(&self) -> Option<Value> {
        Some(self.0.clone())
    }
}

fn result(items: Vec<Value>) -> Value {
    Value::object(QueryResult(Value::list(SAMPLE_TYPE, items)))
}

fn items(args: &[Value], at: usize) -> Vec<Value> {
    match args.get(at).map(Value::plain).as_deref() {
        Some(Value::List(list)) => list.items.clone(),
        _ => Vec::new(),
    }
}

impl Object for Sample {
    fn type_name(&self) -> &'static str {
        "*template.sample"
    }

    fn field_names(&self) -> &'static [&'static str] {
        &["Labels", "Value"]
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Labels" => Value::Map(label_map(&self.labels)),
            "Value" => self.value.to_value(),
            _ => return None,
        })
    }

    fn is_any_field(&self, name: &str) -> bool {
        name == "Value"
    }
}

fn field(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(object) => object.field(name).unwrap_or_default(),
        _ => Value::Nil,
    }
}

fn sample_label(sample: &Value, name: &[u8]) -> Value {
    match field(sample, "Labels") {
        Value::Map(map) => map.get_str(name).cloned().unwrap_or_else(|| Value::str("")),
        _ => Value::str(""),
    }
}

/// Labels as the string map that templates see.
pub fn label_map(labels: &Labels) -> Arc<Map> {
    Arc::new(Map::strings(labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned()))))
}

/// A native histogram: prints as PromQL shows it.
#[derive(Debug)]
struct Hist(Arc<FloatHistogram>);

impl Object for Hist {
    fn type_name(&self) -> &'static str {
        "*histogram.FloatHistogram"
    }

    fn field_names(&self) -> &'static [&'static str] {
        &[
            "CounterResetHint",
            "Schema",
            "ZeroThreshold",
            "ZeroCount",
            "Count",
            "Sum",
            "PositiveSpans",
            "NegativeSpans",
            "PositiveBuckets",
            "NegativeBuckets",
            "CustomValues",
        ]
    }

    fn field(&self, name: &str) -> Option<Value> {
        let h = &self.0;
        let floats =
            |all: &[f64]| Value::list(Type::Float, all.iter().copied().map(Value::Float).collect());
        let spans = |all: &[Span]| {
            let all = all.iter().map(|s| Value::object(SpanValue(s.offset, s.length)));
            Value::list(Type::Object("histogram.Span"), all.collect())
        };
        Some(match name {
            "CounterResetHint" => Value::Int(
                h.counter_reset_hint as i64,
                IntType::Named("histogram.CounterResetHint"),
            ),
            "Schema" => Value::Int(i64::from(h.schema), IntType::Int32),
            "ZeroThreshold" => Value::Float(h.zero_threshold),
            "ZeroCount" => Value::Float(h.zero_count),
            "Count" => Value::Float(h.count),
            "Sum" => Value::Float(h.sum),
            "PositiveSpans" => spans(&h.positive_spans),
            "NegativeSpans" => spans(&h.negative_spans),
            "PositiveBuckets" => floats(&h.positive_buckets),
            "NegativeBuckets" => floats(&h.negative_buckets),
            "CustomValues" => floats(&h.custom_values),
            _ => return None,
        })
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then_some(Signature::NONE)
    }

    fn call(&self, _: &str, _: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        Ok(Value::from(self.0.to_string()))
    }

    fn string(&self) -> Option<Bytes> {
        Some(self.0.to_string().into())
    }
}

/// `histogram.Span`: its offset and length.
#[derive(Debug)]
struct SpanValue(i32, u32);

impl Object for SpanValue {
    fn type_name(&self) -> &'static str {
        "histogram.Span"
    }

    fn field_names(&self) -> &'static [&'static str] {
        &["Offset", "Length"]
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Offset" => Value::Int(i64::from(self.0), IntType::Int32),
            "Length" => Value::Int(i64::from(self.1), IntType::Uint32),
            _ => return None,
        })
    }
}

/// A pointer to a time or a duration, as `toTime` and `toDuration` give it.
#[derive(Debug)]
struct Pointer {
    name: &'static str,
    to: Value,
}

impl Object for Pointer {
    fn type_name(&self) -> &'static str {
        self.name
    }

    fn pointee(&self) -> Option<Value> {
        Some(self.to.clone())
    }

    fn method(&self, name: &str) -> Option<Signature> {
        time::signature(&self.to, name)
    }

    fn call(&self, name: &str, args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        time::call(&self.to, name, args)
    }

    fn string(&self) -> Option<Bytes> {
        Some(crate::fmt::stringer_of(&self.to).into())
    }
}
