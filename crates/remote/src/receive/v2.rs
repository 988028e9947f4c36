//! Remote write 2.0: what can be taken is taken, and the answer says how much. Only a fault of the storage refuses all.

use gauntlet_model::{Exemplar, Labels, Metadata, SeriesRef};
use gauntlet_storage::AppendError;
use gauntlet_wire::convert::metric_type_from_proto;
use gauntlet_wire::write::{MetadataV2, RawLabel, RequestV2, SeriesV2, exemplar_v2};
use hashbrown::HashMap;
use tracing::{debug, warn};

use super::scratch::Lists;
use super::{
    Batch, LabelFault, ReceiveError, WriteReceiver, WriteReply, Written, histogram_message,
    label_set,
};

/// Most faults named in an answer; more are counted.
const MAX_NAMED: usize = 1000;

impl WriteReceiver {
    pub(super) fn receive_v2(&self, body: &[u8], lists: &mut Lists) -> WriteReply {
        lists.clear();
        let reply = |status: u16, error: String, written: Written| WriteReply {
            status,
            error,
            written: Some(written),
        };
        let nothing = Written::default();
        let request = match RequestV2::new(body) {
            Ok(request) => request,
            Err(err) => return reply(400, err.to_string(), nothing),
        };
        let mut work = Work {
            receiver: self,
            batch: self.batch(),
            symbols: &request.symbols,
            typed: HashMap::default(),
            written: nothing,
            faults: Vec::new(),
            more_faults: 0,
            fresh: &mut lists.fresh,
            invalid: 0,
            without_metadata: 0,
        };
        if let Err(err) = work.all(&request, &mut lists.keys, &mut lists.known) {
            return reply(err.status(), err.to_string(), nothing);
        }
        let Work {
            batch, written, mut faults, more_faults, fresh, invalid, without_metadata, ..
        } = work;
        if let Err(err) = batch.appender.commit() {
            let err = ReceiveError::Append(err);
            return reply(err.status(), err.to_string(), nothing);
        }
        self.cache_v2.put_all(fresh);
        self.metrics.invalid_labels.add(invalid);
        self.metrics.without_metadata.add(without_metadata);
        if faults.is_empty() {
            return reply(204, String::new(), written);
        }
        let count = faults.len() + more_faults;
        warn!(component = "web", count, first = faults[0], "remote write was taken in part");
        if more_faults > 0 {
            faults.push(format!("and {more_faults} more"));
        }
        reply(400, faults.join("\n"), written)
    }
}

struct Work<'a, 'b> {
    receiver: &'a WriteReceiver,
    batch: Batch<'a>,
    symbols: &'b [&'b [u8]],
    /// Types and units by reference, where they become labels.
    typed: HashMap<(i32, u32), (String, String)>,
    written: Written,
    faults: Vec<String>,
    more_faults: usize,
    fresh: &'a mut Vec<(u128, SeriesRef)>,
    invalid: u64,
    without_metadata: u64,
}

impl<'b> Work<'_, 'b> {
    fn all(
        &mut self,
        request: &RequestV2<'b>,
        keys: &mut Vec<u128>,
        known: &mut Vec<SeriesRef>,
    ) -> Result<(), ReceiveError> {
        // Decoded first: a body that does not decode is refused whole.
        let cache = &self.receiver.cache_v2;
        let hashes: Vec<u128> = request.symbols.iter().map(|symbol| cache.key(symbol)).collect();
        let (mut series, mut joined) = (SeriesV2::default(), Vec::new());
        for body in &request.series {
            series.read(body)?;
            keys.push(self.key(&series, &hashes, &mut joined));
        }
        cache.find_all(keys, known);
        for ((body, key), known) in request.series.iter().zip(&*keys).zip(&*known) {
            series.read(body)?;
            self.series(&series, *key, *known)?;
        }
        Ok(())
    }

    /// What the series' labels are, as a number; 0 where they cannot be resolved.
    fn key(&self, series: &SeriesV2<'_>, hashes: &[u128], joined: &mut Vec<u8>) -> u128 {
        joined.clear();
        let metadata = &series.metadata;
        let typed = self.receiver.options.type_and_unit_labels.then_some(&metadata.unit_ref);
        for reference in series.labels_refs.iter().chain(typed) {
            let Some(hash) = hashes.get(*reference as usize) else { return 0 };
            joined.extend_from_slice(&hash.to_le_bytes());
        }
        if typed.is_some() {
            joined.extend_from_slice(&metadata.r#type.to_le_bytes());
        }
        self.receiver.cache_v2.key(joined)
    }

    fn fault(&mut self, text: impl FnOnce() -> String) {
        if self.faults.len() < MAX_NAMED {
            self.faults.push(text());
        } else {
            self.more_faults += 1;
        }
    }

    fn symbol(&self, reference: u32) -> Option<&'b [u8]> {
        self.symbols.get(reference as usize).copied()
    }

    /// Pairs of references as bytes, or upstream's words for why not.
    fn pairs(&self, refs: &[u32]) -> Result<Vec<RawLabel<'b>>, String> {
        if !refs.len().is_multiple_of(2) {
            return Err(format!("invalid labelRefs length {}", refs.len()));
        }
        let pairs = refs.chunks_exact(2);
        pairs
            .map(|pair| match (self.symbol(pair[0]), self.symbol(pair[1])) {
                (Some(name), Some(value)) => Ok((name, value)),
                _ => Err(format!(
                    "labelRefs {} (name) = {} (value) outside of symbols table (size {})",
                    pair[0],
                    pair[1],
                    self.symbols.len()
                )),
            })
            .collect()
    }

    fn labels(&mut self, series: &SeriesV2<'b>) -> Result<Labels, String> {
        let refs = &series.labels_refs;
        let mut pairs = self
            .pairs(refs)
            .map_err(|err| format!("parsing labels for series {}: {err}", go_list(refs)))?;
        let mut added = (String::new(), String::new());
        if self.receiver.options.type_and_unit_labels {
            let key = (series.metadata.r#type, series.metadata.unit_ref);
            added = match self.typed.get(&key) {
                Some(found) => found.clone(),
                None => {
                    let metadata = self.metadata(series)?;
                    let kind = match metadata.metric_type {
                        gauntlet_model::MetricType::Unknown => "",
                        known => known.as_str(),
                    };
                    let found = (kind.to_owned(), metadata.unit);
                    self.typed.insert(key, found.clone());
                    found
                }
            };
        }
        let (kind, unit) = &added;
        if !kind.is_empty() || !unit.is_empty() {
            pairs.retain(|(name, _)| *name != b"__type__" && *name != b"__unit__");
            pairs.push((b"__type__", kind.as_bytes()));
            pairs.push((b"__unit__", unit.as_bytes()));
        }
        match label_set(&mut pairs) {
            Ok(labels) => Ok(labels),
            Err(LabelFault::Invalid(got)) => {
                Err(format!("invalid metric name or labels, got {got}"))
            }
            Err(LabelFault::Duplicate(got, name)) => {
                Err(format!("invalid labels for series, labels {got}, duplicated label {name}"))
            }
        }
    }

    fn metadata(&self, series: &SeriesV2<'_>) -> Result<Metadata, String> {
        let wanted = &series.metadata;
        let text = |reference: u32, what: &str| match self.symbol(reference) {
            Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            None => Err(format!(
                "parsing metadata for series {}: metadata {what} {reference} outside of symbols table (size {})",
                go_list(&series.labels_refs),
                self.symbols.len()
            )),
        };
        Ok(Metadata {
            metric_type: metric_type_from_proto(wanted.r#type),
            unit: text(wanted.unit_ref, "unit_ref")?,
            help: text(wanted.help_ref, "help_ref")?,
        })
    }

    fn series(
        &mut self,
        series: &SeriesV2<'b>,
        key: u128,
        known: SeriesRef,
    ) -> Result<(), ReceiveError> {
        let count = series.samples.len() + series.histograms.len();
        let MetadataV2 { unit_ref, help_ref, .. } = series.metadata;
        let resolves = self.symbols.len() > unit_ref.max(help_ref) as usize;
        if known != SeriesRef(0) && count > 0 && resolves {
            let before = (self.written, self.faults.len());
            match self.entries(series, known, &Labels::empty()) {
                Ok(_) => return Ok(()),
                // The series that the cache remembers is gone: with labels from the start.
                Err(ReceiveError::Append(AppendError::EmptyLabels)) => {
                    self.written = before.0;
                    self.faults.truncate(before.1);
                }
                Err(err) => return Err(err),
            }
        }
        let labels = match self.labels(series) {
            Ok(labels) => labels,
            Err(text) => {
                self.invalid += count as u64;
                self.fault(|| text);
                return Ok(());
            }
        };
        if let Err(text) = self.metadata(series) {
            self.fault(|| text);
            return Ok(());
        }
        if count == 0 {
            self.fault(|| {
                format!(
                    "TimeSeries must contain at least one sample or histogram for series {labels}"
                )
            });
            return Ok(());
        }
        let found = self.entries(series, SeriesRef(0), &labels)?;
        if key != 0 && found != SeriesRef(0) {
            self.fresh.push((key, found));
        }
        Ok(())
    }

    /// The text of a fault of one series; its labels are known only where they had to be resolved.
    fn named(
        &self,
        what: impl std::fmt::Display,
        series: &SeriesV2<'_>,
        labels: &Labels,
    ) -> String {
        if !labels.is_empty() {
            return format!("{what} for series {labels}");
        }
        let mut pairs = self.pairs(&series.labels_refs).unwrap_or_default();
        match label_set(&mut pairs) {
            Ok(labels) => format!("{what} for series {labels}"),
            Err(_) => format!("{what} for series {}", super::shown(&pairs)),
        }
    }

    fn entries(
        &mut self,
        series: &SeriesV2<'b>,
        mut found: SeriesRef,
        labels: &Labels,
    ) -> Result<SeriesRef, ReceiveError> {
        let gone = |err: &ReceiveError| {
            matches!(err, ReceiveError::Append(AppendError::EmptyLabels)) && labels.is_empty()
        };
        let before = self.written;
        for sample in &series.samples {
            if self.receiver.options.zero_ingestion && sample.start != 0 && sample.timestamp != 0 {
                found = self.zero(found, labels, sample.timestamp, sample.start)?;
            }
            self.batch.appender.start_of_next(sample.start);
            match self.batch.sample(found, labels, sample.timestamp, sample.value) {
                Ok(series) => {
                    found = series;
                    self.written.samples += 1;
                }
                Err(err) if gone(&err) || err.status() >= 500 => return Err(err),
                Err(err) => {
                    let text = self.named(err, series, labels);
                    self.fault(|| text);
                }
            }
        }
        for body in &series.histograms {
            let message = histogram_message(body)?;
            match self.batch.histogram(found, labels, message) {
                Ok(series) => {
                    found = series;
                    self.written.histograms += 1;
                }
                Err(err) if gone(&err) || err.status() >= 500 => return Err(err),
                Err(err) => {
                    let text = self.named(err, series, labels);
                    self.fault(|| text);
                }
            }
        }
        for body in &series.exemplars {
            self.exemplar(body, series, found, labels)?;
        }
        if self.receiver.options.append_metadata
            && let Ok(metadata) = self.metadata(series)
            && let Err(err) = self.batch.appender.update_metadata(found, labels, &metadata)
        {
            debug!(component = "web", %err, "error while updating metadata from remote write");
            let (now, then) = (self.written, before);
            self.without_metadata +=
                (now.samples + now.histograms - then.samples - then.histograms) as u64;
        }
        Ok(found)
    }

    /// A zero where the counter began. One that comes too late was there before, or cannot be: neither is a fault.
    fn zero(
        &mut self,
        series: SeriesRef,
        labels: &Labels,
        t: i64,
        start: i64,
    ) -> Result<SeriesRef, ReceiveError> {
        if start >= t {
            return Ok(series);
        }
        match self.batch.appender.append_start_zero(series, labels, start, t) {
            Ok(series) => Ok(series),
            Err(AppendError::EmptyLabels) => Err(AppendError::EmptyLabels.into()),
            Err(_) => Ok(series),
        }
    }

    fn exemplar(
        &mut self,
        body: &'b [u8],
        series: &SeriesV2<'b>,
        found: SeriesRef,
        labels: &Labels,
    ) -> Result<(), ReceiveError> {
        let (refs, value, t) = exemplar_v2(body)?;
        let pairs = match self.pairs(&refs) {
            Ok(pairs) => pairs,
            Err(err) => {
                let text = self.named("parsing exemplar", series, labels);
                self.fault(|| format!("{text}: {err}"));
                return Ok(());
            }
        };
        let texts: Option<Vec<_>> = pairs
            .iter()
            .map(|(n, v)| Some((std::str::from_utf8(n).ok()?, std::str::from_utf8(v).ok()?)))
            .collect();
        let Some(texts) = texts.filter(|_| t <= self.batch.max_time) else { return Ok(()) };
        let exemplar =
            Exemplar { labels: Labels::from_pairs(texts), value, timestamp: (t != 0).then_some(t) };
        match self.batch.appender.append_exemplar(found, labels, exemplar) {
            Ok(()) | Err(AppendError::DuplicateExemplar) => self.written.exemplars += 1,
            Err(err @ AppendError::OutOfOrderExemplar) => {
                let text = self.named(err, series, labels);
                self.fault(|| text);
            }
            Err(AppendError::EmptyLabels) => return Err(AppendError::EmptyLabels.into()),
            Err(err) => debug!(component = "web", %err, "failed to ingest exemplar"),
        }
        Ok(())
    }
}

/// Numbers as Go prints a slice.
fn go_list(numbers: &[u32]) -> String {
    let all: Vec<String> = numbers.iter().map(u32::to_string).collect();
    format!("[{}]", all.join(" "))
}
