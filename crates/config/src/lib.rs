//! Whole configuration files composed of each component's own type.
