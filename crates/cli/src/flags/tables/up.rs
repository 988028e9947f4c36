//! Flags of the role `up`, which is ours alone.

use crate::flags::spec::{Flag, Kind};

#[rustfmt::skip]
pub(crate) const UP: &[Flag] = &[
    Flag::new("data-dir", Kind::Text, "Folder of everything that is kept: database, bucket, index headers, alerts.").default(&["data"]),
    Flag::new("bind", Kind::Text, "Address that all roles listen on.").default(&["127.0.0.1"]),
    Flag::new("port-offset", Kind::Int, "Number that is added to every port: 9090 for the API and pages, 9100 for the host's metrics, 9093 for alerts.").default(&["0"]),
    Flag::new("config.file", Kind::Text, "Configuration file of the server. Default: scrape this host and this process."),
    Flag::new("alertmanager", Kind::Bool, "Run an Alertmanager, too.").on(),
    Flag::new("alertmanager.config.file", Kind::Text, "Configuration file of the Alertmanager. Default: alertmanager/alertmanager.yml in the data folder, made if there is none."),
    Flag::new("scrape-interval", Kind::Duration, "How often the built-in targets are scraped.").default(&["5s"]),
    Flag::new("storage.tsdb.retention.time", Kind::Duration, "How long samples are kept on local disk; the bucket keeps all.").default(&["15d"]),
    Flag::new("storage.tsdb.min-block-duration", Kind::Duration, "Span of time of a block.").default(&["2h"]).hidden(),
    Flag::new("log.level", Kind::LogLevel, "Least severe level that is logged: debug, info, warn or error.").default(&["info"]),
    Flag::new("log.format", Kind::LogFormat, "Form of a log line: logfmt or json.").default(&["logfmt"]),
];
