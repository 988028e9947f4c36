//! The words of the field as types: label set, matcher, sample, histogram, timestamp, duration, relabelling.
