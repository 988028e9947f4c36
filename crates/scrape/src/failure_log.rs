//! `scrape_failure_log_file`: a line of JSON for every failed scrape, in the peer's shape. One file for all jobs that name it.
//!
//! `{"time":..,"level":"ERROR","source":"failure_log.rs","msg":why,"job_name":job,"target":URL}`. Files are opened at the first failure
//! and again after a reload, so that they can be moved away. A file that cannot be opened or written is named once in the log.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};

use parking_lot::Mutex;
use tracing::warn;

/// The open files, by path; `None` for one that failed.
#[derive(Debug, Default)]
pub(crate) struct FailureLogs {
    files: Mutex<BTreeMap<String, Option<File>>>,
}

impl FailureLogs {
    /// Closes all files; they are opened again when they are needed.
    pub(crate) fn reopen(&self) {
        self.files.lock().clear();
    }

    pub(crate) fn log(&self, path: &str, now_ms: i64, job: &str, target: &str, reason: &str) {
        let mut files = self.files.lock();
        let file = files.entry(path.to_owned()).or_insert_with(|| note(path, open(path)));
        let Some(open) = file else { return };
        let line = line(now_ms, job, target, reason);
        if note(path, open.write_all(line.as_bytes())).is_none() {
            *file = None;
        }
    }
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn note<T>(path: &str, done: io::Result<T>) -> Option<T> {
    done.map_err(|err| {
        warn!(component = "scrape", path, %err, "failed scrapes are not logged until the next reload");
    })
    .ok()
}

fn line(now_ms: i64, job: &str, target: &str, reason: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let mut out =
        format!("{{\"time\":\"{time:.3}\",\"level\":\"ERROR\",\"source\":\"failure_log.rs\"");
    for (name, value) in [("msg", reason), ("job_name", job), ("target", target)] {
        out.push_str(&format!(",\"{name}\":"));
        push_json(&mut out, value);
    }
    out.push_str("}\n");
    out
}

fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_peers_and_files_are_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("failed.json").display().to_string();
        let logs = FailureLogs::default();
        logs.log(&path, 1_795_527_457_988, "j", "http://x/metrics", "Get \"http://x\": refused");
        std::fs::rename(&path, format!("{path}.old")).unwrap();
        logs.reopen();
        logs.log(&path, 0, "j", "u", "a\nb");
        let old = std::fs::read_to_string(format!("{path}.old")).unwrap();
        let expect = r#"{"time":"2026-11-24T13:37:37.988Z","level":"ERROR","source":"failure_log.rs","msg":"Get \"http://x\": refused","job_name":"j","target":"http://x/metrics"}"#;
        assert_eq!(old, format!("{expect}\n"));
        assert!(std::fs::read_to_string(&path).unwrap().contains(r#""msg":"a\nb""#));
        logs.log("/nowhere/at/all", 0, "j", "u", "why");
    }
}
