//! Strict YAML in (line and column on every error) and out (stable key order).
