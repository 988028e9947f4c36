//! The query log: a line of JSON for each query that has ended, and the file of queries that are at work.
//! Page: docs/formats/query-log.md. Source: the peer's `promql/query_logger.go` and `util/logging/file.go`, read for the facts.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gauntlet_model::Timestamp;
use gauntlet_promql::engine::{AskedBy, QueryObserver, QueryRecord};
use gauntlet_runtime::{Clock, File, Fs};

use crate::query::push_stats;
use gauntlet_encoding::push_json_str;

/// Bytes of a place in `queries.active`, the comma at its end among them.
const ENTRY_BYTES: usize = 1000;
/// The file's name in the data folder.
const ACTIVE_FILE: &str = "queries.active";

/// Writes down what queries do: those that end to the query log, where there is one, those at work to the file of active ones.
pub struct QueryLog {
    clock: Arc<dyn Clock>,
    /// Open for appending; `None` where no log is wanted.
    log: Mutex<Option<std::fs::File>>,
    active: Option<Active>,
}

impl fmt::Debug for QueryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryLog").field("active", &self.active.is_some()).finish_non_exhaustive()
    }
}

impl QueryLog {
    /// Without a log and without a file of active queries.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, log: Mutex::new(None), active: None }
    }

    /// Keeps a file of active queries in `dir`, with `places` of them. Returns what the last process left unfinished, as JSON text.
    pub fn track_active(
        &mut self,
        fs: &dyn Fs,
        dir: &Path,
        places: usize,
    ) -> io::Result<Option<String>> {
        let path = dir.join(ACTIVE_FILE);
        let size = 1 + places * ENTRY_BYTES;
        let unfinished = match fs.exists(&path) {
            true => unfinished(&fs.read(&path, size as u64)?),
            false => None,
        };
        let file = fs.create(&path)?;
        file.write_at(&vec![0; size], 0)?;
        file.sync_all()?;
        file.write_at(b"[", 0)?;
        let free = Mutex::new((0..places as u64).rev().collect());
        self.active = Some(Active { file, free });
        Ok(unfinished)
    }

    /// Opens the log anew, so that a file that was moved away is let go; an empty path ends the log. On error the old one stays.
    pub fn reopen(&self, path: &Path) -> io::Result<()> {
        let file = match path.as_os_str().is_empty() {
            true => None,
            false => Some(std::fs::OpenOptions::new().append(true).create(true).open(path)?),
        };
        *lock(&self.log) = file;
        Ok(())
    }
}

impl QueryObserver for QueryLog {
    fn begin(&self, query: &str) -> u64 {
        let Some(active) = &self.active else { return u64::MAX };
        active.begin(query, self.clock.now_ms() / 1000)
    }

    fn end(&self, number: u64, record: &QueryRecord<'_>) {
        if let Some(active) = &self.active {
            active.end(number);
        }
        if let Some(log) = lock(&self.log).as_mut() {
            let line = line(self.clock.now_ms(), record);
            // A log that cannot be written takes no query with it.
            let _ = log.write_all(line.as_bytes());
        }
    }
}

/// The file of queries at work: `[`, then places of a thousand bytes, each empty (zeros) or a JSON object and, at its end, a comma.
/// What is written reaches the page cache at once, so that it outlives the process.
struct Active {
    file: Arc<dyn File>,
    free: Mutex<Vec<u64>>,
}

impl Active {
    fn begin(&self, query: &str, seconds: i64) -> u64 {
        // Queries wait for a place before they begin; further ones, of rules say, are not written down.
        let Some(place) = lock(&self.free).pop() else { return u64::MAX };
        let mut entry = entry(query, seconds);
        entry.resize(ENTRY_BYTES - 1, 0);
        entry.push(b',');
        let _ = self.file.write_at(&entry, offset(place));
        place
    }

    fn end(&self, place: u64) {
        if place == u64::MAX {
            return;
        }
        let _ = self.file.write_at(&[0; ENTRY_BYTES], offset(place));
        lock(&self.free).push(place);
    }
}

fn offset(place: u64) -> u64 {
    1 + place * ENTRY_BYTES as u64
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A query as JSON, cut so that it fits its place.
fn entry(query: &str, seconds: i64) -> Vec<u8> {
    let json = |query: &str| {
        let mut out = String::from("{\"query\":");
        push_json_str(&mut out, query);
        out.push_str(",\"timestamp_sec\":");
        out.push_str(&seconds.to_string());
        out.push('}');
        out
    };
    let room = ENTRY_BYTES - (json("").len() + 1);
    let mut end = query.len().min(room);
    loop {
        while !query.is_char_boundary(end) {
            end -= 1;
        }
        let text = json(&query[..end]);
        if text.len() < ENTRY_BYTES {
            return text.into_bytes();
        }
        // Escapes make text longer.
        end -= (text.len() - ENTRY_BYTES + 1).min(end);
    }
}

/// The queries in a file that a process left behind, as a JSON list; `None` if there are none.
fn unfinished(content: &[u8]) -> Option<String> {
    let bytes: Vec<u8> = content.iter().copied().filter(|byte| *byte != 0).collect();
    if bytes.len() < 2 || bytes[0] != b'[' {
        return None;
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    text.pop();
    text.push(']');
    Some(text)
}

/// One line of the log.
fn line(now_ms: Timestamp, record: &QueryRecord<'_>) -> String {
    let mut out = String::with_capacity(512);
    out.push_str("{\"time\":");
    push_json_str(&mut out, &date(now_ms));
    out.push_str(
        ",\"level\":\"INFO\",\"source\":\"query_log.rs\",\"msg\":\"promql query logged\",\"params\":{\"end\":",
    );
    push_json_str(&mut out, &date(record.end));
    out.push_str(",\"query\":");
    push_json_str(&mut out, &record.origin.query);
    out.push_str(",\"start\":");
    push_json_str(&mut out, &date(record.start));
    out.push_str(&format!(",\"step\":{}}}", record.step_ms / 1000));
    if let Some(error) = record.error {
        out.push_str(",\"error\":");
        push_json_str(&mut out, error);
    }
    out.push_str(",\"stats\":");
    let mut stats = String::new();
    push_stats(&mut stats, record.stats);
    // Of two ways in which Go prints small numbers, the log has the other one than the API.
    out.push_str(&stats.replace("e-0", "e-"));
    out.push_str(
        ",\"spanID\":\"0000000000000000\",\"traceID\":\"00000000000000000000000000000000\"",
    );
    match &record.origin.asked_by {
        AskedBy::Unknown => {}
        AskedBy::Http { client_ip, method, path } => {
            out.push_str(",\"httpRequest\":{\"clientIP\":");
            push_json_str(&mut out, client_ip);
            out.push_str(",\"method\":");
            push_json_str(&mut out, method);
            out.push_str(",\"path\":");
            push_json_str(&mut out, path);
            out.push('}');
        }
        AskedBy::RuleGroup { file, name } => {
            out.push_str(",\"ruleGroup\":{\"file\":");
            push_json_str(&mut out, file);
            out.push_str(",\"name\":");
            push_json_str(&mut out, name);
            out.push('}');
        }
    }
    out.push_str("}\n");
    out
}

/// A time as the log has it, to the millisecond.
fn date(t: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(t) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => t.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_promql::engine::{QueryOrigin, QueryStats, StepStats};
    use gauntlet_runtime::{ManualClock, SystemFs};

    fn log() -> QueryLog {
        QueryLog::new(Arc::new(ManualClock::new(1_795_523_762_957)))
    }

    fn ended(log: &QueryLog, number: u64, error: Option<&str>, by_step: Option<StepStats>) {
        let asked_by = AskedBy::Http {
            client_ip: "127.0.0.1".to_owned(),
            method: "GET".to_owned(),
            path: "/api/v1/query_range".to_owned(),
        };
        let origin = QueryOrigin { query: "up \"a\"".to_owned(), asked_by };
        let stats = QueryStats { by_step: by_step.map(Box::new), ..QueryStats::default() };
        let (start, end, step_ms) = (100_000, 200_500, 15_500);
        log.end(
            number,
            &QueryRecord { origin: &origin, start, end, step_ms, stats: &stats, error },
        );
    }

    #[test]
    fn lines_are_laid_out_as_upstreams() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.log");
        let log = log();
        ended(&log, u64::MAX, None, None);
        log.reopen(&path).unwrap();
        let steps = StepStats {
            start: 100_000,
            step_ms: 15_500,
            total_samples: vec![3, 4],
            read_samples: vec![3, 1],
        };
        ended(&log, u64::MAX, None, Some(steps));
        std::fs::rename(&path, dir.path().join("old")).unwrap();
        log.reopen(&path).unwrap();
        ended(&log, u64::MAX, Some("query timed out in query execution"), None);
        log.reopen(Path::new("")).unwrap();
        ended(&log, u64::MAX, None, None);
        let old = std::fs::read_to_string(dir.path().join("old")).unwrap();
        let head = r#"{"time":"2026-11-24T12:36:02.957Z","level":"INFO","source":"query_log.rs","msg":"promql query logged","params":{"end":"1970-01-01T00:03:20.500Z","query":"up \"a\"","start":"1970-01-01T00:01:40.000Z","step":15}"#;
        let timings = r#""timings":{"evalTotalTime":0,"resultSortTime":0,"queryPreparationTime":0,"innerEvalTime":0,"execQueueTime":0,"execTotalTime":0}"#;
        let tail = r#""spanID":"0000000000000000","traceID":"00000000000000000000000000000000","httpRequest":{"clientIP":"127.0.0.1","method":"GET","path":"/api/v1/query_range"}}"#;
        let samples = r#""samples":{"totalQueryableSamplesPerStep":[[100,3],[115.5,4]],"totalQueryableSamples":0,"samplesReadPerStep":[[100,3],[115.5,1]],"samplesRead":0,"peakSamples":0}"#;
        assert_eq!(old, format!("{head},\"stats\":{{{timings},{samples}}},{tail}\n"));
        let new = std::fs::read_to_string(&path).unwrap();
        let samples = r#""samples":{"totalQueryableSamples":0,"samplesRead":0,"peakSamples":0}"#;
        let error = r#""error":"query timed out in query execution""#;
        assert_eq!(new, format!("{head},{error},\"stats\":{{{timings},{samples}}},{tail}\n"));
    }

    #[test]
    fn queries_at_work_are_found_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = log();
        assert_eq!(first.track_active(&SystemFs, dir.path(), 2).unwrap(), None);
        let one = first.begin("up");
        let two = first.begin(&"\"ä".repeat(2000));
        assert_eq!(first.begin("no place"), u64::MAX);
        ended(&first, one, None, None);
        let mut second = log();
        let left = second.track_active(&SystemFs, dir.path(), 2).unwrap().unwrap();
        let left: serde_json::Value = serde_json::from_str(&left).unwrap();
        let query = left[0]["query"].as_str().unwrap();
        assert!(query.starts_with("\"ä\"ä") && query.len() > 600, "{query}");
        assert_eq!(
            (left.as_array().unwrap().len(), &left[0]["timestamp_sec"]),
            (1, &1_795_523_762_i64.into())
        );
        ended(&first, two, None, None);
        let size = std::fs::metadata(dir.path().join(ACTIVE_FILE)).unwrap().len();
        assert_eq!(size, 2001);
        assert_eq!(log().track_active(&SystemFs, dir.path(), 2).unwrap(), None);
    }
}
