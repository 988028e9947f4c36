//! Signals: SIGTERM and SIGINT stop the process in order, a second one at once; SIGHUP reloads.

use gauntlet_runtime::ShutdownTrigger;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};

/// Watches for signals until the process ends. SIGHUP becomes a message on `reload`; a message on `stop` acts as SIGTERM does.
pub(crate) async fn watch(
    mut trigger: ShutdownTrigger,
    reload: mpsc::Sender<()>,
    mut stop: mpsc::Receiver<()>,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => {
                warn!(signal = "terminated", "Received an OS signal, exiting gracefully...");
                break;
            }
            _ = interrupt.recv() => {
                warn!(signal = "interrupt", "Received an OS signal, exiting gracefully...");
                break;
            }
            Some(()) = stop.recv() => {
                warn!("Received termination request via web service, exiting gracefully...");
                break;
            }
            _ = hangup.recv() => {
                info!("received SIGHUP, reloading the configuration");
                // A reload that is still waiting will read the newest files too.
                let _ = reload.try_send(());
            }
        }
    }
    trigger.fire();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    warn!("received a second signal, exiting at once");
    #[expect(clippy::exit, reason = "the second signal means now")]
    std::process::exit(1);
}
