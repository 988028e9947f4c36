//! Bodies of requests: read within a bound, decoded without copying what is not escaped, checked as the peer's framework checks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use gauntlet_model::MatchOp;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::answer::{Answer, BAD_TYPE, REQUIRED, TOO_FEW};
use super::goerror;
use crate::alert::PostedAlert;
use crate::silence::{Silence, SilenceMatcher};
use crate::time::Time;

/// The largest body; half a million alerts fit.
const MAX_BODY_BYTES: usize = 256 << 20;

/// Who sent it, for the ledger: the program's name where it gives one, and the address.
pub(super) fn sender(request: &Request<Body>) -> String {
    const LONGEST: usize = 100;
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let address = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>();
    let mut text = match (agent, address) {
        (Some(agent), Some(ConnectInfo(address))) => format!("{agent} at {address}"),
        (Some(agent), None) => agent.to_owned(),
        (None, Some(ConnectInfo(address))) => address.to_string(),
        (None, None) => "unknown".to_owned(),
    };
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    text
}

/// Reads a JSON body that must be there; `what` names it in refusals.
pub(super) async fn read(request: Request<Body>, what: &str) -> Result<Bytes, Answer> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/json" {
        let message =
            format!("unsupported media type \"{kind}\", only [application/json] are allowed");
        return Err(Answer::coded(StatusCode::UNSUPPORTED_MEDIA_TYPE, 415, &message));
    }
    let limited = Limited::new(request.into_body(), MAX_BODY_BYTES);
    let bytes = limited.collect().await.map_err(|err| {
        let message = if err.is::<http_body_util::LengthLimitError>() {
            format!("the body is larger than {MAX_BODY_BYTES} bytes")
        } else {
            format!("reading the body: {err}")
        };
        Answer::coded(StatusCode::BAD_REQUEST, 400, &message)
    })?;
    let bytes = bytes.to_bytes();
    if bytes.is_empty() {
        return Err(Answer::invalid(REQUIRED, &format!("{what} in body is required")));
    }
    Ok(bytes)
}

fn unparsed(what: &str, reason: &str) -> Answer {
    let message = format!("parsing {what} body from \"\" failed, because {reason}");
    Answer::coded(StatusCode::BAD_REQUEST, 400, &message)
}

/// Names and texts in the order they came.
#[derive(Debug)]
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(8).min(64));
                // A null text is an empty one, as Go reads it.
                while let Some((name, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    pairs.push((name.0, value.map_or(Cow::Borrowed(""), |text| text.0)));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlertBody<'a> {
    #[serde(borrow, default)]
    labels: Option<Pairs<'a>>,
    #[serde(borrow, default)]
    annotations: Option<Pairs<'a>>,
    #[serde(borrow, default, rename = "generatorURL")]
    generator_url: Option<Text<'a>>,
    #[serde(borrow, default)]
    starts_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    ends_at: Option<Text<'a>>,
}

/// Decodes a list of alerts.
pub(super) fn alerts(bytes: &[u8]) -> Result<Vec<PostedAlert<'_>>, Answer> {
    let bodies: Option<Vec<Option<AlertBody<'_>>>> = serde_json::from_slice(bytes)
        .map_err(|err| unparsed("alerts", &goerror::alerts(bytes, &err)))?;
    let mut alerts = Vec::new();
    for (i, body) in bodies.unwrap_or_default().into_iter().enumerate() {
        let Some(body) = body else { continue };
        let time = |text: Option<Text<'_>>| match text {
            None => Ok(Time::ZERO),
            Some(text) => time(&text.0).map_err(|reason| unparsed("alerts", &reason)),
        };
        let (starts_at, ends_at) = (time(body.starts_at)?, time(body.ends_at)?);
        let generator_url = body.generator_url.map_or(Cow::Borrowed(""), |text| text.0);
        if !generator_url.is_empty() && !is_uri(&generator_url) {
            let quoted = gauntlet_model::float::GoQuoted(&generator_url);
            let message = format!("{i}.generatorURL in body must be of type uri: {quoted}");
            return Err(Answer::invalid(BAD_TYPE, &message));
        }
        let Some(labels) = body.labels else {
            return Err(Answer::invalid(REQUIRED, &format!("{i}.labels in body is required")));
        };
        alerts.push(PostedAlert {
            labels: labels.0,
            annotations: body.annotations.map(|pairs| pairs.0).unwrap_or_default(),
            generator_url,
            starts_at,
            ends_at,
        });
    }
    Ok(alerts)
}

/// For fuzzing: decodes whatever comes.
pub fn fuzz_alerts(bytes: &[u8]) {
    let _ = alerts(bytes);
    let _ = silence(bytes);
}

/// What Go's `url.ParseRequestURI` takes: a path or a scheme in front, and no bad escapes.
fn is_uri(text: &str) -> bool {
    let clean = !text.bytes().any(|b| b < b' ' || b == 0x7f);
    clean && (text.starts_with('/') || url::Url::parse(text).is_ok())
}

/// Reads a time in the shapes the peer's framework takes: RFC 3339, without zone, without seconds, a date.
fn time(text: &str) -> Result<Time, String> {
    if text.is_empty() {
        return Ok(Time::from_unix(0, 0));
    }
    let with = |tail: &str| Time::parse(&format!("{text}{tail}"));
    Time::parse(text)
        .or_else(|| with("Z"))
        .or_else(|| with(":00Z"))
        .or_else(|| Time::parse(&format!("{}:00Z", text.strip_suffix('Z')?)))
        .or_else(|| with("T00:00:00Z"))
        .ok_or_else(|| {
            let quoted = gauntlet_model::float::GoQuoted(text);
            format!("parsing time {quoted} as \"2006-01-02\": cannot parse {quoted} as \"2006\"")
        })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SilenceBody<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(borrow, default)]
    starts_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    ends_at: Option<Text<'a>>,
    #[serde(default)]
    matchers: Option<Vec<Option<MatcherBody>>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatcherBody {
    #[serde(default)]
    is_equal: Option<bool>,
    #[serde(default)]
    is_regex: Option<bool>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

/// Decodes a silence.
pub(super) fn silence(bytes: &[u8]) -> Result<Silence, Answer> {
    let body: Option<SilenceBody<'_>> = serde_json::from_slice(bytes)
        .map_err(|err| unparsed("silence", &goerror::silence(bytes, &err)))?;
    let missing = |name: &str| Answer::invalid(REQUIRED, &format!("{name} in body is required"));
    let Some(body) = body else { return Err(missing("silence")) };
    let time = |text: Option<Text<'_>>| match text {
        None => Ok(None),
        Some(text) => time(&text.0).map(Some).map_err(|reason| unparsed("silence", &reason)),
    };
    let (starts_at, ends_at) = (time(body.starts_at)?, time(body.ends_at)?);
    let comment = body.comment.ok_or_else(|| missing("comment"))?;
    let created_by = body.created_by.ok_or_else(|| missing("createdBy"))?;
    let ends_at = ends_at.ok_or_else(|| missing("endsAt"))?;
    let list = body.matchers.ok_or_else(|| missing("matchers"))?;
    if list.is_empty() {
        return Err(Answer::invalid(TOO_FEW, "matchers in body should have at least 1 items"));
    }
    let mut matchers = Vec::with_capacity(list.len());
    for (i, matcher) in list.into_iter().enumerate() {
        let Some(matcher) = matcher else { continue };
        let missing = |name: &str| missing(&format!("matchers.{i}.{name}"));
        let is_regex = matcher.is_regex.ok_or_else(|| missing("isRegex"))?;
        let name = matcher.name.ok_or_else(|| missing("name"))?;
        let pattern = matcher.value.ok_or_else(|| missing("value"))?;
        let op = match (is_regex, matcher.is_equal.unwrap_or(true)) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        matchers.push(SilenceMatcher { op, name, pattern });
    }
    let starts_at = starts_at.ok_or_else(|| missing("startsAt"))?;
    let annotations = body.annotations.unwrap_or_default();
    Ok(Silence {
        id: body.id.unwrap_or_default(),
        matcher_sets: vec![matchers],
        starts_at,
        ends_at,
        created_by,
        comment,
        annotations: annotations.into_iter().map(|(n, v)| (n, v.unwrap_or_default())).collect(),
        ..Silence::default()
    })
}
