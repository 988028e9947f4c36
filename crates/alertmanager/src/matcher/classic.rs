//! The classic matcher syntax: names of letters, digits, `_` and `:`; values bare or in double quotes, with only `\"`, `\n`
//! and `\\` as escapes and any other backslash taken as itself.

use gauntlet_model::MatchOp;

use super::{Matcher, MatcherError};

/// Any number of matchers, separated by commas outside quotes; braces at the ends are dropped.
pub fn parse_matchers(input: &str) -> Result<Vec<Matcher>, MatcherError> {
    let input = input.strip_prefix('{').unwrap_or(input);
    let input = input.strip_suffix('}').unwrap_or(input);
    let (mut quoted, mut escaped) = (false, false);
    let mut matchers = Vec::new();
    let mut start = 0;
    for (at, c) in input.char_indices() {
        match c {
            ',' if !quoted => {
                matchers.push(parse_matcher(&input[start..at])?);
                start = at + 1;
                continue;
            }
            // Inside quotes a comma leaves a pending escape as it is.
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    let last = input[start..].trim();
    if !last.is_empty() {
        matchers.push(parse_matcher(last)?);
    }
    Ok(matchers)
}

/// One matcher.
pub fn parse_matcher(input: &str) -> Result<Matcher, MatcherError> {
    let (name, op, raw) =
        split(input).ok_or_else(|| MatcherError(format!("bad matcher format: {input}")))?;
    let stray = || MatcherError(format!("matcher value contains unescaped double quote: {raw}"));
    let (body, mut open) = match raw.strip_prefix('"') {
        Some(body) => (body, true),
        None => (raw, false),
    };
    let last = body.len().wrapping_sub(1);
    let mut value = String::with_capacity(body.len());
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if escaped {
            escaped = false;
            match c {
                'n' => value.push('\n'),
                '"' | '\\' => value.push(c),
                c => value.extend(['\\', c]),
            }
            continue;
        }
        match c {
            '\\' if at < last => escaped = true,
            '"' if !open || at < last => return Err(stray()),
            '"' => open = false,
            c => value.push(c),
        }
    }
    if open {
        return Err(stray());
    }
    Matcher::new(op, name, &value)
}

/// Name, operator and raw value, white space around them dropped.
fn split(input: &str) -> Option<(&str, MatchOp, &str)> {
    let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{c}' | '\r');
    let input = input.trim_start_matches(space);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let end = input.find(|c| !is_name(c)).unwrap_or(input.len());
    let (name, rest) = input.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start_matches(space);
    let operators = [
        ("=~", MatchOp::Regex),
        ("=", MatchOp::Equal),
        ("!=", MatchOp::NotEqual),
        ("!~", MatchOp::NotRegex),
    ];
    let (op, rest) =
        operators.into_iter().find_map(|(text, op)| Some((op, rest.strip_prefix(text)?)))?;
    Some((name, op, rest.trim_matches(space)))
}
