//! Escapes and character classes of a pattern.

use regex_syntax::hir::ClassUnicode;

use super::{MAX_RANGES, Node, Parser, Result1, Surrogate, check_utf8, fault, leaf};
use crate::regex::class;
use crate::regex::{ErrorKind, RegexError};

impl<'a> Parser<'a> {
    /// A backslash outside of brackets.
    pub(super) fn escape(&mut self) -> Result1<()> {
        let whole = self.rest;
        let node = match whole.get(1) {
            Some(b'A') => Node::BeginText,
            Some(b'b') => Node::WordBoundary,
            Some(b'B') => Node::NotWordBoundary,
            Some(b'z') => Node::EndText,
            Some(b'C') => return Err(RegexError::new(ErrorKind::Escape, &whole[..2])),
            Some(b'Q') => return self.quoted(),
            Some(b'p' | b'P') => return self.class_escape(Self::unicode_class),
            Some(&letter) if class::perl(letter).is_some() => {
                return self.class_escape(Self::perl_class);
            }
            _ => {
                let code = self.char_escape()?;
                return match (char::from_u32(code), self.surrogate) {
                    (Some(c), _) => self.literal(c),
                    (None, Surrogate::Replaced) => self.literal(char::REPLACEMENT_CHARACTER),
                    (None, Surrogate::Nothing) => {
                        self.push(leaf(Node::Class(Box::new(ClassUnicode::empty()))))
                    }
                };
            }
        };
        self.rest = &whole[2..];
        self.push(leaf(node))
    }

    /// `\Q...\E`: everything between is literal; without `\E` to the end.
    fn quoted(&mut self) -> Result1<()> {
        let body = &self.rest[2..];
        let (text, after) = match body.windows(2).position(|w| w == b"\\E") {
            Some(end) => (&body[..end], &body[end + 2..]),
            None => (body, &body[body.len()..]),
        };
        for c in check_utf8(text)?.chars() {
            self.literal(c)?;
        }
        self.rest = after;
        Ok(())
    }

    fn class_escape(&mut self, read: fn(&mut Self) -> Result1<ClassUnicode>) -> Result1<()> {
        let class = read(self)?;
        self.push_class(class)
    }

    fn push_class(&mut self, class: ClassUnicode) -> Result1<()> {
        self.ranges += class.ranges().len();
        if self.ranges > MAX_RANGES {
            return Err(RegexError::new(ErrorKind::Large, self.pattern));
        }
        self.push(leaf(Node::Class(Box::new(class))))
    }

    fn perl_class(&mut self) -> Result1<ClassUnicode> {
        let (class, negated) = class::perl(self.rest[1]).expect("BUG: not a Perl class");
        self.rest = &self.rest[2..];
        Ok(self.group_class(class, negated))
    }

    fn group_class(&self, mut class: ClassUnicode, negated: bool) -> ClassUnicode {
        if self.flags.fold {
            class::fold(&mut class);
        }
        if negated {
            class.negate();
        }
        class
    }

    /// `\pL`, `\PL`, `\p{Name}`, `\p{^Name}`.
    fn unicode_class(&mut self) -> Result1<ClassUnicode> {
        let whole = self.rest;
        let mut negated = whole[1] == b'P';
        self.rest = &whole[2..];
        if self.rest.is_empty() {
            return Err(RegexError::new(ErrorKind::CharRange, whole));
        }
        let first = self.next_char()?;
        let mut single = [0; 4];
        let name: &str = if first == '{' {
            let Some(end) = whole.iter().position(|b| *b == b'}') else {
                check_utf8(whole)?;
                return Err(RegexError::new(ErrorKind::CharRange, whole));
            };
            self.rest = &whole[end + 1..];
            check_utf8(&whole[3..end])?
        } else {
            first.encode_utf8(&mut single)
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                negated = !negated;
                name
            }
            None => name,
        };
        let class = class::unicode(name, self.dialect)
            .ok_or_else(|| fault(ErrorKind::CharRange, whole, self.rest))?;
        Ok(self.group_class(class, negated))
    }

    /// `[...]`
    pub(super) fn bracket_class(&mut self) -> Result1<()> {
        let whole = self.rest;
        self.rest = &self.rest[1..];
        let negated = self.rest.first() == Some(&b'^');
        if negated {
            self.rest = &self.rest[1..];
        }
        let mut class = ClassUnicode::empty();
        let mut first = true;
        while first || self.rest.first() != Some(&b']') {
            first = false;
            if let Some(group) = self.class_group()? {
                self.ranges += group.ranges().len();
                if self.ranges > MAX_RANGES {
                    return Err(RegexError::new(ErrorKind::Large, self.pattern));
                }
                class.union(&group);
                continue;
            }
            let start = self.rest;
            let lo = self.class_char(whole)?;
            let mut hi = lo;
            if let [b'-', next, ..] = self.rest
                && *next != b']'
            {
                self.rest = &self.rest[1..];
                hi = self.class_char(whole)?;
                if hi < lo {
                    return Err(fault(ErrorKind::CharRange, start, self.rest));
                }
            } else if self.rest == b"-" {
                // `[a-` at the very end: the dash is a character, then the bracket is missing.
                return Err(RegexError::new(ErrorKind::MissingBracket, whole));
            }
            class::push_range(&mut class, lo, hi);
        }
        self.rest = &self.rest[1..];
        if self.flags.fold {
            class::fold(&mut class);
        }
        if negated {
            class.negate();
        }
        self.push_class(class)
    }

    /// A class inside brackets: `[:alpha:]`, `\d`, `\pL`. Folded where the flags say so.
    fn class_group(&mut self) -> Result1<Option<ClassUnicode>> {
        match self.rest {
            [b'[', b':', after @ ..] => {
                let Some(end) = after.windows(2).position(|w| w == b":]") else { return Ok(None) };
                let text = &self.rest[..end + 4];
                let (class, negated) = class::posix(&after[..end])
                    .ok_or_else(|| RegexError::new(ErrorKind::CharRange, text))?;
                self.rest = &self.rest[end + 4..];
                Ok(Some(self.group_class(class, negated)))
            }
            [b'\\', b'p' | b'P', ..] => self.unicode_class().map(Some),
            [b'\\', letter, ..] if class::perl(*letter).is_some() => self.perl_class().map(Some),
            _ => Ok(None),
        }
    }

    fn class_char(&mut self, whole: &'a [u8]) -> Result1<u32> {
        match self.rest.first() {
            None => Err(RegexError::new(ErrorKind::MissingBracket, whole)),
            Some(b'\\') => self.char_escape(),
            Some(_) => self.next_char().map(u32::from),
        }
    }

    /// A backslash and what it stands for, one code point (maybe a surrogate).
    fn char_escape(&mut self) -> Result1<u32> {
        let whole = self.rest;
        self.rest = &self.rest[1..];
        if self.rest.is_empty() {
            return Err(RegexError::new(ErrorKind::TrailingBackslash, b""));
        }
        let c = self.next_char()?;
        let code = match c {
            '1'..='7' if !matches!(self.rest.first(), Some(b'0'..=b'7')) => None,
            '0'..='7' => {
                let mut code = u32::from(c) - u32::from('0');
                for _ in 0..2 {
                    let Some(&digit @ b'0'..=b'7') = self.rest.first() else { break };
                    code = code * 8 + u32::from(digit - b'0');
                    self.rest = &self.rest[1..];
                }
                Some(code)
            }
            'x' if !self.rest.is_empty() => self.hex_escape()?,
            'a' => Some(0x07),
            'f' => Some(0x0C),
            'n' => Some(0x0A),
            'r' => Some(0x0D),
            't' => Some(0x09),
            'v' => Some(0x0B),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        code.ok_or_else(|| fault(ErrorKind::Escape, whole, self.rest))
    }

    fn hex_escape(&mut self) -> Result1<Option<u32>> {
        let first = self.next_char()?;
        if first != '{' {
            let high = first.to_digit(16);
            let low = if self.rest.is_empty() { None } else { self.next_char()?.to_digit(16) };
            return Ok(high.zip(low).map(|(high, low)| high * 16 + low));
        }
        let mut code: Option<u32> = None;
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let c = self.next_char()?;
            if c == '}' {
                return Ok(code);
            }
            let Some(digit) = c.to_digit(16) else { return Ok(None) };
            let next = code.unwrap_or(0) * 16 + digit;
            if next > u32::from(char::MAX) {
                return Ok(None);
            }
            code = Some(next);
        }
    }
}
