//! Commands that do one thing and end, in promtool's place: `gauntlet tsdb ...`, `gauntlet promtool ...`, or a link named promtool.

mod tsdb;

use crate::flags::parse::{Parsed, parse};
use crate::flags::program::Ending;
use crate::flags::spec::{Flag, Kind};
use crate::flags::usage::usage;
use crate::flags::values::Values;

/// Commands of promtool that are known and not there yet.
const LATER: &[&str] = &["check", "query", "debug", "push", "promql", "test"];

/// Runs a command line of promtool, its name left out.
pub(crate) fn run(arguments: &[String]) -> Ending {
    match arguments.first().map(String::as_str) {
        Some("tsdb") => tsdb::run(&arguments[1..]),
        Some("--help" | "-h" | "help") | None => Ending { stdout: help(), ..Ending::default() },
        Some("--version") => Ending {
            stdout: crate::flags::program::version_text(crate::flags::program::Program::Promtool),
            ..Ending::default()
        },
        Some(later) if LATER.contains(&later) => {
            fail(1, format!("the command {later:?} is known but not built yet"))
        }
        Some(other) => fail(1, format!("expected command but got {other:?}, try --help")),
    }
}

fn help() -> String {
    format!(
        "usage: promtool <command> [<args> ...]\n\nCommands:\n{}\nKnown but not built yet: {}\n",
        tsdb::HELP,
        LATER.join(", ")
    )
}

fn fail(code: u8, text: String) -> Ending {
    Ending { stderr: format!("promtool: error: {text}\n"), code, ..Ending::default() }
}

/// A command: its flags, and how many words may stand beside them.
struct Tool {
    name: &'static str,
    about: &'static str,
    flags: &'static [Flag],
    /// Names of the words, the needed ones first.
    words: &'static [&'static str],
    needed: usize,
}

/// What a command was given.
struct Given {
    values: Values,
    words: Vec<String>,
}

impl Given {
    /// The word at a place, or the default.
    fn word<'a>(&'a self, at: usize, default: &'a str) -> &'a str {
        self.words.get(at).map_or(default, String::as_str)
    }
}

impl Tool {
    fn read(&self, arguments: &[String]) -> Result<Given, Ending> {
        let (flags, words) = split(self.flags, arguments);
        let given = match parse(self.flags, &flags) {
            Ok(Parsed::Run(given)) => given,
            Ok(Parsed::Help) => {
                let words: String = self.words.iter().map(|word| format!(" [<{word}>]")).collect();
                let name = format!("promtool {}{words}", self.name);
                return Err(Ending {
                    stdout: usage(&name, self.about, self.flags),
                    ..Ending::default()
                });
            }
            Ok(Parsed::Version) => return Err(run(&["--version".to_owned()])),
            Err(err) => return Err(fail(1, format!("{err}, try --help"))),
        };
        if let Some(extra) = words.get(self.words.len()) {
            return Err(fail(1, format!("unexpected {extra}, try --help")));
        }
        if words.len() < self.needed {
            let missing = self.words[words.len()];
            return Err(fail(1, format!("required argument '{missing}' not provided, try --help")));
        }
        let values = Values::check(self.flags, given).map_err(|err| fail(1, err.to_string()))?;
        Ok(Given { values, words })
    }
}

/// Flags with their values, and the words between them.
fn split(flags: &[Flag], arguments: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut taken, mut words) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter().cloned();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            words.extend(rest);
            break;
        }
        let takes_value = match argument.strip_prefix("--") {
            Some(long) => {
                let flag = flags.iter().find(|flag| flag.name == long);
                flag.is_some_and(|flag| flag.kind != Kind::Bool)
            }
            None if argument.starts_with('-') && argument.len() > 1 => false,
            None => {
                words.push(argument);
                continue;
            }
        };
        taken.push(argument);
        if takes_value {
            taken.extend(rest.next());
        }
    }
    (taken, words)
}
