//! The same fakes asked by a real Prometheus.
