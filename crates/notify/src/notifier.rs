//! What a sender is asked and what it answers.

use std::collections::BTreeMap;
use std::fmt;

use futures::future::BoxFuture;
use gauntlet_model::Labels;
use gauntlet_template::Time;
use parking_lot::Mutex;

use crate::data::Kv;

/// An alert as a notification shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub labels: Labels,
    pub annotations: Kv,
    pub starts_at: Time,
    /// Zero while the alert fires; that is what tells firing from resolved.
    pub ends_at: Time,
    pub generator_url: String,
    pub fingerprint: u64,
}

impl Alert {
    pub fn is_firing(&self) -> bool {
        self.ends_at.is_zero()
    }
}

/// What one integration keeps between notifications of one group: the `receiver_data` of the notification log.
#[derive(Debug, Default)]
pub struct ReceiverData(Mutex<BTreeMap<String, DataValue>>);

/// A value of [`ReceiverData`].
#[derive(Clone, Debug, PartialEq)]
pub enum DataValue {
    Str(String),
    Int(i64),
    Double(f64),
}

impl ReceiverData {
    pub fn new(values: BTreeMap<String, DataValue>) -> Self {
        Self(Mutex::new(values))
    }

    /// A text; empty if there is none.
    pub fn text(&self, key: &str) -> String {
        match self.0.lock().get(key) {
            Some(DataValue::Str(text)) => text.clone(),
            _ => String::new(),
        }
    }

    pub fn set_text(&self, key: &str, text: &str) {
        self.0.lock().insert(key.to_owned(), DataValue::Str(text.to_owned()));
    }

    /// What is kept now, to be written to the log.
    pub fn values(&self) -> BTreeMap<String, DataValue> {
        self.0.lock().clone()
    }
}

/// About whom a notification is and why it is sent.
#[derive(Debug, Default)]
pub struct NotifyContext {
    /// The receiver's name.
    pub receiver: String,
    /// `{route}:{labels}`; its hash is the key that services deduplicate by.
    pub group_key: String,
    pub group_labels: Kv,
    /// Rendered already.
    pub route_labels: Kv,
    /// In upstream's words: `first notification`.
    pub reason: &'static str,
    /// Kept from the last notification; senders change it in place.
    pub receiver_data: ReceiverData,
}

/// Why a notification failed, as label `reason` of `alertmanager_notifications_failed_total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reason {
    #[default]
    Other,
    ClientError,
    ServerError,
    ContextCanceled,
    ContextDeadlineExceeded,
    AuthError,
    RateLimited,
}

impl Reason {
    /// All there are, in the order in which upstream makes their metrics.
    pub const ALL: [Self; 7] = [
        Self::Other,
        Self::ClientError,
        Self::ServerError,
        Self::ContextCanceled,
        Self::ContextDeadlineExceeded,
        Self::AuthError,
        Self::RateLimited,
    ];

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

    /// What the status of an answer says of the failure.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::AuthError,
            429 => Self::RateLimited,
            400..500 => Self::ClientError,
            500..600 => Self::ServerError,
            _ => Self::Other,
        }
    }
}

/// A notification that did not get through. The text is upstream's and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotifyError {
    /// Whether trying again may help.
    pub retry: bool,
    pub reason: Reason,
    pub message: String,
}

impl NotifyError {
    /// Not to be tried again.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { retry: false, reason: Reason::Other, message: message.into() }
    }

    /// To be tried again.
    pub fn temporary(message: impl Into<String>) -> Self {
        Self { retry: true, reason: Reason::Other, message: message.into() }
    }

    pub(crate) fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// Puts words in front: `context: message`.
    pub(crate) fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

/// One way of telling about alerts.
pub trait Notifier: fmt::Debug + Send + Sync {
    /// Tells once. The caller bounds the time by dropping the future; senders bound it by their own timeouts besides.
    fn notify<'a>(
        &'a self,
        cx: &'a NotifyContext,
        alerts: &'a [Alert],
    ) -> BoxFuture<'a, Result<(), NotifyError>>;
}
