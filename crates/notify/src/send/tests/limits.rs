//! Edges: texts of just the size that is taken, and what services want to be otherwise.

use std::sync::Arc;

use gauntlet_runtime::ManualClock;
use serde_json::Value;

use super::bodies::{receivers, setup};
use super::failures::{context, firing, integrations, notify};
use super::server::{Got, Server};
use crate::config::IntegrationConfig;
use crate::send::{Setup, pushover};

/// A template of this many characters, each of two bytes.
fn wide(count: usize) -> String {
    format!("{{{{ range {count} }}}}é{{{{ end }}}}")
}

struct Sent(Server);

impl Sent {
    async fn new() -> Self {
        Self(
            Server::start(|got: &Got| {
                let text = r#"{"ok":true,"success":true}"#.to_owned();
                if got.path.contains("gettoken") {
                    return (200, "application/json", r#"{"access_token":"t"}"#.to_owned());
                }
                (200, "application/json", text)
            })
            .await,
        )
    }

    /// What one notification sends last.
    async fn request(&self, config: &str) -> Got {
        notify(&integrations(config, &self.0.url())[0]).await.unwrap();
        self.0.take().pop().unwrap()
    }

    async fn body(&self, config: &str) -> Value {
        serde_json::from_str(&self.request(config).await.body).unwrap()
    }
}

fn count(value: &Value) -> usize {
    value.as_str().unwrap().chars().count()
}

#[tokio::test]
async fn texts_of_just_the_limit_stay_whole() {
    let sent = Sent::new().await;
    // Configuration with TEXT, where the text is, the limit.
    for (config, pointer, limit) in [
        ("discord_configs: [{webhook_url: 'SERVER/', title: 'TEXT'}]", "/embeds/0/title", 256),
        (
            "discord_configs: [{webhook_url: 'SERVER/', message: 'TEXT'}]",
            "/embeds/0/description",
            4096,
        ),
        ("discord_configs: [{webhook_url: 'SERVER/', content: 'TEXT'}]", "/content", 2000),
        ("slack_configs: [{api_url: 'SERVER/', title: 'TEXT'}]", "/attachments/0/title", 1024),
        (
            "rocketchat_configs: [{api_url: 'SERVER', token: t, token_id: i, title: 'TEXT'}]",
            "/attachments/0/title",
            1024,
        ),
        (
            "mattermost_configs: [{webhook_url: 'SERVER/', text: 'TEXT', attachments: [{text: a}]}]",
            "/text",
            16_383,
        ),
        (
            "telegram_configs: [{bot_token: t, chat_id: 1, api_url: 'SERVER', parse_mode: '', message: 'TEXT'}]",
            "/text",
            4096,
        ),
        (
            "victorops_configs: [{api_key: k, routing_key: r, api_url: 'SERVER/', state_message: 'TEXT'}]",
            "/state_message",
            20_480,
        ),
        ("opsgenie_configs: [{api_key: k, api_url: 'SERVER/', message: 'TEXT'}]", "/message", 130),
        (
            "pagerduty_configs: [{routing_key: k, url: 'SERVER/', description: 'TEXT'}]",
            "/payload/summary",
            1024,
        ),
        (
            "jira_configs: [{api_url: 'SERVER', project: p, issue_type: b, summary: 'TEXT'}]",
            "/fields/summary",
            255,
        ),
        (
            "jira_configs: [{api_url: 'SERVER', project: p, issue_type: b, description: 'TEXT'}]",
            "/fields/description",
            32_767,
        ),
    ] {
        for (length, cut) in [(limit, false), (limit + 1, true)] {
            let body = sent.body(&config.replace("TEXT", &wide(length))).await;
            let text = body.pointer(pointer).unwrap();
            assert_eq!(count(text), limit, "{config}");
            assert_eq!(text.as_str().unwrap().ends_with('…'), cut, "{config}");
        }
    }
}

#[tokio::test]
async fn telegrams_markup_is_not_cut() {
    let sent = Sent::new().await;
    let config =
        "telegram_configs: [{bot_token: t, chat_id: 1, api_url: 'SERVER', message: 'TEXT'}]";
    let fits = sent.body(&config.replace("TEXT", &wide(4096))).await;
    assert_eq!(count(&fits["text"]), 4096);
    let long = sent.body(&config.replace("TEXT", &wide(4097))).await;
    let text = long["text"].as_str().unwrap();
    assert!(text.starts_with("Alertmanager notification could not be sent: message length"));
}

#[tokio::test]
async fn phones_get_less_and_are_told() {
    let sent = Sent::new().await;
    let sns = |settings: &str, text: &str| {
        format!(
            "sns_configs: [{{{settings}, api_url: 'SERVER/', message: '{text}', sigv4: {{region: r, access_key: a, secret_key: s}}}}]"
        )
    };
    let message = |got: &Got| -> usize {
        let field = got.body.split('&').find_map(|pair| pair.strip_prefix("Message=")).unwrap();
        field.matches('%').count()
    };
    for (settings, length, wanted) in [
        ("phone_number: '1'", 800, 1600),
        ("phone_number: '1'", 801, 1600),
        ("topic_arn: t", 801, 1602),
        ("topic_arn: t", 131_072, 262_144),
        ("topic_arn: t", 131_073, 262_144),
    ] {
        let got = sent.request(&sns(settings, &wide(length))).await;
        assert_eq!(message(&got), wanted, "{settings} {length}");
        let cut = "MessageAttributes.entry.1.Name=truncated&MessageAttributes.entry.1.Value.DataType=String&MessageAttributes.entry.1.Value.StringValue=true";
        assert_eq!(got.body.contains(cut), 2 * length > wanted);
    }
    let fifo = sent.request(&sns("topic_arn: 'arn:x.fifo'", "m")).await;
    let id = fifo.body.split("MessageDeduplicationId=").nth(1).unwrap().split('&').next().unwrap();
    assert_eq!(id.len(), 64);
    assert!(fifo.body.contains(&format!("MessageGroupId={id}&")));
}

#[tokio::test]
async fn incidents_of_too_many_alerts_have_the_first() {
    let sent = Sent::new().await;
    let sender = &integrations(
        "incidentio_configs: [{url: 'SERVER/', alert_source_token: t}]",
        &sent.0.url(),
    )[0];
    let mut alert = firing();
    alert.generator_url = "x".repeat(200_000);
    for (count, wanted) in [(2, 2), (3, 1)] {
        sender.notify(&context(), &vec![alert.clone(); count]).await.unwrap();
        let body: Value = serde_json::from_str(&sent.0.take()[0].body).unwrap();
        assert_eq!(body["alerts"].as_array().unwrap().len(), wanted);
        assert_eq!(body["truncatedAlerts"], 0);
        assert_eq!(body["version"], "1");
    }
}

#[tokio::test]
async fn storms_are_told_of() {
    let sent = Sent::new().await;
    let mut alert = firing();
    alert.generator_url = "x".repeat(15_000);
    let sender =
        &integrations("opsgenie_configs: [{api_key: k, api_url: 'SERVER/'}]", &sent.0.url())[0];
    // More than a text of few alerts may have.
    sender.notify(&context(), &vec![alert; 300]).await.unwrap();
    assert!(sent.0.take()[0].body.len() > 4_500_000);
    let pagerduty =
        "pagerduty_configs: [{routing_key: k, url: 'SERVER/', details: {a: '{{ .Nope }}'}}]";
    let sender = &integrations(pagerduty, &sent.0.url())[0];
    let err = sender.notify(&context(), &vec![firing(); 1000]).await.unwrap_err();
    assert!(err.message.starts_with("failed to render details: template: "), "{err}");
    sender.notify(&context(), &vec![firing(); 1001]).await.unwrap();
    let body: Value = serde_json::from_str(&sent.0.take()[0].body).unwrap();
    let details = body["payload"]["custom_details"]["error"].as_str().unwrap();
    assert!(details.starts_with("Custom details have been removed"));
}

#[tokio::test]
async fn mattermosts_priorities_are_toned_down() {
    let sent = Sent::new().await;
    for (priority, wanted) in [
        ("Urgent", r#"{"priority":"urgent","requested_ack":true,"persistent_notifications":true}"#),
        ("important", r#"{"priority":"important","requested_ack":true}"#),
        ("standard", r#"{"priority":"standard"}"#),
        ("loud", r#"{"priority":"standard"}"#),
    ] {
        let config = format!(
            "mattermost_configs: [{{webhook_url: 'SERVER/', priority: {{priority: {priority}, requested_ack: true, persistent_notifications: true}}}}]"
        );
        assert_eq!(sent.body(&config).await["priority"].to_string(), wanted);
    }
}

#[tokio::test]
async fn pushover_gets_no_empty_message() {
    let sent = Sent::new().await;
    let long = wide(1025);
    for (settings, wanted) in [
        ("message: ' {{ \"\" }} '", "message=%28no+details%29".to_owned()),
        (&*format!("message: '{long}'"), format!("message={}%E2%80%A6&", "%C3%A9".repeat(1023))),
        (&*format!("title: '{}'", wide(251)), format!("title={}%E2%80%A6&", "%C3%A9".repeat(249))),
        (&*format!("url: '{}'", wide(513)), format!("url={}%E2%80%A6&", "%C3%A9".repeat(511))),
        ("monospace: true", "monospace=1&".to_owned()),
        ("ttl: 0s, retry: 30s", "retry=30&sound=&title=".to_owned()),
    ] {
        let text = format!(
            "receivers: [{{name: r, pushover_configs: [{{user_key: u, token: t, {settings}}}]}}]"
        );
        let receiver = &receivers(&text)[0];
        let (IntegrationConfig::Pushover(config), _) = receiver.integrations()[0] else {
            panic!("no pushover")
        };
        let sender = pushover::Pushover::new(config, &setup()).unwrap().at(&sent.0.url());
        let sender: &dyn crate::notifier::Notifier = &sender;
        sender.notify(&context(), &[firing()]).await.unwrap();
        let got = sent.0.take().remove(0);
        assert!(got.path.contains(&wanted), "{settings}: {}", got.path);
        assert!(!got.path.contains("ttl="));
    }
}

#[tokio::test]
async fn wechats_token_is_kept_for_two_hours() {
    let sent = Sent::new().await;
    let clock = Arc::new(ManualClock::new(0));
    let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..setup() };
    let config = "wechat_configs: [{api_secret: s, corp_id: c, api_url: 'SERVER/'}]";
    let text = format!("receivers: [{{name: r, {}}}]", config.replace("SERVER", &sent.0.url()));
    let sender = crate::build(&receivers(&text)[0], &setup).unwrap().remove(0);
    for (now_ms, requests) in [(0, 2), (7_200_000, 1), (7_200_001, 2), (14_400_000, 1)] {
        clock.set_ms(now_ms);
        notify(&sender).await.unwrap();
        assert_eq!(sent.0.take().len(), requests, "{now_ms}");
    }
}

#[tokio::test]
async fn slacks_message_lacks_what_cannot_be_rendered() {
    let sent = Sent::new().await;
    let config =
        "slack_configs: [{api_url: 'SERVER/', channel: c, pretext: '{{ .Nope }}', text: never}]";
    let body = sent.body(config).await;
    assert_eq!(body["attachments"][0]["title"], "[FIRING:1]  (A critical)");
    assert_eq!(body["attachments"][0]["text"], "");
    assert_eq!(body.get("channel"), None);
}
