//! Flags of promtool's commands over data folders.

use crate::flags::spec::{Flag, Kind};

const SANDBOX: Flag = Flag::new("sandbox-dir-root", Kind::Text, "Accepted.")
    .accepted("nothing is written while a folder is read");
const MIN_TIME: Flag =
    Flag::new("min-time", Kind::Int, "Least timestamp, in milliseconds since the Unix epoch.")
        .default(&["-9223372036854775808"]);
const MAX_TIME: Flag =
    Flag::new("max-time", Kind::Int, "Greatest timestamp, in milliseconds since the Unix epoch.")
        .default(&["9223372036854775807"]);
const MATCH: Flag = Flag::new("match", Kind::Text, "Series selector. May be given more than once.")
    .default(&["{__name__=~'(?s:.*)'}"])
    .repeatable();
const EXPERIMENTAL: Flag =
    Flag::new("experimental", Kind::Bool, "Accepted.").accepted("no command asks for it");
const FEATURES: Flag = Flag::new("enable-feature", Kind::Text, "Accepted.")
    .repeatable()
    .accepted("selectors are the same with all features");

#[rustfmt::skip]
pub(crate) const ANALYZE: &[Flag] = &[
    EXPERIMENTAL, FEATURES,
    Flag::new("limit", Kind::Int, "Entries of each list.").default(&["20"]),
    Flag::new("extended", Kind::Bool, "Look at the chunks too."),
    Flag::new("match", Kind::Text, "Selector of the series to look at."),
];

#[rustfmt::skip]
pub(crate) const LIST: &[Flag] = &[EXPERIMENTAL, FEATURES, HUMAN];

#[rustfmt::skip]
pub(crate) const DUMP: &[Flag] = &[
    EXPERIMENTAL, FEATURES, SANDBOX, MIN_TIME, MAX_TIME, MATCH,
    Flag::new("format", Kind::Enum(&["prom", "seriesjson"]), "Form of the output: prom or seriesjson.").default(&["prom"]),
];

pub(crate) const DUMP_OPENMETRICS: &[Flag] =
    &[EXPERIMENTAL, FEATURES, SANDBOX, MIN_TIME, MAX_TIME, MATCH];

const HUMAN: Flag = {
    let mut flag = Flag::new("human-readable", Kind::Bool, "Print times and sizes for people.");
    flag.short = Some(b'r');
    flag
};
const QUIET: Flag = {
    let mut flag = Flag::new("quiet", Kind::Bool, "Do not print the blocks that were made.");
    flag.short = Some(b'q');
    flag
};

#[rustfmt::skip]
pub(crate) const OPENMETRICS: &[Flag] = &[
    EXPERIMENTAL, FEATURES, HUMAN, QUIET,
    Flag::new("label", Kind::Text, "Label for all series, as name=value. May be given more than once.").repeatable(),
    Flag::new("max-block-duration", Kind::GoDuration, "Widest span of time of a block; 2h at least.").default(&["0s"]).hidden(),
];

#[rustfmt::skip]
pub(crate) const BENCH_WRITE: &[Flag] = &[
    EXPERIMENTAL, FEATURES,
    Flag::new("out", Kind::Text, "Folder of the output; made anew.").default(&["benchout"]),
    Flag::new("metrics", Kind::Int, "Series to read from the file.").default(&["10000"]),
    Flag::new("scrapes", Kind::Int, "Scrapes to take.").default(&["3000"]),
];
