//! Remote write 1.0: all or nothing. Series without valid labels are left out, as upstream leaves them out; any other fault
//! refuses the request.

use gauntlet_model::{Exemplar, Labels, SeriesRef};
use gauntlet_storage::AppendError;
use gauntlet_wire::write::{Entry, SeriesV1, exemplar_v1, series_v1};
use tracing::{debug, warn};

use super::scratch::Lists;
use super::{
    Batch, LabelFault, ReceiveError, WriteReceiver, WriteReply, histogram_message, label_set,
};

impl WriteReceiver {
    pub(super) fn receive_v1(&self, body: &[u8], lists: &mut Lists) -> WriteReply {
        lists.clear();
        match self.write_v1(body, lists) {
            Ok(()) => WriteReply { status: 204, error: String::new(), written: None },
            Err(err) => WriteReply::refuse(err.status(), err.to_string()),
        }
    }

    fn write_v1(&self, body: &[u8], lists: &mut Lists) -> Result<(), ReceiveError> {
        let Lists { keys, known, fresh } = lists;
        // As many as if they were like the last ones.
        let mut series = Vec::with_capacity(keys.capacity().min(body.len() / 2));
        series_v1::<ReceiveError>(body, |one| {
            keys.push(one.raw_labels().map_or(0, |raw| self.cache_v1.key(raw)));
            series.push(one);
            Ok(())
        })?;
        self.cache_v1.find_all(keys, known);
        let mut work = Work { batch: self.batch(), fresh, invalid: 0, late_exemplars: 0 };
        for ((one, key), known) in series.iter().zip(&*keys).zip(&*known) {
            work.series(one, *key, *known)?;
        }
        let Work { batch, fresh, invalid, late_exemplars } = work;
        batch.appender.commit()?;
        self.cache_v1.put_all(fresh);
        if late_exemplars > 0 {
            let num_dropped = late_exemplars;
            warn!(component = "web", num_dropped, "Error on ingesting out-of-order exemplars");
        }
        if invalid > 0 {
            warn!(component = "web", series = invalid, "Invalid metric names or labels");
            self.metrics.invalid_labels.add(invalid);
        }
        Ok(())
    }
}

struct Work<'a> {
    batch: Batch<'a>,
    /// For the cache.
    fresh: &'a mut Vec<(u128, SeriesRef)>,
    invalid: u64,
    late_exemplars: u64,
}

impl Work<'_> {
    fn series(
        &mut self,
        one: &SeriesV1<'_>,
        key: u128,
        known: SeriesRef,
    ) -> Result<(), ReceiveError> {
        if known != SeriesRef(0)
            && let Some(sample) = one.only_sample()
        {
            let labels = Labels::empty();
            match self.batch.sample(known, &labels, sample.timestamp, sample.value) {
                // The series that the cache remembers is gone.
                Err(ReceiveError::Append(AppendError::EmptyLabels)) => {}
                taken => return taken.map(|_| ()),
            }
        }
        let mut labels = Labels::empty();
        let mut series = known;
        if series == SeriesRef(0) {
            match label_set(&mut one.labels()?) {
                Ok(found) => labels = found,
                Err(LabelFault::Invalid(got) | LabelFault::Duplicate(got, _)) => {
                    debug!(component = "web", got, "Invalid metric names or labels");
                    self.invalid += 1;
                    return Ok(());
                }
            }
        }
        one.each(|entry| {
            let taken = self.entry(entry, series, &labels);
            series = match taken {
                // The series that the cache remembers is gone.
                Err(ReceiveError::Append(AppendError::EmptyLabels)) if labels.is_empty() => {
                    labels = label_set(&mut one.labels()?).map_err(|_| AppendError::EmptyLabels)?;
                    self.entry(entry, SeriesRef(0), &labels)?
                }
                taken => taken?,
            };
            Ok::<(), ReceiveError>(())
        })?;
        if series != known && one.raw_labels().is_some() {
            self.fresh.push((key, series));
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: Entry<'_>,
        series: SeriesRef,
        labels: &Labels,
    ) -> Result<SeriesRef, ReceiveError> {
        match entry {
            Entry::Sample(sample) => {
                self.batch.sample(series, labels, sample.timestamp, sample.value)
            }
            Entry::Histogram(body) => {
                self.batch.histogram(series, labels, histogram_message(body)?)
            }
            Entry::Exemplar(body) => {
                let (mut pairs, value, t) = exemplar_v1(body)?;
                pairs.sort_unstable();
                let texts: Option<Vec<_>> = pairs
                    .iter()
                    .map(|(n, v)| {
                        Some((std::str::from_utf8(n).ok()?, std::str::from_utf8(v).ok()?))
                    })
                    .collect();
                let Some(texts) = texts.filter(|_| t <= self.batch.max_time) else {
                    return Ok(series);
                };
                let exemplar = Exemplar {
                    labels: Labels::from_pairs(texts),
                    value,
                    timestamp: (t != 0).then_some(t),
                };
                match self.batch.appender.append_exemplar(series, labels, exemplar) {
                    Err(AppendError::EmptyLabels) => return Err(AppendError::EmptyLabels.into()),
                    // Exemplars never fail a request.
                    Err(AppendError::OutOfOrderExemplar) => self.late_exemplars += 1,
                    _ => {}
                }
                Ok(series)
            }
        }
    }
}
