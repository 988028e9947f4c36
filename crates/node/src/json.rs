//! A reader of JSON for the test fixtures that two flags may name (queueing disciplines, wireless). Small inputs only; no writer.

use crate::error::Malformed;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Deeper nesting is refused.
const MAX_DEPTH: u32 = 32;

impl Json {
    pub(crate) fn parse(input: &[u8]) -> Result<Json, Malformed> {
        let text = std::str::from_utf8(input).map_err(|_| Malformed::new("JSON is not UTF-8"))?;
        let mut reader = Reader { rest: text };
        let value = reader.value(0)?;
        reader.blank();
        if reader.rest.is_empty() { Ok(value) } else { Err(reader.bad("the end")) }
    }

    pub(crate) fn items(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => &[],
        }
    }

    /// A field by name, letters in any case.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        let Json::Object(fields) = self else { return None };
        fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// A number, zero where absent.
    pub(crate) fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Json::Number(n)) => *n,
            _ => 0.0,
        }
    }

    /// A text, empty where absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Json::Text(text)) => text,
            _ => "",
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn bad(&self, expected: &str) -> Malformed {
        crate::scan::bad(expected, self.rest)
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blank();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: u32) -> Result<Json, Malformed> {
        if depth > MAX_DEPTH {
            return Err(self.bad("less nesting"));
        }
        if self.eat("{") {
            let mut fields = Vec::new();
            while !self.eat("}") {
                if !fields.is_empty() && !self.eat(",") {
                    return Err(self.bad("a comma"));
                }
                let name = self.string()?;
                if !self.eat(":") {
                    return Err(self.bad("a colon"));
                }
                fields.push((name, self.value(depth + 1)?));
            }
            return Ok(Json::Object(fields));
        }
        if self.eat("[") {
            let mut items = Vec::new();
            while !self.eat("]") {
                if !items.is_empty() && !self.eat(",") {
                    return Err(self.bad("a comma"));
                }
                items.push(self.value(depth + 1)?);
            }
            return Ok(Json::List(items));
        }
        for (word, value) in
            [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if self.eat(word) {
                return Ok(value);
            }
        }
        if self.rest.starts_with('"') {
            return self.string().map(Json::Text);
        }
        let number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let end = self.rest.find(|c| !number(c)).unwrap_or(self.rest.len());
        let value = crate::scan::f64(&self.rest[..end])?;
        self.rest = &self.rest[end..];
        Ok(Json::Number(value))
    }

    fn string(&mut self) -> Result<String, Malformed> {
        if !self.eat("\"") {
            return Err(self.bad("a string"));
        }
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(c @ ('"' | '\\' | '/')) => text.push(c),
                    _ => return Err(self.bad("a plain escape")),
                },
                _ => text.push(c),
            }
        }
        Err(self.bad("a closing quote"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_nonsense_is_refused() {
        let json = Json::parse(br#" [{"a": 1.5, "B": "x\"y", "c": [null, true]}] "#).unwrap();
        let first = &json.items()[0];
        assert_eq!((first.number("A"), first.text("b")), (1.5, "x\"y"));
        for text in ["", "[", "{\"a\" 1}", "[1 2]", "\"x", "[1] 2"] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Json::parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
