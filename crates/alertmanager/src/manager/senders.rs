//! Receivers of a configuration turned into what the machine calls: `notify`'s senders behind [`Notifier`].

use std::sync::Arc;

use gauntlet_notify::data::Kv;
use gauntlet_notify::{
    Alert as SentAlert, BuildError, DataValue, NotifyContext, Reason, ReceiverData as SentData,
    Setup, Templates, build,
};
use gauntlet_template::{Time as SentTime, Zone};

use crate::alert::Alert;
use crate::config::Config;
use crate::nflog::{LogReceiver, ReceiverData, ReceiverValue};
use crate::pipeline::{
    Attempt, FailureReason, GroupInfo, Integration, Notification, Notifier, NotifyError, Outcome,
    Pipelines, ReceiverPipeline,
};
use crate::time::Time;

/// Builds the senders of all receivers that routes use, or says all that is wrong. No connection is made.
pub fn build_pipelines(config: &Config, setup: &Setup) -> Result<Pipelines, Vec<BuildError>> {
    let mut used = std::collections::HashSet::new();
    config.route.walk(&mut |route| {
        used.insert(route.receiver.clone());
    });
    let (mut pipelines, mut wrong) = (Vec::new(), Vec::new());
    for receiver in &config.receivers {
        if !used.contains(&receiver.name) {
            tracing::info!(component = "configuration", receiver = %receiver.name, "skipping creation of receiver not referenced by any route");
            continue;
        }
        match build(receiver, setup) {
            Ok(built) => {
                let name: Arc<str> = receiver.name.as_str().into();
                let wrap = |sender| wrapped(sender, &name, setup);
                let integrations = built.into_iter().map(wrap).collect();
                pipelines.push(ReceiverPipeline { name, integrations });
            }
            Err(errors) => wrong.extend(errors),
        }
    }
    if wrong.is_empty() { Ok(pipelines) } else { Err(wrong) }
}

/// A group's route labels as texts: their templates rendered over the group as it stands at `now`.
pub fn rendered_route_labels(templates: &Templates, group: &GroupInfo, now: Time) -> Kv {
    let alerts: Vec<SentAlert> = group
        .alerts
        .iter()
        .map(|info| {
            let mut alert = info.alert.clone();
            if !alert.resolved_at(now) {
                alert.ends_at = Time::ZERO;
            }
            sent_alert(&alert)
        })
        .collect();
    let group_labels = Kv::from(&group.labels);
    templates.route_labels(&group.route_labels, &group.receiver, &group_labels, &alerts)
}

fn wrapped(
    sender: gauntlet_notify::Integration,
    receiver: &Arc<str>,
    setup: &Setup,
) -> Arc<Integration> {
    let log = LogReceiver {
        group_name: Arc::clone(receiver),
        integration: sender.name().into(),
        index: sender.index() as u32,
    };
    let send_resolved = sender.send_resolved();
    let notifier = Arc::new(Sender { sender, setup: setup.clone() });
    Arc::new(Integration { log, send_resolved, notifier })
}

struct Sender {
    sender: gauntlet_notify::Integration,
    setup: Setup,
}

impl Notifier for Sender {
    fn notify(&self, notification: Arc<Notification>) -> Attempt {
        let (sender, setup) = (self.sender.clone(), self.setup.clone());
        Box::pin(async move {
            let alerts: Vec<SentAlert> = notification.alerts.iter().map(sent_alert).collect();
            let group_labels = Kv::from(&notification.group_labels);
            let route_labels = setup.templates.route_labels(
                &notification.route_labels,
                &notification.receiver,
                &group_labels,
                &alerts,
            );
            let data = notification.receiver_data.iter();
            let cx = NotifyContext {
                receiver: notification.receiver.as_ref().to_owned(),
                group_key: notification.group_key.as_ref().to_owned(),
                group_labels,
                route_labels,
                reason: notification.reason.as_str(),
                receiver_data: SentData::new(
                    data.map(|(k, v)| (k.clone(), sent_value(v))).collect(),
                ),
            };
            let result = sender.notify(&cx, &alerts).await.map_err(|err| NotifyError {
                message: err.message,
                retry: err.retry,
                reason: reason(err.reason),
            });
            let kept = cx.receiver_data.values().into_iter();
            let receiver_data: ReceiverData = kept.map(|(k, v)| (k, kept_value(v))).collect();
            Outcome { result, receiver_data }
        })
    }
}

fn sent_alert(alert: &Alert) -> SentAlert {
    SentAlert {
        labels: alert.labels.clone(),
        annotations: Kv::from_pairs(alert.annotations.iter()),
        starts_at: sent_time(alert.starts_at),
        ends_at: sent_time(alert.ends_at),
        generator_url: alert.generator_url.as_ref().to_owned(),
        fingerprint: alert.fingerprint.0,
    }
}

fn sent_time(time: Time) -> SentTime {
    let sent = SentTime::from_unix(time.unix_secs(), time.subsec_nanos());
    match time.offset_secs() {
        0 => sent,
        offset => sent.in_zone(Zone::Fixed(String::new(), offset)),
    }
}

fn sent_value(value: &ReceiverValue) -> DataValue {
    match value {
        ReceiverValue::Text(text) => DataValue::Str(text.clone()),
        ReceiverValue::Int(n) => DataValue::Int(*n),
        ReceiverValue::Double(n) => DataValue::Double(*n),
    }
}

fn kept_value(value: DataValue) -> ReceiverValue {
    match value {
        DataValue::Str(text) => ReceiverValue::Text(text),
        DataValue::Int(n) => ReceiverValue::Int(n),
        DataValue::Double(n) => ReceiverValue::Double(n),
    }
}

fn reason(reason: Reason) -> FailureReason {
    match reason {
        Reason::ClientError => FailureReason::ClientError,
        Reason::ServerError => FailureReason::ServerError,
        Reason::ContextCanceled => FailureReason::ContextCanceled,
        Reason::ContextDeadlineExceeded => FailureReason::ContextDeadlineExceeded,
        Reason::AuthError => FailureReason::AuthError,
        Reason::RateLimited => FailureReason::RateLimited,
        Reason::Other => FailureReason::Other,
    }
}
