//! The bucket trait, its providers and wrappers.
