//! Exposition formats, in and out.
