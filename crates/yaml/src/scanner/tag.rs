//! Directives, anchors, aliases and tags.

use super::{Kind, Mark, Scanned, Scanner, Token, is_blank, is_blankz, is_breakz, is_word};

impl Scanner {
    /// `%YAML 1.1` or `%TAG ! prefix`, with its line.
    pub(super) fn directive(&mut self) -> Scanned<Token> {
        let start = self.mark;
        self.skip(1);
        let name = self.word();
        if name.is_empty() {
            return Err(self.fault("could not find expected directive name", start));
        }
        if !is_blankz(self.at(0)) {
            return Err(self.fault("found unexpected non-alphabetical character", start));
        }
        let kind = match name.as_str() {
            "YAML" => {
                self.skip_blanks();
                let major = self.version_number(start)?;
                if self.at(0) != '.' {
                    return Err(self.fault("did not find expected digit or '.' character", start));
                }
                self.skip(1);
                Kind::Version(major, self.version_number(start)?)
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.tag_handle(true, start)?;
                if !is_blank(self.at(0)) {
                    return Err(self.fault("did not find expected whitespace", start));
                }
                self.skip_blanks();
                let prefix = self.tag_uri("", start)?;
                if !is_blankz(self.at(0)) {
                    return Err(self.fault("did not find expected whitespace or line break", start));
                }
                Kind::TagDirective { handle, prefix }
            }
            _ => return Err(self.fault("found unknown directive name", start)),
        };
        let end = self.mark;
        self.skip_blanks();
        if self.at(0) == '#' {
            while !is_breakz(self.at(0)) {
                self.skip(1);
            }
        }
        if !is_breakz(self.at(0)) {
            return Err(self.fault("did not find expected comment or line break", start));
        }
        self.skip_line();
        Ok(Token { kind, start, end })
    }

    fn version_number(&mut self, start: Mark) -> Scanned<u32> {
        let mut digits = String::new();
        while self.at(0).is_ascii_digit() {
            if digits.len() == 9 {
                return Err(self.fault("found extremely long version number", start));
            }
            self.read(&mut digits);
        }
        digits.parse().map_err(|_| self.fault("did not find expected version number", start))
    }

    pub(super) fn anchor(&mut self, alias: bool) -> Scanned<Token> {
        let start = self.mark;
        self.skip(1);
        let name = self.word();
        if name.is_empty() || !(is_blankz(self.at(0)) || "?:,]}%@`".contains(self.at(0))) {
            let reason = "did not find expected alphabetic or numeric character";
            return Err(self.fault(reason, start));
        }
        let kind = if alias { Kind::Alias(name) } else { Kind::Anchor(name) };
        Ok(Token { kind, start, end: self.mark })
    }

    pub(super) fn tag(&mut self) -> Scanned<Token> {
        let start = self.mark;
        let (handle, suffix);
        if self.at(1) == '<' {
            self.skip(2);
            (handle, suffix) = (String::new(), self.tag_uri("", start)?);
            if self.at(0) != '>' {
                return Err(self.fault("did not find the expected '>'", start));
            }
            self.skip(1);
        } else {
            let found = self.tag_handle(false, start)?;
            if found.len() >= 2 && found.ends_with('!') {
                suffix = self.tag_uri("", start)?;
                handle = found;
            } else {
                // What looked like a handle is the start of the suffix of `!`; a lone `!` is a tag of its own.
                let rest = self.tag_uri(&found, start)?;
                (handle, suffix) = if rest.is_empty() {
                    (String::new(), "!".to_owned())
                } else {
                    ("!".to_owned(), rest)
                };
            }
        }
        let ended = is_blankz(self.at(0)) || (self.flow_level > 0 && self.at(0) == ',');
        if !ended {
            return Err(self.fault("did not find expected whitespace or line break", start));
        }
        Ok(Token { kind: Kind::Tag { handle, suffix }, start, end: self.mark })
    }

    fn tag_handle(&mut self, directive: bool, start: Mark) -> Scanned<String> {
        if self.at(0) != '!' {
            return Err(self.fault("did not find expected '!'", start));
        }
        let mut handle = String::new();
        self.read(&mut handle);
        handle.push_str(&self.word());
        if self.at(0) == '!' {
            self.read(&mut handle);
        } else if directive && handle != "!" {
            return Err(self.fault("did not find expected '!'", start));
        }
        Ok(handle)
    }

    /// The characters of a tag; `head` was read already, its first character aside.
    fn tag_uri(&mut self, head: &str, start: Mark) -> Scanned<String> {
        let mut bytes = head.as_bytes().get(1..).unwrap_or_default().to_vec();
        let mut empty = head.is_empty();
        loop {
            let c = self.at(0);
            if c == '%' {
                let digits = (self.at(1).to_digit(16), self.at(2).to_digit(16));
                let (Some(high), Some(low)) = digits else {
                    return Err(self.fault("did not find URI escaped octet", start));
                };
                bytes.push((high * 16 + low) as u8);
                self.skip(3);
            } else if is_word(c) || ";/?:@&=+$,.!~*'()[]".contains(c) {
                bytes.push(c as u8);
                self.skip(1);
            } else {
                break;
            }
            empty = false;
        }
        if empty {
            return Err(self.fault("did not find expected tag URI", start));
        }
        String::from_utf8(bytes)
            .map_err(|_| self.fault("found an incorrect leading UTF-8 octet", start))
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.at(0)) {
            self.read(&mut word);
        }
        word
    }

    fn skip_blanks(&mut self) {
        while is_blank(self.at(0)) {
            self.skip(1);
        }
    }
}
