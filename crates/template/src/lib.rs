//! Go's template language and its HTML-escaping sibling, and the functions that Prometheus and Alertmanager add.
//!
//! A [`Set`] holds named templates; [`Set::parse`] adds a text's own tree and its definitions. [`Set::program`] makes
//! one of them ready to run (in HTML mode: finds the context of every value), [`Program::execute`] runs it as often as
//! wanted over a [`Value`], with a table of functions and [`Limits`]. Texts are parsed and executed as Go 1.26 does,
//! errors word for word (`golden/go/*-template.json` are the vectors). Page: docs/formats/templates.md.
//!
//! Nothing here does I/O but the look-up of time zones, and no clock is read but the one a caller hands over.

mod exec;
mod fmt;
mod func;
pub mod functions;
pub mod fuzz;
mod html;
mod json;
mod limits;
mod number;
mod parse;
mod set;
mod time;
mod unquote;
mod utf8;
mod value;

pub use func::{CallError, Context, Func, Funcs, Signature};
pub use json::to_json;
pub use limits::{Limit, Limits};
pub use parse::{MAX_NESTING, MAX_TEXT_BYTES};
pub use set::{MissingKey, Mode, Program, Set};
pub use time::{Time, Zone};
pub use value::{IntType, List, Map, Object, StrType, Type, Value};

/// Why a template could not be parsed or executed. The text is Go's where Go has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no template: `template: NAME:LINE: MESSAGE`.
    #[error("{0}")]
    Parse(String),
    /// Execution failed: `template: NAME:LINE:COLUMN: executing "NAME" at <NODE>: MESSAGE`.
    #[error("{0}")]
    Exec(String),
    /// HTML mode found no safe way to escape: `html/template:NAME:LINE:COLUMN: MESSAGE`.
    #[error("{0}")]
    Escape(String),
    /// One of the caller's limits was hit; the text says which and where.
    #[error("{1}")]
    Limit(Limit, String),
}
