//! Metric registry and logs.
