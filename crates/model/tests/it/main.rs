//! What takes the crate whole.

mod yaml_golden;
