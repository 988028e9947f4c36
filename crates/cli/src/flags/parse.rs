//! From arguments to raw flags, by kingpin's rules: `--x=v`, `--x v`, `--no-x`, `-xv`, `@file`, `--`. Syntax only: values are
//! checked later, because kingpin complains of unknown flags anywhere before it complains of a value.

use std::collections::VecDeque;

use crate::flags::spec::{Flag, Kind};

/// Arguments that `@file` may bring, in all.
const MAX_ARGUMENTS: usize = 100_000;

/// What is wrong with the command line. The texts are the peers'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyntaxError {
    #[error("unknown long flag '{0}'")]
    UnknownLong(String),
    #[error("unknown short flag '{0}'")]
    UnknownShort(String),
    #[error("unexpected {0}")]
    Unexpected(String),
    #[error("expected argument for flag '{0}'")]
    MissingValue(String),
    #[error("failed to open arguments file {0:?}: {1}")]
    ArgumentsFile(String, String),
    #[error("too many arguments")]
    TooMany,
}

/// One flag as it was given.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) flag: Flag,
    /// The value; for a boolean `true` or `false`.
    pub(crate) value: String,
}

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    Run(Vec<Given>),
    Help,
    Version,
}

/// Parses the arguments of one command.
pub(crate) fn parse(flags: &[Flag], arguments: &[String]) -> Result<Parsed, SyntaxError> {
    let mut rest: VecDeque<String> = arguments.iter().cloned().collect();
    let mut given = Vec::new();
    let mut help = false;
    let mut read = 0usize;
    while let Some(argument) = rest.pop_front() {
        read += 1;
        if read > MAX_ARGUMENTS {
            return Err(SyntaxError::TooMany);
        }
        if let Some(path) = argument.strip_prefix('@') {
            for (i, line) in arguments_file(path)?.into_iter().enumerate() {
                rest.insert(i, line);
            }
        } else if argument == "--" {
            return match rest.pop_front() {
                Some(extra) => Err(SyntaxError::Unexpected(extra)),
                None => Ok(finish(given, help)),
            };
        } else if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            match name {
                "version" if value.is_none() => return Ok(Parsed::Version),
                "help" | "help-long" | "help-man" => {
                    if let Some(value) = value {
                        return Err(SyntaxError::Unexpected(value));
                    }
                    help = true;
                }
                _ => given.push(long_flag(flags, name, value, &mut rest)?),
            }
        } else if argument == "-" {
            return Err(SyntaxError::Unexpected(String::new()));
        } else if let Some(shorts) = argument.strip_prefix('-') {
            help |= short_flags(flags, shorts, &mut given, &mut rest)?;
        } else {
            return Err(SyntaxError::Unexpected(argument));
        }
    }
    Ok(finish(given, help))
}

fn finish(given: Vec<Given>, help: bool) -> Parsed {
    if help { Parsed::Help } else { Parsed::Run(given) }
}

fn long_flag(
    flags: &[Flag],
    name: &str,
    value: Option<String>,
    rest: &mut VecDeque<String>,
) -> Result<Given, SyntaxError> {
    if let Some(flag) = flags.iter().find(|f| f.name == name) {
        return take_value(*flag, &format!("--{name}"), value, rest);
    }
    let negated = name
        .strip_prefix("no-")
        .and_then(|bare| flags.iter().find(|f| f.name == bare && f.kind == Kind::Bool));
    match (negated, value) {
        (Some(flag), None) => Ok(Given { flag: *flag, value: "false".to_owned() }),
        (Some(_), Some(value)) => Err(SyntaxError::Unexpected(value)),
        (None, _) => Err(SyntaxError::UnknownLong(format!("--{name}"))),
    }
}

fn take_value(
    flag: Flag,
    shown: &str,
    value: Option<String>,
    rest: &mut VecDeque<String>,
) -> Result<Given, SyntaxError> {
    if flag.kind == Kind::Bool {
        return match value {
            Some(value) => Err(SyntaxError::Unexpected(value)),
            None => Ok(Given { flag, value: "true".to_owned() }),
        };
    }
    let value = match value {
        Some(value) => value,
        None => match rest.front() {
            Some(next) if !is_flag(next) => rest.pop_front().unwrap_or_default(),
            _ => return Err(SyntaxError::MissingValue(shown.to_owned())),
        },
    };
    Ok(Given { flag, value })
}

/// Whether kingpin would read the argument as a flag, so that it cannot be the value of the flag before it.
fn is_flag(argument: &str) -> bool {
    argument.starts_with('-')
}

/// A cluster of short flags. Returns whether help was asked for.
fn short_flags(
    flags: &[Flag],
    shorts: &str,
    given: &mut Vec<Given>,
    rest: &mut VecDeque<String>,
) -> Result<bool, SyntaxError> {
    let mut help = false;
    for (at, c) in shorts.char_indices() {
        if c == 'h' {
            help = true;
            continue;
        }
        let flag = flags
            .iter()
            .find(|f| f.short.is_some_and(|s| char::from(s) == c))
            .ok_or_else(|| SyntaxError::UnknownShort(format!("-{c}")))?;
        if flag.kind == Kind::Bool {
            given.push(Given { flag: *flag, value: "true".to_owned() });
            continue;
        }
        let attached = &shorts[at + c.len_utf8()..];
        let value = (!attached.is_empty()).then(|| attached.to_owned());
        given.push(take_value(*flag, &format!("-{c}"), value, rest)?);
        break;
    }
    Ok(help)
}

fn arguments_file(path: &str) -> Result<Vec<String>, SyntaxError> {
    let text = std::fs::read_to_string(path).map_err(|err| {
        let reason = match err.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => err.to_string(),
        };
        SyntaxError::ArgumentsFile(path.to_owned(), format!("open {path}: {reason}"))
    })?;
    Ok(text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}
