//! The Go template language for alert texts.
