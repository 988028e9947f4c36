//! html/template: finds where in HTML, CSS, JavaScript or a URL each value stands, and escapes it for that place.
//!
//! [`escape`] walks a template's text with a tokenizer that knows no more than it must ([`transition`]), and ends every
//! pipeline with the escapers of its context ([`Escaper`]). A template called from several contexts is made anew for
//! each. Of HTML's named entities only those of ASCII characters are decoded when attribute values are looked into.

mod attr;
mod context;
mod css;
mod escape;
mod escaper;
mod js;
mod markup;
mod text;
mod transition;
mod url;

pub(crate) use escape::escape;
pub(crate) use escaper::Escaper;
pub(crate) use text::{escape_html, escape_js, escape_query};

/// What stands where a value was not safe: greppable, and harmless everywhere.
const FAILSAFE: &str = "ZgotmplZ";
