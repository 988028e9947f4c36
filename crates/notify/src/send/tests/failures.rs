//! Failures: what is tried again, and in whose words.
