//! Signals: SIGTERM and SIGINT stop the process in order, a second one at once; SIGHUP reloads.

use gauntlet_runtime::ShutdownTrigger;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Watches for signals until the process ends. SIGHUP becomes a message on `reload`.
pub(crate) async fn watch(mut trigger: ShutdownTrigger, reload: mpsc::Sender<()>) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "terminated",
            _ = interrupt.recv() => "interrupt",
            _ = hangup.recv() => {
                info!("received SIGHUP, reloading the configuration");
                // A reload that is still waiting will read the newest files too.
                let _ = reload.try_send(());
                continue;
            }
        };
        warn!(signal = name, "Received an OS signal, exiting gracefully...");
        trigger.fire();
        break;
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    warn!("received a second signal, exiting at once");
    #[expect(clippy::exit, reason = "the second signal means now")]
    std::process::exit(1);
}
