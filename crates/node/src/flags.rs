//! Flags as data: what the command line offers for this component. Parsing the command line is the caller's; `config` reads
//! the values through a lookup.

mod table;

/// What a flag's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// `--x` and `--no-x`; the lookup gives `true` or `false`.
    Bool,
    Int,
    /// A Go duration such as `5s` or `1.5ms`.
    Duration,
    Text,
}

/// One flag of the upstream exporter.
#[derive(Debug)]
pub struct FlagSpec {
    /// Without the leading dashes.
    pub name: &'static str,
    pub kind: FlagKind,
    /// Empty means the empty string (or false, or no value for a repeatable flag).
    pub default: &'static [&'static str],
    pub help: &'static str,
    /// May be given several times; the values add up.
    pub repeatable: bool,
    /// Not shown in the help: deprecated spellings and test hooks.
    pub hidden: bool,
    /// Environment variable that stands in for the default.
    pub env: Option<&'static str>,
}

/// The whole table.
pub fn flags() -> &'static [FlagSpec] {
    table::FLAGS
}

pub(crate) fn find(name: &str) -> Option<&'static FlagSpec> {
    table::FLAGS.iter().find(|f| f.name == name)
}

const fn flag(
    name: &'static str,
    kind: FlagKind,
    default: &'static [&'static str],
    help: &'static str,
) -> FlagSpec {
    FlagSpec { name, kind, default, help, repeatable: false, hidden: false, env: None }
}

impl FlagSpec {
    const fn repeatable(mut self) -> FlagSpec {
        self.repeatable = true;
        self
    }

    const fn hidden(mut self) -> FlagSpec {
        self.hidden = true;
        self
    }

    const fn env(mut self, variable: &'static str) -> FlagSpec {
        self.env = Some(variable);
        self
    }
}
