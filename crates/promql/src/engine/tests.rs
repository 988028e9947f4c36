//! Engine tests over a small storage in memory; the conformance scripts run in `tests/it`.
