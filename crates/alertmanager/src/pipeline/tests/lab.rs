//! A machine with a clock of its own and receivers that answer as a test wants.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use gauntlet_runtime::Chance;
use gauntlet_telemetry::Registry;

use super::super::*;
use crate::alert::PostedAlert;
use crate::config::Config;
use crate::matcher::ParseMode;
use crate::metrics::{Features, Metrics};
use crate::nflog::{LogReceiver, ReceiverData};
use crate::time::Time;

pub(super) const SECOND: i64 = 1_000_000_000;

/// Nobody calls it: the lab answers by itself.
struct Silent;

impl Notifier for Silent {
    fn notify(&self, _: Arc<Notification>) -> Attempt {
        unreachable!("BUG: the lab answers")
    }
}

/// What a receiver was told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Milliseconds since the start.
    pub(super) at_ms: i64,
    pub(super) receiver: String,
    pub(super) index: u32,
    pub(super) ok: bool,
    pub(super) notification: Arc<Notification>,
}

impl Told {
    /// `receiver[index] reason: +firing -resolved`, the alerts by their label `n`.
    pub(super) fn line(&self) -> String {
        let names: Vec<String> = self
            .notification
            .alerts
            .iter()
            .map(|a| format!("{}{}", if a.is_resolved() { '-' } else { '+' }, a.labels.value("n")))
            .collect();
        let ok = if self.ok { "" } else { " failed" };
        format!(
            "{} {}[{}]{ok} {}: {}",
            self.at_ms,
            self.receiver,
            self.index,
            self.notification.reason.as_str(),
            names.join(" ")
        )
    }
}

type Answer = Box<dyn FnMut(&Told) -> (i64, Result<(), NotifyError>)>;

pub(super) struct Lab {
    pub(super) core: Core,
    pub(super) registry: Registry,
    pub(super) start: Time,
    pub(super) now: Time,
    pub(super) told: Vec<Told>,
    pub(super) broadcasts: Vec<(&'static str, Vec<u8>)>,
    /// Delay in nanoseconds, and the answer.
    pub(super) answer: Answer,
    answers: BTreeMap<(Time, u64), (SendId, Outcome)>,
    number: u64,
}

impl Lab {
    pub(super) fn new(config: &str) -> Self {
        Self::with(CoreOptions::default(), config)
    }

    pub(super) fn with(options: CoreOptions, config: &str) -> Self {
        let start = Time::from_unix(1_700_000_000, 0);
        let registry = Registry::new();
        let metrics = Metrics::new(&registry, Features::default());
        let core = Core::new(options, Chance::seeded(1), metrics, start);
        let mut lab = Self {
            core,
            registry,
            start,
            now: start,
            told: Vec::new(),
            broadcasts: Vec::new(),
            answer: Box::new(|_| (0, Ok(()))),
            answers: BTreeMap::new(),
            number: 0,
        };
        lab.apply(config);
        lab
    }

    pub(super) fn apply(&mut self, text: &str) {
        let config = Config::parse(text, ParseMode::Fallback).expect("config").config;
        let pipelines = pipelines(&config);
        self.core.apply(Arc::new(config), pipelines, self.now);
        self.act();
    }

    pub(super) fn at(&self, ms: i64) -> Time {
        self.start.plus_ns(ms * 1_000_000)
    }

    /// Reports an alert with the label `n` and others (`a=b c=d`), from now (or `starts`) to `ends`, in ms since the start.
    pub(super) fn post(&mut self, labels: &str, starts: i64, ends: i64) {
        let pairs = labels.split(' ').map(|pair| {
            let (name, value) = pair.split_once('=').expect("label");
            (Cow::Owned(name.to_owned()), Cow::Owned(value.to_owned()))
        });
        let posted = PostedAlert {
            labels: pairs.collect(),
            starts_at: self.at(starts),
            ends_at: self.at(ends),
            ..PostedAlert::default()
        };
        let outcome = self.core.post(vec![posted], "lab", self.now);
        assert!(outcome.invalid.is_empty(), "{outcome:?}");
        self.act();
    }

    /// Goes on to a time in ms since the start.
    pub(super) fn run_to(&mut self, ms: i64) {
        let end = self.at(ms);
        loop {
            self.act();
            let wake = self.core.next_wake().unwrap_or(Time::MAX);
            let answer = self.answers.keys().next().map_or(Time::MAX, |(at, _)| *at);
            let next = wake.min(answer);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            while let Some(entry) = self.answers.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let (id, outcome) = entry.remove();
                self.core.complete(id, outcome, self.now);
                self.act();
            }
            self.core.poll(self.now);
        }
        self.now = end;
        self.core.poll(self.now);
        self.act();
    }

    /// Takes actions: sends are answered after their delay.
    pub(super) fn act(&mut self) {
        for action in self.core.take_actions() {
            match action {
                Action::Broadcast { channel, message } => self.broadcasts.push((channel, message)),
                Action::Send { id, integration, notification } => {
                    let mut told = Told {
                        at_ms: self.now.since_ns(self.start) / 1_000_000,
                        receiver: integration.log.group_name.as_ref().to_owned(),
                        index: integration.log.index,
                        ok: true,
                        notification: Arc::clone(&notification),
                    };
                    let (delay, result) = (self.answer)(&told);
                    told.ok = result.is_ok();
                    self.told.push(told);
                    let until = self.now.plus_ns(delay).min(notification.deadline);
                    let receiver_data = ReceiverData::new();
                    self.number += 1;
                    self.answers
                        .insert((until, self.number), (id, Outcome { result, receiver_data }));
                }
            }
        }
    }

    /// What was told since the last call, a line each.
    pub(super) fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told).iter().map(Told::line).collect()
    }

    /// The value of a metric with these label values.
    pub(super) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name == name).expect(name);
        let metric = family.metrics.iter().find(|metric| {
            metric.labels.iter().map(|(_, v)| v.as_str()).eq(labels.iter().copied())
        });
        match metric.map(|metric| &metric.value) {
            Some(
                gauntlet_telemetry::MetricValue::Counter(n)
                | gauntlet_telemetry::MetricValue::Gauge(n),
            ) => *n,
            _ => f64::NAN,
        }
    }
}

/// Receivers as configured, told nowhere.
pub(super) fn pipelines(config: &Config) -> Pipelines {
    let of = |receiver: &gauntlet_notify::config::Receiver| ReceiverPipeline {
        name: receiver.name.as_str().into(),
        integrations: receiver
            .integrations()
            .into_iter()
            .map(|(integration, index)| {
                let log = LogReceiver {
                    group_name: receiver.name.as_str().into(),
                    integration: integration.name().into(),
                    index: index as u32,
                };
                let send_resolved = integration.send_resolved();
                Arc::new(Integration { log, send_resolved, notifier: Arc::new(Silent) })
            })
            .collect(),
    };
    config.receivers.iter().map(of).collect()
}
