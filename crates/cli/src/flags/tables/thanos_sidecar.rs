//! Flags of `thanos sidecar` 0.43.
//!
//! Names, types and defaults are the peer's; what is refused says why.

use crate::flags::spec::{Flag, Kind};

#[rustfmt::skip]
pub(crate) const SIDECAR: &[Flag] = &[
    Flag::new("http-address", Kind::Text, "Address of the HTTP listener: API, probes and metrics.").default(&["0.0.0.0:10902"]),
    Flag::new("http-grace-period", Kind::Duration, "How long open HTTP requests may take to end at shutdown.").default(&["2m"]),
    Flag::new("http.config", Kind::Text, "").default(&[""]).refused("TLS between components is not built yet"),
    Flag::new("grpc-address", Kind::Text, "Address of the gRPC listener: StoreAPI.").default(&["0.0.0.0:10901"]),
    Flag::new("grpc-server-tls-cert", Kind::Text, "").default(&[""]).refused("TLS between components is not built yet"),
    Flag::new("grpc-server-tls-key", Kind::Text, "").default(&[""]).refused("TLS between components is not built yet"),
    Flag::new("grpc-server-tls-client-ca", Kind::Text, "").default(&[""]).refused("TLS between components is not built yet"),
    Flag::new("grpc-server-tls-min-version", Kind::Enum(&["1.0", "1.1", "1.2", "1.3"]), "Accepted.").default(&["1.3"]).accepted("TLS between components is not built yet"),
    Flag::new("grpc-server-tls-ciphers", Kind::Text, "").repeatable().refused("TLS between components is not built yet"),
    Flag::new("grpc-server-tls-curves", Kind::Text, "").repeatable().refused("TLS between components is not built yet"),
    Flag::new("grpc-server-max-connection-age", Kind::GoDuration, "Accepted.").default(&["60m"]).accepted("connections are kept as long as the client keeps them"),
    Flag::new("grpc-grace-period", Kind::GoDuration, "How long open gRPC calls may take to end at shutdown.").default(&["2m"]).accepted("calls under way are finished, however long they take"),
    Flag::new("prometheus.url", Kind::Url, "URL of the server whose data this sidecar serves.").default(&["http://localhost:9090"]),
    Flag::new("prometheus.ready_timeout", Kind::GoDuration, "How long to wait for the server to be ready at start.").default(&["10m"]).accepted("the server is tried again until it answers, however long that takes"),
    Flag::new("prometheus.get_config_interval", Kind::GoDuration, "How often the external labels are read from the server.").default(&["30s"]),
    Flag::new("prometheus.get_config_timeout", Kind::GoDuration, "Longest time that reading them may take.").default(&["30s"]),
    Flag::new("prometheus.http-client-file", Kind::Text, "").refused("not built yet"),
    Flag::new("prometheus.http-client", Kind::Text, "").refused("not built yet"),
    Flag::new("tsdb.path", Kind::Text, "Data folder of the server.").default(&["./data"]),
    Flag::new("reloader.config-file", Kind::Text, "").default(&[""]).refused("the configuration reloader is not built yet; reload the server with SIGHUP or --config.auto-reload"),
    Flag::new("reloader.config-envsubst-file", Kind::Text, "").default(&[""]).refused("the configuration reloader is not built yet; reload the server with SIGHUP or --config.auto-reload"),
    Flag::new("reloader.rule-dir", Kind::Text, "").repeatable().refused("the configuration reloader is not built yet; reload the server with SIGHUP or --config.auto-reload"),
    Flag::new("reloader.watch-interval", Kind::GoDuration, "Accepted.").default(&["3m"]).accepted("nothing is reloaded"),
    Flag::new("reloader.retry-interval", Kind::GoDuration, "Accepted.").default(&["5s"]).accepted("nothing is reloaded"),
    Flag::new("reloader.method", Kind::Enum(&["http", "signal"]), "").default(&["http"]).refused("the configuration reloader is not built yet; reload the server with SIGHUP or --config.auto-reload"),
    Flag::new("reloader.process-name", Kind::Text, "").default(&["prometheus"]).refused("the configuration reloader is not built yet; reload the server with SIGHUP or --config.auto-reload"),
    Flag::new("request.logging-config-file", Kind::Text, "").refused("request logs are not built yet"),
    Flag::new("request.logging-config", Kind::Text, "").refused("request logs are not built yet"),
    Flag::new("objstore.config-file", Kind::Text, "File with the configuration of the bucket."),
    Flag::new("objstore.config", Kind::Text, "Configuration of the bucket, as YAML text; not together with the file."),
    Flag::new("shipper.upload-compacted", Kind::Bool, "Upload blocks that the server has compacted, too."),
    Flag::new("shipper.ignore-unequal-block-size", Kind::Bool, "Accepted.").hidden().accepted("block sizes of the server are not checked"),
    Flag::new("shipper.allow-out-of-order-uploads", Kind::Bool, "Upload newer blocks although an older one could not be uploaded.").hidden(),
    Flag::new("shipper.skip-corrupted-blocks", Kind::Bool, "").hidden().refused("not built yet"),
    Flag::new("hash-func", Kind::Enum(&["SHA256", ""]), "").default(&[""]).refused("not built yet"),
    Flag::new("shipper.meta-file-name", Kind::Text, "File in the data folder that notes what was uploaded.").default(&["thanos.shipper.json"]),
    Flag::new("shipper.upload-concurrency", Kind::Int, "Accepted.").default(&["0"]).accepted("files of a block are uploaded one after the other"),
    Flag::new("store.limits.request-series", Kind::Uint, "").default(&["0"]).refused("not built yet"),
    Flag::new("store.limits.request-samples", Kind::Uint, "").default(&["0"]).refused("not built yet"),
    Flag::new("min-time", Kind::TimeOrDuration, "Start of the time that is served: a time, or a duration relative to now.").default(&["0000-01-01T00:00:00Z"]),
];
