//! PromQL: lexer, parser, printer, planner, functions and engine.
//!
//! The crate does no I/O and needs no async runtime: it parses text to a tree, and evaluates a tree over
//! `gauntlet_storage` traits.

pub mod annotations;
pub mod ast;
mod check;
pub mod engine;
pub mod error;
pub mod functions;
pub mod json;
mod lexer;
mod literal;
pub mod parser;
pub mod printer;
pub mod roundtrip;
mod text;
mod token;

pub use annotations::{Annotation, Annotations};
pub use ast::{Expr, PosRange, ValueType};
pub use engine::{Engine, EngineOptions};
pub use error::{ParseError, ParseErrors};
pub use functions::{Function, FunctionId, function};
pub use parser::{
    ParserOptions, SeriesDescription, parse, parse_metric, parse_metric_selector,
    parse_series_description,
};
