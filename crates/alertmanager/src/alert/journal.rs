//! The alert journal `alerts.journal`: alerts outlive the process, so that a restart neither forgets what fires nor tells of an
//! end that was none. Page: docs/formats/alert-journal.md. The format is ours alone; upstream keeps alerts in memory only.
//!
//! | magic "GALJ" | version u32 be = 1 | frame* |    frame = | len u32 be | crc32c u32 be of payload | payload |
//! payload = kind u8, then 1: a whole alert; 2: fingerprint u64 be and times; 3: fingerprint u64 be of a forgotten alert; 4: a
//! time at which the process was alive.
//! A later frame overrides an earlier one of the same alert. A torn end is cut; a damaged frame costs itself.

use std::borrow::Borrow;
use std::io;
use std::path::Path;
use std::sync::Arc;

use gauntlet_encoding::{
    Cursor, DecodeError, crc32c, put_len_bytes, put_u32, put_u64, put_uvarint, put_varint,
};
use gauntlet_model::Labels;
use gauntlet_runtime::fs::Fs;
use hashbrown::HashMap;

use super::Alert;
use super::merge::Times;
use crate::durable::{AppendFile, Drained, set_aside};
use crate::labels::{Annotations, Fingerprint, fingerprint};
use crate::time::Time;

const MAGIC: &[u8; 4] = b"GALJ";
const VERSION: u32 = 1;
/// Largest file that is read back, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// Below this size a journal is not worth rewriting.
const REWRITE_FLOOR_BYTES: u64 = if cfg!(test) { 64 << 10 } else { 4 << 20 };

const ALERT: u8 = 1;
const TIMES: u8 = 2;
const FORGET: u8 = 3;
const ALIVE: u8 = 4;

/// The journal. Appending copies a few bytes; see [`AppendFile`] for when they are safe.
#[derive(Clone, Debug)]
pub struct AlertJournal {
    file: Arc<AppendFile>,
}

/// What a journal held.
#[derive(Debug, Default)]
pub struct Restored {
    pub alerts: Vec<Alert>,
    /// When the process that wrote it was alive last, as far as it said so; reports of alerts say so too.
    pub alive_at: Time,
    /// What was wrong with the file, for the log.
    pub damage: Vec<String>,
    /// The end was cut off in the middle of a record, as a crash leaves it.
    pub torn: bool,
}

impl AlertJournal {
    /// Reads the journal and opens it. A whole one is only added to, so that a full disk keeps nobody from starting; a torn
    /// end is cut by rewriting; a file with damage inside is kept beside it under another name.
    pub fn open(fs: Arc<dyn Fs>, path: &Path) -> io::Result<(Self, Restored)> {
        let mut restored = Restored::default();
        let mut whole = false;
        if fs.exists(path) {
            let bytes = fs.read(path, MAX_FILE_BYTES)?;
            restored = read(&bytes);
            whole = restored.damage.is_empty() && !restored.torn && !bytes.is_empty();
            if !restored.damage.is_empty() {
                let aside = set_aside(fs.as_ref(), path)?;
                restored.damage.push(format!("kept as {}", aside.display()));
            }
        }
        let file = match whole {
            true => AppendFile::open(fs, path)?,
            false => AppendFile::create(fs, path, &snapshot(restored.alerts.iter()))?,
        };
        Ok((Self { file: Arc::new(file) }, restored))
    }

    pub fn file(&self) -> &Arc<AppendFile> {
        &self.file
    }

    /// Notes a whole alert.
    pub fn alert(&self, alert: &Alert) -> u64 {
        let mut out = Vec::with_capacity(alert.labels.size_bytes() + 256);
        push_alert(&mut out, alert);
        self.file.append(&out)
    }

    /// Notes the times of a known alert: about 45 bytes.
    pub(crate) fn times(&self, fingerprint: Fingerprint, times: Times) -> u64 {
        let mut out = Vec::with_capacity(64);
        frame(&mut out, |out| {
            out.push(TIMES);
            put_u64(out, fingerprint.0);
            put_times(out, times);
        });
        self.file.append(&out)
    }

    /// Notes that an alert is gone.
    pub fn forget(&self, fingerprint: Fingerprint) -> u64 {
        let mut out = Vec::with_capacity(20);
        frame(&mut out, |out| {
            out.push(FORGET);
            put_u64(out, fingerprint.0);
        });
        self.file.append(&out)
    }

    /// Notes that the process is alive: what ran out before was not for want of a listener.
    pub fn alive(&self, now: Time) -> u64 {
        let mut out = Vec::with_capacity(24);
        frame(&mut out, |out| {
            out.push(ALIVE);
            put_time(out, now);
        });
        self.file.append(&out)
    }

    /// Whether the file has grown far beyond `live_bytes`, about the size a rewrite would give.
    pub fn wants_rewrite(&self, live_bytes: u64) -> bool {
        self.file.size_bytes() > REWRITE_FLOOR_BYTES.max(live_bytes.saturating_mul(4))
    }

    /// Rewrites the file; `make` gives the whole content and what it drained. Blocks.
    pub fn rewrite(&self, make: impl FnOnce() -> (Vec<u8>, Drained)) -> io::Result<u64> {
        self.file.rewrite(make)
    }
}

/// A whole file with these alerts.
pub(crate) fn snapshot<A: Borrow<Alert>>(alerts: impl Iterator<Item = A>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_u32(&mut out, VERSION);
    alerts.for_each(|alert| push_alert(&mut out, alert.borrow()));
    out
}

fn push_alert(out: &mut Vec<u8>, alert: &Alert) {
    frame(out, |out| {
        out.push(ALERT);
        put_uvarint(out, alert.labels.len() as u64);
        for (name, value) in alert.labels.iter() {
            put_len_bytes(out, name.as_bytes());
            put_len_bytes(out, value.as_bytes());
        }
        put_uvarint(out, alert.annotations.len() as u64);
        for (name, value) in alert.annotations.iter() {
            put_len_bytes(out, name.as_bytes());
            put_len_bytes(out, value.as_bytes());
        }
        put_len_bytes(out, alert.generator_url.as_bytes());
        put_times(out, alert.times());
    });
}

fn put_times(out: &mut Vec<u8>, times: Times) {
    for time in [times.starts_at, times.ends_at, times.updated_at] {
        put_time(out, time);
    }
    out.push(u8::from(times.timeout));
}

fn put_time(out: &mut Vec<u8>, time: Time) {
    put_varint(out, time.unix_secs());
    put_uvarint(out, u64::from(time.subsec_nanos()));
    put_varint(out, i64::from(time.offset_secs()));
}

fn read_time(cursor: &mut Cursor<'_>) -> Result<Time, DecodeError> {
    let secs = cursor.varint()?;
    let nanos = i64::try_from(cursor.uvarint()?).unwrap_or(0);
    let offset = i32::try_from(cursor.varint()?).unwrap_or(0);
    Ok(Time::from_unix(secs, nanos).with_offset(offset))
}

fn frame(out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    payload(out);
    let len = (out.len() - start - 8) as u32;
    let crc = crc32c(&out[start + 8..]);
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&crc.to_be_bytes());
}

/// Reads a whole file. Never fails: what cannot be read is told of.
fn read(bytes: &[u8]) -> Restored {
    let mut restored = Restored::default();
    let mut cursor = Cursor::new(bytes);
    if cursor.bytes(4).ok() != Some(MAGIC) || cursor.u32().ok() != Some(VERSION) {
        if !bytes.is_empty() {
            restored.damage.push("no journal of a known version".to_owned());
        }
        return restored;
    }
    let mut index: HashMap<Fingerprint, usize> = HashMap::new();
    let mut alerts: Vec<Option<Alert>> = Vec::new();
    while !cursor.is_empty() {
        let offset = cursor.offset();
        let Some((crc, payload)) = next_frame(&mut cursor) else {
            // What a crash leaves: the last write, in part. Nothing of it was acknowledged.
            restored.torn = true;
            break;
        };
        let sound = crc32c(payload) == crc;
        let record = if sound { record(payload) } else { None };
        let Some(record) = record else {
            restored.damage.push(format!("unreadable record at offset {offset}"));
            continue;
        };
        match record {
            Record::Alert(alert) => {
                let at = *index.entry(alert.fingerprint).or_insert_with(|| {
                    alerts.push(None);
                    alerts.len() - 1
                });
                alerts[at] = Some(alert);
            }
            Record::Times(fp, times) => {
                if let Some(Some(alert)) = index.get(&fp).map(|at| &mut alerts[*at]) {
                    times.apply(alert);
                }
            }
            Record::Alive(time) => restored.alive_at = restored.alive_at.max(time),
            Record::Forget(fp) => {
                if let Some(at) = index.remove(&fp) {
                    alerts[at] = None;
                }
            }
        }
    }
    restored.alerts = alerts.into_iter().flatten().collect();
    let reported = restored.alerts.iter().map(|alert| alert.updated_at).max();
    restored.alive_at = restored.alive_at.max(reported.unwrap_or(Time::ZERO));
    restored
}

fn next_frame<'a>(cursor: &mut Cursor<'a>) -> Option<(u32, &'a [u8])> {
    let len = cursor.u32().ok()?;
    let crc = cursor.u32().ok()?;
    Some((crc, cursor.bytes(len as usize).ok()?))
}

enum Record {
    Alert(Alert),
    Times(Fingerprint, RecordTimes),
    Forget(Fingerprint),
    Alive(Time),
}

struct RecordTimes {
    times: [Time; 3],
    timeout: bool,
}

impl RecordTimes {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let mut times = [Time::ZERO; 3];
        for time in &mut times {
            *time = read_time(cursor)?;
        }
        Ok(Self { times, timeout: cursor.u8()? != 0 })
    }

    fn apply(&self, alert: &mut Alert) {
        [alert.starts_at, alert.ends_at, alert.updated_at] = self.times;
        alert.timeout = self.timeout;
    }
}

/// `None` where the payload is none of ours.
fn record(payload: &[u8]) -> Option<Record> {
    let mut cursor = Cursor::new(payload);
    match cursor.u8().ok()? {
        TIMES => {
            let fp = Fingerprint(cursor.u64().ok()?);
            Some(Record::Times(fp, RecordTimes::read(&mut cursor).ok()?))
        }
        ALIVE => Some(Record::Alive(read_time(&mut cursor).ok()?)),
        FORGET => Some(Record::Forget(Fingerprint(cursor.u64().ok()?))),
        ALERT => {
            let labels = Labels::from_pairs(pairs(&mut cursor).ok()?);
            let annotations = Annotations::from_pairs(pairs(&mut cursor).ok()?);
            let generator_url = cursor.len_str().ok()?.into();
            let mut alert = Alert {
                fingerprint: fingerprint(&labels),
                labels,
                annotations,
                generator_url,
                starts_at: Time::ZERO,
                ends_at: Time::ZERO,
                updated_at: Time::ZERO,
                timeout: false,
            };
            RecordTimes::read(&mut cursor).ok()?.apply(&mut alert);
            Some(Record::Alert(alert))
        }
        _ => None,
    }
}

fn pairs<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<(&'a str, &'a str)>, DecodeError> {
    let count = cursor.uvarint_len()?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push((cursor.len_str()?, cursor.len_str()?));
    }
    Ok(pairs)
}

/// For the fuzzer: reads any bytes, and reads again what was read.
pub fn fuzz_records(bytes: &[u8]) {
    let first = read(bytes);
    let again = read(&snapshot(first.alerts.iter()));
    assert!(again.damage.is_empty() && again.alerts.len() == first.alerts.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_runtime::fs::SystemFs;

    fn alert(n: &str, ends: i64) -> Alert {
        let labels = Labels::from_pairs([("alertname", "A"), ("n", n)]);
        Alert {
            fingerprint: fingerprint(&labels),
            labels,
            annotations: Annotations::from_pairs([("summary", ""), ("x", "é")]),
            generator_url: "http://p".into(),
            starts_at: Time::from_unix(1, 2),
            ends_at: Time::from_unix(ends, 0),
            updated_at: Time::from_unix(3, 0),
            timeout: true,
        }
    }

    fn open(dir: &tempfile::TempDir) -> (AlertJournal, Restored) {
        AlertJournal::open(SystemFs::shared(), &dir.path().join("alerts.journal")).expect("open")
    }

    #[test]
    fn alerts_come_back_as_they_were_last() {
        let dir = tempfile::tempdir().expect("dir");
        let (journal, restored) = open(&dir);
        assert!(restored.alerts.is_empty() && restored.damage.is_empty());
        let (a, mut b) = (alert("a", 10), alert("b", 10));
        journal.alert(&a);
        journal.alert(&b);
        b.ends_at = Time::from_unix(99, 5);
        journal.times(b.fingerprint, b.times());
        journal.alive(Time::from_unix(50, 0));
        let end = journal.forget(a.fingerprint);
        journal.file().sync(end).expect("sync");
        let (_, restored) = open(&dir);
        assert_eq!((restored.alerts, restored.alive_at), (vec![b], Time::from_unix(50, 0)));
    }

    #[test]
    fn a_torn_end_is_cut_and_a_damaged_record_costs_itself() {
        let all = [alert("a", 1), alert("b", 2), alert("c", 3)];
        let whole = snapshot(all.iter());
        for cut in 0..whole.len() {
            let restored = read(&whole[..cut]);
            assert!(restored.alerts.len() <= 2 || cut == whole.len());
            assert!(restored.damage.len() <= 1);
        }
        let mut bad = whole.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 0xFF;
        let restored = read(&bad);
        assert_eq!((restored.alerts.len(), restored.damage.len()), (2, 1));
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("alerts.journal");
        std::fs::write(&path, &bad).expect("write");
        let (_, restored) = open(&dir);
        assert_eq!(restored.alerts.len(), 2);
        assert!(dir.path().join("alerts.journal.corrupt").exists());
        assert!(open(&dir).1.damage.is_empty());
    }

    #[test]
    fn the_seed_corpus_is_read() {
        for seed in
            [&b""[..], b"GALJ", b"GALJ\0\0\0\x01\0\0\0\x01", &snapshot([alert("a", 1)].iter())]
        {
            fuzz_records(seed);
        }
    }
}
