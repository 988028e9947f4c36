//! The tokenizer: from a context and text to the context after some of it.

use super::attr::{self, is_js_type};
use super::context::{AttrKind, Ctx, Delim, Element, JsCtx, State, UrlPart};
use super::css::{decode_css, ends_with_url};
use super::js::next_js_ctx;
use crate::fmt::quoted;

/// The context after the first bytes of a text, and how many they are; or what is wrong with it.
pub(super) type Step = Result<(Ctx, usize), String>;

/// The context after as much of `s` (not empty) as one state covers.
pub(super) fn after_text(c: &Ctx, s: &[u8]) -> Step {
    if c.delim == Delim::None {
        let (ended, upto) = special_tag_end(c, s);
        if upto == 0 {
            return Ok((ended, 0));
        }
        return step(c, &s[..upto]);
    }
    let end = index_any(s, c.delim.ends());
    let value = &s[..end.unwrap_or(s.len())];
    if c.delim == Delim::SpaceOrTagEnd
        && let Some(bad) = index_any(value, b"\"'<=`")
    {
        let (bad, value) = (quoted(&value[bad..=bad]), quoted(value));
        return Err(format!("{bad} in unquoted attr: {value}"));
    }
    let Some(mut end) = end else {
        // Still within the value: it is looked at as the browser will, entities decoded.
        let decoded = super::markup::unescape(s);
        let mut rest = decoded.as_slice();
        let mut c = c.clone();
        while !rest.is_empty() {
            let (next, read) = step(&c, rest)?;
            if read == 0 && next.state == c.state {
                return Err(format!("cannot read attribute value {}", quoted(s)));
            }
            (c, rest) = (next, &rest[read.min(rest.len())..]);
        }
        return Ok((c, s.len()));
    };
    let mut element = c.element;
    if c.state == State::Attr
        && element == Element::Script
        && c.attr == AttrKind::ScriptType
        && !is_js_type(value)
    {
        element = Element::None;
    }
    if c.delim != Delim::SpaceOrTagEnd {
        end += 1;
    }
    Ok((Ctx::of(State::Tag, element), end))
}

/// One state's own view of `s`.
pub(super) fn step(c: &Ctx, s: &[u8]) -> Step {
    let mut c = c.clone();
    match c.state {
        State::Text => return Ok(text(c, s)),
        State::Tag => return tag(&c, s),
        State::AttrName => {
            let end = attr_name_end(s, 0)?;
            if end != s.len() {
                c.state = State::AfterName;
            }
            return Ok((c, end));
        }
        State::AfterName => {
            let at = white_space(s, 0);
            if at == s.len() {
                return Ok((c, at));
            }
            if s[at] != b'=' {
                c.state = State::Tag;
                return Ok((c, at));
            }
            c.state = State::BeforeValue;
            return Ok((c, at + 1));
        }
        State::BeforeValue => {
            let at = white_space(s, 0);
            if at == s.len() {
                return Ok((c, at));
            }
            let (delim, quote) = match s[at] {
                b'\'' => (Delim::SingleQuote, 1),
                b'"' => (Delim::DoubleQuote, 1),
                _ => (Delim::SpaceOrTagEnd, 0),
            };
            (c.state, c.delim) = (c.attr.start(), delim);
            return Ok((c, at + quote));
        }
        State::HtmlComment => {
            if let Some(at) = find(s, b"-->") {
                return Ok((Ctx::default(), at + 3));
            }
        }
        State::Rcdata => return Ok(special_tag_end(&c, s)),
        State::Url | State::Srcset => url(&mut c, s),
        State::Js => return js(c, s),
        State::JsDoubleQuoted | State::JsSingleQuoted | State::JsRegexp => {
            return js_delimited(c, s);
        }
        State::JsTemplate => return js_template(c, s),
        State::JsBlockComment | State::CssBlockComment => {
            if let Some(at) = find(s, b"*/") {
                c.state = if c.state == State::JsBlockComment { State::Js } else { State::Css };
                return Ok((c, at + 2));
            }
        }
        State::JsLineComment | State::JsHtmlOpenComment | State::JsHtmlCloseComment => {
            let line_end = index_any(s, b"\n\r");
            let separator = find(s, b"\xe2\x80\xa8").into_iter().chain(find(s, b"\xe2\x80\xa9"));
            if let Some(at) = line_end.into_iter().chain(separator).min() {
                c.state = State::Js;
                return Ok((c, at));
            }
        }
        State::CssLineComment => {
            if let Some(at) = index_any(s, b"\n\x0c\r") {
                c.state = State::Css;
                return Ok((c, at));
            }
        }
        State::Css => return Ok(css(c, s)),
        State::CssDoubleQuoted
        | State::CssSingleQuoted
        | State::CssDoubleQuotedUrl
        | State::CssSingleQuotedUrl
        | State::CssUrl => return css_string(c, s),
        State::MetaContent => {
            if let Some(at) = meta_url(s) {
                c.state = State::MetaContentUrl;
                return Ok((c, at));
            }
        }
        State::MetaContentUrl => {
            if let Some(at) = index_any(s, b";") {
                c.state = State::MetaContent;
                return Ok((c, at + 1));
            }
        }
        State::Attr | State::Error | State::Dead => {}
    }
    Ok((c, s.len()))
}

/// For elements whose content only their end tag ends: the context there, and where it is.
fn special_tag_end(c: &Ctx, s: &[u8]) -> (Ctx, usize) {
    // Within a script's strings an end tag is text; it is escaped there.
    let within = c.state.is_in_script_literal() || c.state.is_comment();
    if let Some(marker) = c.element.end_marker()
        && !(c.element == Element::Script && within)
        && let Some(at) = tag_end(s, marker)
    {
        return (Ctx::default(), at);
    }
    (c.clone(), s.len())
}

/// The first `</name` followed by something that ends a name.
fn tag_end(s: &[u8], name: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = find(&s[from..], b"</") {
        let at = from + at;
        let rest = &s[at + 2..];
        if rest.len() > name.len()
            && rest[..name.len()].eq_ignore_ascii_case(name)
            && b"> \t\n\x0c/".contains(&rest[name.len()])
        {
            return Some(at);
        }
        from = at + 2;
    }
    None
}

fn text(c: Ctx, s: &[u8]) -> (Ctx, usize) {
    let mut from = 0;
    loop {
        let Some(at) = index_any(&s[from..], b"<").map(|at| from + at) else {
            return (c, s.len());
        };
        let mut at = at;
        if at + 1 == s.len() {
            return (c, s.len());
        }
        if s[at..].starts_with(b"<!--") {
            return (Ctx::of(State::HtmlComment, Element::None), at + 4);
        }
        at += 1;
        let is_end = s[at] == b'/';
        if is_end {
            if at + 1 == s.len() {
                return (c, s.len());
            }
            at += 1;
        }
        let end = tag_name_end(s, at);
        if end != at {
            let element = if is_end { Element::None } else { Element::of(&s[at..end]) };
            return (Ctx::of(State::Tag, element), end);
        }
        from = end;
    }
}

/// Where the tag name that starts at `at` ends; `at` itself if there is none.
fn tag_name_end(s: &[u8], at: usize) -> usize {
    let mut end = at;
    if !s.get(end).is_some_and(u8::is_ascii_alphabetic) {
        return at;
    }
    end += 1;
    while let Some(byte) = s.get(end) {
        if byte.is_ascii_alphanumeric() {
            end += 1;
        } else if matches!(byte, b':' | b'-')
            && s.get(end + 1).is_some_and(u8::is_ascii_alphanumeric)
        {
            end += 2;
        } else {
            break;
        }
    }
    end
}

fn tag(c: &Ctx, s: &[u8]) -> Step {
    let at = white_space(s, 0);
    if at == s.len() {
        return Ok((c.clone(), at));
    }
    if s[at] == b'>' {
        return Ok((c.element.content(), at + 1));
    }
    let end = attr_name_end(s, at)?;
    if end == at {
        let rest = quoted(&s[at..]);
        return Err(format!("expected space, attr name, or end of tag, but got {rest}"));
    }
    let name = String::from_utf8_lossy(&s[at..end]).to_lowercase();
    let kind = match (c.element, name.as_str()) {
        (Element::Script, "type") => AttrKind::ScriptType,
        (Element::Meta, "content") => AttrKind::MetaContent,
        (_, name) => attr::content(name).kind(),
    };
    let state = if end == s.len() { State::AttrName } else { State::AfterName };
    Ok((Ctx { attr: kind, ..Ctx::of(state, c.element) }, end))
}

fn attr_name_end(s: &[u8], from: usize) -> Result<usize, String> {
    for (at, byte) in s.iter().enumerate().skip(from) {
        match byte {
            b' ' | b'\t' | b'\n' | 0x0c | b'\r' | b'=' | b'>' => return Ok(at),
            b'\'' | b'"' | b'<' => {
                let shown = quoted(&s[..crate::utf8::prefix_of_runes(s, 32)]);
                return Err(format!("{} in attribute name: {shown}", quoted(&[*byte])));
            }
            _ => {}
        }
    }
    Ok(s.len())
}

fn url(c: &mut Ctx, s: &[u8]) {
    if index_any(s, b"#?").is_some() {
        c.url_part = UrlPart::QueryOrFragment;
    } else if white_space(s, 0) != s.len() && c.url_part == UrlPart::None {
        c.url_part = UrlPart::PreQuery;
    }
}

fn js(mut c: Ctx, s: &[u8]) -> Step {
    let Some(mut at) = index_any(s, b"\"`'/{}<-#") else {
        c.js_ctx = next_js_ctx(s, c.js_ctx);
        return Ok((c, s.len()));
    };
    c.js_ctx = next_js_ctx(&s[..at], c.js_ctx);
    let rest = &s[at..];
    match s[at] {
        b'"' => (c.state, c.js_ctx) = (State::JsDoubleQuoted, JsCtx::Regexp),
        b'\'' => (c.state, c.js_ctx) = (State::JsSingleQuoted, JsCtx::Regexp),
        b'`' => (c.state, c.js_ctx) = (State::JsTemplate, JsCtx::Regexp),
        b'/' => match (rest.get(1), c.js_ctx) {
            (Some(b'/'), _) => (c.state, at) = (State::JsLineComment, at + 1),
            (Some(b'*'), _) => (c.state, at) = (State::JsBlockComment, at + 1),
            (_, JsCtx::Regexp) => c.state = State::JsRegexp,
            (_, JsCtx::DivOp) => c.js_ctx = JsCtx::Regexp,
            (_, JsCtx::Unknown) => {
                let shown = quoted(&rest[..crate::utf8::prefix_of_runes(rest, 32)]);
                return Err(format!("'/' could start a division or regexp: {shown}"));
            }
        },
        b'<' if rest.starts_with(b"<!--") => {
            (c.state, at) = (State::JsHtmlOpenComment, at + 3);
        }
        b'-' if rest.starts_with(b"-->") => (c.state, at) = (State::JsHtmlCloseComment, at + 2),
        b'#' if rest.starts_with(b"#!") => (c.state, at) = (State::JsLineComment, at + 1),
        b'{' => {
            if let Some(depth) = c.js_braces.last_mut() {
                *depth += 1;
            }
            c.js_ctx = JsCtx::Regexp;
        }
        b'}' => match c.js_braces.last_mut() {
            Some(0) => {
                c.js_braces.pop();
                c.state = State::JsTemplate;
            }
            depth => {
                if let Some(depth) = depth {
                    *depth -= 1;
                }
                c.js_ctx = JsCtx::Regexp;
            }
        },
        _ => {}
    }
    Ok((c, at + 1))
}

fn unfinished(language: &str, s: &[u8]) -> String {
    format!("unfinished escape sequence in {language} string: {}", quoted(s))
}

fn js_template(mut c: Ctx, s: &[u8]) -> Step {
    let mut from = 0;
    while let Some(at) = index_any(&s[from..], b"`\\$") {
        let mut at = from + at;
        match s[at] {
            b'\\' => {
                at += 1;
                if at == s.len() {
                    return Err(unfinished("JS", s));
                }
            }
            b'$' if s.get(at + 1) == Some(&b'{') => {
                c.js_braces.push(0);
                c.state = State::Js;
                return Ok((c, at + 2));
            }
            b'`' => {
                c.state = State::Js;
                return Ok((c, at + 1));
            }
            _ => {}
        }
        from = at + 1;
    }
    Ok((c, s.len()))
}

fn js_delimited(mut c: Ctx, s: &[u8]) -> Step {
    let specials: &[u8] = match c.state {
        State::JsSingleQuoted => b"\\'",
        State::JsRegexp => b"\\/[]",
        _ => b"\\\"",
    };
    let mut from = 0;
    let mut in_charset = false;
    while let Some(at) = s.get(from..).and_then(|rest| index_any(rest, specials)) {
        let mut at = from + at;
        match s[at] {
            b'\\' => {
                at += 1;
                if at == s.len() {
                    return Err(unfinished("JS", s));
                }
            }
            b'[' => in_charset = true,
            b']' => in_charset = false,
            b'/' if at > 0
                && s.len() >= at + 7
                && s[at - 1..at + 7].eq_ignore_ascii_case(b"</script") =>
            {
                at += 1;
            }
            _ if !in_charset => {
                (c.state, c.js_ctx) = (State::Js, JsCtx::DivOp);
                return Ok((c, at + 1));
            }
            _ => {}
        }
        from = at + 1;
    }
    if in_charset {
        return Err(format!("unfinished JS regexp charset: {}", quoted(s)));
    }
    Ok((c, s.len()))
}

fn css(mut c: Ctx, s: &[u8]) -> (Ctx, usize) {
    const SPACE: &[u8] = b"\t\n\x0c\r ";
    let mut from = 0;
    while let Some(at) = index_any(&s[from..], b"(\"'/") {
        let at = from + at;
        match s[at] {
            b'(' => {
                let before = &s[..at];
                let trimmed = before.iter().rev().take_while(|b| SPACE.contains(b)).count();
                if ends_with_url(&before[..at - trimmed]) {
                    let spaces = s[at + 1..].iter().take_while(|b| SPACE.contains(b)).count();
                    let start = at + 1 + spaces;
                    let (state, quote) = match s.get(start) {
                        Some(b'"') => (State::CssDoubleQuotedUrl, 1),
                        Some(b'\'') => (State::CssSingleQuotedUrl, 1),
                        _ => (State::CssUrl, 0),
                    };
                    c.state = state;
                    return (c, start + quote);
                }
            }
            b'/' => {
                let comment = match s.get(at + 1) {
                    Some(b'/') => Some(State::CssLineComment),
                    Some(b'*') => Some(State::CssBlockComment),
                    _ => None,
                };
                if let Some(state) = comment {
                    c.state = state;
                    return (c, at + 2);
                }
            }
            quote => {
                c.state =
                    if quote == b'"' { State::CssDoubleQuoted } else { State::CssSingleQuoted };
                return (c, at + 1);
            }
        }
        from = at + 1;
    }
    (c, s.len())
}

fn css_string(mut c: Ctx, s: &[u8]) -> Step {
    let ends: &[u8] = match c.state {
        State::CssDoubleQuoted | State::CssDoubleQuotedUrl => b"\\\"",
        State::CssSingleQuoted | State::CssSingleQuotedUrl => b"\\'",
        _ => b"\\\t\n\x0c\r )",
    };
    let mut from = 0;
    while let Some(at) = index_any(&s[from..], ends) {
        let mut at = from + at;
        if s[at] != b'\\' {
            c.state = State::Css;
            return Ok((c, at + 1));
        }
        at += 1;
        if at == s.len() {
            return Err(unfinished("CSS", s));
        }
        url(&mut c, &decode_css(&s[..=at]));
        from = at + 1;
    }
    url(&mut c, &decode_css(&s[from..]));
    Ok((c, s.len()))
}

/// After the first `url =` of a meta element's content.
fn meta_url(s: &[u8]) -> Option<usize> {
    (0..s.len().saturating_sub(3)).find_map(|at| {
        let is_word = s[at..at + 3].eq_ignore_ascii_case(b"url");
        let sign = white_space(s, at + 3);
        (is_word && s.get(sign) == Some(&b'=')).then_some(sign + 1)
    })
}

fn white_space(s: &[u8], from: usize) -> usize {
    from + s[from..].iter().take_while(|b| b" \t\n\x0c\r".contains(b)).count()
}

pub(super) fn index_any(s: &[u8], set: &[u8]) -> Option<usize> {
    s.iter().position(|b| set.contains(b))
}

pub(super) fn find(s: &[u8], what: &[u8]) -> Option<usize> {
    s.windows(what.len()).position(|w| w == what)
}
