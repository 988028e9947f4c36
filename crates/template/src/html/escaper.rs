//! The escapers that end a pipeline. Each takes what the pipeline gave, and gives text that is safe in its place.

use super::js::Literal;
use super::{FAILSAFE, css, js, markup, url};
use crate::exec::too_large;
use crate::fmt::print;
use crate::func::CallError;
use crate::value::{StrType, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaper {
    Attr,
    Comment,
    Css,
    CssValue,
    HtmlName,
    Html,
    JsRegexp,
    JsString,
    JsTemplate,
    JsValue,
    NoSpace,
    Rcdata,
    Srcset,
    Url,
    UrlFilter,
    UrlNormal,
    /// Joins the operands of a predefined escaper.
    EvalArgs,
}

const NAMES: [(Escaper, &str); 17] = [
    (Escaper::Attr, "_html_template_attrescaper"),
    (Escaper::Comment, "_html_template_commentescaper"),
    (Escaper::Css, "_html_template_cssescaper"),
    (Escaper::CssValue, "_html_template_cssvaluefilter"),
    (Escaper::HtmlName, "_html_template_htmlnamefilter"),
    (Escaper::Html, "_html_template_htmlescaper"),
    (Escaper::JsRegexp, "_html_template_jsregexpescaper"),
    (Escaper::JsString, "_html_template_jsstrescaper"),
    (Escaper::JsTemplate, "_html_template_jstmpllitescaper"),
    (Escaper::JsValue, "_html_template_jsvalescaper"),
    (Escaper::NoSpace, "_html_template_nospaceescaper"),
    (Escaper::Rcdata, "_html_template_rcdataescaper"),
    (Escaper::Srcset, "_html_template_srcsetescaper"),
    (Escaper::Url, "_html_template_urlescaper"),
    (Escaper::UrlFilter, "_html_template_urlfilter"),
    (Escaper::UrlNormal, "_html_template_urlnormalizer"),
    (Escaper::EvalArgs, "_eval_args_"),
];

impl Escaper {
    pub(crate) fn find(name: &str) -> Option<Self> {
        if !name.starts_with('_') {
            return None;
        }
        NAMES.iter().find(|(_, n)| *n == name).map(|(escaper, _)| *escaper)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(escaper, _)| *escaper == self).map_or("", |(_, name)| name)
    }

    /// The function of the language that does the same, and stands in for it where it ends the pipeline already.
    pub(super) fn predefined(self) -> Option<&'static str> {
        match self {
            Self::Attr | Self::Html | Self::Rcdata => Some("html"),
            Self::Url | Self::UrlNormal => Some("urlquery"),
            _ => None,
        }
    }

    /// Whether `next` right after it changes nothing.
    pub(super) fn makes_redundant(self, next: Self) -> bool {
        match self {
            Self::Comment => matches!(next, Self::Attr | Self::Html),
            Self::Css | Self::JsRegexp | Self::JsString | Self::JsTemplate | Self::Url => {
                next == Self::Attr
            }
            _ => false,
        }
    }

    pub(crate) fn call(self, args: &[Value], limit: usize) -> Result<Value, CallError> {
        if self == Self::JsValue {
            return Ok(Value::string(js::value(args, limit)));
        }
        let (text, ty) = stringify(args, limit)?;
        let out = match self {
            Self::Html if ty == StrType::Html => text,
            Self::Html => markup::replace(&text, false),
            Self::Rcdata => markup::replace(&text, ty == StrType::Html),
            Self::Attr if ty == StrType::Html => markup::replace(&markup::strip_tags(&text), true),
            Self::Attr => markup::replace(&text, false),
            Self::NoSpace if text.is_empty() => FAILSAFE.into(),
            Self::NoSpace if ty == StrType::Html => {
                let stripped = markup::strip_tags(&text);
                if stripped.is_empty() {
                    stripped
                } else {
                    markup::replace_no_space(&stripped, true)
                }
            }
            Self::NoSpace => markup::replace_no_space(&text, false),
            Self::HtmlName if ty == StrType::HtmlAttr => text,
            Self::HtmlName => markup::filter_name(&text),
            Self::Comment => Vec::new(),
            Self::Css => css::escape(&text),
            Self::CssValue if ty == StrType::Css => text,
            Self::CssValue => css::filter_value(&text),
            Self::JsString if ty == StrType::JsStr => js::literal(&text, Literal::Normal),
            Self::JsString => js::literal(&text, Literal::String),
            Self::JsTemplate => js::literal(&text, Literal::Template),
            Self::JsRegexp => js::literal(&text, Literal::Regexp),
            Self::Srcset if ty == StrType::Srcset => text,
            Self::Srcset if ty == StrType::Url => {
                let normal = url::process(&text, true);
                String::from_utf8_lossy(&normal).replace(',', "%2c").into_bytes()
            }
            Self::Srcset => url::srcset(&text),
            Self::Url => url::process(&text, ty == StrType::Url),
            Self::UrlNormal => url::process(&text, true),
            Self::UrlFilter if ty == StrType::Url => return Ok(args[0].clone()),
            Self::UrlFilter if !url::is_safe(&text) => format!("#{FAILSAFE}").into_bytes(),
            Self::UrlFilter | Self::EvalArgs | Self::JsValue => text,
        };
        Ok(Value::string(out))
    }
}

/// The text of the operands, and its type if it is a single string. Nil is nothing.
fn stringify(args: &[Value], limit: usize) -> Result<(Vec<u8>, StrType), CallError> {
    if let [Value::Str(text, ty)] = args {
        return Ok((text.to_vec(), *ty));
    }
    let there: Vec<Value> =
        args.iter().filter(|a| !matches!(a, Value::Nil | Value::Missing)).cloned().collect();
    let text = match there.as_slice() {
        [one] => crate::exec::to_text(one, limit),
        several => print(several, limit),
    };
    text.map(|text| (text, StrType::String)).map_err(|_| too_large(limit))
}
