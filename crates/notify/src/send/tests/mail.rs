//! Mails, against recordings of the peer's and a server with STARTTLS, AUTH and moods.

use std::path::Path;

use gauntlet_testkit::smtp::{SmtpOptions, SmtpSession, SmtpSink};
use serde::Deserialize;

use super::bodies::{Told, alerts, context, receivers, setup, told};
use super::failures::{firing, integrations};
use crate::integration::build;
use crate::notifier::{NotifyContext, NotifyError};

#[derive(Deserialize)]
struct Recording {
    config: String,
    mails: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    phase: String,
    commands: Vec<String>,
    data: String,
}

/// The challenge of the recording's server, and what the peer answered.
const CHALLENGE: &str = "PDEyMzQ1QHNpbms+";
const ANSWER: &str = "YXUgYmFmOGY4YjA1ODRmYzIwMDAyMmJiYWYxMDMwYjIyMDM=";

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn with_tls() -> SmtpOptions {
    let tls = Some((data("tls/server.pem"), data("tls/server.key")));
    SmtpOptions { tls, ..with_auth(&["PLAIN", "LOGIN"]) }
}

fn with_auth(mechanisms: &[&'static str]) -> SmtpOptions {
    SmtpOptions {
        mechanisms: mechanisms.to_vec(),
        account: ("au".to_owned(), "ap".to_owned()),
        cram: (CHALLENGE.to_owned(), ANSWER.to_owned()),
        ..SmtpOptions::default()
    }
}

/// One mail with these settings besides addresses.
async fn send(sink: &SmtpSink, settings: &str) -> Result<(), NotifyError> {
    let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls/ca.pem");
    let settings = settings.replace("CA", ca.to_str().unwrap());
    let config = format!(
        "email_configs: [{{to: t@x.org, from: f@x.org, smarthost: '{}', {settings}}}]",
        sink.address
    );
    let cx = NotifyContext { group_key: "k".to_owned(), ..NotifyContext::default() };
    integrations(&config, "")[0].notify(&cx, &[firing()]).await
}

/// A mail with what differs each time replaced, and its headers in one order.
fn comparable(data: &str) -> String {
    let boundary = data.split("boundary=").nth(1).unwrap().split("\r\n").next().unwrap();
    assert_eq!(boundary.len(), 60);
    let data = data.replace(boundary, "BOUNDARY");
    let (head, body) = data.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<String> = head
        .split("\r\n")
        .map(|line| match line.split_once(": ").unwrap() {
            ("Message-Id", id) => {
                assert!(id.starts_with("<17955238") && id.ends_with('>') && id.contains('@'));
                "Message-Id".to_owned()
            }
            ("Date", date) => {
                assert!(date.starts_with("Tue, 24 Nov 2026 12:3") && date.ends_with(" +0000"));
                "Date".to_owned()
            }
            _ => line.to_owned(),
        })
        .collect();
    lines.sort();
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

#[tokio::test]
async fn mails_are_those_of_the_peer() {
    let recording: Recording = serde_json::from_str(&data("peer.json")).unwrap();
    let sink = SmtpSink::start(with_auth(&["PLAIN", "LOGIN", "CRAM-MD5"])).unwrap();
    let config = recording.config.replace("SINK:25", &sink.address.to_string());
    let receivers = receivers(&config.replace("http://PEER", "http://127.0.0.1:1"));
    for phase in ["firing", "mixed", "resolved"] {
        let told: Told = told(phase);
        let all = alerts(&told.data);
        let mut rounds = vec![("d", &all[..]), ("f", &all[..])];
        if phase == "firing" {
            rounds.push(("f", &all[..1]));
        }
        let mut count = 0;
        for (name, alerts) in rounds {
            let receiver = receivers.iter().find(|receiver| receiver.name == name).unwrap();
            let cx = context(&told, name, "x");
            for integration in build(receiver, &setup()).unwrap() {
                let wanted = phase == "firing" || integration.send_resolved();
                if integration.name() == "email" && wanted {
                    integration.notify(&cx, alerts).await.unwrap();
                    count += 1;
                }
            }
        }
        let pair = |commands: &[String], data: &str| (commands.to_vec(), comparable(data));
        let ours = sink.take(count);
        let mut ours: Vec<_> =
            ours.iter().map(|s| pair(&s.commands, s.data.as_deref().unwrap())).collect();
        let recorded = recording.mails.iter().filter(|mail| mail.phase == phase);
        let mut theirs: Vec<_> = recorded.map(|mail| pair(&mail.commands, &mail.data)).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours.len(), theirs.len(), "{phase}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{phase}");
        }
    }
}

#[tokio::test]
async fn threads_can_be_a_days() {
    let sink = SmtpSink::start(SmtpOptions::default()).unwrap();
    for (by, root) in [("daily", "2026-11-24@"), ("none", "@")] {
        let settings =
            format!("threading: {{enabled: true, thread_by_date: {by}}}, require_tls: false");
        send(&sink, &settings).await.unwrap();
        let data = session(&sink).data.unwrap();
        // Sixteen digits of the SHA-256 of `k`.
        let root = format!("<alert-8254c329a92850f6-{root}alertmanager>\r\n");
        assert!(data.contains(&format!("References: {root}")), "{data}");
        assert!(data.contains(&format!("In-Reply-To: {root}")), "{data}");
    }
}

#[test]
fn ports_decide_who_speaks_first() {
    for (settings, implicit) in [
        ("smarthost: 'a:465'", true),
        ("smarthost: 'a:587'", false),
        ("smarthost: 'a:465', force_implicit_tls: false", false),
        ("smarthost: 'a:25', force_implicit_tls: true", true),
    ] {
        let text = format!(
            "receivers: [{{name: r, email_configs: [{{to: t@x, from: f@x, {settings}}}]}}]"
        );
        let config = &receivers(&text)[0].email_configs[0];
        let email = crate::send::email::Email::new(config, &setup()).unwrap();
        assert_eq!(email.uses_implicit_tls(), implicit, "{settings}");
    }
}

fn session(sink: &SmtpSink) -> SmtpSession {
    sink.take(1).remove(0)
}

#[tokio::test]
async fn credentials_are_shown_over_tls() {
    let account = "auth_username: au, auth_password: ap, tls_config: {ca_file: CA}";
    for (options, settings) in [
        (with_tls(), account.to_owned()),
        (SmtpOptions { mechanisms: vec!["LOGIN"], ..with_tls() }, account.to_owned()),
        (
            SmtpOptions { implicit_tls: true, ..with_tls() },
            format!("{account}, force_implicit_tls: true"),
        ),
        (
            SmtpOptions { mechanisms: vec!["GSSAPI", "CRAM-MD5", "PLAIN"], ..with_tls() },
            "auth_username: au, auth_secret: sec, tls_config: {ca_file: CA}".to_owned(),
        ),
    ] {
        let sink = SmtpSink::start(options).unwrap();
        send(&sink, &settings).await.unwrap();
        let session = session(&sink);
        assert!(session.tls && session.authenticated, "{settings}: {:?}", session.commands);
        assert!(session.data.unwrap().contains("Subject: [FIRING:1] "));
    }
    // Without a user name nothing is shown, whatever is offered.
    let sink = SmtpSink::start(with_tls()).unwrap();
    send(&sink, "tls_config: {ca_file: CA}").await.unwrap();
    assert!(!session(&sink).authenticated);
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_the_peers_words() {
    let quiet = SmtpOptions::default;
    let refusing = |answers: &[(&'static str, &'static str)]| SmtpOptions {
        answers: answers.to_vec(),
        ..quiet()
    };
    let plain = "require_tls: false";
    let account = "auth_username: au, auth_password: wrong, tls_config: {ca_file: CA}";
    for (options, settings, message) in [
        (
            quiet(),
            "",
            "'require_tls' is true (default) but \"ADDRESS\" does not advertise the STARTTLS extension",
        ),
        (with_tls(), account, "*smtp.plainAuth auth: 535 wrong"),
        (
            SmtpOptions { mechanisms: vec!["LOGIN"], ..with_tls() },
            account,
            "*email.loginAuth auth: 535 wrong",
        ),
        (
            SmtpOptions { mechanisms: vec!["CRAM-MD5", "X"], ..with_tls() },
            account,
            "find auth mechanism: missing secret for CRAM-MD5 auth mechanism\nunknown auth mechanism: X",
        ),
        (
            with_tls(),
            "auth_username: au, auth_password_file: /nowhere, tls_config: {ca_file: CA}",
            "find auth mechanism: could not read /nowhere: open /nowhere: no such file or directory\ncould not read /nowhere: open /nowhere: no such file or directory",
        ),
        (
            with_tls(),
            "",
            "send STARTTLS command: tls: failed to verify certificate: x509: certificate signed by unknown authority",
        ),
        (
            with_tls(),
            "tls_config: {ca_file: CA, server_name: other.test}",
            "send STARTTLS command: tls: failed to verify certificate: x509: ",
        ),
        (refusing(&[("<greeting>", "554 away")]), plain, "create SMTP client: 554 away"),
        (
            refusing(&[("<greeting>", "hello")]),
            plain,
            "create SMTP client: invalid response code: hello",
        ),
        (
            refusing(&[("EHLO", "500 what"), ("HELO", "501 what")]),
            plain,
            "send EHLO command: 501 what",
        ),
        (refusing(&[("MAIL", "451 later")]), plain, "send MAIL command: 451 later"),
        (
            refusing(&[("RCPT", "550-no\r\n550 such user")]),
            plain,
            "send RCPT command: 550 no\nsuch user",
        ),
        (refusing(&[("DATA", "452 full")]), plain, "send DATA command: 452 full"),
    ] {
        let sink = SmtpSink::start(options).unwrap();
        let err = send(&sink, settings).await.unwrap_err();
        let wanted = message.replace("ADDRESS", &sink.address.to_string());
        assert!(err.message.starts_with(&wanted), "{wanted}: {}", err.message);
        assert!(err.retry, "{message}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!("email_configs: [{{to: t@x.org, from: f@x.org, smarthost: '{closed}'}}]");
    let err = integrations(&config, "")[0]
        .notify(&NotifyContext::default(), &[firing()])
        .await
        .unwrap_err();
    let wanted =
        format!("establish connection to server: dial tcp {closed}: connect: connection refused");
    assert_eq!(err.message, wanted);
}

#[tokio::test]
async fn labels_cannot_speak_to_the_server() {
    let sink = SmtpSink::start(SmtpOptions::default()).unwrap();
    let hostile = "{{ \"a@x.org>\\r\\nRCPT TO:<b@x.org\" }}";
    for settings in [format!("to: '{hostile}'"), format!("from: '{hostile}'")] {
        let config = format!(
            "email_configs: [{{to: t@x.org, from: f@x.org, smarthost: '{}', require_tls: false}}]",
            sink.address
        );
        let name = settings.split(':').next().unwrap();
        let config = config.replace(&format!("{name}: {}@x.org", &name[..1]), &settings);
        let err = integrations(&config, "")[0]
            .notify(&NotifyContext::default(), &[firing()])
            .await
            .unwrap_err();
        assert!(err.message.starts_with(&format!("parse '{name}' addresses: mail: ")), "{err}");
        assert!(!err.retry);
    }
    let subject =
        "headers: {subject: '{{ \"a\\r\\nBcc: b@x.org\\r\\n\\r\\nbody\" }}'}, require_tls: false";
    send(&sink, subject).await.unwrap();
    let data = session(&sink).data.unwrap();
    assert!(
        data.contains("Subject: =?utf-8?q?a=0D=0ABcc:_b@x.org=0D=0A=0D=0Abody?=\r\n"),
        "{data}"
    );
    // A hello with a line break is no hello.
    let err = send(&sink, "hello: \"a\\r\\nRSET\", require_tls: false").await.unwrap_err();
    assert_eq!(err.message, "send EHLO command: smtp: A line must not contain CR or LF");
}

#[tokio::test]
async fn servers_that_talk_without_end_are_left() {
    let long: &'static str = Box::leak("220-x".repeat(2000).into_boxed_str());
    let many: &'static str =
        Box::leak(format!("{}250 end", "250-x\r\n".repeat(20_000)).into_boxed_str());
    for (answers, message) in [
        (("<greeting>", long), "create SMTP client: line is longer than 4096 bytes"),
        (("EHLO", many), "send EHLO command: answer is larger than 65536 bytes"),
    ] {
        let options = SmtpOptions { answers: vec![answers], ..SmtpOptions::default() };
        let sink = SmtpSink::start(options).unwrap();
        let err = send(&sink, "require_tls: false").await.unwrap_err();
        assert_eq!(err.message, message);
    }
}

#[tokio::test]
async fn what_is_said_before_tls_does_not_count() {
    // Someone in between puts an answer behind the server's; it must not be taken for one under TLS.
    let injected = "\r\n250-forged\r\n250 AUTH PLAIN";
    let options = SmtpOptions { injected, mechanisms: vec!["LOGIN"], ..with_tls() };
    let sink = SmtpSink::start(options).unwrap();
    let settings = "auth_username: au, auth_password: ap, tls_config: {ca_file: CA}";
    send(&sink, settings).await.unwrap();
    let session = session(&sink);
    assert!(session.authenticated);
    assert!(session.commands.contains(&"AUTH LOGIN".to_owned()), "{:?}", session.commands);
}

/// A process that ends with the test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_real_server_takes_and_understands_it() {
    use std::io::BufRead as _;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let found = std::process::Command::new("python3").args(["-c", "import aiosmtpd"]).output();
    if !found.is_ok_and(|out| out.status.success()) {
        eprintln!("SKIPPED: no python3 with aiosmtpd here");
        return;
    }
    let mut child = std::process::Command::new("python3")
        .arg(folder.join("aiosmtpd_sink.py"))
        .args([folder.join("tls/server.pem"), folder.join("tls/server.key")])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let _child = Child(child);
    let port = said.next().unwrap().unwrap();
    let config = |password: &str| {
        format!(
            "email_configs: [{{to: '\"Döe, J\" <j@x.org>, k@x.org', from: f@x.org, smarthost: '127.0.0.1:{port}', auth_username: au, auth_password: {password}, tls_config: {{ca_file: '{}'}}, headers: {{subject: 'é {{{{ .Status }}}} {}'}}, text: \"one\\n.two\\nlöng {}\\n\"}}]",
            folder.join("tls/ca.pem").display(),
            "ü".repeat(60),
            "x=".repeat(200),
        )
    };
    let cx = NotifyContext { group_key: "k".to_owned(), ..NotifyContext::default() };
    let err = integrations(&config("wrong"), "")[0].notify(&cx, &[firing()]).await.unwrap_err();
    assert!(err.message.contains("Auth auth: 535 "), "{err}");
    integrations(&config("ap"), "")[0].notify(&cx, &[firing()]).await.unwrap();
    let mail: serde_json::Value = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
    assert_eq!(mail["from"], "f@x.org");
    assert_eq!(mail["to"], serde_json::json!(["j@x.org", "k@x.org"]));
    assert_eq!(mail["subject"], format!("é firing {}", "ü".repeat(60)));
    assert_eq!(mail["parts"][0][0], "text/plain");
    let text = mail["parts"][0][1].as_str().unwrap().replace("\r\n", "\n");
    assert_eq!(text, format!("one\n.two\nlöng {}\n", "x=".repeat(200)));
    assert_eq!(mail["parts"][1][0], "text/html");
    assert!(mail["parts"][1][1].as_str().unwrap().contains("Sent by Alertmanager"));
    for fact in ["tls", "authenticated", "dated"] {
        assert_eq!(mail[fact], true, "{fact}");
    }
    assert_eq!(mail["defects"], serde_json::json!([]));
}
