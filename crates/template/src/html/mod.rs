//! html/template: finds where in HTML, CSS, JavaScript or a URL each value stands, and escapes it for that place.

mod text;

use crate::func::CallError;
use crate::set::Trees;
use crate::value::Value;

pub(crate) use text::{escape_html, escape_js, escape_query};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaper {}

impl Escaper {
    pub(crate) fn find(_name: &str) -> Option<Self> {
        None
    }

    pub(crate) fn call(self, _args: &[Value], _limit: usize) -> Result<Value, CallError> {
        match self {}
    }
}

pub(crate) fn escape(_trees: &Trees, _name: &str) -> Result<Trees, String> {
    Err("html/template: not there yet".to_owned())
}
