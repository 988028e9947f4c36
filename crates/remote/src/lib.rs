//! Remote read and write, both directions.
