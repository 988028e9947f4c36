//! Failures: what is tried again, for which reason, in whose words; and what receivers that misbehave cannot do.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::bodies::{receivers, setup};
use super::server::{Got, Server};
use crate::integration::{Integration, build};
use crate::notifier::{Alert, NotifyContext, NotifyError, Reason};

pub(super) fn firing() -> Alert {
    Alert {
        labels: gauntlet_model::Labels::from_pairs([("alertname", "A"), ("severity", "critical")]),
        annotations: crate::data::Kv::default(),
        starts_at: gauntlet_template::Time::from_unix(1, 0),
        ends_at: gauntlet_template::Time::ZERO,
        generator_url: String::new(),
        fingerprint: 1,
    }
}

fn resolved() -> Alert {
    Alert { ends_at: gauntlet_template::Time::from_unix(2, 0), ..firing() }
}

pub(super) fn context() -> NotifyContext {
    NotifyContext { receiver: "r".into(), group_key: "{}:{}".into(), ..NotifyContext::default() }
}

/// The integrations of a receiver whose configuration is given, in flow style, with SERVER for a place.
pub(super) fn integrations(config: &str, url: &str) -> Vec<Integration> {
    let text = format!("receivers:\n- {{name: r, {}}}\n", config.replace("SERVER", url));
    build(&receivers(&text)[0], &setup()).unwrap()
}

pub(super) async fn notify(integration: &Integration) -> Result<(), NotifyError> {
    integration.notify(&context(), &[firing()]).await
}

/// All that can be pointed at a server, with the name errors are told by.
const ALL: [(&str, &str); 16] = [
    ("discord", "discord_configs: [{webhook_url: 'SERVER/x'}]"),
    ("incidentio", "incidentio_configs: [{url: 'SERVER/x', alert_source_token: t}]"),
    ("pagerduty", "pagerduty_configs: [{routing_key: k, url: 'SERVER/x'}]"),
    ("slack", "slack_configs: [{api_url: 'SERVER/x', channel: c}]"),
    ("webhook", "webhook_configs: [{url: 'SERVER/x'}]"),
    ("opsgenie", "opsgenie_configs: [{api_key: k, api_url: 'SERVER/'}]"),
    ("wechat", "wechat_configs: [{api_secret: s, corp_id: c, api_url: 'SERVER/'}]"),
    ("victorops", "victorops_configs: [{api_key: k, routing_key: r, api_url: 'SERVER/'}]"),
    (
        "sns",
        "sns_configs: [{topic_arn: t, api_url: 'SERVER/', sigv4: {region: r, access_key: a, secret_key: s}}]",
    ),
    ("telegram", "telegram_configs: [{bot_token: t, chat_id: 1, api_url: 'SERVER'}]"),
    (
        "webex",
        "webex_configs: [{room_id: r, api_url: 'SERVER/x', http_config: {authorization: {credentials: c}}}]",
    ),
    ("msteams", "msteams_configs: [{webhook_url: 'SERVER/x'}]"),
    ("msteamsv2", "msteamsv2_configs: [{webhook_url: 'SERVER/x'}]"),
    ("jira", "jira_configs: [{api_url: 'SERVER/rest/api/2', project: p, issue_type: b}]"),
    ("rocketchat", "rocketchat_configs: [{api_url: 'SERVER', token: t, token_id: i, channel: c}]"),
    ("mattermost", "mattermost_configs: [{webhook_url: 'SERVER/x', channel: c}]"),
];

/// Statuses that some try again although they are no 5xx.
const TOO_MANY: [&str; 5] = ["incidentio", "pagerduty", "opsgenie", "jira", "wechat"];

#[tokio::test]
async fn statuses_decide_what_is_tried_again() {
    for (status, reason) in [
        (500, Reason::ServerError),
        (503, Reason::ServerError),
        (400, Reason::ClientError),
        (401, Reason::AuthError),
        (403, Reason::AuthError),
        (404, Reason::ClientError),
        (429, Reason::RateLimited),
        (302, Reason::Other),
    ] {
        let server = Server::start(move |got: &Got| {
            if got.path.contains("gettoken") {
                return (200, "application/json", "{\"access_token\":\"t\"}".to_owned());
            }
            if got.path.contains("/bot") {
                let text =
                    format!("{{\"ok\":false,\"error_code\":{status},\"description\":\"no\"}}");
                return (status, "application/json", text);
            }
            (status, "text/plain", "<Error><Message>why</Message></Error>".to_owned())
        })
        .await;
        for (name, config) in ALL {
            let config = config.replacen("[{", "[{http_config: {follow_redirects: false}, ", 1);
            // Its authorization is its own.
            let config = config.replace(
                "http_config: {follow_redirects: false}, room_id: r, api_url: 'SERVER/x', http_config: {auth",
                "room_id: r, api_url: 'SERVER/x', http_config: {follow_redirects: false, auth",
            );
            let sender = &integrations(&config, &server.url())[0];
            let err = notify(sender).await.unwrap_err();
            let wanted = match name {
                "telegram" | "wechat" => true,
                _ => status / 100 == 5 || (status == 429 && TOO_MANY.contains(&name)),
            };
            assert_eq!((err.retry, err.reason), (wanted, reason), "{name} {status}: {err}");
            if status == 404 && name != "telegram" {
                assert!(err.message.contains("unexpected status code 404"), "{name}: {err}");
            }
        }
    }
}

#[tokio::test]
async fn events_of_the_old_api_wait_for_403() {
    let status = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(0));
    let now = std::sync::Arc::clone(&status);
    let server = Server::start(move |_| {
        (now.load(std::sync::atomic::Ordering::SeqCst), "text/plain", "x".to_owned())
    })
    .await;
    let text = "receivers: [{name: r, pagerduty_configs: [{service_key: k}]}]";
    let config = &receivers(text)[0].pagerduty_configs[0];
    let sender = crate::send::pagerduty::Pagerduty::new(config, &setup()).unwrap();
    let sender: &dyn crate::notifier::Notifier = &sender.v1_at(&server.url());
    for (answer, retry) in [(403, true), (429, false), (400, false), (500, true)] {
        status.store(answer, std::sync::atomic::Ordering::SeqCst);
        let err = sender.notify(&context(), &[firing()]).await.unwrap_err();
        assert_eq!((err.retry, err.reason), (retry, Reason::Other), "{answer}");
    }
}

#[tokio::test]
async fn words_are_the_peers() {
    let server = Server::start(|got: &Got| match got.path.as_str() {
        "/pd" => (400, "application/json", r#"{"message":"bad","errors":["a","b"]}"#.to_owned()),
        "/io" => {
            (422, "application/json", r#"{"message":"m","error":"e","errors":["x"]}"#.to_owned())
        }
        "/slack" => (200, "application/json", r#"{"ok":false,"error":"no_channel"}"#.to_owned()),
        "/slacktext" => (200, "text/html", "no_text".to_owned()),
        "/slackbroken" => (200, "application/json", "{".to_owned()),
        "/rc/api/v1/chat.postMessage" => {
            (200, "application/json", r#"{"success":false,"error":"who?"}"#.to_owned())
        }
        "/sns" => {
            (403, "text/xml", "<E><Code>x</Code><Message>&lt;no&gt;</Message></E>".to_owned())
        }
        _ => (404, "text/plain", "nothing here".to_owned()),
    })
    .await;
    for (config, message, retry, reason) in [
        (
            "webhook_configs: [{url: 'SERVER/w'}]",
            "unexpected status code 404: nothing here",
            false,
            Reason::ClientError,
        ),
        (
            "pagerduty_configs: [{routing_key: k, url: 'SERVER/pd'}]",
            "unexpected status code 400: bad: a,b",
            false,
            Reason::ClientError,
        ),
        (
            "incidentio_configs: [{url: 'SERVER/io', alert_source_token: t}]",
            "unexpected status code 422: m: e: x",
            false,
            Reason::ClientError,
        ),
        (
            "slack_configs: [{api_url: 'SERVER/slack', channel: '#c'}]",
            "channel \"#c\": error response from Slack: no_channel",
            false,
            Reason::ClientError,
        ),
        (
            "slack_configs: [{api_url: 'SERVER/slacktext', channel: '#c'}]",
            "channel \"#c\": received an error response from Slack: no_text",
            false,
            Reason::ClientError,
        ),
        (
            "rocketchat_configs: [{api_url: 'SERVER/rc', token: t, token_id: i, channel: c}]",
            "channel \"c\": error response from Rocketchat: who?",
            false,
            Reason::ClientError,
        ),
        (
            "sns_configs: [{topic_arn: t, api_url: 'SERVER/sns', sigv4: {region: r, access_key: a, secret_key: s}}]",
            "unexpected status code 403: <no>",
            false,
            Reason::AuthError,
        ),
        (
            "jira_configs: [{api_url: 'SERVER/', project: p, issue_type: b}]",
            "failed to look up existing issues: HTTP request to JIRA API: unexpected status code 404: nothing here",
            false,
            Reason::ClientError,
        ),
        (
            "webhook_configs: [{url: 'SERVER/{{ .Nope }}'}]",
            "failed to template webhook URL: template: :1:26: executing \"\" at <.Nope>: can't evaluate field Nope in type *template.Data",
            false,
            Reason::Other,
        ),
        (
            "webhook_configs: [{url: '{{ \"\" }}'}]",
            "webhook URL is empty after templating",
            false,
            Reason::Other,
        ),
        (
            "discord_configs: [{webhook_url_file: '/nowhere/x'}]",
            "read webhook_url_file: open /nowhere/x: no such file or directory",
            false,
            Reason::Other,
        ),
        (
            "jira_configs: [{api_url: 'SERVER/', project: '{{ .Nope }}', issue_type: b}]",
            "failed to look up existing issues: invalid project template or value: template: :1:3: executing \"\" at <.Nope>: can't evaluate field Nope in type *template.Data",
            false,
            Reason::Other,
        ),
    ] {
        let sender = &integrations(config, &server.url())[0];
        let err = notify(sender).await.unwrap_err();
        // The column depends on the server's port.
        let said = err.message.replace(&format!(":1:{}:", server.url().len() + 5), ":1:26:");
        assert_eq!((said.as_str(), err.retry, err.reason), (message, retry, reason), "{config}");
    }
    let sender =
        &integrations("slack_configs: [{api_url: 'SERVER/slackbroken'}]", &server.url())[0];
    let err = notify(sender).await.unwrap_err();
    assert!(err.message.starts_with("channel \"\": could not unmarshal JSON response \"{\": "));
    assert_eq!((err.retry, err.reason), (true, Reason::ClientError));
}

#[tokio::test]
async fn who_cannot_be_reached_is_tried_again_and_not_named() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (name, config) in ALL {
        let sender = &integrations(config, &format!("http://u:secret@{closed}/hidden"))[0];
        let err = notify(sender).await.unwrap_err();
        assert!(err.retry, "{name}: {err}");
        assert_eq!(err.reason, Reason::Other, "{name}");
        let refused = format!("\"<redacted>\": dial tcp {closed}: connect: connection refused");
        assert!(err.message.ends_with(&refused), "{name}: {err}");
        assert!(!err.message.contains("hidden") && !err.message.contains("secret"), "{err}");
    }
}

/// A server that reads a request and then does `answer` with the connection.
async fn raw<F, Fut>(answer: F) -> String
where
    F: Fn(tokio::net::TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = [0; 64 << 10];
            let _ = stream.read(&mut seen).await;
            answer(stream).await;
        }
    });
    url
}

#[tokio::test]
async fn silence_ends_at_the_configured_timeout() {
    let url = raw(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    for (config, cause) in [
        ("webhook_configs: [{url: 'SERVER/', timeout: 20ms}]", "webhook timeout reached (20ms)"),
        ("slack_configs: [{api_url: 'SERVER/', timeout: 20ms}]", "slack timeout reached (20ms)"),
        (
            "incidentio_configs: [{url: 'SERVER/', alert_source_token: t, timeout: 20ms}]",
            "incident.io timeout reached (20ms)",
        ),
    ] {
        let err = notify(&integrations(config, &url)[0]).await.unwrap_err();
        let wanted = format!("Post \"<redacted>\": context deadline exceeded: configured {cause}");
        assert_eq!((err.message.as_str(), err.retry), (wanted.as_str(), true));
    }
}

#[tokio::test]
async fn floods_cost_a_bound() {
    let url = raw(|mut stream| async move {
        let head = "HTTP/1.1 500 no\r\ncontent-type: text/plain\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..64 {
            if stream.write_all(&chunk).await.is_err() {
                break;
            }
        }
    })
    .await;
    let err = notify(&integrations("webhook_configs: [{url: 'SERVER/'}]", &url)[0]).await;
    let err = err.unwrap_err();
    assert!(err.retry);
    assert!(err.message.starts_with("unexpected status code 500: xxx"), "{err}");
    assert!(err.message.len() < 5000, "{}", err.message.len());
    let url = raw(|mut stream| async move {
        let head =
            "HTTP/1.1 200 ok\r\ncontent-type: application/json\r\n\r\n{\"ok\":true, \"x\":\"";
        let _ = stream.write_all(head.as_bytes()).await;
        let chunk = vec![b'x'; 1 << 20];
        while stream.write_all(&chunk).await.is_ok() {}
    })
    .await;
    // What needs no body is content with the status; what needs one refuses to read on.
    notify(&integrations("webhook_configs: [{url: 'SERVER/'}]", &url)[0]).await.unwrap();
    let slack = &integrations("slack_configs: [{api_url: 'SERVER/'}]", &url)[0];
    let err = notify(slack).await.unwrap_err();
    assert_eq!(
        err.message,
        "channel \"\": could not read response body: answer is larger than 1048576 bytes"
    );
}

#[tokio::test]
async fn redirects_drop_credentials() {
    let other = Server::start(|_| (200, "text/plain", "ok".to_owned())).await;
    let away = other.url();
    let url = raw(move |mut stream| {
        let head = format!(
            "HTTP/1.1 307 go\r\nlocation: {away}/there\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        async move {
            let _ = stream.write_all(head.as_bytes()).await;
        }
    })
    .await;
    for config in [
        "webhook_configs: [{url: 'SERVER/', http_config: {basic_auth: {username: u, password: p}}}]",
        "opsgenie_configs: [{api_key: k, api_url: 'SERVER/'}]",
        "slack_configs: [{app_token: k, app_url: 'SERVER/'}]",
        "sns_configs: [{topic_arn: t, api_url: 'SERVER/', sigv4: {region: r, access_key: a, secret_key: s}}]",
        "incidentio_configs: [{url: 'SERVER/', alert_source_token: t}]",
    ] {
        notify(&integrations(config, &url)[0]).await.unwrap();
        let got = other.take();
        assert_eq!(got.len(), 1, "{config}");
        assert_eq!((got[0].path.as_str(), got[0].method.as_str()), ("/there", "POST"));
        assert!(!got[0].body.is_empty());
        assert!(!got[0].headers.contains_key("authorization"), "{config}");
    }
    let rocketchat = "rocketchat_configs: [{api_url: 'SERVER', token: t, token_id: i}]";
    let _ = notify(&integrations(rocketchat, &url)[0]).await;
    let got = other.take();
    assert!(!got[0].headers.contains_key("x-auth-token"));
    assert!(!got[0].headers.contains_key("x-user-id"));
}

#[tokio::test]
async fn users_of_urls_are_shown_as_credentials() {
    let server = Server::start(|_| (200, "text/plain", "ok".to_owned())).await;
    let url = server.url().replace("//", "//us%40er:p%3Aw@");
    notify(&integrations("webhook_configs: [{url: 'SERVER/a b?c=d e#f'}]", &url)[0]).await.unwrap();
    let got = server.take().remove(0);
    assert_eq!(got.headers["authorization"], "Basic dXNAZXI6cDp3");
    assert_eq!(got.path, "/a%20b?c=d%20e");
    assert!(!got.headers["host"].contains('@'));
}

#[tokio::test]
async fn secrets_in_files_are_read_anew() {
    let server = Server::start(|_| (200, "text/plain", "ok".to_owned())).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "one\n").unwrap();
    let config = format!(
        "opsgenie_configs: [{{api_key_file: '{}', api_url: 'SERVER/'}}]",
        file.to_str().unwrap()
    );
    let sender = &integrations(&config, &server.url())[0];
    notify(sender).await.unwrap();
    std::fs::write(&file, "two").unwrap();
    notify(sender).await.unwrap();
    let keys: Vec<String> =
        server.take().into_iter().map(|got| got.headers["authorization"].clone()).collect();
    assert_eq!(keys, ["GenieKey one", "GenieKey two"]);
}

#[tokio::test]
async fn slack_messages_are_edited_under_what_the_log_keeps() {
    let server = Server::start(|_| {
        let text = r#"{"ok":true,"channel":"C9","ts":"17.5"}"#;
        (200, "application/json; charset=utf-8", text.to_owned())
    })
    .await;
    let config = "slack_configs: [{app_token: t, update_message: true, channel: '#c', app_url: 'SERVER/post'}]";
    let text = format!("receivers:\n- {{name: r, {}}}\n", config.replace("SERVER", &server.url()));
    let receiver = &receivers(&text)[0];
    let slack = crate::send::slack::Slack::new(&receiver.slack_configs[0], &setup()).unwrap();
    let slack = slack.editing_at(&format!("{}/update", server.url()));
    let cx = context();
    let slack: &dyn crate::notifier::Notifier = &slack;
    slack.notify(&cx, &[firing()]).await.unwrap();
    assert_eq!(cx.receiver_data.text("threadTs"), "17.5");
    assert_eq!(cx.receiver_data.text("channelId"), "C9");
    slack.notify(&cx, &[firing()]).await.unwrap();
    let got = server.take();
    assert_eq!((got[0].path.as_str(), got[1].path.as_str()), ("/post", "/update"));
    assert!(got[0].body.starts_with("{\"channel\":\"#c\",\"username\""), "{}", got[0].body);
    assert!(got[1].body.starts_with("{\"channel\":\"C9\",\"ts\":\"17.5\","), "{}", got[1].body);
}

#[tokio::test]
async fn jira_issues_are_moved() {
    let category = std::sync::Arc::new(parking_lot::Mutex::new("done"));
    let now = std::sync::Arc::clone(&category);
    let server = Server::start(move |got: &Got| {
        if got.path.ends_with("/search") {
            let key = *now.lock();
            let text = format!(
                "{{\"issues\":[{{\"key\":\"P-1\",\"fields\":{{\"status\":{{\"statusCategory\":{{\"key\":\"{key}\"}}}}}}}}]}}"
            );
            return (200, "application/json", text);
        }
        let text = r#"{"transitions":[{"id":"1","name":"Reopen"},{"id":"2","name":"Done"}]}"#;
        (200, "application/json", text.to_owned())
    })
    .await;
    let config = "jira_configs: [{api_url: 'SERVER', project: p, issue_type: b, reopen_transition: Reopen, resolve_transition: Done, reopen_duration: 2h}]";
    let sender = &integrations(config, &server.url())[0];
    let steps = |got: Vec<Got>| -> Vec<String> {
        let line = |got: &Got| format!("{} {} {}", got.method, got.path, got.body.trim_end());
        got.iter().filter(|got| got.path.contains("transitions")).map(line).collect()
    };
    notify(sender).await.unwrap();
    let got = server.take();
    assert!(
        got[0].body.contains("(resolutiondate is EMPTY OR resolutiondate \\u003e= -120m) and ")
    );
    let wanted = [
        "GET /issue/P-1/transitions ",
        "POST /issue/P-1/transitions {\"transition\":{\"id\":\"1\"}}",
    ];
    assert_eq!(steps(got), wanted);
    *category.lock() = "new";
    notify(sender).await.unwrap();
    assert!(steps(server.take()).is_empty());
    sender.notify(&context(), &[resolved()]).await.unwrap();
    let wanted = [
        "GET /issue/P-1/transitions ",
        "POST /issue/P-1/transitions {\"transition\":{\"id\":\"2\"}}",
    ];
    assert_eq!(steps(server.take()), wanted);
}

#[tokio::test]
async fn wechat_fetches_a_token_when_the_old_one_is_over() {
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = std::sync::Arc::clone(&over);
    let server = Server::start(move |got: &Got| {
        let text = match got.path.contains("gettoken") {
            true => r#"{"access_token":"t"}"#,
            false if now.load(std::sync::atomic::Ordering::SeqCst) => {
                r#"{"errcode":42001,"errmsg":"token over"}"#
            }
            false => r#"{"errcode":0}"#,
        };
        (200, "application/json", text.to_owned())
    })
    .await;
    let config = "wechat_configs: [{api_secret: s, corp_id: c, api_url: 'SERVER/'}]";
    let sender = &integrations(config, &server.url())[0];
    notify(sender).await.unwrap();
    notify(sender).await.unwrap();
    assert_eq!(server.take().len(), 3);
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    let err = notify(sender).await.unwrap_err();
    assert_eq!((err.message.as_str(), err.retry), ("token over", true));
    server.take();
    over.store(false, std::sync::atomic::Ordering::SeqCst);
    notify(sender).await.unwrap();
    assert!(server.take()[0].path.contains("gettoken"));
}

#[tokio::test]
async fn what_is_too_large_is_cut() {
    let server = Server::start(|_| (200, "text/plain", "ok".to_owned())).await;
    let long = "{{ range 200 }}0123456789é{{ end }}";
    let body = |config: String| {
        let url = server.url();
        let server = &server;
        async move {
            notify(&integrations(&config, &url)[0]).await.unwrap();
            let got = server.take().remove(0);
            serde_json::from_str::<serde_json::Value>(&got.body).unwrap()
        }
    };
    let pagerduty = body(format!(
        "pagerduty_configs: [{{routing_key: k, url: 'SERVER/', description: '{long}', details: {{big: '{{{{ range 60000 }}}}0123456789{{{{ end }}}}'}}}}]"
    ))
    .await;
    assert_eq!(
        pagerduty["payload"]["custom_details"],
        serde_json::json!({"error": "Custom details have been removed because the original event exceeds the maximum size of 512KB"})
    );
    let webex = body(format!(
        "webex_configs: [{{room_id: r, api_url: 'SERVER/', message: '{long}{long}{long}{long}', http_config: {{authorization: {{credentials: c}}}}}}]"
    ))
    .await;
    let text = webex["markdown"].as_str().unwrap();
    assert!((7437..=7439).contains(&text.len()) && text.ends_with('…'), "{}", text.len());
}

/// The setup of a process with these variables.
fn setup_with(variables: Vec<(&'static str, String)>) -> crate::Setup {
    let mut setup = setup();
    setup.environment = std::sync::Arc::new(move |name| {
        variables.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()).unwrap_or_default()
    });
    setup
}

#[tokio::test]
async fn roles_are_taken_on_to_publish() {
    let server = Server::start(|request| match request.body.contains("Action=AssumeRole") {
        true if request.body.contains("RoleArn=gone") => {
            (403, "text/xml", "<Error><Message>no role</Message></Error>".to_owned())
        }
        true => (
            200,
            "text/xml",
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>R</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
                .to_owned(),
        ),
        false => (200, "text/xml", String::new()),
    })
    .await;
    let sender = |arn: &str| {
        let config = format!(
            "sns_configs: [{{topic_arn: t, api_url: '{}/', sigv4: {{region: eu, role_arn: {arn}}}}}]",
            server.url()
        );
        let setup = setup_with(vec![
            ("AWS_ACCESS_KEY_ID", "E".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "ES".to_owned()),
            ("AWS_ENDPOINT_URL_STS", format!("{}/sts", server.url())),
        ]);
        build(&receivers(&format!("receivers:\n- {{name: r, {config}}}\n"))[0], &setup)
            .unwrap()
            .remove(0)
    };
    let good = sender("R");
    notify(&good).await.unwrap();
    let [assumed, published] = server.take().try_into().unwrap();
    assert_eq!(assumed.path, "/sts/");
    assert!(assumed.headers["authorization"].contains("Credential=E/20261124/eu/sts/"));
    let wanted = "AWS4-HMAC-SHA256 Credential=R/20261124/eu/sns/aws4_request, SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token, ";
    assert!(published.headers["authorization"].starts_with(wanted), "{:?}", published.headers);
    assert_eq!(published.headers["x-amz-security-token"], "token");
    // The role is good for longer than one notification.
    notify(&good).await.unwrap();
    assert_eq!(server.take().len(), 1);

    let err = notify(&sender("gone")).await.unwrap_err();
    assert!(err.message.starts_with("failed to create SNS client: "), "{}", err.message);
    assert!(err.message.contains("403") && err.retry, "{}", err.message);
}

#[tokio::test]
async fn without_keys_or_region_nothing_is_published() {
    let server = Server::start(|_| (200, "text/xml", String::new())).await;
    let text = |region: &str| {
        format!(
            "receivers:\n- {{name: r, sns_configs: [{{topic_arn: t, api_url: '{}/', sigv4: {{region: '{region}', profile: p}}}}]}}\n",
            server.url()
        )
    };
    let nowhere = || {
        setup_with(vec![
            ("HOME", "/nowhere".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ])
    };
    for (region, wanted) in [
        ("eu", "failed to create SNS client: AWS profile \"p\" has no keys"),
        ("", "region not configured in sns.sigv4.region or in default credentials chain: "),
    ] {
        let sender = build(&receivers(&text(region))[0], &nowhere()).unwrap().remove(0);
        let err = notify(&sender).await.unwrap_err();
        assert!(err.message.starts_with(wanted) && err.retry, "{}", err.message);
    }
    assert!(server.take().is_empty());
}

#[test]
fn files_that_are_missing_are_named() {
    for (config, reason) in [
        (
            "rocketchat_configs: [{token_file: '/nowhere', token_id: i}]",
            "could not read /nowhere: open /nowhere: no such file or directory",
        ),
        (
            "incidentio_configs: [{url: 'http://a', alert_source_token_file: '/nowhere'}]",
            "failed to read alert_source_token_file: open /nowhere: no such file or directory",
        ),
    ] {
        let text = format!("receivers:\n- {{name: r, {config}}}\n");
        let wrong = build(&receivers(&text)[0], &setup()).unwrap_err();
        assert!(wrong[0].reason.starts_with(reason), "{}", wrong[0].reason);
    }
}
