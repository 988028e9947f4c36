//! A target's URL, spelled as Go spells it: the peer hashes that text to place a target's scrapes in time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gauntlet_model::Labels;

use crate::target::{ADDRESS, METRICS_PATH, PARAM_PREFIX, SCHEME, UNIX_SOCKET};

/// `scheme://host/path?params`. Parameters come from the job; a `__param_` label replaces the first value of its parameter.
pub(crate) fn target_url(labels: &Labels, params: &BTreeMap<String, Vec<String>>) -> String {
    let mut all: BTreeMap<&str, Vec<&str>> = params
        .iter()
        .map(|(name, values)| (name.as_str(), values.iter().map(String::as_str).collect()))
        .collect();
    for (name, value) in labels {
        let Some(param) = name.strip_prefix(PARAM_PREFIX) else { continue };
        let values = all.entry(param).or_default();
        match values.first_mut() {
            Some(first) => *first = value,
            None => values.push(value),
        }
    }
    let mut host = labels.value(ADDRESS);
    if host.is_empty() && !labels.value(UNIX_SOCKET).is_empty() {
        host = "localhost";
    }
    let mut out = String::new();
    let scheme = labels.value(SCHEME);
    if !scheme.is_empty() {
        out.push_str(scheme);
        out.push(':');
    }
    out.push_str("//");
    out.push_str(host);
    let path = labels.value(METRICS_PATH);
    if !path.is_empty() && !path.starts_with('/') {
        out.push('/');
    }
    escape(path, b"$&+,/:;=@", &mut out);
    let mut separator = '?';
    for (name, values) in all {
        for value in values {
            out.push(separator);
            separator = '&';
            query_escape(name, &mut out);
            out.push('=');
            query_escape(value, &mut out);
        }
    }
    out
}

fn query_escape(text: &str, out: &mut String) {
    for (i, part) in text.split(' ').enumerate() {
        if i > 0 {
            out.push('+');
        }
        escape(part, b"", out);
    }
}

/// Escapes all but letters, digits, `-_.~` and the bytes in `also`.
fn escape(text: &str, also: &[u8], out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || also.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_spelled_as_go_spells_them() {
        let params = BTreeMap::from([
            ("b".to_owned(), vec!["1".to_owned(), "x y/ü".to_owned()]),
            ("a".to_owned(), vec!["old".to_owned()]),
        ]);
        let labels = Labels::from_pairs([
            (ADDRESS, "host:9100"),
            (SCHEME, "https"),
            (METRICS_PATH, "a path/m?x"),
            ("__param_a", "new"),
            ("__param_c", "3"),
        ]);
        assert_eq!(
            target_url(&labels, &params),
            "https://host:9100/a%20path/m%3Fx?a=new&b=1&b=x+y%2F%C3%BC&c=3"
        );
    }
}
