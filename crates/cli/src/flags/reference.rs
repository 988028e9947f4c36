//! The reference page of all flags, `docs/flags.md`, made from the tables; a test keeps it equal.

use std::fmt::Write as _;

use crate::flags::spec::{Flag, Kind, Support};

/// The page for the given commands: name, what it takes the place of, flags.
pub(crate) fn reference(commands: &[(&str, &str, Vec<Flag>)]) -> String {
    let mut out = String::from(
        "# Flags\n\nMade from the tables in `crates/cli/src/flags/tables`; `UPDATE_GOLDEN=1 cargo test -p gauntlet` writes it anew.\n\n\
         Names, types and defaults are the peers'. *Taken* flags change nothing here, for the reason given. *Refused* ones end the\n\
         start with that reason.\n",
    );
    for (name, about, flags) in commands {
        let refused = flags.iter().filter(|f| matches!(f.support, Support::Refused(_))).count();
        let taken = flags.iter().filter(|f| matches!(f.support, Support::Accepted(_))).count();
        let _ = write!(
            out,
            "\n## `gauntlet {name}`\n\n{about} {} flags: {} work, {taken} taken, {refused} refused.\n\n\
             | flag | type | default | what it does |\n| --- | --- | --- | --- |\n",
            flags.len(),
            flags.len() - taken - refused,
        );
        for flag in flags {
            let what = match flag.support {
                Support::Have => flag.help.to_owned(),
                Support::Accepted(why) => format!("*taken*: {why}"),
                Support::Refused(why) => format!("*refused*: {why}"),
            };
            let default = match flag.kind {
                Kind::Bool => flag.on.to_string(),
                _ => flag.default.join(", "),
            };
            let repeat = if flag.repeatable { ", repeatable" } else { "" };
            let _ = writeln!(
                out,
                "| `--{}` | {}{repeat} | {} | {} |",
                flag.name,
                kind_name(flag.kind),
                if default.is_empty() { String::new() } else { format!("`{}`", cell(&default)) },
                cell(&what),
            );
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::Bool => "bool".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Duration => "duration (`1d12h`)".to_owned(),
        Kind::GoDuration => "Go duration (`1h30m`)".to_owned(),
        Kind::Int | Kind::Uint => "integer".to_owned(),
        Kind::Float => "number".to_owned(),
        Kind::Bytes => "bytes (`512MB`)".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::TimeOrDuration => "time or duration".to_owned(),
        Kind::Address => "address".to_owned(),
        Kind::LogLevel => "log level".to_owned(),
        Kind::LogFormat => "log format".to_owned(),
        Kind::Enum(values) => {
            let shown: Vec<_> = values.iter().filter(|v| !v.is_empty()).copied().collect();
            format!("one of {}", shown.join(", "))
        }
    }
}
