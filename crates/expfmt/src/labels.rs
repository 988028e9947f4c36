//! The inside of braces, token by token, as both text formats and exemplars have it.

use crate::error::ParseError;
use crate::lex::{Dialect, Lexer, Token};
use crate::number::quote_bytes;

/// Checks label pairs up to and with the closing brace. `named`: the metric name came before the brace. Tells whether there is a name.
pub(crate) fn label_pairs(
    lex: &mut Lexer<'_>,
    line: usize,
    dialect: Dialect,
    is_exemplar: bool,
    mut named: bool,
) -> Result<bool, ParseError> {
    let mut token = lex.lex();
    loop {
        let quoted = match token {
            Token::BraceClose => return Ok(named),
            Token::LabelName => false,
            Token::Quoted => true,
            got => return Err(lex.mismatch("expected label name", got, line)),
        };
        token = lex.lex();
        if quoted && matches!(token, Token::Comma | Token::BraceClose) {
            // A quoted string alone is the metric's name, which exemplars have not.
            if is_exemplar {
                return Err(lex.mismatch("expected label name", token, line));
            }
            if named {
                return Err(lex.while_parsing("metric name already set", line));
            }
            named = true;
            if token == Token::BraceClose {
                return Ok(true);
            }
            token = lex.lex();
            continue;
        }
        if token != Token::Equal {
            return Err(lex.mismatch("expected equal", token, line));
        }
        let got = lex.lex();
        if got != Token::LabelValue {
            return Err(lex.mismatch("expected label value", got, line));
        }
        if std::str::from_utf8(lex.token()).is_err() {
            let message = format!("invalid UTF-8 label value: {}", quote_bytes(lex.token()));
            return Err(lex.error(line, message));
        }
        token = lex.lex();
        // The text format takes `a="b" c="d"` too.
        if token == Token::Comma {
            token = lex.lex();
        } else if dialect == Dialect::OpenMetrics && token != Token::BraceClose {
            return Err(lex.mismatch("expected comma or brace close", token, line));
        }
    }
}

/// A name token without its quotes, if it has them.
pub(crate) fn unquoted(token: &[u8]) -> &[u8] {
    match token {
        [b'"', inner @ .., b'"'] => inner,
        _ => token,
    }
}
