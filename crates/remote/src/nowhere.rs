//! An appender that takes everything and keeps nothing, for fuzzing what writes to one.

use gauntlet_model::{Exemplar, FloatHistogram, Histogram, Labels, Metadata, SeriesRef, Timestamp};
use gauntlet_storage::{AppendError, Appender};

pub(crate) struct NoAppender;

impl Appender for NoAppender {
    fn append(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Timestamp,
        _: f64,
    ) -> Result<SeriesRef, AppendError> {
        Ok(SeriesRef(1))
    }

    fn append_histogram(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Timestamp,
        _: Histogram,
    ) -> Result<SeriesRef, AppendError> {
        Ok(SeriesRef(1))
    }

    fn append_float_histogram(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Timestamp,
        _: FloatHistogram,
    ) -> Result<SeriesRef, AppendError> {
        Ok(SeriesRef(1))
    }

    fn append_exemplar(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: Exemplar,
    ) -> Result<(), AppendError> {
        Ok(())
    }

    fn update_metadata(
        &mut self,
        _: SeriesRef,
        _: &Labels,
        _: &Metadata,
    ) -> Result<(), AppendError> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), AppendError> {
        Ok(())
    }

    fn rollback(self: Box<Self>) {}
}
