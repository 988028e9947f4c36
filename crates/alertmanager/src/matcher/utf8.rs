//! The UTF-8 matcher syntax: `{name="value", "any name"=~"re.*"}`, braces optional, names and values of any characters when
//! quoted, of all but the reserved ones when bare. Errors carry columns and upstream's words.

use gauntlet_model::MatchOp;

use super::lexer::{Kind, Lexer, Token};
use super::unquote::unquote;
use super::{Matcher, MatcherError};

const END: &str = "end of input";

/// Why the next token is not what was wanted.
enum Unexpected {
    End,
    Other(String),
}

impl Unexpected {
    fn text(&self) -> &str {
        match self {
            Self::End => END,
            Self::Other(text) => text,
        }
    }
}

impl From<String> for Unexpected {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

/// Any number of matchers.
pub fn parse_matchers(input: &str) -> Result<Vec<Matcher>, MatcherError> {
    let mut parser = Parser { lexer: Lexer::new(input), matchers: Vec::new(), open: false };
    parser.parse().map_err(MatcherError)?;
    Ok(parser.matchers)
}

/// Exactly one matcher.
pub fn parse_matcher(input: &str) -> Result<Matcher, MatcherError> {
    let mut matchers = parse_matchers(input)?;
    match (matchers.pop(), matchers.len()) {
        (Some(matcher), 0) => Ok(matcher),
        (None, _) => Err(MatcherError("no matchers".to_owned())),
        (_, rest) => Err(MatcherError(format!("expected 1 matcher, found {}", rest + 1))),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    matchers: Vec<Matcher>,
    open: bool,
}

impl<'a> Parser<'a> {
    fn parse(&mut self) -> Result<(), String> {
        let first = self.lexer.peek()?;
        if first.kind == Kind::OpenBrace {
            self.lexer.scan()?;
            self.open = true;
        }
        if first.kind != Kind::End {
            let next = self.lexer.peek()?;
            if !matches!(next.kind, Kind::End | Kind::CloseBrace) {
                self.list()?;
            }
            self.close()?;
        }
        let last = self.lexer.scan().map_err(|err| format!("{err}: expected {END}"))?;
        if last.kind != Kind::End {
            return Err(format!("{}: {}: expected {END}", place(&last), last.text));
        }
        Ok(())
    }

    /// Matchers and commas up to a closing brace or the end.
    fn list(&mut self) -> Result<(), String> {
        loop {
            self.matcher()?;
            let wanted = "expected a comma or close brace";
            match self.peek(&[Kind::Comma, Kind::CloseBrace]) {
                Ok(token) if token.kind == Kind::Comma => self.lexer.scan()?,
                Ok(_) | Err(Unexpected::End) => return Ok(()),
                Err(err) => return Err(format!("{}: {wanted}", err.text())),
            };
            let wanted = "expected a matcher or close brace after comma";
            match self.peek(&[Kind::CloseBrace, Kind::Unquoted, Kind::Quoted]) {
                Ok(token) if token.kind != Kind::CloseBrace => {}
                Ok(_) | Err(Unexpected::End) => return Ok(()),
                Err(err) => return Err(format!("{}: {wanted}", err.text())),
            }
        }
    }

    fn matcher(&mut self) -> Result<(), String> {
        let words = [Kind::Quoted, Kind::Unquoted];
        let name = self.expect(&words, "expected label name")?;
        let name = word(&name)?;
        let operators = [Kind::Equals, Kind::NotEquals, Kind::Matches, Kind::NotMatches];
        let op = self.expect(&operators, "expected an operator such as '=', '!=', '=~' or '!~'")?;
        let op = match op.kind {
            Kind::Equals => MatchOp::Equal,
            Kind::NotEquals => MatchOp::NotEqual,
            Kind::Matches => MatchOp::Regex,
            _ => MatchOp::NotRegex,
        };
        let value = self.expect(&words, "expected label value")?;
        let value = word(&value)?;
        let matcher = Matcher::new(op, &name, &value)
            .map_err(|err| format!("failed to create matcher: {err}"))?;
        self.matchers.push(matcher);
        Ok(())
    }

    /// The closing brace, if and only if there was an opening one.
    fn close(&mut self) -> Result<(), String> {
        let found = self.peek(&[Kind::CloseBrace]);
        if found.is_ok() {
            self.lexer.scan()?;
        }
        match (self.open, found) {
            (true, Err(err)) => {
                let column = self.lexer.column_end();
                Err(format!("0:{column}: {}: expected close brace", err.text()))
            }
            (false, Ok(_)) => {
                Err(format!("0:{}: }}: expected opening brace", self.lexer.column_end()))
            }
            _ => Ok(()),
        }
    }

    fn expect(&mut self, kinds: &[Kind], wanted: &str) -> Result<Token<'a>, String> {
        match self.peek(kinds) {
            Ok(_) => self.lexer.scan(),
            Err(err) => Err(format!("{}: {wanted}", err.text())),
        }
    }

    fn peek(&mut self, kinds: &[Kind]) -> Result<Token<'a>, Unexpected> {
        let token = self.lexer.peek()?;
        if token.kind == Kind::End {
            return Err(Unexpected::End);
        }
        if !kinds.contains(&token.kind) {
            return Err(format!("{}: unexpected {}", place(&token), token.text).into());
        }
        Ok(token)
    }
}

fn word(token: &Token<'_>) -> Result<String, String> {
    match token.kind {
        Kind::Quoted => unquote(token.text)
            .ok_or_else(|| format!("{}: {}: invalid input", place(token), token.text)),
        _ => Ok(token.text.to_owned()),
    }
}

fn place(token: &Token<'_>) -> String {
    format!("{}:{}", token.column_start, token.column_end)
}
