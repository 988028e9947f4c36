//! The table of commands and their flags.

/// What a flag's value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `--x` and `--no-x`.
    Bool,
    Text,
    Url,
    /// Go's durations, and days.
    Duration,
    Count,
    /// A file that is there.
    Existing,
    /// A file that can be opened.
    Readable,
    Enum(&'static [&'static str]),
}

/// A flag.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
    pub(crate) default: Option<&'static str>,
    pub(crate) repeatable: bool,
    pub(crate) required: bool,
    pub(crate) help: &'static str,
}

/// A command, or a group of them.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// All names from the top; the key of what is run.
    pub(crate) path: &'static str,
    pub(crate) help: &'static str,
    pub(crate) flags: &'static [Flag],
    /// Flags of the groups above it.
    pub(crate) inherited: &'static [Flag],
    pub(crate) commands: &'static [Command],
    /// The command below that is meant when none is named.
    pub(crate) default: Option<&'static str>,
    /// Takes any number of arguments.
    pub(crate) arguments: bool,
    /// They are files that must be there.
    pub(crate) file_arguments: bool,
    /// Asks a server.
    pub(crate) needs_url: bool,
}

impl Command {
    pub(crate) fn default_command(&'static self) -> Option<&'static Command> {
        let name = self.default?;
        self.commands.iter().find(|command| command.name == name)
    }
}

const fn flag(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag { name, short: None, kind, default: None, repeatable: false, required: false, help }
}

impl Flag {
    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

const GROUP: Command = Command {
    name: "",
    path: "",
    help: "",
    flags: &[],
    inherited: &[],
    commands: &[],
    default: None,
    arguments: false,
    file_arguments: false,
    needs_url: false,
};

/// Flags of every command.
pub(crate) static GLOBAL: &[Flag] = &[
    flag("date.format", Kind::Text, "How times are printed, as a Go layout.")
        .default("2006-01-02 15:04:05 MST"),
    flag("verbose", Kind::Bool, "Say more.").short('v'),
    flag("alertmanager.url", Kind::Url, "The Alertmanager to ask."),
    flag("output", Kind::Enum(&["simple", "extended", "json"]), "How results are printed.")
        .short('o')
        .default("simple"),
    flag("timeout", Kind::Duration, "Longest time for the command.").default("30s"),
    flag("http.config.file", Kind::Existing, "File with the HTTP client's configuration."),
    flag("version-check", Kind::Bool, "Compare the server's version with this one.")
        .default("true"),
    flag("enable-feature", Kind::Text, "Features to turn on, separated by commas.").default(""),
];

const START: &str = "When it starts, as RFC 3339 has it.";
const END: &str = "When it ends, as RFC 3339 has it.";

const ANNOTATION: Flag =
    flag("annotation", Kind::Text, "An annotation, as name=value.").repeatable();

static ROUTES_FLAGS: &[Flag] = &[flag("config.file", Kind::Existing, "The configuration file.")];

pub(crate) static ROOT: Command = Command {
    commands: &[
        Command {
            name: "alert",
            help: "Alerts: look at them, add some.",
            default: Some("query"),
            commands: &[
                Command {
                    name: "query",
                    path: "alert query",
                    help: "Shows alerts that match all of the matchers; a first word without an operator is an alert's name.",
                    flags: &[
                        flag("inhibited", Kind::Bool, "Show inhibited alerts.").short('i'),
                        flag("silenced", Kind::Bool, "Show silenced alerts.").short('s'),
                        flag("active", Kind::Bool, "Show active alerts.").short('a'),
                        flag("unprocessed", Kind::Bool, "Show unprocessed alerts.").short('u'),
                        flag(
                            "receiver",
                            Kind::Text,
                            "Show alerts of receivers that match this regex.",
                        )
                        .short('r'),
                    ],
                    arguments: true,
                    needs_url: true,
                    ..GROUP
                },
                Command {
                    name: "add",
                    path: "alert add",
                    help: "Adds an alert with these labels; a first word without an operator is its name.",
                    flags: &[
                        flag("generator-url", Kind::Text, "URL of what made the alert."),
                        flag("start", Kind::Text, START),
                        flag("end", Kind::Text, END),
                        ANNOTATION,
                    ],
                    arguments: true,
                    needs_url: true,
                    ..GROUP
                },
            ],
            ..GROUP
        },
        Command {
            name: "silence",
            help: "Silences: make, change, end, look at them.",
            default: Some("query"),
            commands: &[
                Command {
                    name: "add",
                    path: "silence add",
                    help: "Makes a silence of alerts that match all of the matchers; a first word without an operator is an alert's name.",
                    flags: &[
                        flag("author", Kind::Text, "Who makes it.").short('a'),
                        flag("require-comment", Kind::Bool, "Refuse a silence without comment.")
                            .default("true"),
                        flag("duration", Kind::Text, "How long it lasts.").short('d').default("1h"),
                        flag("start", Kind::Text, START),
                        flag("end", Kind::Text, END),
                        flag("comment", Kind::Text, "Why it is made.").short('c'),
                        ANNOTATION,
                    ],
                    arguments: true,
                    needs_url: true,
                    ..GROUP
                },
                Command {
                    name: "expire",
                    path: "silence expire",
                    help: "Ends the silences with these ids.",
                    arguments: true,
                    needs_url: true,
                    ..GROUP
                },
                Command {
                    name: "import",
                    path: "silence import",
                    help: "Makes silences out of a JSON file, or of standard input.",
                    flags: &[
                        flag("force", Kind::Bool, "Make new ones even where the id is known.")
                            .short('f'),
                        flag("worker", Kind::Count, "How many are sent at the same time.")
                            .short('w')
                            .default("8"),
                    ],
                    arguments: true,
                    file_arguments: true,
                    needs_url: true,
                    ..GROUP
                },
                Command {
                    name: "query",
                    path: "silence query",
                    help: "Shows silences, those that have ended aside.",
                    flags: &[
                        flag("expired", Kind::Bool, "Show those that have ended instead."),
                        flag("quiet", Kind::Bool, "Show ids only.").short('q'),
                        flag("created-by", Kind::Text, "Show those of this author."),
                        flag("id", Kind::Text, "Show the one with this id."),
                        flag(
                            "within",
                            Kind::Duration,
                            "Show those that end, or have ended, within this time.",
                        ),
                    ],
                    arguments: true,
                    needs_url: true,
                    ..GROUP
                },
                Command {
                    name: "update",
                    path: "silence update",
                    help: "Changes the silences with these ids.",
                    flags: &[
                        flag("quiet", Kind::Bool, "Show ids only.").short('q'),
                        flag("duration", Kind::Text, "How long they last from their start.")
                            .short('d'),
                        flag("start", Kind::Text, START),
                        flag("end", Kind::Text, END),
                        flag("comment", Kind::Text, "Why they are made.").short('c'),
                    ],
                    arguments: true,
                    needs_url: true,
                    ..GROUP
                },
            ],
            ..GROUP
        },
        Command {
            name: "check-config",
            path: "check-config",
            help: "Checks configuration files and the templates they name.",
            arguments: true,
            file_arguments: true,
            ..GROUP
        },
        Command {
            name: "cluster",
            help: "The cluster and its peers.",
            default: Some("show"),
            commands: &[Command {
                name: "show",
                path: "cluster show",
                help: "Shows the cluster's state.",
                needs_url: true,
                ..GROUP
            }],
            ..GROUP
        },
        Command {
            name: "config",
            help: "The configuration, and which way alerts go.",
            default: Some("show"),
            commands: &[
                Command {
                    name: "show",
                    path: "config show",
                    help: "Shows the running configuration.",
                    needs_url: true,
                    ..GROUP
                },
                Command {
                    name: "routes",
                    help: "The routing tree of a file or of a server.",
                    flags: ROUTES_FLAGS,
                    default: Some("show"),
                    commands: &[
                        Command {
                            name: "show",
                            path: "config routes show",
                            help: "Shows the routing tree.",
                            inherited: ROUTES_FLAGS,
                            ..GROUP
                        },
                        Command {
                            name: "test",
                            path: "config routes test",
                            help: "Shows which receivers an alert with these labels reaches.",
                            flags: &[
                                flag(
                                    "verify.receivers",
                                    Kind::Text,
                                    "Fail unless exactly these are reached.",
                                ),
                                flag("tree", Kind::Bool, "Show the routes on the way."),
                            ],
                            inherited: ROUTES_FLAGS,
                            arguments: true,
                            ..GROUP
                        },
                    ],
                    ..GROUP
                },
            ],
            ..GROUP
        },
        Command {
            name: "template",
            help: "Templates of notifications.",
            commands: &[Command {
                name: "render",
                path: "template render",
                help: "Renders a text over an example, or over data of your own.",
                flags: &[
                    flag("template.text", Kind::Text, "The text to render.").required(),
                    flag("template.glob", Kind::Text, "Files of templates that it may use.")
                        .repeatable()
                        .required(),
                    flag("template.type", Kind::Enum(&["html", "text"]), "As what it is rendered."),
                    flag(
                        "template.data",
                        Kind::Readable,
                        "JSON file with the data of a notification.",
                    ),
                ],
                ..GROUP
            }],
            ..GROUP
        },
        Command {
            name: "explain",
            path: "explain",
            help: "Tells what became of alerts that match all of the matchers: who was told, and if not, why.",
            flags: &[
                flag("receiver", Kind::Text, "Only what this receiver has to do with.").short('r'),
                flag("since", Kind::Duration, "How far back to look.").default("24h"),
                flag("limit", Kind::Count, "Most entries to show.").default("200"),
            ],
            arguments: true,
            needs_url: true,
            ..GROUP
        },
    ],
    ..GROUP
};
