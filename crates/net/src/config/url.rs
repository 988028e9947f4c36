//! URLs as Go's `net/url` takes them: kept as written, refused in the same cases, printed without the password.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use gauntlet_model::float::GoQuoted;
use gauntlet_yaml::{Context, FromYaml, Node, ToYaml, Value};

/// Why a text is no URL; prints as Go. The text itself may hold a password and is masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse {}: {reason}", GoQuoted(.text))]
pub struct UrlError {
    text: String,
    reason: String,
}

/// A URL reference. Display masks the password; [`Url::as_str`] does not.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    /// End of the scheme, 0 if there is none.
    scheme_end: usize,
    /// Where user, host and port stand, if there is a `//`.
    authority: Option<(usize, usize)>,
}

impl Url {
    /// The URL as written, with its password.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme in lower case; empty if there is none.
    pub fn scheme(&self) -> String {
        self.text[..self.scheme_end].to_ascii_lowercase()
    }

    /// Host and port; empty if there are none.
    pub fn host(&self) -> &str {
        let Some((start, end)) = self.authority else { return "" };
        let authority = &self.text[start..end];
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    /// User and, if given, password, still percent-encoded.
    pub fn user_info(&self) -> Option<(&str, Option<&str>)> {
        let (start, end) = self.authority?;
        let (user, _) = self.text[start..end].rsplit_once('@')?;
        Some(user.split_once(':').map_or((user, None), |(name, password)| (name, Some(password))))
    }

    /// The path, as written.
    pub fn path(&self) -> &str {
        let start = self
            .authority
            .map_or(if self.scheme_end > 0 { self.scheme_end + 1 } else { 0 }, |(_, end)| end);
        let rest = &self.text[start..];
        &rest[..rest.find(['?', '#']).unwrap_or(rest.len())]
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let fail = |reason: String| UrlError { text: mask(text), reason };
        if text.bytes().any(|b| b < 0x20 || b == 0x7F) {
            return Err(fail("net/url: invalid control character in URL".to_owned()));
        }
        let before_fragment = text.split('#').next().unwrap_or_default();
        let scheme_end = scheme(before_fragment).map_err(&fail)?;
        let rest_at = if scheme_end > 0 { scheme_end + 1 } else { 0 };
        let rest = &before_fragment[rest_at..];
        let path_end = rest.find('?').unwrap_or(rest.len());
        if !rest.starts_with('/') {
            if scheme_end > 0 {
                return Ok(Self { text: text.to_owned(), scheme_end, authority: None });
            }
            // `a:b/c` without a scheme would read as one.
            let segment = &rest[..rest.find('/').unwrap_or(rest.len()).min(path_end)];
            if segment.contains(':') {
                return Err(fail("first path segment in URL cannot contain colon".to_owned()));
            }
        }
        let mut authority = None;
        if let Some(after) = rest.strip_prefix("//")
            && (scheme_end > 0 || !rest.starts_with("///"))
        {
            let end = after.find(['/', '?']).unwrap_or(after.len());
            let start = rest_at + 2;
            check_authority(&after[..end]).map_err(&fail)?;
            authority = Some((start, start + end));
        }
        check_escapes(&rest[..path_end]).map_err(&fail)?;
        Ok(Self { text: text.to_owned(), scheme_end, authority })
    }
}

/// Length of the scheme before the first colon; 0 if there is none.
fn scheme(text: &str) -> Result<usize, String> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok(at),
            _ => return Ok(0),
        }
    }
    Ok(0)
}

fn check_authority(authority: &str) -> Result<(), String> {
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
    if let Some(user) = user {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
        if !user.bytes().all(good) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        check_escapes(user)?;
    }
    let port = if let Some(inner) = host.strip_prefix('[') {
        let Some(end) = inner.rfind(']') else { return Err("missing ']' in host".to_owned()) };
        &inner[end + 1..]
    } else {
        host.rfind(':').map_or("", |at| &host[at..])
    };
    let valid = port.is_empty()
        || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    if !valid {
        return Err(format!("invalid port {} after host", GoQuoted(port)));
    }
    if let Some(bad) = host
        .bytes()
        .find(|b| matches!(b, b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'))
    {
        return Err(format!(
            "invalid character {} in host name",
            GoQuoted(&char::from(bad).to_string())
        ));
    }
    Ok(())
}

fn check_escapes(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let escape: String = text[at..].chars().take(3).collect();
        let hex = escape.len() == 3 && escape[1..].bytes().all(|b| b.is_ascii_hexdigit());
        if !hex {
            return Err(format!("invalid URL escape {}", GoQuoted(&escape)));
        }
    }
    Ok(())
}

/// Replaces what stands between `://user:` and `@`.
fn mask(text: &str) -> String {
    let Some(start) = text.find("//").map(|at| at + 2) else { return text.to_owned() };
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    let Some(at) = text[start..end].rfind('@') else { return text.to_owned() };
    let user = &text[start..start + at];
    match user.split_once(':') {
        Some((name, _)) => format!("{}{name}:xxxxx{}", &text[..start], &text[start + at..]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.text))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromYaml for Url {
    fn from_yaml(node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let text = String::from_yaml(node, cx)?;
        text.parse().map_err(|err: UrlError| cx.problem(node.position(), err.to_string())).ok()
    }

    fn go_type() -> Cow<'static, str> {
        "string".into()
    }
}

impl ToYaml for Url {
    fn to_yaml(&self) -> Value {
        Value::Str(self.to_string())
    }
}
