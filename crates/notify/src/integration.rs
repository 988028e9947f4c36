//! What a receiver becomes when it is ready to send: its integrations, each with its place and its sender.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::config::Receiver;
use crate::notifier::{Alert, Notifier, NotifyContext, NotifyError};
use crate::send::{self, Setup};

/// A sender of a receiver. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Integration {
    notifier: Arc<dyn Notifier>,
    name: &'static str,
    index: usize,
    send_resolved: bool,
    receiver: Arc<str>,
}

impl Integration {
    /// Any sender under a name; [`build`] makes those of a configuration.
    pub fn new(
        notifier: Arc<dyn Notifier>,
        name: &'static str,
        index: usize,
        send_resolved: bool,
        receiver: &str,
    ) -> Self {
        Self { notifier, name, index, send_resolved, receiver: receiver.into() }
    }

    /// The kind: `webhook`; label `integration` of metrics.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its place among those of its kind in the receiver.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it is told when alerts are over.
    pub fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    /// The receiver's name.
    pub fn receiver(&self) -> &str {
        &self.receiver
    }

    /// See [`Notifier::notify`].
    pub fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>> {
        self.notifier.notify(cx, alerts)
    }
}

impl fmt::Display for Integration {
    /// `webhook[0]`, as logs and errors name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.name, self.index)
    }
}

/// An integration that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("receiver {receiver:?}: {integration}: {reason}")]
pub struct BuildError {
    pub receiver: String,
    /// `webhook[0]`
    pub integration: String,
    pub reason: String,
}

/// Builds all integrations of a receiver, or says all that is wrong with them. No connection is made.
pub fn build(receiver: &Receiver, setup: &Setup) -> Result<Vec<Integration>, Vec<BuildError>> {
    let (mut built, mut wrong) = (Vec::new(), Vec::new());
    for (config, index) in receiver.integrations() {
        let (name, send_resolved) = (config.name(), config.send_resolved());
        match send::build(config, setup) {
            Ok(notifier) => {
                let receiver = &receiver.name;
                built.push(Integration::new(notifier, name, index, send_resolved, receiver));
            }
            Err(reason) => wrong.push(BuildError {
                receiver: receiver.name.clone(),
                integration: format!("{name}[{index}]"),
                reason,
            }),
        }
    }
    if wrong.is_empty() { Ok(built) } else { Err(wrong) }
}
