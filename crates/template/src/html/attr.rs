//! Attributes by what their value is.

use super::context::AttrKind;

/// What an attribute's value is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Plain,
    Css,
    Html,
    Js,
    Srcset,
    Unsafe,
    Url,
}

impl Content {
    /// The kind of a static attribute of this content.
    pub(super) fn kind(self) -> AttrKind {
        match self {
            Self::Url => AttrKind::Url,
            Self::Css => AttrKind::Style,
            Self::Js => AttrKind::Script,
            Self::Srcset => AttrKind::Srcset,
            Self::Plain | Self::Html | Self::Unsafe => AttrKind::None,
        }
    }
}

/// The content of an attribute by its lower-case name.
pub(super) fn content(name: &str) -> Content {
    let mut name = name;
    if let Some(custom) = name.strip_prefix("data-") {
        name = custom;
    } else if let Some((prefix, local)) = name.split_once(':') {
        if prefix == "xmlns" {
            return Content::Url;
        }
        name = local;
    }
    match name {
        "action" | "archive" | "background" | "cite" | "classid" | "codebase" | "data"
        | "formaction" | "href" | "icon" | "longdesc" | "manifest" | "poster" | "profile"
        | "src" | "usemap" | "xmlns" => Content::Url,
        "style" => Content::Css,
        "srcdoc" => Content::Html,
        "srcset" => Content::Srcset,
        "accept-charset" | "async" | "challenge" | "charset" | "content" | "crossorigin"
        | "defer" | "enctype" | "form" | "formenctype" | "formmethod" | "formnovalidate"
        | "http-equiv" | "keytype" | "language" | "method" | "novalidate" | "pattern" | "rel"
        | "sandbox" | "type" | "value" => Content::Unsafe,
        // Known ones that hold a telling word.
        "srclang" => Content::Plain,
        name if name.starts_with("on") => Content::Js,
        name if name.contains("src") || name.contains("uri") || name.contains("url") => {
            Content::Url
        }
        _ => Content::Plain,
    }
}

/// Whether a script of this `type` is JavaScript (or JSON); parameters do not count.
pub(super) fn is_js_type(mime: &[u8]) -> bool {
    let mime = String::from_utf8_lossy(mime).to_lowercase();
    let mime = mime.split(';').next().unwrap_or("").trim();
    matches!(
        mime,
        "" | "application/ecmascript"
            | "application/javascript"
            | "application/json"
            | "application/ld+json"
            | "application/x-ecmascript"
            | "application/x-javascript"
            | "module"
            | "text/ecmascript"
            | "text/javascript"
            | "text/javascript1.0"
            | "text/javascript1.1"
            | "text/javascript1.2"
            | "text/javascript1.3"
            | "text/javascript1.4"
            | "text/javascript1.5"
            | "text/jscript"
            | "text/livescript"
            | "text/x-ecmascript"
            | "text/x-javascript"
    )
}
