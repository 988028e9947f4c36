//! Metrics that other programs leave in `*.prom` files.
//!
//! Families of one name from several files must agree in their help text. A file with a time stamp or a syntax error is refused
//! whole; the others are still shown, and `node_textfile_scrape_error` tells.

mod format;

pub(crate) use format::parse;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use format::{Family, Metric, Value};

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "textfile",
    default_on: true,
    reads: "*.prom in the given directories",
    families: "whatever the files hold, node_textfile_mtime_seconds, node_textfile_scrape_error",
    make: |settings| {
        let directories = settings.all("collector.textfile.directory");
        Ok(Box::new(Textfile {
            directories: directories.into_iter().map(str::to_owned).collect(),
            problems: Vec::new(),
        }))
    },
};

struct Textfile {
    directories: Vec<String>,
    /// What was wrong last time: a problem is logged when it is new.
    problems: Vec<String>,
}

/// A family and the file it came from.
struct Found {
    file: String,
    family: Family,
}

impl Collector for Textfile {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let mut problems = Vec::new();
        let mut found: Vec<Found> = Vec::new();
        let mut times: BTreeMap<String, i64> = BTreeMap::new();
        for directory in self.directories.iter().filter(|d| !d.is_empty()) {
            for path in expand(directory) {
                read_directory(env, &path, &mut found, &mut times, &mut problems);
            }
        }
        for row in unify_help(found, &mut problems) {
            show(out, &row);
        }
        let help = "Unixtime mtime of textfiles successfully read.";
        for (file, seconds) in &times {
            let labels = [("file", file.as_str())];
            out.gauge("node_textfile_mtime_seconds", help, &labels, *seconds as f64);
        }
        let help = "1 if there was an error opening or reading a file, 0 otherwise";
        let error = f64::from(u8::from(!problems.is_empty()));
        out.gauge("node_textfile_scrape_error", help, &[], error);
        for problem in problems.iter().filter(|p| !self.problems.contains(p)) {
            tracing::error!(collector = "textfile", %problem, "text file refused");
        }
        self.problems = problems;
        Ok(())
    }
}

fn read_directory(
    env: &mut Env,
    path: &str,
    found: &mut Vec<Found>,
    times: &mut BTreeMap<String, i64>,
    problems: &mut Vec<String>,
) {
    let names = match env.list(path) {
        Ok(names) => names,
        Err(e) => {
            return problems
                .push(format!("failed to read textfile collector directory {path:?}: {e}"));
        }
    };
    for name in names.iter().filter(|n| n.ends_with(".prom")) {
        let file = format!("{}/{name}", path.trim_end_matches('/'));
        match read_file(env, &file) {
            Ok((families, seconds)) => {
                times.insert(file.clone(), seconds);
                found.extend(
                    families.into_iter().map(|family| Found { file: file.clone(), family }),
                );
            }
            Err(problem) => problems.push(problem),
        }
    }
}

fn read_file(env: &mut Env, file: &str) -> Result<(Vec<Family>, i64), String> {
    let bytes = env
        .read_plain(file)
        .map_err(|e| format!("failed to open textfile data file {file:?}: {e}"))?;
    let families =
        parse(bytes).map_err(|e| format!("failed to parse textfile data from {file:?}: {e}"))?;
    if families.iter().any(|f| f.metrics.iter().any(|m| m.timestamp)) {
        return Err(format!(
            "textfile {file:?} contains unsupported client-side timestamps, skipping entire file"
        ));
    }
    let seconds = fs::metadata(file).map_err(|e| format!("failed to stat {file:?}: {e}"))?.mtime();
    Ok((families, seconds))
}

/// Drops families whose help differs from the first of their name, and gives help to those without.
fn unify_help(found: Vec<Found>, problems: &mut Vec<String>) -> Vec<Found> {
    let mut helps: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut kept = Vec::with_capacity(found.len());
    for row in found {
        let name = row.family.name.clone();
        if let (Some((first, clashed)), Some(help)) = (helps.get_mut(&name), &row.family.help)
            && (first != help || *clashed)
        {
            *clashed = true;
            problems.push(format!("inconsistent metric help text for {name} in {}", row.file));
            continue;
        }
        if let Some(help) = &row.family.help {
            helps.insert(name.clone(), (help.clone(), false));
        }
        files.entry(name).or_default().push(row.file.clone());
        kept.push(row);
    }
    for row in &mut kept {
        if row.family.help.is_none() {
            let from = files.get(&row.family.name).map(|f| f.join(", ")).unwrap_or_default();
            row.family.help = Some(format!("Metric read from {from}"));
        }
    }
    kept
}

/// Writes a family; every metric gets every label of the family, empty where it has none of its own.
fn show(out: &mut Exposition, row: &Found) {
    let family = &row.family;
    let help = family.help.as_deref().unwrap_or("");
    let id = out.family(&family.name, help, family.kind);
    if out.kind_of(&family.name) != Some(family.kind) {
        return tracing::debug!(family = %family.name, file = %row.file, "type clash between text files");
    }
    let mut names: Vec<&str> =
        family.metrics.iter().flat_map(|m| m.labels.iter().map(|(n, _)| n.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    for metric in &family.metrics {
        let label = |name: &str| {
            metric.labels.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
        };
        let labels: Vec<(&str, &str)> = names.iter().map(|n| (*n, label(n))).collect();
        put(out, id, family.kind, &labels, metric);
    }
}

fn put(
    out: &mut Exposition,
    id: crate::exposition::Family,
    kind: Kind,
    labels: &[(&str, &str)],
    metric: &Metric,
) {
    match &metric.value {
        Value::Plain(value) => out.put(id, labels, *value),
        Value::Compound { parts, sum, count } => {
            let (suffix, label) =
                if kind == Kind::Histogram { ("_bucket", "le") } else { ("", "quantile") };
            let mut parts = parts.clone();
            parts.sort_by(|a, b| a.0.total_cmp(&b.0));
            parts.dedup_by(|b, a| a.0 == b.0);
            let endless = parts.last().is_some_and(|p| p.0 == f64::INFINITY);
            if kind == Kind::Histogram && !endless {
                parts.push((f64::INFINITY, *count));
            }
            let bounds: Vec<String> =
                parts.iter().map(|(bound, _)| crate::number::text(*bound)).collect();
            let mut lines: Vec<crate::exposition::Part<'_>> = bounds
                .iter()
                .zip(&parts)
                .map(|(bound, (_, value))| (suffix, Some((label, bound.as_str())), *value))
                .collect();
            lines.push(("_sum", None, *sum));
            lines.push(("_count", None, *count));
            out.put_compound(id, labels, &lines);
        }
    }
}

/// Directories that a pattern means; a pattern without a match stands for itself.
fn expand(pattern: &str) -> Vec<String> {
    let mut found = vec![if pattern.starts_with('/') { "/".to_owned() } else { String::new() }];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        let wild = part.contains(['*', '?', '[']);
        let mut next = Vec::new();
        for base in &found {
            if !wild {
                next.push(format!("{base}{part}/"));
                continue;
            }
            let dir = if base.is_empty() { "." } else { base };
            let Ok(entries) = fs::read_dir(dir) else { continue };
            let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
            next.extend(
                names
                    .filter(|n| format::glob(part.as_bytes(), n.as_bytes()))
                    .map(|n| format!("{base}{n}/")),
            );
        }
        next.sort_unstable();
        found = next;
    }
    let found: Vec<String> = found.into_iter().filter(|p| fs::metadata(p).is_ok()).collect();
    if found.is_empty() { vec![pattern.to_owned()] } else { found }
}
