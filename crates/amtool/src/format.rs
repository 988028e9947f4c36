//! Results as tables or as JSON.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use gauntlet_alertmanager::{Matcher, Matchers};
use gauntlet_model::MatchOp;
use gauntlet_template::Time;
use serde_json::Value;

use crate::args::OutputFormat;
use crate::tabs;

/// Alerts as the API gave them.
pub(crate) fn alerts(format: OutputFormat, layout: &str, mut alerts: Vec<Value>) -> String {
    if format == OutputFormat::Json {
        return json(&Value::Array(alerts));
    }
    alerts.sort_by_key(|alert| instant(&alert["startsAt"]));
    let mut table = String::from(match format {
        OutputFormat::Extended => {
            "Labels\tAnnotations\tStarts At\tEnds At\tGenerator URL\tState\t\n"
        }
        _ => "Alertname\tStarts At\tSummary\tState\t\n",
    });
    for alert in &alerts {
        let starts = date(&alert["startsAt"], layout);
        let state = text(&alert["status"]["state"]);
        let _ = match format {
            OutputFormat::Extended => writeln!(
                table,
                "{}\t{}\t{starts}\t{}\t{}\t{state}\t",
                pairs(&alert["labels"]),
                pairs(&alert["annotations"]),
                date(&alert["endsAt"], layout),
                text(&alert["generatorURL"]),
            ),
            _ => writeln!(
                table,
                "{}\t{starts}\t{}\t{state}\t",
                text(&alert["labels"]["alertname"]),
                text(&alert["annotations"]["summary"]),
            ),
        };
    }
    tabs::align(&table)
}

/// Silences as the API gave them.
pub(crate) fn silences(format: OutputFormat, layout: &str, mut silences: Vec<Value>) -> String {
    if format == OutputFormat::Json {
        return json(&Value::Array(silences));
    }
    silences.sort_by_key(|silence| instant(&silence["endsAt"]));
    let mut table = String::from(match format {
        OutputFormat::Extended => {
            "ID\tMatchers\tStarts At\tEnds At\tUpdated At\tCreated By\tComment\t\n"
        }
        _ => "ID\tMatchers\tEnds At\tCreated By\tComment\t\n",
    });
    for silence in &silences {
        let matchers: Vec<Matcher> =
            silence["matchers"].as_array().into_iter().flatten().filter_map(matcher).collect();
        let (id, ends) = (text(&silence["id"]), date(&silence["endsAt"], layout));
        let (by, comment) = (text(&silence["createdBy"]), text(&silence["comment"]));
        let _ = match format {
            OutputFormat::Extended => writeln!(
                table,
                "{id}\t{}\t{}\t{ends}\t{}\t{by}\t{comment}\t",
                Matchers::new(matchers),
                date(&silence["startsAt"], layout),
                date(&silence["updatedAt"], layout),
            ),
            _ => {
                let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
                writeln!(table, "{id}\t{}\t{ends}\t{by}\t{comment}\t", matchers.join(" "))
            }
        };
    }
    tabs::align(&table)
}

/// The state of the cluster.
pub(crate) fn cluster(format: OutputFormat, _layout: &str, status: &Value) -> String {
    if format == OutputFormat::Json {
        return json(status);
    }
    let mut table = format!(
        "Cluster Status:\t{}\nNode Name:\t{}\n",
        text(&status["status"]),
        text(&status["name"])
    );
    if format == OutputFormat::Extended {
        table.push_str("\nAddress\tName\n");
        let mut peers: Vec<&Value> = status["peers"].as_array().into_iter().flatten().collect();
        peers.sort_by_key(|peer| address(text(&peer["address"])));
        for peer in peers {
            let _ = writeln!(table, "{}\t{}\t", text(&peer["address"]), text(&peer["name"]));
        }
    }
    tabs::align(&table)
}

/// The configuration, with what runs it.
pub(crate) fn config(format: OutputFormat, status: &Value) -> String {
    let original = text(&status["config"]["original"]);
    match format {
        OutputFormat::Json => json(status),
        OutputFormat::Simple => format!("{original}\n"),
        OutputFormat::Extended => {
            let version = &status["versionInfo"];
            let mut out = format!("{original}\n");
            for name in ["buildUser", "goVersion", "revision", "version", "branch", "buildDate"] {
                let _ = writeln!(out, "{name} {}", text(&version[name]));
            }
            let _ = writeln!(out, "uptime {}", text(&status["uptime"]));
            out
        }
    }
}

/// JSON as Go's encoder writes it: characters that HTML minds are escaped.
pub(crate) fn json(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            other => out.push(other),
        }
    }
    out.push('\n');
    out
}

fn matcher(value: &Value) -> Option<Matcher> {
    let regex = value["isRegex"].as_bool()?;
    // Servers of long ago do not say.
    let equal = value["isEqual"].as_bool().unwrap_or(true);
    let op = match (regex, equal) {
        (false, true) => MatchOp::Equal,
        (false, false) => MatchOp::NotEqual,
        (true, true) => MatchOp::Regex,
        (true, false) => MatchOp::NotRegex,
    };
    Matcher::new(op, value["name"].as_str()?, value["value"].as_str()?).ok()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Seconds and nanoseconds, for the order.
fn instant(value: &Value) -> Option<(i64, u32)> {
    let time = gauntlet_alertmanager::Time::parse(value.as_str()?)?;
    Some((time.unix_secs(), time.subsec_nanos()))
}

fn date(value: &Value, layout: &str) -> String {
    match Time::parse_rfc3339(text(value)) {
        Ok(time) => String::from_utf8_lossy(&time.format(layout.as_bytes())).into_owned(),
        Err(_) => text(value).to_owned(),
    }
}

fn pairs(labels: &Value) -> String {
    let mut pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}=\"{}\"", text(value)))
        .collect();
    pairs.sort_unstable();
    pairs.join(" ")
}

/// Addresses order by their bytes in the sixteen-byte form, then by port.
fn address(text: &str) -> ([u8; 16], u16) {
    match text.parse::<SocketAddr>() {
        Ok(address) => {
            let bytes = match address.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            (bytes, address.port())
        }
        Err(_) => ([0; 16], 0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LAYOUT: &str = "2006-01-02 15:04:05 MST";

    #[test]
    fn silences_end_in_order_and_show_their_matchers() {
        let silence = |id: &str, ends: &str| {
            json!({
                "id": id, "createdBy": "me", "comment": "why", "endsAt": ends,
                "matchers": [{"name": "a", "value": "b.*", "isRegex": true, "isEqual": false}, {"name": "c", "value": "d", "isRegex": false}],
            })
        };
        let list = vec![
            silence("2", "2026-01-02T03:04:05.000Z"),
            silence("1", "2026-01-01T03:04:05.000Z"),
        ];
        assert_eq!(
            silences(OutputFormat::Simple, LAYOUT, list),
            "ID  Matchers        Ends At                  Created By  Comment  \n\
             1   a!~\"b.*\" c=\"d\"  2026-01-01 03:04:05 UTC  me          why      \n\
             2   a!~\"b.*\" c=\"d\"  2026-01-02 03:04:05 UTC  me          why      \n"
        );
    }

    #[test]
    fn json_is_escaped_as_go_does() {
        assert_eq!(json(&json!({"a": "<&>"})), "{\"a\":\"\\u003c\\u0026\\u003e\"}\n");
    }
}
