//! Log lines in the peers' shapes, from `tracing` events: logfmt or JSON, as Go's `slog` prints them for Prometheus,
//! Alertmanager and node_exporter, or as go-kit prints them for Thanos. The last warnings are kept for the screens.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Log lines kept for the screens.
const KEPT_WARNINGS: usize = 200;

/// Line syntax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Logfmt,
    Json,
}

/// Whose keys and order a line has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogShape {
    /// `time=... level=INFO source=file:line msg=... key=value`
    #[default]
    Slog,
    /// `ts=... caller=file:line level=info key=value msg=...`
    GoKit,
}

/// A warning or error that was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedLine {
    pub time_ms: i64,
    pub level: &'static str,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// The last warnings and errors, oldest first.
#[derive(Clone, Debug, Default)]
pub struct RecentWarnings {
    lines: Arc<Mutex<VecDeque<LoggedLine>>>,
}

impl RecentWarnings {
    pub fn snapshot(&self) -> Vec<LoggedLine> {
        self.lines.lock().iter().cloned().collect()
    }

    fn push(&self, line: LoggedLine) {
        let mut lines = self.lines.lock();
        if lines.len() == KEPT_WARNINGS {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// Starts printing to standard error. `level` is one of debug, info, warn, error. A second call keeps the first's printer.
pub fn init(level: Level, format: LogFormat, shape: LogShape) -> RecentWarnings {
    let recent = RecentWarnings::default();
    let printer = Printer { format, shape, level, recent: recent.clone() };
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(printer));
    recent
}

struct Printer {
    format: LogFormat,
    shape: LogShape,
    level: Level,
    recent: RecentWarnings,
}

impl<S: Subscriber> Layer<S> for Printer {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        // Libraries speak only when something is wrong; our own crates by the chosen level.
        let own = metadata.target().starts_with("gauntlet");
        *metadata.level() <= if own { self.level } else { Level::WARN.min(self.level) }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let now = now();
        let metadata = event.metadata();
        let source = format!(
            "{}:{}",
            metadata.file().map_or("unknown", |f| f.rsplit('/').next().unwrap_or(f)),
            metadata.line().unwrap_or(0)
        );
        let mut line = self.line(&now, *metadata.level(), &source, &fields);
        line.push('\n');
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
        if *metadata.level() <= Level::WARN {
            self.recent.push(LoggedLine {
                time_ms: now.as_millisecond(),
                level: lower(*metadata.level()),
                message: fields.message,
                fields: fields.rest,
            });
        }
    }
}

impl Printer {
    fn line(&self, now: &jiff::Timestamp, level: Level, source: &str, fields: &Fields) -> String {
        let (time, level) = match self.shape {
            LogShape::Slog => (now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(), level.as_str()),
            LogShape::GoKit => (now.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string(), lower(level)),
        };
        let message = ("msg", fields.message.as_str());
        let rest = fields.rest.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let pairs: Vec<(&str, &str)> = match self.shape {
            LogShape::Slog => {
                [("time", time.as_str()), ("level", level), ("source", source), message]
                    .into_iter()
                    .chain(rest)
                    .collect()
            }
            LogShape::GoKit => [("ts", time.as_str()), ("caller", source), ("level", level)]
                .into_iter()
                .chain(rest)
                .chain([message])
                .collect(),
        };
        match self.format {
            LogFormat::Logfmt => logfmt(&pairs),
            LogFormat::Json => json(&pairs),
        }
    }
}

fn logfmt(pairs: &[(&str, &str)]) -> String {
    let mut line = String::with_capacity(160);
    for (i, (key, value)) in pairs.iter().enumerate() {
        if i > 0 {
            line.push(' ');
        }
        line.push_str(key);
        line.push('=');
        push_logfmt_value(&mut line, value);
    }
    line
}

fn push_logfmt_value(line: &mut String, value: &str) {
    let quoted = value.is_empty()
        || value.chars().any(|c| c <= ' ' || matches!(c, '=' | '"' | '\u{7f}' | '\u{fffd}'));
    if !quoted {
        line.push_str(value);
        return;
    }
    line.push('"');
    for c in value.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(line, "\\x{:02x}", c as u32);
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

fn json(pairs: &[(&str, &str)]) -> String {
    let mut line = String::from("{");
    for (i, (key, value)) in pairs.iter().enumerate() {
        if i > 0 {
            line.push(',');
        }
        let key = serde_json::Value::from(*key);
        let value = serde_json::Value::from(*value);
        let _ = write!(line, "{key}:{value}");
    }
    line.push('}');
    line
}

fn lower(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(String, String)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.rest.push((field.name().to_owned(), value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LogFormat, shape: LogShape) -> String {
        let printer =
            Printer { format, shape, level: Level::INFO, recent: RecentWarnings::default() };
        let fields = Fields {
            message: "Server is ready".to_owned(),
            rest: vec![
                ("addr".to_owned(), "a=b \"c\"".to_owned()),
                ("n".to_owned(), "1".to_owned()),
            ],
        };
        let time = jiff::Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        printer.line(&time, Level::INFO, "main.rs:7", &fields)
    }

    #[test]
    fn lines_have_the_peers_shapes() {
        assert_eq!(
            line(LogFormat::Logfmt, LogShape::Slog),
            r#"time=2023-11-14T22:13:20.123Z level=INFO source=main.rs:7 msg="Server is ready" addr="a=b \"c\"" n=1"#
        );
        assert_eq!(
            line(LogFormat::Logfmt, LogShape::GoKit),
            r#"ts=2023-11-14T22:13:20.123000000Z caller=main.rs:7 level=info addr="a=b \"c\"" n=1 msg="Server is ready""#
        );
        assert_eq!(
            line(LogFormat::Json, LogShape::Slog),
            r#"{"time":"2023-11-14T22:13:20.123Z","level":"INFO","source":"main.rs:7","msg":"Server is ready","addr":"a=b \"c\"","n":"1"}"#
        );
    }
}
