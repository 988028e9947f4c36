//! One flag as data.

/// What a value must look like. The names of the types are kingpin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `--x` and `--no-x`; takes no value.
    Bool,
    Text,
    /// Prometheus' durations: `1d12h`, no fractions.
    Duration,
    /// Go's durations: `1h30m`, `1.5ms`, no days.
    GoDuration,
    Int,
    Uint,
    Float,
    /// Sizes in powers of 1024.
    Bytes,
    Url,
    /// RFC 3339, or a duration relative to now.
    TimeOrDuration,
    /// `host:port`, or a DNS look-up as `dns+host:port`.
    Address,
    LogLevel,
    LogFormat,
    Enum(&'static [&'static str]),
}

/// Whether a flag does something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    Have,
    /// Taken without effect; the reason is logged when it is given.
    Accepted(&'static str),
    /// Known to the peer, refused here with a reason.
    Refused(&'static str),
}

/// In which mode of Prometheus a flag may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Both,
    Server,
    Agent,
}

/// A flag of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) short: Option<u8>,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    pub(crate) default: &'static [&'static str],
    /// Default of a boolean.
    pub(crate) on: bool,
    pub(crate) repeatable: bool,
    pub(crate) hidden: bool,
    pub(crate) env: Option<&'static str>,
    pub(crate) mode: Mode,
    pub(crate) support: Support,
}

impl Flag {
    pub(crate) const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            short: None,
            kind,
            help,
            default: &[],
            on: false,
            repeatable: false,
            hidden: false,
            env: None,
            mode: Mode::Both,
            support: Support::Have,
        }
    }

    pub(crate) const fn default(mut self, values: &'static [&'static str]) -> Self {
        self.default = values;
        self
    }

    pub(crate) const fn on(mut self) -> Self {
        self.on = true;
        self
    }

    pub(crate) const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    pub(crate) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(crate) const fn server_only(mut self) -> Self {
        self.mode = Mode::Server;
        self
    }

    pub(crate) const fn agent_only(mut self) -> Self {
        self.mode = Mode::Agent;
        self
    }

    pub(crate) const fn accepted(mut self, why: &'static str) -> Self {
        self.support = Support::Accepted(why);
        self
    }

    pub(crate) const fn refused(mut self, why: &'static str) -> Self {
        self.support = Support::Refused(why);
        self
    }
}
