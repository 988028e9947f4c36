//! A small XML reader: elements, attributes, text, for the answers of APIs that speak XML.
//!
//! Names lose their namespace prefix. Comments, processing instructions and a document type are skipped; entities are the five of
//! XML and character references, so that nothing can expand. Depth and the number of elements are bounded. Source: XML 1.0.

use std::borrow::Cow;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// Most elements of a document.
const MAX_ELEMENTS: usize = 4_000_000;

/// An element and what is in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Element<'a> {
    /// Without its prefix.
    pub(crate) name: &'a str,
    pub(crate) attributes: Vec<(&'a str, Cow<'a, str>)>,
    pub(crate) children: Vec<Element<'a>>,
    /// Its own text, entities resolved.
    pub(crate) text: Cow<'a, str>,
    /// Everything between its tags, as it is written.
    pub(crate) inner: &'a str,
}

impl<'a> Element<'a> {
    /// Reads a document; gives its one root.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0, elements: 0 };
        reader.skip_misc()?;
        if !reader.rest().starts_with('<') {
            return Err(reader.wrong("no root element"));
        }
        let root = reader.element(0)?;
        reader.skip_misc()?;
        if reader.rest().is_empty() { Ok(root) } else { Err(reader.wrong("text after the root")) }
    }

    /// Reads the bytes of an answer.
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Result<Self, String> {
        let text =
            std::str::from_utf8(bytes).map_err(|err| format!("cannot decode answer: {err}"))?;
        Self::parse(text.trim_start_matches('\u{feff}'))
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| &*child.text)
    }

    /// The text of a child; empty if there is none.
    pub(crate) fn str(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The text at the end of a path of children, as `a/b`.
    pub(crate) fn at(&self, path: &str) -> Option<&str> {
        match path.split_once('/') {
            Some((first, rest)) => self.child(first)?.at(rest),
            None => self.get(path),
        }
    }

    /// Children of a name.
    pub(crate) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Children `item` of the child `list`.
    pub(crate) fn items<'s>(&'s self, list: &str, item: &'s str) -> impl Iterator<Item = &'s Self> {
        self.child(list).into_iter().flat_map(move |list| list.all(item))
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| &**value)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    elements: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self, reason: &str) -> String {
        format!("cannot decode answer: XML: {reason} at byte {}", self.at)
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Goes behind the next `end`.
    fn skip_past(&mut self, end: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        let found = rest.find(end).ok_or_else(|| self.wrong(&format!("no {end:?}")))?;
        self.at += found + end.len();
        Ok(&rest[..found])
    }

    /// Space, comments, instructions and a document type.
    fn skip_misc(&mut self) -> Result<(), String> {
        loop {
            self.skip_space();
            let rest = self.rest();
            if rest.starts_with("<!--") {
                self.skip_past("-->")?;
            } else if rest.starts_with("<?") {
                self.skip_past("?>")?;
            } else if rest.starts_with("<!DOCTYPE") {
                if self.skip_past(">")?.contains('[') {
                    return Err(self.wrong("document type with declarations"));
                }
            } else {
                return Ok(());
            }
        }
    }

    /// A name without its prefix.
    fn name(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '>' | '/' | '=' | '<' | '"' | '\''))
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(self.wrong("no name"));
        }
        self.at += end;
        let name = &rest[..end];
        Ok(name.rsplit_once(':').map_or(name, |(_, local)| local))
    }

    fn element(&mut self, depth: usize) -> Result<Element<'a>, String> {
        self.elements += 1;
        if depth > MAX_DEPTH || self.elements > MAX_ELEMENTS {
            return Err(self.wrong("too deep or too many elements"));
        }
        self.at += 1;
        let mut element = Element { name: self.name()?, ..Element::default() };
        loop {
            self.skip_space();
            let rest = self.rest();
            if rest.starts_with("/>") {
                self.at += 2;
                return Ok(element);
            }
            if rest.starts_with('>') {
                self.at += 1;
                break;
            }
            let name = self.name()?;
            self.skip_space();
            if !self.rest().starts_with('=') {
                return Err(self.wrong("attribute without value"));
            }
            self.at += 1;
            self.skip_space();
            let quote = match self.rest().as_bytes().first() {
                Some(b'"') => "\"",
                Some(b'\'') => "'",
                _ => return Err(self.wrong("attribute without quotes")),
            };
            self.at += 1;
            let value = self.skip_past(quote)?;
            element.attributes.push((name, self.resolve(value)?));
        }
        let start = self.at;
        loop {
            let rest = self.rest();
            let Some(next) = rest.find('<') else { return Err(self.wrong("element not closed")) };
            if next > 0 {
                let text = self.resolve(&rest[..next])?;
                append(&mut element.text, text);
                self.at += next;
            }
            let rest = self.rest();
            if rest.starts_with("</") {
                element.inner = &self.text[start..self.at];
                self.at += 2;
                let name = self.name()?;
                if name != element.name {
                    return Err(self.wrong(&format!("<{}> closed by </{name}>", element.name)));
                }
                self.skip_space();
                if !self.rest().starts_with('>') {
                    return Err(self.wrong("no end of tag"));
                }
                self.at += 1;
                return Ok(element);
            }
            if rest.starts_with("<![CDATA[") {
                self.at += "<![CDATA[".len();
                let text = self.skip_past("]]>")?;
                append(&mut element.text, Cow::Borrowed(text));
            } else if rest.starts_with("<!--") {
                self.skip_past("-->")?;
            } else if rest.starts_with("<?") {
                self.skip_past("?>")?;
            } else {
                let child = self.element(depth + 1)?;
                element.children.push(child);
            }
        }
    }

    fn resolve(&self, text: &'a str) -> Result<Cow<'a, str>, String> {
        let Some(first) = text.find('&') else { return Ok(Cow::Borrowed(text)) };
        let mut out = String::from(&text[..first]);
        let mut rest = &text[first..];
        while let Some(at) = rest.find('&') {
            out.push_str(&rest[..at]);
            let (entity, after) =
                rest[at + 1..].split_once(';').ok_or_else(|| self.wrong("entity without end"))?;
            let number = |digits: &str, radix| {
                u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
            };
            let resolved = match entity {
                "lt" => Some('<'),
                "gt" => Some('>'),
                "amp" => Some('&'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                _ => match entity.strip_prefix("#x") {
                    Some(digits) => number(digits, 16),
                    None => entity.strip_prefix('#').and_then(|digits| number(digits, 10)),
                },
            };
            out.push(resolved.ok_or_else(|| self.wrong("unknown entity"))?);
            rest = after;
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }
}

fn append<'a>(to: &mut Cow<'a, str>, text: Cow<'a, str>) {
    if to.is_empty() {
        *to = text;
    } else {
        to.to_mut().push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_attributes_and_text_are_read() {
        let text = "<?xml version='1.0'?>\n<!-- c --><a x=\"1 &amp; 2\" y='3'> t&#65;<n:b>u</n:b><![CDATA[<v>]]><c/><b>w&lt;</b></a>\n";
        let root = Element::parse(text).unwrap();
        assert_eq!(
            (root.name, root.attribute("x"), root.attribute("y")),
            ("a", Some("1 & 2"), Some("3"))
        );
        assert_eq!(root.text, " tA<v>");
        let inner: Vec<&str> = root.all("b").map(|b| b.inner).collect();
        assert_eq!((root.str("b"), inner, root.str("c")), ("u", vec!["u", "w&lt;"], ""));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(100);
        for bad in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a x></a>",
            "<a x=1></a>",
            "<a>&b;</a>",
            "<a>&amp</a>",
            "<a/><b/>",
            "<a",
            "<a x='",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
            "<a><![CDATA[</a>",
            "< a/>",
            &deep,
        ] {
            assert!(Element::parse(bad).is_err(), "{bad}");
        }
    }
}
