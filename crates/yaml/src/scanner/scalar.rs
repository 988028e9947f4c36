//! Scalars: plain, quoted, and in blocks; line folding.

use crate::document::Dialect;

use super::{Kind, Mark, Scanned, Scanner, Style, Token, is_blank, is_blankz, is_break, is_breakz};

/// White space between two pieces of a scalar, which folds when the next piece is met.
#[derive(Default)]
struct Gap {
    blanks: String,
    /// The first line break.
    first_break: String,
    more_breaks: String,
    /// A line break was met.
    broken: bool,
}

impl Gap {
    fn is_empty(&self) -> bool {
        !self.broken && self.blanks.is_empty()
    }

    /// One break becomes a space, more become one less; blanks without a break stay.
    fn fold_into(&mut self, out: &mut String) {
        if !self.broken {
            out.push_str(&self.blanks);
        } else if self.first_break.starts_with('\n') {
            out.push_str(if self.more_breaks.is_empty() { " " } else { &self.more_breaks });
        } else {
            out.push_str(&self.first_break);
            out.push_str(&self.more_breaks);
        }
        self.blanks.clear();
        self.first_break.clear();
        self.more_breaks.clear();
        self.broken = false;
    }
}

impl Scanner {
    /// Takes in one blank or line break.
    fn widen(&mut self, gap: &mut Gap) {
        if is_blank(self.at(0)) {
            if gap.broken {
                self.skip(1);
            } else {
                self.read(&mut gap.blanks);
            }
        } else if gap.broken {
            self.read_line(&mut gap.more_breaks);
        } else {
            gap.blanks.clear();
            self.read_line(&mut gap.first_break);
            gap.broken = true;
        }
    }

    pub(super) fn plain_scalar(&mut self) -> Scanned<Token> {
        let (start, mut end) = (self.mark, self.mark);
        let indent = self.indent + 1;
        let (mut text, mut gap) = (String::new(), Gap::default());
        loop {
            if self.document_indicator().is_some() || self.at(0) == '#' {
                break;
            }
            while !is_blankz(self.at(0)) && !self.ends_plain() {
                if !gap.is_empty() {
                    gap.fold_into(&mut text);
                }
                self.read(&mut text);
                end = self.mark;
            }
            if !is_blank(self.at(0)) && !is_break(self.at(0)) {
                break;
            }
            while is_blank(self.at(0)) || is_break(self.at(0)) {
                if gap.broken && (self.mark.column as i64) < indent && self.at(0) == '\t' {
                    let reason = "found a tab character that violates indentation";
                    return Err(self.fault(reason, start));
                }
                self.widen(&mut gap);
            }
            if self.flow_level == 0 && (self.mark.column as i64) < indent {
                break;
            }
        }
        if gap.broken {
            self.simple_key_allowed = true;
        }
        Ok(Token { kind: Kind::Scalar { text, style: Style::Plain }, start, end })
    }

    /// Whether an indicator ends a plain scalar here.
    fn ends_plain(&self) -> bool {
        let (c, next) = (self.at(0), self.at(1));
        // In v2 any question mark ends it inside brackets.
        let question = c == '?' && (self.dialect == Dialect::V2 || is_blankz(next));
        (c == ':' && is_blankz(next))
            || (self.flow_level > 0 && (matches!(c, ',' | '[' | ']' | '{' | '}') || question))
    }

    pub(super) fn quoted_scalar(&mut self, quote: char) -> Scanned<Token> {
        let start = self.mark;
        self.skip(1);
        let (mut text, mut gap) = (String::new(), Gap::default());
        loop {
            if self.document_indicator().is_some() {
                return Err(self.fault("found unexpected document indicator", start));
            }
            if self.is_end() {
                return Err(self.fault("found unexpected end of stream", start));
            }
            while !is_blankz(self.at(0)) {
                let (c, next) = (self.at(0), self.at(1));
                if quote == '\'' && c == '\'' && next == '\'' {
                    text.push('\'');
                    self.skip(2);
                } else if c == quote {
                    break;
                } else if quote == '"' && c == '\\' && is_break(next) {
                    self.skip(1);
                    self.skip_line();
                    gap.broken = true;
                    break;
                } else if quote == '"' && c == '\\' {
                    text.push(self.escape(start)?);
                } else {
                    self.read(&mut text);
                }
            }
            if self.at(0) == quote {
                break;
            }
            while is_blank(self.at(0)) || is_break(self.at(0)) {
                self.widen(&mut gap);
            }
            gap.fold_into(&mut text);
        }
        self.skip(1);
        Ok(Token { kind: Kind::Scalar { text, style: Style::Quoted }, start, end: self.mark })
    }

    /// A backslash and what it stands for.
    fn escape(&mut self, start: Mark) -> Scanned<char> {
        let (c, digits) = match self.at(1) {
            '0' => ('\0', 0),
            'a' => ('\x07', 0),
            'b' => ('\x08', 0),
            't' | '\t' => ('\t', 0),
            'n' => ('\n', 0),
            'v' => ('\x0B', 0),
            'f' => ('\x0C', 0),
            'r' => ('\r', 0),
            'e' => ('\x1B', 0),
            c @ (' ' | '"' | '\'' | '\\') => (c, 0),
            'N' => ('\u{85}', 0),
            '_' => ('\u{A0}', 0),
            'L' => ('\u{2028}', 0),
            'P' => ('\u{2029}', 0),
            'x' => ('\0', 2),
            'u' => ('\0', 4),
            'U' => ('\0', 8),
            _ => return Err(self.fault("found unknown escape character", start)),
        };
        self.skip(2);
        if digits == 0 {
            return Ok(c);
        }
        let mut code = 0u32;
        for offset in 0..digits {
            let Some(digit) = self.at(offset).to_digit(16) else {
                return Err(self.fault("did not find expected hexdecimal number", start));
            };
            code = code.wrapping_shl(4) | digit;
        }
        let Some(c) = char::from_u32(code) else {
            return Err(self.fault("found invalid Unicode character escape code", start));
        };
        self.skip(digits);
        Ok(c)
    }

    pub(super) fn block_scalar(&mut self, literal: bool) -> Scanned<Token> {
        let start = self.mark;
        self.skip(1);
        let (keep, increment) = self.block_header(start)?;
        let mut end = self.mark;
        let mut indent = if increment == 0 { 0 } else { self.indent.max(0) + increment };
        let (mut text, mut first_break, mut more_breaks) =
            (String::new(), String::new(), String::new());
        self.block_breaks(&mut indent, &mut more_breaks, start, &mut end)?;
        let mut leading_blank = false;
        while self.mark.column as i64 == indent && !self.is_end() {
            let trailing_blank = is_blank(self.at(0));
            if !literal && first_break.starts_with('\n') && !leading_blank && !trailing_blank {
                if more_breaks.is_empty() {
                    text.push(' ');
                }
                first_break.clear();
            }
            text.push_str(&std::mem::take(&mut first_break));
            text.push_str(&std::mem::take(&mut more_breaks));
            leading_blank = is_blank(self.at(0));
            while !is_breakz(self.at(0)) {
                self.read(&mut text);
            }
            self.read_line(&mut first_break);
            self.block_breaks(&mut indent, &mut more_breaks, start, &mut end)?;
        }
        if keep != Some(false) {
            text.push_str(&first_break);
        }
        if keep == Some(true) {
            text.push_str(&more_breaks);
        }
        Ok(Token { kind: Kind::Scalar { text, style: Style::Block }, start, end })
    }

    /// What follows `|` or `>` on its line: whether trailing breaks are all kept or all dropped, and the indentation (0: as
    /// the text shows).
    fn block_header(&mut self, start: Mark) -> Scanned<(Option<bool>, i64)> {
        let (mut keep, mut increment) = (None, 0);
        for _ in 0..2 {
            match self.at(0) {
                c @ ('+' | '-') if keep.is_none() => keep = Some(c == '+'),
                '0' if increment == 0 => {
                    return Err(self.fault("found an indentation indicator equal to 0", start));
                }
                c @ '1'..='9' if increment == 0 => increment = i64::from(c as u32 - '0' as u32),
                _ => break,
            }
            self.skip(1);
        }
        while is_blank(self.at(0)) {
            self.skip(1);
        }
        if self.at(0) == '#' {
            while !is_breakz(self.at(0)) {
                self.skip(1);
            }
        }
        if !is_breakz(self.at(0)) {
            return Err(self.fault("did not find expected comment or line break", start));
        }
        self.skip_line();
        Ok((keep, increment))
    }

    /// Reads the empty lines before a line of text, and finds the indentation if it is not known.
    fn block_breaks(
        &mut self,
        indent: &mut i64,
        breaks: &mut String,
        start: Mark,
        end: &mut Mark,
    ) -> Scanned<()> {
        *end = self.mark;
        let mut deepest = 0;
        loop {
            while (*indent == 0 || (self.mark.column as i64) < *indent) && self.at(0) == ' ' {
                self.skip(1);
            }
            deepest = deepest.max(self.mark.column as i64);
            if (*indent == 0 || (self.mark.column as i64) < *indent) && self.at(0) == '\t' {
                let reason = "found a tab character where an indentation space is expected";
                return Err(self.fault(reason, start));
            }
            if !is_break(self.at(0)) {
                break;
            }
            self.read_line(breaks);
            *end = self.mark;
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}
