//! Tokens of the values in a series description, native histograms among them.

use gauntlet_model::float::GoQuoted;

use super::{HistogramState, Lexer, Mode};
use crate::text::quoted_char;
use crate::token::{Token, TokenKind, counter_reset_hint, histogram_key, keyword};

impl Lexer<'_> {
    pub(super) fn value(&mut self) -> Option<Token> {
        use TokenKind as T;
        if self.histogram != HistogramState::None {
            self.mode = Mode::Histogram;
            return None;
        }
        let Some(c) = self.peek() else { return self.end_of_input() };
        match c {
            '0'..='9' => return self.number(),
            '.' if self.digit_follows_dot() => return self.number(),
            'x' | '_' => {}
            'a'..='z' | 'A'..='Z' => return self.keyword_or_identifier(),
            _ => {}
        }
        self.bump();
        match c {
            '{' if self.peek() == Some('{') => {
                self.histogram = HistogramState::Open;
                self.mode = Mode::Histogram;
                self.emit_two(T::OpenHist)
            }
            ' ' | '\t' | '\n' | '\r' => {
                let token = self.emit(T::Space);
                self.skip_spaces();
                token
            }
            '+' => self.emit(T::Add),
            '-' => self.emit(T::Sub),
            'x' => self.emit(T::Times),
            '_' => self.emit(T::Blank),
            _ => self
                .fail(format!("unexpected character in series sequence: {}", quoted_char(Some(c)))),
        }
    }

    pub(super) fn in_histogram(&mut self) -> Option<Token> {
        use TokenKind as T;
        let joined = match self.histogram {
            HistogramState::Times => Some(T::Times),
            HistogramState::Add => Some(T::Add),
            HistogramState::Sub => Some(T::Sub),
            HistogramState::Open | HistogramState::None => None,
        };
        if let Some(kind) = joined {
            self.histogram = HistogramState::None;
            self.mode = Mode::Values;
            return self.emit_two(kind);
        }
        if self.bracket_open {
            self.mode = Mode::Buckets;
            return None;
        }
        let c = self.peek();
        match c {
            Some('0'..='9') => return self.number(),
            Some('a'..='z' | 'A'..='Z' | '_') => return self.histogram_word(),
            _ => {}
        }
        self.bump();
        match c {
            Some(' ' | '\t' | '\n' | '\r') => {
                let token = self.emit(T::Space);
                self.skip_spaces();
                token
            }
            Some(':') => self.emit(T::Colon),
            Some('-') => self.emit(T::Sub),
            Some('[') => {
                self.bracket_open = true;
                self.got_colon = false;
                self.got_duration = false;
                self.mode = Mode::Buckets;
                self.emit(T::LeftBracket)
            }
            Some('}') if self.peek() == Some('}') => {
                let token = self.emit_two(T::CloseHist);
                self.histogram = match self.peek() {
                    Some('x') => HistogramState::Times,
                    Some('+') => HistogramState::Add,
                    Some('-') => HistogramState::Sub,
                    _ => HistogramState::None,
                };
                self.mode = Mode::Values;
                token
            }
            _ => self
                .fail(format!("histogram description incomplete unexpected: {}", quoted_char(c))),
        }
    }

    fn histogram_word(&mut self) -> Option<Token> {
        while self.peek_byte().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') {
            self.pos += 1;
        }
        let word = self.word();
        if let Some(kind) = histogram_key(word) {
            if self.peek() == Some(':') {
                return self.emit(kind);
            }
            return self.fail("missing `:` for histogram descriptor".to_owned());
        }
        if keyword(word) == Some(TokenKind::Number) {
            return self.emit(TokenKind::Number);
        }
        match counter_reset_hint(word) {
            Some(kind) => self.emit(kind),
            None => self.fail(format!("bad histogram descriptor found: {}", GoQuoted(word))),
        }
    }

    pub(super) fn bucket(&mut self) -> Option<Token> {
        use TokenKind as T;
        let c = self.peek();
        match c {
            Some('0'..='9') => return self.number(),
            Some('a'..='z' | 'A'..='Z' | '_') => {
                while self.peek_byte().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') {
                    self.pos += 1;
                }
                if keyword(self.word()) == Some(T::Number) {
                    return self.emit(T::Number);
                }
                let c = quoted_char(c);
                return self.fail(format!("invalid character in buckets description: {c}"));
            }
            _ => {}
        }
        self.bump();
        match c {
            Some(' ' | '\t' | '\n' | '\r') => {
                let token = self.emit(T::Space);
                self.skip_spaces();
                token
            }
            Some('-') => self.emit(T::Sub),
            Some(']') => {
                self.bracket_open = false;
                self.mode = Mode::Histogram;
                self.emit(T::RightBracket)
            }
            _ => self.fail(format!("invalid character in buckets description: {}", quoted_char(c))),
        }
    }
}
