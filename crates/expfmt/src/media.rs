//! Media types: which format a body is in.

use gauntlet_model::float::GoQuoted;

use crate::error::ContentTypeError;

/// A format that can be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// Prometheus text, any version.
    Text,
    OpenMetrics,
    /// Length-delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

impl MediaType {
    /// The format that a Content-Type header names; parameters are checked for form and else ignored, as upstream does.
    pub fn from_content_type(value: &str) -> Result<Self, ContentTypeError> {
        if value.is_empty() {
            return Err(ContentTypeError::Blank);
        }
        let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
        let kind = kind.trim().to_ascii_lowercase();
        if !kind.split('/').all(is_token) || !parameters_are_sound(parameters) {
            return Err(ContentTypeError::Malformed(value.to_owned()));
        }
        match kind.as_str() {
            "application/openmetrics-text" => Ok(Self::OpenMetrics),
            "application/vnd.google.protobuf" => Ok(Self::Protobuf),
            "text/plain" => Ok(Self::Text),
            _ => Err(ContentTypeError::Unsupported(value.to_owned())),
        }
    }

    /// [`MediaType::from_content_type`], or the fallback where the header does not help. The text is worth a debug log.
    pub fn with_fallback(
        value: &str,
        fallback: Option<Self>,
    ) -> Result<(Self, Option<String>), ContentTypeError> {
        let err = match Self::from_content_type(value) {
            Ok(media_type) => return Ok((media_type, None)),
            Err(err) => err,
        };
        let Some(fallback) = fallback else { return Err(err) };
        let name = GoQuoted(fallback.as_str());
        let quoted = GoQuoted(value);
        let note = match err {
            ContentTypeError::Blank => format!(
                "non-compliant scrape target sending blank Content-Type, using fallback_scrape_protocol {name}"
            ),
            ContentTypeError::Malformed(_) => format!(
                "could not parse received Content-Type {quoted}, using fallback_scrape_protocol {name}"
            ),
            ContentTypeError::Unsupported(_) => format!(
                "received unsupported Content-Type {quoted}, using fallback_scrape_protocol {name}"
            ),
        };
        Ok((fallback, Some(note)))
    }

    /// The bare media type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::OpenMetrics => "application/openmetrics-text",
            Self::Protobuf => "application/vnd.google.protobuf",
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

/// `name=token` or `name="quoted"`, separated by semicolons.
fn parameters_are_sound(mut rest: &str) -> bool {
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return true;
        }
        let Some((name, value)) = rest.split_once('=') else { return false };
        if !is_token(name.trim_end()) {
            return false;
        }
        let value = value.trim_start();
        let end = if let Some(quoted) = value.strip_prefix('"') {
            let mut end = None;
            let mut escaped = false;
            for (i, c) in quoted.bytes().enumerate() {
                match c {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => {
                        end = Some(i + 2);
                        break;
                    }
                    _ => {}
                }
            }
            match end {
                Some(end) => end,
                None => return false,
            }
        } else {
            let end = value.find(';').unwrap_or(value.len());
            if !is_token(value[..end].trim_end()) {
                return false;
            }
            end
        };
        rest = value[end..].trim_start();
        match rest.strip_prefix(';') {
            Some(more) => rest = more,
            None => return rest.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_name_formats() {
        for (value, expect) in [
            ("text/plain; version=0.0.4; charset=utf-8", Ok(MediaType::Text)),
            ("TEXT/PLAIN", Ok(MediaType::Text)),
            (
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                Ok(MediaType::OpenMetrics),
            ),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                Ok(MediaType::Protobuf),
            ),
            ("", Err("blank")),
            ("text/html", Err("unsupported Content-Type \"text/html\"")),
            ("text/plain; version", Err("cannot parse Content-Type")),
            ("text/plain; a=\"x", Err("cannot parse Content-Type")),
        ] {
            match (MediaType::from_content_type(value), expect) {
                (Ok(got), Ok(expect)) => assert_eq!(got, expect, "{value}"),
                (Err(err), Err(part)) => assert!(err.to_string().contains(part), "{value}: {err}"),
                (got, expect) => panic!("{value}: {got:?}, not {expect:?}"),
            }
        }
    }
}
