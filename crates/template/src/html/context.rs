//! Where in a document the text has come to. The names are Go's, which errors print.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// An enum whose variants have Go's names; the first one is the default.
macro_rules! states {
    ($(#[$doc:meta])* $type:ident { $first:ident = $first_name:literal,
        $($(#[$inner:meta])* $variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub(super) enum $type {
            #[default]
            $first,
            $($(#[$inner])* $variant),*
        }

        impl $type {
            pub(super) fn name(self) -> &'static str {
                match self {
                    Self::$first => $first_name,
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

states! {
    /// The tokenizer's state.
    State {
        Text = "stateText",
        Tag = "stateTag",
        AttrName = "stateAttrName",
        AfterName = "stateAfterName",
        BeforeValue = "stateBeforeValue",
        HtmlComment = "stateHTMLCmt",
        Rcdata = "stateRCDATA",
        Attr = "stateAttr",
        Url = "stateURL",
        Srcset = "stateSrcset",
        Js = "stateJS",
        JsDoubleQuoted = "stateJSDqStr",
        JsSingleQuoted = "stateJSSqStr",
        JsTemplate = "stateJSTmplLit",
        JsRegexp = "stateJSRegexp",
        JsBlockComment = "stateJSBlockCmt",
        JsLineComment = "stateJSLineCmt",
        JsHtmlOpenComment = "stateJSHTMLOpenCmt",
        JsHtmlCloseComment = "stateJSHTMLCloseCmt",
        Css = "stateCSS",
        CssDoubleQuoted = "stateCSSDqStr",
        CssSingleQuoted = "stateCSSSqStr",
        CssDoubleQuotedUrl = "stateCSSDqURL",
        CssSingleQuotedUrl = "stateCSSSqURL",
        CssUrl = "stateCSSURL",
        CssBlockComment = "stateCSSBlockCmt",
        CssLineComment = "stateCSSLineCmt",
        /// The `content` of a `meta` element, and the URL after `url=` in it.
        MetaContent = "stateMetaContent",
        MetaContentUrl = "stateMetaContentURL",
        /// Something before it cannot be read; the walk goes on, for what comes may say more.
        Error = "stateError",
        /// After break or continue.
        Dead = "stateDead",
    }
}

states! {
    /// What ends an attribute's value.
    Delim {
        None = "delimNone",
        DoubleQuote = "delimDoubleQuote",
        SingleQuote = "delimSingleQuote",
        SpaceOrTagEnd = "delimSpaceOrTagEnd",
    }
}

states! {
    UrlPart {
        None = "urlPartNone",
        PreQuery = "urlPartPreQuery",
        QueryOrFragment = "urlPartQueryOrFrag",
        Unknown = "urlPartUnknown",
    }
}

states! {
    /// Whether a `/` would start a regular expression or divide.
    JsCtx {
        Regexp = "jsCtxRegexp",
        DivOp = "jsCtxDivOp",
        Unknown = "jsCtxUnknown",
    }
}

states! {
    AttrKind {
        None = "attrNone",
        Script = "attrScript",
        ScriptType = "attrScriptType",
        Style = "attrStyle",
        Url = "attrURL",
        Srcset = "attrSrcset",
        MetaContent = "attrMetaContent",
    }
}

states! {
    /// Elements whose content or attributes are special.
    Element {
        None = "elementNone",
        Script = "elementScript",
        Style = "elementStyle",
        Textarea = "elementTextarea",
        Title = "elementTitle",
        Meta = "elementMeta",
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ctx {
    pub(super) state: State,
    pub(super) delim: Delim,
    pub(super) url_part: UrlPart,
    pub(super) js_ctx: JsCtx,
    /// Open braces within each `${` of template literals, the innermost last.
    pub(super) js_braces: Vec<i32>,
    pub(super) attr: AttrKind,
    pub(super) element: Element,
    /// In state `Error`: why.
    pub(super) trouble: Option<Shared>,
}

/// What is wrong, and where if that is known.
#[derive(Debug)]
pub(super) struct Trouble {
    /// `NAME:LINE:COLUMN`
    pub(super) place: Option<String>,
    /// 0 if unknown.
    pub(super) line: usize,
    pub(super) text: String,
}

impl Trouble {
    /// The error as Go prints it, of the template `name`.
    pub(super) fn message(&self, name: &str) -> String {
        let text = &self.text;
        match (&self.place, self.line) {
            (Some(place), _) => format!("html/template:{place}: {text}"),
            (None, 0) => format!("html/template:{name}: {text}"),
            (None, line) => format!("html/template:{name}:{line}: {text}"),
        }
    }
}

/// Contexts share their trouble: a loop around it adds to its text wherever it is seen.
#[derive(Clone, Debug)]
pub(super) struct Shared(pub(super) Rc<RefCell<Trouble>>);

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Shared {}

impl Ctx {
    pub(super) fn failed(place: Option<String>, text: impl Into<String>) -> Self {
        let trouble = Trouble { place, line: 0, text: text.into() };
        Self {
            state: State::Error,
            trouble: Some(Shared(Rc::new(RefCell::new(trouble)))),
            ..Self::default()
        }
    }

    /// In state `Error`: adds where the trouble shows.
    pub(super) fn blame(&self, line: usize, what: &str) {
        if let Some(Shared(trouble)) = &self.trouble {
            let mut trouble = trouble.borrow_mut();
            trouble.line = line;
            trouble.text.insert_str(0, what);
        }
    }

    pub(super) fn of(state: State, element: Element) -> Self {
        Self { state, element, ..Self::default() }
    }

    /// The name of a template as it is made for this context.
    pub(super) fn mangle(&self, name: &str) -> String {
        if self.state == State::Text {
            return name.to_owned();
        }
        let mut out = format!("{name}$htmltemplate_{}", self.state.name());
        let mut add = |part: &str| {
            out.push('_');
            out.push_str(part);
        };
        if self.delim != Delim::None {
            add(self.delim.name());
        }
        if self.url_part != UrlPart::None {
            add(self.url_part.name());
        }
        if self.js_ctx != JsCtx::Regexp {
            add(self.js_ctx.name());
        }
        if !self.js_braces.is_empty() {
            add(&format!("jsBraceDepth({})", braces(&self.js_braces)));
        }
        if self.attr != AttrKind::None {
            add(self.attr.name());
        }
        if self.element != Element::None {
            add(self.element.name());
        }
        out
    }

    /// Where a value that follows stands: it moves on from before a name or value into it.
    pub(super) fn nudged(mut self) -> Self {
        match self.state {
            State::Tag => self.state = State::AttrName,
            State::BeforeValue => {
                self.state = self.attr.start();
                self.delim = Delim::SpaceOrTagEnd;
                self.attr = AttrKind::None;
            }
            State::AfterName => {
                self.state = State::AttrName;
                self.attr = AttrKind::None;
            }
            _ => {}
        }
        self
    }
}

impl fmt::Display for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{{} {} {} {} {} {} {} <nil>}}",
            self.state.name(),
            self.delim.name(),
            self.url_part.name(),
            self.js_ctx.name(),
            braces(&self.js_braces),
            self.attr.name(),
            self.element.name()
        )
    }
}

fn braces(depths: &[i32]) -> String {
    let all: Vec<String> = depths.iter().map(i32::to_string).collect();
    format!("[{}]", all.join(" "))
}

impl State {
    pub(super) fn is_comment(self) -> bool {
        matches!(
            self,
            Self::HtmlComment
                | Self::JsBlockComment
                | Self::JsLineComment
                | Self::JsHtmlOpenComment
                | Self::JsHtmlCloseComment
                | Self::CssBlockComment
                | Self::CssLineComment
        )
    }

    pub(super) fn is_in_tag(self) -> bool {
        matches!(
            self,
            Self::Tag | Self::AttrName | Self::AfterName | Self::BeforeValue | Self::Attr
        )
    }

    pub(super) fn is_in_script_literal(self) -> bool {
        matches!(
            self,
            Self::JsDoubleQuoted | Self::JsSingleQuoted | Self::JsTemplate | Self::JsRegexp
        )
    }
}

impl AttrKind {
    /// The state at the start of such an attribute's value.
    pub(super) fn start(self) -> State {
        match self {
            Self::None | Self::ScriptType => State::Attr,
            Self::Script => State::Js,
            Self::Style => State::Css,
            Self::Url => State::Url,
            Self::Srcset => State::Srcset,
            Self::MetaContent => State::MetaContent,
        }
    }
}

impl Delim {
    pub(super) fn ends(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::DoubleQuote => b"\"",
            Self::SingleQuote => b"'",
            Self::SpaceOrTagEnd => b" \t\n\x0c\r>",
        }
    }
}

impl Element {
    pub(super) fn of(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"script" => Self::Script,
            b"style" => Self::Style,
            b"textarea" => Self::Textarea,
            b"title" => Self::Title,
            b"meta" => Self::Meta,
            _ => Self::None,
        }
    }

    /// The name in the end tag that alone ends the content.
    pub(super) fn end_marker(self) -> Option<&'static [u8]> {
        match self {
            Self::Script => Some(b"script"),
            Self::Style => Some(b"style"),
            Self::Textarea => Some(b"textarea"),
            Self::Title => Some(b"title"),
            Self::None | Self::Meta => None,
        }
    }

    /// The state of its content, after the start tag.
    pub(super) fn content(self) -> Ctx {
        match self {
            Self::Script => Ctx::of(State::Js, self),
            Self::Style => Ctx::of(State::Css, self),
            Self::Textarea | Self::Title => Ctx::of(State::Rcdata, self),
            Self::None | Self::Meta => Ctx::default(),
        }
    }
}
