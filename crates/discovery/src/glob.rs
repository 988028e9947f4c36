//! Paths by pattern, with the rules of Go's `filepath.Glob`: `*`, `?` and `[...]` match within one part of a path.

use std::path::{Path, PathBuf};

/// A pattern that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// Existing paths that match, ascending. Folders that cannot be read match nothing.
pub fn glob(pattern: &str) -> Result<Vec<PathBuf>, BadPattern> {
    let mut found =
        vec![if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() }];
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let mut next = Vec::new();
        for base in found {
            if !part.contains(['*', '?', '[', '\\']) {
                let path = base.join(part);
                if !last || path.symlink_metadata().is_ok() {
                    next.push(path);
                }
                continue;
            }
            // The pattern is read even if nothing is there to match.
            matches(part, "")?;
            for name in names(&base) {
                if matches(part, &name)? {
                    next.push(base.join(name));
                }
            }
        }
        found = next;
    }
    if parts.is_empty() {
        found.clear();
    }
    Ok(found)
}

fn names(dir: &Path) -> Vec<String> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// Whether one part of a path matches one part of a pattern.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Reading all of the pattern first finds its faults whatever the name is.
    let (mut at, mut tokens) = (0, Vec::new());
    while at < pattern.len() {
        let (token, next) = token(&pattern, at)?;
        tokens.push(token);
        at = next;
    }
    // Backtracks to the last star alone: linear for one star, quadratic at worst.
    let (mut t, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match tokens.get(t) {
            Some(Token::Star) => {
                star = Some((t, n));
                t += 1;
            }
            Some(Token::One(set)) if set.allows(name[n]) => {
                t += 1;
                n += 1;
            }
            _ => {
                let Some((star_t, star_n)) = star else { return Ok(false) };
                star = Some((star_t, star_n + 1));
                (t, n) = (star_t + 1, star_n + 1);
            }
        }
    }
    Ok(tokens[t..].iter().all(|token| matches!(token, Token::Star)))
}

enum Token {
    Star,
    One(Set),
}

struct Set {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Set {
    fn allows(&self, c: char) -> bool {
        c != '/' && self.ranges.iter().any(|(lo, hi)| (*lo..=*hi).contains(&c)) != self.negated
    }
}

fn token(pattern: &[char], at: usize) -> Result<(Token, usize), BadPattern> {
    let one = |c| Token::One(Set { negated: false, ranges: vec![(c, c)] });
    match pattern[at] {
        '*' => Ok((Token::Star, at + 1)),
        '?' => Ok((Token::One(Set { negated: true, ranges: Vec::new() }), at + 1)),
        '\\' => pattern.get(at + 1).map(|c| (one(*c), at + 2)).ok_or(BadPattern),
        '[' => {
            let negated = pattern.get(at + 1) == Some(&'^');
            let mut next = at + 1 + usize::from(negated);
            let mut ranges = Vec::new();
            loop {
                if pattern.get(next) == Some(&']') && !ranges.is_empty() {
                    return Ok((Token::One(Set { negated, ranges }), next + 1));
                }
                let (lo, after) = set_char(pattern, next)?;
                let (hi, after) = if pattern.get(after) == Some(&'-') {
                    set_char(pattern, after + 1)?
                } else {
                    (lo, after)
                };
                ranges.push((lo, hi));
                next = after;
            }
        }
        c => Ok((one(c), at + 1)),
    }
}

fn set_char(pattern: &[char], at: usize) -> Result<(char, usize), BadPattern> {
    match pattern.get(at) {
        None | Some('-' | ']') => Err(BadPattern),
        Some('\\') => pattern.get(at + 1).map(|c| (*c, at + 2)).ok_or(BadPattern),
        Some(c) => Ok((*c, at + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        let check = |pattern, name, want: Option<bool>| {
            assert_eq!(matches(pattern, name).ok(), want, "{pattern} {name}");
        };
        check("*.yml", "a.yml", Some(true));
        check("*.yml", ".yml", Some(true));
        check("*.yml", "a.yaml", Some(false));
        check("a*b*c", "axxbyyc", Some(true));
        check("?[a-c][^x]", "zbq", Some(true));
        check("?[a-c][^x]", "zbx", Some(false));
        check("[]a]", "]", None);
        check("[", "a", None);
        check("a\\*", "a*", Some(true));
    }
}
