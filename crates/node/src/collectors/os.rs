//! The operating system's name and version from os-release(5).

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "os",
    default_on: true,
    reads: "/etc/os-release, /usr/lib/os-release",
    families: "node_os_info, node_os_version, node_os_support_end_timestamp_seconds",
    make: |_| Ok(Box::new(Os)),
};

struct Os;

const LABELS: [(&str, &str); 12] = [
    ("build_id", "BUILD_ID"),
    ("id", "ID"),
    ("id_like", "ID_LIKE"),
    ("image_id", "IMAGE_ID"),
    ("image_version", "IMAGE_VERSION"),
    ("name", "NAME"),
    ("pretty_name", "PRETTY_NAME"),
    ("variant", "VARIANT"),
    ("variant_id", "VARIANT_ID"),
    ("version", "VERSION"),
    ("version_codename", "VERSION_CODENAME"),
    ("version_id", "VERSION_ID"),
];

const INFO_HELP: &str = "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, image_version, name, \
    pretty_name, variant, variant_id, version, version_codename, version_id.";

impl Collector for Os {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let mut release = None;
        for file in ["etc/os-release", "usr/lib/os-release"] {
            let path = env.paths.in_rootfs(file);
            match env.read_plain(&path) {
                Ok(bytes) => {
                    release = Some(parse(bytes).map_err(|e| e.at(&path))?);
                    break;
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Failure::io(path, e)),
            }
        }
        let Some(release) = release else {
            return Err(Failure::NoData("no os-release file".into()));
        };
        let get = |key: &str| {
            release.iter().rev().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str())
        };
        let labels = LABELS.map(|(label, key)| (label, get(key)));
        out.gauge("node_os_info", INFO_HELP, &labels, 1.0);
        if let Some(version) = major_minor(get("VERSION_ID")).filter(|v| *v > 0.0) {
            let labels = [("id", get("ID")), ("id_like", get("ID_LIKE")), ("name", get("NAME"))];
            let help = "Metric containing the major.minor part of the OS version.";
            out.gauge("node_os_version", help, &labels, version);
        }
        if !get("SUPPORT_END").is_empty() {
            let date: jiff::civil::Date = get("SUPPORT_END")
                .parse()
                .map_err(|_| Failure::Other("os-release: bad SUPPORT_END date".into()))?;
            let midnight = jiff::tz::TimeZone::UTC
                .to_timestamp(date.at(0, 0, 0, 0))
                .map_err(|e| Failure::Other(format!("os-release: SUPPORT_END: {e}")))?;
            let help = "Metric containing the end-of-life date timestamp of the OS.";
            let seconds = midnight.as_second();
            out.gauge("node_os_support_end_timestamp_seconds", help, &[], seconds as f64);
        }
        Ok(())
    }
}

/// `20.04.1` counts as 20.04.
fn major_minor(version: &str) -> Option<f64> {
    let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
    let whole = digits(version);
    let mut end = whole;
    if whole > 0 && version[whole..].starts_with('.') {
        end = whole + 1 + digits(&version[whole + 1..]);
    }
    version[..end].trim_end_matches('.').parse().ok()
}

/// Shell-like assignments: blank lines and comments are skipped, values may be quoted.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let mut pairs = Vec::new();
    for line in scan::text(input).lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=').ok_or_else(|| scan::bad("KEY=value", line))?;
        pairs.push((key.trim().to_owned(), unquote(value.trim())));
    }
    Ok(pairs)
}

fn unquote(value: &str) -> String {
    let quoted = |q: char| value.len() > 1 && value.starts_with(q) && value.ends_with(q);
    if quoted('\'') {
        return value[1..value.len() - 1].to_owned();
    }
    let inner = if quoted('"') { &value[1..value.len() - 1] } else { value };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { text.extend(chars.next()) } else { text.push(c) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_quotes() {
        assert_eq!(major_minor("20.04.1"), Some(20.04));
        assert_eq!(major_minor("12"), Some(12.0));
        assert_eq!(major_minor("rolling"), None);
        let pairs = parse(b"# c\nNAME=\"A \\\"b\\\"\"\nID='x'\nV=1\n").unwrap();
        assert_eq!(pairs[0].1, "A \"b\"");
        assert_eq!(pairs[1].1, "x");
        assert!(parse(b"x\n").is_err());
    }
}
