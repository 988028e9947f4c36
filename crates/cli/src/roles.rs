//! The roles, and what all of them need: logs, threads, signals, an orderly end.

mod alertmanager;
mod bucket;
mod common;
mod node;
mod overview;
mod query;
mod server;
mod sidecar;
mod store;
mod thanos;
mod up;

use std::sync::Arc;

use gauntlet_runtime::{Clock, Shutdown, SystemClock};
use gauntlet_telemetry::logs::{LogFormat, LogShape, RecentWarnings};
use tokio::sync::mpsc;
use tracing::{Level, error, warn};

use crate::commands::Role;
use crate::flags::program::Ending;
use crate::flags::values::Values;
use crate::signals;

/// What a role is started with.
pub(crate) struct Start {
    pub(crate) values: Values,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shutdown: Shutdown,
    /// A message for each SIGHUP.
    pub(crate) reload: mpsc::Receiver<()>,
    /// Stops the process, for `/-/quit`.
    pub(crate) stop: Arc<dyn Fn() + Send + Sync>,
    pub(crate) recent: RecentWarnings,
}

/// Why a role ended early: the exit code and what to tell.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) reason: String,
}

impl Failure {
    /// A failure at work: exit code 1.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { code: 1, reason: reason.into() }
    }

    /// A configuration that cannot be used: exit code 2, as Prometheus has it.
    pub(crate) fn config(reason: impl Into<String>) -> Self {
        Self { code: 2, reason: reason.into() }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(err: E) -> Self {
        Self::new(err.to_string())
    }
}

/// Runs a role until it is told to stop.
pub(crate) fn run(role: Role, values: Values) -> Ending {
    let code = run_to_end(role, values);
    Ending { code, ..Ending::default() }
}

/// `node` answers a scrape every few seconds: one thread, which is also woken only once for each.
fn runtime(role: Role) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match role {
        Role::Node => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    builder.worker_threads(threads).thread_name("async").enable_all().build()
}

fn run_to_end(role: Role, values: Values) -> u8 {
    let recent = start_logs(role, &values);
    if values.text("log.format") == "journald" {
        error!("--log.format=journald is not built yet: use logfmt or json");
        return 1;
    }
    for (flag, why) in values.without_effect() {
        warn!(flag = %format_args!("--{flag}"), reason = why, "flag taken without effect");
    }
    // One provider of cryptography for every TLS connection of the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match runtime(role) {
        Ok(runtime) => runtime,
        Err(err) => {
            error!(%err, "cannot start threads");
            return 1;
        }
    };
    let ended = runtime.block_on(async {
        let (trigger, shutdown) = Shutdown::new();
        let (reload_sender, reload) = mpsc::channel(1);
        let (stop_sender, stop_receiver) = mpsc::channel::<()>(1);
        tokio::spawn(signals::watch(trigger, reload_sender, stop_receiver));
        let start = Start {
            values,
            clock: Arc::new(SystemClock),
            shutdown,
            reload,
            stop: Arc::new(move || {
                let _ = stop_sender.try_send(());
            }),
            recent,
        };
        match role {
            Role::Alertmanager => alertmanager::run(start).await,
            Role::Node => node::run(start).await,
            Role::Query => query::run(start).await,
            Role::Sidecar => sidecar::run(start).await,
            Role::Server => server::run(start).await,
            Role::Store => store::run(start).await,
            Role::Up => up::run(start).await,
        }
    });
    // Blocking work that nobody waits for any more must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    match ended {
        Ok(()) => 0,
        Err(failure) => {
            error!(err = failure.reason, "the role ended");
            failure.code
        }
    }
}

fn start_logs(role: Role, values: &Values) -> RecentWarnings {
    let level = match values.text("log.level").to_ascii_lowercase().as_str() {
        "debug" => Level::DEBUG,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => Level::INFO,
    };
    let format = match values.text("log.format").as_str() {
        "json" => LogFormat::Json,
        _ => LogFormat::Logfmt,
    };
    let shape = match role {
        Role::Sidecar | Role::Store | Role::Query => LogShape::GoKit,
        _ => LogShape::Slog,
    };
    gauntlet_telemetry::logs::init(level, format, shape)
}
