//! Tokens of the UTF-8 matcher syntax: braces, comma, operators, quoted and bare words, with columns counted in characters.
//!
//! Source: upstream's matcher grammar. Called by [`super::utf8`] alone. A lexer that met an error stays in error.

/// Characters that a bare word cannot hold.
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    OpenBrace,
    CloseBrace,
    Comma,
    Equals,
    NotEquals,
    Matches,
    NotMatches,
    Quoted,
    Unquoted,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) column_start: usize,
    pub(super) column_end: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    input: &'a str,
    error: Option<String>,
    start: usize,
    at: usize,
    column: usize,
    columns: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { input, error: None, start: 0, at: 0, column: 0, columns: 0 }
    }

    /// Column after the last character read.
    pub(super) fn column_end(&self) -> usize {
        self.columns
    }

    /// The next token; [`Kind::End`] at the end, again and again.
    pub(super) fn scan(&mut self) -> Result<Token<'a>, String> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let token = self.token();
        if let Err(error) = &token {
            self.error = Some(error.clone());
        }
        token
    }

    /// The next token without taking it. An error stays.
    pub(super) fn peek(&mut self) -> Result<Token<'a>, String> {
        let (start, at, column, columns) = (self.start, self.at, self.column, self.columns);
        let token = self.scan();
        (self.start, self.at, self.column, self.columns) = (start, at, column, columns);
        token
    }

    fn token(&mut self) -> Result<Token<'a>, String> {
        while let Some(c) = self.current() {
            match c {
                '{' => return Ok(self.single(Kind::OpenBrace)),
                '}' => return Ok(self.single(Kind::CloseBrace)),
                ',' => return Ok(self.single(Kind::Comma)),
                '=' | '!' => return self.operator(c),
                '"' => return self.quoted(),
                c if !is_reserved(c) => {
                    while self.current().is_some_and(|c| !is_reserved(c)) {
                        self.advance();
                    }
                    return Ok(self.emit(Kind::Unquoted));
                }
                c if c.is_whitespace() => {
                    self.advance();
                    self.start = self.at;
                    self.column = self.columns;
                }
                _ => {
                    self.advance();
                    return Err(format!("{}: {}: invalid input", self.place(), self.lexeme()));
                }
            }
        }
        Ok(Token { kind: Kind::End, text: "", column_start: 0, column_end: 0 })
    }

    fn operator(&mut self, first: char) -> Result<Token<'a>, String> {
        self.advance();
        let kind = match (first, self.current()) {
            ('!', Some('=')) => Kind::NotEquals,
            ('!', Some('~')) => Kind::NotMatches,
            ('!', _) => return Err(self.expected("=~")),
            (_, Some('~')) => Kind::Matches,
            _ => return Ok(self.emit(Kind::Equals)),
        };
        Ok(self.single(kind))
    }

    fn quoted(&mut self) -> Result<Token<'a>, String> {
        self.advance();
        let mut escaped = false;
        while let Some(c) = self.current() {
            self.advance();
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok(self.emit(Kind::Quoted)),
                _ => {}
            }
        }
        Err(format!("{}: {}: missing end \"", self.place(), self.lexeme()))
    }

    fn expected(&self, what: &str) -> String {
        if self.at >= self.input.len() {
            let place = self.place();
            return format!("{place}: unexpected end of input, expected one of '{what}'");
        }
        format!("{}: {}: expected one of '{what}'", self.place(), self.lexeme())
    }

    fn current(&self) -> Option<char> {
        self.input[self.at..].chars().next()
    }

    fn advance(&mut self) {
        if let Some(c) = self.current() {
            self.at += c.len_utf8();
            self.columns += 1;
        }
    }

    fn single(&mut self, kind: Kind) -> Token<'a> {
        self.advance();
        self.emit(kind)
    }

    fn emit(&mut self, kind: Kind) -> Token<'a> {
        let (text, column_start, column_end) = (self.lexeme(), self.column, self.columns);
        self.start = self.at;
        self.column = self.columns;
        Token { kind, text, column_start, column_end }
    }

    fn lexeme(&self) -> &'a str {
        &self.input[self.start..self.at]
    }

    fn place(&self) -> String {
        format!("{}:{}", self.column, self.columns)
    }
}
