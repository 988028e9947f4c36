//! The shutdown token: one trigger, any number of listeners, async or polled.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::Shared;

/// Fires the shutdown once; dropping it fires too, so that no listener waits for ever.
#[derive(Debug)]
pub struct ShutdownTrigger {
    sender: Option<oneshot::Sender<()>>,
    fired: Arc<AtomicBool>,
}

/// A listener's end. Cheap to clone.
#[derive(Clone)]
pub struct Shutdown {
    receiver: Shared<oneshot::Receiver<()>>,
    fired: Arc<AtomicBool>,
}

impl Shutdown {
    pub fn new() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = oneshot::channel();
        let fired = Arc::new(AtomicBool::new(false));
        let trigger = ShutdownTrigger { sender: Some(sender), fired: Arc::clone(&fired) };
        (trigger, Self { receiver: receiver.shared(), fired })
    }

    /// Completes when the shutdown has been fired.
    pub async fn wait(&self) {
        let _ = self.receiver.clone().await;
    }

    pub fn is_fired(&self) -> bool {
        self.fired.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("fired", &self.is_fired()).finish()
    }
}

impl ShutdownTrigger {
    pub fn fire(&mut self) {
        self.fired.store(true, Ordering::Release);
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(());
        }
    }
}

impl Drop for ShutdownTrigger {
    fn drop(&mut self) {
        self.fire();
    }
}
