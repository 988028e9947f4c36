//! Fakes, builders and script runners for tests.
