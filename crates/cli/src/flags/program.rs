//! Whose command line it is: how usage, versions and mistakes are shown, and with which exit code.

use crate::flags::parse::SyntaxError;
use crate::flags::spec::Flag;
use crate::flags::usage::usage;
use crate::flags::values::ValueError;

/// The name that the binary was called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Gauntlet,
    Prometheus,
    NodeExporter,
    Alertmanager,
    Amtool,
    Thanos,
    Promtool,
}

/// What to print and how to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: u8,
}

/// A command of a program, with all that its messages need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command<'a> {
    pub(crate) program: Program,
    /// As it is called: `prometheus`, `thanos store`, `gauntlet server`.
    pub(crate) name: &'a str,
    pub(crate) about: &'a str,
    pub(crate) flags: &'a [Flag],
}

impl Command<'_> {
    pub(crate) fn help(&self) -> Ending {
        Ending { stdout: usage(self.name, self.about, self.flags), ..Ending::default() }
    }

    pub(crate) fn version(&self) -> Ending {
        let text = version_text(self.program);
        match self.program {
            Program::Thanos => Ending { stderr: text, ..Ending::default() },
            _ => Ending { stdout: text, ..Ending::default() },
        }
    }

    pub(crate) fn syntax_error(&self, err: &SyntaxError) -> Ending {
        let stderr = match self.program {
            Program::Prometheus => {
                format!("Error parsing command line arguments: {err}\nprometheus: error: {err}\n")
            }
            Program::Thanos => format!("thanos: error: {err}\n"),
            _ => format!("{}: error: {err}, try --help\n", self.name),
        };
        Ending { stderr, code: 1, ..Ending::default() }
    }

    pub(crate) fn value_error(&self, err: &ValueError, arguments: &[String]) -> Ending {
        if matches!(err, ValueError::WrongMode { .. }) {
            return Ending { stderr: err.to_string(), code: 3, ..Ending::default() };
        }
        let usage = usage(self.name, self.about, self.flags);
        match self.program {
            Program::Prometheus => Ending {
                stdout: usage,
                stderr: format!("Error parsing command line arguments: {err}\n"),
                code: 2,
            },
            Program::NodeExporter | Program::Alertmanager => Ending {
                stderr: format!("{}: error: {err}, try --help\n", self.name),
                code: 1,
                ..Ending::default()
            },
            Program::Thanos => Ending {
                stderr: format!(
                    "{usage}\nerror parsing commandline arguments: [{}]: {err}\n",
                    arguments.join(" ")
                ),
                code: 2,
                ..Ending::default()
            },
            Program::Gauntlet | Program::Promtool | Program::Amtool => Ending {
                stderr: format!("{}: error: {err}, try --help\n", self.name),
                code: 2,
                ..Ending::default()
            },
        }
    }
}

/// The version of ours, and of the peer whose place it takes, in the peer's form: scripts read the first line.
pub(crate) fn version_text(program: Program) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    let (name, version) = match program {
        Program::Gauntlet => ("gauntlet", ours),
        Program::Prometheus => ("prometheus", PROMETHEUS_VERSION),
        Program::Promtool => ("promtool", PROMETHEUS_VERSION),
        Program::NodeExporter => ("node_exporter", "1.12.1"),
        Program::Alertmanager => ("alertmanager", ALERTMANAGER_VERSION),
        Program::Amtool => ("amtool", ALERTMANAGER_VERSION),
        Program::Thanos => ("thanos", "0.43.0"),
    };
    format!(
        "{name}, version {version} (branch: gauntlet, revision: {ours})\n  \
         build user:       gauntlet\n  build date:       unknown\n  go version:       none (rust)\n  \
         platform:         {}/{}\n  tags:             gauntlet\n",
        std::env::consts::OS,
        match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    )
}

/// The version of Alertmanager whose API and formats are spoken.
pub(crate) const ALERTMANAGER_VERSION: &str = "0.34.0";

/// The version of Prometheus whose APIs and formats are spoken.
pub(crate) const PROMETHEUS_VERSION: &str = "3.14.0";
