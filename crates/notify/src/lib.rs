//! Receivers of alerts: their configuration, the data and default texts of notifications, and the sending.
//!
//! [`config`] reads what a configuration file says of receivers; [`build`] makes senders of it; a [`Notifier`] tells once and says
//! whether telling again may help. [`Templates`] holds the texts, [`data`] what they see. One file a receiver under `config/` and
//! `send/`; what senders over HTTP share is in `http`, mail in `mail` and `smtp`.
//! Left out: who is told what and when (routes, grouping, silences, the notification log, retries), which belongs to the crate that
//! dispatches alerts.

pub mod config;
pub mod data;
mod files;
pub mod fuzz;
mod http;
mod integration;
mod json;
mod mail;
mod notifier;
mod send;
mod smtp;
mod texts;
mod truncate;

pub use integration::{BuildError, Integration, build};
pub use notifier::{Alert, DataValue, Notifier, NotifyContext, NotifyError, Reason, ReceiverData};
pub use send::Setup;
pub use texts::{TemplateFile, Templates};
