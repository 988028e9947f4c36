//! Request parameters: from the query string and, for POST, the form body before it; parsed and refused as upstream does.

use gauntlet_model::duration::Duration;
use gauntlet_model::{Matcher, Timestamp};
use gauntlet_promql::engine::AskedBy;

use crate::envelope::ApiError;

/// Bounds upstream gives to an unset start and end: the first and last millisecond that its time type holds.
pub const MIN_TIME: Timestamp = -9_223_372_036_854_775;
pub const MAX_TIME: Timestamp = 9_223_372_036_854_775;

/// Decoded parameters in order; a name may occur several times.
#[derive(Clone, Debug, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
    /// Who sent the request.
    pub(crate) asked_by: AskedBy,
}

impl Params {
    /// From the query string and the body of a form.
    pub fn new(query: Option<&str>, form: Option<&[u8]>) -> Self {
        let mut pairs = Vec::new();
        for part in [form.unwrap_or_default(), query.unwrap_or_default().as_bytes()] {
            for pair in part.split(|byte| *byte == b'&').filter(|pair| is_well_formed(pair)) {
                pairs.extend(url::form_urlencoded::parse(pair).into_owned());
            }
        }
        Self { pairs, asked_by: AskedBy::Unknown }
    }

    /// The first value of `name`, or the empty string.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or("")
    }

    pub fn find(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A time that must be there.
    pub fn time(&self, name: &str) -> Result<Timestamp, ApiError> {
        parse_time(self.get(name)).map_err(|reason| ApiError::parameter(name, reason))
    }

    /// A time, or `default` where it is not given.
    pub fn time_or(&self, name: &str, default: Timestamp) -> Result<Timestamp, ApiError> {
        match self.get(name) {
            "" => Ok(default),
            text => parse_time(text).map_err(|reason| {
                ApiError::parameter(name, format!("invalid time value for '{name}': {reason}"))
            }),
        }
    }

    /// A duration in ms, or `None` where it is not given.
    pub fn duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            "" => Ok(None),
            text => {
                parse_duration(text).map(Some).map_err(|reason| ApiError::parameter(name, reason))
            }
        }
    }

    /// `limit`: 0 means no limit.
    pub fn limit(&self) -> Result<usize, ApiError> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(0);
        }
        match text.parse::<i64>() {
            Ok(limit) => usize::try_from(limit)
                .map_err(|_| ApiError::parameter("limit", "limit must be non-negative")),
            Err(_) => Err(ApiError::parameter(
                "limit",
                format!("strconv.Atoi: parsing {text:?}: invalid syntax"),
            )),
        }
    }

    /// All `match[]` selectors, with the reason of the first that is none.
    pub fn matchers(&self) -> Result<Vec<Vec<Matcher>>, String> {
        let mut sets = Vec::new();
        for selector in self.all("match[]") {
            let set =
                gauntlet_promql::parse_metric_selector(selector).map_err(|err| err.to_string())?;
            if set.iter().all(Matcher::matches_empty) {
                return Err("match[] must contain at least one non-empty matcher".to_owned());
            }
            sets.push(set);
        }
        Ok(sets)
    }
}

/// Seconds since the epoch as a decimal number, or RFC 3339; in milliseconds.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let fail = || Err(format!("cannot parse {text:?} to a valid timestamp"));
    if let Some(seconds) = parse_go_float(text) {
        let (whole, part) = (seconds.trunc(), seconds.fract());
        // Upstream rounds the part of a second to milliseconds.
        let ms = (part * 1000.0).round();
        return Ok((whole * 1000.0 + ms) as i64);
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(time) if text.contains('T') => Ok(time.as_millisecond()),
        _ => match text {
            "-292273086-05-16T16:47:06Z" => Ok(MIN_TIME * 1000),
            "292277025-08-18T07:12:54.999999999Z" => Ok(MAX_TIME * 1000),
            _ => fail(),
        },
    }
}

/// Seconds as a decimal number, or a Prometheus duration; in milliseconds.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    if let Some(seconds) = parse_go_float(text) {
        let nanos = seconds * 1e9;
        if nanos.is_nan() || nanos.abs() > i64::MAX as f64 {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        return Ok((nanos as i64) / 1_000_000);
    }
    text.parse::<Duration>()
        .map(Duration::as_ms)
        .map_err(|_| format!("cannot parse {text:?} to a valid duration"))
}

/// Whether Go's `net/url` reads a `name=value` pair: others it leaves out.
fn is_well_formed(pair: &[u8]) -> bool {
    let hex = |at: usize| pair.get(at).is_some_and(u8::is_ascii_hexdigit);
    !pair.contains(&b';')
        && pair.iter().enumerate().all(|(at, byte)| *byte != b'%' || (hex(at + 1) && hex(at + 2)))
}

/// Go's `strconv.ParseFloat` as far as parameters need it: decimal, hexadecimal-free, no stray white space.
fn parse_go_float(text: &str) -> Option<f64> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return None;
    }
    text.parse::<f64>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc3339() {
        for (text, ms) in [
            ("1795500070.123456", 1_795_500_070_123),
            ("-1.5", -1500),
            ("2026-01-02T03:04:05.678Z", 1_767_323_045_678),
            ("2026-01-02T03:04:05+02:00", 1_767_315_845_000),
        ] {
            assert_eq!(parse_time(text), Ok(ms), "{text}");
        }
        assert_eq!(parse_time("abc"), Err("cannot parse \"abc\" to a valid timestamp".to_owned()));
    }

    #[test]
    fn the_form_comes_before_the_query() {
        let params = Params::new(Some("query=b&limit=x"), Some(b"query=a+b&match[]=1"));
        assert_eq!((params.get("query"), params.all("query").count()), ("a b", 2));
        assert!(params.limit().unwrap_err().message.contains("strconv.Atoi"));
    }
}
