//! Finding targets.
