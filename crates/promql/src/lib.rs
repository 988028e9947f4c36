//! PromQL: lexer, parser, printer, planner, functions and engine.
//!
//! The crate does no I/O and needs no async runtime: it parses text to a tree, and evaluates a tree over
//! `gauntlet_storage` traits.

pub mod annotations;
pub mod ast;
pub mod functions;
mod text;

pub use annotations::{Annotation, Annotations};
pub use ast::{Expr, PosRange, ValueType};
pub use functions::{Function, FunctionId, function};
