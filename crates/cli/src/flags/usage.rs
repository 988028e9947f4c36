//! Help text, made from the tables.

use std::fmt::Write as _;

use crate::flags::spec::{Flag, Kind, Support};

/// Help of one command: its usage line, what it does, its flags; refused flags are listed by name at the end.
pub(crate) fn usage(command: &str, about: &str, flags: &[Flag]) -> String {
    let mut out = format!("usage: {command} [<flags>]\n\n{about}\n\n\nFlags:\n");
    let mut rows = vec![
        ("-h, --help".to_owned(), "Show this help.".to_owned()),
        ("    --version".to_owned(), "Show the version.".to_owned()),
    ];
    for flag in flags.iter().filter(|f| !f.hidden && !matches!(f.support, Support::Refused(_))) {
        let short = flag.short.map_or("    ".to_owned(), |s| format!("-{}, ", char::from(s)));
        let name = match flag.kind {
            Kind::Bool => format!("{short}--[no-]{}", flag.name),
            _ => format!("{short}--{}{}", flag.name, value_hint(flag)),
        };
        let help = match flag.support {
            Support::Accepted(why) => format!("Taken without effect: {why}."),
            _ => flag.help.to_owned(),
        };
        let help = match flag.env {
            Some(env) => format!("{help} (${env})"),
            None => help,
        };
        rows.push((name, help));
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(44);
    for (name, help) in rows {
        if name.len() > width {
            let _ = writeln!(out, "  {name}\n  {:width$}  {help}", "");
        } else {
            let _ = writeln!(out, "  {name:width$}  {help}");
        }
    }
    let refused: Vec<_> =
        flags.iter().filter(|f| matches!(f.support, Support::Refused(_))).map(|f| f.name).collect();
    if !refused.is_empty() {
        out.push_str("\nKnown flags that are refused, each with its reason when it is given:\n");
        for names in refused.chunks(3) {
            let _ = writeln!(out, "  --{}", names.join(", --"));
        }
    }
    out
}

fn value_hint(flag: &Flag) -> String {
    let repeat = if flag.repeatable { " ..." } else { "" };
    match flag.default {
        [] => format!("=<{}>{repeat}", kind_name(flag.kind)),
        [""] => format!("=<{}>{repeat}", kind_name(flag.kind)),
        many => format!("={}{repeat}", many.join(",")),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Text | Kind::LogLevel | Kind::LogFormat | Kind::Enum(_) => "text",
        Kind::Duration | Kind::GoDuration => "duration",
        Kind::Int | Kind::Uint | Kind::Float => "number",
        Kind::Bytes => "bytes",
        Kind::Url => "url",
        Kind::TimeOrDuration => "time",
        Kind::Address => "address",
    }
}
