//! The environment, and `$NAME` in external labels.

use std::fmt::Debug;

/// Tells the value of a variable.
pub trait Env: Debug {
    /// `None` if it is not set or no text.
    fn get(&self, name: &str) -> Option<String>;
}

/// The process's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// An empty one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEnv;

impl Env for NoEnv {
    fn get(&self, _: &str) -> Option<String> {
        None
    }
}

/// Puts variables in with Go's `os.Expand` rules; `$$` is a dollar. Unset names become empty and are added to `missing`.
pub(crate) fn expand(text: &str, env: &dyn Env, missing: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if after.is_empty() {
            out.push('$');
            return out;
        }
        let (name, len) = name(after);
        rest = &after[len..];
        match name {
            // Not followed by a name: a dollar. Broken braces vanish.
            "" if len == 0 => out.push('$'),
            "" => {}
            "$" => out.push('$'),
            _ => match env.get(name).filter(|value| !value.is_empty()) {
                Some(value) => out.push_str(&value),
                None => missing.push(name.to_owned()),
            },
        }
    }
    out.push_str(rest);
    out
}

/// The name at the start of `text` and how many bytes it takes with its braces. `text` is not empty.
fn name(text: &str) -> (&str, usize) {
    let special = |b: u8| b.is_ascii_digit() || b"*#$@!?-".contains(&b);
    let bytes = text.as_bytes();
    if bytes[0] == b'{' {
        if bytes.len() > 2 && special(bytes[1]) && bytes[2] == b'}' {
            return (&text[1..2], 3);
        }
        return match text.find('}') {
            Some(1) => ("", 2),
            Some(end) => (&text[1..end], end + 1),
            None => ("", 1),
        };
    }
    if special(bytes[0]) {
        return (&text[..1], 1);
    }
    let len = bytes.iter().take_while(|b| **b == b'_' || b.is_ascii_alphanumeric()).count();
    (&text[..len], len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct One;

    impl Env for One {
        fn get(&self, name: &str) -> Option<String> {
            (name == "A").then(|| "x".to_owned())
        }
    }

    #[test]
    fn variables_expand_as_in_go() {
        let check = |text, want| assert_eq!(expand(text, &One, &mut Vec::new()), want, "{text}");
        check("a${A}b", "axb");
        check("$A-$AA", "x-");
        check("$$A", "$A");
        check("${$}", "$");
        check("$", "$");
        check("$ a", "$ a");
        check("${}a", "a");
        check("${A", "A");
        check("$1", "");
    }
}
