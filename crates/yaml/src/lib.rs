//! Strict YAML, in and out, with the meaning Go's YAML packages give it.
//!
//! In: [`Document::parse`] reads the first document into nodes that know their line and column; [`Mapping`] and [`FromYaml`]
//! turn nodes into configuration, refuse what is unknown or given twice, and go on after an error, so that one reading names
//! all problems. Out: [`Value`] printed in block style with the order of keys it was built with.
//! Left out: streams of several documents (Go reads the first alone), comments, and keeping the style of the input.

mod context;
mod decode;
mod document;
mod emit;
pub mod fuzz;
mod mapping;
mod parser;
mod scalar;
mod scanner;
mod value;

pub use context::{Context, Problem, ProblemKind, Problems};
pub use decode::{FromYaml, mismatch};
pub use document::{Dialect, Document, Kind, MAX_DEPTH, Node, Position, SyntaxError};
pub use emit::to_string;
pub use mapping::Mapping;
pub use scalar::{Scalar, Tag};
pub use value::{MapBuilder, ToYaml, Value};
