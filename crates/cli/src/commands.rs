//! Which command a command line means: by the name the binary was called by, then by the first word.

use std::path::Path;

use crate::amtool;
use crate::flags::parse::{Parsed, parse};
use crate::flags::program::{Command, Ending, Program, version_text};
use crate::flags::spec::{Flag, Kind};
use crate::flags::tables;
use crate::flags::values::Values;
use crate::roles;
use crate::tools;

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Up,
    Server,
    Node,
    Alertmanager,
    Sidecar,
    Store,
    Query,
}

impl Role {
    const ALL: [(&'static str, Role, &'static str); 7] = [
        (
            "up",
            Role::Up,
            "Everything on this machine, in one process: server, host metrics, alerts, bucket.",
        ),
        ("server", Role::Server, "Collects, keeps and queries samples, in place of Prometheus."),
        ("node", Role::Node, "Metrics of this host, in place of node_exporter."),
        ("alertmanager", Role::Alertmanager, "Tells people of alerts, in place of Alertmanager."),
        (
            "sidecar",
            Role::Sidecar,
            "Serves a server's data to queries and uploads its blocks, in place of thanos sidecar.",
        ),
        ("store", Role::Store, "Serves the blocks of a bucket, in place of thanos store."),
        ("query", Role::Query, "One query over many stores, in place of thanos query."),
    ];

    fn flags(self) -> Vec<Flag> {
        let command: &[Flag] = match self {
            Role::Up => tables::UP,
            Role::Server => tables::PROMETHEUS,
            Role::Node => return node_flags(),
            Role::Alertmanager => tables::ALERTMANAGER,
            Role::Sidecar => tables::SIDECAR,
            Role::Store => tables::STORE,
            Role::Query => tables::QUERY,
        };
        match self {
            Role::Sidecar | Role::Store | Role::Query => {
                command.iter().chain(tables::THANOS_GLOBAL).copied().collect()
            }
            _ => command.to_vec(),
        }
    }
}

/// Commands of Thanos that are known and not there yet.
const THANOS_LATER: &[&str] = &["rule", "compact", "tools", "receive", "query-frontend"];

/// Runs a command line to its end.
pub(crate) fn run(arguments: &[String]) -> Ending {
    let called = arguments.first().map_or("", String::as_str);
    let name = Path::new(called).file_name().and_then(|n| n.to_str()).unwrap_or("gauntlet");
    let rest = arguments.get(1..).unwrap_or_default();
    match name {
        "prometheus" => run_role(Program::Prometheus, "prometheus", Role::Server, rest, arguments),
        "node_exporter" => {
            run_role(Program::NodeExporter, "node_exporter", Role::Node, rest, arguments)
        }
        "alertmanager" => {
            run_role(Program::Alertmanager, "alertmanager", Role::Alertmanager, rest, arguments)
        }
        "amtool" => amtool::run("amtool", rest),
        "thanos" => run_thanos(rest),
        "promtool" => tools::run(rest),
        _ => run_gauntlet(rest),
    }
}

fn run_gauntlet(arguments: &[String]) -> Ending {
    let Some(first) = arguments.first() else {
        return Ending { stdout: gauntlet_usage(), ..Ending::default() };
    };
    match first.as_str() {
        "--help" | "-h" | "help" => Ending { stdout: gauntlet_usage(), ..Ending::default() },
        "--version" | "version" => {
            Ending { stdout: version_text(Program::Gauntlet), ..Ending::default() }
        }
        "thanos" => run_thanos(&arguments[1..]),
        "am" => amtool::run("gauntlet am", &arguments[1..]),
        "promtool" => tools::run(&arguments[1..]),
        "tsdb" => tools::run(arguments),
        "agent" => {
            let mut flags = vec!["--agent".to_owned()];
            flags.extend_from_slice(&arguments[1..]);
            run_role(Program::Gauntlet, "gauntlet agent", Role::Server, &flags, arguments)
        }
        word => match Role::ALL.iter().find(|(name, ..)| *name == word) {
            Some((name, role, _)) => run_role(
                Program::Gauntlet,
                &format!("gauntlet {name}"),
                *role,
                &arguments[1..],
                arguments,
            ),
            None => Ending {
                stderr: format!("gauntlet: error: no role {word:?}, try gauntlet --help\n"),
                code: 1,
                ..Ending::default()
            },
        },
    }
}

fn gauntlet_usage() -> String {
    let mut out = String::from(
        "usage: gauntlet <role> [<flags>]\n\nThe whole observability cluster in one binary.\n\nRoles:\n",
    );
    for (name, _, about) in Role::ALL {
        out.push_str(&format!("  {name:13} {about}\n"));
    }
    out.push_str(
        "  agent         Collects and sends on, and keeps only a log, in place of prometheus --agent.\n",
    );
    out.push_str(
        "\nTools:\n  am            Asks an Alertmanager, as amtool does, and explains what became of alerts.\n  tsdb          Looks into data folders and makes blocks, as promtool tsdb does.\n\n\
         Called by a link named prometheus, node_exporter, alertmanager, amtool, thanos or promtool, it takes that program's command line.\n\
         Start with: gauntlet up\n",
    );
    out
}

fn run_thanos(arguments: &[String]) -> Ending {
    let fail = |code, text: String| Ending { stderr: text, code, ..Ending::default() };
    // Global flags may come before the command: the first word that is no flag and no flag's value names it.
    let mut at = 0;
    while let Some(argument) = arguments.get(at) {
        let Some(long) = argument.strip_prefix("--") else { break };
        match long {
            "version" => {
                return Ending { stderr: version_text(Program::Thanos), ..Ending::default() };
            }
            "help" | "help-long" => return Ending { stdout: thanos_usage(), ..Ending::default() },
            _ => {}
        }
        let (name, has_value) = match long.split_once('=') {
            Some((name, _)) => (name, true),
            None => (long, false),
        };
        let bare = name.strip_prefix("no-").unwrap_or(name);
        let Some(flag) = tables::THANOS_GLOBAL.iter().find(|f| f.name == name || f.name == bare)
        else {
            return fail(1, format!("thanos: error: unknown long flag '--{name}'\n"));
        };
        at += if flag.kind == Kind::Bool || has_value { 1 } else { 2 };
    }
    let Some(word) = arguments.get(at) else { return fail(0, thanos_usage()) };
    if let Some(path) = word.strip_prefix('@') {
        let reason = format!("open {path}: no such file or directory");
        return fail(
            1,
            format!("thanos: error: failed to open arguments file {path:?}: {reason}\n"),
        );
    }
    let role = match word.as_str() {
        "sidecar" => Role::Sidecar,
        "store" => Role::Store,
        "query" => Role::Query,
        later if THANOS_LATER.contains(&later) => {
            return fail(
                1,
                format!("thanos: error: the command {later:?} is known but not built yet\n"),
            );
        }
        other => return fail(1, format!("thanos: error: expected command but got {other:?}\n")),
    };
    let mut rest = arguments.to_vec();
    rest.remove(at);
    let line: Vec<String> =
        ["thanos".to_owned()].into_iter().chain(arguments.iter().cloned()).collect();
    run_role(Program::Thanos, &format!("thanos {word}"), role, &rest, &line)
}

fn thanos_usage() -> String {
    let mut out = String::from("usage: thanos [<flags>] <command> [<args> ...]\n\nCommands:\n");
    for (name, role, about) in Role::ALL {
        if matches!(role, Role::Sidecar | Role::Store | Role::Query) {
            out.push_str(&format!("  {name:8} {about}\n"));
        }
    }
    out.push_str(&format!("\nKnown but not built yet: {}\n", THANOS_LATER.join(", ")));
    out
}

/// `line` is the command line as it was given, for messages that repeat it.
fn run_role(
    program: Program,
    name: &str,
    role: Role,
    arguments: &[String],
    line: &[String],
) -> Ending {
    let flags = role.flags();
    let about = Role::ALL.iter().find(|(_, r, _)| *r == role).map_or("", |(.., about)| about);
    let command = Command { program, name, about, flags: &flags };
    let given = match parse(&flags, arguments) {
        Ok(Parsed::Run(given)) => given,
        Ok(Parsed::Help) => return command.help(),
        Ok(Parsed::Version) => return command.version(),
        Err(err) => return command.syntax_error(&err),
    };
    let values = match Values::check(&flags, given) {
        Ok(values) => values,
        Err(err) => {
            return command.value_error(&err, line);
        }
    };
    roles::run(role, values)
}

/// The table of the node crate in the form of ours.
pub(crate) fn node_flags() -> Vec<Flag> {
    use gauntlet_node::FlagKind;
    gauntlet_node::flags()
        .iter()
        .map(|spec| {
            let kind = match (spec.name, spec.kind) {
                ("log.level", _) => Kind::LogLevel,
                ("log.format", _) => Kind::LogFormat,
                (_, FlagKind::Bool) => Kind::Bool,
                (_, FlagKind::Int) => Kind::Int,
                (_, FlagKind::Duration) => Kind::GoDuration,
                (_, FlagKind::Text) => Kind::Text,
            };
            let mut flag = Flag::new(spec.name, kind, spec.help);
            if kind == Kind::Bool {
                flag.on = spec.default == ["true"];
            } else {
                flag.default = spec.default;
            }
            flag.repeatable = spec.repeatable;
            flag.hidden = spec.hidden;
            flag.env = spec.env;
            match spec.name {
                "runtime.gomaxprocs" => flag.accepted("there is no Go runtime to tune"),
                _ => flag,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Role;
    use crate::flags::reference::reference;
    use crate::flags::spec::Support;

    #[test]
    fn the_reference_page_is_up_to_date() {
        let commands: Vec<_> =
            Role::ALL.iter().map(|(name, role, about)| (*name, *about, role.flags())).collect();
        let page = reference(&commands);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flags.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page,
            "docs/flags.md is old: UPDATE_GOLDEN=1 cargo test -p gauntlet writes it"
        );
    }

    /// A flag that neither says that it has no effect nor is refused must be read somewhere: whoever sets it relies on it.
    #[test]
    fn every_flag_that_claims_to_work_is_read_by_its_role() {
        let sources = |names: &[&str]| -> String {
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            names.iter().map(|name| std::fs::read_to_string(root.join(name)).unwrap()).collect()
        };
        let logs = ["log.level", "log.format"];
        for (role, files) in [
            (Role::Up, ["roles/up.rs", "roles/up/alerts.rs"].as_slice()),
            (Role::Server, &["roles/server.rs"]),
            (Role::Sidecar, &["roles/sidecar.rs", "roles/bucket.rs", "roles/thanos.rs"]),
            (Role::Store, &["roles/store.rs", "roles/bucket.rs", "roles/thanos.rs"]),
            (Role::Query, &["roles/query.rs", "roles/thanos.rs"]),
            (
                Role::Alertmanager,
                &[
                    "roles/alertmanager.rs",
                    "roles/alertmanager/cluster.rs",
                    "roles/alertmanager/config.rs",
                ],
            ),
        ] {
            let text = sources(files);
            for flag in role.flags().iter().filter(|f| f.support == Support::Have) {
                let read = text.contains(&format!("\"{}\"", flag.name))
                    || (flag.name.starts_with("endpoint") && text.contains("(\"endpoint"));
                assert!(
                    read || logs.contains(&flag.name),
                    "{role:?}: nothing reads --{}",
                    flag.name
                );
            }
        }
    }

    #[test]
    fn every_flag_of_the_peers_is_known_with_its_default() {
        let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
        let mut checked = 0;
        for (file, command, role) in [
            ("prometheus", None, Role::Server),
            ("node_exporter", None, Role::Node),
            ("alertmanager", None, Role::Alertmanager),
            ("thanos", Some("sidecar"), Role::Sidecar),
            ("thanos", Some("store"), Role::Store),
            ("thanos", Some("query"), Role::Query),
        ] {
            let text = std::fs::read(dir.join(format!("golden/go/flags/{file}.json"))).unwrap();
            let recorded: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let flags = match command {
                None => recorded["flags"].clone(),
                Some(name) => recorded["commands"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|c| c["command"] == name)
                    .unwrap()["flags"]
                    .clone(),
            };
            let ours = role.flags();
            for flag in flags.as_array().unwrap() {
                let name = flag["name"].as_str().unwrap();
                let built_in = name.starts_with("help")
                    || name.starts_with("completion")
                    || matches!(name, "version" | "write-documentation");
                if built_in {
                    continue;
                }
                let known = ours.iter().find(|f| f.name == name);
                let known = known.unwrap_or_else(|| panic!("{file}: --{name} is not in the table"));
                let default: Vec<&str> = flag["default"]
                    .as_array()
                    .map(|d| d.iter().map(|v| v.as_str().unwrap()).collect())
                    .unwrap_or_default();
                if flag["type"] == "bool" {
                    assert_eq!(known.on, default == ["true"], "{file}: --{name}");
                } else {
                    // No default and an empty one are the same to whoever reads the value.
                    let stated = |d: &[&'static str]| d.iter().filter(|v| !v.is_empty()).count();
                    let equal = known.default == default
                        || stated(known.default) == 0 && default.iter().all(|v| v.is_empty());
                    assert!(equal, "{file}: --{name}: {:?}, not {default:?}", known.default);
                }
                checked += 1;
            }
        }
        println!("{checked} flags of the peers known with their defaults");
    }
}
