//! What goes out, to whom, and what comes back: the seam between the state machine and those that really send.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use gauntlet_model::Labels;

use crate::alert::Alert;
use crate::nflog::{LogReceiver, ReceiverData};
use crate::time::Time;

/// Why something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotifyReason {
    First,
    NewAlerts,
    NewResolved,
    AllResolved,
    Repeat,
}

impl NotifyReason {
    /// As templates and webhooks see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first notification",
            Self::NewAlerts => "new alerts added",
            Self::NewResolved => "some alerts resolved",
            Self::AllResolved => "all alerts resolved",
            Self::Repeat => "repeat interval elapsed",
        }
    }
}

/// One notification, ready to be turned into whatever a receiver wants.
#[derive(Clone, Debug)]
pub struct Notification {
    pub receiver: Arc<str>,
    pub group_key: Arc<str>,
    pub group_labels: Labels,
    /// As configured: values are templates.
    pub route_labels: BTreeMap<String, String>,
    pub reason: NotifyReason,
    /// In upstream's order; a firing alert's end is [`Time::ZERO`].
    pub alerts: Arc<[Alert]>,
    /// What the integration kept last time.
    pub receiver_data: ReceiverData,
    /// When the flush began.
    pub now: Time,
    /// After this time the answer is of no use.
    pub deadline: Time,
}

/// Classes of failure, as counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FailureReason {
    #[default]
    Other,
    ClientError,
    ServerError,
    ContextCanceled,
    ContextDeadlineExceeded,
    AuthError,
    RateLimited,
}

impl FailureReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::ClientError => "clientError",
            Self::ServerError => "serverError",
            Self::ContextCanceled => "contextCanceled",
            Self::ContextDeadlineExceeded => "contextDeadlineExceeded",
            Self::AuthError => "authError",
            Self::RateLimited => "rateLimited",
        }
    }
}

/// Why an attempt failed, and whether another may fare better.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotifyError {
    pub message: String,
    pub retry: bool,
    pub reason: FailureReason,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub result: Result<(), NotifyError>,
    /// What the integration wants kept if it succeeded.
    pub receiver_data: ReceiverData,
}

/// A future of an attempt.
pub type Attempt = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Something that tells a receiver. One call is one attempt; it is dropped at the deadline.
pub trait Notifier: Send + Sync {
    fn notify(&self, notification: Arc<Notification>) -> Attempt;
}

/// One integration of a receiver.
#[derive(Clone)]
pub struct Integration {
    pub log: LogReceiver,
    pub send_resolved: bool,
    pub notifier: Arc<dyn Notifier>,
}

impl Integration {
    /// `webhook[0]`
    pub fn name(&self) -> String {
        format!("{}[{}]", self.log.integration, self.log.index)
    }
}

impl fmt::Debug for Integration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration")
            .field("log", &self.log)
            .field("send_resolved", &self.send_resolved)
            .finish_non_exhaustive()
    }
}

/// A receiver with all its integrations.
#[derive(Clone, Debug)]
pub struct ReceiverPipeline {
    pub name: Arc<str>,
    pub integrations: Vec<Arc<Integration>>,
}
