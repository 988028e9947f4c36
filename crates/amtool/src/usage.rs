//! What can be said: the whole of it as the peer prints it, and each command on its own.

use std::fmt::Write as _;

use crate::commands::{Command, Flag, GLOBAL, Kind, ROOT};

/// Printed when no command is named: an interface text that scripts and completions look at.
const WHOLE: &str = include_str!("usage/amtool.txt");

/// All commands.
pub(crate) fn whole(program: &str) -> String {
    if program == "amtool" {
        return WHOLE.to_owned();
    }
    of(program, &[])
}

/// One command, or all of a group.
pub(crate) fn of(program: &str, path: &[&'static str]) -> String {
    let mut command: &'static Command = &ROOT;
    for name in path {
        if let Some(next) = command.commands.iter().find(|c| c.name == *name) {
            command = next;
        }
    }
    let mut out = format!("usage: {program}");
    for name in path {
        let _ = write!(out, " {name}");
    }
    let required = command.flags.iter().filter(|flag| flag.required);
    for flag in required {
        let _ = write!(out, " --{}=...", flag.name);
    }
    out.push_str(" [<flags>]");
    if !command.commands.is_empty() {
        out.push_str(" <command> [<args> ...]");
    } else if command.arguments {
        let _ = write!(out, " [<{}>...]", argument(command.path));
    }
    out.push_str("\n\n");
    if !command.help.is_empty() {
        let _ = writeln!(out, "{}\n", command.help);
    }
    out.push_str("Flags:\n");
    for flag in GLOBAL.iter().chain(command.inherited).chain(command.flags) {
        out.push_str(&line(flag));
    }
    if !command.commands.is_empty() {
        out.push_str("\nCommands:\n");
        list(command, &mut out);
    }
    out
}

fn argument(path: &str) -> &'static str {
    match path {
        "check-config" => "check-files",
        "silence expire" => "silence-ids",
        "silence update" => "update-ids",
        "silence import" => "input-file",
        "alert add" | "config routes test" => "labels",
        _ => "matcher-groups",
    }
}

fn line(flag: &Flag) -> String {
    let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
    let value = match (flag.kind, flag.default) {
        (Kind::Bool, _) => String::new(),
        (_, Some(default)) => format!("={default:?}"),
        _ => "=...".to_owned(),
    };
    let no = if flag.kind == Kind::Bool { "[no-]" } else { "" };
    let name = format!("  {short}--{no}{}{value}", flag.name);
    format!("{name:34}{}\n", flag.help)
}

fn list(command: &'static Command, out: &mut String) {
    for below in command.commands {
        if below.commands.is_empty() {
            let _ = writeln!(out, "  {:22}{}", below.path, below.help);
        } else {
            list(below, out);
        }
    }
}
