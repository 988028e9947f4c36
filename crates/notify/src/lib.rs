//! Receivers of alerts: their configuration, the data and default texts of notifications, and the sending.
//!
//! [`config`] reads what a configuration file says of receivers. Left out: who is told what and when (routes, grouping,
//! silences, the notification log), which belongs to the crate that dispatches alerts.

pub mod config;
